//===- RoiImport.cpp - ONNX operators about regions of interest -----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Indices.h"
#include "WindowAttributes.h"
#include "ampc/Dialect/Amp/Ops/Roi.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"

using namespace mlir;
using namespace ampc;

static SmallVector<NamedAttribute> roiAttributes(Builder &b, int64_t height, int64_t width,
                                                 int64_t samples, double scale) {
  return {b.getNamedAttr("height", b.getI64IntegerAttr(height)),
          b.getNamedAttr("width", b.getI64IntegerAttr(width)),
          b.getNamedAttr("samples", b.getI64IntegerAttr(samples)),
          b.getNamedAttr("scale", b.getF64FloatAttr(scale))};
}

/// Checks what both operators ask for: images and a size of bins.
static LogicalResult checkRegions(OnnxNode &node, int64_t columns, int64_t height, int64_t width,
                                  double scale) {
  if (node.hadError || failed(checkFloats(node)))
    return failure();
  RankedTensorType type = tensorType(node.input(0)), regions = tensorType(node.input(1));
  if (type.getRank() != 4 || regions.getRank() != 2 || regions.getDimSize(1) != columns)
    return node.emitError() << "needs images [n, c, h, w] and regions [r, " << columns
                            << "], but has " << type << " and " << regions;
  if (type.getDimSize(0) < 1 || type.getDimSize(2) < 1 || type.getDimSize(3) < 1)
    return node.emitError() << "there is nothing to read in " << type;
  for (int64_t size : {height, width})
    if (size < 1 || size > kMostAlong)
      return node.emitError() << "has " << height << " by " << width
                              << " bins: there must be at least 1 and at most " << kMostAlong
                              << " along each axis";
  if (!(scale > 0 && scale < 1e9))
    return node.emitError() << "has a spatial_scale of " << scale << ": it must be above 0";
  return success(
      succeeded(checkedProduct(node, {regions.getDimSize(0), type.getDimSize(1), height, width})));
}

/// RoiAlign (opset 10-28).
FailureOr<SmallVector<Value>> RoiAlignOp::importNode(OnnxNode &node, OpBuilder &b) {
  if (failed(node.expectInputs(3, 3)))
    return failure();
  int64_t height = node.getInt("output_height", 1), width = node.getInt("output_width", 1);
  int64_t samples = node.getInt("sampling_ratio", 0);
  double scale = node.getFloat("spatial_scale", 1);
  std::string mode = node.getString("mode", "avg");
  std::string places = node.version < 16
                           ? "output_half_pixel"
                           : node.getString("coordinate_transformation_mode", "half_pixel");
  Value input = node.input(0), regions = node.input(1), images = node.input(2);
  node.inputs.pop_back(); // what is left must be floats
  LogicalResult isRight = checkRegions(node, 4, height, width, scale);
  node.inputs.push_back(images);
  if (failed(isRight))
    return failure();
  RankedTensorType indices = tensorType(images);
  if (indices.getRank() != 1 || indices.getDimSize(0) != tensorType(regions).getDimSize(0) ||
      !(indices.getElementType().isInteger(64) || indices.getElementType().isInteger(32)))
    return node.emitError() << "needs an image, i64, for each of the regions " << regions.getType()
                            << ", but has " << indices;
  if (mode != "avg" && mode != "max")
    return node.emitError() << "has mode = '" << mode << "': known are avg and max";
  if (places != "half_pixel" && places != "output_half_pixel")
    return node.emitError() << "has coordinate_transformation_mode = '" << places
                            << "': known are half_pixel and output_half_pixel";
  constexpr int64_t kMostSamples = 4096;
  if (samples < 0 || samples > kMostSamples)
    return node.emitError() << "has a sampling_ratio of " << samples
                            << ": it must be at least 0 and at most " << kMostSamples;
  DenseElementsAttr known = node.constant(2);
  if (known && failed(checkKnownIndices(node, known, tensorType(input), 0, /*fromEnd=*/false)))
    return failure();
  SmallVector<NamedAttribute> attributes = roiAttributes(b, height, width, samples, scale);
  if (places == "half_pixel")
    attributes.push_back(b.getNamedAttr("half_pixel", b.getUnitAttr()));
  StringRef name = mode == "avg" ? RoiAlignOp::getOperationName() : RoiMaxOp::getOperationName();
  return single(importOp(node, b, name, {input, regions, images}, attributes));
}

/// MaxRoiPool: regions have the number of their image before them.
FailureOr<SmallVector<Value>> RoiMaxOp::importNode(OnnxNode &node, OpBuilder &b) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  FailureOr<SmallVector<int64_t>> shape = importInts(node, "pooled_shape", 2, 0);
  double scale = node.getFloat("spatial_scale", 1);
  if (failed(shape) || failed(checkRegions(node, 5, (*shape)[0], (*shape)[1], scale)))
    return failure();
  int64_t count = tensorType(node.input(1)).getDimSize(0);
  FailureOr<Value> images = importStepped<SliceOp>(node, b, node.input(1), {0, 0}, {count, 1});
  FailureOr<Value> regions = importStepped<SliceOp>(node, b, node.input(1), {0, 1}, {count, 4});
  if (failed(images) || failed(regions))
    return failure();
  images = castTo(b, node.loc, reshapeTo(b, node.loc, *images, {count}), b.getI64Type());
  SmallVector<NamedAttribute> attributes = roiAttributes(b, (*shape)[0], (*shape)[1], 0, scale);
  attributes.push_back(b.getNamedAttr("pixels", b.getUnitAttr()));
  return single(importOp<RoiMaxOp>(node, b, {node.input(0), *regions, *images}, attributes));
}
