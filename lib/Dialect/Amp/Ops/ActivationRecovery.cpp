//===- ActivationRecovery.cpp - Gates that files spell out ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A gate is x times a curve from 0 to 1: the normal distribution's P(u) = (1 + erf(u / sqrt(2))) /
// 2 or the logistic s(u) = 1 / (1 + e ^ -u) = (1 + tanh(u / 2)) / 2. What u is of x tells which:
//
//   x * P(x)                                     amp.gelu
//   x * s(sqrt(8 / pi) * (x + 0.044715 * x ^ 3)) amp.gelu {tanh}
//   x * s(alpha * x)                             amp.swish
//
//===----------------------------------------------------------------------===//

#include "Recovery.h"
#include "ampc/Dialect/Amp/Ops/Activation.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Rectifier.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace ampc;

static const double kSqrt8OverPi = 2 * std::sqrt(2 * llvm::numbers::inv_pi);
static constexpr double kGeluCubic = 0.044715;

namespace {
/// `number` times the curve of `scale * argument`.
struct Curve {
  bool isNormal = false; ///< P, not s
  Operation *core = nullptr;
  Value argument;
  double scale = 1, number = 1;
};
} // namespace

/// The curve that a factor, or a divisor, is.
static std::optional<Curve> takeCurve(Spelling &spelling, Value value, bool isDivisor) {
  Affine a = takeAffine(spelling, value);
  Curve curve;
  curve.core = a.core.getDefiningOp();
  if (!curve.core || a.scale == 0)
    return std::nullopt;
  auto isBalanced = [&](double ratio) { return isNear(a.offset, ratio * a.scale, value); };
  bool isFalling = a.offset * a.scale < 0;
  if (isDivisor) {
    // offset * (1 + e ^ u)
    if (!spelling.take<ExpOp>(a.core) || !isBalanced(1))
      return std::nullopt;
    curve.number = 1 / a.offset;
    curve.scale = -1;
  } else if (spelling.take<ErfOp>(a.core) || spelling.take<TanhOp>(a.core)) {
    // offset * (1 +- f(u)): both are odd
    if (!isBalanced(isFalling ? -1 : 1))
      return std::nullopt;
    curve.isNormal = isa<ErfOp>(curve.core);
    curve.number = 2 * a.offset;
    curve.scale = (isFalling ? -1 : 1) * (curve.isNormal ? llvm::numbers::sqrt2 : 2);
  } else if (spelling.take<SigmoidOp>(a.core)) {
    // 1 - s(u) = s(-u)
    if (a.offset != 0 && !isBalanced(-1))
      return std::nullopt;
    curve.number = a.offset != 0 ? a.offset : a.scale;
    curve.scale = a.offset != 0 ? -1 : 1;
  } else {
    return std::nullopt;
  }
  curve.argument = curve.core->getOperand(0);
  return curve;
}

static std::string describe(const Polynomial &p) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (unsigned i = 0; i < p.size(); ++i) {
    if (p[i] == 0)
      continue;
    os << (text.empty() ? "" : " + ") << llvm::format("%.7g", p[i]);
    if (i > 0)
      os << " * x";
    if (i > 1)
      os << " ^ " << i;
  }
  return text.empty() ? "0" : text;
}

namespace {
/// What a gate is.
struct Gate {
  bool isGelu = true, isTanh = false;
  double alpha = 1;
};
} // namespace

/// The gate with a curve of `p` of x; nullopt, with what it says in `why`, where there is no such.
static std::optional<Gate> nameGate(const Curve &curve, const Polynomial &p, Value x,
                                    std::string &why) {
  auto is = [&](unsigned i, double expected) {
    return expected == 0 ? p[i] == 0 : isNear(p[i], expected, x);
  };
  bool isLine = is(0, 0) && is(2, 0) && is(3, 0);
  Gate gate;
  if (curve.isNormal) {
    if (isLine && is(1, 1))
      return gate;
    why = "the argument of erf is " + describe(p) + " over sqrt(2), where gelu has x";
    return std::nullopt;
  }
  if (isLine && p[1] != 0) {
    gate.isGelu = false;
    gate.alpha = isNear(p[1], 1, x) ? 1 : p[1];
    return gate;
  }
  gate.isTanh = true;
  if (is(0, 0) && is(1, kSqrt8OverPi) && is(2, 0) && is(3, kSqrt8OverPi * kGeluCubic))
    return gate;
  why = "the argument of the sigmoid is " + describe(p) + ", where gelu has " +
        describe({0, kSqrt8OverPi, 0, kSqrt8OverPi * kGeluCubic});
  return std::nullopt;
}

/// Whether a product that reads the result of `last`, and nothing else, goes on with it.
static bool isInnerProduct(Operation *last) {
  Value y = last->getResult(0);
  return y.hasOneUse() && isa<MulOp, DivOp>(*y.user_begin());
}

/// `last` is a product, or a quotient.
static LogicalResult recoverGate(Operation *last, PatternRewriter &rewriter, RecoveryLog &log) {
  RankedTensorType type = tensorType(last->getResult(0));
  if (!isa<FloatType>(type.getElementType()))
    return failure();
  Spelling outer(last);
  Product product = takeProduct(outer);
  // A gate and nothing else: x and the curve.
  if (product.factors.size() + product.divisors.size() != 2 || product.factors.empty())
    return failure();
  SmallVector<Value> parts(product.factors.begin(), product.factors.end());
  llvm::append_range(parts, product.divisors);
  for (unsigned i = 0; i < 2; ++i) {
    bool isDivisor = !product.divisors.empty();
    if (isDivisor && i == 0)
      continue;
    Value x = parts[1 - i];
    Spelling spelling = outer;
    std::optional<Curve> curve = takeCurve(spelling, parts[i], isDivisor);
    if (!curve || x.getType() != type)
      continue;
    std::optional<Polynomial> p = takePolynomial(spelling, curve->argument, x);
    if (!p)
      continue;
    for (double &coefficient : *p)
      coefficient *= curve->scale;
    std::string why;
    std::optional<Gate> gate = nameGate(*curve, *p, x, why);
    StringRef kind = !gate || gate->isGelu ? "gelu" : gate->alpha == 1 ? "silu" : "swish";
    double number = product.number * curve->number;
    if (gate && !isNear(number, 1, x)) {
      if (isInnerProduct(last))
        return failure(); // the other factor may stand there
      why = llvm::formatv("the product is {0} times what it should be", number);
    }
    if (why.empty() && !gate->isGelu && type.getElementType().isF64() &&
        double(float(gate->alpha)) != gate->alpha)
      why = "alpha is no f32";
    if (why.empty())
      why = spelling.whyNot();
    if (!why.empty()) {
      log.miss(curve->core, kind, why);
      return failure();
    }
    Location loc = spelling.getLoc();
    rewriter.setInsertionPoint(last);
    Operation *op;
    if (gate->isGelu)
      op = GeluOp::create(rewriter, loc, type, x, gate->isTanh);
    else
      op = SwishOp::create(rewriter, loc, type, x, APFloat(float(gate->alpha)));
    spelling.replace(rewriter, log, kind, op, op->getResult(0));
    return success();
  }
  return failure();
}

/// 1 / (1 + e ^ -x), as files have it that know no sigmoid.
static LogicalResult recoverSigmoid(Operation *last, PatternRewriter &rewriter, RecoveryLog &log) {
  RankedTensorType type = tensorType(last->getResult(0));
  if (!isa<FloatType>(type.getElementType()))
    return failure();
  Spelling spelling(last);
  Product product = takeProduct(spelling);
  if (!product.factors.empty() || product.divisors.size() != 1)
    return failure();
  std::optional<Curve> curve = takeCurve(spelling, product.divisors[0], /*isDivisor=*/true);
  if (!curve || !isNear(product.number * curve->number, 1, product.divisors[0]))
    return failure();
  auto negated = spelling.take<NegOp>(curve->argument);
  Value x = negated ? negated.getInput() : curve->argument;
  if (x.getType() != type)
    return failure();
  if (std::string why = spelling.whyNot(); !why.empty()) {
    log.miss(curve->core, "sigmoid", why);
    return failure();
  }
  Location loc = spelling.getLoc();
  rewriter.setInsertionPoint(last);
  if (!negated)
    x = NegOp::create(rewriter, loc, type, x);
  auto op = SigmoidOp::create(rewriter, loc, type, x);
  spelling.replace(rewriter, log, "sigmoid", op, op);
  return success();
}

void GeluOp::getRecoveryPatterns(RewritePatternSet &patterns, RecoveryLog &log) {
  addRecovery<MulOp, DivOp>(patterns, log, recoverGate);
}

void SigmoidOp::getRecoveryPatterns(RewritePatternSet &patterns, RecoveryLog &log) {
  addRecovery<DivOp, ReciprocalOp>(patterns, log, recoverSigmoid);
}
