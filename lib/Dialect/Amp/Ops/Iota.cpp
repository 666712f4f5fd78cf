//===- Iota.cpp - Numbers counted along a dimension ---------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Iota.h"
#include "Expected.h"
#include "Places.h"
#include "Selected.h"
#include "Spectrum.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Expected.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "ampc/Dialect/Amp/SettingAttr.h"
#include "ampc/Dialect/Amp/Values.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace ampc;

static Value numberLike(OpBuilder &builder, Location loc, Value like, int64_t value) {
  auto scalar = RankedTensorType::get({}, tensorType(like).getElementType());
  APInt element(scalar.getElementTypeBitWidth(), uint64_t(value), /*isSigned=*/true);
  return buildConstant(builder, loc, DenseElementsAttr::get(scalar, element));
}

Value ampc::indexAlong(OpBuilder &builder, Location loc, int64_t rank, int64_t axis,
                       int64_t extent) {
  SmallVector<int64_t> shape(rank, 1);
  shape[axis] = extent;
  auto type = RankedTensorType::get(shape, builder.getI64Type());
  return builder.createOrFold<IotaOp>(loc, type, axis);
}

//===----------------------------------------------------------------------===//
// Range
//===----------------------------------------------------------------------===//

/// start + i * delta for i in [0, count).
static Value buildFloatRange(OnnxNode &node, OpBuilder &builder, FloatType element, double start,
                             double delta, int64_t count) {
  auto type = RankedTensorType::get(count, element);
  if (count <= kMaxFoldedElements) {
    SmallVector<APFloat> values;
    for (int64_t i = 0; i < count; ++i) {
      APFloat value(start + double(i) * delta);
      bool inexact = false;
      value.convert(element.getFloatSemantics(), APFloat::rmNearestTiesToEven, &inexact);
      values.push_back(value);
    }
    return buildConstant(builder, node.loc, DenseElementsAttr::get(type, values));
  }
  // Counted in f64, rounded once.
  Value index = indexAlong(builder, node.loc, 1, 0, count);
  Value x = castTo(builder, node.loc, index, builder.getF64Type());
  auto scalar = RankedTensorType::get({}, builder.getF64Type());
  x = MulOp::create(builder, node.loc, x, splat(builder, node.loc, scalar, delta));
  x = AddOp::create(builder, node.loc, x, splat(builder, node.loc, scalar, start));
  return castTo(builder, node.loc, x, element);
}

/// A Range whose numbers come with the batch: as many as are declared. Floats are counted in f64
/// and rounded once.
static FailureOr<Value> importExpectedRange(OnnxNode &node, OpBuilder &b, unsigned given,
                                            StringRef name) {
  FailureOr<SmallVector<int64_t>> declared = requireDeclared(node, 0, given, name);
  if (failed(declared))
    return failure();
  if (declared->size() != 1)
    return emitDeclaredError(node, 0, given, *declared);
  Location loc = node.loc;
  int64_t count = declared->front();
  Type element = tensorType(node.input(0)).getElementType();
  bool isFloat = isa<FloatType>(element);
  Type computed = isFloat ? Type(b.getF64Type()) : b.getI64Type();
  Value numbers[3];
  for (unsigned i = 0; i < 3; ++i)
    numbers[i] = reshapeTo(b, loc, castTo(b, loc, node.input(i), computed), {});
  Value start = numbers[0], limit = numbers[1], delta = numbers[2];
  auto number = [&](int64_t n) {
    return isFloat ? splat(b, loc, tensorType(start), double(n)) : numberLike(b, loc, start, n);
  };
  // There are n numbers, where the limit is above number n - 1 and not above number n, in the
  // direction of delta; of none the last is number -1, which may be anywhere.
  Value distance = SubOp::create(b, loc, limit, start), isRight;
  if (isFloat) {
    Value steps = CeilOp::create(b, loc, DivOp::create(b, loc, distance, delta));
    isRight = count == 0 ? Value(LessOrEqualOp::create(b, loc, steps, number(0)))
                         : EqualOp::create(b, loc, steps, number(count));
  } else {
    Value zero = number(0), isUp = GreaterOp::create(b, loc, delta, zero);
    auto reaches = [&](Value x, Value y) {
      return WhereOp::create(b, loc, isUp, LessOrEqualOp::create(b, loc, x, y),
                             GreaterOrEqualOp::create(b, loc, x, y));
    };
    Value all = MulOp::create(b, loc, delta, number(count));
    isRight = reaches(distance, all);
    if (count > 0) {
      Value before = MulOp::create(b, loc, delta, number(count - 1));
      Value isAbove = NotOp::create(b, loc, reaches(distance, before));
      isRight = AndOp::create(b, loc, isRight, isAbove);
    }
    Value moves = NotOp::create(b, loc, EqualOp::create(b, loc, delta, zero));
    isRight = AndOp::create(b, loc, isRight, moves);
  }
  Value x = castTo(b, loc, indexAlong(b, loc, 1, 0, count), computed);
  x = AddOp::create(b, loc, MulOp::create(b, loc, x, delta), start);
  return Value(ExpectOp::create(b, loc, castTo(b, loc, x, element), isRight));
}

static FailureOr<Value> importRange(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(3, 3)))
    return failure();
  if (node.version >= 27)
    node.knowAttributes({"stash_type"}); // numbers are rounded once, whatever it is
  const StringRef names[] = {"start", "limit", "delta"};
  Type element = tensorType(node.input(0)).getElementType();
  for (unsigned i = 0; i < 3; ++i) {
    RankedTensorType type = tensorType(node.input(i));
    if (type.getElementType() != element || type.getNumElements() != 1)
      return node.emitError() << "'" << names[i] << "' must be one " << element << ", but is "
                              << type;
  }
  for (unsigned i = 0; i < 3; ++i)
    if (isGivenLater(node, i))
      return importExpectedRange(node, builder, i, names[i]);
  if (auto floatType = dyn_cast<FloatType>(element)) {
    double numbers[3];
    for (unsigned i = 0; i < 3; ++i) {
      FailureOr<double> number = node.constantFloat(i, names[i]);
      if (failed(number))
        return failure();
      numbers[i] = *number;
    }
    double count = std::ceil((numbers[1] - numbers[0]) / numbers[2]);
    if (numbers[2] == 0 || !(count < 9e15))
      return node.emitError() << "there is no number of steps of " << numbers[2] << " from "
                              << numbers[0] << " to " << numbers[1];
    return buildFloatRange(node, builder, floatType, numbers[0], numbers[2],
                           int64_t(std::max(count, 0.0)));
  }
  int64_t numbers[3];
  for (unsigned i = 0; i < 3; ++i) {
    FailureOr<SmallVector<int64_t>> number = node.constantInts(i, names[i]);
    if (failed(number))
      return failure();
    numbers[i] = number->front();
  }
  auto [start, limit, delta] = numbers;
  int64_t distance = 0;
  bool overflows = llvm::SubOverflow(limit, start, distance);
  // The lowest number has no opposite.
  bool isLowest = distance == std::numeric_limits<int64_t>::min() && delta == -1;
  if (delta == 0 || isLowest || overflows)
    return node.emitError() << "there is no number of steps of " << delta << " from " << start
                            << " to " << limit;
  int64_t count = distance / delta + (distance % delta != 0 && (distance < 0) == (delta < 0));
  Value x = indexAlong(builder, node.loc, 1, 0, std::max<int64_t>(count, 0));
  x = builder.createOrFold<MulOp>(node.loc, x, numberLike(builder, node.loc, x, delta));
  x = builder.createOrFold<AddOp>(node.loc, x, numberLike(builder, node.loc, x, start));
  if (auto known = node.constantOf(x); known && !element.isInteger(64)) {
    SmallVector<APInt> values;
    for (const APInt &value : known.getValues<APInt>())
      values.push_back(value.sextOrTrunc(element.getIntOrFloatBitWidth()));
    return buildConstant(builder, node.loc,
                         DenseElementsAttr::get(tensorType(x).clone(element), values));
  }
  return castTo(builder, node.loc, x, element);
}

//===----------------------------------------------------------------------===//
// EyeLike, Trilu, OneHot
//===----------------------------------------------------------------------===//

static FailureOr<Value> importEyeLike(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  Type element = type.getElementType();
  if (node.hasAttribute("dtype")) {
    FailureOr<Type> given = elementTypeOf(node, builder, "dtype");
    if (failed(given))
      return failure();
    element = *given;
  }
  if (type.getRank() != 2)
    return node.emitError() << "the input must have two dimensions, but is " << type;
  Value row = indexAlong(builder, node.loc, 2, 0, type.getDimSize(0));
  Value column = indexAlong(builder, node.loc, 2, 1, type.getDimSize(1));
  Value k = numberLike(builder, node.loc, row, node.getInt("k", 0));
  // A sum with k could overflow.
  Value distance = builder.createOrFold<SubOp>(node.loc, column, row);
  Value isOn = builder.createOrFold<EqualOp>(node.loc, distance, k);
  return castTo(builder, node.loc, isOn, element);
}

FailureOr<Value> ampc::importTrilu(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 2)))
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  int64_t rank = type.getRank();
  if (rank < 2)
    return node.emitError() << "the input must have two dimensions or more, but is " << type;
  Value row = indexAlong(builder, node.loc, 2, 0, type.getDimSize(rank - 2));
  Value column = indexAlong(builder, node.loc, 2, 1, type.getDimSize(rank - 1));
  Value distance = builder.createOrFold<SubOp>(node.loc, column, row);
  Value least = numberLike(builder, node.loc, row, 0);
  if (Value k = node.input(1)) {
    if (tensorType(k).getNumElements() != 1 || !tensorType(k).getElementType().isInteger(64))
      return node.emitError() << "k must be one i64, but is " << k.getType();
    least = reshapeTo(builder, node.loc, k, {});
  }
  Value isKept = node.getInt("upper", 1)
                     ? builder.createOrFold<GreaterOrEqualOp>(node.loc, distance, least)
                     : builder.createOrFold<LessOrEqualOp>(node.loc, distance, least);
  auto scalar = RankedTensorType::get({}, type.getElementType());
  return importOp<WhereOp>(node, builder,
                           {isKept, node.input(0), splat(builder, node.loc, scalar, 0)});
}

FailureOr<Value> ampc::importOneHot(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(3, 3)))
    return failure();
  Value indices = castTo(builder, node.loc, node.input(0), builder.getI64Type());
  RankedTensorType type = tensorType(indices);
  Value values = node.input(2);
  if (tensorType(values).getShape() != ArrayRef<int64_t>{2})
    return node.emitError() << "'values' must be [off, on], but is " << values.getType();
  int64_t depth = 0;
  FailureOr<int64_t> axis = normalizeAxis(node, node.getInt("axis", -1), type.getRank() + 1);
  if (failed(axis))
    return failure();
  GivenNumbers expected{{}, isGivenLater(node, 1)};
  if (expected.areExpected) {
    FailureOr<SmallVector<int64_t>> declared = requireDeclared(node, 0, 1, "depth");
    if (failed(declared))
      return failure();
    SmallVector<int64_t> shape(type.getShape());
    shape.insert(shape.begin() + *axis, 1);
    expected.numbers = extentsAlong(type.clone(shape), *declared, *axis);
    if (expected.numbers.empty() || tensorType(node.input(1)).getNumElements() != 1)
      return emitDeclaredError(node, 0, 1, *declared);
    depth = expected.numbers.front();
  } else if (isa<FloatType>(tensorType(node.input(1)).getElementType())) {
    FailureOr<double> given = node.constantFloat(1, "depth");
    if (failed(given))
      return failure();
    if (!(*given >= 0 && *given < 9e15))
      return node.emitError() << "the depth is " << *given;
    depth = int64_t(*given);
  } else {
    FailureOr<SmallVector<int64_t>> given = node.constantInts(1, "depth");
    if (failed(given))
      return failure();
    if (given->size() != 1 || given->front() < 0)
      return node.emitError() << "the depth must be one number from 0 on";
    depth = given->front();
  }
  // An index counts from the end where it is negative; one out of range has no place.
  Value zero = numberLike(builder, node.loc, indices, 0);
  Value fromEnd =
      AddOp::create(builder, node.loc, indices, numberLike(builder, node.loc, indices, depth));
  Value isFromEnd = LessOp::create(builder, node.loc, indices, zero);
  Value places = WhereOp::create(builder, node.loc, isFromEnd, fromEnd, indices);
  SmallVector<int64_t> shape(type.getShape());
  shape.insert(shape.begin() + *axis, 1);
  places = reshapeTo(builder, node.loc, places, shape);
  Value here = indexAlong(builder, node.loc, shape.size(), *axis, depth);
  Value isOn = EqualOp::create(builder, node.loc, places, here);
  Value chosen[2];
  for (int64_t i = 0; i < 2; ++i) {
    FailureOr<Value> slice = importStepped<SliceOp>(node, builder, values, {i}, {1});
    if (failed(slice))
      return failure();
    if (Operation *op = slice->getDefiningOp<SliceOp>())
      op->setAttr(kSettingAttr, builder.getUnitAttr()); // on and off are no parameters
    chosen[i] = reshapeTo(builder, node.loc, *slice, {});
  }
  FailureOr<Value> result = importOp<WhereOp>(node, builder, {isOn, chosen[1], chosen[0]});
  if (failed(result))
    return failure();
  return expectNumbers(node, builder, 1, expected, *result);
}

//===----------------------------------------------------------------------===//
// ArgMax, ArgMin, NonZero
//===----------------------------------------------------------------------===//

/// The place of the extremum: the least index, or the largest, whose element equals it, or is
/// NaN.
static FailureOr<Value> importArgument(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  Value x = node.input(0);
  RankedTensorType type = tensorType(x);
  FailureOr<int64_t> axis = normalizeAxis(node, node.getInt("axis", 0), type.getRank());
  if (failed(axis))
    return failure();
  int64_t extent = type.getDimSize(*axis);
  if (extent == 0)
    return node.emitError() << "there is no element along axis " << *axis << " of " << type;
  bool keepdims = node.getInt("keepdims", 1) != 0;
  bool last = node.version >= 12 && node.getInt("select_last_index", 0) != 0;
  SmallVector<NamedAttribute> attributes{
      builder.getNamedAttr("axes", builder.getDenseI64ArrayAttr({*axis})),
      builder.getNamedAttr("keepdims", builder.getUnitAttr())};
  auto reduce = [&](Value value, bool highest) {
    return highest ? importOp<ReduceMaxOp>(node, builder, value, attributes)
                   : importOp<ReduceMinOp>(node, builder, value, attributes);
  };
  FailureOr<Value> extremum = reduce(x, node.opType == "ArgMax");
  if (failed(extremum))
    return failure();
  Value isBest = EqualOp::create(builder, node.loc, x, *extremum);
  if (isa<FloatType>(type.getElementType()))
    isBest = OrOp::create(builder, node.loc, isBest, IsNaNOp::create(builder, node.loc, x));
  Value index = indexAlong(builder, node.loc, type.getRank(), *axis, extent);
  Value none = numberLike(builder, node.loc, index, last ? -1 : extent);
  Value places = WhereOp::create(builder, node.loc, isBest, index, none);
  if (!keepdims)
    attributes.pop_back();
  return reduce(places, last);
}

/// A column for each element that is not 0.
static FailureOr<Value> importDeclaredNonZero(OnnxNode &node, OpBuilder &builder) {
  Value x = node.input(0);
  RankedTensorType type = tensorType(x);
  FailureOr<int64_t> size = declaredExtent(node, 0, 2, 1, type.getNumElements());
  if (failed(size))
    return failure();
  FailureOr<Value> places = importTruePlaces(node, builder, x, *size);
  if (failed(places))
    return failure();
  Value row = reshapeTo(builder, node.loc, *places, {1, *size});
  if (type.getRank() == 0)
    return importStepped<SliceOp>(node, builder, row, {0, 0}, {0, *size});
  SmallVector<Value> rows;
  SmallVector<int64_t> strides = stridesOf(type.getShape());
  for (int64_t d = 0; d < type.getRank(); ++d) {
    auto number = [&](int64_t n) {
      return numberLike(builder, node.loc, row, std::max<int64_t>(n, 1));
    };
    Value index = DivOp::create(builder, node.loc, row, number(strides[d]));
    Value whole = DivOp::create(builder, node.loc, index, number(type.getDimSize(d)));
    whole = MulOp::create(builder, node.loc, whole, number(type.getDimSize(d)));
    rows.push_back(SubOp::create(builder, node.loc, index, whole));
  }
  return importOp<ConcatOp>(node, builder, rows,
                            builder.getNamedAttr("axis", builder.getI64IntegerAttr(0)));
}

static FailureOr<Value> importNonZero(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  DenseElementsAttr known = node.constant(0);
  if (!known)
    return importDeclaredNonZero(node, builder);
  SmallVector<int64_t> places;
  for (auto [i, element] : llvm::enumerate(known.getValues<Attribute>())) {
    auto number = dyn_cast<FloatAttr>(element);
    if (number ? !number.getValue().isZero() : !cast<IntegerAttr>(element).getValue().isZero())
      places.push_back(i);
  }
  SmallVector<int64_t> strides = stridesOf(type.getShape()), indices;
  for (int64_t d = 0; d < type.getRank(); ++d)
    for (int64_t place : places)
      indices.push_back(place / strides[d] % type.getDimSize(d));
  auto result =
      RankedTensorType::get({type.getRank(), int64_t(places.size())}, builder.getI64Type());
  return buildConstant(builder, node.loc, DenseElementsAttr::get(result, ArrayRef(indices)));
}

//===----------------------------------------------------------------------===//
// iota
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> IotaOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (StringRef(node.opType).ends_with("Window"))
    return single(importWindow(node, builder));
  if (node.opType == "MelWeightMatrix")
    return single(importMelWeightMatrix(node, builder));
  return single(node.opType == "Range"     ? importRange(node, builder)
                : node.opType == "EyeLike" ? importEyeLike(node, builder)
                : node.opType == "NonZero" ? importNonZero(node, builder)
                                           : importArgument(node, builder));
}

LogicalResult IotaOp::verify() {
  if (int64_t(getAxis()) < 0 || int64_t(getAxis()) >= getType().getRank()) // iota_c1
    return emitOpError("axis ") << getAxis() << " is out of range for " << getType();
  return success();
}

OpFoldResult IotaOp::fold(FoldAdaptor) {
  RankedTensorType type = getType();
  if (type.getNumElements() > kMaxFoldedElements)
    return {};
  int64_t stride = stridesOf(type.getShape())[getAxis()], extent = type.getDimSize(getAxis());
  SmallVector<int64_t> values;
  for (int64_t i = 0; i < type.getNumElements(); ++i)
    values.push_back(i / stride % extent);
  return DenseElementsAttr::get(type, ArrayRef(values));
}

SmallVector<Value> IotaOp::emitKernel(KernelBuilder &kernel, ValueRange) {
  return {
      kernel.generate(getType(), [&](ScalarBuilder &, ValueRange at) { return at[getAxis()]; })};
}
