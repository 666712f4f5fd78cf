//===- Pooling.cpp - Extrema of windows -----------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Pooling.h"
#include "ChannelsLast.h"
#include "WindowAttributes.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Import
//===----------------------------------------------------------------------===//

namespace {
/// How the windows of a node move, and how many there are along each dimension.
struct PoolWindows {
  SmallVector<int64_t> points, taps, strides, dilations, pads;
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

static FailureOr<PoolWindows> importWindows(OnnxNode &node, ArrayRef<int64_t> image) {
  size_t rank = image.size();
  if (!node.hasAttribute("kernel_shape"))
    return node.emitError() << "lacks the attribute 'kernel_shape'";
  FailureOr<SmallVector<int64_t>> taps = importInts(node, "kernel_shape", rank, 1);
  FailureOr<SmallVector<int64_t>> strides = importInts(node, "strides", rank, 1);
  FailureOr<SmallVector<int64_t>> dilations = importInts(node, "dilations", rank, 1);
  FailureOr<SmallVector<int64_t>> pads = importInts(node, "pads", 2 * rank, 0);
  if (failed(taps) || failed(strides) || failed(dilations) || failed(pads))
    return failure();
  bool ceil = node.version >= 10 && node.getInt("ceil_mode", 0);
  std::string mode = node.getString("auto_pad", "NOTSET");
  if (mode != "NOTSET" && mode != "VALID" && mode != "SAME_UPPER" && mode != "SAME_LOWER")
    return node.emitError() << "has auto_pad = '" << mode
                            << "': known are NOTSET, SAME_UPPER, SAME_LOWER and VALID";
  if (mode != "NOTSET" && llvm::any_of(*pads, [](int64_t pad) { return pad != 0; }))
    return node.emitError() << "has both auto_pad = " << mode << " and pads";
  PoolWindows windows{{}, *taps, *strides, *dilations, {}};
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
    if (windows.points.back() < 1)
      return node.emitError() << "has windows of " << reach << " elements along spatial dimension "
                              << d << ", which has " << image[d] << " and " << before + after
                              << " of padding";
  }
  return windows;
}

FailureOr<SmallVector<Value>> MaxPoolOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  if (type.getRank() < 3)
    return node.emitError() << "pools dimensions behind the first two, which " << type
                            << " does not have";
  if (node.getInt("storage_order", 0) != 0 && node.hasOutput(1))
    return node.emitError() << "has storage_order 1, but indices are computed in row-major order "
                               "(0) only";
  FailureOr<PoolWindows> windows = importWindows(node, type.getShape().drop_front(2));
  if (failed(windows) || node.hadError)
    return failure();
  NamedAttribute attributes[] = {
      builder.getNamedAttr("points", builder.getDenseI64ArrayAttr(windows->points)),
      builder.getNamedAttr("taps", builder.getDenseI64ArrayAttr(windows->taps)),
      builder.getNamedAttr("strides", builder.getDenseI64ArrayAttr(windows->strides)),
      builder.getNamedAttr("dilations", builder.getDenseI64ArrayAttr(windows->dilations)),
      builder.getNamedAttr("pads", builder.getDenseI64ArrayAttr(windows->pads))};
  FailureOr<Operation *> op =
      createChecked(node, builder, getOperationName(), node.input(0), attributes);
  if (failed(op))
    return failure();
  SmallVector<Value> results((*op)->getResults());
  results.truncate(node.outputNames.size());
  return results;
}

//===----------------------------------------------------------------------===//
// max_pool
//===----------------------------------------------------------------------===//

LogicalResult MaxPoolOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                          Adaptor adaptor, SmallVectorImpl<Type> &types) {
  bool isLast = adaptor.getChannelsLast();
  RankedTensorType type = channelsFirst(tensorType(adaptor.getInput()), isLast);
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
  types.push_back(channelsLast(type.clone(shape), isLast));
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
  TypedAttr initial[] = {lowestOf(kernel.builder, computed), kernel.builder.getI64IntegerAttr(-1)};
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
  MaxPoolGradOp op;
  KernelBuilder &kernel;
  Value gradient, indices;
  Value place; ///< of the element in the row-major input as the file has it, as i64

  Value sum(ScalarBuilder &s, size_t d, ValueRange at, ArrayRef<Value> windowPoint, Value total) {
    RankedTensorType points = op.getGradient().getType();
    size_t leading = leadingDimensions(op);
    if (d == op.getTaps().size()) {
      SmallVector<Value> window(windowPoint);
      llvm::append_range(window, at.drop_front(leading + d));
      Value isLargest = s.equal(kernel.load(s, indices, window), place);
      Value g = s.convert(kernel.load(s, gradient, window), total.getType());
      return s.select(isLargest, s.add(total, g), total);
    }
    auto number = [](ScalarBuilder &s, int64_t n) {
      return s.constant(s.builder.getIndexType(), n);
    };
    int64_t stride = op.getStrides()[d], reach = op.getDilations()[d] * (op.getTaps()[d] - 1) + 1;
    // Of the windows that begin in (position - reach, position], those that there are.
    Value position = s.add(at[leading + d], number(s, op.getPads()[d]));
    Value past = s.sub(position, number(s, reach - 1 - (stride - 1))); // rounded up
    Value first = s.div(s.maximum(past, number(s, 0)), number(s, stride));
    Value end = s.minimum(s.add(s.div(position, number(s, stride)), number(s, 1)),
                          number(s, points.getDimSize(leading + d)));
    return s.fold(first, end, total, [&](ScalarBuilder &s, Value i, Value total) {
      SmallVector<Value> inner(windowPoint);
      inner.push_back(i);
      return sum(s, d + 1, at, inner, total);
    });
  }
};
} // namespace

SmallVector<Value> MaxPoolGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType();
  if (type.getNumElements() == 0)
    return {kernel.splat(type, 0)};
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
    WindowsAround windows{*this, kernel, operands[0], operands[1], place};
    SmallVector<Value> window(at.take_front(leadingDimensions(*this)));
    return windows.sum(s, 0, at, window, s.constant(computed, 0.0));
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
