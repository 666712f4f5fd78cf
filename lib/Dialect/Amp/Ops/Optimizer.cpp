//===- Optimizer.cpp - Optimizer updates ----------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Optimizer.h"
#include "OptimizerKernels.h"

using namespace mlir;
using namespace ampc;
using namespace ampc::optimizer;

//===----------------------------------------------------------------------===//
// SgdOp
//===----------------------------------------------------------------------===//

ArrayRef<StringRef> SgdOp::getOptimizerNames() {
  static const StringRef names[] = {"sgd", "momentum", "nesterov"};
  return names;
}

SmallVector<OptimizerSetting> SgdOp::getSettings(StringRef optimizer) {
  return {learningRate(1e-3), momentum(optimizer == "sgd" ? 0.0 : 0.9),
          Setting::finite("dampening", 0, "how much of a gradient the momentum leaves out"),
          weightDecay(0)};
}

std::string SgdOp::checkSettings(const OptimizerSettings &settings) {
  bool isNesterov = settings.name() == "nesterov", isDampened = settings["dampening"] != 0;
  if (isNesterov && (settings["momentum"] == 0 || isDampened))
    return "--optimizer=nesterov: needs a momentum above 0 and no dampening";
  if (isDampened && settings["momentum"] == 0)
    return "--dampening: has no effect without --momentum";
  return "";
}

SmallVector<OptimizerState> SgdOp::getOptimizerStates(const OptimizerSettings &settings,
                                                      RankedTensorType) {
  if (settings["momentum"] == 0)
    return {};
  return {{"momentum_buffer", 0.0}};
}

Operation *SgdOp::buildUpdate(OpBuilder &b, Location loc, const OptimizerSettings &settings,
                              Value parameter, Value gradient, Value rate, Value step,
                              ValueRange states) {
  SmallVector<Type> types = resultTypes(parameter, states);
  return SgdOp::create(b, loc, types, parameter, gradient, rate, step, states,
                       b.getF64FloatAttr(settings["momentum"]),
                       b.getF64FloatAttr(settings["dampening"]),
                       b.getF64FloatAttr(settings["weight-decay"]),
                       settings.name() == "nesterov" ? b.getUnitAttr() : UnitAttr());
}

SmallVector<Value> SgdOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  double momentum = getMomentum().convertToDouble();
  double dampening = getDampening().convertToDouble();
  double decay = getWeightDecay().convertToDouble();
  bool nesterov = getNesterov();
  // The first step takes the gradient itself, whatever the dampening.
  auto buffer = [=](ScalarBuilder &s, ValueRange x) {
    Value g = decayed(s, x, decay);
    Value later = s.add(s.mul(s.constantLike(g, momentum), x[FirstState]),
                        s.mul(s.constantLike(g, 1 - dampening), g));
    Value first = s.equal(x[Step], s.constant(x[Step].getType(), int64_t(0)));
    return s.select(first, g, later);
  };
  SmallVector<Value> results;
  results.push_back(
      update(k, operands, getResult(0).getType(), [&](ScalarBuilder &s, ValueRange x) {
        Value g = decayed(s, x, decay);
        if (momentum != 0) {
          Value m = buffer(s, x);
          g = nesterov ? s.add(g, s.mul(s.constantLike(g, momentum), m)) : m;
        }
        return s.sub(x[Parameter], s.mul(rateOf(s, x), g));
      }));
  if (momentum != 0)
    results.push_back(update(k, operands, getResult(1).getType(), buffer));
  return results;
}

//===----------------------------------------------------------------------===//
// AdagradOp
//===----------------------------------------------------------------------===//

ArrayRef<StringRef> AdagradOp::getOptimizerNames() {
  static const StringRef names[] = {"adagrad"};
  return names;
}

SmallVector<OptimizerSetting> AdagradOp::getSettings(StringRef) {
  return {learningRate(1e-2), weightDecay(0), epsilon(1e-10)};
}

SmallVector<OptimizerState> AdagradOp::getOptimizerStates(const OptimizerSettings &,
                                                          RankedTensorType) {
  return {{"sum", 0.0}};
}

Operation *AdagradOp::buildUpdate(OpBuilder &b, Location loc, const OptimizerSettings &settings,
                                  Value parameter, Value gradient, Value rate, Value step,
                                  ValueRange states) {
  SmallVector<Type> types = resultTypes(parameter, states);
  return AdagradOp::create(b, loc, types, parameter, gradient, rate, step, states,
                           b.getF64FloatAttr(settings["weight-decay"]),
                           b.getF64FloatAttr(settings["eps"]));
}

SmallVector<Value> AdagradOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  double decay = getWeightDecay().convertToDouble();
  double epsilon = getEpsilon().convertToDouble();
  auto sum = [=](ScalarBuilder &s, ValueRange x) {
    Value g = decayed(s, x, decay);
    return s.add(x[FirstState], s.mul(g, g));
  };
  Value parameter =
      update(k, operands, getResult(0).getType(), [&](ScalarBuilder &s, ValueRange x) {
        Value g = decayed(s, x, decay);
        Value root = s.add(s.sqrt(sum(s, x)), s.constantLike(g, epsilon));
        return s.sub(x[Parameter], s.div(s.mul(rateOf(s, x), g), root));
      });
  return {parameter, update(k, operands, getResult(1).getType(), sum)};
}

//===----------------------------------------------------------------------===//
// AdamOp
//===----------------------------------------------------------------------===//

/// AdamW of Hugging Face's transformers, which ONNX Runtime's artifacts have by default.
constexpr StringLiteral kTransformersAdamW = "adamw_hf";
constexpr StringLiteral kNoCorrection = "no-bias-correction";

ArrayRef<StringRef> AdamOp::getOptimizerNames() {
  static const StringRef names[] = {"adam", "adamw", kTransformersAdamW};
  return names;
}

SmallVector<OptimizerSetting> AdamOp::getSettings(StringRef optimizer) {
  bool isTransformers = optimizer == kTransformersAdamW;
  return {learningRate(1e-3),
          ampc::optimizer::beta1(0.9),
          ampc::optimizer::beta2(0.999),
          epsilon(isTransformers ? 1e-6 : 1e-8),
          weightDecay(optimizer == "adamw" ? 1e-2 : 0.0),
          Setting::onOff(kNoCorrection, "means as they are, though they begin at 0")};
}

SmallVector<OptimizerState> AdamOp::getOptimizerStates(const OptimizerSettings &,
                                                       RankedTensorType) {
  return {{"exp_avg", 0.0}, {"exp_avg_sq", 0.0}};
}

Operation *AdamOp::buildUpdate(OpBuilder &b, Location loc, const OptimizerSettings &settings,
                               Value parameter, Value gradient, Value rate, Value step,
                               ValueRange states) {
  auto flag = [&](bool isSet) { return isSet ? b.getUnitAttr() : UnitAttr(); };
  bool isTransformers = settings.name() == kTransformersAdamW;
  SmallVector<Type> types = resultTypes(parameter, states);
  return AdamOp::create(b, loc, types, parameter, gradient, rate, step, states,
                        b.getF64FloatAttr(settings["beta1"]), b.getF64FloatAttr(settings["beta2"]),
                        b.getF64FloatAttr(settings["eps"]),
                        b.getF64FloatAttr(settings["weight-decay"]),
                        flag(isTransformers || settings.name() == "adamw"), flag(isTransformers),
                        flag(settings[kNoCorrection] != 0));
}

SmallVector<Value> AdamOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  double beta1 = getBeta1().convertToDouble(), beta2 = getBeta2().convertToDouble();
  double epsilon = getEpsilon().convertToDouble();
  double weightDecay = getWeightDecay().convertToDouble();
  bool decoupled = getDecoupled(), folded = getFolded(), uncorrected = getUncorrected();
  Value rate = operands[Rate], step = operands[Step];
  auto scalar = RankedTensorType::get({}, k.builder.getF32Type());
  auto type = cast<RankedTensorType>(getResult(0).getType());

  // Corrections once for the whole tensor, and in f64: 1 - 0.999 has lost 17 bits in f32.
  auto correction = [=](ScalarBuilder &s, Value step, double beta) {
    return uncorrected ? s.constant(s.builder.getF64Type(), 1.0) : biasCorrection(s, step, beta);
  };
  Value stepSize = k.pointwise({rate, step}, scalar, [&](ScalarBuilder &s, ValueRange x) {
    Value wide = s.convert(x[0], s.builder.getF64Type());
    if (folded)
      wide = s.mul(wide, s.sqrt(correction(s, x[1], beta2)));
    return s.div(wide, correction(s, x[1], beta1));
  });
  Value inverseRoot = k.pointwise(step, scalar, [&](ScalarBuilder &s, ValueRange x) {
    Value one = s.constant(s.builder.getF64Type(), 1.0);
    return folded ? one : s.div(one, s.sqrt(correction(s, x[0], beta2)));
  });

  double coupledDecay = decoupled ? 0.0 : weightDecay, ownDecay = weightDecay - coupledDecay;
  auto first = [=](ScalarBuilder &s, ValueRange x) {
    return runningMean(s, x[FirstState], decayed(s, x, coupledDecay), beta1);
  };
  auto second = [=](ScalarBuilder &s, ValueRange x) {
    return runningSquare(s, x[FirstState + 1], decayed(s, x, coupledDecay), beta2);
  };
  SmallVector<Value> wide(operands);
  wide.append({stepSize, inverseRoot});
  const size_t stepSizeAt = operands.size(), inverseRootAt = stepSizeAt + 1;
  Value parameter = k.pointwise(wide, type, [&](ScalarBuilder &s, ValueRange x) {
    Value p = x[Parameter];
    Type t = p.getType();
    Value root = s.mul(s.sqrt(second(s, x)), s.convert(x[inverseRootAt], t));
    Value ratio = s.div(first(s, x), s.add(root, s.constant(t, epsilon)));
    Value update = s.mul(s.convert(x[stepSizeAt], t), ratio);
    return folded ? shrunk(s, x, s.sub(p, update), ownDecay)
                  : s.sub(shrunk(s, x, p, ownDecay), update);
  });
  return {parameter, update(k, operands, getResult(1).getType(), first),
          update(k, operands, getResult(2).getType(), second)};
}

//===----------------------------------------------------------------------===//
// RmspropOp
//===----------------------------------------------------------------------===//

ArrayRef<StringRef> RmspropOp::getOptimizerNames() {
  static const StringRef names[] = {"rmsprop"};
  return names;
}

SmallVector<OptimizerSetting> RmspropOp::getSettings(StringRef) {
  return {
      learningRate(1e-2), Setting::fraction("alpha", 0.99, "decay of the mean squared gradient"),
      epsilon(1e-8),      weightDecay(0),
      momentum(0),        Setting::onOff("centered", "divide by the gradient's variance")};
}

SmallVector<OptimizerState> RmspropOp::getOptimizerStates(const OptimizerSettings &settings,
                                                          RankedTensorType) {
  SmallVector<OptimizerState> states{{"square_avg", 0.0}};
  if (settings["momentum"] != 0)
    states.push_back({"momentum_buffer", 0.0});
  if (settings["centered"] != 0)
    states.push_back({"grad_avg", 0.0});
  return states;
}

Operation *RmspropOp::buildUpdate(OpBuilder &b, Location loc, const OptimizerSettings &settings,
                                  Value parameter, Value gradient, Value rate, Value step,
                                  ValueRange states) {
  SmallVector<Type> types = resultTypes(parameter, states);
  return RmspropOp::create(b, loc, types, parameter, gradient, rate, step, states,
                           b.getF64FloatAttr(settings["alpha"]), b.getF64FloatAttr(settings["eps"]),
                           b.getF64FloatAttr(settings["weight-decay"]),
                           b.getF64FloatAttr(settings["momentum"]),
                           settings["centered"] != 0 ? b.getUnitAttr() : UnitAttr());
}

SmallVector<Value> RmspropOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  double alpha = getAlpha().convertToDouble(), epsilon = getEpsilon().convertToDouble();
  double decay = getWeightDecay().convertToDouble(), momentum = getMomentum().convertToDouble();
  bool centered = getCentered();
  const size_t meanAt = FirstState + (momentum != 0 ? 2 : 1);

  auto square = [=](ScalarBuilder &s, ValueRange x) {
    return runningSquare(s, x[FirstState], decayed(s, x, decay), alpha);
  };
  auto mean = [=](ScalarBuilder &s, ValueRange x) {
    return runningMean(s, x[meanAt], decayed(s, x, decay), alpha);
  };
  auto direction = [=](ScalarBuilder &s, ValueRange x) {
    Value v = square(s, x), zero = s.constantLike(v, 0.0);
    if (centered) {
      Value a = mean(s, x);
      v = s.sub(v, s.mul(a, a));
      v = s.select(s.less(v, zero), zero, v); // of rounding; NaN stays NaN
    }
    Value d = s.div(decayed(s, x, decay), s.add(s.sqrt(v), s.constantLike(v, epsilon)));
    if (momentum == 0)
      return d;
    return s.add(s.mul(s.constantLike(d, momentum), x[FirstState + 1]), d);
  };
  auto parameter = [=](ScalarBuilder &s, ValueRange x) {
    return s.sub(x[Parameter], s.mul(rateOf(s, x), direction(s, x)));
  };
  SmallVector<Value> results;
  auto add = [&](KernelBuilder::ScalarFn fn) {
    results.push_back(update(k, operands, getResult(results.size()).getType(), fn));
  };
  add(parameter);
  add(square);
  if (momentum != 0)
    add(direction);
  if (centered)
    add(mean);
  return results;
}
