//===- Lion.cpp - The optimizer lion -------------------------------------===//
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

ArrayRef<StringRef> LionOp::getOptimizerNames() {
  static const StringRef names[] = {"lion"};
  return names;
}

// The defaults are those of the authors' program (google/automl, lion).
SmallVector<OptimizerSetting> LionOp::getSettings(StringRef) {
  return {learningRate(1e-4), optimizer::beta1(0.9), optimizer::beta2(0.99), weightDecay(0)};
}

SmallVector<OptimizerState> LionOp::getOptimizerStates(const OptimizerSettings &,
                                                       RankedTensorType) {
  return {{"exp_avg", 0.0}};
}

Operation *LionOp::buildUpdate(OpBuilder &b, Location loc, const OptimizerSettings &settings,
                               Value parameter, Value gradient, Value rate, Value step,
                               ValueRange states) {
  return LionOp::create(b, loc, resultTypes(parameter, states), parameter, gradient, rate, step,
                        states, b.getF64FloatAttr(settings["beta1"]),
                        b.getF64FloatAttr(settings["beta2"]),
                        b.getF64FloatAttr(settings["weight-decay"]));
}

SmallVector<Value> LionOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  double beta1 = getBeta1().convertToDouble(), beta2 = getBeta2().convertToDouble();
  double decay = getWeightDecay().convertToDouble();
  Value parameter =
      update(k, operands, getResult(0).getType(), [&](ScalarBuilder &s, ValueRange x) {
        Value c = runningMean(s, x[FirstState], decayed(s, x, 0), beta1);
        Value zero = s.constantLike(c, 0.0), one = s.constantLike(c, 1.0);
        // What is neither below nor above 0 is its own sign: 0, and NaN.
        Value sign = s.select(s.less(c, zero), s.neg(one), s.select(s.greater(c, zero), one, c));
        return s.sub(shrunk(s, x, x[Parameter], decay), s.mul(rateOf(s, x), sign));
      });
  Value mean = update(k, operands, getResult(1).getType(), [&](ScalarBuilder &s, ValueRange x) {
    return runningMean(s, x[FirstState], decayed(s, x, 0), beta2);
  });
  return {parameter, mean};
}
