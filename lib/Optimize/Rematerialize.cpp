//===- Rematerialize.cpp - Compute again what memory is too small for -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Looks at the place where most memory is taken, takes the buffer that waits there for a later
// reader and costs the least time for each byte when it is computed again in front of that reader,
// and begins anew. What a step is computed from may be gone by then and is computed again with it;
// so the buffers that stay come to be those from which the others follow, as the inputs of layers
// do, without anybody saying what a layer is. Works on finished steps, whose buffers and times are
// known, and before updates are tied, so that variables are read while they are old.
//
//===----------------------------------------------------------------------===//

#include "BufferPlaces.h"
#include "Repetition.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Optimize/Buffers.h"
#include "ampc/Optimize/Passes.h"
#include "ampc/Support/DeviceModel.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_REMATERIALIZE
#include "ampc/Optimize/Passes.h.inc"

/// Steps that are computed again for one buffer, and how often the search begins anew.
static constexpr size_t kMostSteps = 64, kMostRounds = 2048;

//===----------------------------------------------------------------------===//
// The search
//===----------------------------------------------------------------------===//

namespace {
class Search {
public:
  Search(Block &block, const DeviceModel &model) : block(block), model(model), lives(block) {}

  /// Computes steps again until the buffers take no more than `limit` bytes, or nothing helps.
  void run(uint64_t limit);
  /// The bytes that the buffers take, gaps between them included.
  uint64_t measure() const;
  /// How long all steps of the block take, in microseconds.
  double timeOfAll() const;

  unsigned numRepeated = 0; ///< steps that are computed again

private:
  size_t numRounds = 0;

  struct Candidate {
    Operation *step = nullptr, *reader = nullptr;
    llvm::SmallSetVector<unsigned, 4> wanted;
    SmallVector<std::pair<Operation *, Repetition>> repetitions; ///< in their order
    double time = 0;
    uint64_t bytes = 0; ///< that no longer wait

    /// What it is, as long as it has the same reader.
    using Key = std::tuple<Operation *, Operation *, unsigned, unsigned>;
    Key getKey() const { return {step, reader, wanted.front(), wanted.size()}; }
    bool isBetter(const Candidate &other) const {
      return time * double(other.bytes) < other.time * double(bytes);
    }
    bool frees(Value value) const {
      return value.getDefiningOp() == step &&
             wanted.contains(cast<OpResult>(value).getResultNumber());
    }
  };

  void considerStep(Operation *step, int64_t peak, std::optional<Candidate> &best) const;
  /// Takes results of one step, all of which wait at the peak, for a candidate in front of their
  /// first reader behind it; it is `best` where it is better.
  void consider(ArrayRef<OpResult> results, int64_t peak, std::optional<Candidate> &best) const;
  bool complete(Candidate &candidate, int64_t peak) const;
  Value findCurrent(Value value, const Candidate &candidate, int64_t peak) const;
  bool apply(const Candidate &candidate, int64_t peak);
  /// Whether no more than `target` bytes live at a time, once steps are computed again.
  bool reduce(uint64_t target);
  double timeOf(Operation *op, ValueRange operands, TypeRange results) const;
  Value familyOf(Value value) const {
    Value first = families.lookup(value);
    return first ? first : value;
  }

  Block &block;
  const DeviceModel &model;
  BufferLives lives;
  /// The value of the block that a made one is another of, and all of those.
  DenseMap<Value, Value> families;
  DenseMap<Value, SmallVector<Value, 2>> copies;
  DenseSet<Candidate::Key> refused;
};
} // namespace

/// Whether what the kernel computes with is what it stores: numbers of 16 bits it rounds only then.
/// Begun from stored ones, other bits might come out.
static bool isStoredWhole(Value result) {
  auto type = dyn_cast<FloatType>(getElementTypeOrSelf(result.getType()));
  return !type || type.getWidth() >= 32;
}

double Search::timeOf(Operation *op, ValueRange operands, TypeRange results) const {
  uint64_t bytes = 0;
  for (Type type : operands.getTypes())
    bytes += getByteSize(type).value_or(0);
  for (Type type : results)
    bytes += getByteSize(type).value_or(0);
  double products = double(cast<plan::StepOpInterface>(op).getFlops()) / model.productRate;
  return model.launchTime + std::max(double(bytes) / model.bandwidth, products);
}

double Search::timeOfAll() const {
  double sum = 0;
  for (auto step : block.getOps<plan::StepOpInterface>())
    sum += timeOf(step, step->getOperands(), step->getResultTypes());
  return sum;
}

/// What stands for a value in front of the candidate's reader without being computed again: one of
/// its family that lives behind the peak anyway. Of several the last, which is kept the shortest.
Value Search::findCurrent(Value value, const Candidate &candidate, int64_t peak) const {
  int64_t reader = lives.positionOf(candidate.reader);
  const BufferLives::Life *best = nullptr;
  Value found;
  auto consider = [&](Value other) {
    const BufferLives::Life *life = lives.find(other);
    if (!life) // a variable
      found = other;
    else if (!candidate.frees(other) && life->first < reader && life->last() > peak &&
             (!best || best->first < life->first)) {
      best = life;
      found = other;
    }
  };
  Value family = familyOf(value);
  consider(family);
  for (Value copy : copies.lookup(family))
    consider(copy);
  return found;
}

/// Adds what has to be computed again for the candidate; whether that can be.
bool Search::complete(Candidate &candidate, int64_t peak) const {
  llvm::MapVector<Operation *, Repetition> found;
  found[candidate.step].wanted = candidate.wanted;
  SmallVector<Operation *> pending{candidate.step};
  while (!pending.empty()) {
    Operation *op = pending.pop_back_val();
    Repetition repetition = found[op];
    repetition.given.clear();
    for (OpResult result : op->getResults())
      if (!repetition.wanted.contains(result.getResultNumber()) && isStoredWhole(result) &&
          findCurrent(result, candidate, peak))
        repetition.given.insert(result.getResultNumber());
    repetition.complete(op);
    for (Value operand : repetition.operands) {
      Value owner = getBufferOwner(operand);
      if (findCurrent(owner, candidate, peak))
        continue;
      auto result = dyn_cast<OpResult>(owner);
      if (!result || !canRepeat(result.getOwner()) || found.size() == kMostSteps)
        return false;
      if (found[result.getOwner()].wanted.insert(result.getResultNumber()))
        pending.push_back(result.getOwner());
    }
    found[op] = std::move(repetition);
  }
  for (auto &[op, repetition] : found) {
    SmallVector<Type> results;
    for (unsigned r : repetition.wanted)
      results.push_back(op->getResult(r).getType());
    candidate.time += timeOf(op, repetition.operands.getArrayRef(), results);
    candidate.repetitions.emplace_back(op, std::move(repetition));
  }
  llvm::sort(candidate.repetitions, [&](const auto &a, const auto &b) {
    return lives.positionOf(a.first) < lives.positionOf(b.first);
  });
  return true;
}

void Search::consider(ArrayRef<OpResult> results, int64_t peak,
                      std::optional<Candidate> &best) const {
  Candidate candidate;
  candidate.step = results.front().getOwner();
  int64_t reader = std::numeric_limits<int64_t>::max();
  for (OpResult result : results) {
    const BufferLives::Life *life = lives.find(result);
    reader = std::min(reader, *life->nextUse(peak));
    candidate.wanted.insert(result.getResultNumber());
    candidate.bytes += life->bytes;
  }
  candidate.reader = lives.opAt(reader);
  if (refused.contains(candidate.getKey()) || !complete(candidate, peak))
    return;
  if (!best || candidate.isBetter(*best))
    best = std::move(candidate);
}

/// Considers the results of a step that wait at the peak, one by one and together.
void Search::considerStep(Operation *step, int64_t peak, std::optional<Candidate> &best) const {
  SmallVector<OpResult> waiting;
  for (OpResult result : step->getResults()) {
    const BufferLives::Life *life = lives.find(result);
    if (!life || life->isAssigned || life->bytes == 0 || llvm::is_contained(life->uses, peak))
      continue;
    std::optional<int64_t> next = life->nextUse(peak);
    // What is returned waits for nobody.
    if (next && !lives.opAt(*next)->hasTrait<OpTrait::IsTerminator>())
      waiting.push_back(result);
  }
  if (waiting.empty() || !canRepeat(step))
    return;
  for (OpResult result : waiting)
    consider(result, peak, best);
  if (waiting.size() > 1)
    consider(waiting, peak, best);
}

/// Computes the steps again where less is then alive, at the peak and at most.
bool Search::apply(const Candidate &candidate, int64_t peak) {
  Insertion insertion(candidate.reader);
  for (const auto &[op, repetition] : candidate.repetitions)
    if (!insertion.add(op, repetition,
                       [&](Value value) { return findCurrent(value, candidate, peak); })) {
      insertion.undo();
      return false;
    }
  for (unsigned r : candidate.wanted)
    insertion.redirect(candidate.step->getResult(r), lives, peak);
  // Nothing has been put in front of the peak.
  BufferLives changed(block);
  uint64_t before = lives.bytesAt(peak);
  if (changed.bytesAt(peak) >= before || changed.bytesAt(changed.findPeak()) > before) {
    insertion.undo();
    return false;
  }
  for (auto [of, made] : insertion.getMade()) {
    Value family = familyOf(of);
    families[made] = family;
    copies[family].push_back(made);
  }
  numRepeated += insertion.countSteps();
  lives = std::move(changed);
  return true;
}

bool Search::reduce(uint64_t target) {
  for (; numRounds < kMostRounds; ++numRounds) {
    int64_t peak = lives.findPeak();
    if (lives.bytesAt(peak) <= target)
      return true;
    std::optional<Candidate> best;
    for (int64_t position = 0; position < peak; ++position)
      considerStep(lives.opAt(position), peak, best);
    if (!best)
      return false;
    if (!apply(*best, peak))
      refused.insert(best->getKey());
  }
  return false;
}

uint64_t Search::measure() const {
  SmallVector<PlacedBuffer> buffers;
  for (const auto &[value, life] : lives.all())
    if (!life.isAssigned)
      buffers.push_back({life.bytes, life.first, life.last()});
  SmallVector<PlacedBuffer *> pointers;
  for (PlacedBuffer &buffer : buffers)
    pointers.push_back(&buffer);
  return placeBuffers(pointers, lives.bytesAt(lives.findPeak()), /*start=*/0)
             ? std::numeric_limits<uint64_t>::max()
             : endOf(pointers);
}

void Search::run(uint64_t limit) {
  for (uint64_t taken; (taken = measure()) > limit;) {
    uint64_t alive = lives.bytesAt(lives.findPeak());
    uint64_t gaps = std::min(limit, taken - alive);
    if (alive == 0 || !reduce(std::min(limit - gaps, alive - 1)))
      return;
  }
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct Rematerialize : impl::RematerializeBase<Rematerialize> {
  using RematerializeBase::RematerializeBase;

  void runOnOperation() override {
    if (memoryLimit == 0)
      return;
    uint64_t state = countState();
    if (state > memoryLimit)
      return;
    // A small part is left for what kernels need besides: parts of sums.
    uint64_t limit = (memoryLimit - state) / 64 * 63;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || function->hasAttr(plan::kLoopBodyAttr))
        continue;
      Search search(function.front(), getDeviceModel(target, gpu));
      uint64_t before = search.measure();
      double time = search.timeOfAll();
      search.run(limit);
      numRepeated += search.numRepeated;
      // Where it is not enough, plan-memory says what is.
      uint64_t after = search.measure();
      if (search.numRepeated == 0 || after > memoryLimit - state)
        continue;
      constexpr double kMebibyte = 1 << 20;
      emitRemark(function.getLoc()) << llvm::formatv(
          "--memory-limit: @{0} computes {1} steps again, which takes about {2:F1} % longer, and "
          "needs about {3:F1} MiB in the place of {4:F1}",
          function.getName(), search.numRepeated, 100 * (search.timeOfAll() / time - 1),
          double(state + after) / kMebibyte, double(state + before) / kMebibyte);
    }
  }

private:
  /// The bytes of all variables that are used.
  uint64_t countState() {
    uint64_t bytes = 0;
    for (VariableOp variable : getUsedVariables(getOperation()))
      bytes += getPaddedSize(variable.getType()).value_or(0);
    return bytes;
  }
};
} // namespace
} // namespace ampc
