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
  RankedTensorType filter = tensorType(adaptor.getFilter());
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

/// Of a convolution that gives `small`, by `filter` [k, c / groups, r, s], from or to what it
/// slides over.
static double flopsOf(Value small, Value filter) {
  RankedTensorType type = tensorType(filter);
  return 2.0 * double(tensorType(small).getNumElements()) *
         double(type.getNumElements() / type.getDimSize(0));
}

ProductExtents ConvOp::getProductExtents() {
  RankedTensorType filter = tensorType(getFilter());
  return {flopsOf(getResult(), getFilter()), filter.getDimSize(1), filter.getDimSize(0)};
}

ProductExtents ConvTransposeOp::getProductExtents() {
  RankedTensorType filter = tensorType(getFilter());
  return {flopsOf(getInput(), getFilter()), filter.getDimSize(0), filter.getDimSize(1)};
}

FloatRange ConvTransposeOp::inferRange(ArrayRef<FloatRange> operands) {
  return inferProductRange(operands);
}

LogicalResult ConvTransposeOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                Adaptor adaptor, SmallVectorImpl<Type> &types) {
  bool isLast = adaptor.getChannelsLast();
  RankedTensorType input = channelsFirst(tensorType(adaptor.getInput()), isLast);
  RankedTensorType filter = tensorType(adaptor.getFilter());
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
  types.push_back(channelsLast(result, isLast));
  return success();
}

/// The rules are those of the convolution.
static LogicalResult verifyGradient(Operation *op, RankedTensorType gradient,
                                    RankedTensorType input, RankedTensorType filter,
                                    const ConvolutionWindow &window, bool isLast) {
  gradient = channelsFirst(gradient, isLast);
  input = channelsFirst(input, isLast);
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
  assert(!getChannelsLast() && "layouts are chosen after gradients are taken");
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

/// Sums in `type`, of the operands' type where the library rounds them to that, and a bias, if any.
static Value finish(KernelBuilder &kernel, Value sums, Value bias, RankedTensorType type,
                    bool isLast) {
  SmallVector<Value> operands{sums};
  if (bias) {
    int64_t channels = tensorType(bias).getDimSize(0);
    operands.push_back(isLast ? bias : kernel.reshape(bias, {channels, 1, 1}));
  }
  return kernel.pointwise(operands, type, [](ScalarBuilder &s, ValueRange x) {
    return x.size() > 1 ? s.add(x[0], x[1]) : x[0];
  });
}

/// The library call, which every target has.
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
  Type element = kernel.nearestResult(request);
  Value added; // to what the call gives
  if (!element && bias) {
    request.operands.pop_back();
    added = std::exchange(bias, {});
    element = kernel.nearestResult(request);
  }
  assert(element && "every library convolves all floats without a bias");
  Value sums = plan::ConvolutionOp::create(
      kernel.builder, kernel.loc, type.clone(element), kind, lhs, rhs, bias, window.strides,
      window.pads, window.dilations, window.groups, plan::Epilogue::None, isLast);
  return added || element != type.getElementType() ? finish(kernel, sums, added, type, isLast)
                                                   : sums;
}

SmallVector<Value> ConvOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  if (getType().getNumElements() == 0)
    return {kernel.splat(getType(), 0)};
  return {callLibrary(kernel, plan::ConvolutionKind::Forward, operands[0], operands[1],
                      getBias() ? operands[2] : Value(), ConvolutionWindow::of(*this), getType(),
                      getChannelsLast())};
}

/// What the input of a convolution gets from its result.
static Value emitInputGradient(KernelBuilder &kernel, ValueRange operands,
                               const ConvolutionWindow &window, RankedTensorType type,
                               bool isLast) {
  if (type.getNumElements() == 0)
    return kernel.splat(type, 0);
  return callLibrary(kernel, plan::ConvolutionKind::InputGradient, operands[0], operands[1],
                     Value(), window, type, isLast);
}

SmallVector<Value> ConvInputGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {emitInputGradient(kernel, operands, ConvolutionWindow::of(*this), getType(),
                            getChannelsLast())};
}

SmallVector<Value> ConvTransposeOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  ConvolutionWindow window = ConvolutionWindow::of(*this);
  RankedTensorType type = getType();
  bool isLast = getChannelsLast();
  if (!getBias())
    return {emitInputGradient(kernel, operands, window, type, isLast)};
  // Sums are rounded once, with the bias, where the library has them in f32.
  Type computed = KernelBuilder::computeType(type.getElementType());
  Value sums = emitInputGradient(kernel, operands, window, type.clone(computed), isLast);
  return {finish(kernel, sums, operands[2], type, isLast)};
}

SmallVector<Value> ConvFilterGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  if (getGradient().getType().getNumElements() == 0)
    return {kernel.splat(getType(), 0)};
  return {callLibrary(kernel, plan::ConvolutionKind::FilterGradient, operands[0], operands[1],
                      Value(), ConvolutionWindow::of(*this), getType(), getChannelsLast())};
}
