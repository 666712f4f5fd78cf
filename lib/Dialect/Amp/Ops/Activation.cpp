//===- Activation.cpp - Activation functions ------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// In the formulas of gradients: x is the input, y the result, g the gradient of
// y.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Activation.h"
#include "Common.h"
#include "ScalarFunctions.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Rectifier.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace ampc;

/// A function with the FLOAT attribute `alpha`.
template <typename OpTy>
static FailureOr<SmallVector<Value>> importWithAlpha(OnnxNode &node, OpBuilder &builder,
                                                     double otherwise) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  FloatAttr alpha = builder.getF32FloatAttr(float(node.getFloat("alpha", otherwise)));
  return single(importOp<OpTy>(node, builder, node.inputs, builder.getNamedAttr("alpha", alpha)));
}

/// x > 0, for choosing between two branches.
static Value isPositive(GradientBuilder &gradient, Value x) {
  return gradient.create<GreaterOp>(x, gradient.splatLike(x, 0));
}

//===----------------------------------------------------------------------===//
// relu, leaky_relu, elu
//===----------------------------------------------------------------------===//

OpFoldResult ReluOp::fold(FoldAdaptor adaptor) {
  if (Attribute integers = foldIntegers(adaptor.getInput(), getType(), [](ArrayRef<int64_t> x) {
        return std::max<int64_t>(x[0], 0);
      }))
    return integers;
  return foldFloats(adaptor.getInput(), getType(), [](ArrayRef<APFloat> x) {
    return x[0].isNaN() || !x[0].isNegative() ? x[0] : APFloat::getZero(x[0].getSemantics());
  });
}

FloatRange ReluOp::inferRange(ArrayRef<FloatRange> operands) {
  return operands[0].max(FloatRange::of(0));
}

// dx = y <= 0 ? 0 : g, so that a NaN passes its gradient on, as in PyTorch
void ReluOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient();
  Value zero = gradient.splatLike(getResult(), 0);
  Value isOff = gradient.create<LessOrEqualOp>(getResult(), zero);
  gradient.set(0, gradient.create<WhereOp>(isOff, gradient.splatLike(g, 0), g));
}

SmallVector<Value> ReluOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return buildRelu(s, x[0]); })};
}

FailureOr<SmallVector<Value>> LeakyReluOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importWithAlpha<LeakyReluOp>(node, builder, 0.01);
}

// dx = x > 0 ? g : alpha * g
void LeakyReluOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient();
  Value leak = scaled(gradient, g, getAlpha().convertToDouble());
  gradient.set(0, gradient.create<WhereOp>(isPositive(gradient, getInput()), g, leak));
}

SmallVector<Value> LeakyReluOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  double alpha = getAlpha().convertToDouble();
  return {kernel.pointwise(operands, getType(), [&](ScalarBuilder &s, ValueRange x) {
    return buildLeakyRelu(s, x[0], alpha);
  })};
}

FailureOr<SmallVector<Value>> EluOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  // Selu's numbers before opset 6 were these, with fewer digits.
  bool isSelu = node.opType == "Selu", isShort = isSelu && node.version < 6;
  double alpha = node.getFloat("alpha", isShort  ? 1.6732
                                        : isSelu ? 1.67326319217681884765625
                                                 : 1.0);
  double gamma = 1, beta = 1;
  if (isSelu)
    gamma = node.getFloat("gamma", isShort ? 1.0507 : 1.05070102214813232421875);
  if (node.opType == "Celu") {
    if (alpha == 0)
      return node.emitError() << "attribute 'alpha' is 0, by which the input would be divided";
    beta = 1 / alpha;
  }
  NamedAttribute attributes[] = {
      builder.getNamedAttr("alpha", builder.getF32FloatAttr(float(alpha))),
      builder.getNamedAttr("gamma", builder.getF32FloatAttr(float(gamma))),
      builder.getNamedAttr("beta", builder.getF32FloatAttr(float(beta)))};
  return single(importOp<EluOp>(node, builder, node.inputs, attributes));
}

// dx = gamma * (x > 0 ? g : g * alpha * beta * exp(beta * x))
void EluOp::buildGradient(GradientBuilder &gradient) {
  double alpha = getAlpha().convertToDouble(), gamma = getGamma().convertToDouble();
  double beta = getBeta().convertToDouble();
  Value x = widen(gradient, getInput());
  Value g = widen(gradient, gradient.resultGradient());
  Value inner = beta == 1 ? x : scaled(gradient, x, beta);
  Value slope = scaled(gradient, gradient.create<ExpOp>(inner), alpha * beta);
  Value dx = gradient.create<WhereOp>(isPositive(gradient, x), g, gradient.create<MulOp>(g, slope));
  gradient.set(0, gamma == 1 ? dx : scaled(gradient, dx, gamma));
}

SmallVector<Value> EluOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  double alpha = getAlpha().convertToDouble(), gamma = getGamma().convertToDouble();
  double beta = getBeta().convertToDouble();
  return {kernel.pointwise(operands, getType(), [&](ScalarBuilder &s, ValueRange x) {
    Value zero = s.constantLike(x[0], 0), inner = s.minimum(x[0], zero);
    if (beta != 1)
      inner = s.mul(inner, s.constantLike(x[0], beta));
    Value curve = s.mul(buildExpMinusOne(s, inner), s.constantLike(x[0], alpha));
    Value y = s.select(s.greater(x[0], zero), x[0], curve);
    return gamma == 1 ? y : s.mul(y, s.constantLike(x[0], gamma));
  })};
}

//===----------------------------------------------------------------------===//
// sigmoid, tanh, softplus
//===----------------------------------------------------------------------===//

// dx = g * (1 - y) * y
void SigmoidOp::buildGradient(GradientBuilder &gradient) {
  Value y = widen(gradient, getResult());
  Value g = widen(gradient, gradient.resultGradient());
  Value rest = gradient.create<SubOp>(gradient.splatLike(y, 1), y);
  gradient.set(0, gradient.create<MulOp>(gradient.create<MulOp>(g, rest), y));
}

SmallVector<Value> SigmoidOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.sigmoid(x[0]); })};
}

// dx = g * (1 - y * y)
void TanhOp::buildGradient(GradientBuilder &gradient) {
  Value y = widen(gradient, getResult());
  Value g = widen(gradient, gradient.resultGradient());
  Value slope = gradient.create<SubOp>(gradient.splatLike(y, 1), gradient.create<MulOp>(y, y));
  gradient.set(0, gradient.create<MulOp>(g, slope));
}

SmallVector<Value> TanhOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.tanh(x[0]); })};
}

// dx = g * sigmoid(x)
void SoftplusOp::buildGradient(GradientBuilder &gradient) {
  Value x = widen(gradient, getInput());
  Value g = widen(gradient, gradient.resultGradient());
  gradient.set(0, gradient.create<MulOp>(g, gradient.create<SigmoidOp>(x)));
}

SmallVector<Value> SoftplusOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return buildSoftplus(s, x[0]); })};
}

//===----------------------------------------------------------------------===//
// gelu
//===----------------------------------------------------------------------===//

static const double kSqrt2OverPi = std::sqrt(2 * llvm::numbers::inv_pi);
static constexpr double kGeluCubic = 0.044715;

/// ONNX Runtime's forms: of a sum with a bias, by tanh, and `x * sigmoid(alpha * x)`.
static FailureOr<SmallVector<Value>> importRuntimeGelu(OnnxNode &node, OpBuilder &builder) {
  bool isFast = node.opType == "FastGelu";
  unsigned least = node.opType == "BiasGelu" ? 2 : 1;
  if (failed(node.expectInputs(least, isFast ? 2 : least)))
    return failure();
  FailureOr<Value> x = node.input(0);
  if (node.opType == "QuickGelu") {
    Value input = *x;
    double alpha = node.getFloat("alpha", 1.702f);
    if (!isa<FloatType>(tensorType(input).getElementType()))
      return node.emitError() << "the input must be of floats, but is " << input.getType();
    return single(
        importOp<SwishOp>(node, builder, {input},
                          builder.getNamedAttr("alpha", builder.getF32FloatAttr(float(alpha)))));
  }
  if (node.input(1))
    x = importOp<AddOp>(node, builder, {*x, node.input(1)});
  if (failed(x))
    return failure();
  SmallVector<NamedAttribute> attributes;
  if (isFast)
    attributes.push_back(builder.getNamedAttr("tanh", builder.getUnitAttr()));
  return single(importOp<GeluOp>(node, builder, {*x}, attributes));
}

FailureOr<SmallVector<Value>> GeluOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (!node.domain.empty())
    return importRuntimeGelu(node, builder);
  if (failed(node.expectInputs(1, 1)))
    return failure();
  std::string approximate = node.getString("approximate", "none");
  SmallVector<NamedAttribute> attributes;
  if (approximate == "tanh")
    attributes.push_back(builder.getNamedAttr("tanh", builder.getUnitAttr()));
  else if (approximate != "none")
    return node.emitError() << "attribute 'approximate' is '" << approximate
                            << "', but should be 'none' or 'tanh'";
  return single(importOp<GeluOp>(node, builder, node.inputs, attributes));
}

// With P(x) = (1 + erf(x / sqrt(2))) / 2 and its derivative p(x) = exp(-x^2 /
// 2) / sqrt(2 pi): dx = g * (P(x) + x * p(x)). For the approximation, with u =
// sqrt(2 / pi) * (x + c x^3) and t = tanh(u): dx = g * ((1 + t) / 2 + x / 2 *
// (1 - t^2) * sqrt(2 / pi) * (1 + 3 c x^2)).
void GeluOp::buildGradient(GradientBuilder &gradient) {
  Value x = widen(gradient, getInput());
  Value g = widen(gradient, gradient.resultGradient());
  Value one = gradient.splatLike(x, 1);
  auto add = [&](Value a, Value b) { return gradient.create<AddOp>(a, b); };
  auto mul = [&](Value a, Value b) { return gradient.create<MulOp>(a, b); };
  Value square = mul(x, x), slope;
  if (getTanh()) {
    Value inner = mul(x, add(one, scaled(gradient, square, kGeluCubic)));
    Value t = gradient.create<TanhOp>(scaled(gradient, inner, kSqrt2OverPi));
    Value bell = gradient.create<SubOp>(one, mul(t, t));
    Value innerSlope = add(one, scaled(gradient, square, 3 * kGeluCubic));
    Value change = scaled(gradient, mul(mul(x, bell), innerSlope), kSqrt2OverPi);
    slope = scaled(gradient, add(add(one, t), change), 0.5);
  } else {
    Value erf = gradient.create<ErfOp>(scaled(gradient, x, llvm::numbers::sqrt2 / 2));
    Value bell = gradient.create<ExpOp>(scaled(gradient, square, -0.5));
    double height = llvm::numbers::inv_sqrtpi / llvm::numbers::sqrt2;
    slope = add(scaled(gradient, add(one, erf), 0.5), scaled(gradient, mul(x, bell), height));
  }
  gradient.set(0, mul(g, slope));
}

SmallVector<Value> GeluOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  bool approximate = getTanh();
  auto gelu = [&](ScalarBuilder &s, ValueRange operand) {
    Value x = operand[0], one = s.constantLike(x, 1), bounded;
    if (approximate) {
      Value cubic = s.mul(s.mul(x, x), s.constantLike(x, kGeluCubic));
      Value inner = s.mul(x, s.add(one, cubic));
      bounded = s.tanh(s.mul(inner, s.constantLike(x, kSqrt2OverPi)));
    } else {
      bounded = s.erf(s.mul(x, s.constantLike(x, llvm::numbers::sqrt2 / 2)));
    }
    return s.mul(s.mul(x, s.constantLike(x, 0.5)), s.add(one, bounded));
  };
  return {kernel.pointwise(operands, getType(), gelu)};
}

//===----------------------------------------------------------------------===//
// clip
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> ClipOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, node.version < 11 ? 1 : 3)))
    return failure();
  Value bounds[2] = {node.input(1), node.input(2)};
  RankedTensorType type = tensorType(node.input(0));
  auto scalar = RankedTensorType::get({}, type.getElementType());
  for (auto [bound, name] : llvm::zip(bounds, ArrayRef<StringRef>{"min", "max"})) {
    // Attributes that are absent stand for the largest f32 of each sign: an
    // open side.
    if (node.version < 11 && node.hasAttribute(name))
      bound = splat(builder, node.loc, scalar, node.getFloat(name, 0));
    if (bound && tensorType(bound).getNumElements() != 1)
      return node.emitError() << "the bound '" << name << "' must be a scalar, but is "
                              << bound.getType();
    if (bound) // files exist with bounds of shape [1]
      bound = reshapeTo(builder, node.loc, bound, {});
  }
  SmallVector<Value> operands{node.input(0)};
  for (Value bound : bounds)
    if (bound)
      operands.push_back(bound);
  auto segments = builder.getDenseI32ArrayAttr({1, bool(bounds[0]), bool(bounds[1])});
  return single(importOp<ClipOp>(node, builder, operands,
                                 builder.getNamedAttr("operandSegmentSizes", segments)));
}

LogicalResult ClipOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                       Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  auto scalar = RankedTensorType::get({}, type.getElementType());
  for (Value bound : {adaptor.getMin(), adaptor.getMax()})
    if (bound && bound.getType() != scalar)
      return inferenceError(location, "a bound of ", type, " must be ", scalar, ", but is ",
                            bound.getType());
  types.push_back(type);
  return success();
}

bool ClipOp::isDifferentiable(unsigned index) { return index == 0; }

FloatRange ClipOp::inferRange(ArrayRef<FloatRange> operands) {
  FloatRange range = operands[0];
  if (getMin())
    range = range.max(operands[1]);
  return getMax() ? range.min(operands.back()) : range;
}

// dx = min <= x && x <= max ? g : 0
void ClipOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient(), zero = gradient.splatLike(g, 0);
  if (getMin())
    g = gradient.create<WhereOp>(gradient.create<GreaterOrEqualOp>(getInput(), getMin()), g, zero);
  if (getMax())
    g = gradient.create<WhereOp>(gradient.create<LessOrEqualOp>(getInput(), getMax()), g, zero);
  gradient.set(0, g);
}

SmallVector<Value> ClipOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  bool hasMin = bool(getMin()), hasMax = bool(getMax());
  return {kernel.pointwise(operands, getType(), [&](ScalarBuilder &s, ValueRange x) {
    Value result = x[0];
    if (hasMin)
      result = s.maximum(result, x[1]);
    return hasMax ? s.minimum(result, x.back()) : result;
  })};
}
