//===- Shape.cpp - Ops that move elements ---------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "Common.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// reshape: import
//===----------------------------------------------------------------------===//

/// 0 copies the input's extent unless `allowzero`; one -1 takes what remains.
static FailureOr<SmallVector<int64_t>> importReshape(OnnxNode &node) {
  if (failed(node.expectInputs(node.version < 5 ? 1 : 2, node.version < 5 ? 1 : 2)))
    return failure();
  FailureOr<std::optional<SmallVector<int64_t>>> given = intsOf(node, "shape", 1, 5);
  if (failed(given))
    return failure();
  if (!*given)
    return node.emitError() << "lacks the attribute 'shape'";
  RankedTensorType type = tensorType(node.input(0));
  SmallVector<int64_t> shape = **given;
  bool allowZero = node.version >= 14 && node.getInt("allowzero", 0) != 0;
  std::optional<size_t> inferred;
  for (auto [i, extent] : llvm::enumerate(shape)) {
    if (extent == -1 && !inferred) {
      inferred = i;
      extent = 1;
    } else if (extent < 0) {
      return node.emitError() << "the shape has the extent " << extent
                              << (extent == -1 ? " more than once" : "");
    } else if (extent == 0 && !allowZero) {
      if (int64_t(i) >= type.getRank())
        return node.emitError() << "extent " << i << " of the shape is 0, which copies an"
                                << " extent of the input, but the input is " << type;
      extent = type.getDimSize(i);
    }
  }
  FailureOr<int64_t> count = checkedProduct(node, shape);
  if (failed(count))
    return failure();
  if (inferred && *count != 0 && type.getNumElements() % *count == 0) {
    shape[*inferred] = type.getNumElements() / *count;
    return shape;
  }
  if (!inferred && *count == type.getNumElements())
    return shape;
  InFlightDiagnostic error = node.emitError();
  error << "the input " << type << " has " << type.getNumElements()
        << " elements, which the shape [";
  llvm::interleaveComma(**given, error);
  return error << "] does not hold";
}

static FailureOr<SmallVector<int64_t>> importFlatten(OnnxNode &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  ArrayRef<int64_t> shape = tensorType(node.input(0)).getShape();
  int64_t axis = node.getInt("axis", 1), rank = shape.size();
  if (axis < -rank || axis > rank)
    return node.emitError() << "axis " << axis << " is out of range: the input has rank " << rank;
  if (axis < 0)
    axis += rank;
  return SmallVector<int64_t>{llvm::product_of(shape.take_front(axis), int64_t(1)),
                              llvm::product_of(shape.drop_front(axis), int64_t(1))};
}

static FailureOr<SmallVector<int64_t>> importSqueeze(OnnxNode &node) {
  if (failed(node.expectInputs(1, node.version < 13 ? 1 : 2)))
    return failure();
  FailureOr<std::optional<SmallVector<int64_t>>> given = intsOf(node, "axes", 1, 13);
  if (failed(given))
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  std::optional<SmallVector<int64_t>> axes;
  if (*given) {
    FailureOr<SmallVector<int64_t>> wrapped = normalizeAxes(node, **given, type.getRank());
    if (failed(wrapped))
      return failure();
    axes = *wrapped;
  }
  SmallVector<int64_t> shape;
  for (auto [i, extent] : llvm::enumerate(type.getShape())) {
    if (axes ? !llvm::is_contained(*axes, int64_t(i)) : extent != 1)
      shape.push_back(extent);
    else if (extent != 1)
      return node.emitError() << "dimension " << i << " of " << type
                              << " cannot be squeezed: its extent is " << extent;
  }
  return shape;
}

static FailureOr<SmallVector<int64_t>> importUnsqueeze(OnnxNode &node) {
  if (failed(node.expectInputs(node.version < 13 ? 1 : 2, node.version < 13 ? 1 : 2)))
    return failure();
  FailureOr<std::optional<SmallVector<int64_t>>> given = intsOf(node, "axes", 1, 13);
  if (failed(given))
    return failure();
  if (!*given)
    return node.emitError() << "lacks the attribute 'axes'";
  ArrayRef<int64_t> extents = tensorType(node.input(0)).getShape();
  // Axes are those of the result.
  FailureOr<SmallVector<int64_t>> axes =
      normalizeAxes(node, **given, extents.size() + (*given)->size());
  if (failed(axes))
    return failure();
  SmallVector<int64_t> shape(extents);
  for (int64_t axis : *axes)
    shape.insert(shape.begin() + axis, 1);
  return shape;
}

/// The extents of input 0 in [start, end), a range of dimensions since
/// opset 15.
static FailureOr<Value> importShape(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  ArrayRef<int64_t> shape = tensorType(node.input(0)).getShape();
  int64_t rank = shape.size();
  auto clamp = [&](int64_t axis) {
    return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
  };
  bool isRange = node.version >= 15;
  int64_t start = isRange ? clamp(node.getInt("start", 0)) : 0;
  int64_t end = isRange ? std::max(start, clamp(node.getInt("end", rank))) : rank;
  ArrayRef<int64_t> extents = shape.slice(start, end - start);
  auto type = RankedTensorType::get(end - start, builder.getI64Type());
  return buildConstant(builder, node.loc, DenseElementsAttr::get(type, extents));
}

FailureOr<SmallVector<Value>> ReshapeOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "Shape")
    return single(importShape(node, builder));
  if (node.opType == "Size" || node.opType == "Identity") {
    if (failed(node.expectInputs(1, 1)))
      return failure();
    if (node.opType == "Identity")
      return SmallVector<Value>{node.input(0)};
    auto scalar = RankedTensorType::get({}, builder.getI64Type());
    int64_t size = tensorType(node.input(0)).getNumElements();
    return SmallVector<Value>{
        buildConstant(builder, node.loc, DenseElementsAttr::get(scalar, size))};
  }
  FailureOr<SmallVector<int64_t>> shape = node.opType == "Reshape"   ? importReshape(node)
                                          : node.opType == "Flatten" ? importFlatten(node)
                                          : node.opType == "Squeeze" ? importSqueeze(node)
                                                                     : importUnsqueeze(node);
  if (failed(shape) || node.hadError)
    return failure();
  return SmallVector<Value>{reshapeTo(builder, node.loc, node.input(0), *shape)};
}

//===----------------------------------------------------------------------===//
// reshape
//===----------------------------------------------------------------------===//

void ReshapeOp::build(OpBuilder &builder, OperationState &state, Value input,
                      ArrayRef<int64_t> shape) {
  build(builder, state, RankedTensorType::get(shape, tensorType(input).getElementType()), input);
}

LogicalResult ReshapeOp::verify() {
  RankedTensorType from = getInput().getType(), to = getType();
  if (from.getNumElements() != to.getNumElements())
    return emitOpError("numbers of elements differ: ")
           << from.getNumElements() << " in " << from << ", " << to.getNumElements() << " in "
           << to;
  return success();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getType())
    return getInput();
  if (auto dense = dyn_cast_if_present<DenseElementsAttr>(adaptor.getInput()))
    return dense.reshape(getType());
  if (auto inner = getInput().getDefiningOp<ReshapeOp>()) {
    getInputMutable().assign(inner.getInput());
    return getResult();
  }
  return {};
}

// dx = g in the input's shape
void ReshapeOp::buildGradient(GradientBuilder &gradient) {
  gradient.set(
      0, gradient.create<ReshapeOp>(gradient.resultGradient(), getInput().getType().getShape()));
}

SmallVector<Value> ReshapeOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.reshape(operands[0], getType().getShape())};
}

//===----------------------------------------------------------------------===//
// transpose
//===----------------------------------------------------------------------===//

/// DepthToSpace (opset 1-28) and its inverse: blocks of pixels as channels.
static FailureOr<Value> importBlocks(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  bool toSpace = node.opType == "DepthToSpace";
  RankedTensorType type = tensorType(node.input(0));
  int64_t block = node.getInt("blocksize", 0);
  std::string mode = toSpace && node.version >= 11 ? node.getString("mode", "DCR") : "DCR";
  if (mode != "DCR" && mode != "CRD")
    return node.emitError() << "has mode '" << mode << "': known are DCR and CRD";
  if (type.getRank() != 4 || block < 1 || block > (int64_t(1) << 20))
    return node.emitError() << "needs [n, c, h, w] and a 'blocksize' of 1 to 2^20, but has " << type
                            << " and " << block;
  ArrayRef<int64_t> shape = type.getShape();
  int64_t area = block * block;
  if (toSpace ? shape[1] % area != 0 : shape[2] % block != 0 || shape[3] % block != 0)
    return node.emitError() << "has " << type << ", which blocks of " << block << " by " << block
                            << " do not divide";
  SmallVector<int64_t> apart, permutation, result;
  if (toSpace) {
    int64_t channels = shape[1] / area;
    result = {shape[0], channels, shape[2] * block, shape[3] * block};
    apart = mode == "DCR"
                ? SmallVector<int64_t>{shape[0], block, block, channels, shape[2], shape[3]}
                : SmallVector<int64_t>{shape[0], channels, block, block, shape[2], shape[3]};
    permutation = mode == "DCR" ? SmallVector<int64_t>{0, 3, 4, 1, 5, 2}
                                : SmallVector<int64_t>{0, 1, 4, 2, 5, 3};
  } else {
    result = {shape[0], shape[1] * area, shape[2] / block, shape[3] / block};
    apart = {shape[0], shape[1], result[2], block, result[3], block};
    permutation = {0, 3, 5, 1, 2, 4};
  }
  if (failed(checkedProduct(node, result)))
    return failure();
  Value x = reshapeTo(builder, node.loc, node.input(0), apart);
  x = TransposeOp::create(builder, node.loc, x, permutation);
  return reshapeTo(builder, node.loc, x, result);
}

FailureOr<SmallVector<Value>> TransposeOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType != "Transpose")
    return single(importBlocks(node, builder));
  if (failed(node.expectInputs(1, 1)))
    return failure();
  SmallVector<int64_t> permutation =
      llvm::to_vector(llvm::seq<int64_t>(0, tensorType(node.input(0)).getRank()));
  if (std::optional<std::vector<int64_t>> given = node.getInts("perm"))
    permutation.assign(given->begin(), given->end());
  else
    std::reverse(permutation.begin(), permutation.end());
  return single(importOp<TransposeOp>(
      node, builder, node.inputs,
      builder.getNamedAttr("permutation", builder.getDenseI64ArrayAttr(permutation))));
}

LogicalResult TransposeOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  ArrayRef<int64_t> permutation = adaptor.getPermutation();
  SmallVector<int64_t> sorted(permutation), shape;
  llvm::sort(sorted);
  if (!llvm::equal(sorted, llvm::seq<int64_t>(0, type.getRank()))) {
    std::string list;
    llvm::raw_string_ostream stream(list);
    llvm::interleaveComma(permutation, stream);
    return inferenceError(location, "[", list, "] does not permute the dimensions of ", type);
  }
  for (int64_t from : permutation)
    shape.push_back(type.getDimSize(from));
  types.push_back(type.clone(shape));
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor adaptor) {
  ArrayRef<int64_t> permutation = getPermutation();
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, permutation.size())))
    return getInput();
  SmallVector<int64_t> strides = stridesOf(getInput().getType().getShape()), steps;
  for (int64_t from : permutation)
    steps.push_back(strides[from]);
  if (Attribute moved = foldMove(adaptor.getInput(), getType(),
                                 [&](int64_t i) { return place(i, getType().getShape(), steps); }))
    return moved;
  if (auto inner = getInput().getDefiningOp<TransposeOp>()) {
    SmallVector<int64_t> both;
    for (int64_t from : permutation)
      both.push_back(inner.getPermutation()[from]);
    setPermutation(both);
    getInputMutable().assign(inner.getInput());
    return getResult();
  }
  return {};
}

// dx = g, permuted back
void TransposeOp::buildGradient(GradientBuilder &gradient) {
  SmallVector<int64_t> inverse(getPermutation().size());
  for (auto [i, from] : llvm::enumerate(getPermutation()))
    inverse[from] = i;
  gradient.set(0,
               gradient.create<TransposeOp>(gradient.resultGradient(), ArrayRef<int64_t>(inverse)));
}

SmallVector<Value> TransposeOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.transpose(operands[0], getPermutation())};
}

// The operand may lie in any order: the permutation goes on from there to what the result was.
int64_t TransposeOp::getOrderedRank() { return getType().getRank(); }
SmallVector<int64_t> TransposeOp::getOperandOrder(unsigned, ArrayRef<int64_t> order) {
  return SmallVector<int64_t>(order);
}
SmallVector<int64_t> TransposeOp::getResultOrder(unsigned, ArrayRef<int64_t>) { return {}; }
void TransposeOp::setOrder(ArrayRef<int64_t> order) {
  setPermutation(placesIn(order, getPermutation()));
}

Value ampc::buildPermutation(OpBuilder &b, Location loc, Value x, ArrayRef<int64_t> order) {
  SmallVector<int64_t> shape(tensorType(x).getShape());
  shape.insert(shape.begin(), order.size() - shape.size(), 1);
  x = reshapeTo(b, loc, x, shape);
  // Where nothing but dimensions of 1 moves, elements stay.
  SmallVector<int64_t> moved;
  for (int64_t from : order)
    if (shape[from] != 1)
      moved.push_back(from);
  if (llvm::is_sorted(moved))
    return reshapeTo(b, loc, x, applyPermutation(ArrayRef<int64_t>(shape), order));
  return b.createOrFold<TransposeOp>(loc, x, order);
}

//===----------------------------------------------------------------------===//
// broadcast
//===----------------------------------------------------------------------===//

/// Each extent repeated: with a dimension of 1 in front of each, which is
/// broadcast.
static FailureOr<Value> importTile(OnnxNode &node, OpBuilder &builder) {
  // Opset 1 tiles one axis: inputs are the number of tiles and the axis.
  bool isOneAxis = node.version < 6;
  if (failed(node.expectInputs(isOneAxis ? 3 : 2, isOneAxis ? 3 : 2)))
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  FailureOr<SmallVector<int64_t>> repeats = node.constantInts(1, "repeats");
  if (failed(repeats))
    return failure();
  if (isOneAxis) {
    FailureOr<SmallVector<int64_t>> axis = node.constantInts(2, "axis");
    if (failed(axis))
      return failure();
    if (axis->size() != 1 || repeats->size() != 1)
      return node.emitError() << "tiles and axis must be one number each";
    FailureOr<int64_t> wrapped = normalizeAxis(node, axis->front(), type.getRank());
    if (failed(wrapped))
      return failure();
    int64_t tiles = repeats->front();
    repeats->assign(type.getRank(), 1);
    (*repeats)[*wrapped] = tiles;
  }
  if (int64_t(repeats->size()) != type.getRank())
    return node.emitError() << "has " << repeats->size() << " repeats for " << type
                            << ", which has rank " << type.getRank();
  SmallVector<int64_t> before, repeated, after;
  for (auto [extent, count] : llvm::zip(type.getShape(), *repeats)) {
    if (count < 0)
      return node.emitError() << "cannot repeat a dimension " << count << " times";
    before.append({1, extent});
    repeated.append({count, extent});
    if (failed(checkedProduct(node, {extent, count})))
      return failure();
    after.push_back(extent * count);
  }
  if (failed(checkedProduct(node, after)))
    return failure();
  Value x = reshapeTo(builder, node.loc, node.input(0), before);
  x = builder.createOrFold<BroadcastOp>(node.loc, x, ArrayRef<int64_t>(repeated));
  return reshapeTo(builder, node.loc, x, after);
}

static FailureOr<Value> importConstantOfShape(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  FailureOr<SmallVector<int64_t>> shape = node.constantInts(0, "shape");
  if (failed(shape))
    return failure();
  for (int64_t extent : *shape)
    if (extent < 0)
      return node.emitError() << "the shape has the extent " << extent;
  if (failed(checkedProduct(node, *shape)))
    return failure();
  DenseElementsAttr value = node.getTensor("value");
  if (!value)
    value = DenseElementsAttr::get(RankedTensorType::get(1, builder.getF32Type()), 0.0f);
  if (node.hadError)
    return failure();
  if (value.getNumElements() != 1)
    return node.emitError() << "attribute 'value' must have one element, but is "
                            << value.getType();
  auto type = RankedTensorType::get(*shape, value.getElementType());
  return buildConstant(builder, node.loc, value.resizeSplat(type));
}

FailureOr<SmallVector<Value>> BroadcastOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "Tile")
    return single(importTile(node, builder));
  if (node.opType == "ConstantOfShape")
    return single(importConstantOfShape(node, builder));
  if (failed(node.expectInputs(2, 2)))
    return failure();
  FailureOr<SmallVector<int64_t>> shape = node.constantInts(1, "shape");
  if (failed(shape))
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  std::optional<SmallVector<int64_t>> common =
      broadcastShapes({type.getShape(), ArrayRef<int64_t>(*shape)});
  if (!common || llvm::any_of(*shape, [](int64_t extent) { return extent < 0; })) {
    InFlightDiagnostic error = node.emitError();
    error << "the input " << type << " does not broadcast with the shape [";
    llvm::interleaveComma(*shape, error);
    return error << "]";
  }
  if (failed(checkedProduct(node, *common)))
    return failure();
  return SmallVector<Value>{
      builder.createOrFold<BroadcastOp>(node.loc, node.input(0), ArrayRef<int64_t>(*common))};
}

void BroadcastOp::build(OpBuilder &builder, OperationState &state, Value input,
                        ArrayRef<int64_t> shape) {
  build(builder, state, RankedTensorType::get(shape, tensorType(input).getElementType()), input);
}

LogicalResult BroadcastOp::verify() {
  RankedTensorType from = getInput().getType(), to = getType();
  std::optional<SmallVector<int64_t>> common = broadcastShapes({from.getShape(), to.getShape()});
  if (!common || ArrayRef(*common) != to.getShape())
    return emitOpError("cannot broadcast ") << from << " to " << to;
  return success();
}

OpFoldResult BroadcastOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getType())
    return getInput();
  ArrayRef<int64_t> from = getInput().getType().getShape(), to = getType().getShape();
  SmallVector<int64_t> strides = stridesOf(from), steps(to.size(), 0);
  for (size_t i = 0; i < from.size(); ++i)
    if (from[i] != 1)
      steps[to.size() - from.size() + i] = strides[i];
  if (Attribute moved =
          foldMove(adaptor.getInput(), getType(), [&](int64_t i) { return place(i, to, steps); }))
    return moved;
  return {};
}

// dx = g, which GradientBuilder::set sums over the repetitions
void BroadcastOp::buildGradient(GradientBuilder &gradient) {
  gradient.set(0, gradient.resultGradient());
}

SmallVector<Value> BroadcastOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {
      kernel.pointwise(operands, getType(), [](ScalarBuilder &, ValueRange x) { return x[0]; })};
}
