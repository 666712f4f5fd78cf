//===- GuardUpdates.cpp - Apply updates only where the step is good -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc-runtime/module_format.h"
#include "ampc/Training/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace ampc {
#define GEN_PASS_DEF_GUARDUPDATES
#include "ampc/Training/Passes.h.inc"

namespace {
/// Counters of attempts, the scaler and what is rebuilt anyway go on after a bad step.
bool movesOnRegardless(VariableOp variable) {
  if (variable.getRole() == VariableRole::Derived)
    return true;
  return variable.getRole() == VariableRole::Scalar &&
         variable.getSymName() != AMPC_SCALAR_STEP;
}

struct GuardUpdates : impl::GuardUpdatesBase<GuardUpdates> {
  void runOnOperation() override {
    auto train = getOperation().lookupSymbol<func::FuncOp>(kTrainFunction);
    if (!train)
      return;
    OpBuilder b(train.getBody().front().getTerminator());
    Location loc = NameLoc::get(b.getStringAttr("guard"));
    auto f32 = RankedTensorType::get({}, b.getF32Type());

    Value flags, culprit;
    auto add = [&](Value flag) {
      flags = flags ? AddOp::create(b, loc, flags, flag).getResult() : flag;
    };
    train.walk([&](UnscaleOp op) {
      add(op.getFound());
      culprit = op.getCulprit();
    });
    SmallVector<BatchCheckOpInterface> checks;
    train.walk([&](BatchCheckOpInterface op) { checks.push_back(op); });
    // Flags are summed, so each kind is raised once however many ops raise it.
    std::map<int64_t, Value> byKind;
    for (BatchCheckOpInterface op : checks) {
      OpBuilder at(op);
      Value flag = op.buildCheck(at);
      Value &sum = byKind[op.getCheckFlag()];
      sum = sum ? MaxOp::create(b, loc, sum, flag).getResult() : flag;
    }
    for (auto &[kind, flag] : byKind)
      add(flag);
    if (!flags)
      return;

    Value good = EqualOp::create(b, loc, flags, splat(b, loc, f32, 0));
    SmallVector<AssignOp> assignments(train.getOps<AssignOp>());
    for (AssignOp assign : assignments) {
      auto variable = getOperation().lookupSymbol<VariableOp>(assign.getVariable());
      if (movesOnRegardless(variable))
        continue;
      OpBuilder at(assign);
      if (!good.getDefiningOp()->isBeforeInBlock(assign))
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
      op.getFieldsMutable()[AMPC_STAT_FLAGS].set(flags);
      if (culprit)
        op.getFieldsMutable()[AMPC_STAT_CULPRIT].set(culprit);
    });
  }
};
} // namespace
} // namespace ampc
