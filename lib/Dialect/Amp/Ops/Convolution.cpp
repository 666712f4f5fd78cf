//===- Convolution.cpp - Convolutions -------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Convolution.h"
#include "ChannelsLast.h"
#include "WindowAttributes.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Plan/Plan.h"

using namespace mlir;
using namespace ampc;

namespace {
/// How a filter moves over the rows and columns of an image.
struct Window {
  SmallVector<int64_t> strides, pads, dilations;
  int64_t groups;

  template <typename OpOrAdaptor>
  static Window of(OpOrAdaptor op) {
    return {SmallVector<int64_t>(op.getStrides()), SmallVector<int64_t>(op.getPads()),
            SmallVector<int64_t>(op.getDilations()), int64_t(op.getGroups())};
  }
  /// The input's elements along `axis` that a filter of `taps` spans.
  int64_t reach(int64_t taps, int axis) const { return dilations[axis] * (taps - 1) + 1; }
};
} // namespace

//===----------------------------------------------------------------------===//
// Import
//===----------------------------------------------------------------------===//

/// Reads the attributes of a node whose images and filter have these extents behind the
/// channels.
static FailureOr<Window> importWindow(OnnxNode &node, ArrayRef<int64_t> image,
                                      ArrayRef<int64_t> filter) {
  size_t rank = image.size();
  FailureOr<SmallVector<int64_t>> kernel = importInts(node, "kernel_shape", rank, 0);
  FailureOr<SmallVector<int64_t>> strides = importInts(node, "strides", rank, 1);
  FailureOr<SmallVector<int64_t>> dilations = importInts(node, "dilations", rank, 1);
  FailureOr<SmallVector<int64_t>> pads = importInts(node, "pads", 2 * rank, 0);
  if (failed(kernel) || failed(strides) || failed(dilations) || failed(pads))
    return failure();
  if (node.hasAttribute("kernel_shape") && ArrayRef(*kernel) != filter)
    return node.emitError() << "has kernel_shape [" << ArrayRef<int64_t>(*kernel)
                            << "], but its filter has [" << filter << "]";
  Window window{*strides, *pads, *dilations, node.getInt("group", 1)};
  std::string mode = node.getString("auto_pad", "NOTSET");
  if (mode != "NOTSET") {
    if (llvm::any_of(*pads, [](int64_t pad) { return pad != 0; }))
      return node.emitError() << "has both auto_pad = " << mode << " and pads";
    if (mode != "SAME_UPPER" && mode != "SAME_LOWER" && mode != "VALID")
      return node.emitError() << "has auto_pad = '" << mode
                              << "': known are NOTSET, SAME_UPPER, SAME_LOWER and VALID";
    // What is out of range is reported when types are inferred.
    auto isUsable = [](int64_t x) { return x > 0 && x <= kMostAlong; };
    for (size_t d = 0; d < rank && mode != "VALID"; ++d)
      if (isUsable(window.strides[d]) && isUsable(window.dilations[d]) && isUsable(filter[d]) &&
          isUsable(image[d]))
        std::tie(window.pads[d], window.pads[rank + d]) =
            samePads(image[d], window.reach(filter[d], d), window.strides[d], mode == "SAME_LOWER");
  }
  if (rank == 1) { // images of one row
    window.strides.insert(window.strides.begin(), 1);
    window.dilations.insert(window.dilations.begin(), 1);
    window.pads = {0, window.pads[0], 0, window.pads[1]};
  }
  return window;
}

/// [n, c, w] as [n, c, 1, w].
static Value addRows(OpBuilder &builder, Location loc, Value x) {
  SmallVector<int64_t> shape(tensorType(x).getShape());
  if (shape.size() == 3)
    shape.insert(shape.begin() + 2, 1);
  return reshapeTo(builder, loc, x, shape);
}

FailureOr<SmallVector<Value>> ConvOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 3)))
    return failure();
  RankedTensorType image = tensorType(node.input(0)), filter = tensorType(node.input(1));
  if (image.getRank() < 3 || image.getRank() > 4 || filter.getRank() != image.getRank())
    return node.emitError() << "convolutions are along one or two dimensions, of [n, c, h, w] "
                               "with [k, c, r, s], but the operands are "
                            << image << " and " << filter;
  FailureOr<Window> window =
      importWindow(node, image.getShape().drop_front(2), filter.getShape().drop_front(2));
  if (failed(window))
    return failure();
  SmallVector<Value> operands{addRows(builder, node.loc, node.input(0)),
                              addRows(builder, node.loc, node.input(1))};
  if (Value bias = node.input(2))
    operands.push_back(bias);
  NamedAttribute attributes[] = {
      builder.getNamedAttr("strides", builder.getDenseI64ArrayAttr(window->strides)),
      builder.getNamedAttr("pads", builder.getDenseI64ArrayAttr(window->pads)),
      builder.getNamedAttr("dilations", builder.getDenseI64ArrayAttr(window->dilations)),
      builder.getNamedAttr("groups", builder.getI64IntegerAttr(window->groups))};
  for (Value operand : operands)
    if (!isa<FloatType>(tensorType(operand).getElementType()))
      return node.emitError() << "convolutions are of floats, but an operand is "
                              << operand.getType();
  FailureOr<Value> result = importOp<ConvOp>(node, builder, operands, attributes);
  if (failed(result))
    return failure();
  SmallVector<int64_t> shape(tensorType(*result).getShape());
  if (image.getRank() == 3)
    shape.erase(shape.begin() + 2);
  return SmallVector<Value>{reshapeTo(builder, node.loc, *result, shape)};
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// The shape of the result of a convolution.
static FailureOr<SmallVector<int64_t>> inferShape(std::optional<Location> loc,
                                                  RankedTensorType input, RankedTensorType filter,
                                                  const Window &window) {
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
  FailureOr<SmallVector<int64_t>> shape = inferShape(location, input, filter, Window::of(adaptor));
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

/// The rules are those of the convolution.
static LogicalResult verifyGradient(Operation *op, RankedTensorType gradient,
                                    RankedTensorType input, RankedTensorType filter,
                                    const Window &window, bool isLast) {
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
                        Window::of(*this), getChannelsLast());
}

LogicalResult ConvFilterGradOp::verify() {
  return verifyGradient(*this, getGradient().getType(), getInput().getType(), getType(),
                        Window::of(*this), getChannelsLast());
}

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

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
  if (getBias() && gradient.needs(2)) {
    ArrayRef<int64_t> shape = getBias().getType().getShape();
    Value sums = gradient.sumTo(gradient.resultGradient(), {shape[0], 1, 1},
                                gradient.gradientElementType(2));
    gradient.set(2, gradient.create<ReshapeOp>(sums, shape));
  }
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
  WindowProducts(KernelBuilder &kernel, const Window &window, RankedTensorType input,
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
                                  transposeLhs, transposeRhs, APFloat(1.0), plan::Epilogue::None);
  }

  KernelBuilder &kernel;
  const Window &window;
  SmallVector<int64_t> inputShape, filterShape, outputShape;
  int64_t groups, images;
  int64_t channels, filters; ///< of one group
  int64_t taps, points;
};
} // namespace

/// The library call; null where the target has none.
static Value callLibrary(KernelBuilder &kernel, plan::ConvolutionKind kind, Value lhs, Value rhs,
                         Value bias, const Window &window, RankedTensorType type, bool isLast) {
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
  Window window = Window::of(*this);
  if (Value call = callLibrary(kernel, plan::ConvolutionKind::Forward, input, filter, bias, window,
                               getType(), isLast))
    return {call};
  input = toChannelsFirst(kernel, input, isLast);
  filter = toChannelsFirst(kernel, filter, isLast);
  RankedTensorType type = channelsFirst(getType(), isLast);
  WindowProducts products(kernel, window, tensorType(input), tensorType(filter), type);
  return {toChannelsLast(kernel, products.forward(input, filter, bias, type), isLast)};
}

SmallVector<Value> ConvInputGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  if (getType().getNumElements() == 0)
    return {kernel.splat(getType(), 0)};
  Window window = Window::of(*this);
  bool isLast = getChannelsLast();
  if (Value call = callLibrary(kernel, plan::ConvolutionKind::InputGradient, operands[0],
                               operands[1], Value(), window, getType(), isLast))
    return {call};
  Value gradient = toChannelsFirst(kernel, operands[0], isLast);
  Value filter = toChannelsFirst(kernel, operands[1], isLast);
  RankedTensorType type = channelsFirst(getType(), isLast);
  WindowProducts products(kernel, window, type, tensorType(filter), tensorType(gradient));
  return {toChannelsLast(kernel, products.inputGradient(gradient, filter, type), isLast)};
}

SmallVector<Value> ConvFilterGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  if (getGradient().getType().getNumElements() == 0)
    return {kernel.splat(getType(), 0)};
  Window window = Window::of(*this);
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
