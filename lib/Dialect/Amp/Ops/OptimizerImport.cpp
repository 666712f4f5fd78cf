//===- OptimizerImport.cpp - ONNX's training operators --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Optimizer.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace ampc;

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
      // The formulas below are ops of their own: only here it is known what the tensor is.
      if (node.isTraining && groups[g] == "G")
        v = ParameterGradientOp::create(b, node.loc, v, x);
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
