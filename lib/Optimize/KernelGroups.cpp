//===- KernelGroups.cpp - Tensor ops that become kernels ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelGroups.h"
#include "CheapOps.h"
#include "ampc/Dialect/Plan/OperandIndex.h"
#include "ampc/Optimize/Buffers.h"
#include <limits>

namespace ampc {

/// Most simple instructions for an element of a kernel, see kMostOps.
constexpr int64_t kMostCost = 1024;
/// What an operand that is used in a part of the loops counts for beside its op: a branch for each
/// lane, and the operand computed in it.
constexpr int64_t kGuardCost = 28;
/// Threads of a block, or columns of a tile on the host, each with accumulators of its own.
constexpr int64_t kColumnThreads = 512;
/// Two kernels are better than one only where they save the time of this many launches: times are
/// estimates, and one kernel moves fewer bytes.
constexpr double kLeastGain = 2;
/// How often two groups, as they grow, may fail to be one kernel before they are tried no more.
constexpr unsigned kMostFailures = 8;
/// Most edges of the graph that are looked at, before and behind two groups, for what stands
/// between them: what lies further apart in a program stays apart.
constexpr size_t kMostSteps = 128;

static int64_t pointsOf(linalg::GenericOp generic) {
  int64_t points = 1;
  for (int64_t range : generic.getStaticLoopRanges())
    points *= range;
  return points;
}

static bool isTensor(Value value) { return isa<RankedTensorType>(value.getType()); }

static int64_t pointsOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getNumElements();
}

static uint64_t bytesOf(Value tensor) { return getByteSize(tensor.getType()).value_or(0); }

KernelGroups::KernelGroups(OpGraph &graph, Block &block, const DeviceModel &model)
    : graph(graph), model(model) {
  for (auto generic : block.getOps<linalg::GenericOp>())
    formGroup(generic);
}

/// Puts the op and what belongs to it into one group.
void KernelGroups::formGroup(linalg::GenericOp generic) {
  SmallVector<Operation *> pending{generic};
  while (!pending.empty())
    for (Value operand : pending.pop_back_val()->getOperands()) {
      Operation *op = operand.getDefiningOp();
      if (!op || !isAttached(op) || !op->hasOneUse())
        continue;
      unsigned a = *graph.find(op), b = *graph.find(generic);
      // A view whose dimensions have no common factors with the op's stays outside.
      if (a != b && isView(op) && failed(analyzeTogether(a, b)))
        continue;
      if (a != b)
        graph.merge(a, b);
      pending.push_back(op);
    }
}

SmallVector<linalg::GenericOp> KernelGroups::genericsOf(unsigned group) const {
  SmallVector<linalg::GenericOp> generics;
  for (Operation *op : graph.getOps(group))
    if (auto generic = dyn_cast<linalg::GenericOp>(op))
      generics.push_back(generic);
  return generics;
}

SmallVector<unsigned> KernelGroups::get() const {
  SmallVector<unsigned> groups;
  for (unsigned group : graph.getGroups())
    if (!genericsOf(group).empty())
      groups.push_back(group);
  return groups;
}

/// The structure that two groups have as one kernel.
FailureOr<plan::IterationStructure> KernelGroups::analyzeTogether(unsigned a, unsigned b) {
  SmallVector<Operation *> ops(graph.getOps(a));
  ops.append(graph.getOps(b).begin(), graph.getOps(b).end());
  llvm::sort(ops, [](Operation *x, Operation *y) { return x->isBeforeInBlock(y); });
  ++numAnalyses;
  numAnalyzedOps += ops.size();
  return plan::analyzeIteration(ops);
}

/// Whether an expensive op would be computed more often than it has elements: without
/// reductions every point of the kernel computes all ops.
static bool repeatsMuch(const plan::IterationStructure &structure, const DeviceModel &model) {
  if (structure.kind != plan::IterationKind::Elementwise)
    return false;
  return llvm::any_of(structure.ops, [&](linalg::GenericOp op) {
    return pointsOf(op) < structure.countPoints(op) && bodyCost(op) > model.cheapOperations;
  });
}

/// Whether the sums of columns take more memory than a block has.
static bool accumulatesMuch(const plan::IterationStructure &structure, const DeviceModel &model) {
  if (structure.kind != plan::IterationKind::Column)
    return false;
  uint64_t bytes = 0;
  for (linalg::GenericOp op : structure.ops)
    if (plan::isReduction(op))
      for (Type type : op.getResultTypes())
        bytes += getByteSize(RankedTensorType::get({}, getElementTypeOrSelf(type))).value_or(0);
  return bytes * kColumnThreads > uint64_t(model.blockShared);
}

/// Whether what the analysis found can be scheduled well as one kernel.
bool KernelGroups::isKernel(const plan::IterationStructure &together) const {
  return together.inputs.size() + together.results.size() <= kMostBuffers && !together.hasSums() &&
         !repeatsMuch(together, model) && !accumulatesMuch(together, model);
}

/// How long a group takes as a kernel of its own.
double KernelGroups::timeOf(unsigned group) {
  std::optional<double> &time = factsOf(group).time;
  if (!time) {
    ++numAnalyses;
    numAnalyzedOps += graph.getOps(group).size();
    FailureOr<plan::IterationStructure> own = plan::analyzeIteration(graph.getOps(group));
    // Ops that are no kernel are divided later: as one, they gain nothing.
    time = succeeded(own) ? plan::computeCost(*own, model).time(model)
                          : std::numeric_limits<double>::infinity();
  }
  return *time;
}

/// Whether two kernels are done sooner than one, whose blocks are too few to fill the device:
/// what waits for a reduction keeps it from being divided among blocks.
bool KernelGroups::isSlowerTogether(const plan::IterationStructure &together, unsigned a,
                                    unsigned b) {
  if (together.kind == plan::IterationKind::Elementwise)
    return false;
  plan::KernelCost cost = plan::computeCost(together, model);
  if (cost.blocks >= model.processors)
    return false;
  double time = cost.time(model) - kLeastGain * model.launchTime;
  return time > 2 * model.launchTime && time > timeOf(a) + timeOf(b);
}

bool KernelGroups::tryMerge(unsigned a, unsigned b) {
  ++numAttempts;
  const GroupFacts &x = factsOf(a), &y = factsOf(b);
  if (x.ops + y.ops > kMostOps || x.cost + y.cost > kMostCost || !graph.canMerge(a, b, kMostSteps))
    return false;
  bool isUniform = x.isUniform && y.isUniform && x.points == y.points && handsOver(a, b);
  if (isUniform) {
    if (countBuffers(a, b) > kMostBuffers)
      return false;
  } else {
    // A pair has the names of its earliest ops: groups keep them while they grow.
    uint8_t &failures = numFailures[std::minmax(graph.getFirst(a), graph.getFirst(b))];
    if (failures >= kMostFailures)
      return false;
    FailureOr<plan::IterationStructure> structure = analyzeTogether(a, b);
    if (failed(structure) || !isKernel(*structure) || isSlowerTogether(*structure, a, b)) {
      ++failures;
      return false;
    }
  }
  auto both = std::make_shared<GroupFacts>(
      GroupFacts{x.ops + y.ops, x.cost + y.cost, isUniform, x.points, {}, {}});
  unsigned merged = graph.merge(a, b);
  for (linalg::GenericOp generic : genericsOf(merged))
    addInputs(merged, generic, both->inputs);
  facts[merged] = std::move(both);
  return true;
}

KernelGroups::GroupFacts &KernelGroups::factsOf(unsigned group) {
  std::shared_ptr<GroupFacts> &known = facts[group];
  if (known)
    return *known;
  known = std::make_shared<GroupFacts>();
  GroupFacts &own = *known;
  for (linalg::GenericOp generic : genericsOf(group)) {
    ++own.ops;
    own.cost +=
        std::max<int64_t>(1, bodyCost(generic)) + kGuardCost * plan::countPartlyUsed(generic);
    own.isUniform = own.ops == 1 && isUniform(generic);
    own.points = RankedTensorType::get(generic.getStaticLoopRanges(),
                                       IntegerType::get(generic.getContext(), 1));
    addInputs(group, generic, own.inputs);
  }
  return own;
}

/// Tensors of more than one element that an op reads from outside of its group.
void KernelGroups::addInputs(unsigned group, linalg::GenericOp generic,
                             llvm::SetVector<Value> &inputs) {
  for (Value operand : generic.getInputs()) {
    Value source = getViewed(operand);
    Operation *op = source.getDefiningOp();
    if (!(op && graph.find(op) == group) && pointsOf(source) > 1)
      inputs.insert(source);
  }
}

/// Whether an op, along whose loops nothing is reduced, writes each point of them, and
/// reads each tensor of their extents at the same point. Ops of this kind that hand over
/// tensors of these extents need no analysis: they run over the same points.
bool KernelGroups::isUniform(linalg::GenericOp generic) {
  // Its body may read numbers from outside, but no tensors.
  if (generic.getNumReductionLoops() != 0 ||
      llvm::count_if(readsOf(generic), isTensor) != generic->getNumOperands())
    return false;
  SmallVector<int64_t> extents = generic.getStaticLoopRanges();
  for (OpOperand &operand : generic->getOpOperands()) {
    AffineMap map = generic.getMatchingIndexingMap(&operand);
    auto type = dyn_cast<RankedTensorType>(operand.get().getType());
    Operation *maker = operand.get().getDefiningOp();
    if (generic.isDpsInit(&operand)) {
      if (!map.isIdentity() || generic.payloadUsesValueFromOperand(&operand) ||
          !isa_and_nonnull<tensor::EmptyOp>(maker))
        return false;
      continue;
    }
    // An attached op with a value, or a view, is for the analysis.
    if (!type || (maker && isAttached(maker)))
      return false;
    if (type.getShape() == ArrayRef(extents) ? !map.isIdentity()
                                             : !map.isProjectedPermutation(true))
      return false;
  }
  return true;
}

/// Whether an op of one group reads a tensor of its loops' extents that the other makes.
bool KernelGroups::handsOver(unsigned a, unsigned b) {
  for (auto [from, to] : {std::pair(a, b), std::pair(b, a)})
    for (Operation *op : graph.getOps(to))
      for (Value operand : readsOf(op))
        if (operand.getDefiningOp<linalg::GenericOp>() &&
            graph.find(operand.getDefiningOp()) == from)
          return true;
  return false;
}

/// The tensors that two uniform groups read and write as one.
unsigned KernelGroups::countBuffers(unsigned a, unsigned b) {
  DenseSet<Value> inputs;
  DenseMap<Value, unsigned> usesInside;
  unsigned results = 0;
  for (unsigned group : {a, b})
    for (linalg::GenericOp generic : genericsOf(group))
      for (OpOperand *operand : generic.getDpsInputOperands()) {
        Operation *maker = operand->get().getDefiningOp();
        std::optional<unsigned> of = maker ? graph.find(maker) : std::nullopt;
        if (of == a || of == b)
          ++usesInside[operand->get()];
        else if (generic.payloadUsesValueFromOperand(operand))
          inputs.insert(operand->get());
      }
  for (unsigned group : {a, b})
    for (linalg::GenericOp generic : genericsOf(group))
      for (Value result : generic.getResults())
        results += countUses(result) > usesInside.lookup(result);
  return inputs.size() + results;
}

/// What an op and those inside of it read of the block.
ArrayRef<Value> KernelGroups::readsOf(Operation *op) {
  auto [it, isNew] = reads.try_emplace(op);
  SmallVector<Value, 4> &own = it->second;
  if (isNew)
    op->walk([&](Operation *nested) {
      for (Value operand : nested->getOperands())
        if (operand.getParentBlock() == op->getBlock())
          own.push_back(operand);
    });
  return own;
}

unsigned KernelGroups::countUses(Value value) {
  auto [it, isNew] = useCounts.try_emplace(value);
  if (isNew)
    it->second = value.getNumUses();
  return it->second;
}

/// Whether a group of single numbers waits for a group other than `producer`; then it joins
/// neither. Equal kernels that lead to it can run as one, and the one it joined would differ.
bool KernelGroups::waitsForOthers(unsigned scalars, unsigned producer) const {
  for (Operation *op : graph.getOps(scalars))
    for (Value operand : op->getOperands()) {
      auto input = getViewed(operand).getDefiningOp<linalg::GenericOp>();
      std::optional<unsigned> group = input ? graph.find(input) : std::nullopt;
      if (group && *group != scalars && *group != producer)
        return true;
    }
  return false;
}

bool KernelGroups::isScalar(unsigned group) const {
  return llvm::none_of(genericsOf(group), hasLoops);
}

bool KernelGroups::mayMerge(unsigned producer, unsigned consumer) const {
  if (graph.getSuccessors(consumer).contains(producer))
    std::swap(producer, consumer);
  // A number that many threads need is computed once, in a kernel before. Cheap ones are no
  // longer here: their consumers have absorbed them.
  if (isScalar(producer))
    return isScalar(consumer);
  return !isScalar(consumer) || !waitsForOthers(consumer, producer);
}

uint64_t KernelGroups::savedBytes(unsigned a, unsigned b) {
  uint64_t bytes = 0;
  for (auto [from, to] : {std::pair(a, b), std::pair(b, a)}) {
    DenseMap<Value, unsigned> uses; // of what one makes and the other reads, in both
    for (Operation *op : graph.getOps(to))
      for (Value operand : readsOf(op))
        if (operand.getDefiningOp() && graph.find(operand.getDefiningOp()) == from)
          ++uses[operand];
    if (uses.empty())
      continue;
    for (Operation *op : graph.getOps(from))
      for (Value operand : readsOf(op))
        if (auto it = uses.find(operand); it != uses.end())
          ++it->second;
    // A result that only the other group reads saves its write and its read. It counts one byte
    // more: of two merges that save as many bytes, the one that also saves a buffer goes first.
    for (auto [result, inside] : uses)
      bytes += countUses(result) > inside ? bytesOf(result) : 2 * bytesOf(result) + 1;
  }
  const llvm::SetVector<Value> &inputs = inputsOf(a);
  for (Value input : inputsOf(b))
    if (inputs.contains(input))
      bytes += bytesOf(input);
  return bytes;
}

} // namespace ampc
