//===- ResizeTable.cpp - Where the pixels of a resized image come from ----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Computed in f64, as ONNX's reference implementation does.
//
//===----------------------------------------------------------------------===//

#include "ResizeTable.h"
#include <cmath>

using namespace mlir;
using namespace ampc;

namespace {
/// What the attributes of a node say.
struct ResizeRule {
  std::string mode = "nearest", coordinates = "asymmetric", nearest = "floor";
  double cubicA = -0.75;
  bool antialias = false, excludeOutside = false;

  /// The place in the input, of `extent` elements, that element `i` of `size` lies on.
  double placeOf(int64_t i, int64_t extent, int64_t size, double scale, double from,
                 double to) const {
    double whole = scale * extent; // what `size` was before it became an integer
    if (coordinates == "align_corners")
      return whole == 1 ? 0 : i * (extent - 1.0) / (whole - 1);
    if (coordinates == "asymmetric")
      return i / scale;
    if (coordinates == "tf_crop_and_resize") {
      double place = whole == 1 ? (to - from) * (extent - 1) / 2
                                : i * (to - from) * (extent - 1) / (whole - 1);
      return place + from * (extent - 1);
    }
    if (coordinates == "tf_half_pixel_for_nn")
      return (i + 0.5) / scale;
    if (coordinates == "pytorch_half_pixel" && whole == 1)
      return -0.5;
    double offset = 0;
    if (coordinates == "half_pixel_symmetric")
      offset = extent / 2.0 * (1 - size / whole);
    return offset + (i + 0.5) / scale - 0.5;
  }

  double roundPlace(double x) const {
    if (nearest == "floor")
      return std::floor(x);
    if (nearest == "ceil")
      return std::ceil(x);
    return nearest == "round_prefer_floor" ? std::ceil(x - 0.5) : std::floor(x + 0.5);
  }

  /// How an element at `distance` counts, in elements of the input that antialiasing spreads.
  double weightOf(double distance) const {
    double x = std::abs(distance), a = cubicA;
    if (mode == "linear")
      return std::max(1 - x, 0.0);
    if (x <= 1)
      return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
  }
};

/// An axis that is resized.
struct ResizedAxis {
  int64_t axis, extent, size;
  double scale, from = 0, to = 1; ///< the region of interest, as parts of the extent
};
} // namespace

/// Floats of input `i`, which `what` names; none where it is absent.
static FailureOr<SmallVector<double>> constantFloats(OnnxNode &node, unsigned i, StringRef what) {
  SmallVector<double> numbers;
  if (!node.input(i) || tensorType(node.input(i)).getNumElements() == 0)
    return numbers;
  DenseElementsAttr value = node.constant(i);
  if (!value || !isa<FloatType>(value.getElementType()))
    return node.emitError() << "input " << i << " (" << what
                            << ") must be floats known at compile time: a constant or an "
                               "initializer that no training step changes";
  for (APFloat number : value.getValues<APFloat>()) {
    bool inexact = false;
    number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
    numbers.push_back(number.convertToDouble());
  }
  return numbers;
}

static FailureOr<ResizeRule> importRule(OnnxNode &node, double &fill) {
  ResizeRule rule;
  bool isUpsample = node.opType == "Upsample";
  rule.mode = node.getString("mode", "nearest");
  if (isUpsample && rule.mode == "bilinear")
    rule.mode = "linear";
  auto known = [&](StringRef name, StringRef value, ArrayRef<StringRef> values) -> LogicalResult {
    if (llvm::is_contained(values, value))
      return success();
    return node.emitError() << "has " << name << " = '" << value << "': known are "
                            << llvm::join(values, ", ");
  };
  SmallVector<StringRef> modes{"nearest", "linear"};
  if (!isUpsample && node.version >= 11)
    modes.push_back("cubic");
  if (failed(known("mode", rule.mode, modes)))
    return failure();
  if (isUpsample || node.version < 11)
    return rule;
  rule.coordinates = node.getString("coordinate_transformation_mode", "half_pixel");
  rule.nearest = node.getString("nearest_mode", "round_prefer_floor");
  rule.cubicA = node.getFloat("cubic_coeff_a", -0.75);
  rule.excludeOutside = node.getInt("exclude_outside", 0) != 0;
  rule.antialias = node.version >= 18 && node.getInt("antialias", 0) != 0;
  fill = node.getFloat("extrapolation_value", 0);
  SmallVector<StringRef> modesOfPlaces{"half_pixel", "pytorch_half_pixel", "align_corners",
                                       "asymmetric", "tf_crop_and_resize"};
  if (node.version < 13)
    modesOfPlaces.push_back("tf_half_pixel_for_nn");
  if (node.version >= 19)
    modesOfPlaces.push_back("half_pixel_symmetric");
  if (failed(known("coordinate_transformation_mode", rule.coordinates, modesOfPlaces)) ||
      failed(known("nearest_mode", rule.nearest,
                   {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"})))
    return failure();
  if (rule.antialias && rule.mode == "nearest")
    return node.emitError() << "has antialias, which mode 'nearest' does not";
  return rule;
}

/// The axes from scales, one for each of `axes`.
static LogicalResult sizesFromScales(OnnxNode &node, ArrayRef<double> scales,
                                     MutableArrayRef<ResizedAxis> axes) {
  for (auto [axis, scale] : llvm::zip(axes, scales)) {
    double size = std::floor(scale * axis.extent);
    if (!(scale > 0) || !(size <= double(kMostAlong)))
      return node.emitError() << "has a scale of " << scale << " for axis " << axis.axis << " of "
                              << axis.extent << " elements";
    axis.scale = scale;
    axis.size = int64_t(size);
  }
  return success();
}

static LogicalResult scalesFromSizes(OnnxNode &node, ArrayRef<int64_t> sizes,
                                     MutableArrayRef<ResizedAxis> axes) {
  for (auto [axis, size] : llvm::zip(axes, sizes)) {
    if (size < 0 || size > kMostAlong)
      return node.emitError() << "has a size of " << size << " for axis " << axis.axis;
    axis.size = size;
    axis.scale = axis.extent ? double(size) / axis.extent : 1;
  }
  std::string policy =
      node.version >= 18 ? node.getString("keep_aspect_ratio_policy", "stretch") : "stretch";
  if (policy == "stretch" || axes.empty())
    return success();
  if (policy != "not_larger" && policy != "not_smaller")
    return node.emitError() << "has keep_aspect_ratio_policy = '" << policy
                            << "': known are stretch, not_larger and not_smaller";
  auto isSmaller = [](const ResizedAxis &a, const ResizedAxis &b) { return a.scale < b.scale; };
  double scale = (policy == "not_larger" ? llvm::min_element(axes, isSmaller)
                                         : llvm::max_element(axes, isSmaller))
                     ->scale;
  for (ResizedAxis &axis : axes) {
    double size = std::floor(scale * axis.extent + 0.5);
    if (!(size <= double(kMostAlong)))
      return node.emitError() << "gives axis " << axis.axis << " a size above " << kMostAlong;
    axis.scale = scale;
    axis.size = int64_t(size);
  }
  return success();
}

/// Whether the aspect ratio is not kept: `sizes` then are those of the result.
static bool isStretched(OnnxNode &node) {
  return node.version < 18 || node.getString("keep_aspect_ratio_policy", "stretch") == "stretch";
}

/// The sizes of the axes that the declared shape tells; none where it cannot be.
static SmallVector<int64_t> declaredSizes(OnnxNode &node, ArrayRef<ResizedAxis> resized,
                                          ArrayRef<int64_t> declared) {
  SmallVector<int64_t> axes;
  for (const ResizedAxis &axis : resized)
    axes.push_back(axis.axis);
  return extentsAlong(tensorType(node.input(0)), declared, axes);
}

/// Scales that come with the batch: elements are where a scale says, so each must be the quotient
/// of the extents, as f32 has it.
static FailureOr<SmallVector<double>>
expectScales(OnnxNode &node, unsigned i, ArrayRef<ResizedAxis> resized, ResizePlan &plan) {
  FailureOr<SmallVector<int64_t>> declared = requireDeclared(node, 0, i, "scales");
  if (failed(declared))
    return failure();
  SmallVector<int64_t> sizes = declaredSizes(node, resized, *declared);
  bool fits = sizes.size() == resized.size() &&
              tensorType(node.input(i)).getElementType().isF32() &&
              tensorType(node.input(i)).getShape() == ArrayRef<int64_t>{int64_t(sizes.size())};
  SmallVector<double> scales;
  plan.scalesInput = i;
  for (size_t k = 0; fits && k < sizes.size(); ++k) {
    float scale = float(double(sizes[k]) / double(resized[k].extent));
    plan.expectedScales.push_back(scale);
    scales.push_back(scale);
    fits = resized[k].extent > 0 && std::floor(scales[k] * resized[k].extent) == sizes[k];
  }
  if (!fits)
    return emitDeclaredError(node, 0, i, *declared);
  return scales;
}

static FailureOr<SmallVector<ResizedAxis>> importAxes(OnnxNode &node, ResizePlan &plan) {
  RankedTensorType type = tensorType(node.input(0));
  bool isUpsample = node.opType == "Upsample", hasRoi = !isUpsample && node.version >= 11;
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
  if (hasRoi && node.version >= 18)
    if (std::optional<std::vector<int64_t>> given = node.getInts("axes")) {
      FailureOr<SmallVector<int64_t>> wrapped = wrapAxes(node, *given, type.getRank());
      if (failed(wrapped))
        return failure();
      axes = *wrapped;
    }
  SmallVector<ResizedAxis> resized;
  for (int64_t axis : axes)
    resized.push_back({axis, type.getDimSize(axis), type.getDimSize(axis), 1});
  SmallVector<double> scales;
  SmallVector<int64_t> sizes;
  if (isUpsample && node.version < 7) { // of [n, c, h, w]
    scales = {1, 1, node.getFloat("height_scale", 0), node.getFloat("width_scale", 0)};
  } else if (isUpsample && node.version < 9) {
    if (std::optional<std::vector<float>> given = node.getFloats("scales"))
      scales.assign(given->begin(), given->end());
  } else {
    unsigned i = hasRoi ? 2 : 1;
    bool isLater = isGivenLater(node, i) && tensorType(node.input(i)).getNumElements() > 0;
    FailureOr<SmallVector<double>> given =
        isLater ? expectScales(node, i, resized, plan) : constantFloats(node, i, "scales");
    if (failed(given))
      return failure();
    scales = *given;
    if (hasRoi && scales.empty() && node.input(3)) {
      if (isStretched(node)) {
        FailureOr<GivenNumbers> ints =
            givenInts(node, 3, "sizes", 0, [&](ArrayRef<int64_t> declared) {
              return declaredSizes(node, resized, declared);
            });
        if (failed(ints))
          return failure();
        plan.sizes = *ints;
      } else {
        FailureOr<SmallVector<int64_t>> ints = node.constantInts(3, "sizes");
        if (failed(ints))
          return failure();
        plan.sizes.numbers = *ints;
      }
      sizes = plan.sizes.numbers;
    }
  }
  if (scales.size() + sizes.size() != resized.size())
    return node.emitError() << "needs a " << (hasRoi ? "scale or size" : "scale") << " for each of "
                            << resized.size() << " axes of " << type << ", but has "
                            << scales.size() + sizes.size();
  if (failed(sizes.empty() ? sizesFromScales(node, scales, resized)
                           : scalesFromSizes(node, sizes, resized)))
    return failure();
  return resized;
}

/// The table of an axis that is not empty.
static FailureOr<ResampleTable> makeTable(OnnxNode &node, const ResizeRule &rule,
                                          const ResizedAxis &axis) {
  ResampleTable table{axis.axis, {0}, {}, {}};
  if (axis.size == 0)
    return table;
  bool isNearest = rule.mode == "nearest";
  // Antialiasing spreads the weights over what becomes one element.
  double spread = rule.antialias ? std::min(axis.scale, 1.0) : 1;
  int64_t before =
      isNearest ? 0 : -int64_t(std::floor((rule.mode == "linear" ? -1 : -2) / spread) + 1);
  int64_t taps = isNearest ? 1 : 2 + 2 * before;
  if (taps > kMostSources / std::max<int64_t>(axis.size, 1))
    return node.emitError() << "computes " << axis.size << " elements along axis " << axis.axis
                            << " from " << taps << " each, more than " << kMostSources
                            << " together";
  for (int64_t i = 0; i < axis.size; ++i) {
    double x = rule.placeOf(i, axis.extent, axis.size, axis.scale, axis.from, axis.to);
    if (!(std::abs(x) <= 0x1p40))
      return node.emitError() << "looks for element " << i << " along axis " << axis.axis
                              << " at place " << x;
    double last = axis.extent - 1;
    auto clamp = [&](double place) { return int64_t(std::clamp(place, 0.0, last)); };
    if (rule.coordinates == "tf_crop_and_resize" && (x < 0 || x > last)) {
      table.endElement();
      continue;
    }
    if (isNearest) {
      table.add(clamp(rule.roundPlace(x)));
      table.endElement();
      continue;
    }
    double first = std::ceil(x) - 1 - before; // an integer is the right one of the two around it
    SmallVector<double> weights;
    double all = 0;
    for (int64_t k = 0; k < taps; ++k) {
      bool isOutside = first + k < 0 || first + k > last;
      double weight = rule.weightOf((first + k - x) * spread);
      weights.push_back(rule.excludeOutside && isOutside ? 0 : weight);
      all += weights.back();
    }
    bool normalizes = rule.antialias || rule.excludeOutside;
    for (int64_t k = 0; k < taps; ++k)
      table.add(clamp(first + k), normalizes && all != 0 ? weights[k] / all : weights[k]);
    table.endElement();
  }
  return table;
}

FailureOr<ResizePlan> ampc::importResize(OnnxNode &node) {
  bool isUpsample = node.opType == "Upsample";
  unsigned atMost = isUpsample && node.version < 9 ? 1 : isUpsample || node.version < 11 ? 2 : 4;
  if (failed(node.expectInputs(1, atMost)))
    return failure();
  if (node.version >= 18)
    node.knowAttributes({"keep_aspect_ratio_policy"}); // scales do not have it
  ResizePlan plan;
  FailureOr<ResizeRule> rule = importRule(node, plan.fill);
  if (failed(rule))
    return failure();
  FailureOr<SmallVector<ResizedAxis>> axes = importAxes(node, plan);
  if (failed(axes) || node.hadError)
    return failure();
  if (rule->coordinates == "tf_crop_and_resize") {
    FailureOr<SmallVector<double>> roi = constantFloats(node, 1, "roi");
    if (failed(roi))
      return failure();
    if (roi->size() != 2 * axes->size())
      return node.emitError() << "needs two numbers of roi for each of " << axes->size()
                              << " axes, but has " << roi->size();
    for (auto [i, axis] : llvm::enumerate(*axes))
      std::tie(axis.from, axis.to) = std::pair((*roi)[i], (*roi)[axes->size() + i]);
  }
  llvm::sort(*axes, [](const ResizedAxis &a, const ResizedAxis &b) { return a.axis < b.axis; });
  for (const ResizedAxis &axis : *axes) {
    bool isWhole = std::abs(axis.from) <= 1e-9 && std::abs(axis.to - 1) <= 1e-9;
    if (std::abs(axis.scale - 1) <= 1e-9 && axis.size == axis.extent && isWhole)
      continue;
    if (axis.extent == 0 && axis.size != 0)
      return node.emitError() << "makes " << axis.size << " elements of none along axis "
                              << axis.axis;
    FailureOr<ResampleTable> table = makeTable(node, *rule, axis);
    if (failed(table))
      return failure();
    plan.tables.push_back(*table);
  }
  return plan;
}
