//===- RotaryEmbedding.cpp - Positions as rotations -----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AttentionBuilder.h"
#include "Indices.h"
#include "Places.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Indexing.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Amp/SettingAttr.h"

using namespace mlir;
using namespace ampc;

namespace {
/// A node whose operands have been checked.
struct Rotation {
  Value x;            ///< [batch, heads, rows, size], or [batch, rows, heads, size]
  bool isHeadsFirst;  ///< which of them
  bool isInterleaved; ///< pairs lie side by side, not in two halves
  int64_t extent;     ///< so many elements of a head are rotated, the first ones
  Value cosine, sine; ///< [batch, rows, extent / 2]
};
} // namespace

/// Notes that caches are tables of angles, which no training changes.
static Value markSetting(OpBuilder &builder, Value x) {
  x.getDefiningOp()->setAttr(kSettingAttr, builder.getUnitAttr());
  return x;
}

/// Rows of a cache, by positions.
static FailureOr<Value> chooseRows(OnnxNode &node, OpBuilder &builder, Value cache, Value positions,
                                   unsigned positionsInput) {
  RankedTensorType type = tensorType(cache);
  if (type.getRank() != 2)
    return node.emitError() << "a cache from which positions choose has rank 2, but one is "
                            << type;
  DenseElementsAttr known = node.constant(positionsInput);
  if (known && failed(checkKnownIndices(node, known, type, 0)))
    return failure();
  FailureOr<Operation *> chosen =
      createChecked(node, builder, GatherOp::getOperationName(), {cache, positions},
                    builder.getNamedAttr("axis", builder.getI64IntegerAttr(0)));
  if (failed(chosen))
    return failure();
  return markSetting(builder, (*chosen)->getResult(0));
}

/// ONNX Runtime's positions: [batch, rows], or the first one of all [1].
static FailureOr<Value> importPositions(OnnxNode &node, OpBuilder &builder, unsigned i,
                                        int64_t batch, int64_t rows, bool mayBeFirst) {
  Value positions = node.input(i);
  RankedTensorType type = tensorType(positions);
  if (!type.getElementType().isInteger(64) && !type.getElementType().isInteger(32))
    return node.emitError() << "positions must be integers, but are " << type;
  if (type.getShape() == ArrayRef<int64_t>{batch, rows})
    return positions;
  if (!mayBeFirst || type.getRank() > 1 || type.getNumElements() != 1)
    return node.emitError() << "there must be a position for each of [" << batch << ", " << rows
                            << "] tokens, but they are " << type;
  Value first = castTo(builder, node.loc, positions, builder.getI64Type());
  Value all = indexAlong(builder, node.loc, 2, 1, rows);
  all = builder.createOrFold<AddOp>(node.loc, all, reshapeTo(builder, node.loc, first, {}));
  // Only if all of them lie in the cache may any be read.
  return Value(BroadcastOp::create(builder, node.loc, all, ArrayRef<int64_t>{batch, rows}));
}

/// Heads of an input of rank 3: their number is an attribute, or follows from the caches.
static FailureOr<int64_t> headsOf(OnnxNode &node, int64_t width, Value cache, bool isMicrosoft) {
  int64_t heads = node.getInt("num_heads", 0);
  if (node.hadError)
    return failure();
  if (heads == 0 && isMicrosoft && node.getInt("rotary_embedding_dim", 0) == 0) {
    int64_t size = 2 * tensorType(cache).getShape().back();
    heads = size == 0 || width % size != 0 ? 0 : width / size;
  }
  if (heads < 1 || width % heads != 0)
    return node.emitError() << "attribute 'num_heads' is " << heads << ", which does not divide "
                            << width << " elements of a token";
  return heads;
}

static FailureOr<Rotation> importRotation(OnnxNode &node, OpBuilder &builder) {
  bool isMicrosoft = !node.domain.empty();
  if (failed(isMicrosoft ? node.expectInputs(4, 4) : node.expectInputs(3, 4)))
    return failure();
  if (isMicrosoft && (node.getInt("is_packed_batching", 0) || node.getFloat("scale", 1) != 1))
    return node.emitError() << "attributes 'is_packed_batching' and 'scale' must be 0 and 1";
  unsigned positionsInput = isMicrosoft ? 1 : 3;
  Value cosine = node.input(isMicrosoft ? 2 : 1), sine = node.input(isMicrosoft ? 3 : 2);
  Rotation r;
  r.x = node.input(0);
  RankedTensorType type = tensorType(r.x);
  for (Value cache : {cosine, sine})
    if (tensorType(cache).getElementType() != type.getElementType() ||
        tensorType(cache).getRank() < 2 || cache.getType() != cosine.getType() ||
        !isa<FloatType>(type.getElementType()))
      return node.emitError() << "input and caches must be floats of one type, and the caches of "
                                 "one shape, but are "
                              << type << ", " << cosine.getType() << " and " << sine.getType();
  if (type.getRank() != 3 && type.getRank() != 4)
    return node.emitError() << "the input must be of rank 3 or 4, but is " << type;
  r.isHeadsFirst = type.getRank() == 4;
  if (!r.isHeadsFirst) {
    FailureOr<int64_t> heads = headsOf(node, type.getShape().back(), cosine, isMicrosoft);
    if (failed(heads))
      return failure();
    r.x = reshapeTo(builder, node.loc, r.x,
                    {type.getDimSize(0), type.getDimSize(1), *heads, type.getDimSize(2) / *heads});
  } else {
    node.knowAttributes({"num_heads"});
  }
  ArrayRef<int64_t> shape = tensorType(r.x).getShape();
  int64_t batch = shape[0], rows = shape[r.isHeadsFirst ? 2 : 1], size = shape[3];
  r.isInterleaved = node.getInt("interleaved", 0) != 0;
  r.extent = node.getInt("rotary_embedding_dim", 0);
  if (node.hadError)
    return failure();
  if (r.extent == 0)
    r.extent = size;
  if (r.extent < 2 || r.extent > size || r.extent % 2 != 0)
    return node.emitError() << "attribute 'rotary_embedding_dim' is " << r.extent
                            << ", but should be an even number up to " << size
                            << ", the elements of a head";
  if (node.input(positionsInput)) {
    FailureOr<Value> positions =
        importPositions(node, builder, positionsInput, batch, rows, isMicrosoft);
    if (failed(positions))
      return failure();
    for (Value *cache : {&cosine, &sine}) {
      FailureOr<Value> chosen = chooseRows(node, builder, *cache, *positions, positionsInput);
      if (failed(chosen))
        return failure();
      *cache = *chosen;
    }
  }
  if (tensorType(cosine).getShape() != ArrayRef<int64_t>{batch, rows, r.extent / 2})
    return node.emitError() << "the caches give " << cosine.getType() << ", but should give ["
                            << batch << ", " << rows << ", " << r.extent / 2
                            << "], an angle for each pair of a head's elements";
  r.cosine = cosine;
  r.sine = sine;
  return r;
}

// Of a pair (x1, x2): (cos * x1 - sin * x2, sin * x1 + cos * x2).
FailureOr<Value> ampc::importRotaryEmbedding(OnnxNode &node, OpBuilder &builder) {
  FailureOr<Rotation> rotation = importRotation(node, builder);
  if (failed(rotation))
    return failure();
  const Rotation &r = *rotation;
  Location loc = node.loc;
  SmallVector<int64_t> shape(tensorType(r.x).getShape());
  int64_t size = shape.back(), half = r.extent / 2;
  SmallVector<int64_t> angles(tensorType(r.cosine).getShape());
  angles.insert(angles.begin() + (r.isHeadsFirst ? 1 : 2), 1);
  auto spread = [&](Value x) {
    return markSetting(builder, ReshapeOp::create(builder, loc, x, angles));
  };
  Value cosine = spread(r.cosine), sine = spread(r.sine);
  SmallVector<Value> parts;
  for (int64_t i = 0; i < 2; ++i) {
    SmallVector<int64_t> starts(4, 0), sizes(shape), steps(4, 1);
    starts[3] = r.isInterleaved ? i : i * half;
    sizes[3] = half;
    steps[3] = r.isInterleaved ? 2 : 1;
    parts.push_back(SliceOp::create(builder, loc, r.x, starts, sizes, steps));
  }
  auto multiply = [&](Value x, Value y) { return MulOp::create(builder, loc, x, y); };
  Value rotated[] = {
      SubOp::create(builder, loc, multiply(cosine, parts[0]), multiply(sine, parts[1])),
      AddOp::create(builder, loc, multiply(sine, parts[0]), multiply(cosine, parts[1]))};
  Value y;
  if (r.isInterleaved) {
    SmallVector<int64_t> pairs(shape);
    pairs[3] = half;
    pairs.push_back(1);
    for (Value &part : rotated)
      part = reshapeTo(builder, loc, part, pairs);
    y = ConcatOp::create(builder, loc, ValueRange(rotated), /*axis=*/4);
    shape[3] = r.extent;
    y = reshapeTo(builder, loc, y, shape);
  } else {
    y = ConcatOp::create(builder, loc, ValueRange(rotated), /*axis=*/3);
  }
  if (r.extent < size) {
    Value rest = sliceAlong(builder, loc, r.x, 3, r.extent, size - r.extent);
    y = ConcatOp::create(builder, loc, ValueRange{y, rest}, /*axis=*/3);
  }
  return reshapeTo(builder, loc, y, tensorType(node.input(0)).getShape());
}
