//===- Integer.cpp - Remainders, shifts and bits ------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Integer.h"
#include "Common.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// mod
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> ModOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  bool truncated = node.getInt("fmod", 0) != 0;
  if (!truncated && isa<FloatType>(tensorType(node.input(0)).getElementType()))
    return node.emitError() << "attribute 'fmod' must be 1 for floats, " << node.input(0).getType();
  SmallVector<NamedAttribute> attributes;
  if (truncated)
    attributes.push_back(builder.getNamedAttr("truncated", builder.getUnitAttr()));
  return single(importOp<ModOp>(node, builder, node.inputs, attributes));
}

LogicalResult ModOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                      Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferBinary(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

OpFoldResult ModOp::fold(FoldAdaptor adaptor) {
  return foldIntegers(ArrayRef<Attribute>{adaptor.getLhs(), adaptor.getRhs()}, getType(),
                      [&](ArrayRef<int64_t> x) -> std::optional<int64_t> {
                        if (x[1] == 0 || x[1] == -1)
                          return 0;
                        int64_t rest = x[0] % x[1];
                        bool isOther = rest != 0 && (rest < 0) != (x[1] < 0);
                        return !getTruncated() && isOther ? rest + x[1] : rest;
                      });
}

// da = g, db = -g * trunc(a / b), or floor where the remainder has the sign of b
void ModOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient();
  gradient.set(0, g);
  if (!gradient.needs(1))
    return;
  Value quotient = gradient.create<DivOp>(widen(gradient, getLhs()), widen(gradient, getRhs()));
  Value whole = gradient.create<FloorOp>(quotient);
  if (getTruncated()) {
    Value isBelow = gradient.create<LessOp>(quotient, gradient.splatLike(quotient, 0));
    whole = gradient.create<WhereOp>(isBelow, gradient.create<CeilOp>(quotient), whole);
  }
  gradient.set(1, gradient.create<MulOp>(gradient.create<NegOp>(widen(gradient, g)), whole));
}

SmallVector<Value> ModOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  bool truncated = getTruncated();
  return {kernel.pointwise(operands, getType(), [&](ScalarBuilder &s, ValueRange x) {
    Value zero = s.constantLike(x[0], 0), divisor = x[1];
    if (!isa<FloatType>(x[0].getType())) {
      // By 0, and of the lowest number by -1, processors have no result. Both are 0 here.
      Value isNone =
          s.logicalOr(s.equal(divisor, zero), s.equal(divisor, s.constantLike(x[0], -1)));
      divisor = s.select(isNone, s.constantLike(x[0], 1), divisor);
    }
    Value rest = s.remainder(x[0], divisor);
    if (truncated)
      return rest;
    Value isOther = s.logicalXor(s.less(rest, zero), s.less(divisor, zero));
    isOther = s.logicalAnd(isOther, s.notEqual(rest, zero));
    return s.select(isOther, s.add(rest, divisor), rest);
  })};
}

//===----------------------------------------------------------------------===//
// bitwise_and, bitwise_or, bitwise_xor, bitwise_not, shift
//===----------------------------------------------------------------------===//

#define AMPC_BITS(OP, FUNCTION)                                                                    \
  FailureOr<SmallVector<Value>> OP::importNode(OnnxNode &node, OpBuilder &builder) {               \
    return importBinary(node, builder, getOperationName());                                        \
  }                                                                                                \
  LogicalResult OP::inferReturnTypes(MLIRContext *, std::optional<Location> location,              \
                                     Adaptor adaptor, SmallVectorImpl<Type> &types) {              \
    return inferBinary(location, adaptor.getLhs(), adaptor.getRhs(), types);                       \
  }                                                                                                \
  SmallVector<Value> OP::emitKernel(KernelBuilder &kernel, ValueRange operands) {                  \
    return {kernel.pointwise(operands, getType(), [](ScalarBuilder &s, ValueRange x) {             \
      return s.FUNCTION(x[0], x[1]);                                                               \
    })};                                                                                           \
  }
AMPC_BITS(BitwiseAndOp, logicalAnd)
AMPC_BITS(BitwiseOrOp, logicalOr)
AMPC_BITS(BitwiseXorOp, logicalXor)
#undef AMPC_BITS

SmallVector<Value> BitwiseNotOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.logicalNot(x[0]); })};
}

FailureOr<SmallVector<Value>> ShiftOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  std::string direction = node.getString("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    return node.emitError() << "attribute 'direction' is '" << direction
                            << "', but should be 'LEFT' or 'RIGHT'";
  SmallVector<NamedAttribute> attributes;
  if (direction == "RIGHT")
    attributes.push_back(builder.getNamedAttr("right", builder.getUnitAttr()));
  return single(importOp<ShiftOp>(node, builder, node.inputs, attributes));
}

LogicalResult ShiftOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                        Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferBinary(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

SmallVector<Value> ShiftOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  int64_t bits = getType().getElementTypeBitWidth();
  return {kernel.pointwise(operands, getType(), [&](ScalarBuilder &s, ValueRange x) {
    Value zero = s.constantLike(x[0], 0), most = s.constant(x[0].getType(), bits - 1);
    Value isLost = s.logicalOr(s.greater(x[1], most), s.less(x[1], zero));
    Value count = s.select(isLost, zero, x[1]);
    Value moved = getRight() ? s.shiftRight(x[0], count) : s.shiftLeft(x[0], count);
    return s.select(isLost, zero, moved);
  })};
}

//===----------------------------------------------------------------------===//
// bit_cast
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> BitCastOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  FailureOr<Type> element = elementTypeOf(node, builder, "to");
  if (failed(element))
    return failure();
  RankedTensorType from = tensorType(node.input(0)), to = from.clone(*element);
  // A boolean is a byte, 0 or 1.
  auto bitsOf = [](RankedTensorType type) { return std::max(type.getElementTypeBitWidth(), 8u); };
  bool isBool = from.getElementType().isInteger(1) || element->isInteger(1);
  if (bitsOf(from) != bitsOf(to))
    return node.emitError() << "the bits of " << from.getElementType() << " are no " << *element;
  if (from == to)
    return SmallVector<Value>{node.input(0)};
  if (isBool)
    return SmallVector<Value>{castTo(builder, node.loc, node.input(0), *element)};
  return SmallVector<Value>{BitCastOp::create(builder, node.loc, to, node.input(0))};
}

LogicalResult BitCastOp::verify() {
  if (getInput().getType().getElementTypeBitWidth() != getType().getElementTypeBitWidth())
    return emitOpError("the types have other numbers of bits: ")
           << getInput().getType() << " and " << getType();
  return success();
}

SmallVector<Value> BitCastOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  Type from = getInput().getType().getElementType(), to = getType().getElementType();
  return {kernel.pointwise(operands, getType(), [&](ScalarBuilder &s, ValueRange x) {
    return s.bitCast(s.convert(x[0], from), to);
  })};
}
