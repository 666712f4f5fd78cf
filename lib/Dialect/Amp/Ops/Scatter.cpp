//===- Scatter.cpp - Elements put where indices say -----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Scatter.h"
#include "Expected.h"
#include "IndexTuples.h"
#include "Indices.h"
#include "Places.h"
#include "WindowAttributes.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Integer.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace ampc;

/// Whether indices of `shape` choose along `axis` of `type`.
static LogicalResult checkShape(std::optional<Location> location, RankedTensorType type,
                                RankedTensorType indices, int64_t axis) {
  if (axis < 0 || axis >= type.getRank()) // scatter_c1
    return inferenceError(location, "axis ", axis, " is out of range for ", type);
  bool fits = indices.getRank() == type.getRank();
  for (int64_t d = 0; fits && d < type.getRank(); ++d)
    fits = d == axis || indices.getDimSize(d) <= type.getDimSize(d);
  if (!fits) // scatter_c2
    return inferenceError(location, "indices ", indices, " do not choose along axis ", axis, " of ",
                          type);
  return success();
}

/// Whether there is an index for each line of updates.
static bool fitUpdates(RankedTensorType type, RankedTensorType indices, RankedTensorType updates,
                       int64_t axis) {
  bool fits =
      updates.getElementType() == type.getElementType() && updates.getRank() == indices.getRank();
  for (int64_t d = 0; fits && d < updates.getRank(); ++d) {
    bool isShared = d != axis && indices.getDimSize(d) == 1;
    fits = updates.getDimSize(d) == indices.getDimSize(d) ||
           (isShared && updates.getDimSize(d) <= type.getDimSize(d));
  }
  return fits;
}

/// Checks the indices, input 1, and gives the axis. They are cast to i64 where the axis has
/// more elements than i32 counts, since they are compared with its extent.
static FailureOr<int64_t> importIndices(OnnxNode &node, OpBuilder &builder, Value &indices) {
  RankedTensorType type = tensorType(node.input(0)), indexType = tensorType(indices);
  if (!indexType.getElementType().isInteger(32) && !indexType.getElementType().isInteger(64))
    return node.emitError() << "indices must be i32 or i64, but are " << indexType;
  FailureOr<int64_t> axis = normalizeAxis(node, node.getInt("axis", 0), type.getRank());
  if (failed(axis))
    return failure();
  DenseElementsAttr known = node.constant(1);
  if (known && failed(checkKnownIndices(node, known, type, *axis))) // scatter_c3
    return failure();
  if (type.getDimSize(*axis) > std::numeric_limits<int32_t>::max())
    indices = castTo(builder, node.loc, indices, builder.getI64Type());
  return axis;
}

//===----------------------------------------------------------------------===//
// scatter and its relatives
//===----------------------------------------------------------------------===//

/// The image that windows of a MaxPool came from, 0 but for the elements that were the largest.
/// Indices count in that image; input 2 gives a larger shape, whose other places are 0.
static FailureOr<Value> importMaxUnpool(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 3)))
    return failure();
  RankedTensorType type = tensorType(node.input(0)), indices = tensorType(node.input(1));
  if (type.getRank() < 3 || indices.getShape() != type.getShape() ||
      !indices.getElementType().isInteger(64))
    return node.emitError() << "needs values with dimensions behind the first two and an i64 index "
                               "for each, but has "
                            << type << " and " << indices;
  if (!node.hasAttribute("kernel_shape"))
    return node.emitError() << "lacks the attribute 'kernel_shape'";
  size_t rank = type.getRank() - 2;
  FailureOr<SmallVector<int64_t>> taps = importInts(node, "kernel_shape", rank, 1);
  FailureOr<SmallVector<int64_t>> strides = importInts(node, "strides", rank, 1);
  FailureOr<SmallVector<int64_t>> pads = importInts(node, "pads", 2 * rank, 0);
  if (failed(taps) || failed(strides) || failed(pads))
    return failure();
  SmallVector<int64_t> shape(type.getShape().take_front(2));
  for (size_t d = 0; d < rank; ++d) {
    for (int64_t number : {(*taps)[d], (*strides)[d], (*pads)[d], (*pads)[rank + d]})
      if (number < 0 || number > kMostAlong)
        return node.emitError() << "has " << number << " among kernel_shape, strides and pads: "
                                << "each must be at least 0 and at most " << kMostAlong;
    int64_t extent =
        (type.getDimSize(2 + d) - 1) * (*strides)[d] + (*taps)[d] - (*pads)[d] - (*pads)[rank + d];
    if (extent < 0 || extent > kMostAlong)
      return node.emitError() << "gives spatial dimension " << d << " an extent of " << extent;
    shape.push_back(extent);
  }
  FailureOr<int64_t> count = checkedProduct(node, shape);
  if (failed(count))
    return failure();
  int64_t updates = type.getNumElements();
  auto flat = [&](Value x) { return reshapeTo(builder, node.loc, x, {updates}); };
  Value zeros = splat(builder, node.loc, type.clone({*count}), 0);
  FailureOr<Value> result =
      importOp<ScatterOp>(node, builder, {zeros, flat(node.input(1)), flat(node.input(0))},
                          builder.getNamedAttr("axis", builder.getI64IntegerAttr(0)));
  if (failed(result))
    return failure();
  result = reshapeTo(builder, node.loc, *result, shape);
  if (!node.input(2))
    return result;
  FailureOr<GivenNumbers> given =
      givenInts(node, 2, "output_shape", 0,
                [](ArrayRef<int64_t> declared) { return SmallVector<int64_t>(declared); });
  if (failed(given))
    return failure();
  ArrayRef<int64_t> wanted = given->numbers;
  bool fits = wanted.size() == shape.size();
  for (size_t d = 0; fits && d < shape.size(); ++d)
    fits = wanted[d] >= shape[d];
  if (!fits)
    return node.emitError() << "output_shape [" << wanted << "] does not hold the windows' image, ["
                            << ArrayRef<int64_t>(shape) << "]";
  if (failed(checkedProduct(node, wanted)))
    return failure();
  SmallVector<int64_t> starts(shape.size(), 0);
  FailureOr<Value> padded = importStepped<PadOp>(node, builder, *result, starts, wanted);
  if (failed(padded))
    return failure();
  return expectNumbers(node, builder, 2, *given, *padded);
}

/// Of each batch entry, updates that go one behind the other along an axis from a place of its own
/// on. Dimensions up to the axis are one: a scatter of rows.
static FailureOr<Value> importTensorScatter(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 3)))
    return failure();
  Location loc = node.loc;
  RankedTensorType type = tensorType(node.input(0)), updates = tensorType(node.input(1));
  FailureOr<int64_t> axis = normalizeAxis(node, node.getInt("axis", -2), type.getRank());
  std::string mode = node.getString("mode", "linear");
  if (failed(axis) || node.hadError)
    return failure();
  if (*axis == 0 || (mode != "linear" && mode != "circular"))
    return node.emitError() << "has axis " << *axis << " and mode '" << mode
                            << "', but the axis cannot be 0, that of the batch, and modes are "
                               "'linear' and 'circular'";
  ArrayRef<int64_t> shape = type.getShape();
  SmallVector<int64_t> wanted(shape);
  if (updates.getRank() == type.getRank())
    wanted[*axis] = std::min(updates.getDimSize(*axis), shape[*axis]);
  if (updates != type.clone(wanted))
    return node.emitError() << "an update " << updates << " does not go into " << type
                            << " along axis " << *axis;
  int64_t batch = shape[0], extent = shape[*axis], count = wanted[*axis];
  int64_t between = llvm::product_of(shape.slice(1, *axis - 1), int64_t(1));
  int64_t inner = llvm::product_of(shape.drop_front(*axis + 1), int64_t(1));
  auto number = [&](int64_t value) {
    auto scalar = RankedTensorType::get({}, builder.getI64Type());
    return buildConstant(builder, loc, DenseElementsAttr::get(scalar, value));
  };
  // The place of each update in its line, and of each line among all.
  Value place = indexAlong(builder, loc, 3, 2, count);
  if (Value first = node.input(2)) {
    if (tensorType(first) != RankedTensorType::get(batch, builder.getI64Type()))
      return node.emitError() << "'write_indices' must be an i64 for each of " << batch
                              << " batch entries, but are " << first.getType();
    if (DenseElementsAttr known = node.constant(2); known && mode == "linear")
      for (const APInt &index : known.getValues<APInt>())
        if (index.getSExtValue() < 0 || index.getSExtValue() > extent - count)
          return node.emitError() << "an update of " << count << " from place "
                                  << index.getSExtValue() << " on does not go into " << extent;
    place = builder.createOrFold<AddOp>(loc, place, reshapeTo(builder, loc, first, {batch, 1, 1}));
  }
  Value isOutside;
  if (mode == "circular") {
    place = builder.createOrFold<ModOp>(loc, place, number(extent), /*truncated=*/false);
  } else {
    Value isBefore = builder.createOrFold<LessOp>(loc, place, number(0));
    Value isBehind = builder.createOrFold<GreaterOrEqualOp>(loc, place, number(extent));
    isOutside = builder.createOrFold<OrOp>(loc, isBefore, isBehind);
  }
  Value line = indexAlong(builder, loc, 3, 0, batch);
  line = builder.createOrFold<MulOp>(loc, line, number(between));
  line = builder.createOrFold<AddOp>(loc, line, indexAlong(builder, loc, 3, 1, between));
  line = builder.createOrFold<MulOp>(loc, line, number(extent));
  place = builder.createOrFold<AddOp>(loc, line, place);
  int64_t lines = batch * between;
  if (isOutside)
    place = builder.createOrFold<WhereOp>(loc, isOutside, number(lines * extent), place);
  Value operands[] = {reshapeTo(builder, loc, node.input(0), {lines * extent, inner}),
                      reshapeTo(builder, loc, place, {lines * count, 1}),
                      reshapeTo(builder, loc, node.input(1), {lines * count, inner})};
  FailureOr<Value> result = importOp<ScatterOp>(
      node, builder, operands, builder.getNamedAttr("axis", builder.getI64IntegerAttr(0)));
  if (failed(result))
    return failure();
  return reshapeTo(builder, loc, *result, shape);
}

FailureOr<SmallVector<Value>> ScatterOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "TensorScatter")
    return single(importTensorScatter(node, builder));
  if (node.opType == "MaxUnpool")
    return single(importMaxUnpool(node, builder));
  if (failed(node.expectInputs(3, 3)))
    return failure();
  bool hasTuples = node.opType == "ScatterND";
  std::string reduction = node.version >= 16 ? node.getString("reduction", "none") : "none";
  StringRef name = llvm::StringSwitch<StringRef>(reduction)
                       .Case("none", ScatterOp::getOperationName())
                       .Case("add", ScatterAddOp::getOperationName())
                       .Case("mul", ScatterMulOp::getOperationName())
                       .Case("max", ScatterMaxOp::getOperationName())
                       .Case("min", ScatterMinOp::getOperationName())
                       .Default("");
  if (name.empty())
    return node.emitError() << "attribute 'reduction' is '" << reduction
                            << "', but should be 'none', 'add', 'mul', 'max' or 'min'";
  if (hasTuples)
    return single(importScatterND(node, builder, name));
  Value indices = node.input(1);
  FailureOr<int64_t> axis = importIndices(node, builder, indices);
  if (failed(axis))
    return failure();
  return single(importOp(node, builder, name, {node.input(0), indices, node.input(2)},
                         builder.getNamedAttr("axis", builder.getI64IntegerAttr(*axis))));
}

/// The places of updates: indices that count from the start. Those out of range stay so.
static Value placesOf(KernelBuilder &kernel, Value indices, int64_t extent) {
  return kernel.pointwise(indices, tensorType(indices), [&](ScalarBuilder &s, ValueRange index) {
    return wrapIndex(s, index[0], extent);
  });
}

template <typename OpTy>
static Value emitScatter(OpTy op, KernelBuilder &kernel, ValueRange operands,
                         KernelBuilder::MergeFn merge) {
  int64_t axis = op.getAxis();
  Value places = placesOf(kernel, operands[1], op.getType().getDimSize(axis));
  return kernel.scatter(operands[0], places, operands[2], axis, merge);
}

// The ops differ in what they make of an element and an update.
#define AMPC_SCATTER(OP, MERGED)                                                                   \
  LogicalResult OP::inferReturnTypes(MLIRContext *, std::optional<Location> location,              \
                                     Adaptor adaptor, SmallVectorImpl<Type> &types) {              \
    RankedTensorType type = tensorType(adaptor.getInput());                                        \
    RankedTensorType updates = tensorType(adaptor.getUpdates());                                   \
    RankedTensorType indices = tensorType(adaptor.getIndices());                                   \
    if (failed(checkShape(location, type, indices, adaptor.getAxis())))                            \
      return failure();                                                                            \
    if (!fitUpdates(type, indices, updates, adaptor.getAxis()))                                    \
      return inferenceError(location, "updates ", updates, " do not fit ", type, " and indices ",  \
                            indices);                                                              \
    types.push_back(type);                                                                         \
    return success();                                                                              \
  }                                                                                                \
  SmallVector<Value> OP::emitKernel(KernelBuilder &kernel, ValueRange operands) {                  \
    return {emitScatter(*this, kernel, operands,                                                   \
                        []([[maybe_unused]] ScalarBuilder &s, [[maybe_unused]] Value old,          \
                           Value update) { return MERGED; })};                                     \
  }                                                                                                \
  Value OP::buildCheck(OpBuilder &builder) {                                                       \
    return buildIndexCheck(builder, getLoc(), getIndices(), getType().getDimSize(getAxis()));      \
  }                                                                                                \
  int64_t OP::getCheckFlag() { return AMPC_FLAG_INDEX_OUT_OF_RANGE; }                              \
  Value OP::getCheckedValue() { return getIndices(); }

AMPC_SCATTER(ScatterOp, update)
AMPC_SCATTER(ScatterAddOp, s.add(old, update))
AMPC_SCATTER(ScatterMulOp, s.mul(old, update))
AMPC_SCATTER(ScatterMaxOp, s.maximum(old, update))
AMPC_SCATTER(ScatterMinOp, s.minimum(old, update))
#undef AMPC_SCATTER

/// The indices in the shape of the updates.
template <typename OpTy>
static Value indicesOfUpdates(GradientBuilder &gradient, OpTy op) {
  ArrayRef<int64_t> shape = op.getUpdates().getType().getShape();
  if (op.getIndices().getType().getShape() == shape)
    return op.getIndices();
  return gradient.create<BroadcastOp>(op.getIndices(), shape);
}

// d input = g, 0 where an element was replaced; d updates = g at their places
void ScatterOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient();
  if (gradient.needs(0)) {
    auto type = tensorType(g).clone(getUpdates().getType().getShape());
    Value zeros = splat(gradient.builder, gradient.loc, type, 0);
    gradient.set(0, gradient.create<ScatterOp>(g, getIndices(), zeros, getAxis()));
  }
  if (gradient.needs(2))
    gradient.set(
        2, gradient.create<ScatterUpdatesGradOp>(g, indicesOfUpdates(gradient, *this), getAxis()));
}

// d input = g, d updates = g at their places
void ScatterAddOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient();
  if (gradient.needs(0))
    gradient.set(0, g);
  if (gradient.needs(2))
    gradient.set(
        2, gradient.create<GatherElementsOp>(g, indicesOfUpdates(gradient, *this), getAxis()));
}

// A factor's gradient is g times the product of the other factors of its place. With s the factors,
// 1 for 0, and P the product of all s of a place: that product is P / s where no other factor is 0,
// that is where the zeros of the place are as many as this one is, else 0.
void ScatterMulOp::buildGradient(GradientBuilder &gradient) {
  Value x = widen(gradient, getInput()), updates = widen(gradient, getUpdates());
  Value g = widen(gradient, gradient.resultGradient());
  Type type = tensorType(x).getElementType();
  auto isZero = [&](Value y) { return gradient.create<EqualOp>(y, gradient.splatLike(y, 0)); };
  auto safe = [&](Value y) {
    return gradient.create<WhereOp>(isZero(y), gradient.splatLike(y, 1), y);
  };
  auto count = [&](Value y) { return gradient.cast(isZero(y), type); };
  Value product = gradient.create<ScatterMulOp>(safe(x), getIndices(), safe(updates), getAxis());
  Value zeros = gradient.create<ScatterAddOp>(count(x), getIndices(), count(updates), getAxis());
  auto others = [&](Value y, Value all, Value allZeros, Value gradientThere) {
    Value rest = gradient.create<DivOp>(all, safe(y));
    Value isFree = gradient.create<EqualOp>(allZeros, count(y));
    Value dy = gradient.create<MulOp>(gradientThere, rest);
    return gradient.create<WhereOp>(isFree, dy, gradient.splatLike(dy, 0));
  };
  if (gradient.needs(0))
    gradient.set(0, others(x, product, zeros, g));
  if (!gradient.needs(2))
    return;
  Value indices = indicesOfUpdates(gradient, *this);
  auto there = [&](Value y) { return gradient.create<GatherElementsOp>(y, indices, getAxis()); };
  gradient.set(2, others(updates, there(product), there(zeros), there(g)));
}

/// Elements and updates that equal the result of their place share its gradient.
template <typename OpTy>
static void buildExtremumGradient(GradientBuilder &gradient, OpTy op) {
  Value x = op.getInput(), updates = op.getUpdates(), y = op.getResult();
  Value indices = indicesOfUpdates(gradient, op);
  Value g = widen(gradient, gradient.resultGradient());
  auto there = [&](Value z) { return gradient.create<GatherElementsOp>(z, indices, op.getAxis()); };
  Type type = tensorType(g).getElementType();
  Value isElement = gradient.create<EqualOp>(x, y);
  Value isUpdate = gradient.create<EqualOp>(updates, there(y));
  Value count = gradient.create<ScatterAddOp>(gradient.cast(isElement, type), op.getIndices(),
                                              gradient.cast(isUpdate, type), op.getAxis());
  Value share = gradient.create<DivOp>(g, count);
  auto chosen = [&](Value isChosen, Value z) {
    return gradient.create<WhereOp>(isChosen, z, gradient.splatLike(z, 0));
  };
  if (gradient.needs(0))
    gradient.set(0, chosen(isElement, share));
  if (gradient.needs(2))
    gradient.set(2, chosen(isUpdate, there(share)));
}

void ScatterMaxOp::buildGradient(GradientBuilder &gradient) {
  buildExtremumGradient(gradient, *this);
}

void ScatterMinOp::buildGradient(GradientBuilder &gradient) {
  buildExtremumGradient(gradient, *this);
}

//===----------------------------------------------------------------------===//
// scatter_updates_grad
//===----------------------------------------------------------------------===//

LogicalResult ScatterUpdatesGradOp::inferReturnTypes(MLIRContext *,
                                                     std::optional<Location> location,
                                                     Adaptor adaptor,
                                                     SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getGradient());
  RankedTensorType indices = tensorType(adaptor.getIndices());
  types.push_back(type.clone(indices.getShape()));
  return checkShape(location, type, indices, adaptor.getAxis());
}

/// From a scatter of the updates' own numbers: what it leaves at a place is that of the last one.
static Value emitUpdatesGrad(ScatterUpdatesGradOp op, KernelBuilder &kernel, ValueRange operands,
                             Value places) {
  int64_t axis = op.getAxis(), extent = op.getGradient().getType().getDimSize(axis);
  bool isShort = op.getType().getDimSize(axis) <= std::numeric_limits<int32_t>::max();
  Type number = kernel.builder.getIntegerType(isShort ? 32 : 64);
  Value own = kernel.generate(op.getType().clone(number),
                              [&](ScalarBuilder &, ValueRange at) { return at[axis]; });
  Value none = kernel.splat(op.getGradient().getType().clone(number), -1);
  Value winners = kernel.scatter(none, places, own, axis,
                                 [](ScalarBuilder &, Value, Value update) { return update; });
  return kernel.generate(op.getType(), [&](ScalarBuilder &s, ValueRange at) {
    Value index = kernel.load(s, operands[1], at);
    SmallVector<Value> source(at);
    source[axis] = s.convert(elementAt(s, index, extent), s.builder.getIndexType());
    Value winner = s.convert(kernel.load(s, winners, source), s.builder.getIndexType());
    Value g = kernel.load(s, operands[0], source);
    Value counts = s.logicalAnd(s.equal(winner, at[axis]), isInRange(s, index, extent));
    return s.select(counts, g, s.constantLike(g, 0));
  });
}

SmallVector<Value> ScatterUpdatesGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  if (getType().getNumElements() == 0)
    return {kernel.splat(getType(), 0)};
  int64_t axis = getAxis(), extent = getGradient().getType().getDimSize(axis);
  Value places = placesOf(kernel, operands[1], extent);
  if (kernel.mergesInOrder())
    return {emitUpdatesGrad(*this, kernel, operands, places)};
  // As amp.scatter sorts them, so that both sorts are one.
  KernelBuilder::Sorted sorted = kernel.sort(
      places, axis, [](ScalarBuilder &s, ValueRange key) { return s.less(key[0], key[1]); });
  return {kernel.generate(getType(), [&](ScalarBuilder &s, ValueRange at) {
    Value index = kernel.load(s, operands[1], at), place = wrapIndex(s, index, extent);
    Value next = s.add(place, s.constant(place.getType(), int64_t(1)));
    // One at least is not above, the update itself; but for the largest number, next wraps.
    Value notAbove = kernel.countBelow(s, sorted.keys, axis, at, next);
    SmallVector<Value> last(at), source(at);
    Value one = s.constant(s.builder.getIndexType(), int64_t(1));
    last[axis] = s.sub(s.maximum(notAbove, one), one);
    Value winner = s.convert(kernel.load(s, sorted.places, last), s.builder.getIndexType());
    source[axis] = s.convert(elementAt(s, index, extent), s.builder.getIndexType());
    Value g = kernel.load(s, operands[0], source);
    Value counts = s.logicalAnd(s.equal(winner, at[axis]), isInRange(s, index, extent));
    return s.select(counts, g, s.constantLike(g, 0));
  })};
}

//===----------------------------------------------------------------------===//
// gather_elements
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> GatherElementsOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  Value indices = node.input(1);
  FailureOr<int64_t> axis = importIndices(node, builder, indices);
  if (failed(axis))
    return failure();
  return single(
      importOp<GatherElementsOp>(node, builder, {node.input(0), indices},
                                 builder.getNamedAttr("axis", builder.getI64IntegerAttr(*axis))));
}

LogicalResult GatherElementsOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                 Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  RankedTensorType indices = tensorType(adaptor.getIndices());
  if (failed(checkShape(location, type, indices, adaptor.getAxis())))
    return failure();
  if (type.getNumElements() == 0 && indices.getNumElements() != 0)
    return inferenceError(location, "there is nothing to choose from in ", type);
  types.push_back(type.clone(indices.getShape()));
  return success();
}

// dx = g, added up where it came from
void GatherElementsOp::buildGradient(GradientBuilder &gradient) {
  Type type = gradient.gradientElementType(0);
  Value zeros = splat(gradient.builder, gradient.loc, getInput().getType().clone(type), 0);
  Value g = gradient.cast(gradient.resultGradient(), type);
  gradient.set(0, gradient.create<ScatterAddOp>(zeros, getIndices(), g, getAxis()));
}

SmallVector<Value> GatherElementsOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  if (getType().getNumElements() == 0)
    return {kernel.splat(getType(), 0)};
  int64_t axis = getAxis(), extent = getInput().getType().getDimSize(axis);
  return {kernel.generate(getType(), [&](ScalarBuilder &s, ValueRange at) {
    Value index = kernel.load(s, operands[1], at);
    SmallVector<Value> place(at);
    place[axis] = s.convert(elementAt(s, index, extent), s.builder.getIndexType());
    Value x = kernel.load(s, operands[0], place);
    if (!isa<FloatType>(x.getType()))
      return x;
    return s.select(isInRange(s, index, extent), x,
                    s.constantLike(x, std::numeric_limits<double>::quiet_NaN()));
  })};
}

Value GatherElementsOp::buildCheck(OpBuilder &builder) {
  return buildIndexCheck(builder, getLoc(), getIndices(),
                         getInput().getType().getDimSize(getAxis()));
}

int64_t GatherElementsOp::getCheckFlag() { return AMPC_FLAG_INDEX_OUT_OF_RANGE; }
Value GatherElementsOp::getCheckedValue() { return getIndices(); }
