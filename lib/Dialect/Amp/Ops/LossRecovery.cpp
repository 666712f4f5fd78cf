//===- LossRecovery.cpp - Cross entropy that files spell out --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Recovery.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Iota.h"
#include "ampc/Dialect/Amp/Ops/Loss.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/Scatter.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Softmax.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

static constexpr StringRef kKind = "softmax cross entropy";

namespace {
/// What moves log probabilities: casts to a wider type, transposes and reshapes that keep classes
/// together. It moves logits as well.
struct MovedLogSoftmax {
  LogSoftmaxOp op;
  SmallVector<Operation *> moves; ///< from the last one back
};
} // namespace

/// Whether a reshape keeps the last dimension, which is `axis`.
static bool keepsClasses(ReshapeOp reshape, int64_t axis) {
  ArrayRef<int64_t> from = tensorType(reshape.getInput()).getShape();
  ArrayRef<int64_t> to = reshape.getType().getShape();
  return axis == int64_t(to.size()) - 1 && !from.empty() && from.back() == to.back();
}

/// The log_softmax of which `value` has the classes along `axis`. What stands between is taken.
static std::optional<MovedLogSoftmax> takeLogSoftmax(Spelling &spelling, Value value,
                                                     int64_t axis) {
  MovedLogSoftmax moved;
  while (Operation *op = value.getDefiningOp()) {
    if (auto logSoftmax = dyn_cast<LogSoftmaxOp>(op)) {
      spelling.takeOp(op);
      moved.op = logSoftmax;
      return int64_t(logSoftmax.getAxis()) == axis ? std::optional(moved) : std::nullopt;
    }
    if (auto transpose = dyn_cast<TransposeOp>(op)) {
      axis = transpose.getPermutation()[axis];
    } else if (auto reshape = dyn_cast<ReshapeOp>(op)) {
      if (!keepsClasses(reshape, axis))
        return std::nullopt;
      axis = tensorType(reshape.getInput()).getRank() - 1;
    } else if (auto cast = dyn_cast<CastOp>(op)) {
      auto from = dyn_cast<FloatType>(getElementTypeOrSelf(cast.getInput().getType()));
      if (!from || from.getWidth() > getElementTypeOrSelf(cast.getType()).getIntOrFloatBitWidth())
        return std::nullopt;
    } else {
      return std::nullopt;
    }
    spelling.takeOp(op);
    moved.moves.push_back(op);
    value = op->getOperand(0);
  }
  return std::nullopt;
}

/// The logits, moved as the log probabilities are.
static Value moveLogits(PatternRewriter &rewriter, MovedLogSoftmax moved) {
  Value x = moved.op.getInput();
  for (Operation *op : llvm::reverse(moved.moves)) {
    IRMapping mapping;
    mapping.map(op->getOperand(0), x);
    x = rewriter.clone(*op, mapping)->getResult(0);
  }
  return x;
}

/// The loss of log probabilities.
static LogicalResult recoverOfNll(Operation *last, PatternRewriter &rewriter, RecoveryLog &log) {
  auto nll = cast<NllLossOp>(last);
  Spelling spelling(last);
  std::optional<MovedLogSoftmax> moved = takeLogSoftmax(spelling, nll.getInput(), /*axis=*/1);
  if (!moved)
    return failure();
  if (std::string why = spelling.whyNot(); !why.empty()) {
    log.miss(last, kKind, why);
    return failure();
  }
  Location loc = spelling.getLoc();
  rewriter.setInsertionPoint(last);
  auto op = SoftmaxCrossEntropyOp::create(rewriter, loc, moveLogits(rewriter, *moved),
                                          nll.getLabels(), nll.getWeights(), nll.getReductionAttr(),
                                          nll.getIgnoreIndexAttr());
  spelling.replace(rewriter, log, kKind, op, op);
  return success();
}

/// Labels as the loss takes them, of indices that count from the end where they are negative.
static Value labelsOf(PatternRewriter &rewriter, Location loc, Value indices, int64_t classes) {
  auto scalar = RankedTensorType::get({}, tensorType(indices).getElementType());
  auto number = [&](int64_t value) {
    return buildConstant(
        rewriter, loc,
        DenseElementsAttr::get(scalar,
                               rewriter.getIntegerAttr(scalar.getElementType(), value).getValue()));
  };
  Value fromEnd = AddOp::create(rewriter, loc, indices, number(classes));
  Value isFromEnd = LessOp::create(rewriter, loc, indices, number(0));
  return WhereOp::create(rewriter, loc, isFromEnd, fromEnd, indices);
}

/// Why a loss does not take classes along `axis` as they are spelled; empty where it does.
static std::string whyNotAlong(int64_t axis, RankedTensorType type, const Spelling &spelling) {
  if (axis != 1 && axis != type.getRank() - 1)
    return "the classes lie neither along dimension 1 nor along the last one";
  return spelling.whyNot();
}

/// The loss of each line of `logits` along `axis`, which is 1 or the last one, with the label that
/// `labels` has for it in whatever shape.
static SoftmaxCrossEntropyOp buildLoss(PatternRewriter &rewriter, Location loc, Value logits,
                                       Value labels, int64_t axis, IntegerAttr ignored) {
  SmallVector<int64_t> shape(tensorType(logits).getShape());
  int64_t classes = shape[axis];
  shape.erase(shape.begin() + axis);
  if (axis != 1) { // the last one
    shape = {llvm::product_of(shape)};
    logits = reshapeTo(rewriter, loc, logits, {shape.front(), classes});
  }
  labels = reshapeTo(rewriter, loc, labels, shape);
  return SoftmaxCrossEntropyOp::create(rewriter, loc, logits, labels, Value(), LossReduction::None,
                                       ignored);
}

/// The log probability of a label, mostly negated.
static LogicalResult recoverOfGather(Operation *last, PatternRewriter &rewriter, RecoveryLog &log) {
  auto gather = cast<GatherElementsOp>(last);
  int64_t axis = gather.getAxis();
  RankedTensorType type = tensorType(gather.getInput());
  if (!isa<FloatType>(type.getElementType()))
    return failure();
  Spelling spelling(last);
  std::optional<MovedLogSoftmax> moved = takeLogSoftmax(spelling, gather.getInput(), axis);
  if (!moved)
    return failure();
  std::string why;
  if (tensorType(gather.getIndices()).getShape() != ArrayRef(keepAxes(type.getShape(), axis)))
    why = "there is not one label for each line of log probabilities";
  else
    why = whyNotAlong(axis, type, spelling);
  if (!why.empty()) {
    log.miss(last, kKind, why);
    return failure();
  }
  // What only moves the result is gone through, to where it is negated.
  Operation *end = last;
  auto nextOf = [](Operation *op) -> Operation * {
    return op->hasOneUse() ? *op->user_begin() : nullptr;
  };
  Operation *next = nextOf(end);
  while (isa_and_nonnull<ReshapeOp>(next))
    next = nextOf(next);
  bool isNegated = isa_and_nonnull<NegOp>(next) &&
                   next->getAttr(kPrecisionAttr) == last->getAttr(kPrecisionAttr) &&
                   !next->hasAttr(kOperandPrecisionAttr);
  if (isNegated)
    for (end = nextOf(last);; end = nextOf(end)) {
      spelling.extend(end);
      if (end == next)
        break;
    }
  Location loc = spelling.getLoc();
  rewriter.setInsertionPoint(last);
  Value labels = labelsOf(rewriter, loc, gather.getIndices(), type.getDimSize(axis));
  auto op = buildLoss(rewriter, loc, moveLogits(rewriter, *moved), labels, axis, IntegerAttr());
  rewriter.setInsertionPoint(spelling.getLast());
  Value result = reshapeTo(rewriter, loc, op, tensorType(end->getResult(0)).getShape());
  if (!isNegated)
    result = NegOp::create(rewriter, loc, result.getType(), result);
  spelling.replace(rewriter, log, kKind, op, result);
  return success();
}

/// What a choice with a known condition chooses, without a change of its shape; else null. It is
/// not folded elsewhere: a parameter that is not chosen has a gradient of zeros, and decays.
static Value knownChoice(WhereOp choice) {
  DenseElementsAttr condition;
  if (!matchPattern(choice.getCondition(), m_Constant(&condition)) || !condition.isSplat())
    return {};
  Value chosen = condition.getSplatValue<bool>() ? choice.getLhs() : choice.getRhs();
  return chosen.getType() == choice.getType() ? chosen : Value();
}

/// What `value` is before its dimensions of 1 were moved or left out; what did that is taken.
static Value takeUnmoved(Spelling &spelling, Value value) {
  auto keepsOrder = [](TransposeOp transpose) {
    ArrayRef<int64_t> from = tensorType(transpose.getInput()).getShape();
    SmallVector<int64_t> moved(transpose.getPermutation());
    llvm::erase_if(moved, [&](int64_t d) { return from[d] == 1; });
    return llvm::is_sorted(moved);
  };
  while (Operation *op = value.getDefiningOp()) {
    auto transpose = dyn_cast<TransposeOp>(op);
    auto choice = dyn_cast<WhereOp>(op);
    Value before = choice ? knownChoice(choice) : Value();
    if (isa<ReshapeOp>(op) || (transpose && keepsOrder(transpose)))
      before = op->getOperand(0);
    if (!before)
      break;
    spelling.takeOp(op);
    value = before;
  }
  return value;
}

/// Whether `value` is log(sum(e ^ x)) along `axis`, which it may have lost.
static bool takeLogSumExpAlong(Spelling &spelling, Value value, Value x, int64_t axis) {
  value = takeUnmoved(spelling, value);
  if (auto sum = value.getDefiningOp<ReduceLogSumExpOp>()) {
    spelling.takeOp(sum);
    return sum.getInput() == x && sum.getAxes() == ArrayRef(axis);
  }
  int64_t along = -1;
  return takeLogSumExp(spelling, value, x, along) && along == axis;
}

/// log(sum(e ^ logits)) less the label's logit, or the other way round.
static LogicalResult recoverOfLogSumExp(Operation *last, PatternRewriter &rewriter,
                                        RecoveryLog &log) {
  auto difference = cast<SubOp>(last);
  if (difference.getLhs().getType() != difference.getRhs().getType())
    return failure();
  for (bool isNegated : {false, true}) {
    Spelling spelling(last);
    Value sum = isNegated ? difference.getRhs() : difference.getLhs();
    Value logit = isNegated ? difference.getLhs() : difference.getRhs();
    auto gather = spelling.take<GatherElementsOp>(takeUnmoved(spelling, logit));
    if (!gather)
      continue;
    Value logits = gather.getInput(), labels = gather.getIndices();
    RankedTensorType type = tensorType(logits);
    int64_t axis = gather.getAxis();
    if (!takeLogSumExpAlong(spelling, sum, logits, axis) ||
        tensorType(labels).getShape() != ArrayRef(keepAxes(type.getShape(), axis)))
      continue;
    if (std::string why = whyNotAlong(axis, type, spelling); !why.empty()) {
      log.miss(last, kKind, why);
      return failure();
    }
    Location loc = spelling.getLoc();
    rewriter.setInsertionPoint(last);
    labels = labelsOf(rewriter, loc, labels, type.getDimSize(axis));
    auto op = buildLoss(rewriter, loc, logits, labels, axis, IntegerAttr());
    Value result = reshapeTo(rewriter, loc, op, difference.getType().getShape());
    if (isNegated)
      result = NegOp::create(rewriter, loc, result.getType(), result);
    spelling.replace(rewriter, log, kKind, op, result);
    return success();
  }
  return failure();
}

/// Whether `value` holds 0, 1, .. up to `classes`, along the last of its dimensions but for those
/// after `axis`, counted from the end.
static bool isClassNumbers(Value value, int64_t axisFromEnd, int64_t classes) {
  RankedTensorType type = tensorType(value);
  int64_t axis = type.getRank() - axisFromEnd;
  if (axis < 0 || type.getNumElements() != classes || type.getDimSize(axis) != classes)
    return false;
  if (auto iota = value.getDefiningOp<IotaOp>())
    return int64_t(iota.getAxis()) == axis;
  DenseElementsAttr known;
  if (!matchPattern(value, m_Constant(&known)) || !known.getElementType().isInteger())
    return false;
  return llvm::all_of(llvm::enumerate(known.getValues<APInt>()),
                      [](const auto &it) { return it.value() == it.index(); });
}

/// The labels of rows along `axis` that are 1 at the label and 0 elsewhere; null for other values.
static Value takeOneHot(Spelling &spelling, Value rows, int64_t axis) {
  Value condition;
  if (auto choice = spelling.take<WhereOp>(rows)) {
    if (knownNumber(choice.getLhs()) == 1.0 && knownNumber(choice.getRhs()) == 0.0)
      condition = choice.getCondition();
  } else if (auto cast = spelling.take<CastOp>(rows)) {
    condition = cast.getInput();
  }
  auto equal = condition ? spelling.take<EqualOp>(condition) : EqualOp();
  if (!equal)
    return {};
  RankedTensorType type = tensorType(rows);
  for (auto [labels, numbers] :
       {std::pair(equal.getLhs(), equal.getRhs()), std::pair(equal.getRhs(), equal.getLhs())}) {
    RankedTensorType labelType = tensorType(labels);
    if (labelType.getElementType().isInteger() &&
        labelType.getShape() == ArrayRef(keepAxes(type.getShape(), axis)) &&
        isClassNumbers(numbers, type.getRank() - axis, type.getDimSize(axis)))
      return labels;
  }
  return {};
}

/// Labels that are no class have no row, and add nothing: they become the one that is ignored.
/// Those of a type that losses do not take are widened.
static Value ignoreOthers(PatternRewriter &rewriter, Location loc, Value labels, int64_t classes) {
  if (!tensorType(labels).getElementType().isSignlessInteger(32))
    labels = castTo(rewriter, loc, labels, rewriter.getI64Type());
  auto scalar = RankedTensorType::get({}, tensorType(labels).getElementType());
  Value zero = splat(rewriter, loc, scalar, 0);
  Value isClass = AndOp::create(
      rewriter, loc, GreaterOrEqualOp::create(rewriter, loc, labels, zero),
      LessOp::create(rewriter, loc, labels, splat(rewriter, loc, scalar, double(classes))));
  return WhereOp::create(rewriter, loc, isClass, labels, splat(rewriter, loc, scalar, -1));
}

/// Sums of one-hot rows times log probabilities, negated or not. Where another class than the
/// label's has a logit of minus infinity they are NaN, as 0 times infinity is, and so the spelled
/// out loss ends a training run; the op gives what is meant.
static LogicalResult recoverOfOneHot(Operation *last, PatternRewriter &rewriter, RecoveryLog &log) {
  auto sum = cast<ReduceSumOp>(last);
  auto product = sum.getInput().getDefiningOp<MulOp>();
  if (!product)
    return failure();
  RankedTensorType type = product.getType();
  for (auto [logs, rows] : {std::pair(product.getLhs(), product.getRhs()),
                            std::pair(product.getRhs(), product.getLhs())}) {
    auto logSoftmax = logs.getDefiningOp<LogSoftmaxOp>();
    if (!logSoftmax || !isa_and_present<WhereOp, CastOp>(rows.getDefiningOp()))
      continue;
    Spelling spelling(last);
    spelling.takeOp(product);
    spelling.takeOp(logSoftmax);
    int64_t axis = logSoftmax.getAxis();
    if (logSoftmax.getType() != type || tensorType(rows) != type ||
        !llvm::is_contained(sum.getAxes(), axis))
      continue;
    Value labels = takeOneHot(spelling, rows, axis);
    if (!labels)
      continue;
    std::string why = whyNotAlong(axis, type, spelling);
    if (!why.empty()) {
      log.miss(last, kKind, why);
      return failure();
    }
    Location loc = spelling.getLoc();
    rewriter.setInsertionPoint(last);
    labels = ignoreOthers(rewriter, loc, labels, type.getDimSize(axis));
    auto op = buildLoss(rewriter, loc, logSoftmax.getInput(), labels, axis,
                        rewriter.getI64IntegerAttr(-1));
    Value result = NegOp::create(rewriter, loc, op.getType(), op);
    result = reshapeTo(rewriter, loc, result, keepAxes(type.getShape(), axis));
    SmallVector<int64_t> others(sum.getAxes());
    llvm::erase(others, axis);
    if (!others.empty())
      result = ReduceSumOp::create(rewriter, loc, result, others, /*keepdims=*/true,
                                   /*wide=*/false);
    result = reshapeTo(rewriter, loc, result, tensorType(last->getResult(0)).getShape());
    spelling.replace(rewriter, log, kKind, op, result);
    return success();
  }
  return failure();
}

void SoftmaxCrossEntropyOp::getRecoveryPatterns(RewritePatternSet &patterns, RecoveryLog &log) {
  addRecovery<NllLossOp>(patterns, log, recoverOfNll);
  addRecovery<GatherElementsOp>(patterns, log, recoverOfGather);
  addRecovery<ReduceSumOp>(patterns, log, recoverOfOneHot);
  addRecovery<SubOp>(patterns, log, recoverOfLogSumExp);
}
