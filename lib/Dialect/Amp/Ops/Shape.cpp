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
