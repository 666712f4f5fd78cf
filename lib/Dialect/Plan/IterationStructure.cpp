//===- IterationStructure.cpp - What loops a kernel has -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Plan/IterationStructure.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace ampc::plan {

bool isReduction(Operation *op) {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  return generic && generic.getNumReductionLoops() != 0;
}

OpFoldResult getUniformValue(Value tensor) {
  if (auto fill = tensor.getDefiningOp<linalg::FillOp>())
    return fill.getInputs()[0];
  SplatElementsAttr splat;
  if (matchPattern(tensor, m_Constant(&splat)))
    return splat.getSplatValue<Attribute>();
  return {};
}

static bool isView(Operation *op) {
  return op && isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op);
}

//===----------------------------------------------------------------------===//
// IterationStructure
//===----------------------------------------------------------------------===//

int64_t IterationStructure::product(bool reduced) const {
  int64_t points = 1;
  for (const IterationDim &dim : dims)
    if (dim.reduced == reduced)
      points *= dim.extent;
  return points;
}

SmallVector<unsigned> IterationStructure::dimsThat(bool reduced) const {
  SmallVector<unsigned> found;
  for (auto [i, dim] : llvm::enumerate(dims))
    if (dim.reduced == reduced)
      found.push_back(i);
  return found;
}

Value IterationStructure::getSource(Value value) const {
  while (Operation *op = value.getDefiningOp()) {
    if (!isView(op) || !members.contains(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

const LinearAccess *IterationStructure::getRead(OpOperand &operand) const {
  auto it = reads.find(&operand);
  return it == reads.end() ? nullptr : &it->second;
}

const LinearAccess &IterationStructure::getWrite(Value result) const {
  return writes.find(result)->second;
}

const LinearAccess &IterationStructure::getIndex(linalg::GenericOp op, unsigned loop) const {
  return indices.find(op)->second[loop];
}

const llvm::SmallBitVector &IterationStructure::getDims(Value value) const {
  return varies.find(getSource(value))->second;
}

bool IterationStructure::variesAlongReduced(Value value) const {
  const llvm::SmallBitVector &along = getDims(value);
  for (unsigned d : reducedDims())
    if (along.test(d))
      return true;
  return false;
}

bool IterationStructure::mayOverwrite(Value input, Value result) const {
  if (gathered.contains(input))
    return false;
  const LinearAccess &write = getWrite(result);
  for (auto &[operand, read] : reads)
    if (getSource(operand->get()) == input && !(read == write))
      return false;
  return true;
}

} // namespace ampc::plan
