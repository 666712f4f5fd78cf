//===- PoolingImport.cpp - Windows of the pools of a file -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WindowAttributes.h"
#include "ampc/Dialect/Amp/GradientBuilder.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Pooling.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Values.h"
#include <cmath>

using namespace mlir;
using namespace ampc;

namespace {
/// How the windows of a node move, and how many there are along each dimension.
struct PoolWindows {
  SmallVector<int64_t> points, taps, strides, dilations, pads;
  SmallVector<int64_t> after; ///< pads behind the input

  SmallVector<NamedAttribute> attributes(OpBuilder &b) const {
    return {b.getNamedAttr("points", b.getDenseI64ArrayAttr(points)),
            b.getNamedAttr("taps", b.getDenseI64ArrayAttr(taps)),
            b.getNamedAttr("strides", b.getDenseI64ArrayAttr(strides)),
            b.getNamedAttr("dilations", b.getDenseI64ArrayAttr(dilations)),
            b.getNamedAttr("pads", b.getDenseI64ArrayAttr(pads))};
  }
  /// One window, the whole image.
  static PoolWindows whole(ArrayRef<int64_t> image) {
    SmallVector<int64_t> ones(image.size(), 1), zeros(image.size(), 0);
    return {ones, SmallVector<int64_t>(image), ones, ones, zeros, zeros};
  }
};
} // namespace

/// The windows along dimension `d`, which `pads` after it allow. With `ceil`, one that begins
/// within the input or the pad before it may end behind both.
static int64_t countPoints(int64_t extent, int64_t before, int64_t after, int64_t reach,
                           int64_t stride, bool ceil) {
  int64_t room = extent + before + after - reach;
  if (room < 0)
    return 0;
  int64_t points = (ceil ? llvm::divideCeil(room, stride) : room / stride) + 1;
  return (points - 1) * stride >= extent + before ? points - 1 : points;
}

/// Input 0 must have dimensions behind the first two.
static FailureOr<RankedTensorType> importImage(OnnxNode &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  if (type.getRank() < 3)
    return node.emitError() << "pools dimensions behind the first two, which " << type
                            << " does not have";
  return type;
}

/// ceil_mode and dilations came to the operators with different opsets.
static FailureOr<PoolWindows> importWindows(OnnxNode &node, ArrayRef<int64_t> image,
                                            int64_t ceilSince = 10, int64_t dilationsSince = 1) {
  size_t rank = image.size();
  if (!node.hasAttribute("kernel_shape"))
    return node.emitError() << "lacks the attribute 'kernel_shape'";
  FailureOr<SmallVector<int64_t>> taps = importInts(node, "kernel_shape", rank, 1);
  FailureOr<SmallVector<int64_t>> strides = importInts(node, "strides", rank, 1);
  FailureOr<SmallVector<int64_t>> dilations = SmallVector<int64_t>(rank, 1);
  if (node.version >= dilationsSince)
    dilations = importInts(node, "dilations", rank, 1);
  FailureOr<SmallVector<int64_t>> pads = importInts(node, "pads", 2 * rank, 0);
  if (failed(taps) || failed(strides) || failed(dilations) || failed(pads))
    return failure();
  bool ceil = node.version >= ceilSince && node.getInt("ceil_mode", 0);
  std::string mode = node.getString("auto_pad", "NOTSET");
  if (mode != "NOTSET" && mode != "VALID" && mode != "SAME_UPPER" && mode != "SAME_LOWER")
    return node.emitError() << "has auto_pad = '" << mode
                            << "': known are NOTSET, SAME_UPPER, SAME_LOWER and VALID";
  if (mode != "NOTSET" && llvm::any_of(*pads, [](int64_t pad) { return pad != 0; }))
    return node.emitError() << "has both auto_pad = " << mode << " and pads";
  PoolWindows windows{{}, *taps, *strides, *dilations, {}, {}};
  for (size_t d = 0; d < rank; ++d) {
    int64_t before = (*pads)[d], after = (*pads)[rank + d];
    for (int64_t positive : {(*taps)[d], (*strides)[d], (*dilations)[d]})
      if (positive < 1 || positive > kMostAlong)
        return node.emitError() << "has kernel_shape " << (*taps)[d] << ", stride " << (*strides)[d]
                                << " and dilation " << (*dilations)[d]
                                << " along spatial dimension " << d
                                << ": each must be at least 1 and at most " << kMostAlong;
    int64_t reach = (*dilations)[d] * ((*taps)[d] - 1) + 1, stride = (*strides)[d];
    if (before < 0 || after < 0 || before >= reach || after >= reach)
      return node.emitError() << "has pads " << before << " and " << after
                              << " along spatial dimension " << d << ": each must be at least 0 "
                              << "and less than the " << reach << " elements of a window";
    if (mode == "SAME_UPPER" || mode == "SAME_LOWER")
      std::tie(before, after) = samePads(image[d], reach, stride, mode == "SAME_LOWER");
    windows.points.push_back(countPoints(image[d], before, after, reach, stride, ceil));
    windows.pads.push_back(before);
    windows.after.push_back(after);
    if (windows.points.back() < 1)
      return node.emitError() << "has windows of " << reach << " elements along spatial dimension "
                              << d << ", which has " << image[d] << " and " << before + after
                              << " of padding";
  }
  return windows;
}

/// Places counted along the last spatial dimension first, as places where the first one is
/// the fastest.
static Value toColumnMajor(OpBuilder &b, Location loc, Value places, ArrayRef<int64_t> image) {
  auto number = [&](int64_t n) {
    auto type = RankedTensorType::get({}, b.getI64Type());
    return buildConstant(b, loc, DenseElementsAttr::get(type, n));
  };
  int64_t size = llvm::product_of(image, int64_t(1)), step = size;
  auto multiples = [&](Value x, int64_t n) -> Value { // of n in x
    return DivOp::create(b, loc, x, number(n));
  };
  Value whole = buildProduct(b, loc, multiples(places, size), number(size));
  Value rest = buildDifference(b, loc, places, whole);
  int64_t columnStep = 1;
  for (int64_t extent : image) {
    step /= extent;
    Value i = multiples(rest, step);
    rest = buildDifference(b, loc, rest, buildProduct(b, loc, i, number(step)));
    whole = buildSum(b, loc, whole, buildProduct(b, loc, i, number(columnStep)));
    columnStep *= extent;
  }
  return whole;
}

FailureOr<SmallVector<Value>> MaxPoolOp::importNode(OnnxNode &node, OpBuilder &builder) {
  FailureOr<RankedTensorType> type = importImage(node);
  if (failed(type))
    return failure();
  ArrayRef<int64_t> image = type->getShape().drop_front(2);
  bool isGlobal = node.opType == "GlobalMaxPool";
  bool isColumnMajor = !isGlobal && node.version >= 8 && node.getInt("storage_order", 0) != 0;
  FailureOr<PoolWindows> windows =
      isGlobal ? PoolWindows::whole(image) : importWindows(node, image);
  if (failed(windows) || node.hadError)
    return failure();
  FailureOr<Operation *> op =
      createChecked(node, builder, getOperationName(), node.input(0), windows->attributes(builder));
  if (failed(op))
    return failure();
  SmallVector<Value> results((*op)->getResults());
  results.truncate(node.outputNames.size());
  if (isColumnMajor && node.hasOutput(1))
    results[1] = toColumnMajor(builder, node.loc, results[1], image);
  return results;
}

/// The mean, or by name another reduction, of all dimensions behind the first two.
template <typename ReduceOp>
static FailureOr<SmallVector<Value>> importGlobal(OnnxNode &node, OpBuilder &builder,
                                                  RankedTensorType type) {
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(2, type.getRank()));
  return single(
      importOp<ReduceOp>(node, builder, node.input(0),
                         {builder.getNamedAttr("axes", builder.getDenseI64ArrayAttr(axes)),
                          builder.getNamedAttr("keepdims", builder.getUnitAttr())}));
}

FailureOr<SmallVector<Value>> AveragePoolOp::importNode(OnnxNode &node, OpBuilder &builder) {
  FailureOr<RankedTensorType> type = importImage(node);
  if (failed(type))
    return failure();
  if (node.opType == "GlobalAveragePool")
    return importGlobal<ReduceMeanOp>(node, builder, *type);
  bool countsPads = node.version >= 7 && node.getInt("count_include_pad", 0) != 0;
  FailureOr<PoolWindows> windows =
      importWindows(node, type->getShape().drop_front(2), /*ceilSince=*/10, /*dilationsSince=*/19);
  if (failed(windows))
    return failure();
  SmallVector<int64_t> counted;
  if (countsPads)
    counted = llvm::to_vector(llvm::concat<int64_t>(windows->pads, windows->after));
  SmallVector<NamedAttribute> attributes = windows->attributes(builder);
  attributes.push_back(builder.getNamedAttr("counted", builder.getDenseI64ArrayAttr(counted)));
  return single(importOp<AveragePoolOp>(node, builder, node.input(0), attributes));
}

FailureOr<SmallVector<Value>> LpPoolOp::importNode(OnnxNode &node, OpBuilder &builder) {
  FailureOr<RankedTensorType> type = importImage(node);
  if (failed(type))
    return failure();
  double p = node.version < 2 ? node.getFloat("p", 2) : double(node.getInt("p", 2));
  if (!(p > 0) || std::isinf(p))
    return node.emitError() << "has p = " << p << ", which must be above 0";
  ArrayRef<int64_t> image = type->getShape().drop_front(2);
  bool isGlobal = node.opType == "GlobalLpPool";
  if (isGlobal && p == 1)
    return importGlobal<ReduceL1Op>(node, builder, *type);
  if (isGlobal && p == 2)
    return importGlobal<ReduceL2Op>(node, builder, *type);
  FailureOr<PoolWindows> windows =
      isGlobal ? PoolWindows::whole(image)
               : importWindows(node, image, /*ceilSince=*/18, /*dilationsSince=*/18);
  if (failed(windows))
    return failure();
  SmallVector<NamedAttribute> attributes = windows->attributes(builder);
  attributes.push_back(builder.getNamedAttr("p", builder.getF64FloatAttr(p)));
  return single(importOp<LpPoolOp>(node, builder, node.input(0), attributes));
}

/// ONNX Runtime's node has no operand that has the image's shape: the pool that its indices are of
/// knows it.
FailureOr<SmallVector<Value>> MaxPoolGradOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  Value gradient = node.input(0);
  auto pool = node.input(1).getDefiningOp<MaxPoolOp>();
  if (!pool || node.input(1) != pool.getIndices())
    return node.emitError() << "takes '" << node.inputNames[1]
                            << "', which is not the row-major indices of a MaxPool";
  node.knowAttributes({"storage_order"});
  FailureOr<PoolWindows> windows =
      importWindows(node, tensorType(pool.getInput()).getShape().drop_front(2));
  if (failed(windows) || node.hadError)
    return failure();
  for (NamedAttribute attribute : windows->attributes(builder))
    if (pool->getAttr(attribute.getName()) != attribute.getValue())
      return node.emitError() << "has other windows than the MaxPool that its indices are of";
  if (gradient.getType() != pool.getValues().getType())
    return node.emitError() << "has a gradient " << gradient.getType() << " of a value "
                            << pool.getValues().getType();
  Type element = tensorType(gradient).getElementType();
  GradientBuilder gradients(builder, pool, {gradient, Value()}, {element});
  pool.buildGradient(gradients);
  return SmallVector<Value>{gradients.get(0)};
}
