//===- Indexing.cpp - Elements chosen by indices --------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Indexing.h"
#include "Estimators.h"
#include "IndexTuples.h"
#include "Indices.h"
#include "Selected.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"

using namespace mlir;
using namespace ampc;

/// The result's shape: `indices` in the place of dimension `axis`.
static SmallVector<int64_t> gatheredShape(ArrayRef<int64_t> input, ArrayRef<int64_t> indices,
                                          int64_t axis) {
  SmallVector<int64_t> shape(input.take_front(axis));
  llvm::append_range(shape, indices);
  llvm::append_range(shape, input.drop_front(axis + 1));
  return shape;
}

//===----------------------------------------------------------------------===//
// gather
//===----------------------------------------------------------------------===//

/// The slices, or of all elements those, where a condition is true.
static FailureOr<Value> importCompress(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  Value input = node.input(0);
  RankedTensorType type = tensorType(input), condition = tensorType(node.input(1));
  int64_t axis = 0;
  if (node.hasAttribute("axis")) {
    FailureOr<int64_t> given = normalizeAxis(node, node.getInt("axis", 0), type.getRank());
    if (failed(given))
      return failure();
    axis = *given;
  } else {
    input = reshapeTo(builder, node.loc, input, {type.getNumElements()});
  }
  int64_t extent = tensorType(input).getDimSize(axis);
  if (!condition.getElementType().isInteger(1) || condition.getRank() != 1 ||
      condition.getDimSize(0) > extent)
    return node.emitError() << "the condition must be up to " << extent << " booleans, but is "
                            << condition;
  FailureOr<Value> indices = failure();
  if (DenseElementsAttr known = node.constant(1)) {
    SmallVector<int64_t> places;
    for (auto [i, isTrue] : llvm::enumerate(known.getValues<bool>()))
      if (isTrue)
        places.push_back(i);
    auto list = RankedTensorType::get(int64_t(places.size()), builder.getI64Type());
    indices = buildConstant(builder, node.loc, DenseElementsAttr::get(list, ArrayRef(places)));
  } else {
    FailureOr<int64_t> size =
        declaredExtent(node, 0, tensorType(input).getRank(), axis, condition.getDimSize(0));
    if (failed(size))
      return failure();
    indices = importTruePlaces(node, builder, node.input(1), *size);
  }
  if (failed(indices))
    return failure();
  return importOp<GatherOp>(node, builder, {input, *indices},
                            builder.getNamedAttr("axis", builder.getI64IntegerAttr(axis)));
}

FailureOr<SmallVector<Value>> GatherOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "GatherND")
    return single(importGatherND(node, builder));
  if (node.opType == "ArrayFeatureExtractor")
    return single(importArrayFeatureExtractor(node, builder));
  if (node.opType == "Compress")
    return single(importCompress(node, builder));
  if (failed(node.expectInputs(2, 2)))
    return failure();
  Value input = node.input(0), indices = node.input(1);
  RankedTensorType type = tensorType(input), indexType = tensorType(indices);
  if (!indexType.getElementType().isInteger(32) && !indexType.getElementType().isInteger(64))
    return node.emitError() << "indices must be i32 or i64, but are " << indexType;
  if (type.getRank() == 0)
    return node.emitError() << "the input must have a dimension to choose from, but is " << type;
  FailureOr<int64_t> axis = normalizeAxis(node, node.getInt("axis", 0), type.getRank());
  if (failed(axis))
    return failure();
  int64_t extent = type.getDimSize(*axis);
  // Indices are compared with the extent, in their type.
  if (extent > std::numeric_limits<int32_t>::max())
    indices = castTo(builder, node.loc, indices, builder.getI64Type());
  if (DenseElementsAttr known = node.constant(1)) {
    if (failed(checkKnownIndices(node, known, type, *axis))) // gather_c3
      return failure();
    // One place that is known is a slice, whose gradient is simple.
    if (known.getNumElements() == 1) {
      int64_t place = (*known.value_begin<APInt>()).getSExtValue();
      SmallVector<int64_t> starts(type.getRank()), sizes(type.getShape());
      starts[*axis] = place < 0 ? place + extent : place;
      sizes[*axis] = 1;
      FailureOr<Value> slice = importStepped<SliceOp>(node, builder, input, starts, sizes);
      if (failed(slice))
        return failure();
      return SmallVector<Value>{reshapeTo(
          builder, node.loc, *slice, gatheredShape(type.getShape(), indexType.getShape(), *axis))};
    }
  }
  return single(importOp<GatherOp>(node, builder, {input, indices},
                                   builder.getNamedAttr("axis", builder.getI64IntegerAttr(*axis))));
}

LogicalResult GatherOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                         Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  RankedTensorType indices = tensorType(adaptor.getIndices());
  int64_t axis = adaptor.getAxis();
  if (axis < 0 || axis >= input.getRank()) // gather_c1
    return inferenceError(location, "axis ", axis, " is out of range for ", input);
  if (input.getDimSize(axis) == 0 && indices.getNumElements() != 0) // gather_c2
    return inferenceError(location, "there is nothing to choose along axis ", axis, " of ", input);
  types.push_back(input.clone(gatheredShape(input.getShape(), indices.getShape(), axis)));
  return success();
}

OpFoldResult GatherOp::fold(FoldAdaptor adaptor) {
  auto indices = dyn_cast_if_present<DenseElementsAttr>(adaptor.getIndices());
  if (!indices)
    return {};
  RankedTensorType type = getInput().getType();
  int64_t extent = type.getDimSize(getAxis());
  SmallVector<int64_t> places;
  for (const APInt &index : indices.getValues<APInt>()) {
    int64_t place = index.getSExtValue() + (index.isNegative() ? extent : 0);
    if (place < 0 || place >= extent)
      return {};
    places.push_back(place);
  }
  int64_t inner = llvm::product_of(type.getShape().drop_front(getAxis() + 1), int64_t(1));
  int64_t count = places.size();
  return foldMove(adaptor.getInput(), getType(), [&](int64_t i) {
    int64_t outer = i / inner / count;
    return (outer * extent + places[i / inner % count]) * inner + i % inner;
  });
}

SmallVector<Value> GatherOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  if (getType().getNumElements() == 0)
    return {kernel.splat(getType(), 0)};
  int64_t axis = getAxis(), extent = getInput().getType().getDimSize(axis);
  int64_t behind = axis + getIndices().getType().getRank();
  return {kernel.generate(getType(), [&](ScalarBuilder &s, ValueRange at) {
    Value index = kernel.load(s, operands[1], at.slice(axis, behind - axis));
    SmallVector<Value> place(at.take_front(axis));
    place.push_back(s.convert(elementAt(s, index, extent), s.builder.getIndexType()));
    llvm::append_range(place, at.drop_front(behind));
    Value x = kernel.load(s, operands[0], place);
    if (!isa<FloatType>(x.getType()))
      return x;
    return s.select(isInRange(s, index, extent), x,
                    s.constantLike(x, std::numeric_limits<double>::quiet_NaN()));
  })};
}

bool GatherOp::isDifferentiable(unsigned index) { return index == 0; }

void GatherOp::buildGradient(GradientBuilder &gradient) {
  Type type = gradient.gradientElementType(0);
  gradient.set(0,
               gradient.create<GatherGradOp>(getInput().getType().clone(type),
                                             gradient.resultGradient(), getIndices(), getAxis()));
}

Value GatherOp::buildCheck(OpBuilder &builder) {
  return buildIndexCheck(builder, getLoc(), getIndices(),
                         getInput().getType().getDimSize(getAxis()));
}

int64_t GatherOp::getCheckFlag() { return AMPC_FLAG_INDEX_OUT_OF_RANGE; }
Value GatherOp::getCheckedValue() { return getIndices(); }

//===----------------------------------------------------------------------===//
// gather_grad
//===----------------------------------------------------------------------===//

LogicalResult GatherGradOp::verify() {
  RankedTensorType type = getType();
  if (int64_t(getAxis()) < 0 || int64_t(getAxis()) >= type.getRank())
    return emitOpError("axis ") << getAxis() << " is out of range for " << type;
  SmallVector<int64_t> shape =
      gatheredShape(type.getShape(), getIndices().getType().getShape(), getAxis());
  if (getGradient().getType().getShape() != ArrayRef(shape))
    return emitOpError("the gradient must be ")
           << getGradient().getType().clone(shape) << ", but is " << getGradient().getType();
  return success();
}

/// With more indices, comparing all pairs takes longer than the launches of a sort: a device does
/// 2^26 comparisons in some ten microseconds, a core of a host 2^16.
constexpr int64_t kMostCompared = 8192, kMostComparedInOrder = 256;

namespace {
/// The places of `count` indices, sorted by the element of [0, extent) that they stand for;
/// equal ones stay in their order.
struct SortedIndices {
  Value elements; ///< [count], ascending
  Value places;   ///< [count], those that `elements` come from

  SortedIndices(KernelBuilder &kernel, Value indices, int64_t extent) {
    int64_t count = tensorType(indices).getNumElements();
    constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
    OpBuilder &b = kernel.builder;
    Type type = count <= kMost && extent <= kMost ? b.getI32Type() : b.getI64Type();
    auto list = RankedTensorType::get(count, type);
    Value keys =
        kernel.pointwise(kernel.reshape(indices, count), list, [&](ScalarBuilder &s, ValueRange x) {
          return elementAt(s, x[0], extent);
        });
    if (count <= (kernel.mergesInOrder() ? kMostComparedInOrder : kMostCompared)) {
      compareAll(kernel, keys);
      return;
    }
    KernelBuilder::Sorted sorted = kernel.sort(
        keys, 0, [](ScalarBuilder &s, ValueRange key) { return s.less(key[0], key[1]); });
    elements = sorted.keys;
    places = sorted.places;
  }

  /// [extent + 1]: how many of the sorted elements lie below each number.
  Value countBelow(KernelBuilder &kernel, int64_t extent) const {
    RankedTensorType type = tensorType(elements);
    return kernel.generate(type.clone({extent + 1}), [&](ScalarBuilder &s, ValueRange at) {
      return kernel.countBelow(s, elements, 0, at, s.convert(at[0], type.getElementType()));
    });
  }

private:
  /// Each place counts those before it, so that no thread waits for another: count^2
  /// comparisons, of which nothing is stored, and which small kernels around them may join.
  void compareAll(KernelBuilder &kernel, Value keys) {
    RankedTensorType list = tensorType(keys);
    int64_t count = list.getNumElements();
    Type type = list.getElementType();
    auto square = list.clone({count, count});
    Value column = kernel.reshape(keys, {count, 1}), row = kernel.reshape(keys, {1, count});
    Value isBefore = kernel.pointwise({column, row}, square, [&](ScalarBuilder &s, ValueRange key) {
      Value isEarlier = s.less(kernel.index(s, 1), kernel.index(s, 0));
      return s.convert(
          s.logicalOr(s.less(key[1], key[0]), s.logicalAnd(s.equal(key[1], key[0]), isEarlier)),
          type);
    });
    Value rank = kernel.reduce(isBefore, 1, Reduction::Sum, type);
    // Rank i of the result is a one-hot sum: the only place whose rank is i, and zeros.
    auto pick = [&](bool element) {
      Value picked = kernel.pointwise(
          {kernel.reshape(rank, {1, count}), row}, square, [&](ScalarBuilder &s, ValueRange x) {
            Value value = element ? x[1] : s.convert(kernel.index(s, 1), type);
            Value isHere = s.equal(s.convert(kernel.index(s, 0), type), x[0]);
            return s.select(isHere, value, s.constant(type, int64_t(0)));
          });
      return kernel.reduce(picked, 1, Reduction::Sum, type);
    };
    elements = pick(true);
    places = pick(false);
  }
};
} // namespace

/// With more elements for each index, a kernel that gets each from its indices, and so can be
/// one with what reads it, is better than writing and reading all of them.
constexpr int64_t kMostEmpty = 4;

SmallVector<Value> GatherGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType();
  int64_t count = getIndices().getType().getNumElements(), extent = type.getDimSize(getAxis());
  if (count == 0 || type.getNumElements() == 0)
    return {kernel.splat(type, 0)};
  int64_t outer = llvm::product_of(type.getShape().take_front(getAxis()), int64_t(1));
  int64_t inner = llvm::product_of(type.getShape().drop_front(getAxis() + 1), int64_t(1));
  Type computed = KernelBuilder::computeType(type.getElementType());
  if (kernel.mergesInOrder() && extent <= kMostEmpty * count) {
    Value places = kernel.pointwise(
        operands[1], getIndices().getType(),
        [&](ScalarBuilder &s, ValueRange index) { return elementAt(s, index[0], extent); });
    Value result = kernel.scatter(
        kernel.splat(type.clone({outer, extent, inner}), 0), kernel.reshape(places, {1, count, 1}),
        kernel.reshape(operands[0], {outer, count, inner}), 1,
        [](ScalarBuilder &s, Value sum, Value x) { return s.add(sum, x); });
    return {kernel.reshape(result, type.getShape())};
  }
  SortedIndices sorted(kernel, operands[1], extent);
  Value starts = sorted.countBelow(kernel, extent);
  Value gradient = kernel.reshape(operands[0], {outer, count, inner});
  Value result = kernel.generate(type.clone({outer, extent, inner}), [&](ScalarBuilder &s,
                                                                         ValueRange at) {
    Type index = s.builder.getIndexType();
    Value next = s.add(at[1], s.constant(index, int64_t(1)));
    Value from = s.convert(kernel.load(s, starts, at[1]), index);
    Value to = s.convert(kernel.load(s, starts, next), index);
    return s.fold(from, to, s.constant(computed, 0.0), [&](ScalarBuilder &s, Value i, Value sum) {
      Value place = s.convert(kernel.load(s, sorted.places, i), index);
      Value x = kernel.load(s, gradient, {at[0], place, at[2]});
      return s.add(sum, s.convert(x, computed));
    });
  });
  return {kernel.reshape(result, type.getShape())};
}

//===----------------------------------------------------------------------===//
// reverse_sequence
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> ReverseSequenceOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  NamedAttribute attributes[] = {
      builder.getNamedAttr("time_axis", builder.getI64IntegerAttr(node.getInt("time_axis", 0))),
      builder.getNamedAttr("batch_axis", builder.getI64IntegerAttr(node.getInt("batch_axis", 1)))};
  RankedTensorType type = tensorType(node.input(0));
  FailureOr<int64_t> time = normalizeAxis(node, node.getInt("time_axis", 0), type.getRank());
  if (failed(time) || node.hadError)
    return failure();
  DenseElementsAttr known = node.constant(1);
  if (known && known.getElementType().isInteger(64))
    for (const APInt &length : known.getValues<APInt>())
      if (length.getSExtValue() < 0 || length.getSExtValue() > type.getDimSize(*time))
        return node.emitError() << "length " << length.getSExtValue()
                                << " is out of range for dimension " << *time << " of " << type;
  return single(importOp<ReverseSequenceOp>(node, builder, node.inputs, attributes));
}

LogicalResult ReverseSequenceOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                  Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  RankedTensorType lengths = tensorType(adaptor.getLengths());
  int64_t time = adaptor.getTimeAxis(), batch = adaptor.getBatchAxis(), rank = type.getRank();
  bool areAxes = time >= 0 && batch >= 0 && time < rank && batch < rank && time != batch;
  if (!areAxes) // reverse_sequence_c1
    return inferenceError(location, "time axis ", time, " and batch axis ", batch,
                          " are no two dimensions of ", type);
  if (!lengths.getElementType().isInteger(64) || lengths.getRank() != 1 ||
      lengths.getDimSize(0) != type.getDimSize(batch)) // reverse_sequence_c2
    return inferenceError(location, "lengths ", lengths, " are not ", type.getDimSize(batch),
                          " i64, one for each batch entry");
  types.push_back(type);
  return success();
}

bool ReverseSequenceOp::isDifferentiable(unsigned index) { return index == 0; }

// dx = g, turned round again
void ReverseSequenceOp::buildGradient(GradientBuilder &gradient) {
  gradient.set(0, gradient.create<ReverseSequenceOp>(gradient.resultGradient(), getLengths(),
                                                     getTimeAxis(), getBatchAxis()));
}

SmallVector<Value> ReverseSequenceOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  if (getType().getNumElements() == 0)
    return {kernel.splat(getType(), 0)};
  int64_t time = getTimeAxis(), extent = getType().getDimSize(time);
  return {kernel.generate(getType(), [&](ScalarBuilder &s, ValueRange at) {
    Type index = s.builder.getIndexType();
    Value length = s.convert(kernel.load(s, operands[1], at[getBatchAxis()]), index);
    length = s.minimum(length, s.constant(index, extent));
    Value turned = s.sub(s.sub(length, s.constant(index, int64_t(1))), at[time]);
    SmallVector<Value> place(at);
    place[time] = s.select(s.less(at[time], length), turned, at[time]);
    return kernel.load(s, operands[0], place);
  })};
}
