//===- SamplingImport.cpp - ONNX operators that sample tensors ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SamplingImport.h"
#include "Expected.h"
#include "Places.h"
#include "WindowAttributes.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/MatMul.h"
#include "ampc/Dialect/Amp/Ops/Sampling.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

namespace {
/// The attributes of an amp.sample_taps.
struct TapRule {
  SamplingMode mode = SamplingMode::Linear;
  SamplingPadding padding = SamplingPadding::Zeros;
  SmallVector<int64_t> extents;
  bool normalized = false, alignCorners = false, lastFirst = false;
};
} // namespace

/// `input`, [n, channels, elements], read at `coordinates` [n, points, axes], with `factors`
/// [n, points, 1] on the weights where there are any.
static FailureOr<Value> sampleAt(OnnxNode &node, OpBuilder &b, Value input, Value coordinates,
                                 Value base, Value factors, const TapRule &rule) {
  SmallVector<Value> operands{coordinates};
  if (base)
    operands.push_back(base);
  SmallVector<NamedAttribute> attributes{
      b.getNamedAttr("mode", SamplingModeAttr::get(b.getContext(), rule.mode)),
      b.getNamedAttr("padding", SamplingPaddingAttr::get(b.getContext(), rule.padding)),
      b.getNamedAttr("extents", b.getDenseI64ArrayAttr(rule.extents))};
  auto flag = [&](StringRef name, bool isSet) {
    if (isSet)
      attributes.push_back(b.getNamedAttr(name, b.getUnitAttr()));
  };
  flag("normalized", rule.normalized);
  flag("align_corners", rule.alignCorners);
  flag("last_first", rule.lastFirst);
  FailureOr<Operation *> taps =
      createChecked(node, b, SampleTapsOp::getOperationName(), operands, attributes);
  if (failed(taps))
    return failure();
  Value places = (*taps)->getResult(0), weights = (*taps)->getResult(1);
  if (factors) {
    factors = castTo(b, node.loc, factors, tensorType(weights).getElementType());
    weights = MulOp::create(b, node.loc, weights, factors);
  }
  return importOp<SampleOp>(node, b, {input, places, weights});
}

//===----------------------------------------------------------------------===//
// GridSample
//===----------------------------------------------------------------------===//

static FailureOr<TapRule> importGridRule(OnnxNode &node, size_t rank) {
  TapRule rule;
  bool isOld = node.version < 20;
  std::string mode = node.getString("mode", isOld ? "bilinear" : "linear");
  std::optional<SamplingMode> known;
  if (mode == "nearest")
    known = SamplingMode::Nearest;
  else if (mode == (isOld ? "bilinear" : "linear"))
    known = SamplingMode::Linear;
  else if (mode == (isOld ? "bicubic" : "cubic"))
    known = SamplingMode::Cubic;
  if (!known)
    return node.emitError() << "has mode = '" << mode << "': known are nearest, "
                            << (isOld ? "bilinear and bicubic" : "linear and cubic");
  std::string padding = node.getString("padding_mode", "zeros");
  std::optional<SamplingPadding> knownPadding = symbolizeSamplingPadding(padding);
  if (!knownPadding)
    return node.emitError() << "has padding_mode = '" << padding
                            << "': known are zeros, border and reflection";
  if (*known == SamplingMode::Cubic && rank > 2)
    return node.emitError() << "reads with mode '" << mode << "' along " << rank
                            << " dimensions: at most 2 are supported";
  rule.mode = *known;
  rule.padding = *knownPadding;
  rule.normalized = rule.lastFirst = true;
  rule.alignCorners = node.getInt("align_corners", 0) != 0;
  return rule;
}

static FailureOr<Value> importGridSample(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 2)) || failed(checkFloats(node)))
    return failure();
  Value input = node.input(0), grid = node.input(1);
  RankedTensorType type = tensorType(input), gridType = tensorType(grid);
  int64_t rank = type.getRank() - 2;
  bool isOld = node.version < 20;
  if (rank < 1 || rank > 3 || (isOld && rank != 2) || gridType.getRank() != type.getRank() ||
      gridType.getShape().back() != rank || gridType.getDimSize(0) != type.getDimSize(0))
    return node.emitError() << "needs [n, c, spatial..] with " << (isOld ? "2" : "1 to 3")
                            << " spatial dimensions, and a grid [n, spatial.., their number], but "
                               "has "
                            << type << " and " << gridType;
  ArrayRef<int64_t> extents = type.getShape().drop_front(2);
  ArrayRef<int64_t> points = gridType.getShape().drop_front().drop_back();
  if (llvm::is_contained(extents, 0))
    return node.emitError() << "there is nothing to sample in " << type;
  FailureOr<TapRule> rule = importGridRule(node, rank);
  FailureOr<int64_t> count = checkedProduct(node, points);
  if (failed(rule) || failed(count) || node.hadError)
    return failure();
  rule->extents.assign(extents.begin(), extents.end());
  int64_t n = type.getDimSize(0), channels = type.getDimSize(1);
  input = reshapeTo(builder, node.loc, input, {n, channels, llvm::product_of(extents, int64_t(1))});
  grid = reshapeTo(builder, node.loc, grid, {n, *count, rank});
  FailureOr<Value> result = sampleAt(node, builder, input, grid, Value(), Value(), *rule);
  if (failed(result))
    return failure();
  SmallVector<int64_t> shape{n, channels};
  llvm::append_range(shape, points);
  return reshapeTo(builder, node.loc, *result, shape);
}

//===----------------------------------------------------------------------===//
// AffineGrid
//===----------------------------------------------------------------------===//

/// Coordinates of the elements of an axis, from -1 to 1 (as GridSample takes them), in `type`: with
/// extent 1 along all dimensions of `rank` but `axis`.
static Value gridCoordinates(OpBuilder &b, Location loc, int64_t rank, int64_t axis, int64_t extent,
                             bool alignCorners, Type type) {
  // As PyTorch has it: the only element lies in the middle.
  double step = alignCorners ? extent == 1 ? 0 : 2.0 / double(extent - 1) : 2.0 / double(extent);
  double first = extent == 1 ? 0 : alignCorners ? -1 : -1 + step / 2;
  auto number = [&](double x) { return splat(b, loc, RankedTensorType::get({}, type), x); };
  Value index = castTo(b, loc, indexAlong(b, loc, rank, axis, extent), type);
  Value scaled = MulOp::create(b, loc, index, number(step));
  return AddOp::create(b, loc, scaled, number(first));
}

/// AffineGrid (opset 20-28): theta [n, d, d + 1] times the coordinates of each element.
FailureOr<SmallVector<Value>> SampleTapsOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  Value theta = node.input(0);
  RankedTensorType type = tensorType(theta);
  // The grid has no channels: any number will do.
  FailureOr<GivenNumbers> given = givenInts(node, 1, "size", 0, [](ArrayRef<int64_t> declared) {
    SmallVector<int64_t> numbers(declared);
    if (numbers.size() >= 2 && numbers.back() == int64_t(numbers.size()) - 2) {
      numbers.pop_back();
      numbers.insert(numbers.begin() + 1, kAnyNumber);
      return numbers;
    }
    return SmallVector<int64_t>();
  });
  if (failed(given))
    return failure();
  SmallVector<int64_t> *size = &given->numbers;
  int64_t rank = int64_t(size->size()) - 2;
  if ((rank != 2 && rank != 3) || !isa<FloatType>(type.getElementType()) ||
      type.getShape() != ArrayRef<int64_t>{size->front(), rank, rank + 1})
    return node.emitError() << "needs theta [n, 2, 3] with size [n, c, h, w], or [n, 3, 4] with "
                               "[n, c, d, h, w], but has "
                            << type << " and [" << ArrayRef<int64_t>(*size) << "]";
  SmallVector<int64_t> shape{size->front()};
  for (int64_t extent : ArrayRef(*size).drop_front(2)) {
    if (extent < 1 || extent > kMostAlong)
      return node.emitError() << "has " << extent << " in size [" << ArrayRef<int64_t>(*size)
                              << "]: each must be at least 1 and at most " << kMostAlong;
    shape.push_back(extent);
  }
  shape.push_back(rank);
  bool alignCorners = node.getInt("align_corners", 0) != 0;
  if (failed(checkedProduct(node, shape)) || node.hadError)
    return failure();
  Location loc = node.loc;
  Type computed = KernelBuilder::computeType(type.getElementType());
  theta = castTo(builder, loc, theta, computed);
  Value sum;
  for (int64_t j = 0; j <= rank; ++j) {
    FailureOr<Value> column =
        importStepped<SliceOp>(node, builder, theta, {0, 0, j}, {size->front(), rank, 1});
    if (failed(column))
      return failure();
    SmallVector<int64_t> apart(rank + 2, 1);
    apart.front() = size->front();
    apart.back() = rank;
    Value part = reshapeTo(builder, loc, *column, apart);
    int64_t axis = rank - j; // of the grid; x is the last
    if (j < rank)
      part = MulOp::create(
          builder, loc, part,
          gridCoordinates(builder, loc, rank + 2, axis, shape[axis], alignCorners, computed));
    sum = sum ? AddOp::create(builder, loc, sum, part) : part;
  }
  Value grid = castTo(builder, loc, sum, type.getElementType());
  return SmallVector<Value>{expectNumbers(node, builder, 1, *given, grid)};
}

//===----------------------------------------------------------------------===//
// DeformConv
//===----------------------------------------------------------------------===//

namespace {
/// The operands of a DeformConv and what they say.
struct DeformedConvolution {
  Value input, filter, offset, bias, mask;
  ArrayRef<int64_t> image, taps;
  SmallVector<int64_t> strides, dilations, pads, points;
  int64_t n, channels, filters, groups, offsetGroups;

  static FailureOr<DeformedConvolution> read(OnnxNode &node);
  LogicalResult readWindow(OnnxNode &node);
  /// [taps * points, 2]: where each tap of each point lies without its offset.
  Value base(OpBuilder &b, Location loc, Type type) const;
};
} // namespace

LogicalResult DeformedConvolution::readWindow(OnnxNode &node) {
  FailureOr<SmallVector<int64_t>> kernel = importInts(node, "kernel_shape", 2, 0);
  FailureOr<SmallVector<int64_t>> s = importInts(node, "strides", 2, 1);
  FailureOr<SmallVector<int64_t>> d = importInts(node, "dilations", 2, 1);
  FailureOr<SmallVector<int64_t>> p = importInts(node, "pads", 4, 0);
  if (failed(kernel) || failed(s) || failed(d) || failed(p))
    return failure();
  if (node.hasAttribute("kernel_shape") && ArrayRef(*kernel) != taps)
    return node.emitError() << "has kernel_shape [" << ArrayRef<int64_t>(*kernel)
                            << "], but its filter has [" << taps << "]";
  strides = *s;
  dilations = *d;
  pads = *p;
  for (size_t i = 0; i < 2; ++i) {
    for (int64_t number : {strides[i], dilations[i], taps[i], image[i]})
      if (number < 1 || number > kMostAlong)
        return node.emitError() << "has " << number
                                << " among strides, dilations and extents: each "
                                << "must be at least 1 and at most " << kMostAlong;
    for (int64_t number : {pads[i], pads[2 + i]})
      if (number < 0 || number > kMostAlong)
        return node.emitError() << "has a pad of " << number
                                << ": each must be at least 0 and at most " << kMostAlong;
    if (taps[i] > kMostAlong / dilations[i])
      return node.emitError() << "has a filter of " << taps[i] << " taps that lie " << dilations[i]
                              << " apart: it is too large";
    int64_t reach = dilations[i] * (taps[i] - 1) + 1, room = image[i] + pads[i] + pads[2 + i];
    if (reach > room)
      return node.emitError() << "has a filter that spans " << reach << " elements, more than the "
                              << room << " of the input with its pads";
    points.push_back((room - reach) / strides[i] + 1);
  }
  return success();
}

FailureOr<DeformedConvolution> DeformedConvolution::read(OnnxNode &node) {
  if (failed(node.expectInputs(3, 5)) || failed(checkFloats(node)))
    return failure();
  DeformedConvolution c{node.input(0),
                        node.input(1),
                        node.input(2),
                        node.input(3),
                        node.input(4),
                        {},
                        {},
                        {},
                        {},
                        {},
                        {},
                        0,
                        0,
                        0,
                        0,
                        0};
  RankedTensorType type = tensorType(c.input), filter = tensorType(c.filter);
  if (type.getRank() != 4 || filter.getRank() != 4)
    return node.emitError() << "needs [n, c, h, w] and a filter [k, c, r, s], but has " << type
                            << " and " << filter;
  for (Value operand : node.inputs)
    if (operand && tensorType(operand).getElementType() != type.getElementType())
      return node.emitError() << "inputs must have one element type, but are " << type << " and "
                              << operand.getType();
  c.image = type.getShape().drop_front(2);
  c.taps = filter.getShape().drop_front(2);
  c.n = type.getDimSize(0);
  c.channels = type.getDimSize(1);
  c.filters = filter.getDimSize(0);
  c.groups = node.getInt("group", 1);
  c.offsetGroups = node.getInt("offset_group", 1);
  if (failed(c.readWindow(node)) || node.hadError)
    return failure();
  bool fits = c.groups >= 1 && c.offsetGroups >= 1 && c.channels % c.groups == 0 &&
              c.channels % c.offsetGroups == 0 && c.filters % c.groups == 0 &&
              filter.getDimSize(1) == c.channels / c.groups;
  if (!fits)
    return node.emitError() << "the channels of " << type << " and " << filter
                            << " are not those of " << c.groups << " groups and " << c.offsetGroups
                            << " of offsets";
  FailureOr<int64_t> count =
      checkedProduct(node, {c.n, c.channels, c.taps[0], c.taps[1], c.points[0], c.points[1], 4});
  FailureOr<int64_t> offsets = checkedProduct(node, {c.offsetGroups, c.taps[0], c.taps[1], 2});
  if (failed(count) || failed(offsets))
    return failure();
  auto expect = [&](Value x, StringRef name, ArrayRef<int64_t> shape) -> LogicalResult {
    if (!x || tensorType(x).getShape() == shape)
      return success();
    return node.emitError() << "the " << name << " is " << x.getType() << ", not "
                            << type.clone(shape);
  };
  if (failed(expect(c.offset, "offset", {c.n, *offsets, c.points[0], c.points[1]})) ||
      failed(expect(c.mask, "mask", {c.n, *offsets / 2, c.points[0], c.points[1]})) ||
      failed(expect(c.bias, "bias", {c.filters})))
    return failure();
  return c;
}

Value DeformedConvolution::base(OpBuilder &b, Location loc, Type type) const {
  SmallVector<int64_t> whole{taps[0], taps[1], points[0], points[1], 1};
  SmallVector<Value> axes;
  for (int64_t d = 0; d < 2; ++d) {
    auto counted = [&](int64_t axis, int64_t extent, int64_t step) -> Value {
      Value index = castTo(b, loc, indexAlong(b, loc, 5, axis, extent), type);
      return MulOp::create(b, loc, index,
                           splat(b, loc, RankedTensorType::get({}, type), double(step)));
    };
    Value x = AddOp::create(b, loc, counted(d, taps[d], dilations[d]),
                            counted(2 + d, points[d], strides[d]));
    x = AddOp::create(b, loc, x, splat(b, loc, RankedTensorType::get({}, type), -double(pads[d])));
    axes.push_back(BroadcastOp::create(b, loc, x, whole));
  }
  Value both = ConcatOp::create(b, loc, axes, 4);
  return reshapeTo(b, loc, both, {llvm::product_of(whole, int64_t(1)), 2});
}

FailureOr<Value> ampc::importDeformConv(OnnxNode &node, OpBuilder &b) {
  FailureOr<DeformedConvolution> read = DeformedConvolution::read(node);
  if (failed(read))
    return failure();
  const DeformedConvolution &c = *read;
  Location loc = node.loc;
  int64_t taps = c.taps[0] * c.taps[1], points = c.points[0] * c.points[1];
  int64_t images = c.n * c.offsetGroups;
  // Places in f32 at least: a low type does not tell elements apart.
  Type computed = KernelBuilder::computeType(tensorType(c.input).getElementType());
  Value offset = castTo(b, loc, c.offset, computed);
  offset = reshapeTo(b, loc, offset, {images, taps, 2, points});
  offset = TransposeOp::create(b, loc, offset, ArrayRef<int64_t>{0, 1, 3, 2});
  offset = reshapeTo(b, loc, offset, {images, taps * points, 2});
  Value mask = c.mask ? reshapeTo(b, loc, c.mask, {images, taps * points, 1}) : Value();
  Value input =
      reshapeTo(b, loc, c.input, {images, c.channels / c.offsetGroups, c.image[0] * c.image[1]});
  TapRule rule;
  rule.extents.assign(c.image.begin(), c.image.end());
  FailureOr<Value> columns = sampleAt(node, b, input, offset, c.base(b, loc, computed), mask, rule);
  if (failed(columns))
    return failure();
  int64_t depth = c.channels / c.groups * taps;
  Value matrix = reshapeTo(b, loc, *columns, {c.n, c.groups, depth, points});
  Value filter = reshapeTo(b, loc, c.filter, {1, c.groups, c.filters / c.groups, depth});
  FailureOr<Value> product = importOp<MatMulOp>(node, b, {filter, matrix});
  if (failed(product))
    return failure();
  Value result = reshapeTo(b, loc, *product, {c.n, c.filters, c.points[0], c.points[1]});
  if (c.bias)
    result = AddOp::create(b, loc, result, reshapeTo(b, loc, c.bias, {1, c.filters, 1, 1}));
  return result;
}

FailureOr<SmallVector<Value>> SampleOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return single(importGridSample(node, builder));
}
