//===- Running.cpp - Running sums and products along an axis ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Common.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// cum_sum
//===----------------------------------------------------------------------===//

static FailureOr<SmallVector<Value>> importRunning(OnnxNode &node, OpBuilder &builder,
                                                   StringRef name) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  FailureOr<SmallVector<int64_t>> given = node.constantInts(1, "axis");
  if (failed(given))
    return failure();
  if (given->size() != 1)
    return node.emitError() << "input 1 (axis) must be one integer, but is "
                            << node.input(1).getType();
  FailureOr<int64_t> axis =
      normalizeAxis(node, given->front(), tensorType(node.input(0)).getRank());
  if (failed(axis))
    return failure();
  SmallVector<NamedAttribute> attributes{
      builder.getNamedAttr("axis", builder.getI64IntegerAttr(*axis))};
  for (StringRef flag : {"exclusive", "reverse"})
    if (node.getInt(flag, 0))
      attributes.push_back(builder.getNamedAttr(flag, builder.getUnitAttr()));
  return single(importOp(node, builder, name, node.input(0), attributes));
}

static LogicalResult inferRunning(std::optional<Location> location, Value input, int64_t axis,
                                  SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(input);
  if (axis < 0 || axis >= type.getRank()) // cum_sum_c1
    return inferenceError(location, "axis ", axis, " is out of range for ", type);
  types.push_back(type);
  return success();
}

#define AMPC_RUNNING(OP, KIND)                                                                     \
  FailureOr<SmallVector<Value>> OP::importNode(OnnxNode &node, OpBuilder &builder) {               \
    return importRunning(node, builder, getOperationName());                                       \
  }                                                                                                \
  LogicalResult OP::inferReturnTypes(MLIRContext *, std::optional<Location> location,              \
                                     Adaptor adaptor, SmallVectorImpl<Type> &types) {              \
    return inferRunning(location, adaptor.getInput(), adaptor.getAxis(), types);                   \
  }                                                                                                \
  SmallVector<Value> OP::emitKernel(KernelBuilder &kernel, ValueRange operands) {                  \
    return {kernel.scan(operands[0], getAxis(), KIND, getType().getElementType(), getExclusive(),  \
                        getReverse())};                                                            \
  }
AMPC_RUNNING(CumSumOp, Reduction::Sum)
AMPC_RUNNING(CumProdOp, Reduction::Product)
#undef AMPC_RUNNING

// dx = running sums of g from the other end
void CumSumOp::buildGradient(GradientBuilder &gradient) {
  gradient.set(0, gradient.create<CumSumOp>(gradient.resultGradient(), getAxis(), getExclusive(),
                                            !getReverse()));
}

//===----------------------------------------------------------------------===//
// cum_prod
//===----------------------------------------------------------------------===//

void CumProdOp::buildGradient(GradientBuilder &gradient) {
  Value x = widen(gradient, getInput());
  Value before = gradient.create<CumProdOp>(x, getAxis(), /*exclusive=*/true, getReverse());
  gradient.set(0,
               gradient.create<CumProdGradOp>(x, before, widen(gradient, gradient.resultGradient()),
                                              getAxis(), getExclusive(), getReverse()));
}

LogicalResult CumProdGradOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                              Adaptor adaptor, SmallVectorImpl<Type> &types) {
  Type type = adaptor.getInput().getType();
  if (adaptor.getBefore().getType() != type || adaptor.getGradient().getType() != type)
    return inferenceError(location, "operands of one type are needed, but they are ", type, ", ",
                          adaptor.getBefore().getType(), " and ", adaptor.getGradient().getType());
  return inferRunning(location, adaptor.getInput(), adaptor.getAxis(), types);
}

// By Horner's rule from the far end: with x_j the factor that result j adds, or for exclusive
// products the one behind, sum = x_j * (g_j + sum), or g_j + x_j * sum.
SmallVector<Value> CumProdGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  int64_t axis = getAxis(), extent = getType().getDimSize(axis);
  bool exclusive = getExclusive(), reverse = getReverse();
  if (getType().getNumElements() == 0)
    return {kernel.splat(getType(), 0)};
  return {kernel.generate(getType(), [&](ScalarBuilder &s, ValueRange at) {
    Type index = s.builder.getIndexType();
    Value last = s.constant(index, extent - 1);
    Value before = kernel.load(s, operands[1], at), own = kernel.load(s, operands[2], at);
    Value count = reverse ? at[axis] : s.sub(last, at[axis]); // results behind this one
    SmallVector<Value> indices(at);
    Value sum = s.fold(s.constant(index, int64_t(0)), count, s.constantLike(own, 0),
                       [&](ScalarBuilder &s, Value i, Value sum) {
                         indices[axis] = reverse ? i : s.sub(last, i);
                         Value x = kernel.load(s, operands[0], indices);
                         Value g = kernel.load(s, operands[2], indices);
                         return exclusive ? s.add(g, s.mul(x, sum)) : s.mul(x, s.add(g, sum));
                       });
    return s.mul(before, exclusive ? sum : s.add(own, sum));
  })};
}
