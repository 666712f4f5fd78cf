//===- PrecisionPolicy.cpp - The lists in force ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PrecisionPolicy.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Amp/RecoveryLog.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"

using namespace mlir;
using namespace ampc;

FailureOr<PrecisionPolicy> PrecisionPolicy::get(Location loc, StringRef dtype, StringRef lists,
                                                int64_t level) {
  PrecisionPolicy policy;
  policy.level = level;
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

/// What the user asks of operand `index`, null where that is nothing.
static DictionaryAttr askedOfOperand(Operation *op, unsigned index) {
  auto list = op->getAttrOfType<ArrayAttr>(kOperandPrecisionAttr);
  for (Attribute entry : list ? list.getValue() : ArrayRef<Attribute>())
    if (auto asked = cast<DictionaryAttr>(entry);
        asked.getAs<IntegerAttr>("operand").getValue() == index)
      return asked;
  return nullptr;
}

bool ampc::isDecidedByUser(Operation *op) {
  return op->hasAttr(kPrecisionAttr) || op->hasAttr(kOperandPrecisionAttr);
}

bool PrecisionPolicy::isVoteless(OpOperand &operand) {
  DictionaryAttr asked = askedOfOperand(operand.getOwner(), operand.getOperandNumber());
  return asked && asked.getAs<StringAttr>("category") == stringify(Precision::Allow);
}

bool PrecisionPolicy::hasVote(Value operand) const {
  auto type = cast<RankedTensorType>(operand.getType());
  // Buffers have one there, and numbers are tensors of rank 0, or of one element where an exporter
  // wrote them so.
  if (profile == PrecisionProfile::PyTorch && type.getRank() > 0 && type.getNumElements() != 1)
    return true;
  return ampc::hasVote(operand);
}

PrecisionPolicy::Decision PrecisionPolicy::decide(PrecisionOpInterface op) const {
  // All that an op computes with has one type, so that an operand in f32 makes all of it f32.
  for (OpOperand *operand : computedOperands(op))
    if (DictionaryAttr asked = askedOfOperand(op, operand->getOperandNumber()))
      if (asked.getAs<StringAttr>("category") == stringify(Precision::Deny))
        return {Precision::Deny, asked.getAs<StringAttr>("reason").str()};
  if (auto asked = op->getAttrOfType<DictionaryAttr>(kPrecisionAttr)) {
    StringRef category = cast<StringAttr>(asked.get("category")).getValue();
    std::string reason = cast<StringAttr>(asked.get("reason")).getValue().str();
    // The dialect verifies that the category is one of them.
    if (category == kFullPrecision)
      return {Precision::Deny, reason};
    return {*symbolizePrecision(category), reason};
  }
  PrecisionRecord record = op.getPrecisionRecord();
  Decision decision{record.f16, "balanced lists for f16"};
  if (profile == PrecisionProfile::PyTorch && op->hasAttr(kWideInPyTorchAttr))
    decision = {Precision::Deny, "pytorch lists, of an operator that spells this out"};
  else if (profile == PrecisionProfile::PyTorch)
    decision = {record.pytorch, "pytorch lists"};
  else if (low.isBF16())
    decision = {record.bf16, "balanced lists for bf16"};
  if (level < 3)
    return decision;
  if (op->hasTrait<Normalizes>())
    return {Precision::Deny, "O3 keeps norms in f32 unless asked"};
  // At this level what promotes is low.
  if (decision.category == Precision::Deny)
    return {Precision::Promote, "O3 computes in the low type what the lists deny"};
  return decision;
}

SmallVector<OpOperand *> ampc::computedOperands(PrecisionOpInterface op) {
  SmallVector<OpOperand *> operands;
  for (OpOperand &operand : op->getOpOperands())
    if (isa<FloatType>(getElementTypeOrSelf(operand.get().getType())) &&
        op.getOperandPrecision(operand.getOperandNumber()) == OperandPrecision::Computed)
      operands.push_back(&operand);
  return operands;
}

LogicalResult ampc::inferResultTypes(Operation *op) {
  auto inference = dyn_cast<InferTypeOpInterface>(op);
  if (!inference) {
    // An op that states its result's shape, such as a reshape, keeps the element type.
    for (Value result : op->getResults())
      if (isa<FloatType>(getElementTypeOrSelf(result.getType())))
        result.setType(cast<RankedTensorType>(result.getType())
                           .clone(getElementTypeOrSelf(op->getOperand(0).getType())));
    return success();
  }
  SmallVector<Type> types;
  if (failed(inference.inferReturnTypes(op->getContext(), op->getLoc(), op->getOperands(),
                                        op->getDiscardableAttrDictionary(),
                                        op->getPropertiesStorage(), op->getRegions(), types)))
    return op->emitOpError("infers no types from its cast operands");
  for (auto [result, type] : llvm::zip(op->getResults(), types))
    result.setType(type);
  return success();
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
