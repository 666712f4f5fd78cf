//===- Convolution.cpp - Convolutions -------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Convolution.h"
#include "ChannelsLast.h"
#include "Common.h"
#include "ConvolutionWindow.h"
#include "WindowAttributes.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Plan/Plan.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// The shape of the result of a convolution.
static FailureOr<SmallVector<int64_t>> inferShape(std::optional<Location> loc,
                                                  RankedTensorType input, RankedTensorType filter,
                                                  const ConvolutionWindow &window) {
  if (input.getRank() != 4 || filter.getRank() != 4)
    return inferenceError(loc, "operands must be [n, c, h, w] and [k, c, r, s], but are ", input,
                          " and ", filter);
  auto isPositive = [](int64_t x) { return x > 0; };
  auto isNatural = [](int64_t x) { return x >= 0; };
  if (window.strides.size() != 2 || !llvm::all_of(window.strides, isPositive))
    return inferenceError(loc, "strides [", ArrayRef<int64_t>(window.strides),
                          "] must be positive, one for rows and one for columns"); // conv_c3
  if (window.dilations.size() != 2 || !llvm::all_of(window.dilations, isPositive))
    return inferenceError(loc, "dilations [", ArrayRef<int64_t>(window.dilations),
                          "] must be positive, one for rows and one for columns");
  if (window.pads.size() != 4 || !llvm::all_of(window.pads, isNatural))
    return inferenceError(loc, "pads [", ArrayRef<int64_t>(window.pads),
                          "] must not be negative, two before and two behind");
  auto isLarge = [](int64_t x) { return x > kMostAlong; };
  for (ArrayRef<int64_t> numbers :
       {input.getShape(), filter.getShape(), ArrayRef<int64_t>(window.strides),
        ArrayRef<int64_t>(window.dilations), ArrayRef<int64_t>(window.pads)})
    if (llvm::any_of(numbers, isLarge))
      return inferenceError(loc, "an extent, stride, dilation or pad is above 2^30: [", numbers,
                            "]");
  int64_t channels = input.getDimSize(1), filters = filter.getDimSize(0);
  if (window.groups < 1 || filters % window.groups ||
      filter.getDimSize(1) * window.groups != channels) // conv_c2
    return inferenceError(loc, "a filter ", filter, " in ", window.groups,
                          " groups does not fit the ", channels, " channels of ", input);
  if (filter.getNumElements() == 0)
    return inferenceError(loc, "the filter ", filter, " has no elements");
  SmallVector<int64_t> shape{input.getDimSize(0), filters};
  for (int axis : {0, 1}) {
    int64_t room = input.getDimSize(2 + axis) + window.pads[axis] + window.pads[2 + axis];
    int64_t reach = window.reach(filter.getDimSize(2 + axis), axis);
    if (reach > room) // conv_c4
      return inferenceError(loc, "the filter spans ", reach, axis ? " columns" : " rows",
                            ", more than the ", room, " of the input with its pads: ", input,
                            " and ", filter);
    shape.push_back((room - reach) / window.strides[axis] + 1);
  }
  int64_t windows = filter.getNumElements();
  for (int64_t extent : shape)
    if (llvm::MulOverflow(windows, extent, windows) || windows > kMostElements)
      return inferenceError(loc, "the windows of a filter ", filter, " on ", input,
                            " have more than 2^56 elements");
  return shape;
}

FloatRange ConvOp::inferRange(ArrayRef<FloatRange> operands) { return inferProductRange(operands); }

LogicalResult ConvOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                       Adaptor adaptor, SmallVectorImpl<Type> &types) {
  bool isLast = adaptor.getChannelsLast();
  RankedTensorType input = channelsFirst(tensorType(adaptor.getInput()), isLast);
  RankedTensorType filter = channelsFirst(tensorType(adaptor.getFilter()), isLast);
  FailureOr<SmallVector<int64_t>> shape =
      inferShape(location, input, filter, ConvolutionWindow::of(adaptor));
  if (failed(shape))
    return failure();
  if (filter.getElementType() != input.getElementType()) // conv_c1
    return inferenceError(location, "operands must have one element type, but are ", input, " and ",
                          filter);
  if (Value bias = adaptor.getBias()) {
    auto expected = RankedTensorType::get(filter.getDimSize(0), input.getElementType());
    if (bias.getType() != expected)
      return inferenceError(location, "the bias must be ", expected, ", but is ", bias.getType());
  }
  types.push_back(channelsLast(input.clone(*shape), isLast));
  return success();
}

FloatRange ConvTransposeOp::inferRange(ArrayRef<FloatRange> operands) {
  return inferProductRange(operands);
}

LogicalResult ConvTransposeOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput()), filter = tensorType(adaptor.getFilter());
  ArrayRef<int64_t> sizes = adaptor.getSizes();
  ConvolutionWindow window = ConvolutionWindow::of(adaptor);
  int64_t channels = 0;
  if (input.getRank() != 4 || filter.getRank() != 4 || sizes.size() != 2 || sizes[0] < 0 ||
      sizes[1] < 0 || window.groups < 1 ||
      llvm::MulOverflow(filter.getDimSize(1), window.groups, channels))
    return inferenceError(location, "needs [n, k, p, q] and [k, c, r, s], two sizes and groups, ",
                          "but has ", input, " and ", filter);
  auto result = input.clone({input.getDimSize(0), channels, sizes[0], sizes[1]});
  FailureOr<SmallVector<int64_t>> shape = inferShape(location, result, filter, window);
  if (failed(shape))
    return failure();
  if (input.getShape() != ArrayRef(*shape)) // conv_transpose_c1
    return inferenceError(location, "a convolution of ", result, " gives ", input.clone(*shape),
                          ", but the input is ", input);
  if (filter.getElementType() != input.getElementType()) // conv_transpose_c2
    return inferenceError(location, "operands must have one element type, but are ", input, " and ",
                          filter);
  if (Value bias = adaptor.getBias()) {
    auto expected = RankedTensorType::get(channels, input.getElementType());
    if (bias.getType() != expected)
      return inferenceError(location, "the bias must be ", expected, ", but is ", bias.getType());
  }
  types.push_back(result);
  return success();
}

/// The rules are those of the convolution.
static LogicalResult verifyGradient(Operation *op, RankedTensorType gradient,
                                    RankedTensorType input, RankedTensorType filter,
                                    const ConvolutionWindow &window, bool isLast) {
  gradient = channelsFirst(gradient, isLast);
  input = channelsFirst(input, isLast);
  filter = channelsFirst(filter, isLast);
  FailureOr<SmallVector<int64_t>> shape = inferShape(op->getLoc(), input, filter, window);
  if (failed(shape))
    return failure();
  if (gradient.getShape() != ArrayRef(*shape))
    return op->emitOpError("the gradient must be ")
           << gradient.clone(*shape) << ", but is " << gradient;
  return success();
}

LogicalResult ConvInputGradOp::verify() {
  return verifyGradient(*this, getGradient().getType(), getType(), getFilter().getType(),
                        ConvolutionWindow::of(*this), getChannelsLast());
}

LogicalResult ConvFilterGradOp::verify() {
  return verifyGradient(*this, getGradient().getType(), getInput().getType(), getType(),
                        ConvolutionWindow::of(*this), getChannelsLast());
}

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

/// The sums of the result's gradient over all but the channels.
static void setBiasGradient(GradientBuilder &gradient, Value bias) {
  ArrayRef<int64_t> shape = tensorType(bias).getShape();
  Value sums =
      gradient.sumTo(gradient.resultGradient(), {shape[0], 1, 1}, gradient.gradientElementType(2));
  gradient.set(2, gradient.create<ReshapeOp>(sums, shape));
}

void ConvOp::buildGradient(GradientBuilder &gradient) {
  assert(!getChannelsLast() && "layouts are chosen after gradients are taken");
  // The gradients compute in the type of the operands, as the convolution did.
  Value g = gradient.cast(gradient.resultGradient(), getInput().getType().getElementType());
  if (gradient.needs(0))
    gradient.set(0, gradient.create<ConvInputGradOp>(
                        getInput().getType().clone(gradient.gradientElementType(0)), g, getFilter(),
                        getStrides(), getPads(), getDilations(), getGroups()));
  if (gradient.needs(1))
    gradient.set(1, gradient.create<ConvFilterGradOp>(
                        getFilter().getType().clone(gradient.gradientElementType(1)), g, getInput(),
                        getStrides(), getPads(), getDilations(), getGroups()));
  if (getBias() && gradient.needs(2))
    setBiasGradient(gradient, getBias());
}

// The adjoint of the adjoint is the convolution; the filter's gradient is that of the convolution
// whose input is g.
void ConvTransposeOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.cast(gradient.resultGradient(), getInput().getType().getElementType());
  if (gradient.needs(0))
    gradient.set(0, gradient.create<ConvOp>(g, getFilter(), Value(), getStrides(), getPads(),
                                            getDilations(), getGroups()));
  if (gradient.needs(1))
    gradient.set(1, gradient.create<ConvFilterGradOp>(
                        getFilter().getType().clone(gradient.gradientElementType(1)), getInput(), g,
                        getStrides(), getPads(), getDilations(), getGroups()));
  if (getBias() && gradient.needs(2))
    setBiasGradient(gradient, getBias());
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

namespace {
/// A convolution as matrix products with the windows of the input written out, for targets
/// without a library call for it. Matrices have a leading dimension for the groups; points
/// of the output count as (image, row, column), taps as (channel, row, column).
class WindowProducts {
public:
  WindowProducts(KernelBuilder &kernel, const ConvolutionWindow &window, RankedTensorType input,
                 RankedTensorType filter, RankedTensorType output)
      : kernel(kernel), window(window), inputShape(input.getShape()),
        filterShape(filter.getShape()), outputShape(output.getShape()), groups(window.groups),
        images(inputShape[0]), channels(filterShape[1]), filters(filterShape[0] / groups),
        taps(channels * filterShape[2] * filterShape[3]),
        points(images * outputShape[2] * outputShape[3]) {}

  Value forward(Value input, Value filter, Value bias, RankedTensorType type) {
    Value product =
        multiply(kernel.reshape(filter, {groups, filters, taps}), windowsOf(input), false, false,
                 {groups, filters, points}, KernelBuilder::computeType(type.getElementType()));
    Value images = toImages(product);
    SmallVector<Value> operands{images};
    if (bias)
      operands.push_back(kernel.reshape(bias, {outputShape[1], 1, 1}));
    return kernel.pointwise(operands, type, [](ScalarBuilder &s, ValueRange x) {
      return x.size() > 1 ? s.add(x[0], x[1]) : x[0];
    });
  }

  Value filterGradient(Value gradient, Value input, RankedTensorType type) {
    return kernel.reshape(multiply(toPoints(gradient), windowsOf(input), false, true,
                                   {groups, filters, taps}, type.getElementType()),
                          type.getShape());
  }

  Value inputGradient(Value gradient, Value filter, RankedTensorType type) {
    Type computed = KernelBuilder::computeType(type.getElementType());
    Value windows = multiply(kernel.reshape(filter, {groups, filters, taps}), toPoints(gradient),
                             true, false, {groups, taps, points}, computed);
    windows = kernel.reshape(windows, windowShape());
    // An element of the input sums those of all windows that it lies in.
    return kernel.generate(type, [&](ScalarBuilder &s, ValueRange at) {
      auto number = [&](int64_t n) { return s.constant(s.builder.getIndexType(), n); };
      Value zero = number(0);
      Value group = s.div(at[1], number(channels));
      Value channel = s.sub(at[1], s.mul(group, number(channels)));
      return s.fold(zero, number(filterShape[2]), s.constant(computed, 0.0),
                    [&](ScalarBuilder &s, Value r, Value rows) {
                      auto [p, isRow] = pointOf(s, at[2], r, 0);
                      return s.fold(
                          zero, number(filterShape[3]), rows,
                          [&, p = p, isRow = isRow](ScalarBuilder &s, Value t, Value sum) {
                            auto [q, isColumn] = pointOf(s, at[3], t, 1);
                            Value x = kernel.load(s, windows, {group, channel, r, t, at[0], p, q});
                            return s.select(s.logicalAnd(isRow, isColumn), s.add(sum, x), sum);
                          });
                    });
    });
  }

private:
  /// (group, channel, row, column, image, row, column).
  SmallVector<int64_t> windowShape() const {
    return {groups, channels,       filterShape[2], filterShape[3],
            images, outputShape[2], outputShape[3]};
  }

  /// The windows of the input: taps by points.
  Value windowsOf(Value input) {
    RankedTensorType type = tensorType(input);
    Value windows =
        kernel.generate(type.clone(windowShape()), [&](ScalarBuilder &s, ValueRange at) {
          auto number = [&](int64_t n) { return s.constant(at[0].getType(), n); };
          Value channel = s.add(s.mul(at[0], number(channels)), at[1]);
          auto [row, isRow] = elementOf(s, at[5], at[2], 0);
          auto [column, isColumn] = elementOf(s, at[6], at[3], 1);
          Value x = kernel.load(s, input, {at[4], channel, row, column});
          return s.select(s.logicalAnd(isRow, isColumn), x, s.constantLike(x, 0));
        });
    return kernel.reshape(windows, {groups, taps, points});
  }

  /// What a tap lies on for a point, and whether that is an element; the index is one in any
  /// case.
  std::pair<Value, Value> elementOf(ScalarBuilder &s, Value point, Value tap, int axis) {
    auto number = [&](int64_t n) { return s.constant(point.getType(), n); };
    Value i = s.add(s.mul(point, number(window.strides[axis])),
                    s.mul(tap, number(window.dilations[axis])));
    return clamp(s, s.sub(i, number(window.pads[axis])), inputShape[2 + axis]);
  }

  /// The other way round: the point for which a tap lies on an element.
  std::pair<Value, Value> pointOf(ScalarBuilder &s, Value element, Value tap, int axis) {
    auto number = [&](int64_t n) { return s.constant(element.getType(), n); };
    Value distance = s.sub(s.add(element, number(window.pads[axis])),
                           s.mul(tap, number(window.dilations[axis])));
    Value stride = number(window.strides[axis]);
    // Division truncates, so a distance of -1 gives point 0; the test of its sign rejects it.
    Value point = s.div(distance, stride);
    Value isWhole = s.logicalAnd(s.equal(s.mul(point, stride), distance),
                                 s.greaterOrEqual(distance, number(0)));
    auto [index, isInside] = clamp(s, point, outputShape[2 + axis]);
    return {index, s.logicalAnd(isWhole, isInside)};
  }

  static std::pair<Value, Value> clamp(ScalarBuilder &s, Value i, int64_t extent) {
    Value zero = s.constant(i.getType(), int64_t(0));
    Value isInside =
        s.logicalAnd(s.greaterOrEqual(i, zero), s.less(i, s.constant(i.getType(), extent)));
    return {s.select(isInside, i, zero), isInside};
  }

  /// [n, k, p, q] as [groups, k / groups, points].
  Value toPoints(Value x) {
    int64_t area = outputShape[2] * outputShape[3];
    x = kernel.transpose(kernel.reshape(x, {images, groups, filters, area}), {1, 2, 0, 3});
    return kernel.reshape(x, {groups, filters, points});
  }
  /// And back.
  Value toImages(Value x) {
    int64_t area = outputShape[2] * outputShape[3];
    x = kernel.transpose(kernel.reshape(x, {groups, filters, images, area}), {2, 0, 1, 3});
    return kernel.reshape(x, outputShape);
  }

  Value multiply(Value lhs, Value rhs, bool transposeLhs, bool transposeRhs,
                 ArrayRef<int64_t> shape, Type elementType) {
    return plan::MatMulOp::create(kernel.builder, kernel.loc,
                                  RankedTensorType::get(shape, elementType), lhs, rhs, Value(),
                                  transposeLhs, transposeRhs, APFloat(1.0), plan::Epilogue::None)
        .getResult();
  }

  KernelBuilder &kernel;
  const ConvolutionWindow &window;
  SmallVector<int64_t> inputShape, filterShape, outputShape;
  int64_t groups, images;
  int64_t channels, filters; ///< of one group
  int64_t taps, points;
};
} // namespace

/// The library call; null where the target has none.
static Value callLibrary(KernelBuilder &kernel, plan::ConvolutionKind kind, Value lhs, Value rhs,
                         Value bias, const ConvolutionWindow &window, RankedTensorType type,
                         bool isLast) {
  LibraryRequest request{AMPC_LIBRARY_CONVOLUTION,
                         uint32_t(kind),
                         {getElementTypeOrSelf(lhs), getElementTypeOrSelf(rhs)},
                         {type.getElementType()}};
  if (bias)
    request.operands.push_back(getElementTypeOrSelf(bias));
  request.channelsLast = isLast;
  if (!kernel.supports(request))
    return {};
  return plan::ConvolutionOp::create(kernel.builder, kernel.loc, type, kind, lhs, rhs, bias,
                                     window.strides, window.pads, window.dilations, window.groups,
                                     plan::Epilogue::None, isLast);
}

/// For targets without a call: what has its channels last, if `isLast`, in the file's order, and
/// back.
static Value toChannelsFirst(KernelBuilder &kernel, Value x, bool isLast) {
  if (!isLast)
    return x;
  return kernel.transpose(x, invertPermutationVector(channelsLastOrder(tensorType(x).getRank())));
}
static Value toChannelsLast(KernelBuilder &kernel, Value x, bool isLast) {
  return isLast ? kernel.transpose(x, channelsLastOrder(tensorType(x).getRank())) : x;
}

SmallVector<Value> ConvOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  Value input = operands[0], filter = operands[1], bias = getBias() ? operands[2] : Value();
  bool isLast = getChannelsLast();
  if (getType().getNumElements() == 0)
    return {kernel.splat(getType(), 0)};
  ConvolutionWindow window = ConvolutionWindow::of(*this);
  if (Value call = callLibrary(kernel, plan::ConvolutionKind::Forward, input, filter, bias, window,
                               getType(), isLast))
    return {call};
  input = toChannelsFirst(kernel, input, isLast);
  filter = toChannelsFirst(kernel, filter, isLast);
  RankedTensorType type = channelsFirst(getType(), isLast);
  WindowProducts products(kernel, window, tensorType(input), tensorType(filter), type);
  return {toChannelsLast(kernel, products.forward(input, filter, bias, type), isLast)};
}

/// What the input of a convolution gets from its result.
static Value emitInputGradient(KernelBuilder &kernel, ValueRange operands,
                               const ConvolutionWindow &window, RankedTensorType type,
                               bool isLast) {
  if (type.getNumElements() == 0)
    return kernel.splat(type, 0);
  if (Value call = callLibrary(kernel, plan::ConvolutionKind::InputGradient, operands[0],
                               operands[1], Value(), window, type, isLast))
    return call;
  Value gradient = toChannelsFirst(kernel, operands[0], isLast);
  Value filter = toChannelsFirst(kernel, operands[1], isLast);
  RankedTensorType first = channelsFirst(type, isLast);
  WindowProducts products(kernel, window, first, tensorType(filter), tensorType(gradient));
  return toChannelsLast(kernel, products.inputGradient(gradient, filter, first), isLast);
}

SmallVector<Value> ConvInputGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {emitInputGradient(kernel, operands, ConvolutionWindow::of(*this), getType(),
                            getChannelsLast())};
}

SmallVector<Value> ConvTransposeOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  ConvolutionWindow window = ConvolutionWindow::of(*this);
  RankedTensorType type = getType();
  if (!getBias())
    return {emitInputGradient(kernel, operands, window, type, /*isLast=*/false)};
  // Sums are rounded once, with the bias.
  Type computed = KernelBuilder::computeType(type.getElementType());
  Value sums = emitInputGradient(kernel, operands, window, type.clone(computed), /*isLast=*/false);
  Value bias = kernel.reshape(operands[2], {type.getDimSize(1), 1, 1});
  return {kernel.pointwise({sums, bias}, type,
                           [](ScalarBuilder &s, ValueRange x) { return s.add(x[0], x[1]); })};
}

SmallVector<Value> ConvFilterGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  if (getGradient().getType().getNumElements() == 0)
    return {kernel.splat(getType(), 0)};
  ConvolutionWindow window = ConvolutionWindow::of(*this);
  bool isLast = getChannelsLast();
  if (Value call = callLibrary(kernel, plan::ConvolutionKind::FilterGradient, operands[0],
                               operands[1], Value(), window, getType(), isLast))
    return {call};
  Value gradient = toChannelsFirst(kernel, operands[0], isLast);
  Value input = toChannelsFirst(kernel, operands[1], isLast);
  RankedTensorType type = channelsFirst(getType(), isLast);
  WindowProducts products(kernel, window, tensorType(input), type, tensorType(gradient));
  return {toChannelsLast(kernel, products.filterGradient(gradient, input, type), isLast)};
}
