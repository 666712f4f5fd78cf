//===- AttentionRecovery.cpp - Attention that files spell out -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Attention is two products with a softmax between them (AttentionBuilder.h): the scale is the
// first product's, and heads that share keys and values are rows of one matrix. Files also multiply
// the scores, or query and key, and write keys and values once for each head. Masks stay as they
// are: where a row is masked as a whole, a number that is added, one that is put in and minus
// infinity are three different things.
//
//===----------------------------------------------------------------------===//

#include "Recovery.h"
#include "ampc/Dialect/Amp/Ops/Activation.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/MatMul.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Softmax.h"
#include <cmath>

using namespace mlir;
using namespace ampc;

static constexpr StringRef kKind = "attention";

namespace {
/// What changes of an attention.
struct SpelledAttention {
  MatMulOp scores, values;
  SmallVector<Operation *> path;   ///< from the softmax back to `scores`
  SmallVector<Operation *> scales; ///< products with numbers, on the path or before it
  double scale = 1;
  std::string why;

  bool match(SoftmaxOp softmax);

private:
  bool matchScores(Value value, unsigned depth);
  void takeScale(Value factor);
  bool isSame(Operation *op) const;
};

/// A factor that is repeated for each of several heads that stand side by side.
struct Repeated {
  Value once; ///< [.., heads, rows, columns]
  int64_t times = 1;
};
} // namespace

/// The number that `op` multiplies its other operand by, which is `*of`.
static std::optional<double> takeNumber(Operation *op, Value &of) {
  if (!isa_and_nonnull<MulOp, DivOp>(op))
    return std::nullopt;
  std::optional<double> left = knownNumber(op->getOperand(0)),
                        right = knownNumber(op->getOperand(1));
  if (bool(left) == bool(right) || (left && isa<DivOp>(op)))
    return std::nullopt;
  of = op->getOperand(left ? 1 : 0);
  if (of.getType() != op->getResult(0).getType())
    return std::nullopt;
  return left ? *left : isa<DivOp>(op) ? 1 / *right : *right;
}

/// Follows scores from the softmax back to the product.
bool SpelledAttention::matchScores(Value value, unsigned depth) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0)
    return false;
  if (auto product = dyn_cast<MatMulOp>(op)) {
    scores = product;
    return !product.getBias();
  }
  SmallVector<Value, 2> inputs;
  Value of;
  std::optional<double> number = takeNumber(op, of);
  if (number)
    inputs = {of};
  else if (isa<AddOp>(op)) // a mask, or what tells of positions
    inputs = {op->getOperand(0), op->getOperand(1)};
  else if (isa<WhereOp>(op))
    inputs = {op->getOperand(1), op->getOperand(2)};
  else if (isa<ReshapeOp, CastOp, TanhOp>(op)) // tanh: of capped scores
    inputs = {op->getOperand(0)};
  for (Value input : inputs) {
    size_t length = path.size();
    path.push_back(op);
    if (matchScores(input, depth - 1))
      return true;
    path.resize(length);
  }
  return false;
}

/// The product that reads the probabilities, through dropout or a choice between them and 0. Who
/// else reads them is no matter: they stay.
static MatMulOp findValues(Value probabilities, unsigned depth) {
  for (Operation *user : probabilities.getUsers()) {
    if (auto product = dyn_cast<MatMulOp>(user)) {
      if (product.getLhs() == probabilities)
        return product;
      continue;
    }
    if (depth == 0 || user->getNumResults() == 0)
      continue;
    Value next = user->getResult(0);
    if (next.getType() == probabilities.getType() || isa<ReshapeOp, CastOp>(user))
      if (MatMulOp product = findValues(next, depth - 1))
        return product;
  }
  return {};
}

bool SpelledAttention::isSame(Operation *op) const {
  return op->getAttr(kPrecisionAttr) == scores->getAttr(kPrecisionAttr) &&
         !op->hasAttr(kOperandPrecisionAttr);
}

/// A number that query or key is multiplied by, through what moves it.
void SpelledAttention::takeScale(Value factor) {
  while (factor.hasOneUse()) {
    Operation *op = factor.getDefiningOp();
    Value of;
    if (std::optional<double> number = takeNumber(op, of)) {
      if (!isSame(op))
        return;
      scale *= *number;
      scales.push_back(op);
      factor = of;
    } else if (isa_and_nonnull<ReshapeOp, TransposeOp, BroadcastOp>(op)) {
      factor = op->getOperand(0);
    } else {
      return;
    }
  }
}

bool SpelledAttention::match(SoftmaxOp softmax) {
  if (int64_t(softmax.getAxis()) != softmax.getType().getRank() - 1 ||
      !matchScores(softmax.getInput(), 8))
    return false;
  values = findValues(softmax.getResult(), 3);
  if (!values)
    return false;
  // From the product on: after a mask, a number is not the product's.
  bool isOwn = scores.getResult().hasOneUse();
  for (Operation *op : llvm::reverse(path)) {
    Value of;
    if (isa<ReshapeOp>(op)) {
      isOwn = isOwn && op->hasOneUse();
      continue;
    }
    std::optional<double> number = takeNumber(op, of);
    if (!number)
      break;
    if (!isOwn || !isSame(op)) {
      why = isOwn ? "different precisions are asked for its parts"
                  : "the scores are read elsewhere before they are scaled";
      break;
    }
    scale *= *number;
    scales.push_back(op);
    isOwn = op->hasOneUse();
  }
  takeScale(scores.getLhs());
  takeScale(scores.getRhs());
  return std::isfinite(scale) && scale != 0;
}

static SmallVector<int64_t> dropOnes(ArrayRef<int64_t> shape) {
  return llvm::to_vector(
      llvm::make_filter_range(shape, [](int64_t extent) { return extent != 1; }));
}

/// `value` as one that is repeated.
static std::optional<Repeated> findRepeated(Value value) {
  RankedTensorType type = tensorType(value);
  Value source = value;
  while (auto joined = source.getDefiningOp<ReshapeOp>())
    source = joined.getInput();
  auto broadcast = source.getDefiningOp<BroadcastOp>();
  if (!broadcast || type.getRank() < 3)
    return std::nullopt;
  ArrayRef<int64_t> to = broadcast.getType().getShape();
  SmallVector<int64_t> from(tensorType(broadcast.getInput()).getShape());
  from.insert(from.begin(), to.size() - from.size(), 1);
  // One dimension is repeated, and not of a matrix.
  int64_t place = -1;
  for (int64_t d = 0; d < int64_t(to.size()); ++d)
    if (from[d] != to[d]) {
      if (place >= 0)
        return std::nullopt;
      place = d;
    }
  if (place < 0 || place > int64_t(to.size()) - 3)
    return std::nullopt;
  Repeated repeated;
  repeated.times = to[place];
  SmallVector<int64_t> once(type.getShape());
  int64_t heads = type.getRank() - 3;
  if (once[heads] % repeated.times != 0)
    return std::nullopt;
  once[heads] /= repeated.times;
  // What follows the repeated dimension are the matrices: heads that share one stand side by side.
  // A Tile has a dimension of 1 beside each.
  if (dropOnes(to.drop_front(place + 1)) != dropOnes(type.getShape().drop_front(heads + 1)))
    return std::nullopt;
  repeated.once = broadcast.getInput();
  return repeated;
}

/// A factor whose matrices are transposed among fewer batch dimensions, as those of a key: what it
/// is without, in the product's batch; null where it is none.
static Value findTurned(MatMulOp product, OpBuilder &builder) {
  auto split = product.getRhs().getDefiningOp<ReshapeOp>();
  auto transpose = split ? split.getInput().getDefiningOp<TransposeOp>() : TransposeOp();
  if (!transpose)
    return {};
  SmallVector<int64_t> order(transpose.getPermutation());
  if (order.size() < 2)
    return {};
  std::swap(order.back(), order[order.size() - 2]);
  SmallVector<int64_t> shape(split.getType().getShape());
  if (!llvm::is_sorted(order) || shape.size() < 2 ||
      ArrayRef(shape).take_back(2) != transpose.getType().getShape().take_back(2))
    return {};
  std::swap(shape.back(), shape[shape.size() - 2]);
  builder.setInsertionPoint(product);
  return reshapeTo(builder, product.getLoc(), transpose.getInput(), shape);
}

/// Multiplies with a factor that is repeated once: the rows of all heads that share it are the rows
/// of one matrix.
static bool shareFactor(MatMulOp product, PatternRewriter &rewriter) {
  std::optional<Repeated> repeated = findRepeated(product.getRhs());
  RankedTensorType left = tensorType(product.getLhs()), right = tensorType(product.getRhs());
  if (!repeated || product.getTransposeLhs() || product.getBias() ||
      left.getShape().drop_back(2) != right.getShape().drop_back(2))
    return false;
  auto share = [&](RankedTensorType type) {
    SmallVector<int64_t> shape(type.getShape());
    shape[shape.size() - 3] /= repeated->times;
    shape[shape.size() - 2] *= repeated->times;
    return shape;
  };
  SmallVector<int64_t> once(right.getShape());
  once[once.size() - 3] /= repeated->times;
  Location loc = product.getLoc();
  rewriter.setInsertionPoint(product);
  Value lhs = reshapeTo(rewriter, loc, product.getLhs(), share(left));
  Value rhs = reshapeTo(rewriter, loc, repeated->once, once);
  auto shared = MatMulOp::create(rewriter, loc, product.getType().clone(share(product.getType())),
                                 lhs, rhs, Value(), false, product.getTransposeRhs(),
                                 product.getAlpha(), product.getWide());
  shared->setDiscardableAttrs(product->getDiscardableAttrDictionary());
  rewriter.replaceOp(product, reshapeTo(rewriter, loc, shared, product.getType().getShape()));
  return true;
}

static LogicalResult recoverAttention(Operation *op, PatternRewriter &rewriter, RecoveryLog &log) {
  SpelledAttention attention;
  if (!attention.match(cast<SoftmaxOp>(op)))
    return failure();
  if (!attention.why.empty())
    log.miss(op, kKind, attention.why);
  SmallVector<Location> locations{attention.scores.getLoc()};
  for (Operation *step : llvm::reverse(attention.path))
    locations.push_back(step->getLoc());
  llvm::append_values(locations, op->getLoc(), attention.values.getLoc());
  bool isChanged = !attention.scales.empty();
  if (isChanged) {
    double alpha = attention.scores.getAlpha().convertToDouble() * attention.scale;
    SmallVector<Location> scaled{attention.scores.getLoc()};
    for (Operation *scale : attention.scales)
      scaled.push_back(scale->getLoc());
    rewriter.modifyOpInPlace(attention.scores, [&] {
      attention.scores.setAlpha(APFloat(alpha));
      attention.scores->setLoc(rewriter.getFusedLoc(scaled));
    });
    for (Operation *scale : attention.scales) {
      Value of;
      takeNumber(scale, of);
      rewriter.replaceOp(scale, of);
    }
  }
  if (Value turned = findTurned(attention.scores, rewriter)) {
    isChanged = true;
    rewriter.modifyOpInPlace(attention.scores, [&] {
      attention.scores.getRhsMutable().set(turned);
      attention.scores.setTransposeRhs(!attention.scores.getTransposeRhs());
    });
  }
  isChanged |= shareFactor(attention.scores, rewriter);
  isChanged |= shareFactor(attention.values, rewriter);
  if (!isChanged)
    return failure();
  if (attention.why.empty())
    log.recover(op, kKind, rewriter.getFusedLoc(locations));
  return success();
}

void MatMulOp::getRecoveryPatterns(RewritePatternSet &patterns, RecoveryLog &log) {
  addRecovery<SoftmaxOp>(patterns, log, recoverAttention);
}
