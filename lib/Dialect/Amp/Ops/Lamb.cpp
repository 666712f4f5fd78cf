//===- Lamb.cpp - The optimizer lamb -------------------------------------===//
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

ArrayRef<StringRef> LambOp::getOptimizerNames() {
  static const StringRef names[] = {"lamb"};
  return names;
}

// The paper's settings, section 4; it gives no learning rate for all.
SmallVector<OptimizerSetting> LambOp::getSettings(StringRef) {
  return {learningRate(1e-3), optimizer::beta1(0.9), optimizer::beta2(0.999), epsilon(1e-6),
          weightDecay(1e-2)};
}

SmallVector<OptimizerState> LambOp::getOptimizerStates(const OptimizerSettings &,
                                                       RankedTensorType) {
  return {{"exp_avg", 0.0}, {"exp_avg_sq", 0.0}};
}

Operation *LambOp::buildUpdate(OpBuilder &b, Location loc, const OptimizerSettings &settings,
                               Value parameter, Value gradient, Value rate, Value step,
                               ValueRange states) {
  return LambOp::create(b, loc, resultTypes(parameter, states), parameter, gradient, rate, step,
                        states, b.getF64FloatAttr(settings["beta1"]),
                        b.getF64FloatAttr(settings["beta2"]), b.getF64FloatAttr(settings["eps"]),
                        b.getF64FloatAttr(settings["weight-decay"]));
}

SmallVector<Value> LambOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  double beta1 = getBeta1().convertToDouble(), beta2 = getBeta2().convertToDouble();
  double epsilon = getEpsilon().convertToDouble(), decay = getWeightDecay().convertToDouble();
  auto type = cast<RankedTensorType>(getResult(0).getType());
  RankedTensorType number = numberFor(type);

  Value firstInverse = k.pointwise(operands[Step], number, [&](ScalarBuilder &s, ValueRange x) {
    Value one = s.constant(s.builder.getF64Type(), 1.0);
    return s.div(one, biasCorrection(s, x[0], beta1));
  });
  Value secondInverse = k.pointwise(operands[Step], number, [&](ScalarBuilder &s, ValueRange x) {
    Value one = s.constant(s.builder.getF64Type(), 1.0);
    return s.div(one, s.sqrt(biasCorrection(s, x[0], beta2)));
  });
  auto first = [=](ScalarBuilder &s, ValueRange x) {
    return runningMean(s, x[FirstState], decayed(s, x, 0), beta1);
  };
  auto second = [=](ScalarBuilder &s, ValueRange x) {
    return runningSquare(s, x[FirstState + 1], decayed(s, x, 0), beta2);
  };
  SmallVector<Value> wide(operands);
  wide.append({firstInverse, secondInverse});
  const size_t firstAt = operands.size(), secondAt = firstAt + 1;
  Value direction = update(k, wide, type, [&](ScalarBuilder &s, ValueRange x) {
    Value root = s.mul(s.sqrt(second(s, x)), x[secondAt]);
    Value mean = s.mul(first(s, x), x[firstAt]);
    Value ratio = s.div(mean, s.add(root, s.constantLike(root, epsilon)));
    return decay == 0 ? ratio : s.add(ratio, s.mul(s.constantLike(ratio, decay), x[Parameter]));
  });
  Value squares[] = {sumOfSquares(k, operands[Parameter]), sumOfSquares(k, direction),
                     operands[Rate]};
  Value stepSize = k.pointwise(squares, number, [&](ScalarBuilder &s, ValueRange x) {
    Value zero = s.constantLike(x[0], 0.0);
    Value rate = s.convert(x[2], x[0].getType());
    Value trust = s.div(s.sqrt(x[0]), s.sqrt(x[1]));
    Value isNone = s.logicalOr(s.equal(x[0], zero), s.equal(x[1], zero));
    return s.mul(rate, s.select(isNone, s.constantLike(x[0], 1.0), trust));
  });
  Value parameter =
      k.pointwise({operands[Parameter], direction, stepSize}, type,
                  [](ScalarBuilder &s, ValueRange x) { return s.sub(x[0], s.mul(x[2], x[1])); });
  return {parameter, update(k, operands, getResult(1).getType(), first),
          update(k, operands, getResult(2).getType(), second)};
}
