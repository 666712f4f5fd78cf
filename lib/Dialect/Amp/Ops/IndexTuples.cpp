//===- IndexTuples.cpp - Places given by tuples of indices --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "IndexTuples.h"
#include "Indices.h"
#include "Places.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Indexing.h"
#include "ampc/Dialect/Amp/Ops/Scatter.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

namespace {
/// Tuples of indices along the last dimension, into dimensions of `extents`.
class TupleReader {
public:
  TupleReader(OnnxNode &node, OpBuilder &builder, ArrayRef<int64_t> extents)
      : node(node), builder(builder), extents(extents), type(tensorType(node.input(1))),
        total(llvm::product_of(extents, int64_t(1))) {}

  /// The row-major place of each tuple, [batches, tuples of a batch]; each batch counts on behind
  /// the one before it. Where an index is out of range, so is the place.
  FailureOr<Value> flatten(int64_t batches);

private:
  FailureOr<Value> flattenKnown(DenseElementsAttr known, RankedTensorType result);
  Value number(int64_t value) {
    auto scalar = RankedTensorType::get({}, builder.getI64Type());
    return buildConstant(builder, node.loc, DenseElementsAttr::get(scalar, value));
  }
  template <typename OpTy>
  Value build(Value x, Value y) {
    return OpTy::create(builder, node.loc, x, y);
  }

  OnnxNode &node;
  OpBuilder &builder;
  ArrayRef<int64_t> extents;
  RankedTensorType type;
  int64_t total;
};
} // namespace

FailureOr<Value> TupleReader::flattenKnown(DenseElementsAttr known, RankedTensorType result) {
  SmallVector<int64_t> places;
  int64_t place = 0;
  for (auto [i, index] : llvm::enumerate(known.getValues<APInt>())) {
    size_t d = i % extents.size();
    int64_t value = index.getSExtValue();
    if (value < -extents[d] || value >= extents[d])
      return node.emitError() << "index " << value << " is out of range for element " << d
                              << " of its tuple, which goes up to " << extents[d];
    place = place * extents[d] + (value < 0 ? value + extents[d] : value);
    if (d + 1 == extents.size()) {
      places.push_back(place + int64_t(places.size()) / result.getDimSize(1) * total);
      place = 0;
    }
  }
  return buildConstant(builder, node.loc, DenseElementsAttr::get(result, ArrayRef(places)));
}

FailureOr<Value> TupleReader::flatten(int64_t batches) {
  int64_t count = type.getNumElements() / std::max<int64_t>(extents.size(), 1);
  auto result =
      RankedTensorType::get({batches, batches == 0 ? 0 : count / batches}, builder.getI64Type());
  if (DenseElementsAttr known = node.constant(1); known && count != 0)
    return flattenKnown(known, result);
  Value indices = castTo(builder, node.loc, node.input(1), builder.getI64Type());
  indices = reshapeTo(builder, node.loc, indices, {count, int64_t(extents.size())});
  Value place, isBad;
  for (auto [d, extent] : llvm::enumerate(extents)) {
    Value index =
        builder.createOrFold<SliceOp>(node.loc, indices, ArrayRef<int64_t>{0, int64_t(d)},
                                      ArrayRef<int64_t>{count, 1}, ArrayRef<int64_t>{1, 1});
    index = reshapeTo(builder, node.loc, index, result.getShape());
    Value isFromEnd = build<LessOp>(index, number(0));
    Value fromEnd = build<AddOp>(index, number(extent));
    Value isHere = build<OrOp>(build<LessOp>(index, number(-extent)),
                               build<GreaterOrEqualOp>(index, number(extent)));
    index = WhereOp::create(builder, node.loc, isFromEnd, fromEnd, index);
    isBad = isBad ? build<OrOp>(isBad, isHere) : isHere;
    place = place ? build<AddOp>(build<MulOp>(place, number(extent)), index) : index;
  }
  if (batches > 1) {
    Value batch = indexAlong(builder, node.loc, 2, 0, batches);
    place = build<AddOp>(place, build<MulOp>(batch, number(total)));
  }
  return Value(WhereOp::create(builder, node.loc, isBad,
                               number(std::max<int64_t>(batches, 1) * total), place));
}

/// How many dimensions a tuple goes through.
static FailureOr<int64_t> tupleSize(OnnxNode &node, int64_t batchDims) {
  RankedTensorType data = tensorType(node.input(0)), indices = tensorType(node.input(1));
  if (!indices.getElementType().isInteger(64))
    return node.emitError() << "indices must be i64, but are " << indices;
  bool fits = batchDims >= 0 && batchDims < std::min(data.getRank(), indices.getRank()) &&
              indices.getShape().take_front(batchDims) == data.getShape().take_front(batchDims);
  if (!fits)
    return node.emitError() << "the first " << batchDims << " dimensions of " << data << " and of "
                            << "the indices " << indices << " are no batch";
  int64_t size = indices.getShape().back();
  if (size < 1 || size > data.getRank() - batchDims)
    return node.emitError() << "tuples of " << size << " indices do not go through the "
                            << data.getRank() - batchDims << " dimensions of " << data
                            << (batchDims ? " behind the batch" : "");
  return size;
}

FailureOr<Value> ampc::importGatherND(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  int64_t batchDims = node.version >= 12 ? node.getInt("batch_dims", 0) : 0;
  FailureOr<int64_t> size = tupleSize(node, batchDims);
  if (failed(size))
    return failure();
  RankedTensorType data = tensorType(node.input(0)), indices = tensorType(node.input(1));
  ArrayRef<int64_t> shape = data.getShape(), rest = shape.drop_front(batchDims + *size);
  ArrayRef<int64_t> extents = shape.slice(batchDims, *size);
  int64_t batches = llvm::product_of(shape.take_front(batchDims), int64_t(1));
  SmallVector<int64_t> result(indices.getShape().drop_back());
  llvm::append_range(result, rest);
  if (*size == 1 && rest.empty() && batchDims > 0 && batches > 0) {
    // Single elements of each batch's line need no places.
    if (DenseElementsAttr known = node.constant(1);
        known && failed(checkKnownIndices(node, known, data, batchDims)))
      return failure();
    SmallVector<int64_t> lines(shape.drop_back());
    lines.push_back(indices.getNumElements() / batches);
    FailureOr<Value> chosen = importOp<GatherElementsOp>(
        node, builder, {node.input(0), reshapeTo(builder, node.loc, node.input(1), lines)},
        builder.getNamedAttr("axis", builder.getI64IntegerAttr(batchDims)));
    if (failed(chosen))
      return failure();
    return reshapeTo(builder, node.loc, *chosen, result);
  }
  FailureOr<Value> places = TupleReader(node, builder, extents).flatten(batches);
  if (failed(places))
    return failure();
  SmallVector<int64_t> flat{batches * llvm::product_of(extents, int64_t(1))};
  llvm::append_range(flat, rest);
  Value table = reshapeTo(builder, node.loc, node.input(0), flat);
  FailureOr<Value> chosen = importOp<GatherOp>(
      node, builder, {table, *places}, builder.getNamedAttr("axis", builder.getI64IntegerAttr(0)));
  if (failed(chosen))
    return failure();
  return reshapeTo(builder, node.loc, *chosen, result);
}

FailureOr<Value> ampc::importScatterND(OnnxNode &node, OpBuilder &builder, StringRef name) {
  FailureOr<int64_t> size = tupleSize(node, 0);
  if (failed(size))
    return failure();
  RankedTensorType data = tensorType(node.input(0)), indices = tensorType(node.input(1));
  RankedTensorType updates = tensorType(node.input(2));
  ArrayRef<int64_t> extents = data.getShape().take_front(*size);
  ArrayRef<int64_t> rest = data.getShape().drop_front(*size);
  SmallVector<int64_t> wanted(indices.getShape().drop_back());
  llvm::append_range(wanted, rest);
  if (updates != data.clone(wanted))
    return node.emitError() << "updates must be " << data.clone(wanted) << ", but are " << updates;
  FailureOr<Value> places = TupleReader(node, builder, extents).flatten(1);
  if (failed(places))
    return failure();
  int64_t count = tensorType(*places).getNumElements();
  int64_t inner = llvm::product_of(rest, int64_t(1));
  int64_t outer = llvm::product_of(extents, int64_t(1));
  Value operands[] = {reshapeTo(builder, node.loc, node.input(0), {outer, inner}),
                      reshapeTo(builder, node.loc, *places, {count, 1}),
                      reshapeTo(builder, node.loc, node.input(2), {count, inner})};
  FailureOr<Value> result = importOp(node, builder, name, operands,
                                     builder.getNamedAttr("axis", builder.getI64IntegerAttr(0)));
  if (failed(result))
    return failure();
  return reshapeTo(builder, node.loc, *result, data.getShape());
}
