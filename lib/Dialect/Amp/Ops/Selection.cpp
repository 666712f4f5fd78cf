//===- Selection.cpp - As many results as the values decide ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Selection.h"
#include "Selected.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Indexing.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

FailureOr<int64_t> ampc::declaredExtent(OnnxNode &node, unsigned i, int64_t rank, int64_t d,
                                        int64_t most) {
  std::optional<SmallVector<int64_t>> shape = node.declaredShape(i);
  std::string name = node.hasOutput(i) ? " '" + node.outputNames[i] + "'" : "";
  if (!shape)
    return node.emitError()
           << "decides by its values how many results there are: declare the shape "
              "of output"
           << name << " in the model";
  if (int64_t(shape->size()) != rank || (*shape)[d] > most)
    return node.emitError() << "output" << name << " is declared as [" << ArrayRef<int64_t>(*shape)
                            << "], but has " << rank << " dimension" << (rank == 1 ? "" : "s")
                            << " and at most " << most << " elements along dimension " << d;
  return (*shape)[d];
}

/// The batch check of an op that found `count` results where `size` are declared.
static Value buildSizeCheck(OpBuilder &b, Location loc, Value count, int64_t size) {
  auto f32 = RankedTensorType::get({}, b.getF32Type());
  Value declared = buildConstant(b, loc, DenseElementsAttr::get(tensorType(count), size));
  Value isRight = EqualOp::create(b, loc, count, declared);
  return WhereOp::create(b, loc, isRight, splat(b, loc, f32, 0),
                         splat(b, loc, f32, AMPC_FLAG_SIZE_DIFFERS));
}

#define AMPC_SIZE_CHECK(OP, CHECKED)                                                               \
  Value OP::buildCheck(OpBuilder &builder) {                                                       \
    builder.setInsertionPointAfter(*this);                                                         \
    return buildSizeCheck(builder, getLoc(), getCount(), getSize());                               \
  }                                                                                                \
  int64_t OP::getCheckFlag() { return AMPC_FLAG_SIZE_DIFFERS; }                                    \
  Value OP::getCheckedValue() { return CHECKED(); }

AMPC_SIZE_CHECK(TruePlacesOp, getInput)
AMPC_SIZE_CHECK(UniqueOp, getInput)
AMPC_SIZE_CHECK(NonMaxSuppressionOp, getScores)
#undef AMPC_SIZE_CHECK

static RankedTensorType listOf(MLIRContext *context, ArrayRef<int64_t> shape) {
  return RankedTensorType::get(shape, IntegerType::get(context, 64));
}

static Value indexNumber(ScalarBuilder &s, int64_t n) {
  return s.constant(s.builder.getIndexType(), n);
}

static Value toIndex(ScalarBuilder &s, Value x) { return s.convert(x, s.builder.getIndexType()); }

/// The only element of a tensor of one, as rank 0.
static Value elementOf(KernelBuilder &kernel, Value list, int64_t i) {
  return kernel.generate(
      tensorType(list).clone(ArrayRef<int64_t>{}),
      [&](ScalarBuilder &s, ValueRange) { return kernel.load(s, list, indexNumber(s, i)); });
}

namespace {
/// The places of a list of i64 that are not 0, of which each is 1.
struct Chosen {
  Value sums; ///< how many there are up to each place

  Chosen(KernelBuilder &kernel, Value flags)
      : sums(kernel.scan(flags, 0, Reduction::Sum, kernel.builder.getI64Type())) {}

  /// How many there are.
  Value count(KernelBuilder &kernel) const {
    return elementOf(kernel, sums, tensorType(sums).getDimSize(0) - 1);
  }
  /// The place of the one with this number, in the list whatever the number is.
  Value place(KernelBuilder &kernel, ScalarBuilder &s, Value number) const {
    Value next = s.add(s.convert(number, s.builder.getI64Type()),
                       s.constant(s.builder.getI64Type(), int64_t(1)));
    Value below = kernel.countBelow(s, sums, 0, ValueRange{number}, next);
    return s.minimum(below, indexNumber(s, tensorType(sums).getDimSize(0) - 1));
  }
};
} // namespace

//===----------------------------------------------------------------------===//
// true_places
//===----------------------------------------------------------------------===//

FailureOr<Value> ampc::importTruePlaces(OnnxNode &node, OpBuilder &builder, Value condition,
                                        int64_t size) {
  condition = castTo(builder, node.loc, condition, builder.getI1Type());
  condition = reshapeTo(builder, node.loc, condition, {tensorType(condition).getNumElements()});
  FailureOr<Operation *> op =
      createChecked(node, builder, TruePlacesOp::getOperationName(), condition,
                    builder.getNamedAttr("size", builder.getI64IntegerAttr(size)));
  if (failed(op))
    return failure();
  return Value((*op)->getResult(0));
}

LogicalResult TruePlacesOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                             Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  int64_t size = adaptor.getSize();
  if (type.getRank() != 1 || size < 0 || size > type.getDimSize(0)) // true_places_c1
    return inferenceError(location, "there are no ", size, " elements in ", type);
  types.append({listOf(context, size), listOf(context, {})});
  return success();
}

SmallVector<Value> TruePlacesOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getPlaces().getType(), count = getCount().getType();
  if (getInput().getType().getNumElements() == 0)
    return {kernel.splat(type, 0), kernel.splat(count, 0)};
  Value flags = kernel.pointwise(
      operands[0], getInput().getType().clone(type.getElementType()),
      [&](ScalarBuilder &s, ValueRange x) { return s.convert(x[0], type.getElementType()); });
  Chosen chosen(kernel, flags);
  Value places = kernel.generate(
      type, [&](ScalarBuilder &s, ValueRange at) { return chosen.place(kernel, s, at[0]); });
  return {places, chosen.count(kernel)};
}

//===----------------------------------------------------------------------===//
// unique
//===----------------------------------------------------------------------===//

/// Unique (opset 11-28), of all elements or of the slices along an axis.
FailureOr<SmallVector<Value>> UniqueOp::importNode(OnnxNode &node, OpBuilder &b) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  Location loc = node.loc;
  Value x = node.input(0);
  int64_t axis = 0;
  if (node.hasAttribute("axis")) {
    FailureOr<int64_t> given = normalizeAxis(node, node.getInt("axis", 0), tensorType(x).getRank());
    if (failed(given))
      return failure();
    axis = *given;
  } else {
    x = reshapeTo(b, loc, x, {tensorType(x).getNumElements()});
  }
  bool sorted = node.getInt("sorted", 1) != 0;
  if (node.hadError)
    return failure();
  RankedTensorType type = tensorType(x);
  int64_t rows = type.getDimSize(axis);
  // Any of the outputs but the inverse tells how many kinds there are.
  FailureOr<int64_t> size = failure();
  if (node.hasOutput(0))
    size = declaredExtent(node, 0, type.getRank(), axis, rows);
  else
    size = declaredExtent(node, node.hasOutput(1) ? 1 : 3, 1, 0, rows);
  if (failed(size))
    return failure();
  SmallVector<int64_t> order{axis};
  for (int64_t d = 0; d < type.getRank(); ++d)
    if (d != axis)
      order.push_back(d);
  int64_t each = rows == 0 ? 0 : type.getNumElements() / rows;
  Value keys = reshapeTo(b, loc, buildPermutation(b, loc, x, order), {rows, each});
  if (type.getElementType().isInteger(1))
    keys = castTo(b, loc, keys, b.getI8Type());
  SmallVector<NamedAttribute> attributes{b.getNamedAttr("size", b.getI64IntegerAttr(*size))};
  if (sorted)
    attributes.push_back(b.getNamedAttr("sorted", b.getUnitAttr()));
  FailureOr<Operation *> op = createChecked(node, b, getOperationName(), keys, attributes);
  if (failed(op))
    return failure();
  Value firsts = (*op)->getResult(0);
  FailureOr<Value> values = x;
  if (rows != 0)
    values =
        importOp<GatherOp>(node, b, {x, firsts}, b.getNamedAttr("axis", b.getI64IntegerAttr(axis)));
  if (failed(values))
    return failure();
  return SmallVector<Value>{*values, firsts, (*op)->getResult(1), (*op)->getResult(2)};
}

LogicalResult UniqueOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                         Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  int64_t size = adaptor.getSize();
  if (type.getRank() != 2 || size < 0 || size > type.getDimSize(0)) // unique_c1
    return inferenceError(location, "there are no ", size, " rows in ", type);
  types.append({listOf(context, size), listOf(context, type.getDimSize(0)), listOf(context, size),
                listOf(context, {})});
  return success();
}

/// x before y, where NaN is above all numbers.
static Value isBelow(ScalarBuilder &s, Value x, Value y) {
  Value below = s.less(x, y);
  if (!isa<FloatType>(x.getType()))
    return below;
  return s.logicalOr(below, s.logicalAnd(s.isNaN(y), s.logicalNot(s.isNaN(x))));
}

/// Where the rows stand in ascending order; equal ones stay in theirs.
static Value sortRows(KernelBuilder &kernel, Value x) {
  RankedTensorType type = tensorType(x);
  int64_t rows = type.getDimSize(0), each = type.getDimSize(1);
  if (each == 1)
    return kernel
        .sort(kernel.reshape(x, rows), 0,
              [](ScalarBuilder &s, ValueRange key) { return isBelow(s, key[0], key[1]); })
        .places;
  // How many rows come before each one is where it goes.
  Type i32 = kernel.builder.getI32Type(), i64 = kernel.builder.getI64Type();
  auto list = RankedTensorType::get(rows, i64);
  Value ranks = kernel.generate(list, [&](ScalarBuilder &s, ValueRange at) {
    Value none = s.constant(i64, int64_t(0));
    return s.fold(
        indexNumber(s, 0), indexNumber(s, rows), none,
        [&](ScalarBuilder &s, Value other, Value rank) {
          // -1 where the other row is below, 1 where it is above.
          Value order =
              s.fold(indexNumber(s, 0), indexNumber(s, each), s.constant(i32, int64_t(0)),
                     [&](ScalarBuilder &s, Value k, Value order) {
                       Value p = kernel.load(s, x, {other, k}), q = kernel.load(s, x, {at[0], k});
                       Value here = s.select(isBelow(s, q, p), s.constant(i32, int64_t(1)),
                                             s.constant(i32, int64_t(0)));
                       here = s.select(isBelow(s, p, q), s.constant(i32, int64_t(-1)), here);
                       return s.select(s.equal(order, s.constant(i32, int64_t(0))), here, order);
                     });
          Value zero = s.constant(i32, int64_t(0));
          Value isEarlier = s.logicalAnd(s.equal(order, zero), s.less(other, at[0]));
          Value isBefore = s.logicalOr(s.less(order, zero), isEarlier);
          return s.add(rank, s.select(isBefore, s.constant(i64, int64_t(1)), none));
        });
  });
  Value own = kernel.generate(list, [](ScalarBuilder &, ValueRange at) { return at[0]; });
  return kernel.scatter(kernel.splat(list, 0), ranks, own, 0,
                        [](ScalarBuilder &, Value, Value update) { return update; });
}

SmallVector<Value> UniqueOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType list = getFirsts().getType(), kindsType = getKinds().getType();
  RankedTensorType type = getInput().getType();
  int64_t rows = type.getDimSize(0), each = type.getDimSize(1), size = getSize();
  if (rows == 0)
    return {kernel.splat(list, 0), kernel.splat(kindsType, 0), kernel.splat(list, 0),
            kernel.splat(getCount().getType(), 0)};
  Type i64 = kernel.builder.getI64Type();
  Value x = operands[0], order = sortRows(kernel, x);
  auto put = [](ScalarBuilder &, Value, Value update) { return update; };
  // 1 where a row of the sorted ones differs from the one before it.
  Value starts = kernel.generate(kindsType, [&](ScalarBuilder &s, ValueRange at) {
    Value before = s.sub(s.maximum(at[0], indexNumber(s, 1)), indexNumber(s, 1));
    Value p = toIndex(s, kernel.load(s, order, before)), q = toIndex(s, kernel.load(s, order, at));
    Value zero = s.constant(i64, int64_t(0)), one = s.constant(i64, int64_t(1));
    Value differs =
        s.fold(indexNumber(s, 0), indexNumber(s, each), zero,
               [&](ScalarBuilder &s, Value k, Value differs) {
                 Value a = kernel.load(s, x, {p, k}), b = kernel.load(s, x, {q, k});
                 return s.select(s.logicalOr(isBelow(s, a, b), isBelow(s, b, a)), one, differs);
               });
    return s.select(s.equal(at[0], indexNumber(s, 0)), one, differs);
  });
  Chosen chosen(kernel, starts);
  auto startOf = [&](ScalarBuilder &s, Value kind) {
    Value next = s.convert(s.add(kind, indexNumber(s, 1)), i64);
    return kernel.countBelow(s, chosen.sums, 0, ValueRange{kind}, next);
  };
  Value firsts = kernel.generate(list, [&](ScalarBuilder &s, ValueRange at) {
    return kernel.load(s, order, s.minimum(startOf(s, at[0]), indexNumber(s, rows - 1)));
  });
  Value counts = kernel.generate(list, [&](ScalarBuilder &s, ValueRange at) {
    return s.sub(startOf(s, s.add(at[0], indexNumber(s, 1))), startOf(s, at[0]));
  });
  Value ofSorted = kernel.pointwise(chosen.sums, kindsType, [&](ScalarBuilder &s, ValueRange sum) {
    return s.sub(sum[0], s.constant(i64, int64_t(1)));
  });
  Value kinds = kernel.scatter(kernel.splat(kindsType, 0), order, ofSorted, 0, put);
  if (!getSorted() && size > 0) {
    // Kinds by their first rows.
    KernelBuilder::Sorted sorted = kernel.sort(
        firsts, 0, [](ScalarBuilder &s, ValueRange key) { return s.less(key[0], key[1]); });
    Value own = kernel.generate(list, [](ScalarBuilder &, ValueRange at) { return at[0]; });
    Value numbers = kernel.scatter(kernel.splat(list, 0), sorted.places, own, 0, put);
    Value oldCounts = counts, oldKinds = kinds;
    firsts = sorted.keys;
    counts = kernel.generate(list, [&](ScalarBuilder &s, ValueRange at) {
      return kernel.load(s, oldCounts, toIndex(s, kernel.load(s, sorted.places, at)));
    });
    kinds = kernel.generate(kindsType, [&](ScalarBuilder &s, ValueRange at) {
      Value kind = toIndex(s, kernel.load(s, oldKinds, at));
      return kernel.load(s, numbers, s.minimum(kind, indexNumber(s, size - 1)));
    });
  }
  return {firsts, kinds, counts, chosen.count(kernel)};
}

//===----------------------------------------------------------------------===//
// non_max_suppression
//===----------------------------------------------------------------------===//

/// NonMaxSuppression (opset 10-28).
FailureOr<SmallVector<Value>> NonMaxSuppressionOp::importNode(OnnxNode &node, OpBuilder &b) {
  if (failed(node.expectInputs(2, 5)))
    return failure();
  Location loc = node.loc;
  Value boxes = node.input(0), scores = node.input(1), limit = node.input(2);
  Value iou = node.input(3), threshold = node.input(4);
  RankedTensorType type = tensorType(boxes), scoreType = tensorType(scores);
  bool fits = type.getRank() == 3 && type.getDimSize(2) == 4 && scoreType.getRank() == 3 &&
              scoreType.getDimSize(0) == type.getDimSize(0) &&
              scoreType.getDimSize(2) == type.getDimSize(1) &&
              isa<FloatType>(type.getElementType()) &&
              scoreType.getElementType() == type.getElementType();
  if (!fits)
    return node.emitError() << "needs boxes [n, b, 4] and scores [n, c, b] of one float type, but "
                               "has "
                            << type << " and " << scoreType;
  auto one = [&](Value &x, StringRef what, Type element, double otherwise) -> LogicalResult {
    auto scalar = RankedTensorType::get({}, element);
    if (!x && !isa<FloatType>(element))
      x = buildConstant(b, loc, DenseElementsAttr::get(scalar, int64_t(otherwise)));
    else if (!x)
      x = splat(b, loc, scalar, otherwise);
    if (tensorType(x).getNumElements() != 1 || tensorType(x).getElementType() != element)
      return node.emitError() << "needs one " << element << " as " << what << ", but has "
                              << x.getType();
    x = reshapeTo(b, loc, x, {});
    return success();
  };
  if (failed(one(limit, "max_output_boxes_per_class", b.getI64Type(), 0)) ||
      failed(one(iou, "iou_threshold", type.getElementType(), 0)) ||
      (threshold && failed(one(threshold, "score_threshold", type.getElementType(), 0))))
    return failure();
  int64_t center = node.getInt("center_point_box", 0);
  FailureOr<int64_t> most = checkedProduct(node, scoreType.getShape());
  if (node.hadError || failed(most))
    return failure();
  if (center != 0 && center != 1)
    return node.emitError() << "has center_point_box = " << center << ": it must be 0 or 1";
  FailureOr<int64_t> size = declaredExtent(node, 0, 2, 0, *most);
  if (failed(size))
    return failure();
  SmallVector<NamedAttribute> attributes{b.getNamedAttr("size", b.getI64IntegerAttr(*size))};
  if (center)
    attributes.push_back(b.getNamedAttr("center", b.getUnitAttr()));
  SmallVector<Value> operands{boxes, scores, limit, iou};
  if (threshold)
    operands.push_back(threshold);
  return single(importOp<NonMaxSuppressionOp>(node, b, operands, attributes));
}

LogicalResult NonMaxSuppressionOp::inferReturnTypes(MLIRContext *context,
                                                    std::optional<Location> location,
                                                    Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType boxes = tensorType(adaptor.getBoxes()), scores = tensorType(adaptor.getScores());
  auto isNumber = [](Value x) { return !x || tensorType(x).getRank() == 0; };
  int64_t size = adaptor.getSize();
  if (boxes.getRank() != 3 || boxes.getDimSize(2) != 4 || scores.getRank() != 3 ||
      scores.getDimSize(0) != boxes.getDimSize(0) || scores.getDimSize(2) != boxes.getDimSize(1) ||
      !isNumber(adaptor.getLimit()) || !isNumber(adaptor.getIouThreshold()) ||
      !isNumber(adaptor.getScoreThreshold()) || size < 0 ||
      size > scores.getNumElements()) // non_max_suppression_c1
    return inferenceError(location, "there are no ", size, " boxes to choose from ", boxes,
                          " with scores ", scores);
  types.append({listOf(context, {size, 3}), listOf(context, {})});
  return success();
}

namespace {
/// A box in scalars: its lower and upper corner.
struct Box {
  Value low[2], high[2];

  Value extent(ScalarBuilder &s, int d) const { return s.sub(high[d], low[d]); }
  Value area(ScalarBuilder &s) const { return s.mul(extent(s, 0), extent(s, 1)); }

  /// i1: whether two boxes have an intersection over union above `bound`.
  static Value overlap(ScalarBuilder &s, const Box &a, const Box &b, Value bound) {
    Value zero = s.constantLike(bound, 0), intersection, meets;
    for (int d = 0; d < 2; ++d) {
      Value along = s.sub(s.minimum(a.high[d], b.high[d]), s.maximum(a.low[d], b.low[d]));
      Value isPositive = s.greater(along, zero);
      intersection = d ? s.mul(intersection, along) : along;
      meets = d ? s.logicalAnd(meets, isPositive) : isPositive;
    }
    Value areaA = a.area(s), areaB = b.area(s);
    Value both = s.sub(s.add(areaA, areaB), intersection);
    for (Value area : {areaA, areaB, both})
      meets = s.logicalAnd(meets, s.greater(area, zero));
    Value safe = s.select(meets, both, s.constantLike(bound, 1));
    return s.logicalAnd(meets, s.greater(s.div(intersection, safe), bound));
  }
};
} // namespace

SmallVector<Value> NonMaxSuppressionOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getSelected().getType(), scores = getScores().getType();
  int64_t classes = scores.getDimSize(1), boxes = scores.getDimSize(2);
  int64_t lines = scores.getDimSize(0) * classes;
  if (scores.getNumElements() == 0)
    return {kernel.splat(type, 0), kernel.splat(getCount().getType(), 0)};
  OpBuilder &b = kernel.builder;
  Type i64 = b.getI64Type(), computed = KernelBuilder::computeType(scores.getElementType());
  KernelBuilder::Sorted sorted = kernel.sort(
      kernel.reshape(operands[1], {lines, boxes}), 1,
      [](ScalarBuilder &s, ValueRange key) { return isBelow(s, s.neg(key[0]), s.neg(key[1])); });
  // [lines, boxes, 4]: lower and upper corners, from the highest score down.
  auto corners = RankedTensorType::get({lines, boxes, 4}, computed);
  Value inOrder = kernel.generate(corners, [&](ScalarBuilder &s, ValueRange at) {
    Value image = s.div(at[0], indexNumber(s, classes));
    Value box = toIndex(s, kernel.load(s, sorted.places, {at[0], at[1]}));
    Value axis = s.remainder(at[2], indexNumber(s, 2));
    Value isHigh = s.greaterOrEqual(at[2], indexNumber(s, 2));
    Value p = kernel.load(s, operands[0], {image, box, axis});
    Value q = kernel.load(s, operands[0], {image, box, s.add(axis, indexNumber(s, 2))});
    if (getCenter()) {
      Value half = s.mul(q, s.constantLike(q, 0.5));
      return s.select(isHigh, s.add(p, half), s.sub(p, half));
    }
    return s.select(isHigh, s.maximum(p, q), s.minimum(p, q));
  });
  auto alive = RankedTensorType::get({lines, boxes}, i64), line = RankedTensorType::get(lines, i64);
  Value candidates = kernel.generate(alive, [&](ScalarBuilder &s, ValueRange at) {
    if (operands.size() < 5)
      return s.constant(i64, int64_t(1));
    Value bound = kernel.load(s, operands[4], {});
    return s.convert(s.greater(kernel.load(s, sorted.keys, at), bound), i64);
  });
  Value numbers = kernel.generate(RankedTensorType::get(boxes, i64),
                                  [](ScalarBuilder &, ValueRange at) { return at[0]; });
  // Box after box: one that is left is chosen, and takes those out that overlap with it.
  KernelBuilder::Looped looped = kernel.loop(
      boxes, {candidates, kernel.splat(line, 0)}, {{numbers}}, {inOrder, operands[2], operands[3]},
      {line}, false,
      [&](KernelBuilder &k, ValueRange carried, ValueRange slices, ValueRange invariants) {
        Value left = carried[0], counts = carried[1], all = invariants[0];
        Value chosen = k.generate(line, [&](ScalarBuilder &s, ValueRange at) {
          Value i = toIndex(s, k.load(s, slices[0], {}));
          Value isLeft = s.notEqual(k.load(s, left, {at[0], i}), s.constant(i64, int64_t(0)));
          Value hasRoom = s.less(k.load(s, counts, at), k.load(s, invariants[1], {}));
          return s.convert(s.logicalAnd(isLeft, hasRoom), i64);
        });
        Value rest = k.generate(alive, [&](ScalarBuilder &s, ValueRange at) {
          auto boxAt = [&](Value i) {
            auto corner = [&](int64_t d) { return k.load(s, all, {at[0], i, indexNumber(s, d)}); };
            return Box{{corner(0), corner(1)}, {corner(2), corner(3)}};
          };
          Value i = toIndex(s, k.load(s, slices[0], {}));
          Value bound = s.convert(k.load(s, invariants[2], {}), computed);
          Value zero = s.constant(i64, int64_t(0));
          Value isChosen = s.notEqual(k.load(s, chosen, at[0]), zero);
          Value isOut = s.logicalAnd(isChosen, Box::overlap(s, boxAt(i), boxAt(at[1]), bound));
          return s.select(isOut, zero, k.load(s, left, at));
        });
        Value sums = k.pointwise({counts, chosen}, line,
                                 [](ScalarBuilder &s, ValueRange x) { return s.add(x[0], x[1]); });
        return SmallVector<Value>{rest, sums, chosen};
      });
  Value flags = kernel.generate(
      RankedTensorType::get(lines * boxes, i64), [&](ScalarBuilder &s, ValueRange at) {
        Value extent = indexNumber(s, boxes);
        Value place = s.remainder(at[0], extent), ofLine = s.div(at[0], extent);
        return kernel.load(s, looped.outputs[0], {place, ofLine});
      });
  Chosen chosen(kernel, flags);
  Value selected = kernel.generate(type, [&](ScalarBuilder &s, ValueRange at) {
    Value place = chosen.place(kernel, s, at[0]), extent = indexNumber(s, boxes);
    Value ofLine = s.div(place, extent), rank = s.remainder(place, extent);
    Value image = s.div(ofLine, indexNumber(s, classes));
    Value ofClass = s.remainder(ofLine, indexNumber(s, classes));
    Value box = toIndex(s, kernel.load(s, sorted.places, {ofLine, rank}));
    Value result = s.select(s.equal(at[1], indexNumber(s, 1)), ofClass, box);
    return s.select(s.equal(at[1], indexNumber(s, 0)), image, result);
  });
  return {selected, chosen.count(kernel)};
}
