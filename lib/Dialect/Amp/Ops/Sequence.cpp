//===- Sequence.cpp - Lists of tensors at import --------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Sequences.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// What Loop and Scan share
//===----------------------------------------------------------------------===//

Value ampc::buildSequence(OpBuilder &b, Location loc, ValueRange elements) {
  return SequenceOp::create(b, loc, elements);
}

OperandRange ampc::getElements(Value sequence) {
  return sequence.getDefiningOp<SequenceOp>().getElements();
}

LogicalResult ampc::expectTensor(OnnxNode &node, unsigned i) {
  if (!isSequence(node.input(i)))
    return success();
  return node.emitError() << "input " << i << ", '" << node.inputNames[i]
                          << "', is a sequence, but should be a tensor";
}

FailureOr<SmallVector<Value>> ampc::expectSequence(OnnxNode &node, unsigned i) {
  if (isSequence(node.input(i)))
    return SmallVector<Value>(getElements(node.input(i)));
  return node.emitError() << "input " << i << ", '" << node.inputNames[i] << "', is "
                          << node.input(i).getType() << ", but should be a sequence";
}

FailureOr<Value> ampc::importList(OnnxNode &node, OpBuilder &builder, ArrayRef<Value> elements) {
  for (Value element : elements) {
    if (isSequence(element))
      return node.emitError() << "a sequence cannot be an element of a sequence";
    RankedTensorType first = tensorType(elements.front()), type = tensorType(element);
    if (type.getElementType() != first.getElementType())
      return node.emitError() << "the tensors of a sequence have one element type, but there are "
                              << first << " and " << type;
  }
  return buildSequence(builder, node.loc, elements);
}

FailureOr<Value> ampc::importStack(OnnxNode &node, OpBuilder &builder, ArrayRef<Value> parts,
                                   int64_t axis) {
  RankedTensorType first = tensorType(parts.front());
  SmallVector<Value> rows;
  for (Value part : parts) {
    if (part.getType() != first)
      return node.emitError() << "what is stacked must have one shape, but there are " << first
                              << " and " << part.getType();
    SmallVector<int64_t> shape(first.getShape());
    shape.insert(shape.begin() + axis, 1);
    rows.push_back(reshapeTo(builder, node.loc, part, shape));
  }
  return importOp<ConcatOp>(node, builder, rows,
                            builder.getNamedAttr("axis", builder.getI64IntegerAttr(axis)));
}

FailureOr<SmallVector<Value>> ampc::importParts(OnnxNode &node, OpBuilder &builder, Value x,
                                                int64_t axis, ArrayRef<int64_t> sizes) {
  RankedTensorType type = tensorType(x);
  bool isShape = isa<IntegerType>(type.getElementType()) &&
                 type.getNumElements() <= kMaxFoldedElements && node.constantOf(x);
  if (sizes.size() > 1 && !isShape) {
    FailureOr<Operation *> op =
        createChecked(node, builder, SplitOp::getOperationName(), x,
                      {builder.getNamedAttr("axis", builder.getI64IntegerAttr(axis)),
                       builder.getNamedAttr("sizes", builder.getDenseI64ArrayAttr(sizes))});
    if (failed(op))
      return failure();
    return SmallVector<Value>((*op)->getResults());
  }
  SmallVector<int64_t> shape(type.getShape()), starts(shape.size(), 0);
  SmallVector<Value> parts;
  for (int64_t size : sizes) { // which fold
    shape[axis] = size;
    FailureOr<Value> part = importStepped<SliceOp>(node, builder, x, starts, shape);
    if (failed(part))
      return failure();
    parts.push_back(*part);
    // An empty part at the end would start outside.
    starts[axis] = std::min(starts[axis] + size, std::max<int64_t>(type.getDimSize(axis) - 1, 0));
  }
  return parts;
}

FailureOr<SmallVector<Value>> ampc::importRows(OnnxNode &node, OpBuilder &builder, Value x,
                                               int64_t axis) {
  SmallVector<int64_t> shape(tensorType(x).getShape());
  FailureOr<SmallVector<Value>> rows =
      importParts(node, builder, x, axis, SmallVector<int64_t>(shape[axis], 1));
  if (failed(rows))
    return failure();
  shape.erase(shape.begin() + axis);
  for (Value &row : *rows)
    row = reshapeTo(builder, node.loc, row, shape);
  return rows;
}

//===----------------------------------------------------------------------===//
// The operators
//===----------------------------------------------------------------------===//

/// The position at operand `i`, at most `highest`; a negative one counts from the end of `count`
/// elements.
static FailureOr<int64_t> importPosition(OnnxNode &node, unsigned i, int64_t count,
                                         int64_t highest) {
  FailureOr<SmallVector<int64_t>> given = node.constantInts(i, "position");
  if (failed(given))
    return failure();
  if (given->size() != 1)
    return node.emitError() << "the position must be one number, but has " << given->size();
  int64_t position = given->front();
  if (position < -count || position > highest)
    return node.emitError() << "position " << position << " is out of range: the sequence has "
                            << count << (count == 1 ? " tensor" : " tensors");
  return position < 0 ? position + count : position;
}

static FailureOr<Value> importInsert(OnnxNode &node, OpBuilder &builder) {
  FailureOr<SmallVector<Value>> elements = expectSequence(node, 0);
  if (failed(elements))
    return failure();
  int64_t count = elements->size();
  FailureOr<int64_t> position = node.input(2) ? importPosition(node, 2, count, count) : count;
  if (failed(position))
    return failure();
  elements->insert(elements->begin() + *position, node.input(1));
  return importList(node, builder, *elements);
}

static FailureOr<Value> importErase(OnnxNode &node, OpBuilder &builder) {
  FailureOr<SmallVector<Value>> elements = expectSequence(node, 0);
  if (failed(elements))
    return failure();
  int64_t count = elements->size();
  if (count == 0)
    return node.emitError() << "the sequence has no tensor to erase";
  FailureOr<int64_t> position =
      node.input(1) ? importPosition(node, 1, count, count - 1) : count - 1;
  if (failed(position))
    return failure();
  elements->erase(elements->begin() + *position);
  return importList(node, builder, *elements);
}

static FailureOr<Value> importAt(OnnxNode &node) {
  FailureOr<SmallVector<Value>> elements = expectSequence(node, 0);
  if (failed(elements))
    return failure();
  int64_t count = elements->size();
  FailureOr<int64_t> position = importPosition(node, 1, count, count - 1);
  if (failed(position))
    return failure();
  return (*elements)[*position];
}

static FailureOr<Value> importLength(OnnxNode &node, OpBuilder &builder) {
  FailureOr<SmallVector<Value>> elements = expectSequence(node, 0);
  if (failed(elements))
    return failure();
  auto type = RankedTensorType::get({}, builder.getI64Type());
  return buildConstant(builder, node.loc, DenseElementsAttr::get(type, int64_t(elements->size())));
}

/// Parts of one size, the last of what is left; or of the sizes that are listed; or, without
/// either, rows, which keep the axis only where `keepdims` says so.
static FailureOr<Value> importSplit(OnnxNode &node, OpBuilder &builder) {
  if (failed(expectTensor(node, 0)))
    return failure();
  Value x = node.input(0);
  RankedTensorType type = tensorType(x);
  FailureOr<int64_t> axis = normalizeAxis(node, node.getInt("axis", 0), type.getRank());
  bool keepsAxis = node.getInt("keepdims", 1) != 0;
  if (failed(axis))
    return failure();
  int64_t extent = type.getDimSize(*axis);
  SmallVector<int64_t> sizes;
  if (node.input(1)) {
    FailureOr<SmallVector<int64_t>> given = node.constantInts(1, "split");
    if (failed(given))
      return failure();
    sizes = *given;
    int64_t sum = 0;
    bool fits = true;
    for (int64_t size : sizes) { // at most the extent, so that no sum overflows
      fits = fits && size >= 0 && size <= extent - sum;
      sum += fits ? size : 0;
    }
    if (tensorType(node.input(1)).getRank() == 0) {
      if (sizes[0] < 1)
        return node.emitError() << "splits into parts of " << sizes[0] << " elements";
      int64_t part = std::min(sizes[0], std::max<int64_t>(extent, 1));
      sizes.clear();
      for (int64_t start = 0; start < extent; start += part)
        sizes.push_back(std::min(part, extent - start));
    } else if (!fits || sum != extent) {
      InFlightDiagnostic error = node.emitError();
      error << "parts of [";
      llvm::interleaveComma(*given, error);
      return error << "] do not make up the " << extent << " elements along axis " << *axis
                   << " of " << type;
    }
  } else {
    sizes.assign(extent, 1);
  }
  FailureOr<SmallVector<Value>> parts = keepsAxis || node.input(1)
                                            ? importParts(node, builder, x, *axis, sizes)
                                            : importRows(node, builder, x, *axis);
  if (failed(parts))
    return failure();
  return importList(node, builder, *parts);
}

static FailureOr<Value> importConcat(OnnxNode &node, OpBuilder &builder) {
  FailureOr<SmallVector<Value>> elements = expectSequence(node, 0);
  if (failed(elements))
    return failure();
  if (!node.hasAttribute("axis"))
    return node.emitError() << "lacks the attribute 'axis'";
  if (elements->empty())
    return node.emitError() << "the sequence has no tensor to concatenate";
  bool isNew = node.getInt("new_axis", 0) != 0;
  int64_t rank = tensorType(elements->front()).getRank() + isNew;
  FailureOr<int64_t> axis = normalizeAxis(node, node.getInt("axis", 0), rank);
  if (failed(axis))
    return failure();
  if (isNew)
    return importStack(node, builder, *elements, *axis);
  return importOp<ConcatOp>(node, builder, *elements,
                            builder.getNamedAttr("axis", builder.getI64IntegerAttr(*axis)));
}

FailureOr<SmallVector<Value>> SequenceOp::importNode(OnnxNode &node, OpBuilder &builder) {
  StringRef type = node.opType;
  if (type == "Loop")
    return importLoop(node, builder);
  if (type == "Scan")
    return importScan(node, builder);
  if (type == "SequenceMap")
    return importSequenceMap(node, builder);
  if (type == "SequenceEmpty") {
    node.knowAttributes({"dtype"});
    if (failed(node.expectInputs(0, 0)))
      return failure();
    return SmallVector<Value>{buildSequence(builder, node.loc, {})};
  }
  if (type == "SequenceConstruct") {
    size_t count = std::max<size_t>(1, node.inputs.size());
    if (failed(node.expectInputs(count, count)))
      return failure();
    return single(importList(node, builder, node.inputs));
  }
  bool isInsert = type == "SequenceInsert", isAt = type == "SequenceAt";
  bool isSingle = type == "SequenceLength" || type == "ConcatFromSequence";
  if (failed(node.expectInputs(isInsert || isAt ? 2 : 1, isInsert ? 3 : isSingle ? 1 : 2)))
    return failure();
  if (isInsert)
    return single(importInsert(node, builder));
  if (isAt)
    return single(importAt(node));
  if (type == "SequenceErase")
    return single(importErase(node, builder));
  if (type == "SequenceLength")
    return single(importLength(node, builder));
  if (type == "SplitToSequence")
    return single(importSplit(node, builder));
  return single(importConcat(node, builder));
}

//===----------------------------------------------------------------------===//
// split
//===----------------------------------------------------------------------===//

LogicalResult SplitOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                        Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  int64_t axis = adaptor.getAxis();
  if (axis < 0 || axis >= type.getRank())
    return inferenceError(location, "axis ", axis, " is out of range for ", type);
  SmallVector<int64_t> shape(type.getShape());
  int64_t rest = shape[axis];
  for (int64_t size : adaptor.getSizes()) {
    if (size < 0 || size > rest)
      break;
    rest -= size;
    shape[axis] = size;
    types.push_back(type.clone(shape));
  }
  if (rest == 0 && !types.empty() && types.size() == adaptor.getSizes().size())
    return success();
  return inferenceError(location, "its sizes do not make up the extent of axis ", axis, " of ",
                        type); // split_c1
}

// dx = the gradients of the parts, side by side; zeros for a part without one
void SplitOp::buildGradient(GradientBuilder &gradient) {
  SmallVector<Value> parts;
  Type element;
  for (unsigned i = 0; i < getNumResults() && !element; ++i)
    if (Value g = gradient.resultGradient(i))
      element = tensorType(g).getElementType();
  for (auto [i, part] : llvm::enumerate(getParts())) {
    Value g = gradient.resultGradient(i);
    parts.push_back(g ? g
                      : splat(gradient.builder, gradient.loc, tensorType(part).clone(element), 0));
  }
  gradient.set(0, gradient.create<ConcatOp>(ValueRange(parts), getAxis()));
}

SmallVector<Value> SplitOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  SmallVector<int64_t> starts(getInput().getType().getRank(), 0), steps(starts.size(), 1);
  SmallVector<Value> parts;
  for (Value part : getParts()) {
    ArrayRef<int64_t> shape = tensorType(part).getShape();
    parts.push_back(kernel.slice(operands[0], starts, shape, steps));
    // An empty part at the end would start outside.
    starts[getAxis()] =
        std::min(starts[getAxis()] + shape[getAxis()],
                 std::max<int64_t>(getInput().getType().getDimSize(getAxis()) - 1, 0));
  }
  return parts;
}

ResultRange ampc::buildSplit(OpBuilder &b, Location loc, Value x, int64_t axis,
                             ArrayRef<int64_t> sizes) {
  return SplitOp::create(b, loc, x, axis, sizes).getParts();
}

//===----------------------------------------------------------------------===//
// sequence
//===----------------------------------------------------------------------===//

void SequenceOp::build(OpBuilder &builder, OperationState &state, ValueRange elements) {
  build(builder, state, TupleType::get(builder.getContext(), TypeRange(elements)), elements);
}

LogicalResult SequenceOp::verify() {
  if (llvm::equal(getType().getTypes(), getElements().getTypes()))
    return success();
  return emitOpError("has the type ") // sequence_c1
         << getType() << ", which is not that of its " << getElements().size() << " elements";
}
