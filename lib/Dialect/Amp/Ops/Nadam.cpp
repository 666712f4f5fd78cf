//===- Nadam.cpp - The optimizer nadam -----------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OptimizerKernels.h"
#include "ampc/Dialect/Amp/Ops/Optimizer.h"

using namespace mlir;
using namespace ampc;
using namespace ampc::optimizer;

ArrayRef<StringRef> NadamOp::getOptimizerNames() {
  static const StringRef names[] = {"nadam"};
  return names;
}

SmallVector<OptimizerSetting> NadamOp::getSettings(StringRef) {
  return {learningRate(2e-3),
          optimizer::beta1(0.9),
          optimizer::beta2(0.999),
          epsilon(1e-8),
          weightDecay(0),
          Setting::nonNegative("momentum-decay", 4e-3, "how fast its momentum comes to beta1"),
          Setting::onOff("decoupled-weight-decay", "weight decay as adamw has it")};
}

SmallVector<OptimizerState> NadamOp::getOptimizerStates(const OptimizerSettings &,
                                                        RankedTensorType) {
  return {{"exp_avg", 0.0},
          {"exp_avg_sq", 0.0},
          {"mu_product", 1.0, std::nullopt, {"beta1", "momentum-decay"}}};
}

Operation *NadamOp::buildUpdate(OpBuilder &b, Location loc, const OptimizerSettings &settings,
                                Value parameter, Value gradient, Value rate, Value step,
                                ValueRange states) {
  return NadamOp::create(b, loc, resultTypes(parameter, states), parameter, gradient, rate, step,
                         states, b.getF64FloatAttr(settings["beta1"]),
                         b.getF64FloatAttr(settings["beta2"]), b.getF64FloatAttr(settings["eps"]),
                         b.getF64FloatAttr(settings["weight-decay"]),
                         b.getF64FloatAttr(settings["momentum-decay"]),
                         settings["decoupled-weight-decay"] != 0 ? b.getUnitAttr() : UnitAttr());
}

SmallVector<Value> NadamOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  double beta1 = getBeta1().convertToDouble(), beta2 = getBeta2().convertToDouble();
  double epsilon = getEpsilon().convertToDouble(), decay = getWeightDecay().convertToDouble();
  double momentumDecay = getMomentumDecay().convertToDouble();
  const size_t productAt = FirstState + 2;
  Value step = operands[Step], old = operands[productAt];
  auto type = cast<RankedTensorType>(getResult(0).getType());
  auto productType = cast<RankedTensorType>(old.getType());
  RankedTensorType number = numberFor(type);

  // The momentum of this step, or of the next one, in f64.
  auto momentum = [=](ScalarBuilder &s, Value step, double ahead) {
    Type f64 = s.builder.getF64Type();
    Value t = s.add(stepNumber(s, step), s.constant(f64, ahead));
    Value power = s.pow(s.constant(f64, 0.96), s.mul(t, s.constant(f64, momentumDecay)));
    Value share = s.sub(s.constant(f64, 1.0), s.mul(s.constant(f64, 0.5), power));
    return s.mul(s.constant(f64, beta1), share);
  };
  // Once for all parameters that have it in common; so are the numbers that follow from it.
  Value product = k.pointwise({old, step}, productType, [&](ScalarBuilder &s, ValueRange x) {
    return s.mul(s.convert(x[0], s.builder.getF64Type()), momentum(s, x[1], 0));
  });
  // learning rate * a / (1 - b).
  auto share = [&](llvm::function_ref<std::pair<Value, Value>(ScalarBuilder &, ValueRange)> fn) {
    return k.pointwise({operands[Rate], step, product}, number,
                       [&](ScalarBuilder &s, ValueRange x) {
                         Type f64 = s.builder.getF64Type();
                         auto [a, b] = fn(s, x);
                         Value rest = s.sub(s.constant(f64, 1.0), b);
                         return s.div(s.mul(s.convert(x[0], f64), a), rest);
                       });
  };
  Value ofGradient = share([&](ScalarBuilder &s, ValueRange x) {
    Type f64 = s.builder.getF64Type();
    return std::pair<Value, Value>(s.sub(s.constant(f64, 1.0), momentum(s, x[1], 0)),
                                   s.convert(x[2], f64));
  });
  Value ofMean = share([&](ScalarBuilder &s, ValueRange x) {
    Value next = momentum(s, x[1], 1);
    return std::pair<Value, Value>(next, s.mul(s.convert(x[2], s.builder.getF64Type()), next));
  });
  Value inverseRoot = k.pointwise(step, number, [&](ScalarBuilder &s, ValueRange x) {
    Value one = s.constant(s.builder.getF64Type(), 1.0);
    return s.div(one, s.sqrt(biasCorrection(s, x[0], beta2)));
  });

  double coupled = getDecoupled() ? 0.0 : decay, decoupled = getDecoupled() ? decay : 0.0;
  auto first = [=](ScalarBuilder &s, ValueRange x) {
    return runningMean(s, x[FirstState], decayed(s, x, coupled), beta1);
  };
  auto second = [=](ScalarBuilder &s, ValueRange x) {
    return runningSquare(s, x[FirstState + 1], decayed(s, x, coupled), beta2);
  };
  // All but the product as it was, which nothing else reads.
  SmallVector<Value> wide(operands.drop_back());
  const size_t numbersAt = wide.size();
  wide.append({ofGradient, ofMean, inverseRoot});
  Value parameter = update(k, wide, type, [&](ScalarBuilder &s, ValueRange x) {
    Value root = s.mul(s.sqrt(second(s, x)), x[numbersAt + 2]);
    Value denominator = s.add(root, s.constantLike(root, epsilon));
    Value sum =
        s.add(s.mul(x[numbersAt], decayed(s, x, coupled)), s.mul(x[numbersAt + 1], first(s, x)));
    return s.sub(shrunk(s, x, x[Parameter], decoupled), s.div(sum, denominator));
  });
  ValueRange own = operands.drop_back();
  return {parameter, update(k, own, getResult(1).getType(), first),
          update(k, own, getResult(2).getType(), second), product};
}
