//===- Sort.cpp - Elements in order ---------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Sort.h"
#include "Expected.h"
#include "ampc/Dialect/Amp/Ops/Scatter.h"

using namespace mlir;
using namespace ampc;

/// How many elements: an attribute before opset 10, then input 1.
static FailureOr<GivenNumbers> importCount(OnnxNode &node, int64_t axis) {
  if (node.version < 10) {
    if (!node.hasAttribute("k"))
      return node.emitError() << "lacks the attribute 'k'";
    return GivenNumbers{{node.getInt("k", 0)}};
  }
  // Either output tells.
  unsigned output = node.hasOutput(0) && node.declaredShape(0) ? 0 : 1;
  FailureOr<GivenNumbers> given = givenInts(node, 1, "K", output, [&](ArrayRef<int64_t> declared) {
    return extentsAlong(tensorType(node.input(0)), declared, axis);
  });
  if (failed(given))
    return failure();
  if (given->numbers.size() != 1)
    return node.emitError() << "input 1 (K) must be one integer, but is "
                            << node.input(1).getType();
  return given;
}

FailureOr<SmallVector<Value>> TopKOp::importNode(OnnxNode &node, OpBuilder &builder) {
  unsigned inputs = node.version < 10 ? 1 : 2;
  if (failed(node.expectInputs(inputs, inputs)))
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  FailureOr<int64_t> axis = normalizeAxis(node, node.getInt("axis", -1), type.getRank());
  if (failed(axis))
    return failure();
  FailureOr<GivenNumbers> k = importCount(node, *axis);
  if (failed(k))
    return failure();
  SmallVector<NamedAttribute> attributes{
      builder.getNamedAttr("k", builder.getI64IntegerAttr(k->numbers.front())),
      builder.getNamedAttr("axis", builder.getI64IntegerAttr(*axis))};
  if (node.version >= 11) {
    node.knowAttributes({"sorted"}); // in order is also any order
    if (!node.getInt("largest", 1))
      attributes.push_back(builder.getNamedAttr("smallest", builder.getUnitAttr()));
  }
  if (node.hadError)
    return failure();
  FailureOr<Operation *> op =
      createChecked(node, builder, getOperationName(), node.input(0), attributes);
  if (failed(op))
    return failure();
  SmallVector<Value> results;
  for (Value result : (*op)->getResults())
    results.push_back(expectNumbers(node, builder, 1, *k, result));
  return results;
}

LogicalResult TopKOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                       Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  int64_t axis = adaptor.getAxis(), k = adaptor.getK();
  if (axis < 0 || axis >= type.getRank()) // top_k_c1
    return inferenceError(location, "axis ", axis, " is out of range for ", type);
  if (k < 0 || k > type.getDimSize(axis))
    return inferenceError(location, "there are no ", k, " elements along axis ", axis, " of ",
                          type);
  SmallVector<int64_t> shape(type.getShape());
  shape[axis] = k;
  types.push_back(type.clone(shape));
  types.push_back(RankedTensorType::get(shape, IntegerType::get(context, 64)));
  return success();
}

// dx = g at the places that the elements came from, 0 elsewhere
void TopKOp::buildGradient(GradientBuilder &gradient) {
  Type type = gradient.gradientElementType(0);
  Value zeros = splat(gradient.builder, gradient.loc, getInput().getType().clone(type), 0);
  Value g = gradient.cast(gradient.resultGradient(), type);
  gradient.set(0, gradient.create<ScatterOp>(zeros, getIndices(), g, getAxis()));
}

/// A strict weak order with NaN above all numbers.
static Value isBefore(ScalarBuilder &s, Value x, Value y, bool ascending) {
  Value before = ascending ? s.less(x, y) : s.greater(x, y);
  if (!isa<FloatType>(x.getType()))
    return before;
  Value above = s.isNaN(ascending ? y : x), below = s.isNaN(ascending ? x : y);
  return s.logicalOr(before, s.logicalAnd(above, s.logicalNot(below)));
}

SmallVector<Value> TopKOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType valuesType = getValues().getType(), indicesType = getIndices().getType();
  if (valuesType.getNumElements() == 0)
    return {kernel.splat(valuesType, 0), kernel.splat(indicesType, 0)};
  KernelBuilder::Sorted sorted = kernel.sort(
      operands[0], getAxis(),
      [&](ScalarBuilder &s, ValueRange key) { return isBefore(s, key[0], key[1], getSmallest()); },
      getK());
  Value indices = kernel.pointwise(sorted.places, indicesType,
                                   [](ScalarBuilder &, ValueRange place) { return place[0]; });
  return {sorted.keys, indices};
}
