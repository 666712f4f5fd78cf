//===- PrecisionPolicy.cpp - The lists in force ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PrecisionPolicy.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace ampc;

FailureOr<PrecisionPolicy> PrecisionPolicy::get(Location loc, StringRef dtype, StringRef lists) {
  PrecisionPolicy policy;
  MLIRContext *context = loc.getContext();
  if (dtype == "f16")
    policy.low = Float16Type::get(context);
  else if (dtype == "bf16")
    policy.low = BFloat16Type::get(context);
  else
    return emitError(loc) << "--amp-dtype=" << dtype << ": f16 or bf16";
  if (lists == "balanced")
    policy.profile = PrecisionProfile::Balanced;
  else if (lists == "pytorch")
    policy.profile = PrecisionProfile::PyTorch;
  else
    return emitError(loc) << "--amp-lists=" << lists << ": balanced or pytorch";
  return policy;
}

PrecisionPolicy::Decision PrecisionPolicy::decide(PrecisionOpInterface op) const {
  if (auto asked = op->getAttrOfType<DictionaryAttr>(kPrecisionAttr)) {
    StringRef category = cast<StringAttr>(asked.get("category")).getValue();
    std::string reason = cast<StringAttr>(asked.get("reason")).getValue().str();
    // The dialect verifies that the category is one of them.
    if (category == kFullPrecision)
      return {Precision::Deny, reason};
    return {*symbolizePrecision(category), reason};
  }
  PrecisionRecord record = op.getPrecisionRecord();
  if (profile == PrecisionProfile::PyTorch)
    return {record.pytorch, "pytorch lists"};
  if (low.isBF16())
    return {record.bf16, "balanced lists for bf16"};
  return {record.f16, "balanced lists for f16"};
}

SmallVector<OpOperand *> ampc::computedOperands(PrecisionOpInterface op) {
  SmallVector<OpOperand *> operands;
  for (OpOperand &operand : op->getOpOperands())
    if (isa<FloatType>(getElementTypeOrSelf(operand.get().getType())) &&
        op.getOperandPrecision(operand.getOperandNumber()) == OperandPrecision::Computed)
      operands.push_back(&operand);
  return operands;
}

bool ampc::hasVote(Value operand) {
  if (cast<RankedTensorType>(operand.getType()).getRank() == 0)
    return false;
  while (auto cast = operand.getDefiningOp<CastOp>())
    operand = cast.getInput();
  Operation *source = operand.getDefiningOp();
  if (!source || source->hasTrait<OpTrait::ConstantLike>())
    return !source;
  if (auto read = dyn_cast<ReadOp>(source)) {
    auto variable = SymbolTable::lookupNearestSymbolFrom<VariableOp>(read, read.getVariableAttr());
    return variable.getRole() != VariableRole::Constant;
  }
  return true;
}
