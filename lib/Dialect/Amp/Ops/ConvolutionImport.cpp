//===- ConvolutionImport.cpp - Convolutions of one to three dimensions -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ConvolutionWindow.h"
#include "ResampleTable.h"
#include "ampc/Dialect/Amp/Ops/Activation.h"
#include "ampc/Dialect/Amp/Ops/Convolution.h"
#include "ampc/Dialect/Amp/Ops/Rectifier.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

static SmallVector<NamedAttribute> windowAttributes(Builder &b, const ConvolutionWindow &window) {
  return {b.getNamedAttr("strides", b.getDenseI64ArrayAttr(window.strides)),
          b.getNamedAttr("pads", b.getDenseI64ArrayAttr(window.pads)),
          b.getNamedAttr("dilations", b.getDenseI64ArrayAttr(window.dilations)),
          b.getNamedAttr("groups", b.getI64IntegerAttr(window.groups))};
}

/// Reads the attributes of a node whose images and filter have these extents behind the
/// channels.
static FailureOr<ConvolutionWindow> importWindow(OnnxNode &node, ArrayRef<int64_t> image,
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
  ConvolutionWindow window{*strides, *pads, *dilations, node.getInt("group", 1)};
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
  return window;
}

/// A window along one dimension as one over images of one row.
static void addRows(ConvolutionWindow &window) {
  window.strides.insert(window.strides.begin(), 1);
  window.dilations.insert(window.dilations.begin(), 1);
  window.pads = {0, window.pads[0], 0, window.pads[1]};
}

/// [n, c, w] as [n, c, 1, w].
static Value addRows(OpBuilder &builder, Location loc, Value x) {
  SmallVector<int64_t> shape(tensorType(x).getShape());
  if (shape.size() == 3)
    shape.insert(shape.begin() + 2, 1);
  return reshapeTo(builder, loc, x, shape);
}

/// Checks the operands of a convolution or of its transpose.
static LogicalResult checkOperands(OnnxNode &node) {
  RankedTensorType image = tensorType(node.input(0)), filter = tensorType(node.input(1));
  if (image.getRank() < 3 || image.getRank() > 5 || filter.getRank() != image.getRank())
    return node.emitError() << "convolutions are along one to three dimensions, of [n, c, h, w] "
                               "with [k, c, r, s], but the operands are "
                            << image << " and " << filter;
  for (Value operand : node.inputs)
    if (operand && !isa<FloatType>(tensorType(operand).getElementType()))
      return node.emitError() << "convolutions are of floats, but an operand is "
                              << operand.getType();
  return success();
}

/// A window along three dimensions without the first.
static void dropDepth(ConvolutionWindow &window) {
  window.strides.erase(window.strides.begin());
  window.dilations.erase(window.dilations.begin());
  window.pads = {window.pads[1], window.pads[2], window.pads[4], window.pads[5]};
}

namespace {
/// The first of three spatial dimensions, which a filter of two does not move over.
struct Depth {
  int64_t extent; ///< planes of the convolution's input
  int64_t points; ///< and of its result
  int64_t taps, stride, dilation, pad;

  /// Takes the depth of `image`, the convolution's input, out of the window. Failure after an
  /// error.
  static FailureOr<Depth> take(OnnxNode &node, ConvolutionWindow &window, int64_t extent,
                               int64_t taps) {
    Depth depth{extent, 0, taps, window.strides[0], window.dilations[0], window.pads[0]};
    int64_t after = window.pads[3];
    for (int64_t positive : {depth.stride, depth.dilation, taps, extent})
      if (positive < 1 || positive > kMostAlong)
        return node.emitError() << "has a stride, dilation or extent of " << positive
                                << " along the first spatial dimension";
    if (depth.pad < 0 || after < 0 || depth.pad > kMostAlong || after > kMostAlong)
      return node.emitError() << "has pads " << depth.pad << " and " << after
                              << " along the first spatial dimension: each must be at least 0 and "
                                 "at most "
                              << kMostAlong;
    int64_t reach = depth.dilation * (taps - 1) + 1, room = extent + depth.pad + after;
    if (reach > room)
      return node.emitError() << "has a filter that spans " << reach << " planes, more than the "
                              << room << " of the input with its pads";
    depth.points = (room - reach) / depth.stride + 1;
    if (taps > kMostSources / depth.points)
      return node.emitError() << "has " << taps << " taps at each of " << depth.points
                              << " places along the first spatial dimension, more than "
                              << kMostSources << " together";
    dropDepth(window);
    return depth;
  }

  ResampleTable table() const {
    return ResampleTable::windows(2, extent, taps, points, stride, dilation, pad);
  }
};
} // namespace

/// [k, c, t, r, s] as [k, c * t, r, s].
static Value foldTaps(OpBuilder &b, Location loc, Value filter) {
  ArrayRef<int64_t> shape = tensorType(filter).getShape();
  return reshapeTo(b, loc, filter, {shape[0], shape[1] * shape[2], shape[3], shape[4]});
}

/// [n, c, t * points, h, w], the planes that a filter spans, as [n * points, c * t, h, w].
static Value toImages(OpBuilder &b, Location loc, Value x, int64_t taps, int64_t points) {
  ArrayRef<int64_t> shape = tensorType(x).getShape();
  SmallVector<int64_t> apart{shape[0], shape[1], taps, points, shape[3], shape[4]};
  SmallVector<int64_t> images{shape[0] * points, shape[1] * taps, shape[3], shape[4]};
  x = reshapeTo(b, loc, x, apart);
  x = TransposeOp::create(b, loc, x, ArrayRef<int64_t>{0, 3, 1, 2, 4, 5});
  return reshapeTo(b, loc, x, images);
}

/// [n * points, c, h, w] as [n, c, points, h, w].
static Value toPlanes(OpBuilder &b, Location loc, Value x, int64_t points) {
  ArrayRef<int64_t> shape = tensorType(x).getShape();
  x = reshapeTo(b, loc, x, {shape[0] / points, points, shape[1], shape[2], shape[3]});
  return TransposeOp::create(b, loc, x, ArrayRef<int64_t>{0, 2, 1, 3, 4});
}

/// Each channel's convolution with what came before, of which `past_state` has the end: none is 0.
/// Result 1 is the end for the next call.
static FailureOr<SmallVector<Value>> importCausalConv(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 4)) || failed(checkFloats(node)))
    return failure();
  Location loc = node.loc;
  Value input = node.input(0), past = node.input(3);
  RankedTensorType type = tensorType(input), filter = tensorType(node.input(1));
  std::string activation = node.getString("activation", "none");
  if (node.hadError)
    return failure();
  if (activation != "none" && activation != "silu" && activation != "swish")
    return node.emitError() << "attribute 'activation' is '" << activation
                            << "', but should be 'none', 'silu' or 'swish'";
  bool fits = type.getRank() == 3 && filter.getRank() == 3 && filter.getDimSize(1) == 1 &&
              filter.getDimSize(0) == type.getDimSize(1) && filter.getDimSize(2) > 0 &&
              filter.getDimSize(2) <= kMostAlong && type.getDimSize(2) <= kMostAlong;
  if (!fits)
    return node.emitError() << "input and weight must be [batch, channels, length] and [channels, "
                               "1, taps], but are "
                            << type << " and " << filter;
  int64_t before = filter.getDimSize(2) - 1, channels = type.getDimSize(1);
  auto state = type.clone({type.getDimSize(0), channels, before});
  if (past && past.getType() != state)
    return node.emitError() << "'past_state' must be " << state << ", but is " << past.getType();
  SmallVector<int64_t> starts{0, 0, before}, steps(3, 1), sizes(type.getShape());
  sizes[2] += before;
  if (failed(checkedProduct(node, sizes)))
    return failure();
  Value padded;
  if (past)
    padded = ConcatOp::create(builder, loc, ValueRange{past, input}, /*axis=*/2);
  else
    padded = PadOp::create(builder, loc, input, starts, sizes, steps, APFloat(0.0));

  ConvolutionWindow window{{1}, {past ? 0 : before, 0}, {1}, channels};
  addRows(window);
  SmallVector<Value> operands{addRows(builder, loc, past ? padded : input),
                              addRows(builder, loc, node.input(1))};
  if (node.input(2))
    operands.push_back(node.input(2));
  FailureOr<Value> y = importOp<ConvOp>(node, builder, operands, windowAttributes(builder, window));
  if (failed(y))
    return failure();
  Value result = reshapeTo(builder, loc, *y, type.getShape());
  if (activation != "none")
    result = buildProduct(builder, loc, result, SigmoidOp::create(builder, loc, result));
  starts[2] = before == 0 ? 0 : sizes[2] - before;
  Value present = SliceOp::create(builder, loc, padded, starts, state.getShape(), steps);
  return SmallVector<Value>{result, present};
}

/// The convolution of `x` [n, c, ..] with the filter `w` [k, c / groups, ..], and the node's bias,
/// input 2.
static FailureOr<Value> importConvolution(OnnxNode &node, OpBuilder &builder, Value x, Value w) {
  RankedTensorType image = tensorType(x), filter = tensorType(w);
  FailureOr<ConvolutionWindow> window =
      importWindow(node, image.getShape().drop_front(2), filter.getShape().drop_front(2));
  if (failed(window))
    return failure();
  std::optional<Depth> depth;
  if (image.getRank() == 3)
    addRows(*window);
  SmallVector<Value> operands{addRows(builder, node.loc, x), addRows(builder, node.loc, w)};
  if (image.getRank() == 5) {
    FailureOr<Depth> taken = Depth::take(node, *window, image.getDimSize(2), filter.getDimSize(2));
    if (failed(taken))
      return failure();
    depth = *taken;
    SmallVector<int64_t> windows(image.getShape());
    windows[2] = depth->taps * depth->points;
    if (failed(checkedProduct(node, windows)))
      return failure();
    operands[0] = resample(builder, node.loc, operands[0], depth->table());
    operands[0] = toImages(builder, node.loc, operands[0], depth->taps, depth->points);
    operands[1] = foldTaps(builder, node.loc, operands[1]);
  }
  if (Value bias = node.input(2))
    operands.push_back(bias);
  SmallVector<NamedAttribute> attributes = windowAttributes(builder, *window);
  FailureOr<Value> result = importOp<ConvOp>(node, builder, operands, attributes);
  if (failed(result))
    return failure();
  if (depth)
    return toPlanes(builder, node.loc, *result, depth->points);
  SmallVector<int64_t> shape(tensorType(*result).getShape());
  if (image.getRank() == 3)
    shape.erase(shape.begin() + 2);
  return reshapeTo(builder, node.loc, *result, shape);
}

/// The activation of a FusedConv, by the name of its operator.
static FailureOr<Value> importActivation(OnnxNode &node, OpBuilder &b, Value x) {
  std::string name = node.getString("activation", "");
  std::vector<float> numbers = node.getFloats("activation_params").value_or(std::vector<float>());
  if (node.hadError)
    return failure();
  struct Known {
    StringRef name;
    size_t count; ///< of activation_params
  };
  static constexpr Known kKnown[] = {{"", 0},        {"Relu", 0},       {"Tanh", 0},
                                     {"Sigmoid", 0}, {"Silu", 0},       {"LeakyRelu", 1},
                                     {"Clip", 2},    {"HardSigmoid", 2}};
  const Known *known = llvm::find_if(kKnown, [&](const Known &k) { return k.name == name; });
  if (known == std::end(kKnown))
    return node.emitError() << "attribute 'activation' is '" << name
                            << "': known are Relu, Tanh, Sigmoid, Silu, LeakyRelu, Clip and "
                               "HardSigmoid";
  if (numbers.size() != known->count)
    return node.emitError() << "has " << numbers.size() << " activation_params, but " << name
                            << " takes " << known->count;
  auto attribute = [&](StringRef key, float value) {
    return b.getNamedAttr(key, b.getF32FloatAttr(value));
  };
  if (name == "Relu")
    return importOp<ReluOp>(node, b, x);
  if (name == "Tanh")
    return importOp<TanhOp>(node, b, x);
  if (name == "LeakyRelu")
    return importOp<LeakyReluOp>(node, b, x, attribute("alpha", numbers[0]));
  if (name == "HardSigmoid")
    return importOp<HardSigmoidOp>(node, b, x,
                                   {attribute("alpha", numbers[0]), attribute("beta", numbers[1])});
  if (name == "Clip") {
    auto scalar = RankedTensorType::get({}, tensorType(x).getElementType());
    Value low = splat(b, node.loc, scalar, numbers[0]),
          high = splat(b, node.loc, scalar, numbers[1]);
    return importOp<ClipOp>(
        node, b, {x, low, high},
        b.getNamedAttr("operandSegmentSizes", b.getDenseI32ArrayAttr({1, 1, 1})));
  }
  if (name.empty())
    return x;
  FailureOr<Value> sigmoid = importOp<SigmoidOp>(node, b, x);
  if (failed(sigmoid) || name == "Sigmoid")
    return sigmoid;
  return buildProduct(b, node.loc, x, *sigmoid);
}

/// ONNX Runtime's convolution of [n, h, w, c] with [k, r, s, c / groups], of any number of spatial
/// dimensions.
static FailureOr<Value> importChannelsLast(OnnxNode &node, OpBuilder &builder) {
  int64_t rank = tensorType(node.input(0)).getRank();
  SmallVector<int64_t> toFirst{0, rank - 1}, toLast{0};
  for (int64_t d = 1; d + 1 < rank; ++d) {
    toFirst.push_back(d);
    toLast.push_back(d + 1);
  }
  toLast.push_back(1);
  Value x = buildPermutation(builder, node.loc, node.input(0), toFirst);
  Value w = buildPermutation(builder, node.loc, node.input(1), toFirst);
  FailureOr<Value> y = importConvolution(node, builder, x, w);
  if (failed(y))
    return failure();
  return buildPermutation(builder, node.loc, *y, toLast);
}

FailureOr<SmallVector<Value>> ConvOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "CausalConvWithState")
    return importCausalConv(node, builder);
  bool isFused = node.opType == "FusedConv";
  if (failed(node.expectInputs(2, isFused ? 4 : 3)) || failed(checkOperands(node)))
    return failure();
  if (node.opType == "NhwcConv")
    return single(importChannelsLast(node, builder));
  FailureOr<Value> y = importConvolution(node, builder, node.input(0), node.input(1));
  if (failed(y) || !isFused)
    return single(y);
  if (Value summand = node.input(3)) {
    if (summand.getType() != y->getType())
      return node.emitError() << "input 3 (Z) must be " << y->getType()
                              << ", as the convolution is, but is " << summand.getType();
    y = buildSum(builder, node.loc, *y, summand);
  }
  return single(importActivation(node, builder, *y));
}

namespace {
/// What a ConvTranspose makes along one dimension: `size` elements from `shift` on of the adjoint
/// of a convolution, which has `whole` without pads.
struct TransposedExtent {
  int64_t size, whole, before, after;

  /// Whether a convolution of `size` elements, with these pads, gives what the input has.
  bool isConvolved(int64_t stride) const {
    int64_t room = size + before + after; // as many as `whole`, or some that no window holds
    return before >= 0 && after >= 0 && room >= whole && room - whole < stride;
  }
};
} // namespace

/// The extents of a ConvTranspose, from its attributes; the window's pads are not looked at.
static FailureOr<SmallVector<TransposedExtent>> importExtents(OnnxNode &node,
                                                              const ConvolutionWindow &window,
                                                              ArrayRef<int64_t> image,
                                                              ArrayRef<int64_t> filter) {
  size_t rank = image.size();
  FailureOr<SmallVector<int64_t>> extra = importInts(node, "output_padding", rank, 0);
  FailureOr<SmallVector<int64_t>> given = importInts(node, "output_shape", rank, 0);
  if (failed(extra) || failed(given) || node.hadError)
    return failure();
  std::string mode = node.getString("auto_pad", "NOTSET");
  bool isSame = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  SmallVector<TransposedExtent> extents;
  for (size_t d = 0; d < rank; ++d) {
    int64_t stride = window.strides[d], dilation = window.dilations[d];
    for (int64_t positive : {stride, dilation, image[d], filter[d]})
      if (positive < 1 || positive > kMostAlong)
        return node.emitError() << "has a stride, dilation or extent of " << positive
                                << " along spatial dimension " << d;
    for (int64_t number : {(*extra)[d], (*given)[d]})
      if (number < 0 || number > kMostAlong)
        return node.emitError() << "has " << number << " in output_padding or output_shape";
    int64_t whole = stride * (image[d] - 1) + dilation * (filter[d] - 1) + 1;
    int64_t padded = whole + (*extra)[d];
    int64_t before = window.pads[d], after = window.pads[rank + d];
    int64_t size = padded - before - after;
    if (node.hasAttribute("output_shape") || isSame) {
      size = node.hasAttribute("output_shape") ? (*given)[d] : image[d] * stride;
      int64_t total = padded - size, small = total >> 1; // rounded down, where negative too
      before = mode == "SAME_UPPER" ? small : total - small;
      after = total - before;
    }
    if (size < 1 || size > kMostAlong)
      return node.emitError() << "gives spatial dimension " << d << " an extent of " << size;
    // What no window holds lies behind the last one.
    extents.push_back({size, whole, before, std::max<int64_t>(after - (*extra)[d], 0)});
  }
  return extents;
}

/// `sizes` elements from `from` on along the dimensions behind the first two, 0 outside of `x`.
static Value cutOrPad(OpBuilder &b, Location loc, Value x, ArrayRef<int64_t> from,
                      ArrayRef<int64_t> sizes) {
  RankedTensorType type = tensorType(x);
  SmallVector<int64_t> starts(type.getRank(), 0), kept(type.getShape()), at(starts);
  SmallVector<int64_t> steps(type.getRank(), 1), whole(type.getShape());
  for (auto [i, pair] : llvm::enumerate(llvm::zip(from, sizes))) {
    auto [first, size] = pair;
    int64_t d = 2 + i, extent = type.getDimSize(d);
    int64_t low = std::clamp<int64_t>(first, 0, extent);
    int64_t high = std::clamp<int64_t>(first + size, low, extent);
    kept[d] = high - low;
    starts[d] = kept[d] == 0 ? 0 : low;
    at[d] = kept[d] == 0 ? 0 : low - first;
    whole[d] = size;
  }
  if (kept != type.getShape())
    x = SliceOp::create(b, loc, x, starts, kept, steps);
  if (whole != ArrayRef<int64_t>(kept))
    x = PadOp::create(b, loc, x, at, whole, steps, APFloat(0.0));
  return x;
}

/// The planes of the input that reach a plane of the result, side by side as the windows of a
/// convolution are: for each tap all planes of the result, with no source where none lies there.
static FailureOr<ResampleTable> planesBefore(OnnxNode &node, const TransposedExtent &result,
                                             int64_t extent, int64_t taps, int64_t stride,
                                             int64_t dilation) {
  if (taps > kMostSources / result.size)
    return node.emitError() << "has " << taps << " taps at each of " << result.size
                            << " places along the first spatial dimension, more than "
                            << kMostSources << " together";
  ResampleTable table{2, {0}, {}, {}};
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t plane = 0; plane < result.size; ++plane) {
      int64_t distance = plane + result.before - tap * dilation;
      if (distance >= 0 && distance % stride == 0 && distance / stride < extent)
        table.add(distance / stride);
      table.endElement();
    }
  return table;
}

FailureOr<SmallVector<Value>> ConvTransposeOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 3)) || failed(checkOperands(node)))
    return failure();
  Location loc = node.loc;
  RankedTensorType image = tensorType(node.input(0)), filter = tensorType(node.input(1));
  SmallVector<int64_t> spatial(image.getShape().drop_front(2));
  SmallVector<int64_t> taps(filter.getShape().drop_front(2));
  FailureOr<ConvolutionWindow> window = importWindow(node, spatial, taps);
  if (failed(window))
    return failure();
  FailureOr<SmallVector<TransposedExtent>> extents = importExtents(node, *window, spatial, taps);
  if (failed(extents))
    return failure();
  size_t rank = spatial.size();
  Value x = addRows(builder, loc, node.input(0)), w = addRows(builder, loc, node.input(1));
  int64_t planes = rank == 3 ? extents->front().size : 1;
  if (rank == 3) {
    FailureOr<ResampleTable> table = planesBefore(node, extents->front(), spatial[0], taps[0],
                                                  window->strides[0], window->dilations[0]);
    if (failed(table) || failed(checkedProduct(node, {image.getDimSize(0), image.getDimSize(1),
                                                      taps[0], planes, spatial[1], spatial[2]})))
      return failure();
    x = toImages(builder, loc, resample(builder, loc, x, *table), taps[0], planes);
    ArrayRef<int64_t> shape = filter.getShape();
    w = TransposeOp::create(builder, loc, w, ArrayRef<int64_t>{0, 2, 1, 3, 4});
    w = reshapeTo(builder, loc, w, {shape[0] * shape[2], shape[1], shape[3], shape[4]});
    dropDepth(*window);
    extents->erase(extents->begin());
  }
  if (rank == 1) {
    addRows(*window);
    extents->insert(extents->begin(), {1, 1, 0, 0});
  }
  // Where no convolution has such pads, all of the adjoint is computed, then cut or padded.
  SmallVector<int64_t> from, sizes, computed;
  bool isWhole = true;
  for (auto [d, extent] : llvm::enumerate(*extents)) {
    TransposedExtent e = extent;
    bool isConvolved = e.isConvolved(window->strides[d]);
    isWhole &= isConvolved;
    from.push_back(isConvolved ? 0 : e.before);
    sizes.push_back(e.size);
    if (!isConvolved)
      e = {e.whole, e.whole, 0, 0};
    computed.push_back(e.size);
    window->pads[d] = e.before;
    window->pads[2 + d] = e.after;
  }
  Value bias = node.input(2);
  SmallVector<Value> operands{x, w};
  if (bias && isWhole)
    operands.push_back(bias);
  SmallVector<NamedAttribute> attributes = windowAttributes(builder, *window);
  attributes.push_back(builder.getNamedAttr("sizes", builder.getDenseI64ArrayAttr(computed)));
  FailureOr<Value> result = importOp<ConvTransposeOp>(node, builder, operands, attributes);
  if (failed(result))
    return failure();
  Value y = cutOrPad(builder, loc, *result, from, sizes);
  SmallVector<int64_t> shape(tensorType(y).getShape());
  if (failed(checkedProduct(node, shape)))
    return failure();
  if (bias && !isWhole) {
    if (tensorType(bias).getShape() != ArrayRef(shape[1]))
      return node.emitError() << "has a bias " << bias.getType() << " for " << shape[1]
                              << " channels";
    y = buildSum(builder, loc, y, reshapeTo(builder, loc, bias, {shape[1], 1, 1}));
  }
  if (rank == 3)
    return SmallVector<Value>{toPlanes(builder, loc, y, planes)};
  if (rank == 1)
    shape.erase(shape.begin() + 2);
  return SmallVector<Value>{reshapeTo(builder, loc, y, shape)};
}
