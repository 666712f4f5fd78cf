//===- Normalization.cpp - Normalization by statistics --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// In formulas: x is the input, m the mean of its row and r the row's inverse standard
// deviation, x' = (x - m) * r, n the number of elements in a row; g is the gradient of y.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Normalization.h"
#include "NormRows.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

static LogicalResult checkAxis(std::optional<Location> loc, RankedTensorType type, int64_t axis) {
  if (axis >= 0 && axis < type.getRank()) // layer_norm_c1
    return success();
  return inferenceError(loc, "axis ", axis, " is out of range for ", type);
}

/// `what` is the operand's name.
static LogicalResult checkParameter(std::optional<Location> loc, StringRef what, Value parameter,
                                    RankedTensorType type, int64_t axis) {
  RankedTensorType given = tensorType(parameter);
  std::optional<SmallVector<int64_t>> shape = broadcastShapes({type.getShape(), given.getShape()});
  if (!shape || ArrayRef(*shape) != type.getShape()) // layer_norm_c2
    return inferenceError(loc, what, " ", given, " does not broadcast to the input ", type,
                          "; for the dimensions from axis ", axis, " on it should be ",
                          given.clone(type.getShape().drop_front(axis)));
  Type element = given.getElementType();
  if (element != type.getElementType() &&
      element != KernelBuilder::computeType(type.getElementType()))
    return inferenceError(loc, "element types differ: ", type, " and ", what, " ",
                          given); // layer_norm_c3
  return success();
}

LogicalResult LayerNormOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  int64_t axis = adaptor.getAxis();
  if (failed(checkAxis(location, type, axis)) ||
      failed(checkParameter(location, "scale", adaptor.getScale(), type, axis)))
    return failure();
  if (Value bias = adaptor.getBias())
    if (failed(checkParameter(location, "bias", bias, type, axis)))
      return failure();
  RankedTensorType statistics = statisticType(type, axis);
  types.append({type, statistics, statistics});
  return success();
}

LogicalResult LayerNormGradOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  int64_t axis = adaptor.getAxis();
  if (failed(checkAxis(location, type, axis)) ||
      failed(checkParameter(location, "scale", adaptor.getScale(), type, axis)))
    return failure();
  if (adaptor.getGradient().getType() != type)
    return inferenceError(location, "the gradient must be ", type, ", but is ",
                          adaptor.getGradient().getType());
  RankedTensorType statistics = statisticType(type, axis);
  for (Value x : {adaptor.getMean(), adaptor.getInvStdDev(), adaptor.getMeanGradient(),
                  adaptor.getInvStdDevGradient()})
    if (x && x.getType() != statistics)
      return inferenceError(location, "statistics of ", type, " from axis ", axis,
                            " on and their gradients are ", statistics, ", but one is ",
                            x.getType());
  types.push_back(adaptor.getWide() ? type.clone(statistics.getElementType()) : type);
  return success();
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

namespace {
/// The rows of a tensor of type `type`, and their statistics with the dimensions of a row
/// as 1. All is in the type that kernels compute in.
struct RowStatistics {
  KernelBuilder &kernel;
  RankedTensorType type, statistics;
  SmallVector<int64_t> axes;
  double count;

  RowStatistics(KernelBuilder &kernel, RankedTensorType type, int64_t axis)
      : kernel(kernel), type(type), statistics(statisticType(type, axis)),
        axes(rowAxes(type, axis)), count(countRow(type, axis)) {}

  Value each(ValueRange inputs, KernelBuilder::ScalarFn fn) {
    return kernel.pointwise(inputs, type.clone(statistics.getElementType()), fn);
  }
  Value ofRow(ValueRange inputs, KernelBuilder::ScalarFn fn) {
    return kernel.pointwise(inputs, statistics, fn);
  }
  Value sum(Value x) {
    return kernel.reshape(kernel.reduce(x, axes, Reduction::Sum, statistics.getElementType()),
                          statistics.getShape());
  }
};
} // namespace

SmallVector<Value> LayerNormOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RowStatistics rows(kernel, getInput().getType(), getAxis());
  Value x = operands[0];
  Value mean = rows.ofRow(rows.sum(x), [&](ScalarBuilder &s, ValueRange sum) {
    return s.div(sum[0], s.constantLike(sum[0], rows.count));
  });
  Value squares = rows.each({x, mean}, [](ScalarBuilder &s, ValueRange in) {
    Value distance = s.sub(in[0], in[1]);
    return s.mul(distance, distance);
  });
  double epsilon = getEpsilon().convertToDouble();
  Value inverse = rows.ofRow(rows.sum(squares), [&](ScalarBuilder &s, ValueRange sum) {
    Value variance = s.div(sum[0], s.constantLike(sum[0], rows.count));
    Value shifted = s.add(variance, s.constantLike(variance, epsilon));
    return s.div(s.constantLike(shifted, 1), s.sqrt(shifted));
  });
  SmallVector<Value> inputs{x, mean, inverse};
  llvm::append_range(inputs, operands.drop_front()); // scale, bias
  Value y = kernel.pointwise(inputs, getY().getType(), [](ScalarBuilder &s, ValueRange in) {
    Value scaled = s.mul(s.mul(s.sub(in[0], in[1]), in[2]), in[3]);
    return in.size() > 4 ? s.add(scaled, in[4]) : scaled;
  });
  return {y, mean, inverse};
}

SmallVector<Value> LayerNormGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RowStatistics rows(kernel, getInput().getType(), getAxis());
  Value mean = operands[3], inverse = operands[4];
  bool hasMean = bool(getMeanGradient());
  bool hasInverse = bool(getInvStdDevGradient());
  Value g = rows.each({operands[0], operands[2]},
                      [](ScalarBuilder &s, ValueRange in) { return s.mul(in[0], in[1]); });
  Value normalized = rows.each({operands[1], mean, inverse}, [](ScalarBuilder &s, ValueRange in) {
    return s.mul(s.sub(in[0], in[1]), in[2]);
  });
  Value products = rows.each({g, normalized},
                             [](ScalarBuilder &s, ValueRange in) { return s.mul(in[0], in[1]); });
  // The statistics of rows are combined where elements are computed: ops of their own would stand
  // between the sums and dx when kernels are formed, and dx would join another kernel.
  SmallVector<Value> inputs{g, normalized, inverse, rows.sum(g), rows.sum(products)};
  llvm::append_range(inputs, operands.drop_front(5));
  return {kernel.pointwise(inputs, getType(), [&](ScalarBuilder &s, ValueRange in) {
    Value r = in[2], slope = in[4], share = s.constantLike(r, 1 / rows.count);
    if (hasInverse)
      slope = s.add(slope, s.mul(r, in.back()));
    Value common = s.mul(s.add(in[3], s.mul(in[1], slope)), share);
    Value result = s.mul(r, s.sub(in[0], common));
    return hasMean ? s.add(result, s.mul(in[5], share)) : result;
  })};
}

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

// dx as amp.layer_norm_grad says; d scale = g * x', d bias = g, each summed over the rows
// that share it, in f32.
void LayerNormOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient(0);
  if (gradient.needs(0)) {
    Type type = tensorType(getInput()).getElementType();
    gradient.set(0, gradient.create<LayerNormGradOp>(
                        g ? g : gradient.splatLike(getY(), 0), getInput(), getScale(), getMean(),
                        getInvStdDev(), gradient.resultGradient(1), gradient.resultGradient(2),
                        getAxis(),
                        /*wide=*/gradient.gradientElementType(0) != type));
  }
  if (!g) // only the statistics are used
    return;
  if (gradient.needs(1)) {
    Value distance = gradient.create<SubOp>(widen(gradient, getInput()), getMean());
    Value normalized = gradient.create<MulOp>(distance, getInvStdDev());
    gradient.set(1, gradient.create<MulOp>(widen(gradient, g), normalized));
  }
  if (getBias())
    gradient.set(2, g);
}

//===----------------------------------------------------------------------===//
// Recovery
//===----------------------------------------------------------------------===//

namespace {
/// A layer norm as files spell it out where their opset does not have it:
///
///   d = x - mean(x); y = d / sqrt(mean(d * d) + epsilon) [* scale] [+ bias]
///
/// with d ^ 2 for d * d, v ^ 0.5 for a root, a product with the root's inverse for the quotient.
class SpelledLayerNorm {
public:
  /// Whether `quotient` is d / sqrt(...), and all that stands before it belongs to it alone.
  bool match(Operation *quotient);

  Value input, scale, bias;
  int64_t axis = 0;
  double epsilon = 0;
  /// In the order in which they are computed; the last gives the result.
  SmallVector<Operation *> ops;

private:
  /// The op that makes `value`, which nothing else reads; null where it is no `OpTy`.
  template <typename OpTy>
  OpTy take(Value value);
  bool matchQuotient(Operation *op, Value &distance, Value &variance);
  bool matchRoot(Value root, Value &variance);
  bool matchInverseRoot(Value inverse, Value &variance);
  bool matchSquare(Value square, Value distance);
  bool matchMean(Value mean, Value &of);
  template <typename OpTy>
  Value takeParameter();
  bool hasOnePrecision() const;
};
} // namespace

template <typename OpTy>
OpTy SpelledLayerNorm::take(Value value) {
  auto op = value.getDefiningOp<OpTy>();
  if (!op || !value.hasOneUse())
    return {};
  ops.push_back(op);
  return op;
}

/// v of sqrt(v) or v ^ 0.5.
bool SpelledLayerNorm::matchRoot(Value root, Value &variance) {
  if (auto sqrt = take<SqrtOp>(root)) {
    variance = sqrt.getInput();
    return true;
  }
  auto pow = take<PowOp>(root);
  if (!pow || splatNumber(pow.getRhs()) != 0.5)
    return false;
  variance = pow.getLhs();
  return true;
}

/// v of 1 / sqrt(v) or v ^ -0.5.
bool SpelledLayerNorm::matchInverseRoot(Value inverse, Value &variance) {
  if (auto reciprocal = take<ReciprocalOp>(inverse))
    return matchRoot(reciprocal.getInput(), variance);
  if (auto quotient = take<DivOp>(inverse))
    return splatNumber(quotient.getLhs()) == 1.0 && matchRoot(quotient.getRhs(), variance);
  auto pow = take<PowOp>(inverse);
  if (!pow || splatNumber(pow.getRhs()) != -0.5)
    return false;
  variance = pow.getLhs();
  return true;
}

bool SpelledLayerNorm::matchQuotient(Operation *op, Value &distance, Value &variance) {
  ops = {op};
  if (auto quotient = dyn_cast<DivOp>(op)) {
    distance = quotient.getLhs();
    return matchRoot(quotient.getRhs(), variance);
  }
  auto product = cast<MulOp>(op);
  for (auto [d, inverse] : {std::pair(product.getLhs(), product.getRhs()),
                            std::pair(product.getRhs(), product.getLhs())}) {
    ops = {op};
    distance = d;
    if (matchInverseRoot(inverse, variance))
      return true;
  }
  return false;
}

/// Whether `square` is `distance` times itself.
bool SpelledLayerNorm::matchSquare(Value square, Value distance) {
  if (auto product = take<MulOp>(square))
    return product.getLhs() == distance && product.getRhs() == distance;
  auto pow = take<PowOp>(square);
  return pow && pow.getLhs() == distance && splatNumber(pow.getRhs()) == 2.0;
}

/// Whether `mean` is one over the dimensions from `axis` on, which stay as 1.
bool SpelledLayerNorm::matchMean(Value mean, Value &of) {
  auto op = take<ReduceMeanOp>(mean);
  if (!op || !op.getKeepdims() || op.getAxes().empty() ||
      !isa<FloatType>(tensorType(mean).getElementType()))
    return false;
  of = op.getInput();
  axis = op.getAxes().front();
  return llvm::equal(op.getAxes(), rowAxes(tensorType(of), axis));
}

/// The other operand of the one `OpTy` that reads the result so far, where it is the same for all
/// rows; null where there is none.
template <typename OpTy>
Value SpelledLayerNorm::takeParameter() {
  Value y = ops.back()->getResult(0);
  auto next = y.hasOneUse() ? dyn_cast<OpTy>(*y.user_begin()) : OpTy();
  if (!next || next.getType() != y.getType())
    return {};
  Value parameter = next.getLhs() == y ? next.getRhs() : next.getLhs();
  int64_t leading = tensorType(parameter).getRank() - (tensorType(y).getRank() - axis);
  if (llvm::any_of(tensorType(parameter).getShape().take_front(std::max<int64_t>(leading, 0)),
                   [](int64_t extent) { return extent != 1; }))
    return {};
  ops.push_back(next);
  return parameter;
}

/// Whether the user asks the same of all ops.
bool SpelledLayerNorm::hasOnePrecision() const {
  Attribute asked = ops.back()->getAttr(kPrecisionAttr);
  return llvm::all_of(ops, [&](Operation *op) {
    return !isa<PrecisionOpInterface>(op) || op->getAttr(kPrecisionAttr) == asked;
  });
}

bool SpelledLayerNorm::match(Operation *quotient) {
  Value distance, shifted;
  if (!matchQuotient(quotient, distance, shifted))
    return false;
  auto shift = take<AddOp>(shifted);
  if (!shift)
    return false;
  bool isRight = splatNumber(shift.getRhs()).has_value();
  std::optional<double> added = splatNumber(isRight ? shift.getRhs() : shift.getLhs());
  Value variance = isRight ? shift.getLhs() : shift.getRhs();
  if (!added || !(*added >= 0) || shift.getType() != variance.getType())
    return false;
  epsilon = *added;

  Value square, mean, of;
  if (!matchMean(variance, square) || !matchSquare(square, distance))
    return false;
  int64_t varianceAxis = axis;
  Operation *squaring = square.getDefiningOp();
  auto difference = distance.getDefiningOp<SubOp>();
  if (!difference || llvm::any_of(distance.getUsers(), [&](Operation *user) {
        return user != quotient && user != squaring;
      }))
    return false;
  ops.push_back(difference);
  input = difference.getLhs();
  mean = difference.getRhs();
  if (!matchMean(mean, of) || of != input || axis != varianceAxis ||
      quotient->getResult(0).getType() != input.getType())
    return false;
  std::reverse(ops.begin(), ops.end());
  scale = takeParameter<MulOp>();
  bias = takeParameter<AddOp>();
  return hasOnePrecision();
}

namespace {
/// Puts the op in the place of the ops that spell it out.
template <typename QuotientOp>
struct RecoverLayerNorm : OpRewritePattern<QuotientOp> {
  using OpRewritePattern<QuotientOp>::OpRewritePattern;

  LogicalResult matchAndRewrite(QuotientOp quotient, PatternRewriter &rewriter) const override {
    SpelledLayerNorm spelled;
    if (!spelled.match(quotient))
      return failure();
    Operation *last = spelled.ops.back();
    SmallVector<Location> locations;
    for (Operation *op : spelled.ops)
      locations.push_back(op->getLoc());
    Location loc = FusedLoc::get(rewriter.getContext(), locations);
    rewriter.setInsertionPoint(last);
    RankedTensorType type = tensorType(spelled.input);
    Value scale = spelled.scale;
    if (!scale)
      scale = splat(rewriter, loc, type.clone(type.getShape().drop_front(spelled.axis)), 1.0);
    auto op = LayerNormOp::create(rewriter, loc, spelled.input, scale, spelled.bias,
                                  rewriter.getI64IntegerAttr(spelled.axis),
                                  rewriter.getF64FloatAttr(spelled.epsilon));
    if (Attribute asked = last->getAttr(kPrecisionAttr))
      op->setAttr(kPrecisionAttr, asked);
    rewriter.replaceOp(last, op.getY());
    for (Operation *dead : llvm::reverse(ArrayRef(spelled.ops).drop_back()))
      rewriter.eraseOp(dead);
    return success();
  }
};
} // namespace

void LayerNormOp::getRecoveryPatterns(RewritePatternSet &patterns) {
  patterns.add<RecoverLayerNorm<DivOp>, RecoverLayerNorm<MulOp>>(patterns.getContext());
}
