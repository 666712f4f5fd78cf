//===- StepFlags.cpp - What a step reports of itself ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StepFlags.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Support/StateNames.h"
#include "mlir/IR/Matchers.h"
#include <limits>

namespace ampc {

func::FuncOp findUpdate(ModuleOp module) {
  auto train = module.lookupSymbol<func::FuncOp>(kTrainFunction);
  return train ? train : module.lookupSymbol<func::FuncOp>(kApplyFunction);
}

void StepFlags::raise(int64_t kind, Value value) {
  if (matchPattern(value, m_Constant()))
    return; // what is known to be good
  Value &worst = byKind[kind];
  worst = worst ? buildMaximum(b, loc, worst, value) : value;
}

void StepFlags::raiseUnlessFinite(int64_t kind, Value x, Value beside) {
  if (matchPattern(x, m_Constant()))
    return;
  auto f32 = RankedTensorType::get({}, b.getF32Type());
  Value infinity = splat(b, loc, f32, std::numeric_limits<double>::infinity());
  Value isFinite = LessOp::create(b, loc, AbsOp::create(b, loc, x), infinity);
  Value raised = splat(b, loc, f32, kind);
  if (beside)
    raised = buildProduct(b, loc, beside, raised);
  raise(kind, WhereOp::create(b, loc, isFinite, splat(b, loc, f32, 0), raised));
}

/// Adds `kind` to the mark of each argument that `x` is computed from.
static void markArguments(func::FuncOp function, Value x, int64_t kind) {
  SmallVector<Value> pending{x};
  DenseSet<Value> seen;
  while (!pending.empty()) {
    Value value = pending.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    if (Operation *op = value.getDefiningOp()) {
      llvm::append_range(pending, op->getOperands());
      continue;
    }
    unsigned index = cast<BlockArgument>(value).getArgNumber();
    auto old = function.getArgAttrOfType<IntegerAttr>(index, kCheckedAttr);
    function.setArgAttr(
        index, kCheckedAttr,
        Builder(function.getContext()).getI64IntegerAttr(kind | (old ? old.getInt() : 0)));
  }
}

void StepFlags::raiseBatchChecks(func::FuncOp function) {
  SmallVector<BatchCheckOpInterface> checks;
  function.walk([&](BatchCheckOpInterface op) { checks.push_back(op); });
  for (BatchCheckOpInterface op : checks) {
    OpBuilder at(op);
    raise(op.getCheckFlag(), op.buildCheck(at));
    markArguments(function, op.getCheckedValue(), op.getCheckFlag());
  }
}

Value StepFlags::sum() {
  Value sum;
  for (auto &[kind, value] : byKind)
    sum = sum ? buildSum(b, loc, sum, value) : value;
  return sum;
}

} // namespace ampc
