//===- OptimizerKernels.h - What optimizers have in common ---- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_OPTIMIZERKERNELS_H
#define AMPC_LIB_DIALECT_AMP_OPS_OPTIMIZERKERNELS_H

#include "ampc/Dialect/Plan/KernelBuilder.h"
#include "ampc/Support/OptimizerOptions.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"

namespace ampc::optimizer {
using namespace mlir;
using Setting = OptimizerSetting;

inline Setting learningRate(double defaultValue) {
  return Setting::nonNegative(kLearningRateSetting, defaultValue, "learning rate");
}
inline Setting weightDecay(double defaultValue) {
  return Setting::nonNegative("weight-decay", defaultValue, "as torch.optim has it");
}
inline Setting epsilon(double defaultValue) {
  return Setting::nonNegative("eps", defaultValue, "added to the denominator");
}
inline Setting momentum(double defaultValue) {
  return Setting::nonNegative("momentum", defaultValue, "how much of the last step remains");
}
inline Setting beta1(double defaultValue) {
  return Setting::fraction("beta1", defaultValue, "decay of the mean gradient");
}
inline Setting beta2(double defaultValue) {
  return Setting::fraction("beta2", defaultValue, "decay of the mean squared gradient");
}

/// Positions of the operands that all updates share.
enum Operand { Parameter, Gradient, Rate, Step, FirstState };

/// The types of an update's results.
inline SmallVector<Type> resultTypes(Value parameter, ValueRange states) {
  SmallVector<Type> types{parameter.getType()};
  llvm::append_range(types, states.getTypes());
  return types;
}

/// One result of an update from all operands of the op. Parameters and state of f64 are
/// computed in f64, others in f32; the learning rate follows.
inline Value update(KernelBuilder &k, ValueRange operands, Type type, KernelBuilder::ScalarFn fn) {
  return k.pointwise(operands, cast<RankedTensorType>(type), fn);
}

/// gradient + decay * parameter, in the parameter's type.
inline Value decayed(ScalarBuilder &s, ValueRange x, double decay) {
  Value g = s.convert(x[Gradient], x[Parameter].getType());
  if (decay == 0)
    return g;
  return s.add(g, s.mul(s.constantLike(g, decay), x[Parameter]));
}

inline Value rateOf(ScalarBuilder &s, ValueRange x) {
  return s.convert(x[Rate], x[Parameter].getType());
}

/// p * (1 - learning rate * decay); p is the parameter, or what it becomes.
inline Value shrunk(ScalarBuilder &s, ValueRange x, Value p, double decay) {
  if (decay == 0)
    return p;
  Type t = p.getType();
  return s.mul(p, s.sub(s.constant(t, 1.0), s.mul(rateOf(s, x), s.constant(t, decay))));
}

/// m + (1 - beta) * (g - m).
inline Value runningMean(ScalarBuilder &s, Value m, Value g, double beta) {
  return s.add(m, s.mul(s.constantLike(m, 1 - beta), s.sub(g, m)));
}

/// beta * v + (1 - beta) * g * g.
inline Value runningSquare(ScalarBuilder &s, Value v, Value g, double beta) {
  return s.add(s.mul(s.constantLike(v, beta), v), s.mul(s.constantLike(v, 1 - beta), s.mul(g, g)));
}

/// The number of this step in f64, applied ones counted from 1.
inline Value stepNumber(ScalarBuilder &s, Value step) {
  Type f64 = s.builder.getF64Type();
  return s.add(s.convert(step, f64), s.constant(f64, 1.0));
}

/// 1 - beta^t in f64.
inline Value biasCorrection(ScalarBuilder &s, Value step, double beta) {
  Type f64 = s.builder.getF64Type();
  Value power = s.pow(s.constant(f64, beta), stepNumber(s, step));
  return s.sub(s.constant(f64, 1.0), power);
}

/// A number in what elements of `type` are updated in.
inline RankedTensorType numberFor(RankedTensorType type) {
  Type element = type.getElementType();
  return RankedTensorType::get({},
                               element.isF64() ? element : Builder(type.getContext()).getF32Type());
}

/// The sum of squares of all elements, in f32, or f64 for f64.
inline Value sumOfSquares(KernelBuilder &k, Value x) {
  auto type = cast<RankedTensorType>(x.getType());
  RankedTensorType number = numberFor(type);
  Value square = k.pointwise(x, type.clone(number.getElementType()),
                             [](ScalarBuilder &s, ValueRange x) { return s.mul(x[0], x[0]); });
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
  if (axes.empty())
    return square;
  return k.reduce(square, axes, Reduction::Sum, number.getElementType());
}

} // namespace ampc::optimizer

#endif // AMPC_LIB_DIALECT_AMP_OPS_OPTIMIZERKERNELS_H
