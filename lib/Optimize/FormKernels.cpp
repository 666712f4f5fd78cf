//===- FormKernels.cpp - Group tensor ops into fused kernels ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Whether ops are one kernel is for the analysis of IterationStructure.h to say; here it is
// decided which ops to try. First each op gets what belongs to it alone: its destinations,
// the views it reads through, and copies of cheap producers. Then groups grow, the two
// first that save most traffic with memory: a producer and its consumer, or two readers of
// one tensor.
//
//===----------------------------------------------------------------------===//

#include "OpGraph.h"
#include "ampc/Dialect/Plan/IterationStructure.h"
#include "ampc/Optimize/Buffers.h"
#include "ampc/Optimize/Passes.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/CSE.h"
#include <map>
#include <queue>

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_FORMKERNELS
#include "ampc/Optimize/Passes.h.inc"

/// About how many simple instructions one element takes.
static int64_t bodyCost(linalg::GenericOp generic) {
  int64_t cost = 0;
  generic.getBody()->walk([&](Operation *op) {
    if (op->hasTrait<OpTrait::ConstantLike>() || op->hasTrait<OpTrait::IsTerminator>() ||
        isa<CastOpInterface>(op))
      return;
    int64_t one = 1;
    if (isa<arith::DivFOp, arith::DivSIOp, arith::RemSIOp, math::SqrtOp, tensor::ExtractOp>(op))
      one = 4;
    else if (isa<math::MathDialect>(op->getDialect()) && !isa<math::AbsFOp>(op))
      one = 16;
    else if (isa<LoopLikeOpInterface>(op))
      one = 16; // and what it repeats
    if (op->getNumResults() == 1 && op->getResult(0).getType().isF64())
      one *= 4;
    cost += one;
  });
  return cost;
}

/// Up to here an op is computed again rather than stored.
constexpr int64_t kCheapCost = 12;
/// Most buffers a fused kernel may take: arguments live in registers.
constexpr unsigned kMostBuffers = 48;
/// Most ops of a kernel, and most simple instructions for an element. Past some twenty
/// operations a byte it is arithmetic that takes the time, and memory saved saves none; while
/// LLVM and ptxas take more than twice as long for twice the code. With as many ops, a phase
/// of a sequence, which is not divided, stays below 2,000 lines of PTX.
constexpr unsigned kMostOps = 96;
constexpr int64_t kMostCost = 1024;
/// Most bytes of accumulators for a sum of columns, each of which has one for every thread of a
/// block, in workgroup memory: 512 threads and 48 KiB.
constexpr uint64_t kMostAccumulatorBytes = (48 << 10) / 512;
/// Most cheap ops, each reading the one before, that are computed again for one reader: of
/// a chain of n ops whose results are all read again, n * n / 2 would be.
constexpr unsigned kMostRepeated = 4;
/// Readers of one tensor, before and behind a group, that it may be merged with.
constexpr unsigned kNearestReaders = 16;
/// Groups that a group hands to or takes from, that it may be merged with.
constexpr unsigned kMostNeighbours = 64;
/// How often two groups are analysed together in vain, as they grow.
constexpr unsigned kMostFailures = 8;
/// Most edges of the graph that are looked at, before and behind two groups, for what stands
/// between them: what lies further apart in a program stays apart.
constexpr size_t kMostSteps = 128;

static bool hasLoops(linalg::GenericOp generic) {
  return llvm::any_of(generic.getStaticLoopRanges(), [](int64_t n) { return n != 1; });
}

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

/// Whether the op goes with whoever uses it: it computes nothing.
static bool isAttached(Operation *op) {
  return isView(op) || isa<tensor::EmptyOp, linalg::FillOp, arith::ConstantOp>(op);
}

namespace {
struct FormKernels : impl::FormKernelsBase<FormKernels> {
  using FormKernelsBase::FormKernelsBase;

  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    Block &block = getOperation().front();
    assigned.clear();
    for (auto assign : block.getOps<AssignOp>())
      assigned.insert(assign.getVariableAttr());
    for (auto generic : llvm::to_vector(block.getOps<linalg::GenericOp>()))
      makePrivate(generic);
    eraseDead(block);
    auto generics = llvm::to_vector(block.getOps<linalg::GenericOp>());
    DenseSet<Operation *> repeatable = chooseRepeatable(generics);
    // Consumers first, so that a chain of cheap ops follows each of its uses.
    for (linalg::GenericOp generic : llvm::reverse(generics))
      if (repeatable.contains(generic))
        cloneIntoUsers(generic);
    eraseDead(block);

    OpGraph groups(block);
    graph = &groups;
    for (auto generic : block.getOps<linalg::GenericOp>())
      attach(generic);
    absorbCheap(block);
    growGroups();
    buildKernels();
    reportWork(getOperation(), "form-kernels",
               {{"attempts", numAttempts},
                {"analyses", numAnalyses},
                {"analyzed_ops", numAnalyzedOps},
                {"steps", groups.getSteps()}});
    numAttempts = numAnalyses = numAnalyzedOps = 0;
    graph = nullptr;
    reads.clear();
    useCounts.clear();
    facts.clear();
    numFailures.clear();
  }

private:
  OpGraph *graph = nullptr;
  /// Variables that the function assigns.
  DenseSet<Attribute> assigned;
  /// Merges that were tried, those that were analysed, and the ops in them.
  uint64_t numAttempts = 0, numAnalyses = 0, numAnalyzedOps = 0;

  //===--------------------------------------------------------------------===//
  // What belongs to one op
  //===--------------------------------------------------------------------===//

  /// Gives the op destinations and views of its own, so that they can stand in its kernel.
  static void makePrivate(linalg::GenericOp generic) {
    OpBuilder builder(generic);
    for (OpOperand &operand : generic->getOpOperands())
      makePrivate(builder, operand);
  }
  static void makePrivate(OpBuilder &builder, OpOperand &operand) {
    Operation *op = operand.get().getDefiningOp();
    if (!op || !isAttached(op))
      return;
    Operation *clone = builder.clone(*op);
    operand.set(clone->getResult(cast<OpResult>(operand.get()).getResultNumber()));
    OpBuilder before(clone);
    for (OpOperand &inner : clone->getOpOperands())
      makePrivate(before, inner);
  }

  /// Whether computing the op again costs no more than reading its result: it reads no
  /// more than it writes, and no more than one tensor (single numbers apart, unless it
  /// makes one) that is computed itself, so that copies do not breed copies.
  bool isCheapToRepeat(linalg::GenericOp generic) {
    if (plan::isReduction(generic) || bodyCost(generic) > kCheapCost ||
        generic.getNumResults() != 1)
      return false;
    constexpr uint64_t kScalarBytes = 64; // what a few scalars take
    uint64_t readBytes = 0;
    unsigned computed = 0;
    for (Value input : generic.getInputs()) {
      Value source = getViewed(input);
      // A number that changes in this step is read once, early, so that the new one can
      // be written in its place.
      if (!hasLoops(generic) && isAssigned(source))
        return false;
      readBytes += getByteSize(source.getType()).value_or(0);
      bool counts = !hasLoops(generic) || pointsOf(source) > 1;
      computed += counts && source.getDefiningOp<linalg::GenericOp>();
    }
    WalkResult extracts =
        generic.getBody()->walk([](tensor::ExtractOp) { return WalkResult::interrupt(); });
    return !extracts.wasInterrupted() && computed <= 1 &&
           readBytes <= getByteSize(generic.getResult(0).getType()).value_or(0) + kScalarBytes;
  }

  bool isAssigned(Value value) {
    FlatSymbolRefAttr variable = getReadVariable(value);
    return variable && assigned.contains(variable);
  }

  /// The cheap ops of `generics`, given in the order of the block; where one reads another
  /// that reads another.., some are left out.
  DenseSet<Operation *> chooseRepeatable(ArrayRef<linalg::GenericOp> generics) {
    DenseSet<Operation *> chosen;
    DenseMap<Operation *, unsigned> depth; // of chosen ops behind each other
    for (linalg::GenericOp generic : generics) {
      if (!isCheapToRepeat(generic))
        continue;
      unsigned below = 0;
      for (Value input : generic.getInputs())
        below = std::max(below, depth.lookup(getViewed(input).getDefiningOp()));
      if (below == kMostRepeated)
        continue;
      depth[generic] = below + 1;
      chosen.insert(generic);
    }
    return chosen;
  }

  /// Gives each op that reads a cheap op's result a copy of the op, where nothing needs the
  /// result in memory.
  void cloneIntoUsers(linalg::GenericOp generic) {
    SmallVector<OpOperand *> uses;
    SmallVector<Value> pending(generic->getResults());
    Block *block = generic->getBlock();
    DenseSet<Operation *> users;
    while (!pending.empty())
      for (OpOperand &use : pending.pop_back_val().getUses()) {
        Operation *user = use.getOwner();
        if (isView(user) && user->hasOneUse()) { // the private view of one op
          pending.push_back(user->getResult(0));
          if (user->getOperand(0) == generic.getResult(0))
            uses.push_back(&use);
        } else if (isa<linalg::GenericOp>(user) && user->getBlock() == block) {
          if (use.get() == generic.getResult(0))
            uses.push_back(&use);
          users.insert(user);
        } else {
          return;
        }
      }
    if (users.size() < 2)
      return;
    OpBuilder builder(generic.getContext());
    for (OpOperand *use : ArrayRef(uses).drop_front()) {
      builder.setInsertionPoint(use->getOwner());
      auto clone = cast<linalg::GenericOp>(builder.clone(*generic));
      makePrivate(clone);
      use->set(clone.getResult(0));
    }
  }

  static void eraseDead(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (isOpTriviallyDead(&op))
        op.erase();
  }

  /// Puts the op and what belongs to it into one group.
  void attach(linalg::GenericOp generic) {
    SmallVector<Operation *> pending{generic};
    while (!pending.empty())
      for (Value operand : pending.pop_back_val()->getOperands()) {
        Operation *op = operand.getDefiningOp();
        if (!op || !isAttached(op) || !op->hasOneUse())
          continue;
        unsigned a = *graph->find(op), b = *graph->find(generic);
        // A view whose dimensions have no common factors with the op's stays outside.
        if (a != b && isView(op) && failed(analyzeTogether(a, b)))
          continue;
        if (a != b)
          graph->merge(a, b);
        pending.push_back(op);
      }
  }

  //===--------------------------------------------------------------------===//
  // Growing groups
  //===--------------------------------------------------------------------===//

  SmallVector<linalg::GenericOp> genericsOf(unsigned group) {
    SmallVector<linalg::GenericOp> generics;
    for (Operation *op : graph->getOps(group))
      if (auto generic = dyn_cast<linalg::GenericOp>(op))
        generics.push_back(generic);
    return generics;
  }

  /// Groups of tensor ops, in the order of the block.
  SmallVector<unsigned> kernelGroups() {
    SmallVector<unsigned> groups;
    for (unsigned group : graph->getGroups())
      if (!genericsOf(group).empty())
        groups.push_back(group);
    return groups;
  }

  /// The structure that two groups have as one kernel.
  FailureOr<plan::IterationStructure> analyzeTogether(unsigned a, unsigned b) {
    SmallVector<Operation *> ops(graph->getOps(a));
    ops.append(graph->getOps(b).begin(), graph->getOps(b).end());
    llvm::sort(ops, [](Operation *x, Operation *y) { return x->isBeforeInBlock(y); });
    ++numAnalyses;
    numAnalyzedOps += ops.size();
    return plan::analyzeIteration(ops);
  }

  /// Merges two groups where that is right and one kernel can do both.
  bool tryMerge(unsigned a, unsigned b) {
    ++numAttempts;
    const GroupFacts &x = factsOf(a), &y = factsOf(b);
    if (x.ops + y.ops > kMostOps || x.cost + y.cost > kMostCost ||
        !graph->canMerge(a, b, kMostSteps))
      return false;
    bool isUniform = x.isUniform && y.isUniform && x.points == y.points && handsOver(a, b);
    if (isUniform) {
      if (countBuffers(a, b) > kMostBuffers)
        return false;
    } else {
      // A pair has the names of its earliest ops: groups keep them while they grow.
      uint8_t &failures = numFailures[std::minmax(graph->getFirst(a), graph->getFirst(b))];
      if (failures >= kMostFailures)
        return false;
      FailureOr<plan::IterationStructure> structure = analyzeTogether(a, b);
      if (failed(structure) ||
          structure->inputs.size() + structure->results.size() > kMostBuffers ||
          repeatsMuch(*structure) || accumulatesMuch(*structure)) {
        ++failures;
        return false;
      }
    }
    auto both = std::make_shared<GroupFacts>(
        GroupFacts{x.ops + y.ops, x.cost + y.cost, isUniform, x.points, {}});
    unsigned merged = graph->merge(a, b);
    for (linalg::GenericOp generic : genericsOf(merged))
      addInputs(merged, generic, both->inputs);
    facts[merged] = std::move(both);
    return true;
  }

  //===--------------------------------------------------------------------===//
  // What is known of a group
  //===--------------------------------------------------------------------===//

  struct GroupFacts {
    unsigned ops = 0;              ///< linalg.generic ops
    int64_t cost = 0;              ///< simple instructions for an element, of all
    bool isUniform = false;        ///< see isUniform; and each op hands to or takes from another
    Type points;                   ///< of a uniform group, a tensor type of its loops' extents
    llvm::SetVector<Value> inputs; ///< tensors of more than one element from outside
  };

  const GroupFacts &factsOf(unsigned group) {
    std::shared_ptr<GroupFacts> &known = facts[group];
    if (known)
      return *known;
    known = std::make_shared<GroupFacts>();
    GroupFacts &own = *known;
    for (linalg::GenericOp generic : genericsOf(group)) {
      ++own.ops;
      own.cost += std::max<int64_t>(1, bodyCost(generic));
      own.isUniform = own.ops == 1 && isUniform(generic);
      own.points =
          RankedTensorType::get(generic.getStaticLoopRanges(), IntegerType::get(&getContext(), 1));
      addInputs(group, generic, own.inputs);
    }
    return own;
  }

  /// Tensors of more than one element that an op reads from outside of its group.
  void addInputs(unsigned group, linalg::GenericOp generic, llvm::SetVector<Value> &inputs) {
    for (Value operand : generic.getInputs()) {
      Value source = getViewed(operand);
      Operation *op = source.getDefiningOp();
      if (!(op && graph->find(op) == group) && pointsOf(source) > 1)
        inputs.insert(source);
    }
  }

  const llvm::SetVector<Value> &inputsOf(unsigned group) { return factsOf(group).inputs; }

  /// Whether an op, along whose loops nothing is reduced, writes each point of them, and
  /// reads each tensor of their extents at the same point. Ops of this kind that hand over
  /// tensors of these extents need no analysis: they run over the same points.
  bool isUniform(linalg::GenericOp generic) {
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
  bool handsOver(unsigned a, unsigned b) {
    for (auto [from, to] : {std::pair(a, b), std::pair(b, a)})
      for (Operation *op : graph->getOps(to))
        for (Value operand : readsOf(op))
          if (operand.getDefiningOp<linalg::GenericOp>() &&
              graph->find(operand.getDefiningOp()) == from)
            return true;
    return false;
  }

  /// The tensors that two uniform groups read and write as one.
  unsigned countBuffers(unsigned a, unsigned b) {
    DenseSet<Value> inputs;
    DenseMap<Value, unsigned> usesInside;
    unsigned results = 0;
    for (unsigned group : {a, b})
      for (linalg::GenericOp generic : genericsOf(group))
        for (OpOperand *operand : generic.getDpsInputOperands()) {
          Operation *maker = operand->get().getDefiningOp();
          std::optional<unsigned> of = maker ? graph->find(maker) : std::nullopt;
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
  ArrayRef<Value> readsOf(Operation *op) {
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

  unsigned countUses(Value value) {
    auto [it, isNew] = useCounts.try_emplace(value);
    if (isNew)
      it->second = value.getNumUses();
    return it->second;
  }

  DenseMap<Operation *, SmallVector<Value, 4>> reads;
  DenseMap<Value, unsigned> useCounts;
  DenseMap<unsigned, std::shared_ptr<GroupFacts>> facts; ///< by the name of a group
  DenseMap<std::pair<unsigned, unsigned>, uint8_t> numFailures;

  /// Whether an expensive op would be computed more often than it has elements: without
  /// reductions every point of the kernel computes all ops.
  static bool repeatsMuch(const plan::IterationStructure &structure) {
    if (structure.kind != plan::IterationKind::Elementwise)
      return false;
    return llvm::any_of(structure.ops, [&](linalg::GenericOp op) {
      return pointsOf(op) < structure.points() && bodyCost(op) > kCheapCost;
    });
  }

  /// Whether the sums of columns take more memory than a block has.
  static bool accumulatesMuch(const plan::IterationStructure &structure) {
    if (structure.kind != plan::IterationKind::Column)
      return false;
    uint64_t bytes = 0;
    for (linalg::GenericOp op : structure.ops)
      if (plan::isReduction(op))
        for (Type type : op.getResultTypes())
          bytes += getByteSize(RankedTensorType::get({}, getElementTypeOrSelf(type))).value_or(0);
    return bytes > kMostAccumulatorBytes;
  }

  /// Whether a group of single numbers, which waits for `producer`, may join it: another
  /// producer would make the kernels that lead to it different from each other, and so
  /// keep them from running as one.
  bool waitsForOthers(unsigned scalars, unsigned producer) {
    for (Operation *op : graph->getOps(scalars))
      for (Value operand : op->getOperands()) {
        auto input = getViewed(operand).getDefiningOp<linalg::GenericOp>();
        std::optional<unsigned> group = input ? graph->find(input) : std::nullopt;
        if (group && *group != scalars && *group != producer)
          return true;
      }
    return false;
  }

  bool isScalar(unsigned group) { return llvm::none_of(genericsOf(group), hasLoops); }

  /// Gives cheap ops to their only consumers, before anything else makes their results
  /// worth storing.
  void absorbCheap(Block &block) {
    auto generics = llvm::to_vector(block.getOps<linalg::GenericOp>());
    for (linalg::GenericOp generic : llvm::reverse(generics)) {
      unsigned group = *graph->find(generic);
      if (!isCheapToRepeat(generic) || graph->getSuccessors(group).size() != 1)
        continue;
      unsigned consumer = *graph->getSuccessors(group).begin();
      if (!genericsOf(consumer).empty() && isUsedOnlyIn(generic, consumer))
        tryMerge(group, consumer);
    }
  }

  bool isUsedOnlyIn(linalg::GenericOp generic, unsigned consumer) {
    return llvm::all_of(generic->getUsers(), [&](Operation *user) {
      std::optional<unsigned> group = graph->find(user);
      return group && *group == consumer;
    });
  }

  /// Two groups that could become one.
  struct Candidate {
    uint64_t savedBytes;
    unsigned a, b;       ///< a comes first in the block
    size_t sizeA, sizeB; ///< a candidate is stale once a group has grown
  };

  /// Merges groups, those that save most first.
  void growGroups() {
    auto isWorse = [&](const Candidate &x, const Candidate &y) {
      return std::make_tuple(x.savedBytes, y.a, y.b) < std::make_tuple(y.savedBytes, x.a, x.b);
    };
    std::priority_queue<Candidate, std::vector<Candidate>, decltype(isWorse)> queue(isWorse);
    // Groups that read a tensor, by the place of their earliest op.
    DenseMap<Value, std::map<unsigned, unsigned>> readers;
    for (unsigned group : kernelGroups())
      for (Value input : inputsOf(group))
        readers[input][graph->getFirst(group)] = group;

    auto addCandidates = [&](unsigned group) {
      llvm::SetVector<unsigned> others;
      addNearest(graph->getSuccessors(group), group, others);
      addNearest(graph->getPredecessors(group), group, others);
      for (Value input : inputsOf(group)) {
        auto &list = readers[input];
        auto own = list.find(graph->getFirst(group));
        if (own == list.end())
          continue;
        auto next = std::next(own);
        for (unsigned i = 0; i < kNearestReaders && next != list.end(); ++i)
          others.insert((next++)->second);
        for (unsigned i = 0; i < kNearestReaders && own != list.begin(); ++i)
          others.insert((--own)->second);
      }
      for (unsigned other : others) {
        if (other == group || factsOf(other).ops == 0)
          continue;
        unsigned a = group, b = other;
        if (graph->getFirst(b) < graph->getFirst(a))
          std::swap(a, b);
        if (uint64_t bytes = savedBytes(a, b))
          queue.push({bytes, a, b, graph->getOps(a).size(), graph->getOps(b).size()});
      }
    };
    for (unsigned group : kernelGroups())
      addCandidates(group);
    while (!queue.empty()) {
      Candidate best = queue.top();
      queue.pop();
      if (graph->getOps(best.a).size() != best.sizeA ||
          graph->getOps(best.b).size() != best.sizeB || !mayMerge(best.a, best.b))
        continue;
      Operation *member = graph->getOps(best.a).front();
      SmallVector<std::pair<Value, unsigned>> places;
      for (unsigned group : {best.a, best.b})
        for (Value input : inputsOf(group))
          places.push_back({input, graph->getFirst(group)});
      if (!tryMerge(best.a, best.b))
        continue;
      unsigned merged = *graph->find(member);
      for (auto [input, place] : places)
        readers[input].erase(place);
      for (Value input : inputsOf(merged))
        readers[input][graph->getFirst(merged)] = merged;
      addCandidates(merged);
    }
  }

  /// Adds neighbours of a group; of very many, those that stand nearest to it.
  void addNearest(const OpGraph::Groups &neighbours, unsigned group,
                  llvm::SetVector<unsigned> &others) {
    SmallVector<unsigned> list(neighbours.begin(), neighbours.end());
    if (list.size() > kMostNeighbours) {
      auto distance = [&](unsigned other) {
        int64_t apart = int64_t(graph->getFirst(other)) - int64_t(graph->getFirst(group));
        return std::pair(std::abs(apart), other);
      };
      std::nth_element(list.begin(), list.begin() + kMostNeighbours, list.end(),
                       [&](unsigned x, unsigned y) { return distance(x) < distance(y); });
      list.truncate(kMostNeighbours);
    }
    others.insert_range(list);
  }

  /// Whether it can be right to merge two groups, from what is known without the analysis.
  bool mayMerge(unsigned producer, unsigned consumer) {
    if (graph->getSuccessors(consumer).contains(producer))
      std::swap(producer, consumer);
    // Numbers that many threads need are computed once, before; the cheap ones have been
    // absorbed.
    if (isScalar(producer))
      return isScalar(consumer);
    return !isScalar(consumer) || !waitsForOthers(consumer, producer);
  }

  /// Bytes that need not be read or written where two groups are one.
  uint64_t savedBytes(unsigned a, unsigned b) {
    uint64_t bytes = 0;
    for (auto [from, to] : {std::pair(a, b), std::pair(b, a)}) {
      DenseMap<Value, unsigned> uses; // of what one makes and the other reads, in both
      for (Operation *op : graph->getOps(to))
        for (Value operand : readsOf(op))
          if (operand.getDefiningOp() && graph->find(operand.getDefiningOp()) == from)
            ++uses[operand];
      if (uses.empty())
        continue;
      for (Operation *op : graph->getOps(from))
        for (Value operand : readsOf(op))
          if (auto it = uses.find(operand); it != uses.end())
            ++it->second;
      // What is never stored needs no room either: it wins where bytes are equal.
      for (auto [result, inside] : uses)
        bytes += countUses(result) > inside ? bytesOf(result) : 2 * bytesOf(result) + 1;
    }
    const llvm::SetVector<Value> &inputs = inputsOf(a);
    for (Value input : inputsOf(b))
      if (inputs.contains(input))
        bytes += bytesOf(input);
    return bytes;
  }

  static uint64_t bytesOf(Value tensor) { return getByteSize(tensor.getType()).value_or(0); }

  //===--------------------------------------------------------------------===//
  // Building kernels
  //===--------------------------------------------------------------------===//

  void buildKernels() {
    Block &block = getOperation().front();
    SmallVector<SmallVector<Operation *>> order;
    for (unsigned group : graph->getOrder())
      order.emplace_back(graph->getOps(group));
    for (ArrayRef<Operation *> ops : order)
      for (Operation *op : ops)
        op->moveBefore(block.getTerminator());
    for (ArrayRef<Operation *> ops : order)
      if (llvm::any_of(ops, llvm::IsaPred<linalg::GenericOp>))
        buildKernel(ops);
    eraseDead(block);
  }

  void buildKernel(ArrayRef<Operation *> ops) {
    DenseSet<Operation *> members(ops.begin(), ops.end());
    auto isInside = [&](Operation *op) {
      Operation *ancestor = op->getBlock() && ops.front()->getBlock()
                                ? ops.front()->getBlock()->findAncestorOpInBlock(*op)
                                : nullptr;
      return ancestor && members.contains(ancestor);
    };
    llvm::SetVector<Value> inputs;
    SmallVector<Value> results;
    SmallVector<Location> locations;
    SmallVector<Operation *> constants;
    for (Operation *op : ops) {
      op->walk([&](Operation *nested) {
        for (Value operand : nested->getOperands()) {
          Operation *definition = operand.getDefiningOp();
          if (definition && isInside(definition))
            continue;
          if (auto argument = dyn_cast<BlockArgument>(operand))
            if (isInside(argument.getOwner()->getParentOp()))
              continue;
          if (isa<RankedTensorType>(operand.getType()))
            inputs.insert(operand);
          else if (!llvm::is_contained(constants, definition))
            constants.push_back(definition);
        }
      });
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !isInside(user); }))
          results.push_back(result);
      if (isa<linalg::GenericOp>(op) && !llvm::is_contained(locations, op->getLoc()))
        locations.push_back(op->getLoc());
    }
    Location loc = FusedLoc::get(&getContext(), locations);
    IRRewriter rewriter(ops.back());
    rewriter.setInsertionPointAfter(ops.back());
    auto kernel = plan::KernelOp::create(rewriter, loc, TypeRange(ValueRange(results)),
                                         inputs.getArrayRef(), plan::KernelKind::Fused);
    IRMapping mapping;
    mapping.map(inputs.getArrayRef(), kernel.getBodyBlock()->getArguments());
    OpBuilder body = OpBuilder::atBlockEnd(kernel.getBodyBlock());
    for (Operation *constant : constants)
      body.clone(*constant, mapping);
    for (Operation *op : ops)
      body.clone(*op, mapping);
    plan::YieldOp::create(body, loc, llvm::map_to_vector(results, [&](Value result) {
                            return mapping.lookup(result);
                          }));
    for (auto [old, replacement] : llvm::zip(results, kernel.getResults()))
      rewriter.replaceAllUsesWith(old, replacement);
    for (Operation *op : llvm::reverse(ops))
      rewriter.eraseOp(op);
    // Copies of one cheap op may have met again.
    DominanceInfo dominance(kernel);
    eliminateCommonSubExpressions(rewriter, dominance, kernel);
    report(kernel);
  }

  void report(plan::KernelOp kernel) {
    SmallVector<Operation *> ops;
    for (Operation &op : kernel.getBodyBlock()->without_terminator())
      ops.push_back(&op);
    FailureOr<plan::IterationStructure> structure = plan::analyzeIteration(ops);
    StringRef kind = "one op";
    if (succeeded(structure))
      kind = structure->kind == plan::IterationKind::Elementwise ? "elementwise"
             : structure->kind == plan::IterationKind::Row       ? "row"
                                                                 : "column";
    remark::passed(kernel.getLoc(), remark::RemarkOpts::name("kernel")
                                        .category("plan-form-kernels")
                                        .function(getOperation().getName()))
        << remark::metric("nodes", joinNodeNames(kernel.getLoc()))
        << remark::metric("structure", kind) << remark::metric("inputs", kernel.getInputs().size())
        << remark::metric("results", kernel.getNumResults());
  }
};
} // namespace
} // namespace ampc
