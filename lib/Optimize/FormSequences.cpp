//===- FormSequences.cpp - Order the program and join small kernels -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Steps take turns: all large ones that can run, then the small kernels that the next
// large ones wait for, and so on. Each run of small kernels becomes one kernel. Kernels
// that nothing waits for go into the last run that there must be anyway.
//
//===----------------------------------------------------------------------===//

#include "KernelSize.h"
#include "OpGraph.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Plan/IterationStructure.h"
#include "ampc/Optimize/Buffers.h"
#include "ampc/Optimize/Passes.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include <set>

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_FORMSEQUENCES
#include "ampc/Optimize/Passes.h.inc"

using plan::KernelKind;
using plan::KernelOp;

/// Most buffers that the kernels of a sequence may name: CUDA takes 4 KB of arguments.
constexpr unsigned kMostBuffers = 384;
/// Most linalg ops of a sequence: LLVM and ptxas take more than twice as long for twice the
/// code, and so much work hides a launch.
constexpr unsigned kMostOps = 512;

namespace {
struct FormSequences : impl::FormSequencesBase<FormSequences> {
  using FormSequencesBase::FormSequencesBase;

  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    Block &block = getOperation().front();
    OpGraph graph(block);
    orderUpdates(graph, block);
    SmallVector<Operation *> order = schedule(graph);
    reportWork(getOperation(), "form-sequences",
               {{"placements", numPlaced}, {"steps", graph.getSteps()}});
    numPlaced = 0;
    SmallVector<SmallVector<Operation *>> runs;
    bool inRun = false;
    unsigned buffers = 0, ops = 0;
    for (Operation *op : order) {
      op->moveBefore(block.getTerminator());
      if (isSmallKernel(op)) {
        unsigned ownBuffers = op->getNumOperands() + op->getNumResults();
        unsigned ownOps =
            llvm::range_size(cast<KernelOp>(op).getBodyBlock()->getOps<linalg::GenericOp>());
        buffers += ownBuffers;
        ops += ownOps;
        if (!inRun || buffers > kMostBuffers || ops > kMostOps) {
          runs.emplace_back();
          buffers = ownBuffers;
          ops = ownOps;
        }
        runs.back().push_back(op);
        inRun = true;
      } else if (isa<plan::StepOpInterface>(op)) {
        inRun = false;
      }
    }
    isSmallOp.clear();
    for (ArrayRef<Operation *> run : runs)
      if (run.size() > 1) {
        makeContiguous(run);
        insertionPoint = Block::iterator(run.back()->getNextNode());
        SmallVector<Operation *> grouped = groupScalars(run);
        if (grouped.size() > 1)
          buildSequence(grouped);
      }
  }

private:
  /// Behind the run at hand.
  Block::iterator insertionPoint;

  uint64_t numPlaced = 0;
  /// What isSmallKernel has found out.
  DenseMap<Operation *, bool> isSmallOp;

  bool isSmallKernel(Operation *op) {
    auto kernel = dyn_cast<KernelOp>(op);
    if (!kernel || kernel.getKind() != KernelKind::Fused)
      return false;
    auto [it, isNew] = isSmallOp.try_emplace(op);
    if (isNew)
      it->second = suitsOneBlock(KernelSize(kernel), getDeviceModel(target, gpu));
    return it->second;
  }

  /// Lets the readers of a variable's old value come before the step that computes the
  /// new one, which then can be written over the old one.
  static void orderUpdates(OpGraph &graph, Block &block) {
    DenseMap<Attribute, SmallVector<ReadOp, 1>> reads;
    for (auto read : block.getOps<ReadOp>())
      reads[read.getVariableAttr()].push_back(read);
    for (auto assign : block.getOps<AssignOp>()) {
      Operation *step = getViewed(assign.getValue()).getDefiningOp();
      if (!isa_and_nonnull<plan::StepOpInterface>(step))
        continue;
      for (ReadOp read : reads.lookup(assign.getVariableAttr()))
        orderReaders(graph, read, step);
    }
  }
  static void orderReaders(OpGraph &graph, Value value, Operation *step) {
    for (Operation *user : value.getUsers()) {
      if (isView(user))
        orderReaders(graph, user->getResult(0), step);
      else if (isa<plan::StepOpInterface>(user))
        // Where the new value is needed first, the variable gets a copy at the end.
        (void)graph.addOrder(*graph.find(user), *graph.find(step));
    }
  }

  /// The ops of the block in the order in which they shall run. Stages of large steps and
  /// runs of small kernels alternate: run r stands behind stage r - 1 and before stage r.
  SmallVector<Operation *> schedule(const OpGraph &graph) {
    SmallVector<unsigned> nodes = graph.getOrder();
    auto opOf = [&](unsigned node) { return graph.getOps(node).front(); };
    // Stage or run of each step; for other ops, the last stage and run they wait for.
    std::vector<int> stage(nodes.size(), -1), run(nodes.size(), 0);
    auto earliestRun = [&](unsigned node) {
      int earliest = 1;
      for (unsigned p : graph.getPredecessors(node))
        earliest = std::max({earliest, stage[p] + 1, run[p]});
      return earliest;
    };
    int stages = 0;
    for (unsigned node : nodes) {
      if (isSmallKernel(opOf(node))) {
        run[node] = earliestRun(node);
        continue;
      }
      for (unsigned p : graph.getPredecessors(node)) {
        stage[node] = std::max(stage[node], stage[p]);
        run[node] = std::max(run[node], run[p]);
      }
      if (isa<plan::StepOpInterface>(opOf(node))) {
        stage[node] = std::max({stage[node], run[node], 0});
        run[node] = 0;
        stages = std::max(stages, stage[node] + 1);
      }
    }
    moveToLatestRun(graph, nodes, stage, run, stages);
    dissolveRuns(graph, nodes, stage, run, stages);

    return emitStages(graph, nodes, run, stages);
  }

  /// Ops by stage and run, otherwise in the order of `nodes`.
  SmallVector<Operation *> emitStages(const OpGraph &graph, ArrayRef<unsigned> nodes,
                                      ArrayRef<int> run, int stages) {
    std::vector<unsigned> place(nodes.size()), waiting(nodes.size());
    for (auto [i, node] : llvm::enumerate(nodes))
      place[node] = i;
    // What can run next, by place: large steps, small kernels of each run, and the rest.
    using Ready = std::set<unsigned>;
    Ready large, others;
    std::vector<Ready> small(stages + 2);
    auto add = [&](unsigned node) {
      Operation *op = graph.getOps(node).front();
      Ready &ready = isSmallKernel(op)                ? small[run[node]]
                     : isa<plan::StepOpInterface>(op) ? large
                                                      : others;
      ready.insert(place[node]);
    };
    for (unsigned node : nodes) {
      waiting[node] = graph.getPredecessors(node).size();
      if (waiting[node] == 0)
        add(node);
    }
    SmallVector<Operation *> order;
    auto emitAll = [&](Ready &a, Ready &b) {
      while (!a.empty() || !b.empty()) {
        Ready &next = b.empty() || (!a.empty() && *a.begin() < *b.begin()) ? a : b;
        unsigned node = nodes[*next.begin()];
        next.erase(next.begin());
        order.push_back(graph.getOps(node).front());
        for (unsigned successor : graph.getSuccessors(node))
          if (--waiting[successor] == 0)
            add(successor);
      }
    };
    for (int s = 0; s <= stages; ++s) {
      emitAll(large, others);
      emitAll(small[s + 1], others);
    }
    assert(order.size() == nodes.size() && "a step belongs to no stage or run");
    return order;
  }

  /// Puts each small kernel into the last run from which nothing has to wait for it.
  void moveToLatestRun(const OpGraph &graph, ArrayRef<unsigned> nodes, ArrayRef<int> stage,
                       std::vector<int> &run, int stages) {
    std::vector<int> latest(nodes.size(), stages);
    for (unsigned node : llvm::reverse(nodes)) {
      Operation *op = graph.getOps(node).front();
      for (unsigned next : graph.getSuccessors(node)) {
        Operation *user = graph.getOps(next).front();
        bool isLarge = isa<plan::StepOpInterface>(user) && !isSmallKernel(user);
        latest[node] = std::min(latest[node], isLarge ? stage[next] : latest[next]);
      }
      if (isSmallKernel(op))
        run[node] = std::max(run[node], latest[node]);
    }
  }

  /// Spreads the kernels of a run over earlier ones where all of them find a place there.
  void dissolveRuns(const OpGraph &graph, ArrayRef<unsigned> nodes, ArrayRef<int> stage,
                    std::vector<int> &run, int stages) {
    std::vector<SmallVector<unsigned>> members(stages + 2);
    std::set<int> inUse; // runs that have members
    for (unsigned node : nodes)
      if (isSmallKernel(graph.getOps(node).front())) {
        members[run[node]].push_back(node);
        inUse.insert(run[node]);
      }
    // The earliest run that a kernel can be in, as others are now. What is no step stands
    // behind all that it waits for.
    auto earliestRun = [&](unsigned node) {
      int earliest = 1;
      SmallVector<unsigned> pending{node};
      DenseSet<unsigned> seen;
      while (!pending.empty())
        for (unsigned p : graph.getPredecessors(pending.pop_back_val())) {
          earliest = std::max(earliest, stage[p] + 1);
          if (isa<plan::StepOpInterface>(graph.getOps(p).front()))
            earliest = std::max(earliest, run[p]);
          else if (seen.insert(p).second)
            pending.push_back(p);
        }
      return earliest;
    };
    for (int r = 2; r <= stages; ++r) {
      if (members[r].empty())
        continue;
      bool fits = true;
      for (unsigned node : members[r]) {
        ++numPlaced;
        auto to = inUse.lower_bound(earliestRun(node));
        fits = to != inUse.end() && *to < r;
        if (!fits)
          break;
        run[node] = *to;
      }
      for (unsigned node : members[r])
        if (fits)
          members[run[node]].push_back(node);
        else
          run[node] = r;
      if (fits) {
        members[r].clear();
        inUse.erase(r);
      }
    }
  }

  /// Moves the ops between the first and the last kernel of a run that need none of them
  /// before it, and the others behind it.
  static void makeContiguous(ArrayRef<Operation *> run) {
    DenseSet<Operation *> members(run.begin(), run.end()), late;
    SmallVector<Operation *> behind;
    for (Operation *op = run.front(); op != run.back(); op = op->getNextNode()) {
      if (members.contains(op))
        continue;
      if (llvm::any_of(op->getOperands(), [&](Value operand) {
            Operation *definition = operand.getDefiningOp();
            return definition && (members.contains(definition) || late.contains(definition));
          })) {
        late.insert(op);
        behind.push_back(op);
      }
    }
    Operation *last = run.back();
    for (Operation *op : behind) {
      op->moveAfter(last);
      last = op;
    }
    for (Operation *op : run.drop_back())
      op->moveBefore(run.back());
  }

  /// A kernel on single numbers.
  static bool isScalar(Operation *op) {
    return llvm::all_of(
               op->getResultTypes(),
               [](Type type) { return cast<RankedTensorType>(type).getNumElements() == 1; }) &&
           llvm::all_of(op->getOperandTypes(), [](Type type) {
             return cast<RankedTensorType>(type).getNumElements() == 1;
           });
  }

  /// Orders a run so that kernels which do not wait for each other stand together, and
  /// makes one of kernels on single numbers that stand together: each spares a barrier.
  SmallVector<Operation *> groupScalars(ArrayRef<Operation *> run) {
    SmallVector<Operation *> waiting(run), order;
    DenseSet<Operation *> undone(run.begin(), run.end());
    while (!waiting.empty()) {
      bool foundScalar = false;
      SmallVector<Operation *> ready;
      auto isReady = [&](Operation *op) {
        return llvm::none_of(op->getOperands(), [&](Value operand) {
          Operation *definition = getViewed(operand).getDefiningOp();
          return definition && undone.contains(definition);
        });
      };
      // All numbers that can be known first; then all tensors that wait for them. Numbers
      // that only leave the run come last, behind the readers of what they replace.
      // Through any number of views, as in isReady: what one sees and the other does not would
      // wait for ever.
      std::function<bool(Operation *)> isUsed = [&](Operation *op) {
        return llvm::any_of(op->getUsers(), [&](Operation *user) {
          return undone.contains(user) || (isView(user) && isUsed(user));
        });
      };
      bool onlyUnused =
          llvm::none_of(waiting, [&](Operation *op) { return !isScalar(op) || isUsed(op); });
      for (Operation *op : waiting)
        if (isScalar(op) && isReady(op) && (isUsed(op) || onlyUnused)) {
          foundScalar = true;
          undone.erase(op); // the next in line may wait for this one
          ready.push_back(op);
        }
      if (!foundScalar)
        for (Operation *op : waiting)
          if (isReady(op) && (!isScalar(op) || isUsed(op)))
            ready.push_back(op);
      for (Operation *op : ready)
        undone.erase(op);
      if (foundScalar)
        llvm::append_range(order, mergeScalars(ready));
      else
        llvm::append_range(order, ready);
      llvm::erase_if(waiting, [&](Operation *op) { return llvm::is_contained(ready, op); });
    }
    return order;
  }

  /// One kernel for several on single numbers, in the order in which they stand; the
  /// kernels themselves where that is none.
  SmallVector<Operation *> mergeScalars(ArrayRef<Operation *> kernels) {
    if (kernels.size() < 2)
      return SmallVector<Operation *>(kernels);
    DenseSet<Operation *> members(kernels.begin(), kernels.end());
    llvm::SetVector<Value> inputs;
    SmallVector<Value> results;
    SmallVector<Location> locations;
    for (Operation *kernel : kernels) {
      locations.push_back(kernel->getLoc());
      for (Value operand : kernel->getOperands())
        if (!members.contains(getViewed(operand).getDefiningOp()))
          inputs.insert(operand);
      for (Value result : kernel->getResults())
        if (!llvm::all_of(result.getUsers(), [&](Operation *user) {
              return members.contains(user) || isOnlyUsedBy(user, members);
            }))
          results.push_back(result);
    }
    OpBuilder builder(kernels.front()->getBlock(), insertionPoint);
    Location loc = FusedLoc::get(&getContext(), locations);
    auto merged = KernelOp::create(builder, loc, TypeRange(ValueRange(results)),
                                   inputs.getArrayRef(), KernelKind::Fused);
    IRMapping mapping;
    mapping.map(inputs.getArrayRef(), merged.getBodyBlock()->getArguments());
    OpBuilder body = OpBuilder::atBlockEnd(merged.getBodyBlock());
    for (Operation *op : kernels) {
      auto kernel = cast<KernelOp>(op);
      for (auto [input, argument] :
           llvm::zip(kernel.getInputs(), kernel.getBodyBlock()->getArguments())) {
        cloneViews(body, input, mapping);
        mapping.map(argument, mapping.lookup(input));
      }
      for (Operation &nested : kernel.getBodyBlock()->without_terminator())
        body.clone(nested, mapping);
      for (auto [result, yielded] :
           llvm::zip(kernel.getResults(), kernel.getYield()->getOperands()))
        mapping.map(result, mapping.lookup(yielded));
    }
    plan::YieldOp::create(body, loc, lookUp(results, mapping));
    if (failed(plan::analyzeIteration(merged))) {
      merged.erase();
      return SmallVector<Operation *>(kernels);
    }
    for (auto [old, result] : llvm::zip(results, merged.getResults()))
      old.replaceAllUsesWith(result);
    eraseDead(kernels);
    return {merged};
  }

  static SmallVector<Value> lookUp(ArrayRef<Value> values, const IRMapping &mapping) {
    return llvm::map_to_vector(values, [&](Value v) { return mapping.lookup(v); });
  }

  /// Makes one kernel of a run; views between its kernels go in with them.
  void buildSequence(ArrayRef<Operation *> run) {
    DenseSet<Operation *> members(run.begin(), run.end());
    llvm::SetVector<Value> inputs;
    SmallVector<Value> results;
    SmallVector<Location> locations;
    for (Operation *op : run) {
      locations.push_back(op->getLoc());
      for (Value operand : op->getOperands())
        if (!members.contains(getViewed(operand).getDefiningOp()))
          inputs.insert(operand);
      for (Value result : op->getResults())
        if (!llvm::all_of(result.getUsers(), [&](Operation *user) {
              return members.contains(user) || isOnlyUsedBy(user, members);
            }))
          results.push_back(result);
    }
    OpBuilder builder(run.front()->getBlock(), insertionPoint);
    Location loc = FusedLoc::get(&getContext(), locations);
    auto sequence = KernelOp::create(builder, loc, TypeRange(ValueRange(results)),
                                     inputs.getArrayRef(), KernelKind::Sequence);
    IRMapping mapping;
    mapping.map(inputs.getArrayRef(), sequence.getBodyBlock()->getArguments());
    OpBuilder body = OpBuilder::atBlockEnd(sequence.getBodyBlock());
    for (Operation *op : run) {
      for (Value operand : op->getOperands())
        cloneViews(body, operand, mapping);
      body.clone(*op, mapping);
    }
    plan::YieldOp::create(body, loc, lookUp(results, mapping));
    for (auto [old, result] : llvm::zip(results, sequence.getResults()))
      old.replaceAllUsesWith(result);
    eraseDead(run);
    remark::passed(loc, remark::RemarkOpts::name("sequence")
                            .category("plan-form-sequences")
                            .function(getOperation().getName()))
        << remark::metric("nodes", joinNodeNames(loc)) << remark::metric("kernels", run.size());
  }

  /// Whether a view is read by `members` alone.
  static bool isOnlyUsedBy(Operation *view, const DenseSet<Operation *> &members) {
    return isView(view) && llvm::all_of(view->getUsers(), [&](Operation *user) {
             return members.contains(user) || isOnlyUsedBy(user, members);
           });
  }

  /// Makes a view of what lies in the body there, unless it has been.
  static void cloneViews(OpBuilder &body, Value value, IRMapping &mapping) {
    if (mapping.contains(value))
      return;
    Operation *view = value.getDefiningOp();
    cloneViews(body, view->getOperand(0), mapping);
    body.clone(*view, mapping);
  }

  /// Erases kernels whose results nobody uses any more, and the views between them.
  static void eraseDead(ArrayRef<Operation *> kernels) {
    SmallVector<Operation *> pending(kernels);
    DenseSet<Operation *> known(kernels.begin(), kernels.end());
    for (size_t i = 0; i < pending.size(); ++i)
      for (Operation *user : pending[i]->getUsers())
        if (isView(user) && known.insert(user).second)
          pending.push_back(user);
    bool erased = true;
    while (erased) {
      erased = false;
      llvm::erase_if(pending, [&](Operation *op) {
        if (!op->use_empty())
          return false;
        op->erase();
        return erased = true;
      });
    }
  }
};
} // namespace
} // namespace ampc
