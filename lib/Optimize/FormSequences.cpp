//===- FormSequences.cpp - Order the program and join small kernels -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Steps take turns: all large ones that can run, then the small kernels that the next
// large ones wait for. That has the fewest runs of small kernels, since each run but the
// last unlocks a step that waits for it however the program is ordered. Each run becomes
// one kernel.
//
//===----------------------------------------------------------------------===//

#include "KernelSize.h"
#include "OpGraph.h"
#include "ampc/Optimize/Buffers.h"
#include "ampc/Optimize/Passes.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_FORMSEQUENCES
#include "ampc/Optimize/Passes.h.inc"

using plan::KernelKind;
using plan::KernelOp;

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
    for (Operation *op : order)
      op->moveBefore(block.getTerminator());
    SmallVector<SmallVector<Operation *>> runs;
    bool inRun = false;
    for (Operation *op : order) {
      if (isSmallKernel(op)) {
        if (!inRun)
          runs.emplace_back();
        runs.back().push_back(op);
        inRun = true;
      } else if (isa<plan::StepOpInterface>(op)) {
        inRun = false;
      }
    }
    for (ArrayRef<Operation *> run : runs)
      if (run.size() > 1)
        buildSequence(run);
  }

private:
  bool isSmallKernel(Operation *op) {
    auto kernel = dyn_cast<KernelOp>(op);
    return kernel && kernel.getKind() == KernelKind::Fused && isSmall(kernel, target);
  }

  /// Lets the readers of a variable's old value come before the step that computes the
  /// new one, which then can be written over the old one.
  static void orderUpdates(OpGraph &graph, Block &block) {
    for (auto assign : block.getOps<AssignOp>()) {
      Operation *step = getViewed(assign.getValue()).getDefiningOp();
      if (!isa_and_nonnull<plan::StepOpInterface>(step))
        continue;
      for (auto read : block.getOps<ReadOp>())
        if (read.getVariableAttr() == assign.getVariableAttr())
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

  /// The ops of the block in the order in which they shall run.
  SmallVector<Operation *> schedule(const OpGraph &graph) {
    SmallVector<unsigned> waiting = graph.getOrder();
    std::vector<SmallVector<unsigned>> predecessors(waiting.size());
    for (unsigned node : waiting)
      for (unsigned next : graph.getSuccessors(node))
        predecessors[next].push_back(node);
    std::vector<bool> done(waiting.size());
    SmallVector<Operation *> order;
    auto run = [&](unsigned node) {
      done[node] = true;
      order.push_back(graph.getOps(node).front());
    };
    auto isReady = [&](unsigned node) {
      return llvm::all_of(predecessors[node], [&](unsigned p) { return bool(done[p]); });
    };
    auto isHeld = [&](unsigned node) { return isSmallKernel(graph.getOps(node).front()); };
    // `waiting` is in dependency order, so that one pass finds all that can run.
    while (!waiting.empty()) {
      for (unsigned node : waiting)
        if (!isHeld(node) && isReady(node))
          run(node);
      // What waits for small kernels only, and which.
      std::vector<bool> wanted(done.size()), blocked(done.size());
      bool any = false;
      for (unsigned node : waiting) {
        if (done[node])
          continue;
        for (unsigned p : predecessors[node])
          blocked[node] = blocked[node] || (!done[p] && (blocked[p] || isStep(graph, p)));
        if (!blocked[node] && isStep(graph, node)) {
          wanted[node] = true;
          any = true;
        }
      }
      for (unsigned node : llvm::reverse(waiting))
        for (unsigned p : predecessors[node])
          wanted[p] = wanted[p] || (wanted[node] && !done[node]);
      for (unsigned node : waiting)
        if (!done[node] && !isStep(graph, node) && (wanted[node] || !any) &&
            isReady(node))
          run(node);
      llvm::erase_if(waiting, [&](unsigned node) { return bool(done[node]); });
    }
    return order;
  }

  /// Whether an op is a step that is not a small kernel.
  bool isStep(const OpGraph &graph, unsigned node) {
    Operation *op = graph.getOps(node).front();
    return isa<plan::StepOpInterface>(op) && !isSmallKernel(op);
  }

  /// Makes one kernel of a run; views between its kernels go in with them.
  void buildSequence(ArrayRef<Operation *> run) {
    DenseSet<Operation *> members(run.begin(), run.end());
    llvm::SetVector<Value> inputs, results;
    llvm::SetVector<Operation *> views;
    SmallVector<Location> locations;
    for (Operation *op : run) {
      locations.push_back(op->getLoc());
      for (Value operand : op->getOperands()) {
        SmallVector<Operation *> chain;
        Value source = operand;
        while (isView(source.getDefiningOp())) {
          chain.push_back(source.getDefiningOp());
          source = source.getDefiningOp()->getOperand(0);
        }
        if (source.getDefiningOp() && members.contains(source.getDefiningOp()))
          for (Operation *view : llvm::reverse(chain))
            views.insert(view);
        else
          inputs.insert(operand);
      }
    }
    for (Operation *op : run)
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) {
              return !members.contains(user) && !isOnlyUsedBy(user, members);
            }))
          results.insert(result);

    OpBuilder builder(run.back());
    Location loc = FusedLoc::get(&getContext(), locations);
    auto sequence =
        KernelOp::create(builder, loc, TypeRange(ValueRange(results.getArrayRef())),
                         inputs.getArrayRef(), KernelKind::Sequence);
    IRMapping mapping;
    mapping.map(inputs.getArrayRef(), sequence.getBodyBlock()->getArguments());
    OpBuilder body = OpBuilder::atBlockEnd(sequence.getBodyBlock());
    for (Operation *op : run) {
      for (Value operand : op->getOperands())
        cloneViews(body, operand, views, mapping);
      body.clone(*op, mapping);
    }
    plan::YieldOp::create(body, loc,
                          llvm::map_to_vector(results, [&](Value result) {
                            return mapping.lookup(result);
                          }));
    for (auto [i, old] : llvm::enumerate(results.takeVector()))
      old.replaceAllUsesWith(sequence.getResult(i));
    eraseRun(run, views, sequence);
    remark::passed(loc, remark::RemarkOpts::name("sequence")
                            .category("plan-form-sequences")
                            .function(getOperation().getName()))
        << remark::metric("nodes", getNodeNames(loc))
        << remark::metric("kernels", run.size());
  }

  /// Whether a view is read by kernels of the run alone.
  static bool isOnlyUsedBy(Operation *view, const DenseSet<Operation *> &members) {
    return isView(view) && llvm::all_of(view->getUsers(), [&](Operation *user) {
             return members.contains(user) || isOnlyUsedBy(user, members);
           });
  }

  static void cloneViews(OpBuilder &body, Value value,
                         const llvm::SetVector<Operation *> &views, IRMapping &mapping) {
    Operation *view = value.getDefiningOp();
    if (!view || !views.contains(view) || mapping.contains(value))
      return;
    cloneViews(body, view->getOperand(0), views, mapping);
    body.clone(*view, mapping);
  }

  static void eraseRun(ArrayRef<Operation *> run, llvm::SetVector<Operation *> &views,
                       KernelOp sequence) {
    // Views that others read follow the sequence now.
    Operation *last = sequence;
    for (Operation *view : views)
      if (!view->use_empty()) {
        view->moveAfter(last);
        last = view;
      }
    SmallVector<Operation *> dead(run);
    dead.append(views.begin(), views.end());
    bool erased = true;
    while (erased) {
      erased = false;
      for (Operation *&op : dead)
        if (op && op->use_empty()) {
          op->erase();
          op = nullptr;
          erased = true;
        }
    }
  }
};
} // namespace
} // namespace ampc
