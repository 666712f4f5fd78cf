//===- Adafactor.cpp - The optimizer adafactor ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OptimizerKernels.h"
#include "ampc/Dialect/Amp/Ops/Optimizer.h"
#include <cmath>

using namespace mlir;
using namespace ampc;
using namespace ampc::optimizer;

ArrayRef<StringRef> AdafactorOp::getOptimizerNames() {
  static const StringRef names[] = {"adafactor"};
  return names;
}

SmallVector<OptimizerSetting> AdafactorOp::getSettings(StringRef) {
  return {learningRate(1e-2),
          Setting::notPositive("beta2-decay", -0.8,
                               "exponent of the step in what is new of the "
                               "mean squared gradient"),
          Setting::nonNegative("eps1", 0x1p-23,
                               "least root of the mean squared gradient; of f64 "
                               "parameters 2^-52"),
          Setting::nonNegative("eps2", 1e-3, "least root mean square of a parameter"),
          Setting::atLeast(1, "update-clip", 1,
                           "largest root mean square of an update, d of "
                           "torch.optim"),
          weightDecay(0)};
}

SmallVector<OptimizerState> AdafactorOp::getOptimizerStates(const OptimizerSettings &,
                                                            RankedTensorType parameter) {
  int64_t rank = parameter.getRank();
  if (rank < 2)
    return {{"variance", 0.0}};
  SmallVector<int64_t> rows(parameter.getShape()), columns(parameter.getShape());
  rows[rank - 1] = columns[rank - 2] = 1;
  return {{"row_var", 0.0, rows}, {"col_var", 0.0, columns}};
}

Operation *AdafactorOp::buildUpdate(OpBuilder &b, Location loc, const OptimizerSettings &settings,
                                    Value parameter, Value gradient, Value rate, Value step,
                                    ValueRange states) {
  // As torch.finfo(parameter.dtype).eps.
  bool isF64 = getElementTypeOrSelf(parameter.getType()).isF64();
  double epsilon1 = isF64 && !settings.isGiven("eps1") ? 0x1p-52 : settings["eps1"];
  return AdafactorOp::create(b, loc, resultTypes(parameter, states), parameter, gradient, rate,
                             step, states, b.getF64FloatAttr(settings["beta2-decay"]),
                             b.getF64FloatAttr(epsilon1), b.getF64FloatAttr(settings["eps2"]),
                             b.getF64FloatAttr(settings["update-clip"]),
                             b.getF64FloatAttr(settings["weight-decay"]));
}

namespace {
/// What is common to the numbers of one update.
struct Numbers {
  KernelBuilder &k;
  RankedTensorType number; ///< rank 0, of what is computed in

  /// old + weight * (now - old), as torch.lerp rounds it: `now` itself at weight 1, with which the
  /// first step comes.
  static Value blend(ScalarBuilder &s, Value old, Value now, Value weight) {
    Value difference = s.sub(now, old), one = s.constantLike(weight, 1.0);
    Value low = s.add(old, s.mul(weight, difference));
    Value high = s.sub(now, s.mul(difference, s.sub(one, weight)));
    return s.select(s.less(weight, s.constantLike(weight, 0.5)), low, high);
  }
  /// The mean along `axis`, which stays as an extent of 1; of no elements 0.
  Value mean(Value x, int64_t axis) {
    auto type = cast<RankedTensorType>(x.getType());
    Value sum = k.reduce(x, axis, Reduction::Sum, number.getElementType());
    SmallVector<int64_t> shape(type.getShape());
    shape[axis] = 1;
    double count = double(std::max<int64_t>(1, type.getDimSize(axis)));
    Value kept = k.reshape(sum, shape);
    return k.pointwise(
        kept, cast<RankedTensorType>(kept.getType()),
        [&](ScalarBuilder &s, ValueRange x) { return s.div(x[0], s.constantLike(x[0], count)); });
  }
  /// The root of the mean square of all elements, from their sum of squares; inside of a body.
  static Value rootMeanSquare(ScalarBuilder &s, Value sum, RankedTensorType of) {
    double count = double(std::max<int64_t>(1, of.getNumElements()));
    return s.div(s.sqrt(sum), s.constantLike(sum, std::sqrt(count)));
  }
};
} // namespace

SmallVector<Value> AdafactorOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  double beta2Decay = getBeta2Decay().convertToDouble(), clip = getClip().convertToDouble();
  double epsilon1 = getEpsilon1().convertToDouble(), epsilon2 = getEpsilon2().convertToDouble();
  double decay = getWeightDecay().convertToDouble();
  auto type = cast<RankedTensorType>(getResult(0).getType());
  Numbers numbers{k, numberFor(type)};
  RankedTensorType number = numbers.number;
  Value parameter = operands[Parameter], gradient = operands[Gradient], step = operands[Step];

  // How much of the running means is new, and the largest step relative to the parameter.
  Value weight = k.pointwise(step, number, [&](ScalarBuilder &s, ValueRange x) {
    return s.pow(stepNumber(s, x[0]), s.constant(s.builder.getF64Type(), beta2Decay));
  });
  Value rho = k.pointwise({operands[Rate], step}, number, [&](ScalarBuilder &s, ValueRange x) {
    Type f64 = s.builder.getF64Type();
    Value root = s.div(s.constant(f64, 1.0), s.sqrt(stepNumber(s, x[1])));
    return s.minimum(s.convert(x[0], f64), root);
  });

  SmallVector<Value> states, estimated{gradient};
  Value square = k.pointwise(gradient, type.clone(number.getElementType()),
                             [&](ScalarBuilder &s, ValueRange x) {
                               Value g = s.convert(x[0], number.getElementType());
                               return s.mul(g, g);
                             });
  auto blended = [&](Value old, Value now) {
    states.push_back(k.pointwise(
        {old, now, weight}, cast<RankedTensorType>(old.getType()),
        [](ScalarBuilder &s, ValueRange x) { return Numbers::blend(s, x[0], x[1], x[2]); }));
    return states.back();
  };
  const bool isFactored = type.getRank() >= 2;
  if (isFactored) {
    int64_t last = type.getRank() - 1;
    Value rows = blended(operands[FirstState], numbers.mean(square, last));
    Value columns = blended(operands[FirstState + 1], numbers.mean(square, last - 1));
    estimated.append({rows, columns, numbers.mean(rows, last - 1)});
  } else {
    estimated.push_back(blended(operands[FirstState], square));
  }
  Value direction = k.pointwise(
      estimated, type.clone(number.getElementType()), [&](ScalarBuilder &s, ValueRange x) {
        Value v = x[1];
        if (isFactored)
          v = s.div(s.mul(x[1], x[2]), s.maximum(x[3], s.constantLike(v, epsilon1)));
        Value root = s.sqrt(s.maximum(v, s.constantLike(v, epsilon1 * epsilon1)));
        return s.div(s.convert(x[0], v.getType()), root);
      });

  Value sums[] = {sumOfSquares(k, parameter), sumOfSquares(k, direction), rho};
  Value stepSize = k.pointwise(sums, number, [&](ScalarBuilder &s, ValueRange x) {
    Value size = s.maximum(s.constantLike(x[0], epsilon2), Numbers::rootMeanSquare(s, x[0], type));
    Value excess = s.div(Numbers::rootMeanSquare(s, x[1], type), s.constantLike(x[1], clip));
    return s.div(s.mul(size, x[2]), s.maximum(s.constantLike(excess, 1.0), excess));
  });
  SmallVector<Value> wide(operands.take_front(FirstState));
  wide.append({direction, stepSize});
  states.insert(states.begin(), update(k, wide, type, [&](ScalarBuilder &s, ValueRange x) {
                  return s.sub(shrunk(s, x, x[Parameter], decay),
                               s.mul(x[FirstState + 1], x[FirstState]));
                }));
  return states;
}
