//===- Pooling.cpp - Extrema, means and norms of windows ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Pooling.h"
#include "ChannelsLast.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// max_pool
//===----------------------------------------------------------------------===//

/// The shape of the windows' results, of an input with the channels before what windows move over.
template <typename Adaptor>
static FailureOr<SmallVector<int64_t>> inferPoints(std::optional<Location> location,
                                                   Adaptor adaptor, RankedTensorType type) {
  auto atLeast = [](ArrayRef<int64_t> list, int64_t least) {
    return llvm::all_of(list, [&](int64_t x) { return x >= least; });
  };
  size_t rank = std::max<int64_t>(type.getRank() - 2, 1);
  for (ArrayRef<int64_t> list : {adaptor.getPoints(), adaptor.getTaps(), adaptor.getStrides(),
                                 adaptor.getDilations(), adaptor.getPads()})
    if (type.getRank() < 3 || list.size() != rank) // max_pool_c1
      return inferenceError(location, "needs ", rank, " numbers in each list for ", type);
  if (!atLeast(adaptor.getTaps(), 1) || !atLeast(adaptor.getStrides(), 1) ||
      !atLeast(adaptor.getDilations(), 1) || !atLeast(adaptor.getPads(), 0) ||
      !atLeast(adaptor.getPoints(), 0)) // max_pool_c2
    return inferenceError(location, "has a number out of range for windows over ", type);
  SmallVector<int64_t> shape(type.getShape().take_front(2));
  llvm::append_range(shape, adaptor.getPoints());
  return shape;
}

LogicalResult MaxPoolOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                          Adaptor adaptor, SmallVectorImpl<Type> &types) {
  bool isLast = adaptor.getChannelsLast();
  RankedTensorType type = channelsFirst(tensorType(adaptor.getInput()), isLast);
  FailureOr<SmallVector<int64_t>> shape = inferPoints(location, adaptor, type);
  if (failed(shape))
    return failure();
  types.push_back(channelsLast(type.clone(*shape), isLast));
  types.push_back(cast<RankedTensorType>(types.back()).clone(IntegerType::get(context, 64)));
  return success();
}

void MaxPoolOp::buildGradient(GradientBuilder &gradient) {
  assert(!getChannelsLast() && "layouts are chosen after gradients are taken");
  Type type = getInput().getType().clone(gradient.gradientElementType(0));
  gradient.set(0,
               gradient.create<MaxPoolGradOp>(type, gradient.resultGradient(), getIndices(),
                                              getTaps(), getStrides(), getDilations(), getPads()));
}

/// The lowest value of a type.
static TypedAttr lowestOf(OpBuilder &builder, Type type) {
  if (auto floatType = dyn_cast<FloatType>(type))
    return builder.getFloatAttr(type,
                                APFloat::getInf(floatType.getFloatSemantics(), /*Negative=*/true));
  unsigned width = type.getIntOrFloatBitWidth();
  if (width == 1)
    return builder.getBoolAttr(false);
  return builder.getIntegerAttr(type, APInt::getSignedMinValue(width));
}

/// Places in a tensor of `shape` [n, .., c], as those in [n, c, ..]; -1 stays.
static Value toFilePlaces(KernelBuilder &kernel, Value places, ArrayRef<int64_t> shape) {
  int64_t channels = shape.back(), area = llvm::product_of(shape.drop_front().drop_back());
  return kernel.pointwise(places, tensorType(places), [&](ScalarBuilder &s, ValueRange x) {
    auto number = [&](int64_t n) { return s.constant(x[0].getType(), n); };
    Value place = x[0];
    Value point = s.div(place, number(channels)); // of all images
    Value channel = s.sub(place, s.mul(point, number(channels)));
    Value image = s.div(point, number(area));
    point = s.sub(point, s.mul(image, number(area)));
    Value plane = s.add(s.mul(image, number(channels)), channel);
    Value moved = s.add(s.mul(plane, number(area)), point);
    return s.select(s.less(place, number(0)), place, moved);
  });
}

SmallVector<Value> MaxPoolOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType valuesType = getValues().getType(), indicesType = getIndices().getType();
  if (valuesType.getNumElements() == 0)
    return {kernel.splat(valuesType, 0), kernel.splat(indicesType, 0)};
  Type element = valuesType.getElementType(), computed = KernelBuilder::computeType(element);
  bool isShort = getInput().getType().getNumElements() <= std::numeric_limits<int32_t>::max();
  Type place = kernel.builder.getIntegerType(isShort ? 32 : 64);
  TypedAttr initial[] = {lowestOf(kernel.builder, computed),
                         kernel.builder.getIntegerAttr(place, -1)};
  Type elements[] = {element, indicesType.getElementType()};
  KernelBuilder::Windows windows{getPoints(),    getTaps(), getStrides(),
                                 getDilations(), getPads(), getChannelsLast() ? 1u : 0u};
  SmallVector<Value> results = kernel.reduceWindows(
      operands[0], windows, initial, elements,
      [](ScalarBuilder &s, Value x, Value place, ValueRange best) {
        Value isLarger = s.greater(x, best[0]);
        if (isa<FloatType>(x.getType())) // of two NaN the first
          isLarger =
              s.logicalOr(isLarger, s.logicalAnd(s.isNaN(x), s.logicalNot(s.isNaN(best[0]))));
        Value isFirst = s.less(best[1], s.constantLike(best[1], 0));
        Value isBest = s.logicalOr(isLarger, isFirst);
        return SmallVector<Value>{s.select(isBest, x, best[0]),
                                  s.select(isBest, s.convert(place, best[1].getType()), best[1])};
      });
  if (getChannelsLast())
    results[1] = toFilePlaces(kernel, results[1], getInput().getType().getShape());
  return results;
}

//===----------------------------------------------------------------------===//
// max_pool_grad
//===----------------------------------------------------------------------===//

/// Dimensions before those that windows move over.
static size_t leadingDimensions(MaxPoolGradOp op) { return op.getChannelsLast() ? 1 : 2; }

namespace {
/// The sum over the windows around one element, outermost dimension first.
struct WindowsAround {
  /// The total with what the window with these indices adds.
  using AddFn = llvm::function_ref<Value(ScalarBuilder &s, ArrayRef<Value> window, Value total)>;

  RankedTensorType points; ///< the windows' results
  ArrayRef<int64_t> taps, strides, dilations, pads;
  size_t leading; ///< dimensions before those that windows move over
  AddFn add;

  template <typename OpTy>
  WindowsAround(OpTy op, size_t leading, AddFn add)
      : points(op.getGradient().getType()), taps(op.getTaps()), strides(op.getStrides()),
        dilations(op.getDilations()), pads(op.getPads()), leading(leading), add(add) {}

  Value sum(ScalarBuilder &s, ValueRange at, Value total) {
    return sum(s, 0, at, SmallVector<Value>(at.take_front(leading)), total);
  }

private:
  static Value number(ScalarBuilder &s, int64_t n) {
    return s.constant(s.builder.getIndexType(), n);
  }

  Value sum(ScalarBuilder &s, size_t d, ValueRange at, ArrayRef<Value> windowPoint, Value total) {
    if (d == taps.size()) {
      SmallVector<Value> window(windowPoint);
      llvm::append_range(window, at.drop_front(leading + d));
      return add(s, window, total);
    }
    int64_t stride = strides[d], reach = dilations[d] * (taps[d] - 1) + 1;
    // Of the windows that begin in (position - reach, position], those that there are.
    Value position = s.add(at[leading + d], number(s, pads[d]));
    Value past = s.sub(position, number(s, reach - 1 - (stride - 1))); // rounded up
    Value first = s.div(s.maximum(past, number(s, 0)), number(s, stride));
    Value end = s.minimum(s.add(s.div(position, number(s, stride)), number(s, 1)),
                          number(s, points.getDimSize(leading + d)));
    return s.fold(first, end, total, [&](ScalarBuilder &s, Value i, Value total) {
      SmallVector<Value> inner(windowPoint);
      inner.push_back(i);
      Value sums = sum(s, d + 1, at, inner, total);
      if (dilations[d] == 1)
        return sums;
      // The element may lie between two taps.
      Value distance = s.sub(position, s.mul(i, number(s, stride)));
      Value tap = s.mul(s.div(distance, number(s, dilations[d])), number(s, dilations[d]));
      return s.select(s.equal(tap, distance), sums, total);
    });
  }
};
} // namespace

/// The windows' gradients, put where their largest elements are.
static Value scatterWindows(MaxPoolGradOp op, KernelBuilder &kernel, Value gradient,
                            Value indices) {
  bool isLast = op.getChannelsLast();
  RankedTensorType type = channelsFirst(op.getType(), isLast), points = tensorType(indices);
  int64_t images = type.getDimSize(0), channels = type.getDimSize(1);
  int64_t area = llvm::product_of(type.getShape().drop_front(2), int64_t(1));
  int64_t windows = points.getNumElements() / (images * channels);
  bool isShort = area <= std::numeric_limits<int32_t>::max();
  // In the image of its channel; -1 stays.
  Value places = kernel.pointwise(
      indices, points.clone(kernel.builder.getIntegerType(isShort ? 32 : 64)),
      [&](ScalarBuilder &s, ValueRange place) {
        Value image = kernel.index(s, 0);
        Value channel = kernel.index(s, isLast ? points.getRank() - 1 : 1);
        Value plane = s.add(s.mul(image, s.constant(image.getType(), channels)), channel);
        Value first =
            s.convert(s.mul(plane, s.constant(plane.getType(), area)), place[0].getType());
        Value none = s.constant(place[0].getType(), int64_t(0));
        return s.select(s.less(place[0], none), place[0], s.sub(place[0], first));
      });
  SmallVector<int64_t> lines{images * channels, area}, updates{images * channels, windows};
  if (isLast) {
    lines = {images, area, channels};
    updates = {images, windows, channels};
  }
  Value result = kernel.scatter(kernel.splat(type.clone(lines), 0), kernel.reshape(places, updates),
                                kernel.reshape(gradient, updates), 1,
                                [](ScalarBuilder &s, Value sum, Value g) { return s.add(sum, g); });
  return kernel.reshape(result, op.getType().getShape());
}

SmallVector<Value> MaxPoolGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType();
  if (type.getNumElements() == 0 || getIndices().getType().getNumElements() == 0)
    return {kernel.splat(type, 0)};
  if (kernel.mergesInOrder())
    return {scatterWindows(*this, kernel, operands[0], operands[1])};
  Type computed = KernelBuilder::computeType(type.getElementType());
  return {kernel.generate(type, [&](ScalarBuilder &s, ValueRange at) {
    Value flat = s.constant(s.builder.getIndexType(), int64_t(0));
    SmallVector<Value> inFile(at);
    if (getChannelsLast())
      inFile = applyPermutation(ArrayRef<Value>(inFile),
                                invertPermutationVector(channelsLastOrder(type.getRank())));
    ArrayRef<int64_t> extents = channelsFirst(type, getChannelsLast()).getShape();
    for (auto [i, extent] : llvm::zip(inFile, extents))
      flat = s.add(s.mul(flat, s.constant(s.builder.getIndexType(), extent)), i);
    Value place = s.convert(flat, s.builder.getI64Type());
    WindowsAround windows(*this, leadingDimensions(*this),
                          [&](ScalarBuilder &s, ArrayRef<Value> window, Value total) {
                            Value isLargest = s.equal(kernel.load(s, operands[1], window), place);
                            Value g =
                                s.convert(kernel.load(s, operands[0], window), total.getType());
                            return s.select(isLargest, s.add(total, g), total);
                          });
    return windows.sum(s, at, s.constant(computed, 0.0));
  })};
}

//===----------------------------------------------------------------------===//
// average_pool
//===----------------------------------------------------------------------===//

LogicalResult AveragePoolOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                              Adaptor adaptor, SmallVectorImpl<Type> &types) {
  FailureOr<SmallVector<int64_t>> shape =
      inferPoints(location, adaptor, tensorType(adaptor.getInput()));
  if (failed(shape))
    return failure();
  ArrayRef<int64_t> counted = adaptor.getCounted();
  if ((!counted.empty() && counted.size() != 2 * adaptor.getTaps().size()) ||
      llvm::any_of(counted, [](int64_t x) { return x < 0; })) // average_pool_c1
    return inferenceError(location, "'counted' must be empty or have two numbers, none below 0, ",
                          "for each dimension of the windows");
  types.push_back(tensorType(adaptor.getInput()).clone(*shape));
  return success();
}

void AveragePoolOp::buildGradient(GradientBuilder &gradient) {
  Type type = getInput().getType().clone(gradient.gradientElementType(0));
  gradient.set(0, gradient.create<AveragePoolGradOp>(type, gradient.resultGradient(), getTaps(),
                                                     getStrides(), getDilations(), getPads(),
                                                     getCounted()));
}

/// What the sum of a window is divided by, in `type`.
template <typename OpTy>
static Value countOf(OpTy op, ScalarBuilder &s, ArrayRef<Value> window, ArrayRef<int64_t> input,
                     ArrayRef<int64_t> points, Type type) {
  Type index = s.builder.getIndexType();
  auto number = [&](int64_t n) { return s.constant(index, n); };
  size_t rank = op.getTaps().size();
  int64_t whole = 1; // of the dimensions along which all windows have all taps
  Value count;
  for (size_t d = 0; d < rank; ++d) {
    int64_t taps = op.getTaps()[d], stride = op.getStrides()[d], dilation = op.getDilations()[d];
    int64_t pad = op.getPads()[d];
    bool countsPads = !op.getCounted().empty();
    int64_t low = countsPads ? -op.getCounted()[d] : 0;
    int64_t high = input[2 + d] + (countsPads ? op.getCounted()[rank + d] : 0);
    int64_t last = (points[2 + d] - 1) * stride + (taps - 1) * dilation - pad;
    if (-pad >= low && last < high) {
      whole *= taps;
      continue;
    }
    Value start = s.mul(window[2 + d], number(stride)); // before the pad is taken off
    auto tapsTo = [&](int64_t place) {                  // rounded up
      Value distance = s.maximum(s.sub(number(place + pad), start), number(0));
      return s.minimum(s.div(s.add(distance, number(dilation - 1)), number(dilation)),
                       number(taps));
    };
    Value along = s.sub(tapsTo(high), tapsTo(low));
    count = count ? s.mul(count, along) : along;
  }
  if (!count)
    return s.constant(type, double(whole));
  count = s.convert(s.mul(count, number(whole)), s.builder.getI64Type());
  return s.convert(count, type);
}

/// Sums over the windows, in the type that scalars compute in, of what `fn` makes of elements.
template <typename OpTy>
static Value sumWindows(OpTy op, KernelBuilder &kernel, Value input,
                        function_ref<Value(ScalarBuilder &, Value)> fn) {
  Type computed = KernelBuilder::computeType(op.getType().getElementType());
  TypedAttr initial = kernel.builder.getZeroAttr(computed);
  KernelBuilder::Windows windows{op.getPoints(), op.getTaps(), op.getStrides(), op.getDilations(),
                                 op.getPads()};
  return kernel.reduceWindows(input, windows, initial, computed,
                              [&](ScalarBuilder &s, Value x, Value, ValueRange sum) {
                                return SmallVector<Value>{s.add(sum[0], fn(s, x))};
                              })[0];
}

SmallVector<Value> AveragePoolOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType();
  if (type.getNumElements() == 0)
    return {kernel.splat(type, 0)};
  Value sums = sumWindows(*this, kernel, operands[0], [](ScalarBuilder &, Value x) { return x; });
  return {kernel.pointwise(sums, type, [&](ScalarBuilder &s, ValueRange x) {
    SmallVector<Value> window;
    for (int64_t d = 0; d < type.getRank(); ++d)
      window.push_back(kernel.index(s, d));
    return s.div(x[0], countOf(*this, s, window, getInput().getType().getShape(), type.getShape(),
                               x[0].getType()));
  })};
}

SmallVector<Value> AveragePoolGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType(), points = getGradient().getType();
  if (type.getNumElements() == 0)
    return {kernel.splat(type, 0)};
  Type computed = KernelBuilder::computeType(type.getElementType());
  return {kernel.generate(type, [&](ScalarBuilder &s, ValueRange at) {
    WindowsAround windows(*this, 2, [&](ScalarBuilder &s, ArrayRef<Value> window, Value total) {
      Value g = s.convert(kernel.load(s, operands[0], window), computed);
      return s.add(
          total, s.div(g, countOf(*this, s, window, type.getShape(), points.getShape(), computed)));
    });
    return windows.sum(s, at, s.constant(computed, 0.0));
  })};
}

//===----------------------------------------------------------------------===//
// lp_pool
//===----------------------------------------------------------------------===//

LogicalResult LpPoolOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                         Adaptor adaptor, SmallVectorImpl<Type> &types) {
  FailureOr<SmallVector<int64_t>> shape =
      inferPoints(location, adaptor, tensorType(adaptor.getInput()));
  if (failed(shape))
    return failure();
  if (!(adaptor.getP().convertToDouble() > 0)) // lp_pool_c1
    return inferenceError(location, "p must be above 0");
  types.push_back(tensorType(adaptor.getInput()).clone(*shape));
  return success();
}

void LpPoolOp::buildGradient(GradientBuilder &gradient) {
  Type type = getInput().getType().clone(gradient.gradientElementType(0));
  gradient.set(0, gradient.create<LpPoolGradOp>(type, gradient.resultGradient(), getInput(),
                                                getResult(), getP(), getTaps(), getStrides(),
                                                getDilations(), getPads()));
}

/// x ^ exponent for x >= 0.
static Value power(ScalarBuilder &s, Value x, double exponent) {
  if (exponent == 0)
    return s.constantLike(x, 1);
  if (exponent == 0.5)
    return s.sqrt(x);
  if (exponent == 1)
    return x;
  return exponent == 2 ? s.mul(x, x) : s.pow(x, s.constantLike(x, exponent));
}

SmallVector<Value> LpPoolOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  if (getType().getNumElements() == 0)
    return {kernel.splat(getType(), 0)};
  double p = getP().convertToDouble();
  Value sums = sumWindows(*this, kernel, operands[0],
                          [&](ScalarBuilder &s, Value x) { return power(s, s.abs(x), p); });
  return {kernel.pointwise(sums, getType(),
                           [&](ScalarBuilder &s, ValueRange x) { return power(s, x[0], 1 / p); })};
}

SmallVector<Value> LpPoolGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType();
  if (type.getNumElements() == 0)
    return {kernel.splat(type, 0)};
  Type computed = KernelBuilder::computeType(type.getElementType());
  double p = getP().convertToDouble();
  return {kernel.generate(type, [&](ScalarBuilder &s, ValueRange at) {
    Value zero = s.constant(computed, 0.0);
    Value x = s.convert(kernel.load(s, operands[1], at), computed), size = s.abs(x);
    WindowsAround windows(*this, 2, [&](ScalarBuilder &s, ArrayRef<Value> window, Value total) {
      Value g = s.convert(kernel.load(s, operands[0], window), computed);
      Value norm = s.convert(kernel.load(s, operands[2], window), computed);
      Value share = p == 1 ? s.constantLike(x, 1) : power(s, s.div(size, norm), p - 1);
      Value isZero = s.equal(norm, zero);
      return s.select(isZero, total, s.add(total, s.mul(g, share)));
    });
    Value sum = windows.sum(s, at, zero);
    Value sign = s.select(s.less(x, zero), s.constant(computed, -1.0), s.constant(computed, 1.0));
    return s.select(s.equal(x, zero), zero, s.mul(sum, sign));
  })};
}

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

/// Windows move over what lies between the images and the channels, in their order.
template <typename OpTy>
static bool takesChannelsLast(OpTy op, ArrayRef<int64_t> order) {
  return !op.getChannelsLast() && order == ArrayRef(channelsLastOrder(order.size()));
}

SmallVector<int64_t> MaxPoolOp::getPreferredOrder(const LibrarySupport &) { return {}; }
int64_t MaxPoolOp::getOrderedRank() { return getInput().getType().getRank(); }
bool MaxPoolOp::computesIn(ArrayRef<int64_t> order, const LibrarySupport &) {
  return takesChannelsLast(*this, order);
}
SmallVector<int64_t> MaxPoolOp::getOperandOrder(unsigned, ArrayRef<int64_t> order) {
  return SmallVector<int64_t>(order);
}
SmallVector<int64_t> MaxPoolOp::getResultOrder(unsigned, ArrayRef<int64_t> order) {
  return SmallVector<int64_t>(order);
}
void MaxPoolOp::setOrder(ArrayRef<int64_t>) { setChannelsLast(true); }

SmallVector<int64_t> MaxPoolGradOp::getPreferredOrder(const LibrarySupport &) { return {}; }
int64_t MaxPoolGradOp::getOrderedRank() { return getType().getRank(); }
bool MaxPoolGradOp::computesIn(ArrayRef<int64_t> order, const LibrarySupport &) {
  return takesChannelsLast(*this, order);
}
SmallVector<int64_t> MaxPoolGradOp::getOperandOrder(unsigned, ArrayRef<int64_t> order) {
  return SmallVector<int64_t>(order);
}
SmallVector<int64_t> MaxPoolGradOp::getResultOrder(unsigned, ArrayRef<int64_t> order) {
  return SmallVector<int64_t>(order);
}
void MaxPoolGradOp::setOrder(ArrayRef<int64_t>) { setChannelsLast(true); }
