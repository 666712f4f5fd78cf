//===- Attention.cpp - Attention with a softmax ----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Attention.h"
#include "AttentionExpansion.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/MatMul.h"
#include "ampc/Dialect/Amp/Ops/Random.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Dialect/Plan/Plan.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

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
    shape.push_back(e.of(letter, /*isKey=*/false));
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
      llvm::is_contained(e.list(), 0)) { // attention_c2
    std::string shapes;
    llvm::raw_string_ostream text(shapes);
    llvm::interleaveComma(inputs.getTypes(), text);
    return fail("query, key and value do not fit together: " + shapes);
  }
  return e;
}

/// Fails where what is done to the scores does not fit them, of type `scores`.
template <typename Adaptor>
static LogicalResult checkScores(std::optional<Location> location, Adaptor op, Type scores,
                                 const AttentionExtents &e) {
  SmallVector<int64_t> all{e.batch, e.heads, e.rows, e.columns};
  for (Value x : {op.getMask(), op.getCondition()}) {
    if (!x)
      continue;
    RankedTensorType type = tensorType(x);
    if (type.getRank() != 4 || broadcastShapes({type.getShape(), all}) != all) // attention_c2
      return inferenceError(location, type, " does not broadcast to the scores, [", all, "]");
  }
  if (Value mask = op.getMask(); mask && tensorType(mask).getElementType() != scores)
    return inferenceError(location, "the mask is ", mask.getType(), ", but the scores are ",
                          scores);           // attention_c3
  if (op.getCondition() && !op.getOffAttr()) // attention_c4
    return inferenceError(location, "has a condition, but no 'off'");
  bool hasSeed = bool(op.getSeed());
  if (bool(op.getAttempt()) != hasSeed || bool(op.getRatioAttr()) != hasSeed ||
      bool(op.getStreamAttr()) != hasSeed)
    return inferenceError(location, "has some of seed, attempt, 'ratio' and 'stream', not all");
  if (double ratio = hasSeed ? op.getRatio()->convertToDouble() : 0; !(ratio >= 0 && ratio <= 1))
    return inferenceError(location, "has the ratio ", ratio, ", but it must be in [0, 1]");
  return success();
}

namespace {
/// What follows from the operands of either op.
struct InferredAttention {
  AttentionExtents extents;
  RankedTensorType output, rows; ///< `rows`: one number for each
};
} // namespace

template <typename Adaptor>
static FailureOr<InferredAttention> inferAttention(std::optional<Location> location, Adaptor op) {
  FailureOr<AttentionExtents> e = readExtents(location, op.getInputs(), op.getLayoutsAttr());
  if (failed(e))
    return failure();
  Type element = tensorType(op.getInputs()[0]).getElementType();
  Type wide = KernelBuilder::computeType(element);
  if (failed(checkScores(location, op, wide, *e)))
    return failure();
  StringRef layout = layoutAt(op.getLayoutsAttr(), op.getInputs().size());
  return InferredAttention{*e, RankedTensorType::get(shapeFor(layout, *e), element),
                           RankedTensorType::get({e->batch, e->heads, e->rows}, wide)};
}

LogicalResult AttentionOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  FailureOr<InferredAttention> inferred = inferAttention(location, adaptor);
  if (failed(inferred))
    return failure();
  types.assign({inferred->output, inferred->rows, inferred->rows});
  return success();
}

LogicalResult AttentionGradOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                Adaptor adaptor, SmallVectorImpl<Type> &types) {
  FailureOr<InferredAttention> inferred = inferAttention(location, adaptor);
  if (failed(inferred))
    return failure();
  RankedTensorType rows = inferred->rows;
  auto delta =
      RankedTensorType::get(inferred->output.getShape().drop_back(), rows.getElementType());
  if (adaptor.getGradient().getType() != inferred->output ||
      adaptor.getMaximum().getType() != rows || adaptor.getSum().getType() != rows ||
      adaptor.getDelta().getType() != delta)
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
  if (op.getSeed())
    slope = gradient.create<DropoutOp>(slope, op.getSeed(), op.getAttempt(), op.getRatioAttr(),
                                       op.getStreamAttr());
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
                                    delta, getInputs(), getMask(), getCondition(), getSeed(),
                                    getAttempt(), getLayouts(), getScale(), getOffAttr(),
                                    getReplaces(), getRatioAttr(), getStreamAttr());
  for (auto [i, result] : llvm::enumerate(op.getResults()))
    if (gradient.needs(i))
      gradient.set(i, result);
}

//===----------------------------------------------------------------------===//
// Kernel
//===----------------------------------------------------------------------===//

/// The places of query, key, value and output for plan.attention.
static SmallVector<int64_t> findPlaces(ValueRange inputs, ArrayAttr layouts, Value output) {
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

SmallVector<Value> AttentionOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  auto parts = AttentionParts::of(*this, operands, /*first=*/0);
  AttentionExtents e = *readExtents(getLoc(), parts.inputs, getLayouts());
  if (!kernel.fusesAttention(getOutput().getType().getElementType(), e.size))
    return expandAttention(kernel, e, parts, getOutput().getType());
  SmallVector<int64_t> places = findPlaces(parts.inputs, getLayouts(), getOutput());
  auto op = plan::AttentionOp::create(kernel.builder, kernel.loc, getResultTypes(), parts.inputs,
                                      parts.mask, parts.condition, parts.seed, parts.attempt,
                                      e.list(), places, getScale(), getOff().value_or(APFloat(0.0)),
                                      getReplaces(), getRatioAttr(), getStreamAttr());
  return op->getResults();
}

SmallVector<Value> AttentionGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  auto parts = AttentionParts::of(*this, operands, /*first=*/4);
  AttentionExtents e = *readExtents(getLoc(), parts.inputs, getLayouts());
  Value g = operands[0], maximum = operands[1], sum = operands[2], delta = operands[3];
  if (!kernel.fusesAttention(getGradient().getType().getElementType(), e.size))
    return expandAttentionGrad(kernel, e, parts, g, maximum, sum, delta);
  SmallVector<int64_t> places = findPlaces(parts.inputs, getLayouts(), getGradient());
  auto op = plan::AttentionGradOp::create(
      kernel.builder, kernel.loc, getResultTypes(), g, maximum, sum, delta, parts.inputs,
      parts.mask, parts.condition, parts.seed, parts.attempt, e.list(), places, getScale(),
      getOff().value_or(APFloat(0.0)), getReplaces(), getRatioAttr(), getStreamAttr());
  return op->getResults();
}
