//===- Roi.cpp - Regions of interest brought to one size ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Roi.h"
#include "Indices.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

template <typename Adaptor>
static LogicalResult inferRegions(std::optional<Location> location, Adaptor op,
                                  SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(op.getInput()), regions = tensorType(op.getRois());
  RankedTensorType images = tensorType(op.getImages());
  if (type.getRank() != 4 || type.getDimSize(0) < 1 || type.getDimSize(2) < 1 ||
      type.getDimSize(3) < 1 || regions.getRank() != 2 || regions.getDimSize(1) != 4 ||
      images.getRank() != 1 || images.getDimSize(0) != regions.getDimSize(0)) // roi_align_c1
    return inferenceError(location, "regions ", regions, " of ", images, " do not fit images ",
                          type);
  int64_t height = op.getHeight(), width = op.getWidth(), samples = op.getSamples();
  if (height < 1 || width < 1 || samples < 0) // roi_align_c2
    return inferenceError(location, "has ", height, " by ", width, " bins with ", samples,
                          " samples");
  types.push_back(type.clone({regions.getDimSize(0), type.getDimSize(1), height, width}));
  return success();
}

LogicalResult RoiAlignOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                           Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferRegions(location, adaptor, types);
}

LogicalResult RoiMaxOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                         Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferRegions(location, adaptor, types);
}

LogicalResult RoiMaxGradOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                             Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  types.push_back(type.clone(KernelBuilder::computeType(type.getElementType())));
  SmallVector<Type> forward;
  return inferRegions(location, adaptor, forward);
}

bool RoiAlignOp::isLinearIn(ArrayRef<bool> scaled) { return scaled[0] && !scaled[1]; }
bool RoiAlignOp::isDifferentiable(unsigned index) { return index == 0; }
bool RoiMaxOp::isDifferentiable(unsigned index) { return index == 0; }

void RoiAlignOp::buildGradient(GradientBuilder &gradient) {
  auto type = getInput().getType().clone(gradient.gradientElementType(0));
  gradient.set(0, gradient.create<RoiAlignGradOp>(type, gradient.resultGradient(), getRois(),
                                                  getImages(), getHeight(), getWidth(),
                                                  getSamples(), getScale(), getHalfPixel()));
}

void RoiMaxOp::buildGradient(GradientBuilder &gradient) {
  gradient.set(0, gradient.create<RoiMaxGradOp>(gradient.resultGradient(), getInput(), getRois(),
                                                getImages(), getHeight(), getWidth(), getSamples(),
                                                getScale(), getHalfPixel(), getPixels()));
}

// The images that regions are of are indices along dimension 0, from its start.
#define AMPC_REGION_CHECK(OP)                                                                      \
  Value OP::buildCheck(OpBuilder &builder) {                                                       \
    return buildIndexCheck(builder, getLoc(), getImages(), getInput().getType().getDimSize(0),     \
                           /*fromEnd=*/false);                                                     \
  }                                                                                                \
  int64_t OP::getCheckFlag() { return AMPC_FLAG_INDEX_OUT_OF_RANGE; }                              \
  Value OP::getCheckedValue() { return getImages(); }

AMPC_REGION_CHECK(RoiAlignOp)
AMPC_REGION_CHECK(RoiMaxOp)
#undef AMPC_REGION_CHECK

//===----------------------------------------------------------------------===//
// Samples
//===----------------------------------------------------------------------===//

namespace {
/// The bins of a region along one axis of its image, in scalars. Places are floats, of f32 or f64.
class RegionAxis {
public:
  /// Axis 0 goes along the rows of an image of `extent` of them, axis 1 along its columns.
  template <typename OpTy>
  RegionAxis(OpTy op, KernelBuilder &kernel, ScalarBuilder &s, Value regions, Value region,
             int axis, int64_t extent)
      : extent(extent) {
    int64_t bins = axis == 0 ? op.getHeight() : op.getWidth();
    double scale = op.getScale().convertToDouble();
    auto corner = [&](int64_t i) {
      Value place = s.constant(s.builder.getIndexType(), i);
      Value x = clamp(s, kernel.load(s, regions, {region, place}), -kFar, kFar);
      x = s.mul(x, s.constantLike(x, scale));
      return s.sub(x, s.constantLike(x, op.getHalfPixel() ? 0.5 : 0));
    };
    start = corner(1 - axis);
    Value size = s.sub(corner(3 - axis), start);
    if (!op.getHalfPixel())
      size = s.maximum(size, s.constantLike(size, 1));
    bin = s.div(size, s.constantLike(size, double(bins)));
    Value known = s.constantLike(size, double(op.getSamples()));
    samples = op.getSamples() > 0 ? known : s.maximum(s.ceil(bin), s.constantLike(bin, 0));
    // Where there are no samples, nothing is divided by them.
    step = s.div(bin, s.maximum(samples, s.constantLike(samples, 1)));
  }

  /// Where sample `i` of a bin lies.
  Value place(ScalarBuilder &s, Value number, Value i) const {
    Value x = s.add(start, s.mul(toFloat(s, number), bin));
    return s.add(x, s.mul(s.add(toFloat(s, i), s.constantLike(x, 0.5)), step));
  }

  /// The samples of a bin that may lie in [low, high]: all others do not. Of type index.
  std::pair<Value, Value> samplesIn(ScalarBuilder &s, Value number, Value low, Value high) const {
    Value first = s.add(start, s.mul(toFloat(s, number), bin));
    Value zero = s.constantLike(step, 0), none = s.lessOrEqual(step, zero);
    Value divisor = s.select(none, s.constantLike(step, 1), step);
    auto at = [&](Value x, double margin) {
      Value i = s.floor(s.div(s.sub(x, first), divisor));
      return clamp(s, s.add(i, s.constantLike(i, margin)), 0, kFar);
    };
    Value from = s.select(none, zero, at(low, -2));
    Value to = s.minimum(s.select(none, samples, at(high, 2)), samples);
    return {toIndex(s, from), toIndex(s, to)};
  }
  std::pair<Value, Value> samplesInside(ScalarBuilder &s, Value number) const {
    return samplesIn(s, number, s.constantLike(bin, -1), s.constantLike(bin, double(extent)));
  }

  /// The elements that bins [from, to] may read, as [first, last).
  std::pair<Value, Value> elementsOf(ScalarBuilder &s, Value from, Value to) const {
    Value one = s.constantLike(bin, 1);
    Value a = s.add(start, s.mul(toFloat(s, from), bin));
    Value b = s.add(start, s.mul(s.add(toFloat(s, to), one), bin));
    Value first = s.sub(s.floor(s.minimum(a, b)), s.constantLike(bin, 2));
    Value last = s.add(s.ceil(s.maximum(a, b)), s.constantLike(bin, 3));
    // What lies beyond the border reads the elements at it.
    double most = double(extent);
    return {toIndex(s, clamp(s, first, 0, most - 1)), toIndex(s, clamp(s, last, 1, most))};
  }

  /// A sample between two elements: whether it counts, the first (of type index), the other one,
  /// which is the same at the border, and the weight of the other one.
  struct Sample {
    Value isInside, low, high, fraction;
  };
  Sample sample(ScalarBuilder &s, Value x) const {
    auto number = [&](double n) { return s.constantLike(x, n); };
    Value isInside =
        s.logicalAnd(s.greaterOrEqual(x, number(-1)), s.lessOrEqual(x, number(double(extent))));
    Value last = number(double(extent - 1)), inside = clamp(s, x, 0, double(extent - 1));
    Value low = s.minimum(s.floor(inside), last);
    Value high = s.minimum(s.add(low, number(1)), last);
    return {isInside, toIndex(s, low), toIndex(s, high), s.sub(inside, low)};
  }

  static Value clamp(ScalarBuilder &s, Value x, double low, double high) {
    Value lowest = s.constantLike(x, low), highest = s.constantLike(x, high);
    x = s.select(s.greater(x, lowest), x, lowest); // NaN too
    return s.select(s.less(x, highest), x, highest);
  }
  Value toFloat(ScalarBuilder &s, Value i) const { return s.convert(i, bin.getType()); }
  static Value toIndex(ScalarBuilder &s, Value x) { return s.convert(x, s.builder.getIndexType()); }

  Value start, bin; ///< where the first bin begins, and how long one is
  Value samples;    ///< how many a bin has
  Value step;       ///< from one to the next

private:
  /// What lies farther away is outside of every image.
  static constexpr double kFar = 1 << 28;
  int64_t extent;
};
} // namespace

static Value indexNumber(ScalarBuilder &s, int64_t n) {
  return s.constant(s.builder.getIndexType(), n);
}

//===----------------------------------------------------------------------===//
// roi_align
//===----------------------------------------------------------------------===//

/// [r, bins, extent]: what each element along an axis counts in the mean of each bin. The weights
/// along both axes are factors of one another.
template <typename OpTy>
static Value meanWeights(OpTy op, KernelBuilder &kernel, Value regions, int axis, int64_t extent) {
  RankedTensorType type = tensorType(regions);
  int64_t bins = axis == 0 ? op.getHeight() : op.getWidth();
  Type computed = KernelBuilder::computeType(type.getElementType());
  auto result = RankedTensorType::get({type.getDimSize(0), bins, extent}, computed);
  return kernel.generate(result, [&](ScalarBuilder &s, ValueRange at) {
    RegionAxis bin(op, kernel, s, regions, at[0], axis, extent);
    Value element = bin.toFloat(s, at[2]), one = s.constantLike(element, 1);
    auto [from, to] = bin.samplesIn(s, at[1], s.sub(element, one), s.add(element, one));
    Value zero = s.constant(computed, 0.0);
    Value sum = s.fold(from, to, zero, [&](ScalarBuilder &s, Value i, Value sum) {
      RegionAxis::Sample x = bin.sample(s, bin.place(s, at[1], i));
      Value rest = s.sub(one, x.fraction);
      Value weight = s.add(s.select(s.equal(x.low, at[2]), rest, zero),
                           s.select(s.equal(x.high, at[2]), x.fraction, zero));
      return s.select(x.isInside, s.add(sum, weight), sum);
    });
    return s.div(sum, s.maximum(bin.samples, one));
  });
}

SmallVector<Value> RoiAlignOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType(), input = getInput().getType();
  if (type.getNumElements() == 0)
    return {kernel.splat(type, 0)};
  Type computed = KernelBuilder::computeType(type.getElementType());
  int64_t rows = input.getDimSize(2), columns = input.getDimSize(3);
  Value ofRows = meanWeights(*this, kernel, operands[1], 0, rows);
  Value ofColumns = meanWeights(*this, kernel, operands[1], 1, columns);
  return {kernel.generate(type, [&](ScalarBuilder &s, ValueRange at) {
    RegionAxis row(*this, kernel, s, operands[1], at[0], 0, rows);
    RegionAxis column(*this, kernel, s, operands[1], at[0], 1, columns);
    Value image = kernel.load(s, operands[2], at[0]);
    image = RegionAxis::toIndex(s, elementAt(s, image, input.getDimSize(0)));
    auto [top, bottom] = row.elementsOf(s, at[2], at[2]);
    auto [left, right] = column.elementsOf(s, at[3], at[3]);
    Value zero = s.constant(computed, 0.0), first = left, last = right;
    return s.fold(top, bottom, zero, [&](ScalarBuilder &s, Value y, Value sum) {
      Value line = s.fold(first, last, zero, [&](ScalarBuilder &s, Value x, Value sum) {
        Value weight = kernel.load(s, ofColumns, {at[0], at[3], x});
        Value element = kernel.load(s, operands[0], {image, at[1], y, x});
        return s.add(sum, s.mul(s.convert(weight, computed), element));
      });
      Value weight = kernel.load(s, ofRows, {at[0], at[2], y});
      return s.add(sum, s.mul(s.convert(weight, computed), line));
    });
  })};
}

SmallVector<Value> RoiAlignGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType();
  int64_t regions = getRois().getType().getDimSize(0);
  if (type.getNumElements() == 0 || regions == 0)
    return {kernel.splat(type, 0)};
  Type computed = KernelBuilder::computeType(type.getElementType());
  int64_t rows = type.getDimSize(2), columns = type.getDimSize(3);
  Value ofRows = meanWeights(*this, kernel, operands[1], 0, rows);
  Value ofColumns = meanWeights(*this, kernel, operands[1], 1, columns);
  return {kernel.generate(type, [&](ScalarBuilder &s, ValueRange at) {
    Value zero = s.constant(computed, 0.0), none = indexNumber(s, 0);
    return s.fold(none, indexNumber(s, regions), zero, [&](ScalarBuilder &s, Value r, Value sum) {
      Value image = kernel.load(s, operands[2], r);
      image = RegionAxis::toIndex(s, elementAt(s, image, type.getDimSize(0)));
      RegionAxis row(*this, kernel, s, operands[1], r, 0, rows);
      RegionAxis column(*this, kernel, s, operands[1], r, 1, columns);
      auto [top, bottom] = row.elementsOf(s, none, indexNumber(s, getHeight() - 1));
      auto [left, right] = column.elementsOf(s, none, indexNumber(s, getWidth() - 1));
      auto isIn = [&](Value x, Value from, Value to) {
        return s.logicalAnd(s.greaterOrEqual(x, from), s.less(x, to));
      };
      // Regions elsewhere are passed by.
      Value isHere = s.logicalAnd(isIn(at[2], top, bottom), isIn(at[3], left, right));
      isHere = s.logicalAnd(isHere, s.equal(image, at[0]));
      Value bins = s.select(isHere, indexNumber(s, getHeight()), none);
      return s.fold(none, bins, sum, [&](ScalarBuilder &s, Value i, Value sum) {
        Value weight = s.convert(kernel.load(s, ofRows, {r, i, at[2]}), computed);
        Value count = s.select(s.notEqual(weight, zero), indexNumber(s, getWidth()), none);
        return s.fold(none, count, sum, [&](ScalarBuilder &s, Value j, Value sum) {
          Value other = s.convert(kernel.load(s, ofColumns, {r, j, at[3]}), computed);
          Value g = s.convert(kernel.load(s, operands[0], {r, at[1], i, j}), computed);
          return s.add(sum, s.mul(s.mul(weight, other), g));
        });
      });
    });
  })};
}

//===----------------------------------------------------------------------===//
// roi_max
//===----------------------------------------------------------------------===//

namespace {
/// The largest of a bin: its value, its place in the image's plane (i64, -1 for none), and the
/// weight of that element.
struct Largest {
  SmallVector<Value> values;

  Largest(ScalarBuilder &s, Type computed)
      : values{s.constant(computed, 0.0), s.constant(s.builder.getI64Type(), int64_t(-2)),
               s.constant(computed, 0.0)} {}

  /// The larger one of what there is and another value; place -2 says that there is none yet.
  static SmallVector<Value> merge(ScalarBuilder &s, ValueRange old, Value value, Value place,
                                  Value weight) {
    place = s.convert(place, s.builder.getI64Type());
    Value isFirst = s.equal(old[1], s.constant(old[1].getType(), int64_t(-2)));
    Value isBest = s.logicalOr(isFirst, s.greater(value, old[0]));
    return {s.select(isBest, value, old[0]), s.select(isBest, place, old[1]),
            s.select(isBest, weight, old[2])};
  }
};

/// Finds the largest of each bin.
template <typename OpTy>
class LargestFinder {
public:
  LargestFinder(OpTy op, KernelBuilder &kernel, Value input, Value regions, Value images)
      : op(op), kernel(kernel), input(input), regions(regions), images(images),
        type(tensorType(input)), computed(KernelBuilder::computeType(type.getElementType())) {}

  SmallVector<Value> find(ScalarBuilder &s, ValueRange at) {
    Value image = imageOf(s, at[0]);
    RegionAxis row(op, kernel, s, regions, at[0], 0, type.getDimSize(2));
    RegionAxis column(op, kernel, s, regions, at[0], 1, type.getDimSize(3));
    return op.getPixels() ? amongPixels(s, at, image) : amongSamples(s, at, image, row, column);
  }

  Value imageOf(ScalarBuilder &s, Value region) {
    Value image = kernel.load(s, images, region);
    return RegionAxis::toIndex(s, elementAt(s, image, type.getDimSize(0)));
  }

private:
  Value flat(ScalarBuilder &s, Value y, Value x) {
    return s.add(s.mul(y, indexNumber(s, type.getDimSize(3))), x);
  }

  SmallVector<Value> amongSamples(ScalarBuilder &s, ValueRange at, Value image, RegionAxis &row,
                                  RegionAxis &column) {
    auto [top, bottom] = row.samplesInside(s, at[2]);
    auto [left, right] = column.samplesInside(s, at[3]);
    Value first = left, last = right, zero = s.constant(computed, 0.0);
    Value none = s.constant(s.builder.getI64Type(), int64_t(-1));
    SmallVector<Value> best =
        s.fold(top, bottom, Largest(s, computed).values,
               [&](ScalarBuilder &s, Value i, ValueRange best) -> SmallVector<Value> {
                 RegionAxis::Sample y = row.sample(s, row.place(s, at[2], i));
                 return s.fold(
                     first, last, best,
                     [&](ScalarBuilder &s, Value j, ValueRange old) -> SmallVector<Value> {
                       RegionAxis::Sample x = column.sample(s, column.place(s, at[3], j));
                       Value isInside = s.logicalAnd(y.isInside, x.isInside);
                       SmallVector<Value> best(old);
                       for (int tap = 0; tap < 4; ++tap) {
                         auto weightOf = [&](const RegionAxis::Sample &sample, bool isHigh) {
                           Value one = s.constantLike(sample.fraction, 1);
                           return isHigh ? sample.fraction : s.sub(one, sample.fraction);
                         };
                         Value weight = s.mul(weightOf(y, tap / 2), weightOf(x, tap % 2));
                         weight = s.select(isInside, s.convert(weight, computed), zero);
                         Value r = tap / 2 ? y.high : y.low, c = tap % 2 ? x.high : x.low;
                         Value value = s.mul(weight, kernel.load(s, input, {image, at[1], r, c}));
                         best = Largest::merge(s, best, value, flat(s, r, c), weight);
                       }
                       return best;
                     });
               });
    // Samples outside, which were passed by, are 0.
    auto passed = [&](const RegionAxis &axis, Value from, Value to) {
      Value count = s.sub(to, from);
      return s.less(axis.toFloat(s, count), axis.samples);
    };
    Value isPassed = s.logicalOr(passed(row, top, bottom), passed(column, left, right));
    SmallVector<Value> withZero = Largest::merge(s, best, zero, none, zero);
    for (auto [value, other] : llvm::zip_equal(best, withZero))
      value = s.select(isPassed, other, value);
    return best;
  }

  /// The elements that a bin touches along an axis, of the region rounded to elements.
  std::pair<Value, Value> pixelsOf(ScalarBuilder &s, Value region, Value number, int axis) {
    int64_t bins = axis == 0 ? op.getHeight() : op.getWidth(), extent = type.getDimSize(2 + axis);
    auto corner = [&](int64_t i) {
      Value x = kernel.load(s, regions, {region, indexNumber(s, i)});
      x = s.mul(x, s.constantLike(x, op.getScale().convertToDouble()));
      x = RegionAxis::clamp(s, x, -(1 << 28), 1 << 28);
      // Halves away from zero.
      Value half = s.constantLike(x, 0.5), rounded = s.floor(s.add(s.abs(x), half));
      return s.select(s.less(x, s.constantLike(x, 0)), s.neg(rounded), rounded);
    };
    Value start = corner(1 - axis), one = s.constantLike(start, 1);
    Value size = s.maximum(s.add(s.sub(corner(3 - axis), start), one), one);
    Value bin = s.div(size, s.constantLike(size, double(bins))),
          n = s.convert(number, bin.getType());
    Value first = s.add(start, s.floor(s.mul(n, bin)));
    Value last = s.add(start, s.ceil(s.mul(s.add(n, one), bin)));
    return {RegionAxis::toIndex(s, RegionAxis::clamp(s, first, 0, double(extent))),
            RegionAxis::toIndex(s, RegionAxis::clamp(s, last, 0, double(extent)))};
  }

  SmallVector<Value> amongPixels(ScalarBuilder &s, ValueRange at, Value image) {
    auto [top, bottom] = pixelsOf(s, at[0], at[2], 0);
    auto [left, right] = pixelsOf(s, at[0], at[3], 1);
    Value first = left, last = right, one = s.constant(computed, 1.0);
    return s.fold(top, bottom, Largest(s, computed).values,
                  [&](ScalarBuilder &s, Value y, ValueRange best) -> SmallVector<Value> {
                    return s.fold(
                        first, last, best,
                        [&](ScalarBuilder &s, Value x, ValueRange best) -> SmallVector<Value> {
                          Value value = kernel.load(s, input, {image, at[1], y, x});
                          return Largest::merge(s, best, value, flat(s, y, x), one);
                        });
                  });
  }

  OpTy op;
  KernelBuilder &kernel;
  Value input, regions, images;
  RankedTensorType type;
  Type computed;
};
} // namespace

SmallVector<Value> RoiMaxOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  if (getType().getNumElements() == 0)
    return {kernel.splat(getType(), 0)};
  LargestFinder<RoiMaxOp> finder(*this, kernel, operands[0], operands[1], operands[2]);
  return {kernel.generate(getType(),
                          [&](ScalarBuilder &s, ValueRange at) { return finder.find(s, at)[0]; })};
}

SmallVector<Value> RoiMaxGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType(), bins = getGradient().getType();
  if (type.getNumElements() == 0 || bins.getNumElements() == 0)
    return {kernel.splat(type, 0)};
  Type computed = type.getElementType();
  LargestFinder<RoiMaxGradOp> finder(*this, kernel, operands[1], operands[2], operands[3]);
  int64_t plane = type.getDimSize(2) * type.getDimSize(3);
  Value places = kernel.generate(
      bins.clone(kernel.builder.getI64Type()), [&](ScalarBuilder &s, ValueRange at) {
        Type i64 = s.builder.getI64Type();
        Value place = finder.find(s, at)[1], image = finder.imageOf(s, at[0]);
        Value planes = s.add(s.mul(image, indexNumber(s, type.getDimSize(1))), at[1]);
        Value before = s.mul(s.convert(planes, i64), s.constant(i64, plane));
        Value isNone = s.less(place, s.constant(i64, int64_t(0)));
        return s.select(isNone, s.constant(i64, int64_t(-1)), s.add(before, place));
      });
  Value updates = kernel.generate(bins.clone(computed), [&](ScalarBuilder &s, ValueRange at) {
    Value g = s.convert(kernel.load(s, operands[0], at), computed);
    return s.mul(g, finder.find(s, at)[2]);
  });
  int64_t count = bins.getNumElements();
  Value sums =
      kernel.scatter(kernel.splat(type.clone({type.getNumElements()}), 0),
                     kernel.reshape(places, count), kernel.reshape(updates, count), 0,
                     [](ScalarBuilder &s, Value old, Value update) { return s.add(old, update); });
  return {kernel.reshape(sums, type.getShape())};
}
