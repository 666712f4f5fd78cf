//===- GuardUpdates.cpp - Apply updates only where the step is good -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StepFlags.h"
#include "ampc-runtime/accumulation.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Training/Passes.h"
#include "mlir/IR/TypeUtilities.h"

namespace ampc {
#define GEN_PASS_DEF_GUARDUPDATES
#include "ampc/Training/Passes.h.inc"

namespace {
/// Counters of attempts, the scaler and what is rebuilt anyway go on after a bad step.
bool movesOnRegardless(VariableOp variable) {
  if (variable.getRole() == VariableRole::Derived)
    return true;
  return variable.getRole() == VariableRole::Scalar && variable.getSymName() != AMPC_SCALAR_STEP;
}

/// `first` where that is not -1, else `second`, counted from `offset` on, where that is not.
Value firstCulprit(OpBuilder &b, Location loc, Value first, Value second, int64_t offset) {
  auto f32 = RankedTensorType::get({}, b.getF32Type());
  Value zero = splat(b, loc, f32, 0);
  auto isOne = [&](Value culprit) { return GreaterOrEqualOp::create(b, loc, culprit, zero); };
  Value shifted = buildSum(b, loc, second, splat(b, loc, f32, double(offset)));
  Value other = WhereOp::create(b, loc, isOne(second), shifted, second);
  return WhereOp::create(b, loc, isOne(first), first, other);
}

struct GuardUpdates : impl::GuardUpdatesBase<GuardUpdates> {
  using GuardUpdatesBase::GuardUpdatesBase;

  void runOnOperation() override {
    func::FuncOp train = findUpdate(getOperation());
    if (!train)
      return;
    OpBuilder b(train.getBody().front().getTerminator());
    Location loc = NameLoc::get(b.getStringAttr("guard"));
    auto f32 = RankedTensorType::get({}, b.getF32Type());

    StepFlags flags(b, loc);
    Value culprit = raiseNonFinite(train, b, loc, flags);
    flags.raiseBatchChecks(train);
    Value sum = flags.sum();
    if (getOperation().lookupSymbol(AMPC_SCALAR_WINDOW_FLAGS))
      addWindow(b, loc, sum, culprit);
    if (!sum)
      return;

    Value good = EqualOp::create(b, loc, sum, splat(b, loc, f32, 0));
    // Moving ops makes the block forget its order: it is asked for before.
    SmallVector<std::pair<AssignOp, bool>> assignments; // and whether it is behind `good`
    for (AssignOp assign : train.getOps<AssignOp>())
      assignments.push_back({assign, good.getDefiningOp()->isBeforeInBlock(assign)});
    SymbolTable symbols(getOperation());
    for (auto [assign, isBehind] : assignments) {
      auto variable = symbols.lookup<VariableOp>(assign.getVariable());
      if (movesOnRegardless(variable))
        continue;
      OpBuilder at(assign);
      if (!isBehind)
        assign->moveBefore(train.getBody().front().getTerminator());
      at.setInsertionPoint(assign);
      Value old = ReadOp::create(at, loc, assign.getValue().getType(), assign.getVariable());
      assign.setOperand(WhereOp::create(at, assign.getLoc(), good, assign.getValue(), old));
    }
    train.walk([&](RecordStatsOp op) {
      op->moveBefore(train.getBody().front().getTerminator());
      for (OpOperand &use : op.getResult().getUses())
        use.getOwner()->moveBefore(train.getBody().front().getTerminator());
      OpBuilder at(op);
      op.getFieldsMutable()[AMPC_STAT_APPLIED].set(castTo(at, loc, good, at.getF32Type()));
      op.getFieldsMutable()[AMPC_STAT_FLAGS].set(sum);
      if (culprit)
        op.getFieldsMutable()[AMPC_STAT_CULPRIT].set(culprit);
    });
  }

  /// A bad micro-batch makes the step bad, and comes before what the update finds.
  void addWindow(OpBuilder &b, Location loc, Value &sum, Value &culprit) {
    auto f32 = RankedTensorType::get({}, b.getF32Type());
    Value flags = ReadOp::create(b, loc, f32, AMPC_SCALAR_WINDOW_FLAGS);
    Value first = ReadOp::create(b, loc, f32, AMPC_SCALAR_WINDOW_CULPRIT);
    Value isBad = GreaterOp::create(b, loc, flags, splat(b, loc, f32, 0));
    sum = sum ? WhereOp::create(b, loc, isBad, flags, sum).getResult() : flags;
    culprit = culprit ? WhereOp::create(b, loc, isBad, first, culprit).getResult() : first;
  }

  /// Raises what makes an update worthless. Returns the position of the first tensor that
  /// is not finite; null where none is looked at.
  Value raiseNonFinite(func::FuncOp train, OpBuilder &b, Location loc, StepFlags &flags) {
    SmallVector<UnscaleOp> unscales(train.getOps<UnscaleOp>());
    if (unscales.empty())
      return checkFinite ? raiseNonFiniteParameters(train, b, loc, flags) : Value();
    Value culprit, found;
    int64_t count = 0;
    for (UnscaleOp op : unscales) {
      flags.raise(AMPC_FLAG_NONFINITE_GRADIENT, op.getFound());
      found = found ? buildMaximum(b, loc, found, op.getFound()) : Value(op.getFound());
      culprit =
          culprit ? firstCulprit(b, loc, culprit, op.getCulprit(), count) : Value(op.getCulprit());
      count += op.getGradients().size();
    }
    for (RecordStatsOp op : train.getOps<RecordStatsOp>()) {
      // Squares may overflow where the gradients do not, and clipping then leaves zeros.
      flags.raiseUnlessFinite(AMPC_FLAG_NONFINITE_NORM, op.getFields()[AMPC_STAT_GRAD_NORM]);
      // A scaler skips what overflows: there it only tells why.
      bool isScaled = !train.getOps<ScaleLossOp>().empty();
      if (checkFinite || isScaled)
        flags.raiseUnlessFinite(AMPC_FLAG_NONFINITE_LOSS, op.getFields()[AMPC_STAT_LOSS],
                                isScaled ? found : Value());
    }
    return culprit;
  }

  /// For a step that is spelled out without a Gradient: what would become of the parameters.
  Value raiseNonFiniteParameters(func::FuncOp train, OpBuilder &b, Location loc, StepFlags &flags) {
    SmallVector<Value> values;
    SmallVector<Attribute> names;
    SymbolTable symbols(getOperation());
    for (AssignOp assign : train.getOps<AssignOp>()) {
      auto variable = symbols.lookup<VariableOp>(assign.getVariable());
      if (variable.getRole() != VariableRole::Parameter ||
          !isa<FloatType>(getElementTypeOrSelf(assign.getValue().getType())))
        continue;
      values.push_back(assign.getValue());
      names.push_back(variable.getSymNameAttr());
    }
    if (values.empty())
      return {};
    train->setAttr(kGradientsAttr, b.getArrayAttr(names));
    auto f32 = RankedTensorType::get({}, b.getF32Type());
    auto check =
        UnscaleOp::create(b, loc, TypeRange(ValueRange(values)), f32, f32, values, Value());
    Value kind = splat(b, loc, f32, AMPC_FLAG_NONFINITE_PARAMETER);
    flags.raise(AMPC_FLAG_NONFINITE_PARAMETER, buildProduct(b, loc, check.getFound(), kind));
    return check.getCulprit();
  }
};
} // namespace
} // namespace ampc
