//===- Sequence.cpp - Kernels that one block runs one after another -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Each nested kernel is a phase: its schedule's blocks become a loop of the one block that
// there is, and a barrier stands behind them. What phases hand on lies in workspace.
//
// Phases that do not wait for each other and differ in their tensors alone (the checks and
// the updates of many parameters) have one code, in a loop over them. Where all that is
// still too much code for one kernel, several launches share the phases.
//
//===----------------------------------------------------------------------===//

#include "CodeSize.h"
#include "Members.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include <numeric>

namespace ampc::codegen {
namespace {

/// A phase with more elements than this takes more threads.
constexpr int64_t kManyElements = 4096;
/// Up to so many like phases are written out: a loop over them would have to find their
/// buffers each time.
constexpr size_t kFewMembers = 4;

struct Phase {
  KernelOp kernel;
  IterationStructure s;
  FusedSchedule fused;
  bool isFlat = false;
  /// Where its operands and its results lie.
  SmallVector<unsigned> reads, writes;

  SmallVector<unsigned> places() const {
    SmallVector<unsigned> all(reads);
    llvm::append_range(all, writes);
    return all;
  }
};

/// Phases with one code, which run in any order.
struct Group {
  SmallVector<Phase *> phases;
  bool haveEqualExtents = true;

  /// The one with most elements, whose code does for all.
  Phase &model() const {
    return **llvm::max_element(phases,
                               [](Phase *a, Phase *b) { return a->s.points() < b->s.points(); });
  }
};

/// Whether two lists have equal elements at the same positions.
bool repeatAlike(ArrayRef<unsigned> a, ArrayRef<unsigned> b) {
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if ((a[i] == a[j]) != (b[i] == b[j]))
        return false;
  return true;
}

class SequenceEmitter {
public:
  SequenceEmitter(KernelOp kernel, StringRef name, const EmitTarget &target)
      : kernel(kernel), name(name), target(target) {}

  FailureOr<EmittedKernel> emit() {
    if (failed(schedulePhases()))
      return failure();
    assignPlaces();
    formGroups();
    // Most sequences are one launch; how large their code is, emitting it tells.
    SmallVector<int64_t> lines;
    Stage whole = emitStage(0, groups.size(), name, lines);
    auto sum = [&](size_t from, size_t to) {
      return std::accumulate(lines.begin() + from, lines.begin() + to, int64_t(0));
    };
    if (!target.device || groups.size() == 1 ||
        (sum(0, groups.size()) <= kMostLines && countPlaces(0, groups.size()) <= kMostArguments)) {
      emitted.stages.push_back(std::move(whole));
      return std::move(emitted);
    }
    target.module.lookupSymbol(name)->erase();
    written.clear();
    for (size_t from = 0, to; from < groups.size(); from = to) {
      to = from + 1;
      while (to < groups.size() && sum(from, to + 1) <= kMostLines &&
             countPlaces(from, to + 1) <= kMostArguments)
        ++to;
      std::string part = name + "_part" + std::to_string(emitted.stages.size());
      emitted.stages.push_back(emitStage(from, to, part, lines));
    }
    return std::move(emitted);
  }

private:
  LogicalResult schedulePhases() {
    for (KernelOp nested : kernel.getBodyBlock()->getOps<KernelOp>()) {
      FailureOr<IterationStructure> s = analyzeKernel(nested);
      if (failed(s) || failed(checkTied(nested, *s)))
        return failure();
      phases.push_back(std::make_unique<Phase>());
      phases.back()->kernel = nested;
      phases.back()->isFlat = hasFlatLoop(nested, *s);
      phases.back()->s = std::move(*s);
      if (target.device && phases.back()->s.points() > kManyElements)
        threads = 512;
      else if (target.device)
        threads = std::max<int64_t>(threads, 256);
    }
    ScheduleLimits limits{*target.model};
    limits.threads = target.device ? threads : 0;
    limits.singleStage = true;
    for (const std::unique_ptr<Phase> &phase : phases) {
      std::string reason;
      if (failed(scheduleFused(phase->s, limits, phase->fused, reason)))
        return phase->kernel.emitOpError("cannot be scheduled: ") << reason;
    }
    return success();
  }

  /// Gives each tensor of the body a place, the number of a buffer: an operand's, that of
  /// the operand it is tied to, a result's, or a temporary's.
  void assignPlaces() {
    Block *body = kernel.getBodyBlock();
    Operation *yield = kernel.getYield();
    numInputs = body->getNumArguments();
    unsigned firstTemporary = numInputs + yield->getNumOperands();
    llvm::DenseMap<Value, unsigned> placeOf;
    for (BlockArgument a : body->getArguments())
      placeOf[a] = a.getArgNumber();
    for (auto [r, v] : llvm::enumerate(yield->getOperands())) {
      int64_t t = kernel.getTied()[r];
      placeOf[getViewed(v)] = t >= 0 ? t : numInputs + r;
      typeAt[numInputs + r] = cast<RankedTensorType>(v.getType());
    }
    for (const std::unique_ptr<Phase> &phase : phases)
      for (auto [r, v] : llvm::enumerate(phase->kernel.getResults())) {
        if (placeOf.contains(v))
          continue;
        int64_t t = phase->kernel.getTied()[r];
        unsigned tiedTo = t < 0 ? 0 : placeOf.lookup(getViewed(phase->kernel.getInputs()[t]));
        if (t >= 0 && tiedTo >= firstTemporary) {
          placeOf[v] = tiedTo;
          continue;
        }
        unsigned place = firstTemporary + emitted.temporaries.size();
        placeOf[v] = place;
        typeAt[place] = cast<RankedTensorType>(v.getType());
        emitted.temporaries.push_back(typeAt[place]);
      }
    for (const std::unique_ptr<Phase> &phase : phases) {
      for (Value v : phase->kernel.getInputs())
        phase->reads.push_back(placeOf.lookup(getViewed(v)));
      for (Value v : phase->kernel.getResults())
        phase->writes.push_back(placeOf.lookup(v));
    }
  }

  /// Whether the code of `group` does for `phase`, extents apart.
  bool takes(const Group &group, const Phase &phase) {
    const Phase &first = *group.phases.front();
    if (first.reads.size() != phase.reads.size() || first.writes.size() != phase.writes.size() ||
        first.s.ops.size() != phase.s.ops.size() || !repeatAlike(first.places(), phase.places()))
      return false;
    if (group.haveEqualExtents && areEqual(first.kernel, phase.kernel))
      return true;
    if (!first.isFlat || !phase.isFlat)
      return false;
    // Like the largest, whichever that is.
    const Phase &model = group.model();
    bool isLarger = phase.s.points() > model.s.points();
    const Phase &large = isLarger ? phase : model, &small = isLarger ? model : phase;
    return areSameButForExtents(large.kernel, large.s, small.kernel, small.s);
  }

  /// Lets like phases follow one another where none waits for what comes between.
  void formGroups() {
    llvm::DenseMap<unsigned, size_t> lastRead, lastWrite; // of each place, by group + 1
    for (const std::unique_ptr<Phase> &phase : phases) {
      size_t earliest = 0;
      for (unsigned place : phase->reads)
        earliest = std::max(earliest, lastWrite.lookup(place));
      for (unsigned place : phase->writes)
        earliest = std::max({earliest, lastWrite.lookup(place), lastRead.lookup(place)});
      size_t most = mostMembers(phase->places().size());
      size_t at = earliest;
      while (at < groups.size() && (groups[at].phases.size() >= most || !takes(groups[at], *phase)))
        ++at;
      if (at == groups.size())
        groups.emplace_back();
      Group &group = groups[at];
      group.haveEqualExtents &=
          group.phases.empty() || areEqual(group.phases.front()->kernel, phase->kernel);
      group.phases.push_back(phase.get());
      for (unsigned place : phase->reads)
        lastRead[place] = std::max(lastRead.lookup(place), at + 1);
      for (unsigned place : phase->writes)
        lastWrite[place] = std::max(lastWrite.lookup(place), at + 1);
    }
  }

  /// The places that groups [from, to) read or write.
  size_t countPlaces(size_t from, size_t to) const {
    llvm::DenseSet<unsigned> places;
    for (const Group &group : ArrayRef(groups).slice(from, to - from))
      for (const Phase *phase : group.phases)
        places.insert_range(phase->places());
    return places.size();
  }

  /// One launch for the groups [from, to). Notes how large the code of each is.
  Stage emitStage(size_t from, size_t to, StringRef stageName, SmallVectorImpl<int64_t> &lines) {
    KernelFunction function(target, stageName, kernel.getLoc());
    addArguments(function, from, to);
    function.begin();
    WorkgroupArrays arrays(function.func);
    lines.resize(groups.size());
    for (size_t i = from; i < to; ++i) {
      Block *block = function.b.getInsertionBlock();
      Operation *last = block->empty() ? nullptr : &block->back();
      emitGroup(function, groups[i], arrays);
      llvm::DenseSet<unsigned> places;
      for (Phase *phase : groups[i].phases)
        places.insert_range(phase->places());
      lines[i] = kLinesOfParameter * places.size();
      for (auto op = last ? std::next(Block::iterator(last)) : block->begin(); op != block->end();
           ++op)
        lines[i] += estimateLines(&*op);
      // Of phases that are written out LLVM drops more: loops with one trip, guards that
      // hold. These came out at 0.29 to 0.46 of the estimate, loops over phases and bodies with
      // loops at 0.6 to 0.77; guards of operands stay as well.
      bool isLoop = groups[i].phases.size() > kFewMembers || groups[i].model().s.hasRanges() ||
                    groups[i]
                        .model()
                        .kernel.walk([](scf::ForOp) { return WalkResult::interrupt(); })
                        .wasInterrupted();
      lines[i] = lines[i] * (isLoop ? 80 : 45) / 100 * target.codeSize / 100;
    }
    if (target.device && to - from > 1) {
      function.func->setAttr(kSequenceAttr, function.b.getStringAttr(name));
      int64_t estimate = std::accumulate(lines.begin() + from, lines.begin() + to, int64_t(0));
      function.func->setAttr(kEstimateAttr, function.b.getI64IntegerAttr(estimate));
    }
    return function.finish(1, threads);
  }

  void addArguments(KernelFunction &function, size_t from, size_t to) {
    llvm::DenseSet<unsigned> used, made, outside;
    for (size_t i = 0; i < groups.size(); ++i)
      for (const Phase *phase : groups[i].phases) {
        (i >= from && i < to ? used : outside).insert_range(phase->places());
        if (i >= from && i < to)
          made.insert_range(phase->writes);
      }
    memrefs.clear();
    llvm::DenseMap<unsigned, unsigned> inputNumber;
    unsigned firstTemporary = numInputs + kernel.getNumResults();
    unsigned numPlaces = firstTemporary + emitted.temporaries.size();
    for (unsigned place = 0; place < numPlaces; ++place) {
      auto known = written.find(place);
      if (!used.contains(place) || (place >= numInputs && known == written.end()))
        continue;
      unsigned number = known == written.end() ? place : known->second;
      auto type = place < numInputs
                      ? cast<RankedTensorType>(kernel.getBodyBlock()->getArgument(place).getType())
                      : typeAt.lookup(place);
      memrefs[place] = function.addInput(number, type);
      inputNumber[place] = number;
    }
    auto addOutput = [&](unsigned number, unsigned place) {
      if (!made.contains(place))
        return;
      if (memrefs.contains(place))
        memrefs[place] = function.addTiedOutput(number, inputNumber.lookup(place));
      else
        memrefs[place] = function.addOutput(number, typeAt.lookup(number));
      written[place] = number;
    };
    for (unsigned r = 0; r < kernel.getNumResults(); ++r) {
      int64_t t = kernel.getTied()[r];
      addOutput(numInputs + r, t >= 0 ? t : numInputs + r);
    }
    for (unsigned place = firstTemporary; place < numPlaces; ++place)
      if (outside.contains(place))
        addOutput(place, place);
    for (unsigned place = firstTemporary; place < numPlaces; ++place)
      if (made.contains(place) && !outside.contains(place))
        memrefs[place] = function.addWorkspace(place, typeAt.lookup(place));
  }

  void emitGroup(KernelFunction &function, const Group &group, WorkgroupArrays &arrays) {
    if (group.phases.size() > kFewMembers)
      return emitLoop(function, group, arrays);
    for (Phase *phase : group.phases) {
      SmallVector<Value> buffers =
          llvm::map_to_vector(phase->places(), [&](unsigned p) { return memrefs.lookup(p); });
      emitPhase(function, *phase, buffers, arrays);
      barrier(function);
    }
  }

  void barrier(KernelFunction &function) {
    if (target.device)
      gpu::BarrierOp::create(function.b, function.loc);
  }

  /// Makes the buffers that the operands and the results of a phase lie in those of the
  /// values inside of it. `tied` gets the results that share an operand's.
  static void fillBuffers(Phase &phase, ArrayRef<Value> buffers, BufferMap &inside,
                          llvm::DenseSet<Value> &tied) {
    ArrayRef<Value> inputs = buffers.take_front(phase.reads.size());
    for (auto [a, buffer] : llvm::zip(phase.kernel.getBodyBlock()->getArguments(), inputs))
      inside[a] = buffer;
    for (auto [v, buffer] : llvm::zip(phase.kernel.getYield()->getOperands(),
                                      buffers.drop_front(phase.reads.size()))) {
      inside[v] = buffer;
      if (llvm::is_contained(inputs, buffer))
        tied.insert(v);
    }
  }

  /// The blocks of a phase, all of them.
  void emitPhase(KernelFunction &function, Phase &phase, ArrayRef<Value> buffers,
                 WorkgroupArrays &arrays) {
    OpBuilder &b = function.b;
    BufferMap inside;
    llvm::DenseSet<Value> tied;
    fillBuffers(phase, buffers, inside, tied);
    const Schedule &schedule = *phase.fused.stages.front();
    auto runBlock = [&](Value block) {
      Emission at{b, function.loc, arrays, inside, tied, {}, block, function.thread};
      schedule.emit(at);
      arrays.release();
    };
    if (schedule.blocks == 1)
      return runBlock(arith::ConstantIndexOp::create(b, function.loc, 0));
    forEach(function, schedule.blocks, [&](Value block) {
      runBlock(block);
      barrier(function);
    });
  }

  static void forEach(KernelFunction &function, int64_t count,
                      llvm::function_ref<void(Value)> body) {
    OpBuilder &b = function.b;
    auto bound = [&](int64_t x) { return arith::ConstantIndexOp::create(b, function.loc, x); };
    auto loop = scf::ForOp::create(b, function.loc, bound(0), bound(count), bound(1));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    body(loop.getInductionVar());
  }

  /// The phases of a group in a loop.
  void emitLoop(KernelFunction &function, const Group &group, WorkgroupArrays &arrays) {
    Phase &model = group.model();
    forEach(function, group.phases.size(), [&](Value number) {
      Value count;
      SmallVector<Value> buffers = selectBuffers(function, group, number, count);
      if (group.haveEqualExtents)
        emitPhase(function, model, buffers, arrays);
      else
        emitFlat(function, model, buffers, count, arrays);
      if (model.s.kind != IterationKind::Elementwise)
        barrier(function); // what lies in workgroup memory
    });
    barrier(function);
  }

  /// The buffers of phase `number` of a group, and its number of elements.
  SmallVector<Value> selectBuffers(KernelFunction &function, const Group &group, Value number,
                                   Value &count) {
    OpBuilder &b = function.b;
    Phase &model = group.model();
    SmallVector<unsigned> formal = model.places();
    std::vector<SmallVector<unsigned>> places;
    SmallVector<int64_t> numbers;
    for (Phase *phase : group.phases) {
      numbers.push_back(numbers.size());
      places.push_back(phase->places());
    }
    // One column for each buffer that differs.
    SmallVector<unsigned> columns;
    for (unsigned i = 0; i < formal.size(); ++i)
      if (llvm::find(formal, formal[i]) == formal.begin() + i &&
          !llvm::all_equal(llvm::map_range(places, [&](ArrayRef<unsigned> p) { return p[i]; })))
        columns.push_back(i);
    SmallVector<Value> chosen = selectRow(b, function.loc, number, numbers, [&](size_t m) {
      SmallVector<Value> row;
      for (unsigned i : columns) {
        Value memref = memrefs.lookup(places[m][i]);
        row.push_back(group.haveEqualExtents ? memref : withoutExtent(b, function.loc, memref));
      }
      row.push_back(arith::ConstantIndexOp::create(b, function.loc, group.phases[m]->s.points()));
      return row;
    });
    count = chosen.pop_back_val();
    // LLVM no longer sees that they do not overlap, and would not vectorise.
    if (!target.device && chosen.size() > 1)
      llvm::copy(memref::DistinctObjectsOp::create(b, function.loc, chosen).getResults(),
                 chosen.begin());
    SmallVector<Value> buffers;
    for (unsigned place : formal) {
      unsigned i = llvm::find(formal, place) - formal.begin();
      auto column = llvm::find(columns, i);
      buffers.push_back(column == columns.end() ? memrefs.lookup(place)
                                                : chosen[column - columns.begin()]);
    }
    return buffers;
  }

  /// A phase with a flat loop over `count` elements.
  void emitFlat(KernelFunction &function, Phase &phase, ArrayRef<Value> buffers, Value count,
                WorkgroupArrays &arrays) {
    BufferMap inside;
    llvm::DenseSet<Value> tied;
    fillBuffers(phase, buffers, inside, tied);
    Evaluator e(function.b, function.loc, phase.s, inside);
    const Reductions &reductions = phase.fused.reductions;
    SmallVector<Value> totals =
        emitElements(e, reductions, target.device,
                     {e.index.constant(0), count, function.thread, threads}, arrays);
    if (!totals.empty())
      e.guarded(target.device ? e.index.equal(function.thread, 0) : Value(),
                [&] { writeKept(e, reductions, totals); });
    arrays.release();
  }

  KernelOp kernel;
  std::string name;
  EmitTarget target;
  int64_t threads = 1;
  unsigned numInputs = 0;
  SmallVector<std::unique_ptr<Phase>> phases;
  SmallVector<Group> groups;
  llvm::DenseMap<unsigned, RankedTensorType> typeAt; // of each number that is no operand's
  llvm::DenseMap<unsigned, unsigned> written;        // the number under which a place was written
  llvm::DenseMap<unsigned, Value> memrefs;           // of each place, in the stage at hand
  EmittedKernel emitted;
};

} // namespace

FailureOr<EmittedKernel> emitSequence(KernelOp kernel, StringRef name, const EmitTarget &target) {
  return SequenceEmitter(kernel, name, target).emit();
}

} // namespace ampc::codegen
