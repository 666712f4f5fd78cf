//===- NormalizationImport.cpp - ONNX's operators that normalize rows -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Estimators.h"
#include "Indices.h"
#include "NormRows.h"
#include "Places.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Indexing.h"
#include "ampc/Dialect/Amp/Ops/Normalization.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

/// An LRN sums its channels one by one.
static constexpr int64_t kMostLrnChannels = 64;

using Results = FailureOr<SmallVector<Value>>;

FailureOr<int64_t> ampc::importStashType(OnnxNode &node, RankedTensorType type) {
  bool isDouble = type.getElementType().isF64();
  int64_t stashType = node.getInt("stash_type", AMPC_DTYPE_F32);
  if (node.hadError)
    return failure();
  if (stashType != AMPC_DTYPE_F32 && !(isDouble && stashType == AMPC_DTYPE_F64))
    return node.emitError() << "attribute 'stash_type' is " << stashType
                            << ", but should be 1 (FLOAT)" << (isDouble ? " or 11 (DOUBLE)" : "")
                            << " where the input is " << type;
  return stashType;
}

/// amp.layer_norm of rows from `axis` on.
static FailureOr<LayerNormOp> buildLayerNorm(OnnxNode &node, OpBuilder &builder,
                                             ValueRange operands, int64_t axis, double epsilon) {
  if (node.hadError)
    return failure();
  FailureOr<Operation *> op =
      createChecked(node, builder, LayerNormOp::getOperationName(), operands,
                    {builder.getNamedAttr("axis", builder.getI64IntegerAttr(axis)),
                     builder.getNamedAttr("epsilon", builder.getF64FloatAttr(epsilon))});
  if (failed(op))
    return failure();
  return cast<LayerNormOp>(*op);
}

static Results importLayerNorm(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 3)) || failed(checkFloats(node)))
    return failure();
  SmallVector<Value> operands{node.input(0), node.input(1)};
  if (node.input(2))
    operands.push_back(node.input(2));
  RankedTensorType type = tensorType(operands[0]);
  FailureOr<int64_t> axis = normalizeAxis(node, node.getInt("axis", -1), type.getRank());
  if (failed(axis))
    return failure();
  FailureOr<int64_t> stashType = importStashType(node, type);
  double epsilon = node.getEpsilon(1e-5f);
  if (failed(stashType))
    return failure();
  FailureOr<LayerNormOp> op = buildLayerNorm(node, builder, operands, *axis, epsilon);
  if (failed(op))
    return failure();
  SmallVector<Value> results((*op)->getResults());
  for (unsigned i : {1u, 2u})
    if (!node.hasOutput(i))
      results[i] = Value();
    else if (*stashType == AMPC_DTYPE_F32)
      results[i] = castTo(builder, node.loc, results[i], builder.getF32Type());
  return results;
}

/// Checks that `parameter` is of one dimension of `extent`, which counts `what`.
static LogicalResult checkVector(OnnxNode &node, unsigned i, int64_t extent, StringRef what) {
  RankedTensorType type = tensorType(node.input(i));
  if (type.getRank() == 1 && type.getDimSize(0) == extent)
    return success();
  return node.emitError() << (i == 1 ? "scale" : "bias") << " is " << type
                          << ", but should have one element for each of " << extent << " " << what
                          << " of the input " << node.input(0).getType();
}

/// Rows are the elements of a group of channels of one image. `groups` divides the channels;
/// there is a scale and a bias for each channel, or each group.
static Results importGroups(OnnxNode &node, OpBuilder &builder, int64_t groups, bool ofGroup,
                            double epsilon) {
  RankedTensorType type = tensorType(node.input(0));
  int64_t channels = type.getDimSize(1);
  for (unsigned i : {1u, 2u})
    if (failed(checkVector(node, i, ofGroup ? groups : channels, ofGroup ? "groups" : "channels")))
      return failure();
  SmallVector<int64_t> shape{type.getDimSize(0), groups, groups == 0 ? 0 : channels / groups};
  llvm::append_range(shape, type.getShape().drop_front(2));
  SmallVector<int64_t> parameter(shape.size() - 1, 1);
  parameter[0] = shape[1];
  if (!ofGroup)
    parameter[1] = shape[2];
  auto reshape = [&](unsigned i, ArrayRef<int64_t> to) {
    return reshapeTo(builder, node.loc, node.input(i), to);
  };
  FailureOr<LayerNormOp> op = buildLayerNorm(
      node, builder, {reshape(0, shape), reshape(1, parameter), reshape(2, parameter)},
      /*axis=*/2, epsilon);
  if (failed(op))
    return failure();
  return SmallVector<Value>{reshapeTo(builder, node.loc, op->getY(), type.getShape())};
}

static Results importChannelNorm(OnnxNode &node, OpBuilder &builder, bool isGroups) {
  if (failed(node.expectInputs(3, 3)) || failed(checkFloats(node)))
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  if (type.getRank() < 2)
    return node.emitError() << "the input is " << type << ", which has no channels";
  if (node.version < 6)
    node.knowAttributes({"consumed_inputs"});
  double epsilon = node.getEpsilon(1e-5f);
  if (!isGroups)
    return importGroups(node, builder, type.getDimSize(1), /*ofGroup=*/false, epsilon);
  if (node.version >= 21 && failed(importStashType(node, type)))
    return failure();
  int64_t groups = node.getInt("num_groups", 0);
  if (node.hadError)
    return failure();
  if (groups < 1 || type.getDimSize(1) % groups != 0)
    return node.emitError() << "attribute 'num_groups' is " << groups << ", which does not divide "
                            << type.getDimSize(1) << " channels of the input " << type;
  return importGroups(node, builder, groups, /*ofGroup=*/node.version < 21, epsilon);
}

/// (x - mean) / (deviation + 1e-9), of which 1e-18 beside the variance is the same but for rounding
/// and deviations of about 1e-9.
static Results importMeanVariance(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)) || failed(checkFloats(node)))
    return failure();
  Value x = node.input(0);
  RankedTensorType type = tensorType(x);
  std::vector<int64_t> given = node.getInts("axes").value_or(std::vector<int64_t>{0, 2, 3});
  FailureOr<SmallVector<int64_t>> axes = normalizeAxes(node, given, type.getRank());
  if (failed(axes))
    return failure();
  SmallVector<int64_t> order;
  for (int64_t d = 0; d < type.getRank(); ++d)
    if (!llvm::is_contained(*axes, d))
      order.push_back(d);
  int64_t first = int64_t(order.size());
  if (axes->empty())
    return node.emitError() << "attribute 'axes' is empty";
  llvm::append_range(order, *axes);
  SmallVector<int64_t> inverse(order.size());
  for (auto [i, d] : llvm::enumerate(order))
    inverse[d] = int64_t(i);
  Value rows = builder.createOrFold<TransposeOp>(node.loc, x, order);
  Value one = splat(builder, node.loc, RankedTensorType::get({}, type.getElementType()), 1);
  FailureOr<LayerNormOp> op = buildLayerNorm(node, builder, {rows, one}, first, 1e-18);
  if (failed(op))
    return failure();
  return SmallVector<Value>{builder.createOrFold<TransposeOp>(node.loc, op->getY(), inverse)};
}

/// A line of zeros stays as it is.
static Results importLpNorm(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)) || failed(checkFloats(node)))
    return failure();
  Value x = node.input(0);
  FailureOr<int64_t> axis = normalizeAxis(node, node.getInt("axis", -1), tensorType(x).getRank());
  int64_t p = node.getInt("p", 2);
  if (failed(axis) || node.hadError)
    return failure();
  if (p != 1 && p != 2)
    return node.emitError() << "attribute 'p' is " << p << ", but should be 1 or 2";
  SmallVector<int64_t> axes{*axis};
  Value norm;
  if (p == 1)
    norm = ReduceL1Op::create(builder, node.loc, x, axes, /*keepdims=*/true);
  else
    norm = ReduceL2Op::create(builder, node.loc, x, axes, /*keepdims=*/true);
  RankedTensorType type = tensorType(norm);
  auto constant = [&](double value) { return splat(builder, node.loc, type, value); };
  Value isZero = EqualOp::create(builder, node.loc, norm, constant(0));
  Value divisor = WhereOp::create(builder, node.loc, isZero, constant(1), norm);
  return single(importOp<DivOp>(node, builder, {x, divisor}));
}

/// x / (bias + alpha / size * s) ^ beta, where s sums the squares of the `size` channels around
/// each one. In f32: squares leave f16's range.
static Results importLrn(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)) || failed(checkFloats(node)))
    return failure();
  Value x = node.input(0);
  RankedTensorType type = tensorType(x);
  int64_t size = node.getInt("size", 0);
  double alpha = node.getFloat("alpha", 1e-4f), beta = node.getFloat("beta", 0.75f);
  double bias = node.getFloat("bias", 1.0f);
  if (node.hadError)
    return failure();
  if (type.getRank() < 2)
    return node.emitError() << "the input is " << type << ", which has no channels";
  if (size < 1 || size > kMostLrnChannels)
    return node.emitError() << "attribute 'size' is " << size << ", but must be from 1 to "
                            << kMostLrnChannels;
  Builder &b = builder;
  auto full = b.getDictionaryAttr({b.getNamedAttr("category", b.getStringAttr(kFullPrecision)),
                                   b.getNamedAttr("reason", b.getStringAttr("squares of LRN"))});
  auto keep = [&](auto op) {
    op->setAttr(kPrecisionAttr, full);
    return Value(op.getResult());
  };
  Type computed = KernelBuilder::computeType(type.getElementType());
  Value wide = castTo(builder, node.loc, x, computed);
  auto scalar = [&](double value) {
    return splat(builder, node.loc, RankedTensorType::get({}, computed), value);
  };
  Value squares = keep(MulOp::create(builder, node.loc, wide, wide));
  SmallVector<int64_t> starts(type.getRank(), 0), steps(type.getRank(), 1);
  SmallVector<int64_t> sizes(type.getShape());
  starts[1] = (size - 1) / 2;
  sizes[1] += size - 1;
  Value padded = PadOp::create(builder, node.loc, squares, starts, sizes, steps, APFloat(0.0));
  Value sum;
  for (int64_t tap = 0; tap < size; ++tap) {
    SmallVector<int64_t> from(type.getRank(), 0);
    from[1] = tap;
    Value shifted = SliceOp::create(builder, node.loc, padded, from, type.getShape(), steps);
    sum = sum ? keep(AddOp::create(builder, node.loc, sum, shifted)) : shifted;
  }
  Value scaled = keep(MulOp::create(builder, node.loc, sum, scalar(alpha / double(size))));
  Value base = keep(AddOp::create(builder, node.loc, scaled, scalar(bias)));
  Value divisor = keep(PowOp::create(builder, node.loc, base, scalar(beta)));
  Value y = keep(DivOp::create(builder, node.loc, wide, divisor));
  return SmallVector<Value>{castTo(builder, node.loc, y, type.getElementType())};
}

/// ONNX Runtime's: a layer norm of the sum of input, skip and bias, which is a result as well.
static Results importSkipLayerNorm(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(3, 5)) || failed(checkFloats(node)))
    return failure();
  FailureOr<Value> sum = importOp<AddOp>(node, builder, {node.input(0), node.input(1)});
  if (succeeded(sum) && node.input(4))
    sum = importOp<AddOp>(node, builder, {*sum, node.input(4)});
  if (failed(sum))
    return failure();
  SmallVector<Value> operands{*sum, node.input(2)};
  if (node.input(3))
    operands.push_back(node.input(3));
  FailureOr<LayerNormOp> op = buildLayerNorm(
      node, builder, operands, tensorType(*sum).getRank() - 1, node.getEpsilon(1e-12f));
  if (failed(op))
    return failure();
  return SmallVector<Value>{op->getY(), op->getMean(), op->getInvStdDev(), *sum};
}

/// All inputs up to the bias but those of segments must be there.
static LogicalResult expectEmbeddings(OnnxNode &node) {
  if (failed(node.expectInputs(1, 9)))
    return failure();
  for (unsigned i : {2u, 3u, 5u, 6u})
    if (!node.input(i))
      return node.emitError() << "lacks input " << i;
  return success();
}

/// Rows of the table at input `i`, by indices; failure after an error.
static FailureOr<Value> importLookup(OnnxNode &node, OpBuilder &builder, unsigned i,
                                     Value indices) {
  RankedTensorType table = tensorType(node.input(i)), type = tensorType(indices);
  if (table.getRank() != 2 || type.getRank() != 2 ||
      !(type.getElementType().isInteger(32) || type.getElementType().isInteger(64)))
    return node.emitError() << "an embedding is a table of rank 2 and indices [batch, rows], but "
                               "there are "
                            << table << " and " << type;
  DenseElementsAttr known = node.constantOf ? node.constantOf(indices) : DenseElementsAttr();
  if (known && failed(checkKnownIndices(node, known, table, 0)))
    return failure();
  return importOp<GatherOp>(node, builder, {node.input(i), indices},
                            builder.getNamedAttr("axis", builder.getI64IntegerAttr(0)));
}

/// ONNX Runtime's: a layer norm of the sum of a word's embedding, that of its position, and that
/// of its segment. Result 1 counts what the mask has on.
static Results importEmbedLayerNorm(OnnxNode &node, OpBuilder &builder) {
  if (failed(expectEmbeddings(node)))
    return failure();
  Value words = node.input(0), segments = node.input(1), mask = node.input(7);
  Value positions = node.input(8);
  RankedTensorType type = tensorType(words);
  node.knowAttributes({"mask_index_type"});
  if (!segments != !node.input(4))
    return node.emitError() << "has only one of 'segment_ids' and 'segment_embedding'";
  if (type.getRank() != 2)
    return node.emitError() << "'input_ids' must be [batch, rows], but are " << type;
  if (!positions)
    positions = indexAlong(builder, node.loc, 2, 1, type.getDimSize(1));
  Value sum;
  const std::pair<unsigned, Value> lookups[] = {{2, words}, {3, positions}, {4, segments}};
  for (auto [table, indices] : lookups) {
    if (!indices)
      continue;
    FailureOr<Value> rows = importLookup(node, builder, table, indices);
    if (succeeded(rows) && sum)
      rows = importOp<AddOp>(node, builder, {sum, *rows});
    if (failed(rows))
      return failure();
    sum = *rows;
  }
  if (tensorType(sum).getShape().drop_back() != type.getShape())
    return node.emitError() << "ids of words, positions and segments do not fit together: they "
                               "give "
                            << sum.getType() << " for " << type;
  FailureOr<LayerNormOp> op = buildLayerNorm(node, builder, {sum, node.input(5), node.input(6)}, 2,
                                             node.getEpsilon(1e-12f));
  if (failed(op))
    return failure();
  SmallVector<Value> results{op->getY(), Value(), sum};
  if (!node.hasOutput(1))
    return results;
  auto counts = RankedTensorType::get(type.getDimSize(0), builder.getI32Type());
  if (!mask) {
    results[1] = splat(builder, node.loc, counts, 0);
    return results;
  }
  RankedTensorType maskType = tensorType(mask);
  if (maskType.getShape() != type.getShape() || !isa<IntegerType>(maskType.getElementType()))
    return node.emitError() << "the mask must be integers of the shape of " << type << ", but is "
                            << maskType;
  Value one = splat(builder, node.loc, RankedTensorType::get({}, maskType.getElementType()), 1);
  Value isOn = EqualOp::create(builder, node.loc, mask, one);
  Value ones = castTo(builder, node.loc, isOn, builder.getI32Type());
  results[1] = ReduceSumOp::create(builder, node.loc, ones, ArrayRef<int64_t>{1});
  return results;
}

Results LayerNormOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "InstanceNormalization")
    return importChannelNorm(node, builder, /*isGroups=*/false);
  if (node.opType == "GroupNormalization")
    return importChannelNorm(node, builder, /*isGroups=*/true);
  if (node.opType == "MeanVarianceNormalization")
    return importMeanVariance(node, builder);
  if (node.opType == "LpNormalization")
    return importLpNorm(node, builder);
  if (node.opType == "Normalizer")
    return single(importNormalizer(node, builder));
  if (node.opType == "LRN")
    return importLrn(node, builder);
  if (node.opType == "SkipLayerNormalization")
    return importSkipLayerNorm(node, builder);
  if (node.opType == "EmbedLayerNormalization")
    return importEmbedLayerNorm(node, builder);
  return importLayerNorm(node, builder);
}
