//===- ShapeImport.cpp - Reshapes, transposes and repetitions -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Expected.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Expected.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// reshape
//===----------------------------------------------------------------------===//

/// 0 copies the input's extent unless `allowzero`; one -1 takes what remains.
static FailureOr<SmallVector<int64_t>> importReshape(OnnxNode &node) {
  if (failed(node.expectInputs(node.version < 5 ? 1 : 2, node.version < 5 ? 1 : 2)))
    return failure();
  FailureOr<std::optional<SmallVector<int64_t>>> given = intsOf(node, "shape", 1, 5);
  if (failed(given))
    return failure();
  if (!*given)
    return node.emitError() << "lacks the attribute 'shape'";
  RankedTensorType type = tensorType(node.input(0));
  SmallVector<int64_t> shape = **given;
  bool allowZero = node.version >= 14 && node.getInt("allowzero", 0) != 0;
  std::optional<size_t> inferred;
  for (auto [i, extent] : llvm::enumerate(shape)) {
    if (extent == -1 && !inferred) {
      inferred = i;
      extent = 1;
    } else if (extent < 0) {
      return node.emitError() << "the shape has the extent " << extent
                              << (extent == -1 ? " more than once" : "");
    } else if (extent == 0 && !allowZero) {
      if (int64_t(i) >= type.getRank())
        return node.emitError() << "extent " << i << " of the shape is 0, which copies an"
                                << " extent of the input, but the input is " << type;
      extent = type.getDimSize(i);
    }
  }
  FailureOr<int64_t> count = checkedProduct(node, shape);
  if (failed(count))
    return failure();
  if (inferred && *count != 0 && type.getNumElements() % *count == 0) {
    shape[*inferred] = type.getNumElements() / *count;
    return shape;
  }
  if (!inferred && *count == type.getNumElements())
    return shape;
  InFlightDiagnostic error = node.emitError();
  error << "the input " << type << " has " << type.getNumElements()
        << " elements, which the shape [";
  llvm::interleaveComma(**given, error);
  return error << "] does not hold";
}

/// A Reshape whose shape comes with the batch: to the declared one, which the batch may write with
/// -1 and 0.
static FailureOr<Value> importExpectedReshape(OnnxNode &node, OpBuilder &b) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  Value x = node.input(0);
  RankedTensorType type = tensorType(x);
  FailureOr<GivenNumbers> shape = givenInts(node, 1, "shape", 0, [](ArrayRef<int64_t> declared) {
    return SmallVector<int64_t>(declared);
  });
  if (failed(shape))
    return failure();
  ArrayRef<int64_t> extents = shape->numbers;
  FailureOr<int64_t> count = checkedProduct(node, extents);
  if (failed(count))
    return failure();
  if (*count != type.getNumElements())
    return emitDeclaredError(node, 0, 1, extents);
  Location loc = node.loc;
  bool allowZero = node.version >= 14 && node.getInt("allowzero", 0) != 0;
  SmallVector<int64_t> inferred(extents), copied(extents), written(extents);
  for (auto [i, extent] : llvm::enumerate(extents)) {
    // -1 stands for what the others leave; of nothing, anything would be left.
    SmallVector<int64_t> others(extents);
    others[i] = 1;
    if (!llvm::is_contained(others, 0))
      inferred[i] = -1;
    bool copies = int64_t(i) < type.getRank() && type.getDimSize(i) == extent;
    if (!allowZero && copies)
      copied[i] = 0;
    else if (!allowZero && extent == 0) // 0 would copy another extent, or none
      written[i] = inferred[i];
  }
  Value list = listOf(b, loc, node.input(1));
  Value isRight = areAllTrue(b, loc, isOneOf(b, loc, list, {written, inferred, copied}));
  if (extents.size() > 1) {
    auto number = [&](int64_t n) {
      auto scalar = RankedTensorType::get({}, b.getI64Type());
      return buildConstant(b, loc, DenseElementsAttr::get(scalar, n));
    };
    Value isInferred = EqualOp::create(b, loc, list, number(-1));
    Value inferences = ReduceSumOp::create(b, loc, castTo(b, loc, isInferred, b.getI64Type()),
                                           ArrayRef<int64_t>{0});
    Value isOnce = LessOrEqualOp::create(b, loc, inferences, number(1));
    isRight = AndOp::create(b, loc, isRight, isOnce);
  }
  x = reshapeTo(b, loc, x, extents);
  return extents.empty() ? x : Value(ExpectOp::create(b, loc, x, isRight));
}

static FailureOr<SmallVector<int64_t>> importFlatten(OnnxNode &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  ArrayRef<int64_t> shape = tensorType(node.input(0)).getShape();
  int64_t axis = node.getInt("axis", 1), rank = shape.size();
  if (axis < -rank || axis > rank)
    return node.emitError() << "axis " << axis << " is out of range: the input has rank " << rank;
  if (axis < 0)
    axis += rank;
  return SmallVector<int64_t>{llvm::product_of(shape.take_front(axis), int64_t(1)),
                              llvm::product_of(shape.drop_front(axis), int64_t(1))};
}

static FailureOr<SmallVector<int64_t>> importSqueeze(OnnxNode &node) {
  if (failed(node.expectInputs(1, node.version < 13 ? 1 : 2)))
    return failure();
  FailureOr<std::optional<SmallVector<int64_t>>> given = intsOf(node, "axes", 1, 13);
  if (failed(given))
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  std::optional<SmallVector<int64_t>> axes;
  if (*given) {
    FailureOr<SmallVector<int64_t>> wrapped = normalizeAxes(node, **given, type.getRank());
    if (failed(wrapped))
      return failure();
    axes = *wrapped;
  }
  SmallVector<int64_t> shape;
  for (auto [i, extent] : llvm::enumerate(type.getShape())) {
    if (axes ? !llvm::is_contained(*axes, int64_t(i)) : extent != 1)
      shape.push_back(extent);
    else if (extent != 1)
      return node.emitError() << "dimension " << i << " of " << type
                              << " cannot be squeezed: its extent is " << extent;
  }
  return shape;
}

static FailureOr<SmallVector<int64_t>> importUnsqueeze(OnnxNode &node) {
  if (failed(node.expectInputs(node.version < 13 ? 1 : 2, node.version < 13 ? 1 : 2)))
    return failure();
  FailureOr<std::optional<SmallVector<int64_t>>> given = intsOf(node, "axes", 1, 13);
  if (failed(given))
    return failure();
  if (!*given)
    return node.emitError() << "lacks the attribute 'axes'";
  ArrayRef<int64_t> extents = tensorType(node.input(0)).getShape();
  // Axes are those of the result.
  FailureOr<SmallVector<int64_t>> axes =
      normalizeAxes(node, **given, extents.size() + (*given)->size());
  if (failed(axes))
    return failure();
  SmallVector<int64_t> shape(extents);
  for (int64_t axis : *axes)
    shape.insert(shape.begin() + axis, 1);
  return shape;
}

/// The extents of input 0 in [start, end), a range of dimensions since
/// opset 15.
static FailureOr<Value> importShape(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  ArrayRef<int64_t> shape = tensorType(node.input(0)).getShape();
  int64_t rank = shape.size();
  auto clamp = [&](int64_t axis) {
    return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
  };
  bool isRange = node.version >= 15;
  int64_t start = isRange ? clamp(node.getInt("start", 0)) : 0;
  int64_t end = isRange ? std::max(start, clamp(node.getInt("end", rank))) : rank;
  ArrayRef<int64_t> extents = shape.slice(start, end - start);
  auto type = RankedTensorType::get(end - start, builder.getI64Type());
  return buildConstant(builder, node.loc, DenseElementsAttr::get(type, extents));
}

FailureOr<SmallVector<Value>> ReshapeOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "Shape")
    return single(importShape(node, builder));
  if (node.opType == "ZipMap") { // names the columns
    node.knowAttributes({"classlabels_int64s", "classlabels_strings"});
    if (failed(node.expectInputs(1, 1)))
      return failure();
    return SmallVector<Value>{node.input(0)};
  }
  if (node.opType == "Size" || node.opType == "Identity") {
    if (failed(node.expectInputs(1, 1)))
      return failure();
    if (node.opType == "Identity")
      return SmallVector<Value>{node.input(0)};
    auto scalar = RankedTensorType::get({}, builder.getI64Type());
    int64_t size = tensorType(node.input(0)).getNumElements();
    return SmallVector<Value>{
        buildConstant(builder, node.loc, DenseElementsAttr::get(scalar, size))};
  }
  if (node.opType == "Reshape" && node.version >= 5 && isGivenLater(node, 1))
    return single(importExpectedReshape(node, builder));
  FailureOr<SmallVector<int64_t>> shape = node.opType == "Reshape"   ? importReshape(node)
                                          : node.opType == "Flatten" ? importFlatten(node)
                                          : node.opType == "Squeeze" ? importSqueeze(node)
                                                                     : importUnsqueeze(node);
  if (failed(shape) || node.hadError)
    return failure();
  return SmallVector<Value>{reshapeTo(builder, node.loc, node.input(0), *shape)};
}

//===----------------------------------------------------------------------===//
// transpose
//===----------------------------------------------------------------------===//

/// DepthToSpace (opset 1-28) and its inverse: blocks of pixels as channels.
static FailureOr<Value> importBlocks(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  bool toSpace = node.opType == "DepthToSpace";
  RankedTensorType type = tensorType(node.input(0));
  int64_t block = node.getInt("blocksize", 0);
  std::string mode = toSpace && node.version >= 11 ? node.getString("mode", "DCR") : "DCR";
  if (mode != "DCR" && mode != "CRD")
    return node.emitError() << "has mode '" << mode << "': known are DCR and CRD";
  if (type.getRank() != 4 || block < 1 || block > (int64_t(1) << 20))
    return node.emitError() << "needs [n, c, h, w] and a 'blocksize' of 1 to 2^20, but has " << type
                            << " and " << block;
  ArrayRef<int64_t> shape = type.getShape();
  int64_t area = block * block;
  if (toSpace ? shape[1] % area != 0 : shape[2] % block != 0 || shape[3] % block != 0)
    return node.emitError() << "has " << type << ", which blocks of " << block << " by " << block
                            << " do not divide";
  SmallVector<int64_t> apart, permutation, result;
  if (toSpace) {
    int64_t channels = shape[1] / area;
    result = {shape[0], channels, shape[2] * block, shape[3] * block};
    apart = mode == "DCR"
                ? SmallVector<int64_t>{shape[0], block, block, channels, shape[2], shape[3]}
                : SmallVector<int64_t>{shape[0], channels, block, block, shape[2], shape[3]};
    permutation = mode == "DCR" ? SmallVector<int64_t>{0, 3, 4, 1, 5, 2}
                                : SmallVector<int64_t>{0, 1, 4, 2, 5, 3};
  } else {
    result = {shape[0], shape[1] * area, shape[2] / block, shape[3] / block};
    apart = {shape[0], shape[1], result[2], block, result[3], block};
    permutation = {0, 3, 5, 1, 2, 4};
  }
  if (failed(checkedProduct(node, result)))
    return failure();
  Value x = reshapeTo(builder, node.loc, node.input(0), apart);
  x = TransposeOp::create(builder, node.loc, x, permutation);
  return reshapeTo(builder, node.loc, x, result);
}

FailureOr<SmallVector<Value>> TransposeOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType != "Transpose")
    return single(importBlocks(node, builder));
  if (failed(node.expectInputs(1, 1)))
    return failure();
  SmallVector<int64_t> permutation =
      llvm::to_vector(llvm::seq<int64_t>(0, tensorType(node.input(0)).getRank()));
  if (std::optional<std::vector<int64_t>> given = node.getInts("perm"))
    permutation.assign(given->begin(), given->end());
  else
    std::reverse(permutation.begin(), permutation.end());
  return single(importOp<TransposeOp>(
      node, builder, node.inputs,
      builder.getNamedAttr("permutation", builder.getDenseI64ArrayAttr(permutation))));
}

//===----------------------------------------------------------------------===//
// broadcast
//===----------------------------------------------------------------------===//

/// Each extent repeated: with a dimension of 1 in front of each, which is
/// broadcast.
static FailureOr<Value> importTile(OnnxNode &node, OpBuilder &builder) {
  // Opset 1 tiles one axis: inputs are the number of tiles and the axis.
  bool isOneAxis = node.version < 6;
  if (failed(node.expectInputs(isOneAxis ? 3 : 2, isOneAxis ? 3 : 2)))
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  // What repeats nothing has no ratio: any number will do.
  auto ratios = [&](ArrayRef<int64_t> declared) {
    SmallVector<int64_t> numbers;
    if (int64_t(declared.size()) != type.getRank())
      return numbers;
    for (auto [extent, wanted] : llvm::zip(type.getShape(), declared)) {
      if (extent == 0 ? wanted != 0 : wanted % extent != 0)
        return SmallVector<int64_t>();
      numbers.push_back(extent == 0 ? kAnyNumber : wanted / extent);
    }
    return numbers;
  };
  FailureOr<GivenNumbers> given;
  if (isOneAxis) {
    FailureOr<SmallVector<int64_t>> known = node.constantInts(1, "repeats");
    if (failed(known))
      return failure();
    given = GivenNumbers{*known};
  } else {
    given = givenInts(node, 1, "repeats", 0, ratios);
    if (failed(given))
      return failure();
  }
  SmallVector<int64_t> repeats = given->numbers;
  if (given->areExpected)
    llvm::replace(repeats, kAnyNumber, int64_t(1));
  if (isOneAxis) {
    FailureOr<SmallVector<int64_t>> axis = node.constantInts(2, "axis");
    if (failed(axis))
      return failure();
    if (axis->size() != 1 || repeats.size() != 1)
      return node.emitError() << "tiles and axis must be one number each";
    FailureOr<int64_t> wrapped = normalizeAxis(node, axis->front(), type.getRank());
    if (failed(wrapped))
      return failure();
    int64_t tiles = repeats.front();
    repeats.assign(type.getRank(), 1);
    repeats[*wrapped] = tiles;
  }
  if (int64_t(repeats.size()) != type.getRank())
    return node.emitError() << "has " << repeats.size() << " repeats for " << type
                            << ", which has rank " << type.getRank();
  SmallVector<int64_t> before, repeated, after;
  for (auto [extent, count] : llvm::zip(type.getShape(), repeats)) {
    if (count < 0)
      return node.emitError() << "cannot repeat a dimension " << count << " times";
    before.append({1, extent});
    repeated.append({count, extent});
    if (failed(checkedProduct(node, {extent, count})))
      return failure();
    after.push_back(extent * count);
  }
  if (failed(checkedProduct(node, after)))
    return failure();
  Value x = reshapeTo(builder, node.loc, node.input(0), before);
  x = builder.createOrFold<BroadcastOp>(node.loc, x, ArrayRef<int64_t>(repeated));
  x = reshapeTo(builder, node.loc, x, after);
  return expectNumbers(node, builder, 1, *given, x);
}

static FailureOr<Value> importConstantOfShape(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  FailureOr<GivenNumbers> given = givenInts(node, 0, "shape", 0, [](ArrayRef<int64_t> declared) {
    return SmallVector<int64_t>(declared);
  });
  if (failed(given))
    return failure();
  ArrayRef<int64_t> shape = given->numbers;
  for (int64_t extent : shape)
    if (extent < 0)
      return node.emitError() << "the shape has the extent " << extent;
  if (failed(checkedProduct(node, shape)))
    return failure();
  DenseElementsAttr value = node.getTensor("value");
  if (!value)
    value = DenseElementsAttr::get(RankedTensorType::get(1, builder.getF32Type()), 0.0f);
  if (node.hadError)
    return failure();
  if (value.getNumElements() != 1)
    return node.emitError() << "attribute 'value' must have one element, but is "
                            << value.getType();
  auto type = RankedTensorType::get(shape, value.getElementType());
  Value constant = buildConstant(builder, node.loc, value.resizeSplat(type));
  return expectNumbers(node, builder, 0, *given, constant);
}

/// An Expand whose shape comes with the batch: to the declared one, which the batch may write with
/// 1 where the input has more.
static FailureOr<Value> importExpectedExpand(OnnxNode &node, OpBuilder &b) {
  Value x = node.input(0), given = node.input(1);
  RankedTensorType type = tensorType(x);
  FailureOr<SmallVector<int64_t>> declared = requireDeclared(node, 0, 1, "shape");
  if (failed(declared))
    return failure();
  ArrayRef<int64_t> shape = *declared;
  size_t count = size_t(tensorType(given).getNumElements());
  std::optional<SmallVector<int64_t>> common = broadcastShapes({type.getShape(), shape});
  if (!common || ArrayRef(*common) != shape || tensorType(given).getRank() != 1 ||
      shape.size() != std::max(count, size_t(type.getRank())))
    return emitDeclaredError(node, 0, 1, shape);
  if (failed(checkedProduct(node, shape)))
    return failure();
  // The last dimensions are those that the batch gives.
  SmallVector<int64_t> own(shape.size() - type.getRank(), 1);
  llvm::append_range(own, type.getShape());
  ArrayRef<int64_t> wanted = shape.take_back(count), from = ArrayRef<int64_t>(own).take_back(count);
  SmallVector<int64_t> shortened(wanted);
  for (auto [extent, old] : llvm::zip(shortened, from))
    if (old == extent)
      extent = 1;
  x = b.createOrFold<BroadcastOp>(node.loc, x, shape);
  if (count == 0)
    return x;
  Value list = listOf(b, node.loc, given);
  Value isRight = isOneOf(b, node.loc, list, {SmallVector<int64_t>(wanted), shortened});
  return Value(ExpectOp::create(b, node.loc, x, areAllTrue(b, node.loc, isRight)));
}

FailureOr<SmallVector<Value>> BroadcastOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "Tile")
    return single(importTile(node, builder));
  if (node.opType == "ConstantOfShape")
    return single(importConstantOfShape(node, builder));
  if (failed(node.expectInputs(2, 2)))
    return failure();
  if (isGivenLater(node, 1))
    return single(importExpectedExpand(node, builder));
  FailureOr<SmallVector<int64_t>> shape = node.constantInts(1, "shape");
  if (failed(shape))
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  std::optional<SmallVector<int64_t>> common =
      broadcastShapes({type.getShape(), ArrayRef<int64_t>(*shape)});
  if (!common || llvm::any_of(*shape, [](int64_t extent) { return extent < 0; })) {
    InFlightDiagnostic error = node.emitError();
    error << "the input " << type << " does not broadcast with the shape [";
    llvm::interleaveComma(*shape, error);
    return error << "]";
  }
  if (failed(checkedProduct(node, *common)))
    return failure();
  return SmallVector<Value>{
      builder.createOrFold<BroadcastOp>(node.loc, node.input(0), ArrayRef<int64_t>(*common))};
}
