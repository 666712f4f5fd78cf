//===- Trigonometry.cpp - Functions of angles and hyperbolas ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// In the formulas of gradients: x is the input, y the result, g the gradient of y.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Trigonometry.h"
#include "Common.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"

using namespace mlir;
using namespace ampc;

#define AMPC_KERNEL(OP, FUNCTION)                                                                  \
  SmallVector<Value> OP::emitKernel(KernelBuilder &kernel, ValueRange operands) {                  \
    return {kernel.pointwise(operands, getType(),                                                  \
                             [](ScalarBuilder &s, ValueRange x) { return s.FUNCTION(x[0]); })};    \
  }
AMPC_KERNEL(TanOp, tan)
AMPC_KERNEL(AsinOp, asin)
AMPC_KERNEL(AcosOp, acos)
AMPC_KERNEL(AtanOp, atan)
AMPC_KERNEL(SinhOp, sinh)
AMPC_KERNEL(CoshOp, cosh)
AMPC_KERNEL(AsinhOp, asinh)
AMPC_KERNEL(AcoshOp, acosh)
AMPC_KERNEL(AtanhOp, atanh)
#undef AMPC_KERNEL

namespace {
/// Sums and products in the type that kernels compute in.
struct Formula {
  GradientBuilder &gradient;
  Value x, g, one;

  Formula(GradientBuilder &gradient, Value input)
      : gradient(gradient), x(widen(gradient, input)),
        g(widen(gradient, gradient.resultGradient())), one(gradient.splatLike(x, 1)) {}

  Value add(Value a, Value b) { return gradient.create<AddOp>(a, b); }
  Value sub(Value a, Value b) { return gradient.create<SubOp>(a, b); }
  Value mul(Value a, Value b) { return gradient.create<MulOp>(a, b); }
  Value div(Value a, Value b) { return gradient.create<DivOp>(a, b); }
  Value sqrt(Value a) { return gradient.create<SqrtOp>(a); }
  /// 1 - x^2, which is exact near 1 where it is a product.
  Value oneMinusSquare() { return mul(sub(one, x), add(one, x)); }
  Value onePlusSquare() { return add(one, mul(x, x)); }
};
} // namespace

// dx = g * (1 + y^2)
void TanOp::buildGradient(GradientBuilder &gradient) {
  Formula f(gradient, getInput());
  Value y = widen(gradient, getResult());
  gradient.set(0, f.mul(f.g, f.add(f.one, f.mul(y, y))));
}

// dx = g / sqrt(1 - x^2)
void AsinOp::buildGradient(GradientBuilder &gradient) {
  Formula f(gradient, getInput());
  gradient.set(0, f.div(f.g, f.sqrt(f.oneMinusSquare())));
}

// dx = -g / sqrt(1 - x^2)
void AcosOp::buildGradient(GradientBuilder &gradient) {
  Formula f(gradient, getInput());
  gradient.set(0, gradient.create<NegOp>(f.div(f.g, f.sqrt(f.oneMinusSquare()))));
}

// dx = g / (1 + x^2)
void AtanOp::buildGradient(GradientBuilder &gradient) {
  Formula f(gradient, getInput());
  gradient.set(0, f.div(f.g, f.onePlusSquare()));
}

// dx = g * cosh(x)
void SinhOp::buildGradient(GradientBuilder &gradient) {
  Formula f(gradient, getInput());
  gradient.set(0, f.mul(f.g, gradient.create<CoshOp>(f.x)));
}

// dx = g * sinh(x)
void CoshOp::buildGradient(GradientBuilder &gradient) {
  Formula f(gradient, getInput());
  gradient.set(0, f.mul(f.g, gradient.create<SinhOp>(f.x)));
}

// dx = g / sqrt(1 + x^2)
void AsinhOp::buildGradient(GradientBuilder &gradient) {
  Formula f(gradient, getInput());
  gradient.set(0, f.div(f.g, f.sqrt(f.onePlusSquare())));
}

// dx = g / sqrt(x^2 - 1)
void AcoshOp::buildGradient(GradientBuilder &gradient) {
  Formula f(gradient, getInput());
  Value square = f.mul(f.sub(f.x, f.one), f.add(f.x, f.one));
  gradient.set(0, f.div(f.g, f.sqrt(square)));
}

// dx = g / (1 - x^2)
void AtanhOp::buildGradient(GradientBuilder &gradient) {
  Formula f(gradient, getInput());
  gradient.set(0, f.div(f.g, f.oneMinusSquare()));
}
