//===- AccumulateGradients.cpp - Steps of several micro-batches -----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The step is cut behind its gradients: @accumulate is a copy that keeps what is before, @apply
// what is behind. What crosses the cut is state: sums of gradients and of losses, flags, and what
// the forward pass assigns. The loss scale is moved behind the cut, so it is constant in a window.
//
//===----------------------------------------------------------------------===//

#include "BatchGrowth.h"
#include "StepFlags.h"
#include "ampc-runtime/accumulation.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Gradient.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Support/NodeLocation.h"
#include "ampc/Support/StateNames.h"
#include "ampc/Training/Passes.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace ampc {
#define GEN_PASS_DEF_ACCUMULATEGRADIENTS
#include "ampc/Training/Passes.h.inc"

namespace {
/// What of a function nothing needs.
void eraseDeadOps(func::FuncOp function) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
    if (isOpTriviallyDead(&op))
      op.erase();
}

/// State that the skip of a step must leave alone; counters, the scaler and derived state move on.
bool isKeptBySkip(VariableOp variable) {
  return variable.getRole() != VariableRole::Scalar && variable.getRole() != VariableRole::Derived;
}

struct AccumulateGradients : impl::AccumulateGradientsBase<AccumulateGradients> {
  using AccumulateGradientsBase::AccumulateGradientsBase;

  void runOnOperation() override {
    auto train = getOperation().lookupSymbol<func::FuncOp>(kTrainFunction);
    if (!train || count < 2)
      return;
    Cut cut;
    if (failed(findCut(train, cut)))
      return signalPassFailure();
    decideGrowth(cut.loss);
    OpBuilder b(train);
    makeVariables(b, cut);
    IRMapping copies;
    auto accumulate = cast<func::FuncOp>(b.clone(*train, copies));
    accumulate.setName(kAccumulateFunction);
    accumulate->removeAttr(kGradientsAttr);
    buildAccumulate(accumulate, cut, copies);
    if (failed(buildApply(train, cut)))
      return signalPassFailure();
    train.setName(kApplyFunction);
  }

private:
  /// Where the step is cut.
  struct Cut {
    GradientOp gradient;
    UnscaleOp unscale;             ///< null where nothing is scaled and nothing checked
    Value loss;                    ///< f32 of rank 0
    SmallVector<AssignOp> forward; ///< assignments of the forward pass that a skip takes back
    SmallVector<std::string> sums; ///< variables, one for each gradient
  };

  LogicalResult findCut(func::FuncOp train, Cut &cut) {
    // The last one is that of the parameters: it was built behind the model's graph.
    for (GradientOp gradient : train.getOps<GradientOp>())
      cut.gradient = gradient;
    train.walk([&](RecordStatsOp op) { cut.loss = op.getFields()[AMPC_STAT_LOSS]; });
    if (!cut.gradient || !cut.loss)
      return emitError(train.getLoc()) << "--accumulate: the model's own step has no gradients "
                                          "that could be added up";
    for (Operation *user : cut.gradient->getUsers())
      if (auto unscale = dyn_cast<UnscaleOp>(user))
        cut.unscale = unscale;
    SymbolTable symbols(getOperation());
    for (AssignOp assign : train.getOps<AssignOp>())
      if (assign->isBeforeInBlock(cut.gradient) &&
          isKeptBySkip(symbols.lookup<VariableOp>(assign.getVariable())))
        cut.forward.push_back(assign);
    for (Value x : cut.gradient.getWrt())
      cut.sums.push_back(AMPC_PREFIX_ACCUMULATED + getVariableRead(x).getValue().str());
    return success();
  }

  /// Whether gradients are averaged, and says so.
  void decideGrowth(Value loss) {
    BatchGrowth growth = by == "mean"  ? BatchGrowth::Mean
                         : by == "sum" ? BatchGrowth::Sum
                                       : findBatchGrowth(loss);
    averages = growth != BatchGrowth::Sum;
    Location loc = getOperation().getLoc();
    if (growth == BatchGrowth::Unknown)
      emitWarning(loc) << "--accumulate=" << count
                       << ": the graph does not tell whether the loss is a mean or a sum over the "
                          "samples; gradients are averaged, as for a mean (--accumulate-by=mean or "
                          "sum decides)";
    else if (by == "auto" && growth == BatchGrowth::Sum)
      emitRemark(loc) << "--accumulate=" << count
                      << ": the loss is a sum over the samples, so the gradients of the "
                         "micro-batches are added up and not averaged (--accumulate-by decides)";
    remark::analysis(loc, remark::RemarkOpts::name("accumulate").category("amp-accumulate"))
        << remark::metric("micro-batches", std::to_string(count))
        << remark::reason("{0}", averages ? "gradients are averaged" : "gradients are added up");
  }

  static DenseElementsAttr scalar(Type type, double value) {
    auto tensor = RankedTensorType::get({}, type);
    if (isa<FloatType>(type))
      return DenseElementsAttr::get(tensor, Attribute(FloatAttr::get(type, value)));
    return DenseElementsAttr::get(tensor, Attribute(IntegerAttr::get(type, int64_t(value))));
  }

  void makeVariables(OpBuilder &b, Cut &cut) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(*getOperation().getOps<func::FuncOp>().begin());
    Location loc = b.getUnknownLoc();
    auto make = [&](VariableRole role, StringRef name, RankedTensorType type,
                    DenseElementsAttr initial) {
      VariableOp::create(b, loc, role, name, type, initial, false, false);
    };
    auto zeros = [&](StringRef name, RankedTensorType type) {
      make(VariableRole::State, name, type,
           DenseElementsAttr::get(type, b.getZeroAttr(type.getElementType())));
    };
    auto number = [&](StringRef name, Type type, double value) {
      make(VariableRole::Scalar, name, RankedTensorType::get({}, type), scalar(type, value));
    };
    number(AMPC_SCALAR_MICRO_BATCHES, b.getI64Type(), double(count));
    number(AMPC_SCALAR_MICRO_BATCH, b.getI64Type(), 0);
    number(AMPC_SCALAR_WINDOW_LOSS, b.getF32Type(), 0);
    number(AMPC_SCALAR_WINDOW_FLAGS, b.getF32Type(), 0);
    number(AMPC_SCALAR_WINDOW_CULPRIT, b.getF32Type(), -1);
    for (auto [name, g] : llvm::zip(cut.sums, cut.gradient.getGradients()))
      zeros(name, cast<RankedTensorType>(g.getType()));
    for (AssignOp assign : cut.forward)
      zeros(AMPC_PREFIX_WINDOW + assign.getVariable().str(),
            cast<RankedTensorType>(assign.getValue().getType()));
  }

  static Value read(OpBuilder &b, Location loc, StringRef variable, Type type) {
    return ReadOp::create(b, loc, RankedTensorType::get({}, type), variable);
  }

  //===--------------------------------------------------------------------===//
  // One micro-batch
  //===--------------------------------------------------------------------===//

  void buildAccumulate(func::FuncOp function, Cut &cut, IRMapping &copies) {
    auto gradient = cast<GradientOp>(copies.lookup(cut.gradient.getOperation()));
    Value loss = copies.lookup(cut.loss);
    Block &block = function.getBody().front();
    // All assignments but those of the forward pass belong to the update.
    for (AssignOp assign : llvm::make_early_inc_range(function.getOps<AssignOp>()))
      if (gradient->isBeforeInBlock(assign))
        assign.erase();

    OpBuilder b = OpBuilder::atBlockBegin(&block);
    Location loc = NameLoc::get(b.getStringAttr("accumulate"));
    auto i64 = RankedTensorType::get({}, b.getI64Type());
    Value micro = read(b, loc, AMPC_SCALAR_MICRO_BATCH, b.getI64Type());
    Value isFirst = EqualOp::create(b, loc, micro, splat(b, loc, i64, 0));
    countMicroBatches(function, b, loc, micro);
    keepForwardState(function, b, loc, isFirst, cut, copies);

    b.setInsertionPoint(block.getTerminator());
    StepFlags flags(b, loc);
    Value culprit, replaces = isFirst;
    if (cut.unscale) {
      // Says which micro-batch is bad. Sums are checked once, where they are used.
      auto f32 = RankedTensorType::get({}, b.getF32Type());
      SmallVector<Value> raw(gradient.getGradients());
      SmallVector<StringRef> names;
      for (StringRef name : cut.sums)
        names.push_back(name.drop_front(StringRef(AMPC_PREFIX_ACCUMULATED).size()));
      auto check = UnscaleOp::create(b, nameResults(loc, names, /*isGradient=*/true),
                                     TypeRange(ValueRange(raw)), f32, f32, raw, Value());
      culprit = check.getCulprit();
      flags.raise(AMPC_FLAG_NONFINITE_GRADIENT, check.getFound());
      // Nothing good comes of the window. What matters is that sums wait for the check: kernels
      // that do both for one gradient cannot be one launch for all of them.
      Value isBad = GreaterOp::create(b, loc, check.getFound(), splat(b, loc, f32, 0));
      replaces = OrOp::create(b, loc, isFirst, isBad);
      // As GuardUpdates does for a step of one batch.
      bool isScaled = !function.getOps<ScaleLossOp>().empty();
      if (checkFinite || isScaled)
        flags.raiseUnlessFinite(AMPC_FLAG_NONFINITE_LOSS, loss,
                                isScaled ? Value(check.getFound()) : Value());
    }
    for (auto [name, g] : llvm::zip(cut.sums, gradient.getGradients())) {
      Value old = ReadOp::create(b, loc, g.getType(), name);
      AssignOp::create(b, loc, name,
                       WhereOp::create(b, loc, replaces, g, buildSum(b, loc, old, g)));
    }
    flags.raiseBatchChecks(function);
    b.setInsertionPoint(block.getTerminator());
    recordWindow(b, loc, isFirst, micro, loss, flags.sum(), culprit);
    AssignOp::create(b, loc, AMPC_SCALAR_MICRO_BATCH,
                     buildSum(b, loc, micro, splat(b, loc, i64, 1)));
    eraseDeadOps(function);
  }

  /// Random numbers differ from one micro-batch to the next: what reads the number of the step
  /// reads that of the micro-batch since the first step.
  void countMicroBatches(func::FuncOp function, OpBuilder &b, Location loc, Value micro) {
    auto i64 = RankedTensorType::get({}, b.getI64Type());
    Value number;
    for (ReadOp attempt : llvm::to_vector(function.getOps<ReadOp>())) {
      if (attempt.getVariable() != AMPC_SCALAR_ATTEMPT)
        continue;
      if (!number) {
        Value step = read(b, loc, AMPC_SCALAR_ATTEMPT, b.getI64Type());
        number =
            buildSum(b, loc, buildProduct(b, loc, step, splat(b, loc, i64, double(count))), micro);
      }
      attempt.replaceAllUsesWith(number);
      attempt.erase();
    }
  }

  /// State that the forward pass moves goes on from one micro-batch to the next, beside the
  /// variable, which gets it where the window is applied.
  void keepForwardState(func::FuncOp function, OpBuilder &b, Location loc, Value isFirst, Cut &cut,
                        IRMapping &copies) {
    for (AssignOp original : cut.forward) {
      auto assign = cast<AssignOp>(copies.lookup(original.getOperation()));
      std::string beside = AMPC_PREFIX_WINDOW + assign.getVariable().str();
      Type type = assign.getValue().getType();
      Value now;
      for (ReadOp old : llvm::to_vector(function.getOps<ReadOp>())) {
        if (old.getVariable() != assign.getVariable())
          continue;
        if (!now) {
          Value before = ReadOp::create(b, loc, type, assign.getVariable());
          now = WhereOp::create(b, loc, isFirst, before, ReadOp::create(b, loc, type, beside));
        }
        old.replaceAllUsesWith(now);
        old.erase();
      }
      assign.setVariable(beside);
    }
  }

  void recordWindow(OpBuilder &b, Location loc, Value isFirst, Value micro, Value loss, Value flags,
                    Value culprit) {
    Type f32 = b.getF32Type();
    auto number = [&](double value) {
      return splat(b, loc, RankedTensorType::get({}, f32), value);
    };
    Value before = read(b, loc, AMPC_SCALAR_WINDOW_LOSS, f32);
    AssignOp::create(b, loc, AMPC_SCALAR_WINDOW_LOSS,
                     WhereOp::create(b, loc, isFirst, loss, buildSum(b, loc, before, loss)));
    Value old =
        WhereOp::create(b, loc, isFirst, number(0), read(b, loc, AMPC_SCALAR_WINDOW_FLAGS, f32));
    Value wasBad = GreaterOp::create(b, loc, old, number(0));
    if (!flags)
      flags = number(0);
    Value from1 = buildSum(b, loc, castTo(b, loc, micro, f32), number(1));
    Value tagged = buildSum(b, loc, flags, buildProduct(b, loc, from1, number(AMPC_FLAGS_END)));
    Value isBad = GreaterOp::create(b, loc, flags, number(0));
    Value now = WhereOp::create(b, loc, isBad, tagged, number(0));
    AssignOp::create(b, loc, AMPC_SCALAR_WINDOW_FLAGS, WhereOp::create(b, loc, wasBad, old, now));
    AssignOp::create(b, loc, AMPC_SCALAR_WINDOW_CULPRIT,
                     WhereOp::create(b, loc, wasBad, read(b, loc, AMPC_SCALAR_WINDOW_CULPRIT, f32),
                                     culprit ? culprit : number(-1)));
  }

  //===--------------------------------------------------------------------===//
  // The update
  //===--------------------------------------------------------------------===//

  LogicalResult buildApply(func::FuncOp train, Cut &cut) {
    OpBuilder b = OpBuilder::atBlockBegin(&train.getBody().front());
    Location loc = NameLoc::get(b.getStringAttr("accumulate"));
    auto f32 = RankedTensorType::get({}, b.getF32Type());
    // Means of as many samples each: the mean of all is the mean of these.
    Value sum = read(b, loc, AMPC_SCALAR_WINDOW_LOSS, b.getF32Type());
    Value loss =
        averages ? buildProduct(b, loc, sum, splat(b, loc, f32, 1.0 / double(count))) : sum;
    cut.loss.replaceAllUsesWith(loss);
    for (auto [name, g] : llvm::zip(cut.sums, cut.gradient->getResults())) {
      Value total = ReadOp::create(b, loc, g.getType(), name);
      if (averages && !cut.unscale)
        total = buildProduct(
            b, loc, total, splat(b, loc, cast<RankedTensorType>(g.getType()), 1.0 / double(count)));
      g.replaceAllUsesWith(total);
    }
    if (averages && cut.unscale) {
      UnscaleOp unscale = cut.unscale;
      b.setInsertionPoint(unscale);
      Value number = splat(b, loc, f32, double(count));
      Value scale = unscale.getScale();
      unscale.getScaleMutable().assign(scale ? buildProduct(b, loc, scale, number) : number);
    }
    b.setInsertionPoint(train.getBody().front().getTerminator());
    for (AssignOp assign : cut.forward) {
      std::string beside = AMPC_PREFIX_WINDOW + assign.getVariable().str();
      Value moved = ReadOp::create(b, loc, assign.getValue().getType(), beside);
      AssignOp::create(b, assign.getLoc(), assign.getVariable(), moved);
      assign.erase();
    }
    AssignOp::create(b, loc, AMPC_SCALAR_MICRO_BATCH,
                     splat(b, loc, RankedTensorType::get({}, b.getI64Type()), 0));
    // What the forward pass assigns and no skip takes back has been assigned.
    for (AssignOp assign : llvm::make_early_inc_range(train.getOps<AssignOp>()))
      if (assign->isBeforeInBlock(cut.gradient))
        assign.erase();
    eraseDeadOps(train);
    for (BlockArgument argument : train.getArguments())
      if (!argument.use_empty())
        return emitError((*argument.user_begin())->getLoc())
               << "--accumulate: the update depends on the batch by more than its gradients";
    return train.eraseArguments(llvm::BitVector(train.getNumArguments(), true));
  }

  bool averages = true;
};
} // namespace
} // namespace ampc
