//===- FormKernels.cpp - Group tensor ops into fused kernels ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Whether ops are one kernel is for the analysis of IterationStructure.h to say; here it is
// decided which ops to try. First each op gets what belongs to it alone: its destinations,
// the views it reads through, and copies of cheap producers. Then groups merge: a producer with
// its consumer, or two readers of one tensor. The pair that saves most traffic with memory goes
// first. Two groups stay apart where one kernel would leave too much of the device idle.
//
//===----------------------------------------------------------------------===//

#include "CheapOps.h"
#include "KernelGroups.h"
#include "OpGraph.h"
#include "RecomputeReads.h"
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

/// Readers of one tensor, before and behind a group, that it may be merged with.
constexpr unsigned kNearestReaders = 16;
/// Groups that a group hands to or takes from, that it may be merged with.
constexpr unsigned kMostNeighbours = 64;

namespace {
struct FormKernels : impl::FormKernelsBase<FormKernels> {
  using FormKernelsBase::FormKernelsBase;

  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    Block &block = getOperation().front();
    const DeviceModel &model = getDeviceModel(target, gpu);
    CheapOps cheapOps(block, model);
    cheapOps.repeat();

    OpGraph ops(block);
    KernelGroups kernels(ops, block, model);
    graph = &ops;
    groups = &kernels;
    absorbCheap(block, cheapOps);
    growGroups();
    buildKernels();
    if (target == Target::Cuda)
      recomputeReads(block, model);
    reportWork(getOperation(), "form-kernels",
               {{"attempts", kernels.numAttempts},
                {"analyses", kernels.numAnalyses},
                {"analyzed_ops", kernels.numAnalyzedOps},
                {"steps", ops.getSteps()}});
    graph = nullptr;
    groups = nullptr;
  }

private:
  OpGraph *graph = nullptr;
  KernelGroups *groups = nullptr;

  //===--------------------------------------------------------------------===//
  // Growing groups
  //===--------------------------------------------------------------------===//

  /// Merges each cheap op into its only consumer. This comes first: an op that was merged with
  /// something else would have to store its result.
  void absorbCheap(Block &block, const CheapOps &cheapOps) {
    auto generics = llvm::to_vector(block.getOps<linalg::GenericOp>());
    for (linalg::GenericOp generic : llvm::reverse(generics)) {
      unsigned group = *graph->find(generic);
      if (!cheapOps.isCheapToRepeat(generic) || graph->getSuccessors(group).size() != 1)
        continue;
      unsigned consumer = *graph->getSuccessors(group).begin();
      if (groups->hasGenerics(consumer) && isUsedOnlyIn(generic, consumer))
        groups->tryMerge(group, consumer);
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
    for (unsigned group : groups->get())
      for (Value input : groups->inputsOf(group))
        readers[input][graph->getFirst(group)] = group;

    auto addCandidates = [&](unsigned group) {
      llvm::SetVector<unsigned> others;
      addNearest(graph->getSuccessors(group), group, others);
      addNearest(graph->getPredecessors(group), group, others);
      for (Value input : groups->inputsOf(group)) {
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
        if (other == group || !groups->hasGenerics(other))
          continue;
        unsigned a = group, b = other;
        if (graph->getFirst(b) < graph->getFirst(a))
          std::swap(a, b);
        if (uint64_t bytes = groups->savedBytes(a, b))
          queue.push({bytes, a, b, graph->getOps(a).size(), graph->getOps(b).size()});
      }
    };
    for (unsigned group : groups->get())
      addCandidates(group);
    while (!queue.empty()) {
      Candidate best = queue.top();
      queue.pop();
      if (graph->getOps(best.a).size() != best.sizeA ||
          graph->getOps(best.b).size() != best.sizeB || !groups->mayMerge(best.a, best.b))
        continue;
      Operation *member = graph->getOps(best.a).front();
      SmallVector<std::pair<Value, unsigned>> places;
      for (unsigned group : {best.a, best.b})
        for (Value input : groups->inputsOf(group))
          places.push_back({input, graph->getFirst(group)});
      if (!groups->tryMerge(best.a, best.b))
        continue;
      unsigned merged = *graph->find(member);
      for (auto [input, place] : places)
        readers[input].erase(place);
      for (Value input : groups->inputsOf(merged))
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
    mergeCopies(rewriter, kernel);
    report(kernel);
  }

  /// Copies of one cheap op may have met again. Where their readers read different parts of them,
  /// as after a split, they stay: what is read at two places is no kernel.
  static void mergeCopies(IRRewriter &rewriter, plan::KernelOp kernel) {
    plan::KernelOp copy = kernel.clone();
    DominanceInfo dominance(kernel);
    bool changed = false;
    eliminateCommonSubExpressions(rewriter, dominance, kernel, &changed);
    if (changed && failed(plan::analyzeIteration(kernel)) &&
        succeeded(plan::analyzeIteration(copy)))
      kernel.getBody().takeBody(copy.getBody());
    copy->erase();
  }

  void report(plan::KernelOp kernel) {
    FailureOr<plan::IterationStructure> structure = plan::analyzeIteration(kernel);
    StringRef kind = "one op";
    plan::KernelCost cost;
    if (succeeded(structure)) {
      cost = plan::computeCost(*structure, getDeviceModel(target, gpu));
      kind = structure->kind == plan::IterationKind::Elementwise ? "elementwise"
             : structure->kind == plan::IterationKind::Row       ? "row"
                                                                 : "column";
    }
    remark::passed(kernel.getLoc(), remark::RemarkOpts::name("kernel")
                                        .category("plan-form-kernels")
                                        .function(getOperation().getName()))
        << remark::metric("nodes", joinNodeNames(kernel.getLoc()))
        << remark::metric("structure", kind) << remark::metric("inputs", kernel.getInputs().size())
        << remark::metric("results", kernel.getNumResults())
        << remark::metric("blocks", cost.blocks) << remark::metric("read_bytes", cost.readBytes)
        << remark::metric("written_bytes", cost.writtenBytes);
  }
};
} // namespace
} // namespace ampc
