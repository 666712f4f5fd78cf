//===- Slice.cpp - Slices, pads and concatenation -------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "AttentionBuilder.h"
#include "Expected.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// concat
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> ConcatOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "RotaryEmbedding")
    return single(importRotaryEmbedding(node, builder));
  size_t count = node.inputs.size();
  if (failed(node.expectInputs(std::max<size_t>(1, count), std::max<size_t>(1, count))))
    return failure();
  if (node.version >= 4 && !node.hasAttribute("axis"))
    return node.emitError() << "lacks the attribute 'axis'";
  FailureOr<int64_t> axis =
      normalizeAxis(node, node.getInt("axis", 1), tensorType(node.input(0)).getRank());
  if (failed(axis))
    return failure();
  return single(importOp<ConcatOp>(node, builder, node.inputs,
                                   builder.getNamedAttr("axis", builder.getI64IntegerAttr(*axis))));
}

LogicalResult ConcatOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                         Adaptor adaptor, SmallVectorImpl<Type> &types) {
  if (adaptor.getInputs().empty())
    return inferenceError(location, "has nothing to concatenate");
  RankedTensorType first = tensorType(adaptor.getInputs().front());
  int64_t axis = adaptor.getAxis();
  if (axis < 0 || axis >= first.getRank())
    return inferenceError(location, "axis ", axis, " is out of range for ", first);
  SmallVector<int64_t> shape(first.getShape());
  for (Value input : adaptor.getInputs().drop_front()) {
    RankedTensorType type = tensorType(input);
    bool fits =
        type.getElementType() == first.getElementType() && type.getRank() == first.getRank();
    for (int64_t d = 0; fits && d < type.getRank(); ++d)
      fits = d == axis || type.getDimSize(d) == first.getDimSize(d);
    if (!fits) // concat_c1
      return inferenceError(location, "cannot concatenate ", first, " and ", type, " along axis ",
                            axis);
    shape[axis] += type.getDimSize(axis);
  }
  types.push_back(first.clone(shape));
  return success();
}

int64_t ConcatOp::getJoinedDim() { return getAxis(); }

OpFoldResult ConcatOp::fold(FoldAdaptor adaptor) {
  if (getInputs().size() == 1)
    return getInputs().front();
  // Shapes are put together along axis 0, where concatenation is that of the
  // elements.
  if (getAxis() != 0 || getType().getNumElements() > 1024)
    return {};
  SmallVector<Attribute> elements;
  for (Attribute input : adaptor.getInputs()) {
    auto dense = dyn_cast_if_present<DenseElementsAttr>(input);
    if (!dense)
      return {};
    llvm::append_range(elements, dense.getValues<Attribute>());
  }
  return DenseElementsAttr::get(getType(), elements);
}

namespace {
/// What was reshaped alike before it was put together is put together before it is reshaped: heads,
/// say, that were merged into one dimension. Then nothing stands between the concatenation and what
/// makes its inputs, and they are one kernel.
struct ConcatBeforeReshape : OpRewritePattern<ConcatOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConcatOp op, PatternRewriter &rewriter) const override {
    int64_t axis = op.getAxis();
    ArrayRef<int64_t> shape = op.getType().getShape();
    SmallVector<Value> inputs;
    for (Value input : op.getInputs()) {
      auto reshape = input.getDefiningOp<ReshapeOp>();
      if (!reshape)
        return failure();
      inputs.push_back(reshape.getInput());
    }
    // [before.., part of the axis, behind..], where what is behind makes up whole steps of the
    // axis.
    RankedTensorType first = tensorType(inputs.front());
    if (first.getRank() <= op.getType().getRank() || first.getNumElements() == 0 ||
        first.getShape().take_front(axis) != shape.take_front(axis))
      return failure();
    ArrayRef<int64_t> behind = first.getShape().drop_front(axis + 1);
    int64_t step = llvm::product_of(behind, int64_t(1));
    if (step % llvm::product_of(shape.drop_front(axis + 1), int64_t(1)) != 0)
      return failure();
    for (Value input : inputs) {
      ArrayRef<int64_t> of = tensorType(input).getShape();
      if (of.size() != first.getShape().size() || of.take_front(axis) != shape.take_front(axis) ||
          of.drop_front(axis + 1) != behind)
        return failure();
    }
    auto joined = ConcatOp::create(rewriter, op.getLoc(), inputs, axis);
    joined->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    rewriter.replaceOp(op, reshapeTo(rewriter, op.getLoc(), joined, shape));
    return success();
  }
};
} // namespace

void ConcatOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<ConcatBeforeReshape>(context);
}

// d input = the slice of g that it became
void ConcatOp::buildGradient(GradientBuilder &gradient) {
  SmallVector<int64_t> starts(getType().getRank(), 0), steps(getType().getRank(), 1);
  for (auto [i, input] : llvm::enumerate(getInputs())) {
    ArrayRef<int64_t> shape = tensorType(input).getShape();
    if (gradient.needs(i))
      gradient.set(i, gradient.create<SliceOp>(gradient.resultGradient(), ArrayRef<int64_t>(starts),
                                               shape, ArrayRef<int64_t>(steps)));
    starts[getAxis()] += shape[getAxis()];
  }
}

SmallVector<Value> ConcatOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  int64_t axis = getAxis();
  SmallVector<Value> inputs; // those that have elements to read
  for (Value input : operands)
    if (tensorType(input).getNumElements() != 0)
      inputs.push_back(input);
  if (inputs.empty())
    return {kernel.splat(getType(), 0)};
  if (inputs.size() == 1)
    return {inputs.front()};
  // A kernel takes so many buffers: of very many, parts are put together first.
  constexpr size_t kMostInputs = 32;
  while (inputs.size() > 1) {
    SmallVector<Value> parts;
    for (ArrayRef<Value> rest = inputs; !rest.empty();
         rest = rest.drop_front(std::min(rest.size(), kMostInputs))) {
      ArrayRef<Value> part = rest.take_front(kMostInputs);
      parts.push_back(part.size() == 1 ? part.front() : kernel.concat(part, axis));
    }
    inputs = std::move(parts);
  }
  return inputs;
}

//===----------------------------------------------------------------------===//
// slice: import
//===----------------------------------------------------------------------===//

/// Starts and ends count from the end where they are negative, and are clamped.
static FailureOr<Value> importSlice(OnnxNode &node, OpBuilder &builder) {
  bool areAttributes = node.version < 10;
  if (failed(node.expectInputs(areAttributes ? 1 : 3, areAttributes ? 1 : 5)))
    return failure();
  SmallVector<int64_t> given[4];
  for (auto [i, name] : llvm::enumerate(ArrayRef<StringRef>{"starts", "ends", "axes", "steps"})) {
    FailureOr<std::optional<SmallVector<int64_t>>> ints = intsOf(node, name, i + 1, 10);
    if (failed(ints))
      return failure();
    if (*ints)
      given[i] = **ints;
    else if (i < 2)
      return node.emitError() << "lacks the attribute '" << name << "'";
    else if (i == 2)
      given[i] = llvm::to_vector(llvm::seq<int64_t>(0, given[0].size()));
    else
      given[i].assign(given[0].size(), 1);
    if (given[i].size() != given[0].size())
      return node.emitError() << "has " << given[0].size() << " starts, but " << given[i].size()
                              << " " << name;
  }
  RankedTensorType type = tensorType(node.input(0));
  SmallVector<int64_t> starts(type.getRank(), 0), steps(type.getRank(), 1);
  SmallVector<int64_t> sizes(type.getShape());
  SmallVector<bool> seen(type.getRank(), false);
  for (auto [start, end, axis, step] : llvm::zip(given[0], given[1], given[2], given[3])) {
    FailureOr<int64_t> d = normalizeAxis(node, axis, type.getRank());
    if (failed(d))
      return failure();
    if (step == 0 || seen[*d])
      return node.emitError() << (step == 0 ? "has a step of 0 along axis "
                                            : "slices twice along axis ")
                              << axis;
    seen[*d] = true;
    int64_t extent = type.getDimSize(*d);
    // The places lie in [0, extent) forwards, in (-1, extent - 1] backwards.
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? extent : extent - 1;
    auto clamp = [&](int64_t at) {
      if (at < 0)
        at = at < -extent ? low : at + extent;
      return std::clamp(at, low, std::max(low, high));
    };
    int64_t from = clamp(start), to = clamp(end);
    int64_t distance = step > 0 ? to - from : from - to;
    // A step of INT64_MIN has no absolute value, and any beyond the extent are
    // equal.
    int64_t stride = std::min<uint64_t>(step > 0 ? uint64_t(step) : 0 - uint64_t(step),
                                        uint64_t(std::max<int64_t>(extent, 1)));
    sizes[*d] = distance <= 0 ? 0 : (distance + stride - 1) / stride;
    starts[*d] = sizes[*d] == 0 ? 0 : from;
    steps[*d] = sizes[*d] == 0 ? 1 : step > 0 ? stride : -stride;
  }
  return importStepped<SliceOp>(node, builder, node.input(0), starts, sizes, steps);
}

/// The sizes of the parts where they come with the batch: the declared ones of the outputs.
static FailureOr<SmallVector<int64_t>> declaredParts(OnnxNode &node, int64_t axis) {
  RankedTensorType type = tensorType(node.input(0));
  SmallVector<int64_t> parts;
  for (size_t i = 0; i < node.outputNames.size(); ++i) {
    FailureOr<SmallVector<int64_t>> declared = requireDeclared(node, i, 1, "split");
    if (failed(declared))
      return failure();
    SmallVector<int64_t> part = extentsAlong(type, *declared, axis);
    if (part.empty() ||
        tensorType(node.input(1)).getShape() != ArrayRef<int64_t>{int64_t(node.outputNames.size())})
      return emitDeclaredError(node, i, 1, *declared);
    parts.push_back(part.front());
  }
  return parts;
}

static FailureOr<SmallVector<Value>> importSplit(OnnxNode &node, OpBuilder &builder) {
  // Sizes are an input in opset 1 and since 13, else an attribute.
  bool hasInput = node.version < 2 || node.version >= 13;
  if (node.version < 2)
    node.knowAttributes({"split"});
  if (failed(node.expectInputs(1, hasInput ? 2 : 1)))
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  FailureOr<int64_t> axis = normalizeAxis(node, node.getInt("axis", 0), type.getRank());
  if (failed(axis))
    return failure();
  bool isExpected = hasInput && isGivenLater(node, 1);
  FailureOr<std::optional<SmallVector<int64_t>>> given;
  if (isExpected)
    given = declaredParts(node, *axis);
  else
    given = intsOf(node, "split", 1, hasInput && node.input(1) ? 0 : 13);
  if (failed(given))
    return failure();
  int64_t extent = type.getDimSize(*axis), count = node.outputNames.size();
  int64_t named = node.version < 18 ? count : node.getInt("num_outputs", count);
  SmallVector<int64_t> parts;
  if (*given) {
    parts = **given;
  } else {
    if (named != count || count == 0)
      return node.emitError() << "'num_outputs' is " << named << ", but there are " << count
                              << " outputs";
    // Since opset 18 the last part may be smaller.
    if (node.version < 18 && extent % count != 0)
      return node.emitError() << "cannot split " << extent << " elements along axis " << *axis
                              << " into " << count << " equal parts";
    int64_t part = (extent + count - 1) / count;
    for (int64_t i = 0; i < count; ++i)
      parts.push_back(std::clamp<int64_t>(extent - i * part, 0, part));
  }
  int64_t sum = 0;
  for (int64_t part : parts) {
    if (part < 0 || part > extent - sum)
      sum = -1;
    if (sum < 0)
      break;
    sum += part;
  }
  if (sum != extent || int64_t(parts.size()) != count) {
    InFlightDiagnostic error = node.emitError();
    error << "parts of [";
    llvm::interleaveComma(parts, error);
    return error << "] do not make " << count << " outputs from " << extent
                 << " elements along axis " << *axis << " of " << type;
  }
  SmallVector<int64_t> starts(type.getRank(), 0), steps(type.getRank(), 1);
  SmallVector<int64_t> sizes(type.getShape());
  SmallVector<Value> results;
  for (auto [i, part] : llvm::enumerate(parts)) {
    sizes[*axis] = part;
    Value result;
    if (node.hasOutput(i)) {
      FailureOr<Value> slice =
          importStepped<SliceOp>(node, builder, node.input(0), starts, sizes, steps);
      if (failed(slice))
        return failure();
      result = expectNumbers(node, builder, 1, {parts, isExpected}, *slice);
    }
    results.push_back(result);
    // An empty part at the end would start outside.
    starts[*axis] = std::min(starts[*axis] + part, std::max<int64_t>(extent - 1, 0));
  }
  return results;
}

FailureOr<SmallVector<Value>> SliceOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "Split")
    return importSplit(node, builder);
  return single(importSlice(node, builder));
}

//===----------------------------------------------------------------------===//
// slice
//===----------------------------------------------------------------------===//

/// Whether `starts + i * steps` for i in [0, sizes) lies within `shape`.
static LogicalResult checkPlaces(std::optional<Location> loc, RankedTensorType type,
                                 ArrayRef<int64_t> starts, ArrayRef<int64_t> sizes,
                                 ArrayRef<int64_t> steps, ArrayRef<int64_t> shape) {
  size_t rank = shape.size();
  if (starts.size() != rank || sizes.size() != rank || steps.size() != rank)
    return inferenceError(loc, "needs ", rank, " starts, sizes and steps for ", type);
  for (size_t d = 0; d < rank; ++d) {
    int64_t last = 0;
    bool overflows = sizes[d] > 0 && (llvm::MulOverflow(sizes[d] - 1, steps[d], last) ||
                                      llvm::AddOverflow(starts[d], last, last));
    bool isInside = sizes[d] == 0 || (sizes[d] > 0 && !overflows && starts[d] >= 0 &&
                                      starts[d] < shape[d] && last >= 0 && last < shape[d]);
    if (!isInside || steps[d] == 0)
      return inferenceError(loc, "along dimension ", d, ", ", sizes[d], " places from ", starts[d],
                            " on in steps of ", steps[d], " do not lie in [0, ", shape[d], ")");
  }
  return success();
}

LogicalResult SliceOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                        Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  if (failed(checkPlaces(location, type, adaptor.getStarts(), adaptor.getSizes(),
                         adaptor.getSteps(),
                         type.getShape()))) // slice_c1
    return failure();
  types.push_back(type.clone(adaptor.getSizes()));
  return success();
}

OpFoldResult SliceOp::fold(FoldAdaptor adaptor) {
  auto isOne = [](int64_t step) { return step == 1; };
  if (getInput().getType() == getType() && llvm::all_of(getSteps(), isOne))
    return getInput();
  SmallVector<int64_t> strides = stridesOf(getInput().getType().getShape()), steps;
  int64_t start = 0;
  for (auto [d, stride] : llvm::enumerate(strides)) {
    start += getStarts()[d] * stride;
    steps.push_back(getSteps()[d] * stride);
  }
  if (Attribute moved = foldMove(adaptor.getInput(), getType(), [&](int64_t i) {
        return start + place(i, getType().getShape(), steps);
      }))
    return moved;
  return {};
}

// dx = g in its places, 0 elsewhere
void SliceOp::buildGradient(GradientBuilder &gradient) {
  gradient.set(0,
               gradient.create<PadOp>(gradient.resultGradient(), getStarts(),
                                      getInput().getType().getShape(), getSteps(), APFloat(0.0)));
}

SmallVector<Value> SliceOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.slice(operands[0], getStarts(), getSizes(), getSteps())};
}

//===----------------------------------------------------------------------===//
// pad
//===----------------------------------------------------------------------===//

LogicalResult PadOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                      Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  if (llvm::any_of(adaptor.getSizes(), [](int64_t extent) { return extent < 0; }))
    return inferenceError(location, "sizes must not be negative");
  if (adaptor.getSizes().size() != size_t(type.getRank()))
    return inferenceError(location, "needs ", type.getRank(), " sizes for ", type);
  if (failed(checkPlaces(location, type, adaptor.getStarts(), type.getShape(), adaptor.getSteps(),
                         adaptor.getSizes()))) // pad_c1
    return failure();
  types.push_back(type.clone(adaptor.getSizes()));
  return success();
}

// dx = the slice of g where x went
bool PadOp::isLinearIn(ArrayRef<bool>) { return getValue().isZero(); }

void PadOp::buildGradient(GradientBuilder &gradient) {
  gradient.set(0, gradient.create<SliceOp>(gradient.resultGradient(), getStarts(),
                                           getInput().getType().getShape(), getSteps()));
}

/// A pad whose places are neither side by side nor whole steps: each element looks for its place.
static Value padByPlace(PadOp op, KernelBuilder &kernel, Value input) {
  RankedTensorType from = tensorType(input);
  auto pick = [&](ScalarBuilder &s, ValueRange indices) {
    SmallVector<Value> at;
    Value isInside = s.constant(s.builder.getI1Type(), int64_t(1));
    for (auto [d, index] : llvm::enumerate(indices)) {
      auto constant = [&, index = index](int64_t x) { return s.constantLike(index, double(x)); };
      int64_t start = op.getStarts()[d], step = op.getSteps()[d], extent = from.getDimSize(d);
      Value place = index;
      if (start != 0 || step != 1 || extent != op.getType().getDimSize(d)) {
        Value distance = s.sub(index, constant(start));
        place = step == 1 ? distance : s.div(distance, constant(step));
        if (step != 1) // division truncates: also excludes what lies before the start
          isInside = s.logicalAnd(isInside, s.equal(s.mul(place, constant(step)), distance));
        isInside = s.logicalAnd(isInside, s.greaterOrEqual(place, constant(0)));
        isInside = s.logicalAnd(isInside, s.less(place, constant(extent)));
        place = s.minimum(s.maximum(place, constant(0)), constant(extent - 1));
      }
      at.push_back(place);
    }
    Value element = kernel.load(s, input, at);
    return s.select(isInside, element, s.constantLike(element, op.getValue().convertToDouble()));
  };
  return kernel.generate(op.getType(), pick);
}

SmallVector<Value> PadOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  Value x = operands[0];
  ArrayRef<int64_t> from = tensorType(x).getShape(), to = getType().getShape();
  double value = getValue().convertToDouble();
  if (tensorType(x).getNumElements() == 0 || getType().getNumElements() == 0)
    return {kernel.splat(getType(), value)};
  // Steps backwards are a pad of the reversed input. Every third place, say, is the first of
  // three columns, of which the others are empty.
  bool isReversed = false;
  SmallVector<int64_t> last, backwards, shape, starts, sizes;
  for (auto [d, step] : llvm::enumerate(getSteps())) {
    int64_t extent = from[d], start = getStarts()[d];
    bool goesBack = step < 0 && extent > 1;
    isReversed |= goesBack;
    last.push_back(goesBack ? extent - 1 : 0);
    backwards.push_back(goesBack ? -1 : 1);
    if (goesBack)
      start += (extent - 1) * step;
    int64_t distance = extent == 1 ? 1 : std::abs(step);
    if (to[d] % distance != 0)
      return {padByPlace(*this, kernel, x)};
    shape.push_back(extent);
    starts.push_back(start / distance);
    sizes.push_back(to[d] / distance);
    if (distance == 1)
      continue;
    shape.push_back(1);
    starts.push_back(start % distance);
    sizes.push_back(distance);
  }
  if (isReversed)
    x = kernel.slice(x, last, from, backwards);
  x = kernel.pad(kernel.reshape(x, shape), starts, sizes, value);
  return {kernel.reshape(x, to)};
}

//===----------------------------------------------------------------------===//
// Values.h
//===----------------------------------------------------------------------===//

Value ampc::buildConcatenation(OpBuilder &b, Location loc, ValueRange parts, int64_t axis) {
  return ConcatOp::create(b, loc, parts, axis);
}
