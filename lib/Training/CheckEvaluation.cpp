//===- CheckEvaluation.cpp - Let evaluation refuse a batch ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StepFlags.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Training/Passes.h"

namespace ampc {
#define GEN_PASS_DEF_CHECKEVALUATION
#include "ampc/Training/Passes.h.inc"

namespace {
struct CheckEvaluation : impl::CheckEvaluationBase<CheckEvaluation> {
  void runOnOperation() override {
    auto eval = getOperation().lookupSymbol<func::FuncOp>(kEvalFunction);
    if (!eval)
      return;
    OpBuilder b(eval.getBody().front().getTerminator());
    Location loc = NameLoc::get(b.getStringAttr("check"));
    StepFlags flags(b, loc);
    flags.raiseBatchChecks(eval);
    Value sum = flags.sum();
    if (!sum)
      return;
    auto type = cast<RankedTensorType>(sum.getType());
    OpBuilder atStart(&getContext());
    atStart.setInsertionPointToStart(getOperation().getBody());
    VariableOp::create(atStart, loc, VariableRole::Derived, AMPC_EVAL_FLAGS, type,
                       DenseElementsAttr::get(type, 0.0f), false, false);
    AssignOp::create(b, loc, AMPC_EVAL_FLAGS, sum);
  }
};
} // namespace
} // namespace ampc
