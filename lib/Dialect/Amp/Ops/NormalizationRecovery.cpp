//===- NormalizationRecovery.cpp - Norms that files spell out -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Of a tensor x along some axes:
//
//   d = x - mean(x); y = d / sqrt(mean(d ^ 2) + epsilon) [* scale] [+ bias]
//
// or, as TensorFlow has it, y = x * s + (bias - mean(x) * s) with s = [scale] / sqrt(..). Along the
// last axes it is amp.layer_norm, along all but one amp.batch_norm, and without a mean
// amp.rms_norm.
//
//===----------------------------------------------------------------------===//

#include "NormRows.h"
#include "Recovery.h"
#include "ampc/Dialect/Amp/Ops/BatchNorm.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Normalization.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/RmsNorm.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// The norm
//===----------------------------------------------------------------------===//

namespace {
class SpelledNorm {
public:
  explicit SpelledNorm(Operation *last) : spelling(last) {}

  /// Whether it is a norm up to `spelling.getLast()`; with `why`, where it is one but for that.
  bool match();
  /// A parameter that the one `OpTy` that comes next brings: it has 1 along `shared`.
  template <typename OpTy>
  Value takeParameter(ArrayRef<int64_t> shared);
  /// The norm is of a lower type, and in a wider one only within.
  void takeCasts();

  Spelling spelling;
  Value input, scale, bias;
  bool hasMean = false;
  SmallVector<int64_t> axes;
  double epsilon = 0;
  /// What makes the mean of the squares; null where nothing does.
  Operation *core = nullptr;
  std::string why;

private:
  bool matchQuotient(Value distance, Value root);
  bool matchProduct(Value distance, Value inverse);
  bool matchVariance(Value distance, Value shifted);
  bool matchTensorFlow(AddOp sum);
  Value takeScale(Spelling &s, Value inverse, Value &shifted);
};
} // namespace

/// Whether all axes of a result are the last ones, and the first of them.
static bool areLast(ArrayRef<int64_t> axes, Value x) {
  return llvm::equal(axes, rowAxes(tensorType(x), axes.front()));
}

/// `distance` over the root of `shifted`.
bool SpelledNorm::matchVariance(Value distance, Value shifted) {
  Value variance = shifted, of;
  Spelling before = spelling;
  if (!takeMeanSquare(spelling, variance, of, axes)) {
    spelling = before;
    if (takeShift(spelling, shifted, variance, epsilon)) {
      if (!takeMeanSquare(spelling, variance, of, axes))
        return false;
    } else {
      // One of the terms may be the mean of squares.
      auto sum = shifted.getDefiningOp<AddOp>();
      for (Value term : {sum ? sum.getLhs() : Value(), sum ? sum.getRhs() : Value()}) {
        Spelling copy = before;
        if (term && takeMeanSquare(copy, term, of, axes)) {
          core = term.getDefiningOp();
          why = "what is added to the mean of the squares is no number";
        }
      }
      return false;
    }
  }
  core = variance.getDefiningOp();
  if (!(epsilon >= 0)) {
    why = "epsilon is negative";
    return false;
  }
  if (of != distance) {
    why = "what is divided is not what is squared";
    return false;
  }
  input = distance;
  auto difference = distance.getDefiningOp<SubOp>();
  if (!difference)
    return true;
  Spelling withMean = spelling;
  SmallVector<int64_t> meanAxes;
  withMean.takeOp(difference);
  if (!takeMean(withMean, difference.getRhs(), of, meanAxes) || of != difference.getLhs())
    return true; // of any difference
  hasMean = true;
  spelling = withMean;
  input = difference.getLhs();
  if (meanAxes != axes)
    why = "mean and variance are along different axes";
  return why.empty();
}

bool SpelledNorm::matchQuotient(Value distance, Value root) {
  Value shifted, of;
  Spelling before = spelling;
  if (takeRoot(spelling, root, shifted))
    return matchVariance(distance, shifted);
  spelling = before;
  if (takeShift(spelling, root, root, epsilon) && takeRoot(spelling, root, shifted) &&
      takeMeanSquare(spelling, shifted, of, axes) && of == distance) {
    core = shifted.getDefiningOp();
    why = "epsilon is added to the root, not to the mean of the squares";
  }
  return false;
}

/// The scale in `inverse`, a product with 1 / sqrt(shifted); null without one, and `shifted` is
/// null where there is no such root.
Value SpelledNorm::takeScale(Spelling &s, Value inverse, Value &shifted) {
  Spelling before = s;
  if (takeInverseRoot(s, inverse, shifted))
    return {};
  s = before;
  if (auto product = s.take<MulOp>(inverse))
    for (auto [root, factor] : {std::pair(product.getLhs(), product.getRhs()),
                                std::pair(product.getRhs(), product.getLhs())}) {
      Spelling copy = s;
      if (takeInverseRoot(copy, root, shifted)) {
        s = copy;
        return factor;
      }
    }
  if (auto quotient = s.take<DivOp>(inverse))
    if (takeRoot(s, quotient.getRhs(), shifted))
      return quotient.getLhs();
  shifted = {};
  return {};
}

bool SpelledNorm::matchProduct(Value distance, Value inverse) {
  Value shifted;
  scale = takeScale(spelling, inverse, shifted);
  return shifted && matchVariance(distance, shifted);
}

/// x * s + (bias - mean * s)
bool SpelledNorm::matchTensorFlow(AddOp sum) {
  for (auto [left, right] :
       {std::pair(sum.getLhs(), sum.getRhs()), std::pair(sum.getRhs(), sum.getLhs())}) {
    auto product = left.getDefiningOp<MulOp>();
    auto offset = right.getDefiningOp<SubOp>();
    auto moved = offset ? offset.getRhs().getDefiningOp<MulOp>() : MulOp();
    if (!product || !moved)
      continue;
    for (auto [x, s] : {std::pair(product.getLhs(), product.getRhs()),
                        std::pair(product.getRhs(), product.getLhs())}) {
      if (moved.getLhs() != s && moved.getRhs() != s)
        continue;
      SpelledNorm trial(sum);
      Value mean = moved.getLhs() == s ? moved.getRhs() : moved.getLhs(), shifted, variance, of;
      for (Operation *op : {product.getOperation(), offset.getOperation(), moved.getOperation()})
        trial.spelling.takeOp(op);
      trial.scale = trial.takeScale(trial.spelling, s, shifted);
      SmallVector<int64_t> meanAxes;
      if (!shifted || !takeShift(trial.spelling, shifted, variance, trial.epsilon) ||
          !takeMeanSquare(trial.spelling, variance, of, trial.axes) ||
          !takeMean(trial.spelling, mean, trial.input, meanAxes) || trial.input != x ||
          meanAxes != trial.axes || !(trial.epsilon >= 0))
        continue;
      auto difference = trial.spelling.take<SubOp>(of);
      if (!difference || difference.getLhs() != x || difference.getRhs() != mean)
        continue;
      trial.bias = offset.getLhs();
      trial.hasMean = true;
      trial.core = variance.getDefiningOp();
      *this = trial;
      return true;
    }
  }
  return false;
}

bool SpelledNorm::match() {
  Operation *last = spelling.getLast();
  RankedTensorType type = tensorType(last->getResult(0));
  if (!isa<FloatType>(type.getElementType()))
    return false;
  bool isMatch = false;
  if (auto sum = dyn_cast<AddOp>(last)) {
    isMatch = matchTensorFlow(sum);
  } else if (auto quotient = dyn_cast<DivOp>(last)) {
    isMatch = matchQuotient(quotient.getLhs(), quotient.getRhs());
  } else {
    auto product = cast<MulOp>(last);
    SpelledNorm other(last);
    isMatch = matchProduct(product.getLhs(), product.getRhs());
    if (!isMatch && other.matchProduct(product.getRhs(), product.getLhs())) {
      *this = other;
      isMatch = true;
    } else if (!isMatch && why.empty()) {
      *this = other;
    }
  }
  return isMatch && input.getType() == type;
}

template <typename OpTy>
Value SpelledNorm::takeParameter(ArrayRef<int64_t> shared) {
  auto next = spelling.getNext<OpTy>();
  if (!next)
    return {};
  Value y = spelling.getLast()->getResult(0);
  Value parameter = next.getLhs() == y ? next.getRhs() : next.getLhs();
  int64_t missing = tensorType(y).getRank() - tensorType(parameter).getRank();
  for (int64_t d : shared)
    if (d >= missing && tensorType(parameter).getDimSize(d - missing) != 1)
      return {};
  spelling.extend(next);
  return parameter;
}

void SpelledNorm::takeCasts() {
  Value y = spelling.getLast()->getResult(0);
  auto widened = input.getDefiningOp<CastOp>();
  auto narrowed = y.hasOneUse() ? dyn_cast<CastOp>(*y.user_begin()) : CastOp();
  if (scale || !widened || !narrowed || narrowed.getType() != widened.getInput().getType())
    return;
  auto low = dyn_cast<FloatType>(getElementTypeOrSelf(narrowed.getType()));
  if (!low || low.getWidth() >= getElementTypeOrSelf(y.getType()).getIntOrFloatBitWidth() ||
      !getElementTypeOrSelf(y.getType()).isF32())
    return;
  spelling.takeShared(widened);
  spelling.extend(narrowed);
  input = widened.getInput();
}

//===----------------------------------------------------------------------===//
// Rows: layer_norm, rms_norm
//===----------------------------------------------------------------------===//

/// The dimensions that `axes` leave.
static SmallVector<int64_t> otherAxes(Value x, ArrayRef<int64_t> axes) {
  SmallVector<int64_t> others;
  for (int64_t d = 0; d < tensorType(x).getRank(); ++d)
    if (!llvm::is_contained(axes, d))
      others.push_back(d);
  return others;
}

/// Whether a parameter that stood among the statistics has 1 along `shared`.
static bool isSame(Value parameter, Value x, ArrayRef<int64_t> shared) {
  int64_t missing = tensorType(x).getRank() - tensorType(parameter).getRank();
  return llvm::all_of(shared, [&](int64_t d) {
    return d < missing || tensorType(parameter).getDimSize(d - missing) == 1;
  });
}

template <bool hasMean>
static LogicalResult recoverRows(Operation *last, PatternRewriter &rewriter, RecoveryLog &log) {
  StringRef kind = hasMean ? "layer norm" : "rms norm";
  SpelledNorm norm(last);
  bool isMatch = norm.match();
  if (norm.core && norm.hasMean != hasMean)
    return failure();
  if (isMatch && !areLast(norm.axes, norm.input)) {
    // Along all axes but one, it is a batch norm.
    if (hasMean && otherAxes(norm.input, norm.axes).size() == 1)
      return failure();
    norm.why = "the means are not over the last dimensions";
  } else if (isMatch) {
    norm.takeCasts();
    SmallVector<int64_t> leading = otherAxes(norm.input, norm.axes);
    if (norm.scale && !isSame(norm.scale, norm.input, leading))
      norm.why = "the scale differs from row to row";
    if (!norm.scale && !norm.bias)
      norm.scale = norm.takeParameter<MulOp>(leading);
    if (norm.bias && !isSame(norm.bias, norm.input, leading))
      norm.why = "the bias differs from row to row";
    if (hasMean && !norm.bias)
      norm.bias = norm.takeParameter<AddOp>(leading);
    if (norm.why.empty())
      norm.why = norm.spelling.whyNot();
  }
  if (!isMatch || !norm.why.empty()) {
    if (norm.core && !norm.why.empty())
      log.miss(norm.core, kind, norm.why);
    return failure();
  }
  Location loc = norm.spelling.getLoc();
  rewriter.setInsertionPoint(norm.spelling.getLast());
  RankedTensorType type = tensorType(norm.input);
  int64_t axis = norm.axes.front();
  Value scale = norm.scale;
  if (!scale)
    scale = splat(rewriter, loc, type.clone(type.getShape().drop_front(axis)), 1.0);
  IntegerAttr axisAttr = rewriter.getI64IntegerAttr(axis);
  FloatAttr epsilon = rewriter.getF64FloatAttr(norm.epsilon);
  Operation *op;
  if constexpr (hasMean)
    op = LayerNormOp::create(rewriter, loc, norm.input, scale, norm.bias, axisAttr, epsilon);
  else
    op = RmsNormOp::create(rewriter, loc, norm.input, scale, axisAttr, epsilon);
  norm.spelling.replace(rewriter, log, kind, op, op->getResult(0));
  return success();
}

void LayerNormOp::getRecoveryPatterns(RewritePatternSet &patterns, RecoveryLog &log) {
  addRecovery<MulOp, DivOp, AddOp>(patterns, log, recoverRows<true>);
  addAffineRecovery(patterns, log);
}

void RmsNormOp::getRecoveryPatterns(RewritePatternSet &patterns, RecoveryLog &log) {
  addRecovery<MulOp, DivOp>(patterns, log, recoverRows<false>);
}

//===----------------------------------------------------------------------===//
// Channels: batch_norm
//===----------------------------------------------------------------------===//

/// A parameter as the op takes it, one element a channel; null where it is none.
static Value asVector(PatternRewriter &rewriter, Location loc, Value parameter, int64_t channels) {
  if (!parameter || tensorType(parameter).getNumElements() != channels)
    return {};
  return reshapeTo(rewriter, loc, parameter, {channels});
}

static LogicalResult recoverBatchNorm(Operation *last, PatternRewriter &rewriter,
                                      RecoveryLog &log) {
  SpelledNorm norm(last);
  if (!norm.match() || !norm.hasMean || areLast(norm.axes, norm.input))
    return failure();
  SmallVector<int64_t> channelAxes = otherAxes(norm.input, norm.axes);
  if (channelAxes.size() != 1)
    return failure();
  RankedTensorType type = tensorType(norm.input);
  int64_t axis = channelAxes.front(), channels = type.getDimSize(axis);
  bool isWhole = bool(norm.bias);
  if (!isWhole && !norm.scale)
    norm.scale = norm.takeParameter<MulOp>(norm.axes);
  if (!isWhole)
    norm.bias = norm.takeParameter<AddOp>(norm.axes);
  for (Value parameter : {norm.scale, norm.bias})
    if (parameter && (!isSame(parameter, norm.input, norm.axes) ||
                      tensorType(parameter).getNumElements() != channels))
      norm.why = "scale or bias has not one element a channel";
  if (norm.why.empty())
    norm.why = norm.spelling.whyNot();
  if (!norm.why.empty()) {
    log.miss(norm.core, "batch norm", norm.why);
    return failure();
  }
  Location loc = norm.spelling.getLoc();
  rewriter.setInsertionPoint(norm.spelling.getLast());
  auto vector = RankedTensorType::get({channels}, type.getElementType());
  Value zero = splat(rewriter, loc, vector, 0), one = splat(rewriter, loc, vector, 1);
  Value scale = asVector(rewriter, loc, norm.scale, channels);
  Value bias = asVector(rewriter, loc, norm.bias, channels);
  // Nothing reads what becomes of running statistics.
  auto op =
      BatchNormOp::create(rewriter, loc, norm.input, scale ? scale : one, bias ? bias : zero, zero,
                          one, rewriter.getI64IntegerAttr(axis),
                          rewriter.getF64FloatAttr(norm.epsilon), rewriter.getF64FloatAttr(0));
  norm.spelling.replace(rewriter, log, "batch norm", op, op.getY());
  return success();
}

void BatchNormOp::getRecoveryPatterns(RewritePatternSet &patterns, RecoveryLog &log) {
  addRecovery<MulOp, DivOp, AddOp>(patterns, log, recoverBatchNorm);
}
