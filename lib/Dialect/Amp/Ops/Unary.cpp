//===- Unary.cpp - Functions of one number --------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// In the formulas of gradients: x is the input, y the result, g the gradient of
// y.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "Common.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// neg, abs, sign
//===----------------------------------------------------------------------===//

OpFoldResult NegOp::fold(FoldAdaptor adaptor) {
  if (Attribute floats = foldFloats(adaptor.getInput(), getType(),
                                    [](ArrayRef<APFloat> x) { return llvm::neg(x[0]); }))
    return floats;
  return foldIntegers(adaptor.getInput(), getType(),
                      [](ArrayRef<int64_t> x) { return int64_t(0 - uint64_t(x[0])); });
}

FloatRange NegOp::inferRange(ArrayRef<FloatRange> operands) { return operands[0].negate(); }

// dx = -g
void NegOp::buildGradient(GradientBuilder &gradient) {
  gradient.set(0, gradient.create<NegOp>(gradient.resultGradient()));
}

SmallVector<Value> NegOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.neg(x[0]); })};
}

FloatRange AbsOp::inferRange(ArrayRef<FloatRange> operands) {
  FloatRange range = operands[0];
  range.highest = range.magnitude();
  range.lowest = 0;
  return range;
}

// dx = g * sign(x)
void AbsOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient();
  Value sign = gradient.cast(gradient.create<SignOp>(getInput()), getElementTypeOrSelf(g.getType()));
  gradient.set(0, gradient.create<MulOp>(g, sign));
}

SmallVector<Value> AbsOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.abs(x[0]); })};
}

bool SignOp::isDifferentiable(unsigned) { return false; }
void SignOp::buildGradient(GradientBuilder &) {}

SmallVector<Value> SignOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  auto sign = [](ScalarBuilder &s, ValueRange x) {
    Value zero = s.constantLike(x[0], 0);
    // Neither positive nor negative: 0 or NaN, which stay as they are.
    Value rest = s.select(s.less(x[0], zero), s.constantLike(x[0], -1), x[0]);
    return s.select(s.greater(x[0], zero), s.constantLike(x[0], 1), rest);
  };
  return {kernel.pointwise(operands, getType(), sign)};
}

//===----------------------------------------------------------------------===//
// floor, ceil, round: constant almost everywhere
//===----------------------------------------------------------------------===//

/// Sizes that a file computes by way of floats are rounded.
static Attribute foldRounding(Attribute input, Type type, APFloat::roundingMode mode) {
  return foldFloats(input, type, [&](ArrayRef<APFloat> x) {
    APFloat rounded = x[0];
    rounded.roundToIntegral(mode);
    return rounded;
  });
}

OpFoldResult FloorOp::fold(FoldAdaptor adaptor) {
  return foldRounding(adaptor.getInput(), getType(), APFloat::rmTowardNegative);
}

bool FloorOp::isDifferentiable(unsigned) { return false; }
void FloorOp::buildGradient(GradientBuilder &) {}

SmallVector<Value> FloorOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.floor(x[0]); })};
}

OpFoldResult CeilOp::fold(FoldAdaptor adaptor) {
  return foldRounding(adaptor.getInput(), getType(), APFloat::rmTowardPositive);
}

bool CeilOp::isDifferentiable(unsigned) { return false; }
void CeilOp::buildGradient(GradientBuilder &) {}

SmallVector<Value> CeilOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.ceil(x[0]); })};
}

OpFoldResult RoundOp::fold(FoldAdaptor adaptor) {
  return foldRounding(adaptor.getInput(), getType(), APFloat::rmNearestTiesToEven);
}

bool RoundOp::isDifferentiable(unsigned) { return false; }
void RoundOp::buildGradient(GradientBuilder &) {}

SmallVector<Value> RoundOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.roundEven(x[0]); })};
}

//===----------------------------------------------------------------------===//
// exp, log, sqrt, reciprocal
//===----------------------------------------------------------------------===//

// dx = g * y
void ExpOp::buildGradient(GradientBuilder &gradient) {
  gradient.set(0, gradient.create<MulOp>(gradient.resultGradient(), getResult()));
}

SmallVector<Value> ExpOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.exp(x[0]); })};
}

// dx = g / x
void LogOp::buildGradient(GradientBuilder &gradient) {
  gradient.set(0, gradient.create<DivOp>(gradient.resultGradient(), getInput()));
}

SmallVector<Value> LogOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.log(x[0]); })};
}

FloatRange SqrtOp::inferRange(ArrayRef<FloatRange> operands) { return operands[0].sqrt(); }

// dx = g / (2 * y)
void SqrtOp::buildGradient(GradientBuilder &gradient) {
  Value twice = gradient.create<AddOp>(getResult(), getResult());
  gradient.set(0, gradient.create<DivOp>(gradient.resultGradient(), twice));
}

SmallVector<Value> SqrtOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.sqrt(x[0]); })};
}

FloatRange ReciprocalOp::inferRange(ArrayRef<FloatRange> operands) {
  FloatRange range = FloatRange::of(1).divide(operands[0]);
  range.smallest = std::min(range.smallest, operands[0].smallest);
  return range;
}

// dx = -g * (y * y)
void ReciprocalOp::buildGradient(GradientBuilder &gradient) {
  Value y = widen(gradient, getResult());
  Value g = gradient.create<NegOp>(widen(gradient, gradient.resultGradient()));
  gradient.set(0, gradient.create<MulOp>(g, gradient.create<MulOp>(y, y)));
}

SmallVector<Value> ReciprocalOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(), [](ScalarBuilder &s, ValueRange x) {
    return s.div(s.constantLike(x[0], 1), x[0]);
  })};
}

//===----------------------------------------------------------------------===//
// erf, sin, cos
//===----------------------------------------------------------------------===//

// dx = g * 2 / sqrt(pi) * exp(-x^2)
void ErfOp::buildGradient(GradientBuilder &gradient) {
  Value x = widen(gradient, getInput());
  Value g = widen(gradient, gradient.resultGradient());
  Value square = gradient.create<MulOp>(x, x);
  Value bell = gradient.create<ExpOp>(gradient.create<NegOp>(square));
  gradient.set(0, scaled(gradient, gradient.create<MulOp>(g, bell), 2 * llvm::numbers::inv_sqrtpi));
}

SmallVector<Value> ErfOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.erf(x[0]); })};
}

// dx = g * cos(x)
void SinOp::buildGradient(GradientBuilder &gradient) {
  Value cosine = gradient.create<CosOp>(getInput());
  gradient.set(0, gradient.create<MulOp>(gradient.resultGradient(), cosine));
}

SmallVector<Value> SinOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.sin(x[0]); })};
}

// dx = -g * sin(x)
void CosOp::buildGradient(GradientBuilder &gradient) {
  Value sine = gradient.create<SinOp>(getInput());
  Value g = gradient.create<NegOp>(gradient.resultGradient());
  gradient.set(0, gradient.create<MulOp>(g, sine));
}

SmallVector<Value> CosOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.cos(x[0]); })};
}
