//===- AttentionBuilder.cpp - What attention is made of -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AttentionBuilder.h"
#include "Places.h"
#include "ampc/Dialect/Amp/Ops/Activation.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/MatMul.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Amp/Ops/Softmax.h"
#include "ampc/Dialect/Amp/Values.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace ampc;

static ArrayRef<int64_t> shapeOf(Value x) { return tensorType(x).getShape(); }

//===----------------------------------------------------------------------===//
// Parts
//===----------------------------------------------------------------------===//

LogicalResult ampc::importScale(OnnxNode &node, Attention &a, bool zeroIsDefault) {
  int64_t size = shapeOf(a.q).back();
  bool isGiven = node.hasAttribute("scale");
  a.scale = node.getFloat("scale", 0);
  if (node.hadError)
    return failure();
  if (!isGiven || (zeroIsDefault && a.scale == 0)) {
    if (size == 0)
      return node.emitError() << "heads have no elements: the query is " << a.q.getType();
    a.scale = 1 / std::sqrt(double(size));
  }
  if (!std::isfinite(a.scale))
    return node.emitError() << "attribute 'scale' is " << a.scale << ", but should be finite";
  return success();
}

FailureOr<Value> ampc::splitHeads(OnnxNode &node, OpBuilder &builder, Value x, int64_t heads,
                                  StringRef what) {
  RankedTensorType type = tensorType(x);
  int64_t width = type.getShape().back();
  if (heads < 1 || width % heads != 0)
    return node.emitError() << what << ", " << type << ", does not divide into " << heads
                            << " heads";
  ArrayRef<int64_t> shape = type.getShape();
  x = reshapeTo(builder, node.loc, x, {shape[0], shape[1], heads, width / heads});
  return buildPermutation(builder, node.loc, x, {0, 2, 1, 3});
}

Value ampc::joinHeads(OpBuilder &builder, Location loc, Value x) {
  ArrayRef<int64_t> shape = shapeOf(x);
  Value rows = buildPermutation(builder, loc, x, {0, 2, 1, 3});
  return reshapeTo(builder, loc, rows, {shape[0], shape[2], shape[1] * shape[3]});
}

Value ampc::sliceAlong(OpBuilder &builder, Location loc, Value x, int64_t axis, int64_t start,
                       int64_t size) {
  SmallVector<int64_t> starts(shapeOf(x).size(), 0), sizes(shapeOf(x)), steps(sizes.size(), 1);
  starts[axis] = start;
  sizes[axis] = size;
  return builder.createOrFold<SliceOp>(loc, x, starts, sizes, steps);
}

LogicalResult ampc::appendToPast(OnnxNode &node, OpBuilder &builder, Value past, Value &x,
                                 StringRef what) {
  if (!past)
    return success();
  RankedTensorType type = tensorType(past), added = tensorType(x);
  SmallVector<int64_t> shape(added.getShape());
  bool fits = type.getRank() == 4 && type.getElementType() == added.getElementType();
  if (fits)
    shape[2] = type.getDimSize(2);
  if (!fits || type.getShape() != ArrayRef<int64_t>(shape))
    return node.emitError() << what << ", " << type << ", does not go before " << added
                            << ", along its third dimension";
  FailureOr<Value> all = importOp<ConcatOp>(
      node, builder, {past, x}, builder.getNamedAttr("axis", builder.getI64IntegerAttr(2)));
  if (failed(all))
    return failure();
  x = *all;
  return success();
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

static LogicalResult checkOperands(OnnxNode &node, const Attention &a) {
  for (Value x : {a.q, a.k, a.v})
    if (tensorType(x).getRank() != 4 || !isa<FloatType>(tensorType(x).getElementType()))
      return node.emitError() << "attention is of floats [batch, heads, rows, size], but an "
                                 "operand is "
                              << x.getType();
  ArrayRef<int64_t> q = shapeOf(a.q), k = shapeOf(a.k), v = shapeOf(a.v);
  bool fits = tensorType(a.q).getElementType() == tensorType(a.k).getElementType() &&
              q[0] == k[0] && q[3] == k[3] && k.take_front(3) == v.take_front(3);
  if (!fits)
    return node.emitError() << "query, key and value do not fit together: they are "
                            << a.q.getType() << ", " << a.k.getType() << " and " << a.v.getType();
  if (k[1] < 1 || q[1] % k[1] != 0)
    return node.emitError() << "the query's " << q[1] << " heads are no multiple of the " << k[1]
                            << " of key and value";
  if (failed(checkedProduct(node, {q[0], q[1], q[2], k[2]})))
    return failure();
  if (!(a.softcap >= 0) || !std::isfinite(a.softcap))
    return node.emitError() << "attribute 'softcap' is " << a.softcap
                            << ", but should be 0 or a positive number";
  if (a.mask) {
    SmallVector<int64_t> scores{q[0], q[1], q[2], k[2]};
    if (broadcastShapes({shapeOf(a.mask), scores}) != scores)
      return node.emitError() << "the mask, " << a.mask.getType()
                              << ", does not broadcast to the scores, [" << ArrayRef(scores) << "]";
  }
  RankedTensorType lengths = a.lengths ? tensorType(a.lengths) : RankedTensorType();
  if (lengths && (lengths.getShape() != q.take_front() || !lengths.getElementType().isInteger()))
    return node.emitError() << "there must be a length for each of " << q[0]
                            << " batch entries, but they are " << lengths;
  return success();
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// Booleans that broadcast to the scores: which of them take part. Null: all.
static Value whichTakePart(OpBuilder &b, Location loc, const Attention &a) {
  int64_t batch = shapeOf(a.q)[0], rows = shapeOf(a.q)[2], columns = shapeOf(a.k)[2];
  SmallVector<Value> conditions;
  if (a.mask && tensorType(a.mask).getElementType().isInteger(1))
    conditions.push_back(a.mask);
  if (a.causal) {
    Value last = indexAlong(b, loc, 2, 0, rows), column = indexAlong(b, loc, 2, 1, columns);
    if (*a.causal != 0) {
      auto scalar = RankedTensorType::get({}, b.getI64Type());
      Value offset = buildConstant(b, loc, DenseElementsAttr::get(scalar, *a.causal));
      last = b.createOrFold<AddOp>(loc, last, offset);
    }
    conditions.push_back(b.createOrFold<LessOrEqualOp>(loc, column, last));
  }
  if (a.lengths) {
    Value lengths = castTo(b, loc, a.lengths, b.getI64Type());
    lengths = reshapeTo(b, loc, lengths, {batch, 1, 1, 1});
    Value column = indexAlong(b, loc, 4, 3, columns);
    conditions.push_back(b.createOrFold<LessOp>(loc, column, lengths));
  }
  Value all;
  for (Value condition : conditions)
    all = all ? b.createOrFold<AndOp>(loc, all, condition) : condition;
  return all;
}

/// Scores with the numbers of a mask that is none of booleans.
static Value addNumbers(OpBuilder &b, Location loc, const Attention &a, Value scores) {
  if (!a.mask || tensorType(a.mask).getElementType().isInteger(1))
    return scores;
  Value mask = castTo(b, loc, a.mask, tensorType(scores).getElementType());
  return AddOp::create(b, loc, scores, mask);
}

/// Scores where they take part, else minus infinity.
static Value leaveOut(OpBuilder &b, Location loc, const Attention &a, Value scores) {
  Value isOn = whichTakePart(b, loc, a);
  if (!isOn)
    return scores;
  auto scalar = RankedTensorType::get({}, tensorType(scores).getElementType());
  Value none = splat(b, loc, scalar, -std::numeric_limits<double>::infinity());
  return WhereOp::create(b, loc, isOn, scores, none);
}

/// Scores that are a result of their own, from which ONNX and PyTorch pass the gradient on wherever
/// they are infinite: infinity is added. Before a softmax, where no gradient comes from there, it
/// is chosen: a sum with constants would take low scores to f32.
static Value addMask(OpBuilder &b, Location loc, const Attention &a, Value scores) {
  auto scalar = RankedTensorType::get({}, tensorType(scores).getElementType());
  Value bias = leaveOut(b, loc, a, splat(b, loc, scalar, 0));
  return AddOp::create(b, loc, addNumbers(b, loc, a, scores), bias);
}

/// What a graph of the user's makes of the scores or probabilities.
static FailureOr<Value> change(OnnxNode &node, const Attention::Modifier &modifier, Value x) {
  if (!modifier)
    return x;
  FailureOr<Value> changed = modifier(x);
  if (succeeded(changed) && changed->getType() != x.getType())
    return node.emitError() << "a graph makes " << changed->getType() << " of " << x.getType()
                            << ", but should keep the type";
  return changed;
}

FailureOr<AttentionResults> ampc::buildAttention(OnnxNode &node, OpBuilder &b, const Attention &a) {
  if (failed(checkOperands(node, a)))
    return failure();
  Location loc = node.loc;
  ArrayRef<int64_t> q = shapeOf(a.q), k = shapeOf(a.k), v = shapeOf(a.v);
  Type element = tensorType(a.q).getElementType();
  Type softmaxType = a.softmaxType ? a.softmaxType : element;
  Type productType = a.productType ? a.productType : element;
  // The rows of all heads that share keys are the rows of one matrix, which is multiplied once.
  SmallVector<int64_t> scoresShape{q[0], q[1], q[2], k[2]};
  int64_t sharedRows = q[1] / k[1] * q[2];
  auto product = [&](Value lhs, Value rhs, bool transposed, double alpha) -> Value {
    lhs = reshapeTo(b, loc, lhs, {q[0], k[1], sharedRows, shapeOf(lhs).back()});
    return MatMulOp::create(b, loc, lhs, rhs, Value(), /*transpose_lhs=*/false, transposed,
                            APFloat(alpha), /*wide=*/false);
  };

  AttentionResults results;
  results.products =
      reshapeTo(b, loc, product(a.q, a.k, /*transposed=*/true, a.scale), scoresShape);
  results.capped = results.products;
  if (a.softcap != 0) {
    Value cap = splat(b, loc, RankedTensorType::get({}, element), a.softcap);
    Value quotient = DivOp::create(b, loc, results.products, cap);
    results.capped = MulOp::create(b, loc, TanhOp::create(b, loc, quotient), cap);
  }
  Value scores = leaveOut(b, loc, a, addNumbers(b, loc, a, results.capped));
  if (a.needsScores)
    results.scores = addMask(b, loc, a, results.capped);
  FailureOr<Value> changed = change(node, a.changeScores, castTo(b, loc, scores, softmaxType));
  if (failed(changed))
    return failure();
  Value probabilities = SoftmaxOp::create(b, loc, *changed, /*axis=*/3);
  changed = change(node, a.changeProbabilities, probabilities);
  if (failed(changed))
    return failure();
  results.probabilities = *changed;
  Value y = product(castTo(b, loc, *changed, productType), castTo(b, loc, a.v, productType),
                    /*transposed=*/false, 1);
  results.y = reshapeTo(b, loc, y, {q[0], q[1], q[2], v[3]});
  return results;
}
