//===- State.cpp - Variables and constants --------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Amp/Values.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// VariableOp, ReadOp, AssignOp
//===----------------------------------------------------------------------===//

LogicalResult VariableOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getType());
  if (!type || !type.hasStaticShape())
    return emitOpError("has type ") << getType() << ", not a tensor of static shape";
  if (getInitial() && getFromModel())
    return emitOpError("starts both as a constant and as the model says");
  if (getInitial() && getInitial()->getShapedType() != type)
    return emitOpError("starts as ") << getInitial()->getShapedType() << " but is " << type;
  if (getRange() && getRange()->size() != 2)
    return emitOpError("has a range of ") << getRange()->size() << " numbers, not 2";
  return success();
}

void VariableOp::build(OpBuilder &builder, OperationState &state, VariableRole role, StringRef name,
                       Type type, ElementsAttr initial, bool fromModel, bool trained) {
  build(builder, state, role, name, type, initial, fromModel, trained, /*range=*/nullptr,
        /*file_type=*/nullptr, /*update_group=*/nullptr, /*update_settings=*/nullptr);
}

/// Finds the variable and checks that `holds` is true of its type.
static LogicalResult verifyVariableUse(Operation *op, FlatSymbolRefAttr name, Type type,
                                       SymbolTableCollection &symbols,
                                       llvm::function_ref<bool(RankedTensorType)> holds) {
  auto variable = symbols.lookupNearestSymbolFrom<VariableOp>(op, name);
  if (!variable)
    return op->emitOpError("names ") << name << ", which is no variable";
  if (!holds(variable.getTensorType()))
    return op->emitOpError("has ")
           << type << " for variable " << name << " of " << variable.getType();
  return success();
}

LogicalResult ReadOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifyVariableUse(*this, getVariableAttr(), getType(), symbols,
                           [&](RankedTensorType held) { return held == getType(); });
}

LogicalResult AssignOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto type = cast<RankedTensorType>(getValue().getType());
  return verifyVariableUse(
      *this, getVariableAttr(), type, symbols, [&](RankedTensorType held) { // assign_c2
        int64_t room = held.getNumElements() - type.getNumElements();
        return held == type || (held.getElementType() == type.getElementType() && room > 0 &&
                                getPlace() >= 0 && getPlace() <= room);
      });
}

/// The values of what is trained or assigned will be others.
FloatRange ReadOp::inferRange(ArrayRef<FloatRange>) {
  auto variable = SymbolTable::lookupNearestSymbolFrom<VariableOp>(*this, getVariableAttr());
  std::optional<ArrayRef<double>> known = variable ? variable.getRange() : std::nullopt;
  if (!known || variable.getTrained() || variable.getRole() == VariableRole::State)
    return {};
  return FloatRange::of((*known)[0], (*known)[1]);
}

//===----------------------------------------------------------------------===//
// ConstantOp
//===----------------------------------------------------------------------===//

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValueAttr(); }

FloatRange ConstantOp::inferRange(ArrayRef<FloatRange>) {
  auto values = dyn_cast<DenseElementsAttr>(getValue());
  if (!values || !isa<FloatType>(values.getElementType()) || values.empty())
    return {};
  auto toDouble = [](APFloat value) {
    bool inexact = false;
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
    return value.convertToDouble();
  };
  if (values.isSplat())
    return FloatRange::of(1, [&](size_t) { return toDouble(values.getSplatValue<APFloat>()); });
  auto elements = values.getValues<APFloat>();
  return FloatRange::of(elements.size(), [&](size_t i) { return toDouble(elements[i]); });
}

LogicalResult ConstantOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                           SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getValue().getShapedType());
  return success();
}

/// Constant (opset 1-28): one of `value`, `value_float(s)`, `value_int(s)`.
FailureOr<SmallVector<Value>> ConstantOp::importNode(OnnxNode &node, OpBuilder &b) {
  DenseElementsAttr value;
  node.knowAttributes({"value_floats", "value_ints"});
  if (node.hasAttribute("value")) {
    value = node.getTensor("value");
  } else if (node.hasAttribute("value_float")) {
    value = DenseElementsAttr::get(RankedTensorType::get({}, b.getF32Type()),
                                   float(node.getFloat("value_float", 0)));
  } else if (node.hasAttribute("value_int")) {
    value = DenseElementsAttr::get(RankedTensorType::get({}, b.getI64Type()),
                                   node.getInt("value_int", 0));
  } else if (auto floats = node.getFloats("value_floats")) {
    value = DenseElementsAttr::get(RankedTensorType::get(int64_t(floats->size()), b.getF32Type()),
                                   ArrayRef(*floats));
  } else if (auto ints = node.getInts("value_ints")) {
    value = DenseElementsAttr::get(RankedTensorType::get(int64_t(ints->size()), b.getI64Type()),
                                   ArrayRef(*ints));
  } else {
    return node.emitError() << "has none of value, value_float(s), value_int(s)";
  }
  if (!value || node.hadError)
    return failure();
  return SmallVector<Value>{ConstantOp::create(b, node.loc, value)};
}

SmallVector<Value> ConstantOp::emitKernel(KernelBuilder &k, ValueRange) {
  return {arith::ConstantOp::create(k.builder, k.loc, cast<TypedAttr>(getValueAttr()))};
}

//===----------------------------------------------------------------------===//
// Values.h
//===----------------------------------------------------------------------===//

Value ampc::buildConstant(OpBuilder &b, Location loc, ElementsAttr value) {
  return ConstantOp::create(b, loc, value);
}

FlatSymbolRefAttr ampc::getVariableRead(Value value) {
  auto read = value.getDefiningOp<ReadOp>();
  return read ? read.getVariableAttr() : FlatSymbolRefAttr();
}
