//===- Attention.cpp - Attention with a softmax ----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Where a target has no kernel for it, attention is two products with a softmax between them, and
// its gradient five products: what both compute, the scores and the exponentials, is one and the
// same after equal ops are combined.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Attention.h"
#include "RowSoftmax.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/MatMul.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Dialect/Plan/AttentionPlaces.h"
#include "ampc/Dialect/Plan/Plan.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

static StringRef layoutAt(ArrayAttr layouts, unsigned index) {
  return cast<StringAttr>(layouts[index]).getValue();
}

/// Whether `layout` has each dimension of one tensor once, or with `isJoint` of one that holds
/// query, key and value, and the elements of a head last.
static bool isLayout(StringRef layout, bool isJoint) {
  std::string sorted = layout.str();
  llvm::sort(sorted);
  return sorted == (isJoint ? "bdhpr" : "bdhr") && layout.back() == 'd';
}

/// The extent of the dimension `letter` of a tensor.
static int64_t extentOf(Value x, StringRef layout, char letter) {
  return tensorType(x).getDimSize(int64_t(layout.find(letter)));
}

/// How far apart neighbours along `letter` are.
static int64_t strideOf(Value x, StringRef layout, char letter) {
  return llvm::product_of(tensorType(x).getShape().drop_front(layout.find(letter) + 1), int64_t(1));
}

/// The shape of a tensor with the extents of `e` for queries.
static SmallVector<int64_t> shapeFor(StringRef layout, const AttentionExtents &e) {
  SmallVector<int64_t> shape;
  for (char letter : layout)
    shape.push_back(letter == 'b'   ? e.batch
                    : letter == 'h' ? e.heads
                    : letter == 'r' ? e.rows
                                    : e.size);
  return shape;
}

/// The extents of an attention of these inputs; failure after an error where they do not fit.
static FailureOr<AttentionExtents> readExtents(std::optional<Location> location, ValueRange inputs,
                                               ArrayAttr layouts) {
  auto fail = [&](const Twine &what) -> FailureOr<AttentionExtents> {
    return mlir::emitError(location.value_or(UnknownLoc::get(layouts.getContext()))) << what.str();
  };
  bool isJoint = inputs.size() == 1;
  if (inputs.size() != 1 && inputs.size() != 3)
    return fail("has " + Twine(inputs.size()) + " inputs, but should have 1 or 3");
  if (layouts.size() != inputs.size() + 1)
    return fail("has " + Twine(layouts.size()) + " layouts, not one for each input and the output");
  for (auto [i, x] : llvm::enumerate(inputs)) { // attention_c1
    StringRef layout = layoutAt(layouts, i);
    if (!isLayout(layout, isJoint))
      return fail("the layout '" + layout + "' is none of " + (isJoint ? "b, h, r, p" : "b, h, r") +
                  " and, last, d");
    if (tensorType(x).getRank() != int64_t(layout.size()))
      return fail("an input has rank " + Twine(tensorType(x).getRank()) + ", but the layout '" +
                  layout + "'");
    if (tensorType(x).getElementType() != tensorType(inputs[0]).getElementType()) // attention_c3
      return fail("the inputs have several element types");
  }
  if (StringRef layout = layoutAt(layouts, inputs.size()); !isLayout(layout, false))
    return fail("the layout '" + layout + "' is none of b, h, r and, last, d");
  auto extent = [&](unsigned input, char letter) {
    unsigned i = isJoint ? 0 : input;
    return extentOf(inputs[i], layoutAt(layouts, i), letter);
  };
  AttentionExtents e{extent(0, 'b'), extent(0, 'h'), extent(1, 'h'),
                     extent(0, 'r'), extent(1, 'r'), extent(0, 'd')};
  bool fits = !isJoint || extent(0, 'p') == 3;
  for (unsigned i : {1, 2})
    fits = fits && extent(i, 'b') == e.batch && extent(i, 'h') == e.keyHeads &&
           extent(i, 'r') == e.columns && extent(i, 'd') == e.size;
  if (!fits || e.keyHeads < 1 || e.heads % e.keyHeads != 0 ||
      llvm::product_of(e.list(), int64_t(1)) == 0) { // attention_c2
    std::string shapes;
    llvm::raw_string_ostream text(shapes);
    llvm::interleaveComma(inputs.getTypes(), text);
    return fail("query, key and value do not fit together: " + shapes);
  }
  return e;
}

/// Fails where a mask or condition does not broadcast to the scores.
static LogicalResult checkMasks(std::optional<Location> location, Value mask, Value condition,
                                Type scores, bool hasOff, const AttentionExtents &e) {
  SmallVector<int64_t> all{e.batch, e.heads, e.rows, e.columns};
  for (Value x : {mask, condition}) {
    if (!x)
      continue;
    RankedTensorType type = tensorType(x);
    if (type.getRank() != 4 || broadcastShapes({type.getShape(), all}) != all) // attention_c2
      return inferenceError(location, type, " does not broadcast to the scores, [", all, "]");
  }
  if (mask && tensorType(mask).getElementType() != scores) // attention_c3
    return inferenceError(location, "the mask is ", mask.getType(), ", but the scores are ",
                          scores);
  if (condition && !hasOff) // attention_c4
    return inferenceError(location, "has a condition, but no 'off'");
  return success();
}

LogicalResult AttentionOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  FailureOr<AttentionExtents> e =
      readExtents(location, adaptor.getInputs(), adaptor.getLayoutsAttr());
  if (failed(e))
    return failure();
  Type element = tensorType(adaptor.getInputs()[0]).getElementType();
  Type wide = KernelBuilder::computeType(element);
  if (failed(checkMasks(location, adaptor.getMask(), adaptor.getCondition(), wide,
                        bool(adaptor.getOffAttr()), *e)))
    return failure();
  StringRef layout = layoutAt(adaptor.getLayoutsAttr(), adaptor.getInputs().size());
  auto rows = RankedTensorType::get({e->batch, e->heads, e->rows}, wide);
  types.assign({RankedTensorType::get(shapeFor(layout, *e), element), rows, rows});
  return success();
}

LogicalResult AttentionGradOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                Adaptor adaptor, SmallVectorImpl<Type> &types) {
  FailureOr<AttentionExtents> e =
      readExtents(location, adaptor.getInputs(), adaptor.getLayoutsAttr());
  if (failed(e))
    return failure();
  Type element = tensorType(adaptor.getInputs()[0]).getElementType();
  Type wide = KernelBuilder::computeType(element);
  if (failed(checkMasks(location, adaptor.getMask(), adaptor.getCondition(), wide,
                        bool(adaptor.getOffAttr()), *e)))
    return failure();
  StringRef layout = layoutAt(adaptor.getLayoutsAttr(), adaptor.getInputs().size());
  SmallVector<int64_t> shape = shapeFor(layout, *e);
  auto rows = RankedTensorType::get({e->batch, e->heads, e->rows}, wide);
  if (adaptor.getGradient().getType() != RankedTensorType::get(shape, element) ||
      adaptor.getMaximum().getType() != rows || adaptor.getSum().getType() != rows ||
      adaptor.getDelta().getType() != RankedTensorType::get(ArrayRef(shape).drop_back(), wide))
    return inferenceError(location, "has the gradient ", adaptor.getGradient().getType(), ", with ",
                          adaptor.getMaximum().getType(), ", ", adaptor.getSum().getType(), " and ",
                          adaptor.getDelta().getType());
  llvm::append_range(types, adaptor.getInputs().getTypes());
  return success();
}

/// That of the values: masks end in the softmax, as scores do.
FloatRange AttentionOp::inferRange(ArrayRef<FloatRange> operands) {
  return inferProductRange(operands.take_front(getInputs().size()));
}

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

/// Query, key or value as [b, h, r, d].
static Value takeHeads(GradientBuilder &gradient, ValueRange inputs, ArrayAttr layouts,
                       unsigned index) {
  bool isJoint = inputs.size() == 1;
  Value x = inputs[isJoint ? 0 : index];
  std::string layout = layoutAt(layouts, isJoint ? 0 : index).str();
  if (isJoint) {
    size_t parts = layout.find('p');
    SmallVector<int64_t> starts(layout.size(), 0), sizes(tensorType(x).getShape());
    SmallVector<int64_t> steps(layout.size(), 1);
    starts[parts] = index;
    sizes[parts] = 1;
    x = gradient.create<SliceOp>(x, starts, sizes, steps);
    sizes.erase(sizes.begin() + parts);
    layout.erase(parts, 1);
    x = gradient.create<ReshapeOp>(x, sizes);
  }
  SmallVector<int64_t> order;
  for (char letter : StringRef("bhrd"))
    order.push_back(int64_t(layout.find(letter)));
  return buildPermutation(gradient.builder, gradient.loc, x, order);
}

/// The gradient of a mask is that of the scores, which need their matrix after all.
static Value buildMaskGradient(AttentionOp op, GradientBuilder &gradient, Value g, Value delta) {
  SmallVector<Value> heads;
  for (unsigned i : {0, 1, 2})
    heads.push_back(takeHeads(gradient, op.getInputs(), op.getLayouts(), i));
  RankedTensorType query = tensorType(heads[0]), key = tensorType(heads[1]);
  int64_t batch = query.getDimSize(0), all = query.getDimSize(1), rows = query.getDimSize(2);
  StringRef layout = layoutAt(op.getLayouts(), op.getInputs().size());
  SmallVector<int64_t> order, rowOrder;
  for (char letter : StringRef("bhr"))
    rowOrder.push_back(int64_t(layout.find(letter)));
  order = rowOrder;
  order.push_back(3);
  g = buildPermutation(gradient.builder, gradient.loc, g, order);
  // The rows of heads that share a key are those of one matrix.
  auto product = [&](Value x, Value y, const APFloat &alpha) {
    SmallVector<int64_t> shared{batch, key.getDimSize(1), all / key.getDimSize(1) * rows,
                                query.getDimSize(3)};
    Value z = gradient.create<MatMulOp>(gradient.create<ReshapeOp>(x, shared), y, Value(), false,
                                        true, alpha, /*wide=*/true);
    return gradient.create<ReshapeOp>(z, ArrayRef<int64_t>{batch, all, rows, key.getDimSize(2)});
  };
  auto column = [&](Value x) {
    return gradient.create<ReshapeOp>(x, ArrayRef<int64_t>{batch, all, rows, 1});
  };
  Value scores = product(heads[0], heads[1], op.getScale());
  scores = gradient.create<AddOp>(scores, op.getMask());
  if (Value condition = op.getCondition()) {
    auto scalar = RankedTensorType::get({}, tensorType(scores).getElementType());
    Value off = buildConstant(
        gradient.builder, gradient.loc,
        DenseElementsAttr::get(
            scalar, FloatAttr::get(scalar.getElementType(), op.getOff()->convertToDouble())));
    Value other = op.getReplaces() ? off : gradient.create<AddOp>(scores, off);
    scores = gradient.create<WhereOp>(condition, scores, other);
  }
  Value powers = gradient.create<ExpOp>(gradient.create<SubOp>(scores, column(op.getMaximum())));
  Value probabilities = gradient.create<DivOp>(powers, column(op.getSum()));
  Value slope = product(g, heads[2], APFloat(1.0));
  delta = buildPermutation(gradient.builder, gradient.loc, delta, rowOrder);
  slope = gradient.create<SubOp>(slope, column(delta));
  slope = gradient.create<MulOp>(probabilities, slope);
  if (op.getCondition() && op.getReplaces())
    slope = gradient.create<WhereOp>(op.getCondition(), slope, gradient.splatLike(slope, 0));
  return slope;
}

void AttentionOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient(0);
  if (!g) // only of the largest scores and the sums, which nothing reads but the gradient
    return;
  g = gradient.cast(g, getOutput().getType().getElementType());
  Value products = gradient.create<MulOp>(widen(gradient, g), widen(gradient, getOutput()));
  Value delta = gradient.create<ReduceSumOp>(products, ArrayRef<int64_t>{3}, /*keepdims=*/false);
  unsigned mask = getInputs().size();
  if (getMask() && gradient.needs(mask))
    gradient.set(mask, buildMaskGradient(*this, gradient, g, delta));
  bool isNeeded = false;
  for (unsigned i = 0; i < mask; ++i)
    isNeeded |= gradient.needs(i);
  if (!isNeeded)
    return;
  auto op = AttentionGradOp::create(gradient.builder, gradient.loc, g, getMaximum(), getSum(),
                                    delta, getInputs(), getMask(), getCondition(), getLayouts(),
                                    getScale(), getOffAttr(), getReplaces());
  for (auto [i, result] : llvm::enumerate(op.getResults()))
    if (gradient.needs(i))
      gradient.set(i, result);
}

//===----------------------------------------------------------------------===//
// Kernel
//===----------------------------------------------------------------------===//

namespace {
/// The places of query, key, value and output for plan.attention.
SmallVector<int64_t> findPlaces(ValueRange inputs, ArrayAttr layouts, Value output) {
  SmallVector<int64_t> places;
  bool isJoint = inputs.size() == 1;
  for (unsigned i = 0; i < 4; ++i) {
    Value x = i == 3 ? output : inputs[isJoint ? 0 : i];
    StringRef layout = layoutAt(layouts, i == 3 ? inputs.size() : isJoint ? 0 : i);
    places.push_back(isJoint && i < 3 ? i * strideOf(x, layout, 'p') : 0);
    for (char letter : StringRef("bhr"))
      places.push_back(strideOf(x, layout, letter));
  }
  return places;
}

/// Attention as products and what lies between them.
class Expansion {
public:
  Expansion(KernelBuilder &k, const AttentionExtents &e, ArrayAttr layouts, ValueRange inputs,
            Value mask, Value condition, const APFloat &scale, std::optional<APFloat> off,
            bool replaces)
      : k(k), e(e), layouts(layouts), isJoint(inputs.size() == 1), scale(scale),
        element(tensorType(inputs[0]).getElementType()), wide(KernelBuilder::computeType(element)),
        condition(condition), replaces(replaces), shared(e.heads / e.keyHeads * e.rows) {
    for (unsigned i : {0, 1, 2})
      heads[i] = takeHeads(inputs[isJoint ? 0 : i], i);
    // The rows of all heads that share keys are the rows of one matrix.
    Value products =
        multiply(rowsOf(heads[0]), false, matrices(heads[1]), true, scale, {shared, e.columns});
    SmallVector<Value> read{scoresOf(products)};
    if (mask)
      read.push_back(mask);
    if (condition)
      read.push_back(condition);
    scores = k.pointwise(read, scoresType(wide), [&](ScalarBuilder &s, ValueRange x) {
      Value score = mask ? s.add(x[0], x[1]) : x[0];
      if (!condition)
        return score;
      Value other = s.constantLike(score, off->convertToDouble());
      return s.select(x.back(), score, replaces ? other : s.add(score, other));
    });
  }

  RankedTensorType scoresType(Type type) const {
    return RankedTensorType::get({e.batch, e.heads, e.rows, e.columns}, type);
  }
  Value column(Value x) { return k.reshape(x, {e.batch, e.heads, e.rows, 1}); }

  Value probabilities(Value maximum, Value sum) {
    return k.pointwise(
        {scores, maximum, sum}, scoresType(element),
        [](ScalarBuilder &s, ValueRange x) { return s.div(s.exp(s.sub(x[0], x[1])), x[2]); });
  }

  SmallVector<Value> emit(RankedTensorType output) {
    RowSoftmax softmax(k, scores);
    Value p = probabilities(softmax.maximum, softmax.sum);
    Value y = multiply(rowsOf(p), false, matrices(heads[2]), false, APFloat(1.0), {shared, e.size});
    y = k.reshape(y, {e.batch, e.heads, e.rows, e.size});
    SmallVector<int64_t> rows{e.batch, e.heads, e.rows};
    return {k.reshape(toLayout(y, layoutAt(layouts, layouts.size() - 1)), output.getShape()),
            k.reshape(softmax.maximum, rows), k.reshape(softmax.sum, rows)};
  }

  SmallVector<Value> emitGradients(Value g, Value maximum, Value sum, Value delta) {
    StringRef layout = layoutAt(layouts, layouts.size() - 1);
    g = fromLayout(g, layout);
    delta = fromLayout(k.reshape(delta, keepLast(tensorType(delta).getShape())), layout);
    Value p = probabilities(column(maximum), column(sum));
    Value slope =
        multiply(rowsOf(g), false, matrices(heads[2]), true, APFloat(1.0), {shared, e.columns});
    SmallVector<Value> read{scores, column(maximum), column(sum), scoresOf(slope), delta};
    if (condition && replaces)
      read.push_back(condition);
    Value ds = k.pointwise(read, scoresType(element), [&](ScalarBuilder &s, ValueRange x) {
      Value y = s.div(s.exp(s.sub(x[0], x[1])), x[2]);
      y = s.mul(y, s.sub(x[3], x[4]));
      return condition && replaces ? s.select(x[5], y, s.constantLike(y, 0)) : y;
    });
    Value results[] = {
        multiply(rowsOf(ds), false, matrices(heads[1]), false, scale, {shared, e.size}),
        multiply(rowsOf(ds), true, rowsOf(heads[0]), false, scale, {e.columns, e.size}),
        multiply(rowsOf(p), true, rowsOf(g), false, APFloat(1.0), {e.columns, e.size})};
    SmallVector<Value> gradients;
    for (unsigned i : {0, 1, 2}) {
      int64_t heads = i == 0 ? e.heads : e.keyHeads, rows = i == 0 ? e.rows : e.columns;
      Value x = k.reshape(results[i], {e.batch, heads, rows, e.size});
      std::string layout = layoutAt(layouts, isJoint ? 0 : i).str();
      size_t parts = layout.find('p');
      if (isJoint)
        layout.erase(parts, 1);
      x = toLayout(x, layout);
      if (isJoint) {
        SmallVector<int64_t> shape(tensorType(x).getShape());
        shape.insert(shape.begin() + parts, 1);
        x = k.reshape(x, shape);
      }
      gradients.push_back(x);
    }
    if (isJoint)
      return {k.concat(gradients, int64_t(layoutAt(layouts, 0).find('p')))};
    return gradients;
  }

private:
  static SmallVector<int64_t> keepLast(ArrayRef<int64_t> shape) {
    SmallVector<int64_t> kept(shape);
    kept.push_back(1);
    return kept;
  }
  /// [b, h, r, d] of a layout without `p`, and back.
  Value fromLayout(Value x, StringRef layout) {
    SmallVector<int64_t> order;
    for (char letter : StringRef("bhrd"))
      order.push_back(int64_t(layout.find(letter)));
    return k.transpose(x, order);
  }
  Value toLayout(Value x, StringRef layout) {
    SmallVector<int64_t> order;
    for (char letter : layout)
      order.push_back(int64_t(StringRef("bhrd").find(letter)));
    return k.transpose(x, order);
  }
  Value takeHeads(Value x, unsigned index) {
    std::string layout = layoutAt(layouts, isJoint ? 0 : index).str();
    if (isJoint) {
      size_t parts = layout.find('p');
      SmallVector<int64_t> starts(layout.size(), 0), sizes(tensorType(x).getShape());
      SmallVector<int64_t> steps(layout.size(), 1);
      starts[parts] = index;
      sizes[parts] = 1;
      x = k.slice(x, starts, sizes, steps);
      sizes.erase(sizes.begin() + parts);
      layout.erase(parts, 1);
      x = k.reshape(x, sizes);
    }
    return fromLayout(x, layout);
  }
  /// A tensor of all heads with the rows of those that share a key in one matrix.
  Value rowsOf(Value x) {
    return k.reshape(x, {e.batch * e.keyHeads, shared, tensorType(x).getShape().back()});
  }
  Value matrices(Value x) { return k.reshape(x, {e.batch * e.keyHeads, e.columns, e.size}); }
  Value scoresOf(Value x) { return k.reshape(x, {e.batch, e.heads, e.rows, e.columns}); }

  Value multiply(Value lhs, bool transposeLhs, Value rhs, bool transposeRhs, const APFloat &alpha,
                 ArrayRef<int64_t> matrix) {
    auto type = RankedTensorType::get({e.batch * e.keyHeads, matrix[0], matrix[1]}, element);
    return plan::MatMulOp::create(k.builder, k.loc, type, lhs, rhs, Value(), transposeLhs,
                                  transposeRhs, alpha, plan::Epilogue::None)
        .getResult();
  }

  KernelBuilder &k;
  const AttentionExtents e;
  ArrayAttr layouts;
  bool isJoint;
  APFloat scale;
  Type element, wide;
  Value condition;
  bool replaces;
  int64_t shared; ///< rows of heads that share a key
  Value heads[3], scores;
};
} // namespace

/// A kernel of its own where the target has one, else products; the results of `op`.
template <typename OpTy, typename Fuse, typename Expand>
static SmallVector<Value> emitAttention(OpTy op, KernelBuilder &kernel, ValueRange inputs,
                                        Fuse fuse, Expand expand) {
  AttentionExtents e = *readExtents(op.getLoc(), inputs, op.getLayouts());
  Type element = tensorType(inputs[0]).getElementType();
  return kernel.fusesAttention(element, e.size) ? fuse(e) : expand(e);
}

SmallVector<Value> AttentionOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  unsigned count = getInputs().size();
  ValueRange inputs = operands.take_front(count);
  Value mask = getMask() ? operands[count] : Value();
  Value condition = getCondition() ? operands.back() : Value();
  OpBuilder &b = kernel.builder;
  return emitAttention(
      *this, kernel, inputs,
      [&](const AttentionExtents &e) -> SmallVector<Value> {
        SmallVector<int64_t> places = findPlaces(inputs, getLayouts(), getOutput());
        auto op = plan::AttentionOp::create(b, kernel.loc, getResultTypes(), inputs, mask,
                                            condition, e.list(), places, getScale(),
                                            getOff().value_or(APFloat(0.0)), getReplaces());
        return op->getResults();
      },
      [&](const AttentionExtents &e) {
        Expansion expansion(kernel, e, getLayouts(), inputs, mask, condition, getScale(), getOff(),
                            getReplaces());
        return expansion.emit(getOutput().getType());
      });
}

SmallVector<Value> AttentionGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  unsigned count = getInputs().size();
  Value g = operands[0], maximum = operands[1], sum = operands[2], delta = operands[3];
  ValueRange inputs = operands.slice(4, count);
  Value mask = getMask() ? operands[4 + count] : Value();
  Value condition = getCondition() ? operands.back() : Value();
  OpBuilder &b = kernel.builder;
  return emitAttention(
      *this, kernel, inputs,
      [&](const AttentionExtents &e) -> SmallVector<Value> {
        SmallVector<int64_t> places = findPlaces(inputs, getLayouts(), getGradient());
        auto op = plan::AttentionGradOp::create(
            b, kernel.loc, getResultTypes(), g, maximum, sum, delta, inputs, mask, condition,
            e.list(), places, getScale(), getOff().value_or(APFloat(0.0)), getReplaces());
        return op->getResults();
      },
      [&](const AttentionExtents &e) {
        Expansion expansion(kernel, e, getLayouts(), inputs, mask, condition, getScale(), getOff(),
                            getReplaces());
        return expansion.emitGradients(g, maximum, sum, delta);
      });
}
