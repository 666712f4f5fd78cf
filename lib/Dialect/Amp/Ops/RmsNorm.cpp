//===- RmsNorm.cpp - Normalization by the root mean square ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// In formulas: x is the input, r the inverse root mean square of its row, x' = x * r, n the number
// of elements in a row; g is the gradient of y.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/RmsNorm.h"
#include "NormRows.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Import
//===----------------------------------------------------------------------===//

/// RMSNormalization, and ONNX Runtime's forms of it: with the sum of the input, a skip and a bias
/// in the input's place.
FailureOr<SmallVector<Value>> RmsNormOp::importNode(OnnxNode &node, OpBuilder &builder) {
  bool isSkip = node.opType == "SkipSimplifiedLayerNormalization";
  if (failed(isSkip ? node.expectInputs(3, 4) : node.expectInputs(2, 2)))
    return failure();
  if (failed(checkFloats(node)))
    return failure();
  Value x = node.input(0), scale = node.input(isSkip ? 2 : 1);
  for (unsigned i : {1u, 3u})
    if (isSkip && node.input(i)) {
      FailureOr<Value> sum = importOp<AddOp>(node, builder, {x, node.input(i)});
      if (failed(sum))
        return failure();
      x = *sum;
    }
  RankedTensorType type = tensorType(x);
  FailureOr<int64_t> axis =
      normalizeAxis(node, isSkip ? -1 : node.getInt("axis", -1), type.getRank());
  double epsilon = node.getEpsilon(isSkip ? 1e-12f : 1e-5f);
  if (failed(axis) || node.hadError || (!isSkip && failed(importStashType(node, type))))
    return failure();
  // ONNX gives the scale a type of its own.
  Type scaleType = tensorType(scale).getElementType();
  if (scaleType != type.getElementType())
    scale = castTo(builder, node.loc, scale, KernelBuilder::computeType(type.getElementType()));
  FailureOr<Operation *> op =
      createChecked(node, builder, getOperationName(), {x, scale},
                    {builder.getNamedAttr("axis", builder.getI64IntegerAttr(*axis)),
                     builder.getNamedAttr("epsilon", builder.getF64FloatAttr(epsilon))});
  if (failed(op))
    return failure();
  auto norm = cast<RmsNormOp>(*op);
  if (isSkip)
    return SmallVector<Value>{norm.getY(), {}, norm.getInvRms(), x};
  return SmallVector<Value>{norm.getY(), norm.getInvRms()};
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

static LogicalResult checkRows(std::optional<Location> loc, RankedTensorType type, Value scale,
                               int64_t axis) {
  if (axis < 0 || axis >= type.getRank()) // rms_norm_c1
    return inferenceError(loc, "axis ", axis, " is out of range for ", type);
  RankedTensorType given = tensorType(scale);
  std::optional<SmallVector<int64_t>> shape = broadcastShapes({type.getShape(), given.getShape()});
  if (!shape || ArrayRef(*shape) != type.getShape()) // rms_norm_c2
    return inferenceError(loc, "scale ", given, " does not broadcast to the input ", type,
                          "; for the dimensions from axis ", axis, " on it should be ",
                          given.clone(type.getShape().drop_front(axis)));
  Type element = given.getElementType();
  if (element != type.getElementType() &&
      element != KernelBuilder::computeType(type.getElementType())) // rms_norm_c3
    return inferenceError(loc, "element types differ: ", type, " and scale ", given);
  return success();
}

LogicalResult RmsNormOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                          Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  if (failed(checkRows(location, type, adaptor.getScale(), adaptor.getAxis())))
    return failure();
  types.append({type, statisticType(type, adaptor.getAxis())});
  return success();
}

LogicalResult RmsNormGradOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                              Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  if (failed(checkRows(location, type, adaptor.getScale(), adaptor.getAxis())))
    return failure();
  if (adaptor.getGradient().getType() != type)
    return inferenceError(location, "the gradient must be ", type, ", but is ",
                          adaptor.getGradient().getType());
  RankedTensorType statistic = statisticType(type, adaptor.getAxis());
  for (Value x : {adaptor.getInvRms(), adaptor.getInvRmsGradient()})
    if (x && x.getType() != statistic)
      return inferenceError(location, "the statistic of ", type, " from axis ", adaptor.getAxis(),
                            " on and its gradient are ", statistic, ", but one is ", x.getType());
  types.push_back(adaptor.getWide() ? type.clone(statistic.getElementType()) : type);
  return success();
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// The sum over each row of `x`, with the row's dimensions as 1.
static Value sumRows(KernelBuilder &kernel, Value x, int64_t axis) {
  RankedTensorType type = tensorType(x), statistic = statisticType(type, axis);
  Value sum = kernel.reduce(x, rowAxes(type, axis), Reduction::Sum, statistic.getElementType());
  return kernel.reshape(sum, statistic.getShape());
}

SmallVector<Value> RmsNormOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getInput().getType(), statistic = getInvRms().getType();
  Value x = operands[0];
  Value squares =
      kernel.pointwise({x}, type.clone(statistic.getElementType()),
                       [](ScalarBuilder &s, ValueRange in) { return s.mul(in[0], in[0]); });
  double count = countRow(type, getAxis()), epsilon = getEpsilon().convertToDouble();
  Value inverse = kernel.pointwise({sumRows(kernel, squares, getAxis())}, statistic,
                                   [&](ScalarBuilder &s, ValueRange sum) {
                                     Value mean = s.div(sum[0], s.constantLike(sum[0], count));
                                     Value shifted = s.add(mean, s.constantLike(mean, epsilon));
                                     return s.div(s.constantLike(shifted, 1), s.sqrt(shifted));
                                   });
  Value y = kernel.pointwise(
      {x, inverse, operands[1]}, getY().getType(),
      [](ScalarBuilder &s, ValueRange in) { return s.mul(s.mul(in[0], in[1]), in[2]); });
  return {y, inverse};
}

SmallVector<Value> RmsNormGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getInput().getType();
  Type computed = KernelBuilder::computeType(type.getElementType());
  auto multiply = [](ScalarBuilder &s, ValueRange in) { return s.mul(in[0], in[1]); };
  Value inverse = operands[3];
  Value g = kernel.pointwise({operands[0], operands[2]}, type.clone(computed), multiply);
  Value normalized = kernel.pointwise({operands[1], inverse}, type.clone(computed), multiply);
  Value products = kernel.pointwise({g, normalized}, type.clone(computed), multiply);
  SmallVector<Value> inputs{g, normalized, inverse, sumRows(kernel, products, getAxis())};
  llvm::append_range(inputs, operands.drop_front(4));
  double count = countRow(type, getAxis());
  return {kernel.pointwise(inputs, getType(), [&](ScalarBuilder &s, ValueRange in) {
    Value r = in[2], slope = in[3];
    if (in.size() > 4)
      slope = s.add(slope, s.mul(r, in[4]));
    Value common = s.mul(s.mul(in[1], slope), s.constantLike(r, 1 / count));
    return s.mul(r, s.sub(in[0], common));
  })};
}

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

// dx as amp.rms_norm_grad says; d scale = g * x', summed over the rows that share it, in f32.
void RmsNormOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient(0);
  if (gradient.needs(0)) {
    Type type = tensorType(getInput()).getElementType();
    gradient.set(0, gradient.create<RmsNormGradOp>(
                        g ? g : gradient.splatLike(getY(), 0), getInput(), getScale(), getInvRms(),
                        gradient.resultGradient(1), getAxis(),
                        /*wide=*/gradient.gradientElementType(0) != type));
  }
  if (g && gradient.needs(1)) {
    Value normalized = gradient.create<MulOp>(widen(gradient, getInput()), getInvRms());
    gradient.set(1, gradient.create<MulOp>(widen(gradient, g), normalized));
  }
}
