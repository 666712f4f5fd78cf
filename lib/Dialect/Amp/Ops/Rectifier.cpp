//===- Rectifier.cpp - Activations with gates and thresholds ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// In the formulas of gradients: x is the input, y the result, g the gradient of y.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Rectifier.h"
#include "Common.h"
#include "ScalarFunctions.h"
#include "ampc/Dialect/Amp/Ops/Activation.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"

using namespace mlir;
using namespace ampc;

namespace {
struct FloatSetting {
  StringRef onnx; ///< name in ONNX
  double otherwise;
  StringRef name; ///< of the op's attribute
};
} // namespace

/// A function of one input with FLOAT attributes.
template <typename OpTy>
static FailureOr<SmallVector<Value>> importWith(OnnxNode &node, OpBuilder &builder,
                                                ArrayRef<FloatSetting> settings) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  SmallVector<NamedAttribute> attributes;
  for (const FloatSetting &setting : settings) {
    float value = float(node.getFloat(setting.onnx, setting.otherwise));
    attributes.push_back(builder.getNamedAttr(setting.name, builder.getF32FloatAttr(value)));
  }
  return single(importOp<OpTy>(node, builder, node.inputs, attributes));
}

//===----------------------------------------------------------------------===//
// prelu
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> PReluOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  Value input = node.input(0), slope = node.input(1);
  ArrayRef<int64_t> shape = tensorType(input).getShape();
  if (node.version < 7 && tensorType(slope).getNumElements() != 1) {
    // A slope for each channel, which is dimension 1.
    if (shape.size() < 2 || tensorType(slope).getShape() != shape.slice(1, 1))
      return node.emitError() << "the slope must have one element, or one for each channel of "
                              << tensorType(input) << ", but is " << tensorType(slope);
    SmallVector<int64_t> spread(shape.size() - 1, 1);
    spread[0] = shape[1];
    slope = reshapeTo(builder, node.loc, slope, spread);
  } else if (node.version < 7) {
    slope = reshapeTo(builder, node.loc, slope, {});
  }
  if (broadcastShapes({shape, tensorType(slope).getShape()}) != SmallVector<int64_t>(shape))
    return node.emitError() << "the slope " << tensorType(slope)
                            << " does not broadcast to the input, " << tensorType(input);
  return single(importOp<PReluOp>(node, builder, {input, slope}));
}

LogicalResult PReluOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                        Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferBinary(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

// dx = x > 0 ? g : slope * g; d slope = x > 0 ? 0 : x * g
void PReluOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient(), x = getLhs();
  Value isPositive = gradient.create<GreaterOp>(x, gradient.splatLike(x, 0));
  if (gradient.needs(0))
    gradient.set(0, gradient.create<WhereOp>(isPositive, g, gradient.create<MulOp>(getRhs(), g)));
  if (gradient.needs(1))
    gradient.set(1, gradient.create<WhereOp>(isPositive, gradient.splatLike(g, 0),
                                             gradient.create<MulOp>(x, g)));
}

SmallVector<Value> PReluOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(), [](ScalarBuilder &s, ValueRange x) {
    return s.select(s.greater(x[0], s.constantLike(x[0], 0)), x[0], s.mul(x[1], x[0]));
  })};
}

//===----------------------------------------------------------------------===//
// hard_sigmoid, hard_swish
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> HardSigmoidOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importWith<HardSigmoidOp>(node, builder, {{"alpha", 0.2, "alpha"}, {"beta", 0.5, "beta"}});
}

// dx = 0 < alpha * x + beta < 1 ? alpha * g : 0
void HardSigmoidOp::buildGradient(GradientBuilder &gradient) {
  Value x = widen(gradient, getInput());
  Value g = widen(gradient, gradient.resultGradient());
  Value line = gradient.create<AddOp>(scaled(gradient, x, getAlpha().convertToDouble()),
                                      gradient.splatLike(x, getBeta().convertToDouble()));
  Value isAbove = gradient.create<GreaterOp>(line, gradient.splatLike(x, 0));
  Value isBelow = gradient.create<LessOp>(line, gradient.splatLike(x, 1));
  gradient.set(0, gradient.create<WhereOp>(gradient.create<AndOp>(isAbove, isBelow),
                                           scaled(gradient, g, getAlpha().convertToDouble()),
                                           gradient.splatLike(g, 0)));
}

SmallVector<Value> HardSigmoidOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(), [&](ScalarBuilder &s, ValueRange x) {
    return buildWithin01(
        s, buildAffine(s, x[0], getAlpha().convertToDouble(), getBeta().convertToDouble()));
  })};
}

// dx = x <= -3 ? 0 : x < 3 ? g * (x / 3 + 1 / 2) : g
void HardSwishOp::buildGradient(GradientBuilder &gradient) {
  Value x = widen(gradient, getInput());
  Value g = widen(gradient, gradient.resultGradient());
  Value slope = gradient.create<AddOp>(scaled(gradient, x, 1.0 / 3), gradient.splatLike(x, 0.5));
  Value isInside = gradient.create<LessOp>(x, gradient.splatLike(x, 3));
  Value dx = gradient.create<WhereOp>(isInside, gradient.create<MulOp>(g, slope), g);
  Value isOff = gradient.create<LessOrEqualOp>(x, gradient.splatLike(x, -3));
  gradient.set(0, gradient.create<WhereOp>(isOff, gradient.splatLike(g, 0), dx));
}

SmallVector<Value> HardSwishOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(), [&](ScalarBuilder &s, ValueRange x) {
    return s.mul(x[0], buildWithin01(s, buildAffine(s, x[0], 1.0 / 6, 0.5)));
  })};
}

//===----------------------------------------------------------------------===//
// mish, swish
//===----------------------------------------------------------------------===//

// With t = tanh(softplus(x)): dx = g * (t + x * (1 - t^2) * sigmoid(x))
void MishOp::buildGradient(GradientBuilder &gradient) {
  Value x = widen(gradient, getInput());
  Value g = widen(gradient, gradient.resultGradient());
  auto mul = [&](Value a, Value b) { return gradient.create<MulOp>(a, b); };
  Value t = gradient.create<TanhOp>(gradient.create<SoftplusOp>(x));
  Value bell = gradient.create<SubOp>(gradient.splatLike(t, 1), mul(t, t));
  Value change = mul(mul(x, bell), gradient.create<SigmoidOp>(x));
  gradient.set(0, mul(g, gradient.create<AddOp>(t, change)));
}

SmallVector<Value> MishOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(), [](ScalarBuilder &s, ValueRange x) {
    return s.mul(x[0], s.tanh(buildSoftplus(s, x[0])));
  })};
}

FailureOr<SmallVector<Value>> SwishOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importWith<SwishOp>(node, builder, {{"alpha", 1.0, "alpha"}});
}

// With s = sigmoid(alpha * x): dx = g * (s + alpha * x * s * (1 - s))
void SwishOp::buildGradient(GradientBuilder &gradient) {
  Value x = widen(gradient, getInput());
  Value g = widen(gradient, gradient.resultGradient());
  auto mul = [&](Value a, Value b) { return gradient.create<MulOp>(a, b); };
  Value inner = scaled(gradient, x, getAlpha().convertToDouble());
  Value gate = gradient.create<SigmoidOp>(inner);
  Value rest = gradient.create<SubOp>(gradient.splatLike(gate, 1), gate);
  gradient.set(0, mul(g, gradient.create<AddOp>(gate, mul(mul(inner, gate), rest))));
}

SmallVector<Value> SwishOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(), [&](ScalarBuilder &s, ValueRange x) {
    Value inner = s.mul(x[0], s.constantLike(x[0], getAlpha().convertToDouble()));
    return s.mul(x[0], s.sigmoid(inner));
  })};
}

//===----------------------------------------------------------------------===//
// softsign, shrink, thresholded_relu
//===----------------------------------------------------------------------===//

// dx = g / (1 + |x|)^2
void SoftsignOp::buildGradient(GradientBuilder &gradient) {
  Value x = widen(gradient, getInput());
  Value g = widen(gradient, gradient.resultGradient());
  Value size = gradient.create<AddOp>(gradient.splatLike(x, 1), gradient.create<AbsOp>(x));
  // Divided twice: the square of a large one would overflow.
  gradient.set(0, gradient.create<DivOp>(gradient.create<DivOp>(g, size), size));
}

SmallVector<Value> SoftsignOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return buildSoftsign(s, x[0]); })};
}

FailureOr<SmallVector<Value>> ShrinkOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importWith<ShrinkOp>(node, builder, {{"lambd", 0.5, "lambda"}, {"bias", 0.0, "bias"}});
}

// dx = -lambda <= x <= lambda ? 0 : g
void ShrinkOp::buildGradient(GradientBuilder &gradient) {
  double lambda = getLambda().convertToDouble();
  Value g = gradient.resultGradient();
  Value low =
      gradient.create<GreaterOrEqualOp>(getInput(), gradient.splatLike(getInput(), -lambda));
  Value high = gradient.create<LessOrEqualOp>(getInput(), gradient.splatLike(getInput(), lambda));
  gradient.set(
      0, gradient.create<WhereOp>(gradient.create<AndOp>(low, high), gradient.splatLike(g, 0), g));
}

SmallVector<Value> ShrinkOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  double lambda = getLambda().convertToDouble();
  return {kernel.pointwise(operands, getType(), [&](ScalarBuilder &s, ValueRange x) {
    Value bias = s.constantLike(x[0], getBias().convertToDouble());
    // NaN is in neither range and stays.
    Value isInside = s.lessOrEqual(x[0], s.constantLike(x[0], lambda));
    Value rest = s.select(isInside, s.constantLike(x[0], 0), s.sub(x[0], bias));
    return s.select(s.less(x[0], s.constantLike(x[0], -lambda)), s.add(x[0], bias), rest);
  })};
}

FailureOr<SmallVector<Value>> ThresholdedReluOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importWith<ThresholdedReluOp>(node, builder, {{"alpha", 1.0, "alpha"}});
}

// dx = x <= alpha ? 0 : g
void ThresholdedReluOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient();
  Value alpha = gradient.splatLike(getInput(), getAlpha().convertToDouble());
  gradient.set(0, gradient.create<WhereOp>(gradient.create<LessOrEqualOp>(getInput(), alpha),
                                           gradient.splatLike(g, 0), g));
}

SmallVector<Value> ThresholdedReluOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(), [&](ScalarBuilder &s, ValueRange x) {
    Value alpha = s.constantLike(x[0], getAlpha().convertToDouble());
    return s.select(s.lessOrEqual(x[0], alpha), s.constantLike(x[0], 0), x[0]);
  })};
}
