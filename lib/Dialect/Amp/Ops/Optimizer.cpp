//===- Optimizer.cpp - Optimizer updates ----------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Optimizer.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace ampc;

namespace {
using Setting = OptimizerSetting;

Setting learningRate(double defaultValue) {
  return Setting::nonNegative(kLearningRateSetting, defaultValue, "learning rate");
}
Setting weightDecay(double defaultValue) {
  return Setting::nonNegative("weight-decay", defaultValue, "as torch.optim has it");
}
Setting epsilon(double defaultValue) {
  return Setting::nonNegative("eps", defaultValue, "added to the denominator");
}
Setting momentum(double defaultValue) {
  return Setting::nonNegative("momentum", defaultValue, "how much of the last step remains");
}

/// One result of an update from all operands of the op. Parameters and state of f64 are
/// computed in f64, others in f32; the learning rate follows.
Value update(KernelBuilder &k, ValueRange operands, Type type, KernelBuilder::ScalarFn fn) {
  return k.pointwise(operands, cast<RankedTensorType>(type), fn);
}

/// Positions of the operands that all updates share.
enum Operand { Parameter, Gradient, Rate, Step, FirstState };

/// gradient + decay * parameter, in the parameter's type.
Value decayed(ScalarBuilder &s, ValueRange x, double decay) {
  Value g = s.convert(x[Gradient], x[Parameter].getType());
  if (decay == 0)
    return g;
  return s.add(g, s.mul(s.constantLike(g, decay), x[Parameter]));
}

Value rateOf(ScalarBuilder &s, ValueRange x) { return s.convert(x[Rate], x[Parameter].getType()); }
} // namespace

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

SmallVector<OptimizerState> SgdOp::getOptimizerStates(const OptimizerSettings &settings) {
  if (settings["momentum"] == 0)
    return {};
  return {{"momentum_buffer", 0.0}};
}

Operation *SgdOp::buildUpdate(OpBuilder &b, Location loc, const OptimizerSettings &settings,
                              Value parameter, Value gradient, Value rate, Value step,
                              ValueRange states) {
  SmallVector<Type> types(1 + states.size(), parameter.getType());
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

SmallVector<OptimizerState> AdagradOp::getOptimizerStates(const OptimizerSettings &) {
  return {{"sum", 0.0}};
}

Operation *AdagradOp::buildUpdate(OpBuilder &b, Location loc, const OptimizerSettings &settings,
                                  Value parameter, Value gradient, Value rate, Value step,
                                  ValueRange states) {
  SmallVector<Type> types(2, parameter.getType());
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

ArrayRef<StringRef> AdamOp::getOptimizerNames() {
  static const StringRef names[] = {"adam", "adamw"};
  return names;
}

SmallVector<OptimizerSetting> AdamOp::getSettings(StringRef optimizer) {
  return {learningRate(1e-3), Setting::fraction("beta1", 0.9, "decay of the mean gradient"),
          Setting::fraction("beta2", 0.999, "decay of the mean squared gradient"), epsilon(1e-8),
          weightDecay(optimizer == "adamw" ? 1e-2 : 0.0)};
}

SmallVector<OptimizerState> AdamOp::getOptimizerStates(const OptimizerSettings &) {
  return {{"exp_avg", 0.0}, {"exp_avg_sq", 0.0}};
}

Operation *AdamOp::buildUpdate(OpBuilder &b, Location loc, const OptimizerSettings &settings,
                               Value parameter, Value gradient, Value rate, Value step,
                               ValueRange states) {
  bool decoupled = settings.name() == "adamw";
  SmallVector<Type> types(3, parameter.getType());
  return AdamOp::create(
      b, loc, types, parameter, gradient, rate, step, states, b.getF64FloatAttr(settings["beta1"]),
      b.getF64FloatAttr(settings["beta2"]), b.getF64FloatAttr(settings["eps"]),
      b.getF64FloatAttr(settings["weight-decay"]), decoupled ? b.getUnitAttr() : UnitAttr());
}

SmallVector<Value> AdamOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  double beta1 = getBeta1().convertToDouble(), beta2 = getBeta2().convertToDouble();
  double epsilon = getEpsilon().convertToDouble();
  double decay = getWeightDecay().convertToDouble();
  bool decoupled = getDecoupled();
  Value rate = operands[Rate], step = operands[Step];
  auto scalar = RankedTensorType::get({}, k.builder.getF32Type());
  auto type = cast<RankedTensorType>(getResult(0).getType());

  // Corrections once for the whole tensor, and in f64: 1 - 0.999 has lost 17 bits in f32.
  auto correction = [](ScalarBuilder &s, Value step, double beta) {
    Type f64 = s.builder.getF64Type();
    Value t = s.add(s.convert(step, f64), s.constant(f64, 1.0));
    return s.sub(s.constant(f64, 1.0), s.pow(s.constant(f64, beta), t));
  };
  Value stepSize = k.pointwise({rate, step}, scalar, [&](ScalarBuilder &s, ValueRange x) {
    return s.div(s.convert(x[0], s.builder.getF64Type()), correction(s, x[1], beta1));
  });
  Value inverseRoot = k.pointwise(step, scalar, [&](ScalarBuilder &s, ValueRange x) {
    Value one = s.constant(s.builder.getF64Type(), 1.0);
    return s.div(one, s.sqrt(correction(s, x[0], beta2)));
  });

  double coupledDecay = decoupled ? 0.0 : decay;
  auto first = [=](ScalarBuilder &s, ValueRange x) {
    Value g = decayed(s, x, coupledDecay), m = x[FirstState];
    return s.add(m, s.mul(s.constantLike(m, 1 - beta1), s.sub(g, m)));
  };
  auto second = [=](ScalarBuilder &s, ValueRange x) {
    Value g = decayed(s, x, coupledDecay), v = x[FirstState + 1];
    return s.add(s.mul(s.constantLike(v, beta2), v),
                 s.mul(s.constantLike(v, 1 - beta2), s.mul(g, g)));
  };
  SmallVector<Value> wide(operands);
  wide.append({stepSize, inverseRoot});
  const size_t stepSizeAt = operands.size(), inverseRootAt = stepSizeAt + 1;
  Value parameter = k.pointwise(wide, type, [&](ScalarBuilder &s, ValueRange x) {
    Value p = x[Parameter];
    Type t = p.getType();
    if (decoupled && decay != 0)
      p = s.mul(p, s.sub(s.constant(t, 1.0), s.mul(rateOf(s, x), s.constant(t, decay))));
    Value root = s.mul(s.sqrt(second(s, x)), s.convert(x[inverseRootAt], t));
    Value ratio = s.div(first(s, x), s.add(root, s.constant(t, epsilon)));
    return s.sub(p, s.mul(s.convert(x[stepSizeAt], t), ratio));
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

SmallVector<OptimizerState> RmspropOp::getOptimizerStates(const OptimizerSettings &settings) {
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
  SmallVector<Type> types(1 + states.size(), parameter.getType());
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
    Value g = decayed(s, x, decay), v = x[FirstState];
    return s.add(s.mul(s.constantLike(v, alpha), v),
                 s.mul(s.constantLike(v, 1 - alpha), s.mul(g, g)));
  };
  auto mean = [=](ScalarBuilder &s, ValueRange x) {
    Value a = x[meanAt];
    return s.add(a, s.mul(s.constantLike(a, 1 - alpha), s.sub(decayed(s, x, decay), a)));
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

//===----------------------------------------------------------------------===//
// ONNX's training operators
//===----------------------------------------------------------------------===//

namespace {
/// The inputs of an ONNX training operator: R, T, then one group of tensors for each of
/// `groups` names, every group with one tensor for each result of its kind.
struct OnnxUpdate {
  Value rate, count;
  SmallVector<SmallVector<Value>> groups; ///< [group][tensor]
};

FailureOr<OnnxUpdate> readUpdate(OnnxNode &node, OpBuilder &b, ArrayRef<StringRef> groups) {
  size_t tensors = node.inputs.size() < 2 ? 0 : node.inputs.size() - 2;
  if (tensors == 0 || tensors % groups.size() != 0) {
    InFlightDiagnostic error = node.emitError();
    error << "has " << node.inputs.size() << " inputs; it takes R, T and then as many of ";
    llvm::interleaveComma(groups, error);
    return error;
  }
  for (auto [i, input] : llvm::enumerate(node.inputs))
    if (!input)
      return node.emitError() << "lacks input " << i;
  OnnxUpdate update{node.inputs[0], node.inputs[1], {}};
  auto isScalar = [](Value v) { return cast<RankedTensorType>(v.getType()).getNumElements() == 1; };
  if (!isScalar(update.rate) || !isa<FloatType>(getElementTypeOrSelf(update.rate.getType())))
    return node.emitError() << "has a learning rate R of " << update.rate.getType()
                            << ", not one float";
  if (node.learningRate)
    update.rate = node.learningRate(b, 0);
  if (!isScalar(update.count) || !getElementTypeOrSelf(update.count.getType()).isInteger(64))
    return node.emitError() << "has an update count T of " << update.count.getType()
                            << ", not one int64";
  size_t count = tensors / groups.size();
  for (size_t g = 0; g < groups.size(); ++g) {
    auto &group = update.groups.emplace_back();
    for (size_t i = 0; i < count; ++i) {
      Value v = node.inputs[2 + g * count + i];
      Value x = node.inputs[2 + i];
      if (v.getType() != x.getType())
        return node.emitError() << "has " << groups[g] << i + 1 << " of " << v.getType() << " for X"
                                << i + 1 << " of " << x.getType();
      group.push_back(v);
    }
  }
  return update;
}

/// Elementwise expressions over amp values, for formulas that need no op of their own.
class Formula {
public:
  Formula(OpBuilder &b, Location loc, Value like)
      : b(b), loc(loc), element(getElementTypeOrSelf(like.getType())) {}
  Value number(double x) { return splat(b, loc, RankedTensorType::get({}, element), x); }
  /// A scalar tensor in the formula's type, of rank 0.
  Value scalar(Value x) {
    x = castTo(b, loc, x, element);
    if (cast<RankedTensorType>(x.getType()).getRank() != 0)
      x = ReshapeOp::create(b, loc, RankedTensorType::get({}, element), x);
    return x;
  }
  Value add(Value x, Value y) { return AddOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return SubOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return MulOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return DivOp::create(b, loc, x, y); }
  Value sqrt(Value x) { return SqrtOp::create(b, loc, x); }
  Value pow(Value x, Value y) { return PowOp::create(b, loc, x, y); }
  /// `x` where `count` is above 0, else `y`.
  Value afterFirst(Value count, Value x, Value y) {
    auto i64 = RankedTensorType::get({}, b.getI64Type());
    if (count.getType() != i64)
      count = ReshapeOp::create(b, loc, i64, count);
    Value later = GreaterOp::create(b, loc, count, splat(b, loc, i64, 0));
    return WhereOp::create(b, loc, later, x, y);
  }

private:
  OpBuilder &b;
  Location loc;
  Type element;
};

/// All updated X, then all updated tensors of each further group, as ONNX orders them.
SmallVector<Value> inOnnxOrder(ArrayRef<SmallVector<Value>> byTensor) {
  SmallVector<Value> results;
  for (size_t kind = 0; kind < byTensor.front().size(); ++kind)
    for (const SmallVector<Value> &tensor : byTensor)
      results.push_back(tensor[kind]);
  return results;
}
} // namespace

/// Adagrad-1: r = R / (1 + T * decay_factor); g = norm_coefficient * X + G;
/// H' = H + g * g; X' = X - r * g / (sqrt(H') + epsilon).
FailureOr<SmallVector<Value>> AdagradOp::importNode(OnnxNode &node, OpBuilder &b) {
  FailureOr<OnnxUpdate> in = readUpdate(node, b, {"X", "G", "H"});
  if (failed(in))
    return failure();
  double epsilon = node.getFloat("epsilon", 1e-6), decay = node.getFloat("decay_factor", 0);
  double norm = node.getFloat("norm_coefficient", 0);
  if (node.hadError)
    return failure();
  SmallVector<SmallVector<Value>> results;
  for (auto [x, gradient, h] : llvm::zip(in->groups[0], in->groups[1], in->groups[2])) {
    Formula f(b, node.loc, x);
    Value t = f.scalar(in->count);
    Value r = f.div(f.scalar(in->rate), f.add(f.number(1), f.mul(t, f.number(decay))));
    Value g = f.add(f.mul(f.number(norm), x), gradient);
    Value sum = f.add(h, f.mul(g, g));
    Value step = f.div(f.mul(r, g), f.add(f.sqrt(sum), f.number(epsilon)));
    results.push_back({f.sub(x, step), sum});
  }
  return inOnnxOrder(results);
}

/// Adam-1: g = norm_coefficient * X + G; V' = alpha * V + (1 - alpha) * g;
/// H' = beta * H + (1 - beta) * g * g;
/// r = T > 0 ? R * sqrt(1 - beta^T) / (1 - alpha^T) : R;
/// X' = (1 - norm_coefficient_post) * (X - r * V' / (sqrt(H') + epsilon)).
FailureOr<SmallVector<Value>> AdamOp::importNode(OnnxNode &node, OpBuilder &b) {
  FailureOr<OnnxUpdate> in = readUpdate(node, b, {"X", "G", "V", "H"});
  if (failed(in))
    return failure();
  double alpha = node.getFloat("alpha", 0.9f), beta = node.getFloat("beta", 0.999f);
  double epsilon = node.getFloat("epsilon", 1e-6f);
  double norm = node.getFloat("norm_coefficient", 0);
  double post = node.getFloat("norm_coefficient_post", 0);
  if (node.hadError)
    return failure();
  SmallVector<SmallVector<Value>> results;
  for (auto [x, gradient, v, h] :
       llvm::zip(in->groups[0], in->groups[1], in->groups[2], in->groups[3])) {
    Formula f(b, node.loc, x);
    // The correction in f64: see AdamOp::emitKernel.
    Formula wide(b, node.loc, splat(b, node.loc, RankedTensorType::get({}, b.getF64Type()), 0));
    Value t = wide.scalar(in->count);
    auto complement = [&](double base) {
      return wide.sub(wide.number(1), wide.pow(wide.number(base), t));
    };
    Value factor = wide.div(wide.sqrt(complement(beta)), complement(alpha));
    Value rate = f.scalar(in->rate);
    Value r = f.afterFirst(in->count, f.mul(rate, f.scalar(factor)), rate);
    Value g = f.add(f.mul(f.number(norm), x), gradient);
    Value first = f.add(f.mul(f.number(alpha), v), f.mul(f.number(1 - alpha), g));
    Value second = f.add(f.mul(f.number(beta), h), f.mul(f.number(1 - beta), f.mul(g, g)));
    Value step = f.div(f.mul(r, first), f.add(f.sqrt(second), f.number(epsilon)));
    Value updated = f.mul(f.number(1 - post), f.sub(x, step));
    results.push_back({updated, first, second});
  }
  return inOnnxOrder(results);
}

/// Momentum-1: g = norm_coefficient * X + G; V' = alpha * V + (T > 0 ? beta : 1) * g;
/// X' = X - R * (nesterov ? g + alpha * V' : V').
FailureOr<SmallVector<Value>> SgdOp::importNode(OnnxNode &node, OpBuilder &b) {
  FailureOr<OnnxUpdate> in = readUpdate(node, b, {"X", "G", "V"});
  if (failed(in))
    return failure();
  for (StringRef required : {"alpha", "beta", "norm_coefficient", "mode"})
    if (!node.hasAttribute(required))
      return node.emitError() << "lacks attribute " << required;
  double alpha = node.getFloat("alpha", 0), beta = node.getFloat("beta", 0);
  double norm = node.getFloat("norm_coefficient", 0);
  std::string mode = node.getString("mode", "");
  if (node.hadError)
    return failure();
  if (mode != "standard" && mode != "nesterov")
    return node.emitError() << "has mode '" << mode << "', not standard or nesterov";
  SmallVector<SmallVector<Value>> results;
  for (auto [x, gradient, v] : llvm::zip(in->groups[0], in->groups[1], in->groups[2])) {
    Formula f(b, node.loc, x);
    Value g = f.add(f.mul(f.number(norm), x), gradient);
    Value scale = f.afterFirst(in->count, f.number(beta), f.number(1));
    Value velocity = f.add(f.mul(f.number(alpha), v), f.mul(scale, g));
    Value direction = mode == "nesterov" ? f.add(g, f.mul(f.number(alpha), velocity)) : velocity;
    results.push_back({f.sub(x, f.mul(f.scalar(in->rate), direction)), velocity});
  }
  return inOnnxOrder(results);
}
