//===- DivideSums.cpp - Add columns up where their rows are at hand -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A kernel of columns, sum over r of f(x[r, c]), takes a launch, and two where blocks share the
// rows. Where another kernel merges the rows x[r, :], each block of that one can add up a group of
// rows on the way: p[g, c] = sum over the rows r of group g of f(x[r, c]). What is left, the sum
// over g of p[g, c], is a kernel of its own, and plan-batch-kernels makes one of all of them. So
// the gradients of a norm's parameters cost neither a launch nor another read of what its
// gradient is made of.
//
//===----------------------------------------------------------------------===//

#include "GroupSums.h"
#include "KernelGroups.h"
#include "KernelSize.h"
#include "OpGraph.h"
#include "ampc/Dialect/Plan/IterationStructure.h"
#include "ampc/Dialect/Plan/KernelCost.h"
#include "ampc/Optimize/Buffers.h"
#include "ampc/Optimize/Passes.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/CSE.h"
#include <cmath>

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_DIVIDESUMS
#include "ampc/Optimize/Passes.h.inc"

using plan::IterationKind;
using plan::IterationStructure;
using plan::KernelKind;
using plan::KernelOp;

/// Most groups for each multiprocessor, and fewest rows of a group.
constexpr int64_t kMostGroups = 4, kFewestRows = 4;
/// Most edges of the graph that are looked at between two kernels.
constexpr size_t kMostSteps = 1024;

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct DivideSums : impl::DivideSumsBase<DivideSums> {
  using DivideSumsBase::DivideSumsBase;

  void runOnOperation() override {
    model = &getDeviceModel(target, gpu);
    if (getOperation().isExternal() || !model->isDevice)
      return;
    Block &block = getOperation().front();
    OpGraph graph(block);
    SmallVector<Pair> pairs;
    DenseSet<Operation *> taken;
    for (auto columns : llvm::to_vector(block.getOps<KernelOp>()))
      if (std::optional<Pair> pair = findPartner(graph, columns, taken)) {
        graph.merge(*graph.find(pair->rows), *graph.find(columns));
        taken.insert(pair->rows);
        taken.insert(columns);
        pairs.push_back(*pair);
      }
    if (pairs.empty())
      return;
    graph.moveOps(block);
    for (const Pair &pair : pairs)
      replace(pair);
  }

private:
  /// A kernel that merges rows, and one of columns whose sums it can add up, in groups.
  struct Pair {
    KernelOp rows, columns;
    int64_t groups;
  };
  /// A kernel that does both, and what of it stands for the results of a kernel of columns: what
  /// is no sum, and the sums of groups, of their own ops.
  struct Merged {
    KernelOp kernel;
    SmallVector<std::pair<Value, Value>> replaced; ///< results of kernels, and those for them
    DenseMap<Value, Value> groupSums;              ///< of reductions' results
  };

  /// The structure of a kernel of columns that adds rows up, which several blocks could share.
  std::optional<IterationStructure> analyzeSums(KernelOp kernel) const {
    if (kernel.getKind() != KernelKind::Fused || suitsOneBlock(KernelSize(kernel), *model))
      return std::nullopt;
    FailureOr<IterationStructure> s = plan::analyzeIteration(kernel);
    if (failed(s) || s->kind != IterationKind::Column ||
        !plan::computeCost(*s, *model).isSplittable)
      return std::nullopt;
    for (linalg::GenericOp op : s->ops)
      if (plan::isReduction(op))
        for (unsigned i = 0; i < op->getNumResults(); ++i)
          if (!getSum(op, i))
            return std::nullopt;
    return std::move(*s);
  }

  /// The kernel that has the largest tensors in common with `columns`, and can add its sums up.
  std::optional<Pair> findPartner(const OpGraph &graph, KernelOp columns,
                                  const DenseSet<Operation *> &taken) const {
    std::optional<IterationStructure> s = analyzeSums(columns);
    if (!s)
      return std::nullopt;
    std::optional<int64_t> groups = chooseGroups(*s);
    if (!groups)
      return std::nullopt;
    double time = plan::computeCost(*s, *model).time(*model);
    llvm::MapVector<Operation *, uint64_t> bytes; // that a partner need not read again
    auto add = [&](Operation *other, Value tensor) {
      if (other && other != columns && other->getBlock() == columns->getBlock())
        bytes[other] += getByteSize(tensor.getType()).value_or(0);
    };
    for (Value input : columns.getInputs()) {
      add(input.getDefiningOp(), input);
      for (Operation *user :
           llvm::SmallPtrSet<Operation *, 8>(input.user_begin(), input.user_end()))
        add(user, input);
    }
    for (Value result : columns.getResults())
      for (Operation *user :
           llvm::SmallPtrSet<Operation *, 8>(result.user_begin(), result.user_end()))
        add(user, result);
    std::optional<Pair> best;
    uint64_t most = 0;
    for (auto [other, saved] : bytes) {
      auto rows = dyn_cast<KernelOp>(other);
      auto waitsForSums = [&](Value v) {
        auto result = dyn_cast<OpResult>(v);
        return result && result.getOwner() == columns &&
               s->getLevel(columns.getYield()->getOperand(result.getResultNumber())) > 0;
      };
      if (!rows || llvm::any_of(rows.getInputs(), waitsForSums) || taken.contains(rows) ||
          rows.getKind() != KernelKind::Fused || saved <= most ||
          !graph.canMerge(*graph.find(rows), *graph.find(columns), kMostSteps))
        continue;
      Pair pair = {rows, columns, *groups};
      if (!fits(pair, time))
        continue;
      best = pair;
      most = saved;
    }
    return best;
  }

  /// How much of the device's time so many blocks use, all of which take the same time.
  double useOf(int64_t blocks) const {
    return double(blocks) / double(llvm::alignTo(blocks, model->processors));
  }

  /// How long a kernel takes that does groups of rows. What adds these up is next to nothing, one
  /// launch for all sums.
  double timeOf(const IterationStructure &s, int64_t groups) const {
    double transfer = model->transferTime(plan::computeCost(s, *model).bytes(), groups);
    return transfer / useOf(std::max(groups, model->processors)) + model->launchTime;
  }

  /// As many groups of rows as use the device best, each on a block.
  std::optional<int64_t> chooseGroups(const IterationStructure &s) const {
    double bestUse = 0;
    std::optional<int64_t> best;
    int64_t most = std::min(kMostGroups * model->processors, s.reducedPoints() / kFewestRows);
    for (int64_t groups = 2; groups <= most; ++groups) {
      double use = useOf(groups);
      bool isNearer = !best || std::abs(groups - model->fillingBlocks()) <
                                   std::abs(*best - model->fillingBlocks());
      if (use < bestUse || (use == bestUse && !isNearer))
        continue;
      bool divides = llvm::all_of(s.ops, [&](linalg::GenericOp op) {
        return !plan::isReduction(op) || findDivision(op, groups);
      });
      if (!divides)
        continue;
      bestUse = use;
      best = groups;
    }
    return best;
  }

  /// Whether the two are one kernel, of which the device runs a block for each group, and which
  /// takes less time than that of rows and that of columns, which takes `time`.
  bool fits(const Pair &pair, double time) const {
    FailureOr<IterationStructure> rows = plan::analyzeIteration(pair.rows);
    if (failed(rows) || rows->kind != IterationKind::Row)
      return false;
    plan::KernelCost cost = plan::computeCost(*rows, *model);
    time += cost.time(*model);
    if (cost.splits > 1)
      return false;
    OpBuilder b(pair.columns->getBlock()->getTerminator());
    Merged merged = build(b, pair);
    FailureOr<IterationStructure> s = plan::analyzeIteration(merged.kernel);
    bool isKernel = succeeded(s) && s->hasSums() && s->groups() == pair.groups &&
                    plan::holdsSums(*s) && s->ops.size() <= kMostOps &&
                    s->inputs.size() + s->results.size() <= kMostBuffers &&
                    timeOf(*s, pair.groups) < time;
    merged.kernel.erase();
    return isKernel;
  }

  //===--------------------------------------------------------------------===//
  // Building
  //===--------------------------------------------------------------------===//

  /// Whether others than the two read a result of one of them.
  static bool isNeeded(Value result, const Pair &pair) {
    return llvm::any_of(result.getUsers(),
                        [&](Operation *user) { return user != pair.rows && user != pair.columns; });
  }

  /// Builds the kernel that does both.
  static Merged build(OpBuilder &b, const Pair &pair) {
    Merged merged;
    SmallVector<KernelOp> kernels = {pair.rows, pair.columns}; // the one that reads comes last
    auto reads = [](KernelOp kernel, KernelOp other) {
      return llvm::any_of(kernel.getInputs(),
                          [&](Value v) { return v.getDefiningOp() == other.getOperation(); });
    };
    if (reads(pair.rows, pair.columns))
      std::swap(kernels[0], kernels[1]);
    llvm::SetVector<Value> inputs;
    SmallVector<Location> locations;
    for (KernelOp kernel : kernels) {
      for (Value input : kernel.getInputs())
        if (!llvm::is_contained(kernels, input.getDefiningOp()))
          inputs.insert(input);
      locations.push_back(kernel.getLoc());
    }
    // The body first: what it yields follows from it.
    Location loc = FusedLoc::get(b.getContext(), locations);
    auto draft = KernelOp::create(b, loc, TypeRange(), inputs.getArrayRef(), KernelKind::Fused);
    OpBuilder body = OpBuilder::atBlockEnd(draft.getBodyBlock());
    IRMapping outside; // inputs and results of the two, in the body
    outside.map(inputs.getArrayRef(), draft.getBodyBlock()->getArguments());
    SmallVector<Value> yielded;
    SmallVector<std::pair<Value, unsigned>> replaced, sums;
    for (KernelOp kernel : kernels) {
      IRMapping map;
      for (auto [argument, input] :
           llvm::zip(kernel.getBodyBlock()->getArguments(), kernel.getInputs()))
        map.map(argument, outside.lookup(input));
      for (Operation &op : kernel.getBodyBlock()->without_terminator()) {
        auto generic = dyn_cast<linalg::GenericOp>(op);
        if (kernel != pair.columns || !generic || !plan::isReduction(generic)) {
          // What waits for sums is not done here.
          if (llvm::all_of(op.getOperands(), [&](Value v) { return map.contains(v); }))
            body.clone(op, map);
          continue;
        }
        SmallVector<Value> operands =
            llvm::map_to_vector(generic.getInputs(), [&](Value v) { return map.lookup(v); });
        linalg::GenericOp divided =
            addGroupsUp(body, generic, operands, *findDivision(generic, pair.groups));
        for (auto [sum, of] : llvm::zip(divided.getResults(), generic.getResults())) {
          sums.push_back({of, yielded.size()});
          yielded.push_back(sum);
        }
      }
      for (auto [result, value] :
           llvm::zip(kernel.getResults(), kernel.getYield()->getOperands())) {
        if (!map.contains(value))
          continue;
        outside.map(result, map.lookup(value));
        if (!isNeeded(result, pair))
          continue;
        replaced.push_back({result, yielded.size()});
        yielded.push_back(map.lookup(value));
      }
    }
    plan::YieldOp::create(body, loc, yielded);
    merged.kernel = KernelOp::create(b, loc, TypeRange(ValueRange(yielded)), inputs.getArrayRef(),
                                     KernelKind::Fused);
    merged.kernel.getBody().takeBody(draft.getBody());
    draft.erase();
    IRRewriter rewriter(b);
    DominanceInfo dominance(merged.kernel);
    eliminateCommonSubExpressions(rewriter, dominance, merged.kernel);
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*merged.kernel.getBodyBlock())))
      if (isOpTriviallyDead(&op)) // where the whole sums began
        op.erase();
    for (auto [result, i] : replaced)
      merged.replaced.push_back({result, merged.kernel.getResult(i)});
    for (auto [sum, i] : sums)
      merged.groupSums[sum] = merged.kernel.getResult(i);
    return merged;
  }

  /// The sums of groups as a tensor [groups, shape of the sum].
  static Value countGroupsOnce(OpBuilder &b, Value groupSums, int64_t rank) {
    auto type = cast<RankedTensorType>(groupSums.getType());
    SmallVector<ReassociationIndices> groups(1);
    int64_t counted = type.getRank() - rank;
    for (int64_t d = 0; d < counted; ++d)
      groups[0].push_back(d);
    for (int64_t d = counted; d < type.getRank(); ++d)
      groups.push_back({d});
    if (counted == 1)
      return groupSums;
    return tensor::CollapseShapeOp::create(b, groupSums.getLoc(), groupSums, groups);
  }

  /// A kernel that computes `yielded`, a value of `columns` that waits for sums, from the sums of
  /// groups.
  static Value finish(OpBuilder &b, KernelOp columns, Value yielded, const Merged &merged) {
    SetVector<Operation *> slice;
    BackwardSliceOptions options;
    options.inclusive = true;
    options.omitBlockArguments = true;
    // What reductions read has been added up.
    options.filter = [&](Operation *op) {
      return op->getBlock() == columns.getBodyBlock() && !plan::isReduction(op);
    };
    SetVector<Operation *> reductions;
    if (plan::isReduction(yielded.getDefiningOp())) {
      reductions.insert(yielded.getDefiningOp());
    } else {
      (void)getBackwardSlice(yielded, &slice, options);
      for (Operation *op : slice)
        for (Value v : op->getOperands())
          if (Operation *maker = v.getDefiningOp(); maker && plan::isReduction(maker))
            reductions.insert(maker);
    }
    llvm::SetVector<Value> inputs, sums;
    for (Operation *op : reductions)
      for (Value sum : op->getResults())
        if (sum == yielded ||
            llvm::any_of(sum.getUsers(), [&](Operation *user) { return slice.contains(user); }))
          sums.insert(sum);
    SmallVector<std::pair<Value, Value>> arguments; // what stands for an input
    for (Value sum : sums) {
      auto type = cast<RankedTensorType>(sum.getType());
      inputs.insert(countGroupsOnce(b, merged.groupSums.lookup(sum), type.getRank()));
    }
    for (Operation *op : slice)
      op->walk([&](Operation *nested) {
        for (Value v : nested->getOperands())
          if (auto argument = dyn_cast<BlockArgument>(v))
            if (argument.getOwner() == columns.getBodyBlock())
              inputs.insert(columns.getInputs()[argument.getArgNumber()]);
      });
    auto kernel = KernelOp::create(b, columns.getLoc(), yielded.getType(), inputs.getArrayRef(),
                                   KernelKind::Fused);
    OpBuilder body = OpBuilder::atBlockEnd(kernel.getBodyBlock());
    IRMapping map;
    for (auto [argument, input] :
         llvm::zip(columns.getBodyBlock()->getArguments(), columns.getInputs()))
      if (inputs.contains(input))
        map.map(argument,
                kernel.getBodyBlock()->getArgument(llvm::find(inputs, input) - inputs.begin()));
    for (auto [i, sum] : llvm::enumerate(sums))
      map.map(sum, addUp(body, cast<OpResult>(sum), kernel.getBodyBlock()->getArgument(i)));
    for (Operation &op : columns.getBodyBlock()->without_terminator())
      if (slice.contains(&op))
        body.clone(op, map);
    plan::YieldOp::create(body, columns.getLoc(), map.lookup(yielded));
    return kernel.getResult(0);
  }

  void replace(const Pair &pair) {
    KernelOp last = pair.rows->isBeforeInBlock(pair.columns) ? pair.columns : pair.rows;
    OpBuilder b(last);
    Merged merged = build(b, pair);
    KernelOp columns = pair.columns;
    for (auto [result, yielded] :
         llvm::zip(columns.getResults(), columns.getYield()->getOperands()))
      if (!llvm::is_contained(llvm::make_first_range(merged.replaced), Value(result)) &&
          isNeeded(result, pair))
        result.replaceAllUsesWith(finish(b, columns, yielded, merged));
    for (auto [result, value] : merged.replaced)
      result.replaceAllUsesWith(value);
    remark::passed(merged.kernel.getLoc(), remark::RemarkOpts::name("sums_beside_rows")
                                               .category("plan-divide-sums")
                                               .function(getOperation().getName()))
        << remark::metric("nodes", joinNodeNames(merged.kernel.getLoc()))
        << remark::metric("groups", pair.groups) << remark::metric("sums", merged.groupSums.size());
    KernelOp first = last == pair.rows ? pair.columns : pair.rows;
    last.erase();
    first.erase();
  }

  const DeviceModel *model = nullptr;
};
} // namespace
} // namespace ampc
