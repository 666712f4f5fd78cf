//===- Sampling.cpp - Tensors read between their elements -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Sampling.h"
#include "Common.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace ampc;

/// The element type of places in tensors of this many elements.
static Type placeType(MLIRContext *context, int64_t elements) {
  return IntegerType::get(context, elements <= std::numeric_limits<int32_t>::max() ? 32 : 64);
}

static int64_t tapsOf(SamplingMode mode) {
  return mode == SamplingMode::Nearest ? 1 : mode == SamplingMode::Linear ? 2 : 4;
}

//===----------------------------------------------------------------------===//
// sample_taps
//===----------------------------------------------------------------------===//

LogicalResult SampleTapsOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                             Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getCoordinates());
  ArrayRef<int64_t> extents = adaptor.getExtents();
  size_t rank = extents.size();
  if (type.getRank() != 3 || rank < 1 || rank > 3 || type.getDimSize(2) != int64_t(rank) ||
      llvm::any_of(extents, [](int64_t extent) { return extent < 1; })) // sample_taps_c1
    return inferenceError(location, "coordinates ", type, " are no places in a tensor of [",
                          extents, "]");
  Value base = adaptor.getBase();
  if (base && tensorType(base) != type.clone(type.getShape().drop_front())) // sample_taps_c2
    return inferenceError(location, "base ", tensorType(base), " does not fit ", type);
  int64_t taps = 1;
  for (size_t d = 0; d < rank; ++d)
    taps *= tapsOf(adaptor.getMode());
  auto places = RankedTensorType::get({type.getDimSize(0), type.getDimSize(1), taps},
                                      placeType(context, llvm::product_of(extents, int64_t(1))));
  types.push_back(places);
  types.push_back(places.clone(KernelBuilder::computeType(type.getElementType())));
  return success();
}

bool SampleTapsOp::isDifferentiable(unsigned index) { return index == 0; }

void SampleTapsOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient(1);
  if (g && getMode() != SamplingMode::Nearest)
    gradient.set(0, gradient.create<SampleTapsGradOp>(getMode(), getPadding(), g, getCoordinates(),
                                                      getBase(), getExtents(), getNormalized(),
                                                      getAlignCorners(), getLastFirst()));
}

LogicalResult SampleTapsGradOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                                 Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getCoordinates().getType());
  return success();
}

namespace {
/// The taps of one point along one axis.
struct AxisTaps {
  SmallVector<Value> places; ///< i64, -1 outside
  SmallVector<Value> weights;
  SmallVector<Value> slopes; ///< of the weights, by the coordinate
};

/// Computes the taps of an op with these attributes, axis by axis, in scalars.
template <typename OpTy>
class TapBuilder {
public:
  TapBuilder(OpTy op, KernelBuilder &kernel, Value coordinates, Value base)
      : op(op), kernel(kernel), coordinates(coordinates), base(base) {}

  AxisTaps build(ScalarBuilder &s, Value image, Value point, size_t axis) {
    size_t entry = op.getLastFirst() ? op.getExtents().size() - 1 - axis : axis;
    Value d = s.constant(s.builder.getIndexType(), int64_t(entry));
    Value x = kernel.load(s, coordinates, {image, point, d});
    if (base)
      x = s.add(x, kernel.load(s, base, {point, d}));
    int64_t extent = op.getExtents()[axis];
    Value scale = s.constantLike(x, 1);
    if (op.getNormalized()) {
      bool atElements = op.getAlignCorners();
      scale = s.constantLike(x, double(atElements ? extent - 1 : extent) / 2);
      x = s.mul(s.add(x, s.constantLike(x, 1)), scale);
      x = s.sub(x, s.constantLike(x, atElements ? 0 : 0.5));
    }
    // Far outside nothing is to be told apart, and a NaN lies there too.
    x = clamp(s, x, -kFar, kFar);
    if (op.getMode() == SamplingMode::Nearest) {
      x = s.roundEven(x);
      return {{placeOf(s, moveInside(s, x, extent).first, extent)}, {s.constantLike(x, 1)}, {}};
    }
    auto [inside, slope] = moveInside(s, x, extent);
    Value first = s.floor(inside), t = s.sub(inside, first);
    AxisTaps taps = op.getMode() == SamplingMode::Linear ? linear(s, t) : cubic(s, t);
    Value factor = s.mul(slope, scale);
    for (Value &weightSlope : taps.slopes)
      weightSlope = s.mul(weightSlope, factor);
    int64_t before = op.getMode() == SamplingMode::Cubic ? 1 : 0;
    for (size_t tap = 0; tap < taps.weights.size(); ++tap) {
      Value place = s.add(first, s.constantLike(first, double(tap) - double(before)));
      // The places beside one at the border are moved as well.
      taps.places.push_back(placeOf(s, moveInside(s, place, extent).first, extent));
    }
    return taps;
  }

private:
  static constexpr double kFar = 1 << 28;

  /// Not a NaN: that is `low`.
  static Value clamp(ScalarBuilder &s, Value x, double low, double high) {
    Value lowest = s.constantLike(x, low), highest = s.constantLike(x, high);
    x = s.select(s.greater(x, lowest), x, lowest);
    return s.select(s.less(x, highest), x, highest);
  }

  /// A coordinate or an element's place after it was moved to where elements are, and the slope of
  /// that.
  std::pair<Value, Value> moveInside(ScalarBuilder &s, Value x, int64_t extent) {
    Value zero = s.constantLike(x, 0), one = s.constantLike(x, 1);
    double last = double(extent - 1);
    if (op.getPadding() == SamplingPadding::Zeros)
      return {x, one};
    // Between the outermost elements and half an element beyond them: the border counts.
    bool atElements = op.getAlignCorners();
    double low = atElements ? 0 : -0.5, high = atElements ? last : last + 0.5;
    Value slope = one;
    bool isCubic = op.getMode() == SamplingMode::Cubic;
    if (op.getPadding() == SamplingPadding::Reflection) {
      double span = high - low;
      if (span == 0)
        return {zero, zero};
      // Distances from `low` are of a saw: up for even spans, down for odd ones.
      Value distance = s.sub(x, s.constantLike(x, low));
      Value isBelow = s.less(distance, zero);
      distance = s.abs(distance);
      Value spans = s.floor(s.div(distance, s.constantLike(x, span)));
      Value rest = s.sub(distance, s.mul(spans, s.constantLike(x, span)));
      Value halves = s.mul(spans, s.constantLike(x, 0.5));
      Value isEven = s.equal(s.floor(halves), halves);
      Value up = s.add(rest, s.constantLike(x, low)), down = s.sub(s.constantLike(x, high), rest);
      slope = s.select(s.equal(s.convert(isEven, s.builder.getI32Type()),
                               s.convert(isBelow, s.builder.getI32Type())),
                       s.constantLike(x, -1), one);
      Value isInside = s.logicalAnd(s.greaterOrEqual(x, s.constantLike(x, low)),
                                    s.lessOrEqual(x, s.constantLike(x, high)));
      // As it is where it lies inside: no digit of it is lost.
      x = s.select(isInside, x, s.select(isEven, up, down));
      slope = s.select(isInside, one, slope);
    } else if (isCubic) {
      Value isInside = s.logicalAnd(s.greaterOrEqual(x, s.constantLike(x, low)),
                                    s.lessOrEqual(x, s.constantLike(x, high)));
      slope = s.select(isInside, one, zero);
      return {s.select(isInside, x, clamp(s, x, 0, last)), slope};
    }
    if (isCubic)
      return {x, slope};
    Value isBetween = s.logicalAnd(s.greater(x, zero), s.less(x, s.constantLike(x, last)));
    return {clamp(s, x, 0, last), s.select(isBetween, slope, zero)};
  }

  /// The place of an element, -1 where it is none; a place that was moved inside is one.
  Value placeOf(ScalarBuilder &s, Value x, int64_t extent) {
    Type i64 = s.builder.getI64Type();
    Value i = s.convert(x, i64), zero = s.constant(i64, int64_t(0));
    Value last = s.constant(i64, extent - 1);
    if (op.getPadding() != SamplingPadding::Zeros)
      return s.minimum(s.maximum(i, zero), last);
    Value isInside = s.logicalAnd(s.greaterOrEqual(i, zero), s.lessOrEqual(i, last));
    return s.select(isInside, i, s.constant(i64, int64_t(-1)));
  }

  static AxisTaps linear(ScalarBuilder &s, Value t) {
    Value one = s.constantLike(t, 1);
    return {{}, {s.sub(one, t), t}, {s.constantLike(t, -1), one}};
  }

  static AxisTaps cubic(ScalarBuilder &s, Value t) {
    constexpr double a = -0.75;
    auto number = [&](double x) { return s.constantLike(t, x); };
    // The polynomials for taps at a distance up to 1, and above it.
    auto near = [&](Value x) {
      Value inner = s.sub(s.mul(number(a + 2), x), number(a + 3));
      return s.add(s.mul(s.mul(inner, x), x), number(1));
    };
    auto nearSlope = [&](Value x) {
      return s.mul(s.sub(s.mul(number(3 * (a + 2)), x), number(2 * (a + 3))), x);
    };
    auto far = [&](Value x) {
      Value inner = s.sub(s.mul(number(a), x), number(5 * a));
      inner = s.add(s.mul(inner, x), number(8 * a));
      return s.sub(s.mul(inner, x), number(4 * a));
    };
    auto farSlope = [&](Value x) {
      Value inner = s.sub(s.mul(number(3 * a), x), number(10 * a));
      return s.add(s.mul(inner, x), number(8 * a));
    };
    Value before = s.add(t, number(1)), behind = s.sub(number(1), t), last = s.sub(number(2), t);
    return {{},
            {far(before), near(t), near(behind), far(last)},
            {farSlope(before), nearSlope(t), s.neg(nearSlope(behind)), s.neg(farSlope(last))}};
  }

  OpTy op;
  KernelBuilder &kernel;
  Value coordinates, base;
};

} // namespace

/// The tap along each axis of tap `number` of a point.
static SmallVector<int64_t> tapAlongAxes(int64_t number, size_t rank, int64_t taps) {
  SmallVector<int64_t> along(rank);
  for (size_t d = rank; d-- > 0; number /= taps)
    along[d] = number % taps;
  return along;
}

/// Element `number` of `values`, of which there are few.
static Value choose(ScalarBuilder &s, ArrayRef<Value> values, Value number) {
  Value chosen = values.back();
  for (size_t i = values.size() - 1; i-- > 0;) {
    Value isThis = s.equal(number, s.constant(number.getType(), int64_t(i)));
    chosen = s.select(isThis, values[i], chosen);
  }
  return chosen;
}

SmallVector<Value> SampleTapsOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType placesType = getPlaces().getType(), weightsType = getWeights().getType();
  if (placesType.getNumElements() == 0)
    return {kernel.splat(placesType, 0), kernel.splat(weightsType, 0)};
  size_t rank = getExtents().size();
  int64_t along = tapsOf(getMode());
  TapBuilder<SampleTapsOp> builder(*this, kernel, operands[0],
                                   operands.size() > 1 ? operands[1] : Value());
  // The tap's number along each axis, from its number among all.
  auto generate = [&](RankedTensorType type, bool isPlaces) {
    return kernel.generate(type, [&](ScalarBuilder &s, ValueRange at) {
      Type index = s.builder.getIndexType();
      Value rest = at[2], result, isOutside;
      int64_t stride = 1;
      for (size_t d = rank; d-- > 0;) {
        AxisTaps taps = builder.build(s, at[0], at[1], d);
        Value number = s.remainder(rest, s.constant(index, along));
        rest = s.div(rest, s.constant(index, along));
        Value own = choose(s, isPlaces ? taps.places : taps.weights, number);
        if (!isPlaces) {
          result = result ? s.mul(result, own) : own;
          continue;
        }
        Value none = s.less(own, s.constant(own.getType(), int64_t(0)));
        isOutside = isOutside ? s.logicalOr(isOutside, none) : none;
        Value part = s.mul(own, s.constant(own.getType(), stride));
        result = result ? s.add(result, part) : part;
        stride *= getExtents()[d];
      }
      return isPlaces ? s.select(isOutside, s.constant(result.getType(), int64_t(-1)), result)
                      : result;
    });
  };
  return {generate(placesType, true), generate(weightsType, false)};
}

SmallVector<Value> SampleTapsGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType();
  if (type.getNumElements() == 0)
    return {kernel.splat(type, 0)};
  size_t rank = getExtents().size();
  int64_t along = tapsOf(getMode()), count = getGradient().getType().getDimSize(2);
  TapBuilder<SampleTapsGradOp> builder(*this, kernel, operands[1],
                                       operands.size() > 2 ? operands[2] : Value());
  return {kernel.generate(type, [&](ScalarBuilder &s, ValueRange at) {
    SmallVector<AxisTaps> taps;
    for (size_t d = 0; d < rank; ++d)
      taps.push_back(builder.build(s, at[0], at[1], d));
    SmallVector<Value> sums(rank);
    for (int64_t number = 0; number < count; ++number) {
      SmallVector<int64_t> own = tapAlongAxes(number, rank, along);
      Value tap = s.constant(s.builder.getIndexType(), number);
      Value g = kernel.load(s, operands[0], {at[0], at[1], tap});
      for (size_t d = 0; d < rank; ++d) {
        Value part = s.mul(g, taps[d].slopes[own[d]]);
        for (size_t other = 0; other < rank; ++other)
          if (other != d)
            part = s.mul(part, taps[other].weights[own[other]]);
        sums[d] = sums[d] ? s.add(sums[d], part) : part;
      }
    }
    if (getLastFirst())
      std::reverse(sums.begin(), sums.end());
    return choose(s, sums, at[2]);
  })};
}

//===----------------------------------------------------------------------===//
// sample
//===----------------------------------------------------------------------===//

/// The shape of what is read of `input`.
static FailureOr<SmallVector<int64_t>> inferSampled(std::optional<Location> location,
                                                    RankedTensorType input, RankedTensorType places,
                                                    RankedTensorType weights) {
  if (input.getRank() != 3 || places.getRank() != 3 || weights.getShape() != places.getShape() ||
      input.getDimSize(0) != places.getDimSize(0)) // sample_c1
    return inferenceError(location, "places ", places, " and weights ", weights,
                          " do not read elements of ", input);
  return SmallVector<int64_t>{input.getDimSize(0), input.getDimSize(1), places.getDimSize(1)};
}

LogicalResult SampleOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                         Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  FailureOr<SmallVector<int64_t>> shape = inferSampled(
      location, input, tensorType(adaptor.getPlaces()), tensorType(adaptor.getWeights()));
  if (failed(shape))
    return failure();
  types.push_back(input.clone(*shape));
  return success();
}

bool SampleOp::isLinearIn(ArrayRef<bool> scaled) { return scaled[0] != scaled[2]; }

bool SampleOp::isDifferentiable(unsigned index) { return index != 1; }

void SampleOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient();
  if (gradient.needs(0)) {
    auto type = getInput().getType().clone(gradient.gradientElementType(0));
    gradient.set(0, gradient.create<SampleInputGradOp>(type, g, getPlaces(), getWeights()));
  }
  if (gradient.needs(2))
    gradient.set(2, gradient.create<SampleWeightsGradOp>(getWeights().getType(), g, getInput(),
                                                         getPlaces()));
}

/// i1: whether a place is one of `elements`.
static Value isPlace(ScalarBuilder &s, Value place, int64_t elements) {
  return s.logicalAnd(s.greaterOrEqual(place, s.constant(place.getType(), int64_t(0))),
                      s.less(place, s.constant(place.getType(), elements)));
}

/// What `fn` makes of a place that lies in [0, elements), 0 for others.
static Value ifPlace(KernelBuilder &kernel, ScalarBuilder &s, Value place, int64_t elements,
                     Type type, function_ref<Value(Value)> fn) {
  Value isHere = isPlace(s, place, elements);
  Value safe = s.select(isHere, place, s.constant(place.getType(), int64_t(0)));
  Value x = s.convert(fn(s.convert(safe, s.builder.getIndexType())), type);
  return s.select(isHere, x, s.constant(type, 0.0));
}

SmallVector<Value> SampleOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType();
  int64_t elements = getInput().getType().getDimSize(2);
  int64_t count = getPlaces().getType().getDimSize(2);
  if (type.getNumElements() == 0 || elements == 0)
    return {kernel.splat(type, 0)};
  Type computed = KernelBuilder::computeType(type.getElementType());
  return {kernel.generate(type, [&](ScalarBuilder &s, ValueRange at) {
    Type index = s.builder.getIndexType();
    return s.fold(s.constant(index, int64_t(0)), s.constant(index, count),
                  s.constant(computed, 0.0), [&](ScalarBuilder &s, Value tap, Value sum) {
                    Value place = kernel.load(s, operands[1], {at[0], at[2], tap});
                    Value part = ifPlace(kernel, s, place, elements, computed, [&](Value i) {
                      Value x = kernel.load(s, operands[0], {at[0], at[1], i});
                      Value weight = kernel.load(s, operands[2], {at[0], at[2], tap});
                      return s.mul(x, s.convert(weight, computed));
                    });
                    return s.add(sum, part);
                  });
  })};
}

//===----------------------------------------------------------------------===//
// Gradients of sample
//===----------------------------------------------------------------------===//

static LogicalResult verifySampled(Operation *op, RankedTensorType gradient, RankedTensorType input,
                                   RankedTensorType places, RankedTensorType weights) {
  FailureOr<SmallVector<int64_t>> shape = inferSampled(op->getLoc(), input, places, weights);
  if (failed(shape))
    return failure();
  if (gradient.getShape() != ArrayRef(*shape))
    return op->emitOpError("the gradient must be ")
           << gradient.clone(*shape) << ", but is " << gradient;
  return success();
}

LogicalResult SampleInputGradOp::verify() {
  return verifySampled(*this, getGradient().getType(), getType(), getPlaces().getType(),
                       getWeights().getType());
}

LogicalResult SampleWeightsGradOp::verify() {
  return verifySampled(*this, getGradient().getType(), getInput().getType(), getPlaces().getType(),
                       getType());
}

SmallVector<Value> SampleInputGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType(), placesType = getPlaces().getType();
  int64_t n = placesType.getDimSize(0), points = placesType.getDimSize(1);
  int64_t taps = placesType.getDimSize(2);
  if (type.getNumElements() == 0 || placesType.getNumElements() == 0)
    return {kernel.splat(type, 0)};
  Type computed = KernelBuilder::computeType(type.getElementType());
  // The taps of an image in the order of the elements that they read; its channels share them.
  Value keys = kernel.reshape(operands[1], {n, points * taps});
  KernelBuilder::Sorted sorted =
      kernel.sort(keys, 1, [](ScalarBuilder &s, ValueRange key) { return s.less(key[0], key[1]); });
  Value weights = kernel.reshape(operands[2], {n, points * taps});
  // [n, elements + 1]: where in that order the taps of each element begin.
  Value starts = kernel.generate(RankedTensorType::get({n, type.getDimSize(2) + 1},
                                                       tensorType(sorted.places).getElementType()),
                                 [&](ScalarBuilder &s, ValueRange at) {
                                   Value bound = s.convert(at[1], placesType.getElementType());
                                   return kernel.countBelow(s, sorted.keys, 1, at, bound);
                                 });
  return {kernel.generate(type, [&](ScalarBuilder &s, ValueRange at) {
    Type index = s.builder.getIndexType();
    Value next = s.add(at[2], s.constant(index, int64_t(1)));
    Value from = s.convert(kernel.load(s, starts, {at[0], at[2]}), index);
    Value to = s.convert(kernel.load(s, starts, {at[0], next}), index);
    return s.fold(from, to, s.constant(computed, 0.0), [&](ScalarBuilder &s, Value i, Value sum) {
      Value tap = s.convert(kernel.load(s, sorted.places, {at[0], i}), index);
      Value point = s.div(tap, s.constant(index, taps));
      Value g = s.convert(kernel.load(s, operands[0], {at[0], at[1], point}), computed);
      return s.add(sum, s.mul(g, s.convert(kernel.load(s, weights, {at[0], tap}), computed)));
    });
  })};
}

SmallVector<Value> SampleWeightsGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType(), input = getInput().getType();
  if (type.getNumElements() == 0 || input.getNumElements() == 0)
    return {kernel.splat(type, 0)};
  Type computed = KernelBuilder::computeType(type.getElementType());
  return {kernel.generate(type, [&](ScalarBuilder &s, ValueRange at) {
    Type index = s.builder.getIndexType();
    Value place = kernel.load(s, operands[2], at);
    return ifPlace(kernel, s, place, input.getDimSize(2), computed, [&](Value i) {
      return s.fold(s.constant(index, int64_t(0)), s.constant(index, input.getDimSize(1)),
                    s.constant(computed, 0.0), [&](ScalarBuilder &s, Value channel, Value sum) {
                      Value g = kernel.load(s, operands[0], {at[0], channel, at[1]});
                      Value x = kernel.load(s, operands[1], {at[0], channel, i});
                      return s.add(sum, s.mul(s.convert(g, computed), s.convert(x, computed)));
                    });
    });
  })};
}
