//===- IterationStructure.cpp - What loops a kernel has -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Plan/IterationStructure.h"
#include "ampc/Dialect/Plan/Plan.h"
#include "ampc/Dialect/Plan/Views.h"
#include "ampc/Support/DeviceModel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

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

//===----------------------------------------------------------------------===//
// IterationStructure
//===----------------------------------------------------------------------===//

int64_t IterationStructure::product(ArrayRef<unsigned> list) const {
  int64_t points = 1;
  for (unsigned d : list)
    points *= dims[d].extent;
  return points;
}

SmallVector<unsigned> IterationStructure::dimsThat(bool reduced) const {
  SmallVector<unsigned> found;
  for (auto [i, dim] : llvm::enumerate(dims))
    if (dim.reduced == reduced)
      found.push_back(i);
  return found;
}

SmallVector<unsigned> IterationStructure::keptDimsThat(bool summed) const {
  SmallVector<unsigned> found = keptDims();
  llvm::erase_if(found, [&](unsigned d) { return dims[d].summed != summed; });
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

const OperandRanges *IterationStructure::getRanges(OpOperand &operand) const {
  auto it = ranges.find(&operand);
  return it == ranges.end() ? nullptr : &it->second;
}

const OperandRanges *IterationStructure::getRanges(arith::SelectOp select) const {
  auto argument = dyn_cast<BlockArgument>(select.getTrueValue());
  if (!argument || argument.getOwner() != select->getBlock())
    return nullptr;
  auto op = dyn_cast<linalg::GenericOp>(argument.getOwner()->getParentOp());
  const OperandRanges *used = op ? getRanges(op->getOpOperand(argument.getArgNumber())) : nullptr;
  return used && used->isExact ? used : nullptr;
}

/// The points of its op that an operand is needed at.
IterationStructure::Box IterationStructure::boxOf(OpOperand &operand) const {
  Box box = boxes.lookup(operand.getOwner());
  if (const OperandRanges *used = getRanges(operand))
    for (const IndexRange &range : used->all)
      if (range.dim) {
        auto &[begin, end] = box[*range.dim];
        begin = std::max(begin, range.begin);
        end = std::max(begin, std::min(end, range.end));
      }
  return box;
}

int64_t IterationStructure::countPoints(linalg::GenericOp op) const {
  int64_t points = 1;
  for (auto [begin, end] : boxes.lookup(op))
    points *= end - begin;
  return points;
}

int64_t IterationStructure::countElements(OpOperand &operand) const {
  int64_t elements = 1;
  const LinearAccess *access = getRead(operand);
  for (auto [d, range] : llvm::enumerate(boxOf(operand)))
    if (!access || access->strides[d] != 0)
      elements *= range.second - range.first;
  return elements;
}

SmallVector<int64_t> IterationStructure::getCuts(unsigned dim) const {
  SmallVector<int64_t> cuts;
  for (const auto &[operand, used] : ranges)
    for (const IndexRange &range : used.all)
      if (range.dim == dim)
        for (int64_t cut : {range.begin, range.end})
          if (cut > 0 && cut < dims[dim].extent)
            cuts.push_back(cut);
  llvm::sort(cuts);
  cuts.erase(llvm::unique(cuts), cuts.end());
  return cuts;
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

FailureOr<IterationStructure> analyzeIteration(KernelOp kernel, std::string *reason) {
  SmallVector<Operation *> ops;
  for (Operation &op : kernel.getBodyBlock()->without_terminator())
    ops.push_back(&op);
  return analyzeIteration(ops, reason);
}

bool mayOverwrite(KernelOp kernel, unsigned operand, unsigned result) {
  FailureOr<IterationStructure> structure = analyzeIteration(kernel);
  return succeeded(structure) &&
         structure->mayOverwrite(kernel.getBodyBlock()->getArgument(operand),
                                 kernel.getYield()->getOperand(result));
}

bool areContiguous(const IterationStructure &s, const LinearAccess &access, ArrayRef<unsigned> axis,
                   int64_t count) {
  if (axis.empty() || access.strides[axis.back()] != 1 || access.offset % count != 0)
    return false;
  // The innermost dimensions that one linear index counts, in elements.
  int64_t run = 1;
  size_t first = axis.size();
  while (first > 0 && access.strides[axis[first - 1]] == run)
    run *= s.dims[axis[--first]].extent;
  if (first > 0 && run % count != 0)
    return false;
  for (auto [d, stride] : llvm::enumerate(access.strides))
    if (!llvm::is_contained(axis.drop_front(first), d) && stride % count != 0)
      return false;
  return true;
}

bool mergesRows(const IterationStructure &s) {
  if (s.kind != IterationKind::Column || s.dims.size() != 2 || s.maxLevel != 1 || s.hasRanges())
    return false;
  const int64_t columns = s.dims[1].extent;
  for (Value r : s.results)
    if (s.getLevel(r) != 1 || !(s.getWrite(r) == LinearAccess{0, {0, 1}}))
      return false;
  for (linalg::GenericOp op : s.ops) {
    bool merges = isReduction(op);
    Operation *combiner = &op.getBody()->front();
    // The elements themselves are merged.
    if (merges && (op.getNumDpsInputs() != 1 || op.getNumResults() != 1 ||
                   op.getBody()->getOperations().size() != 2 || combiner->getNumOperands() != 2 ||
                   !s.getRead(op->getOpOperand(0)) ||
                   op.getBody()->getTerminator()->getOperand(0) != combiner->getResult(0) ||
                   !llvm::is_contained(combiner->getOperands(), op.getBody()->getArgument(0)) ||
                   !llvm::is_contained(combiner->getOperands(), op.getBody()->getArgument(1))))
      return false;
    if (op.getBody()
            ->walk([](tensor::ExtractOp) { return WalkResult::interrupt(); })
            .wasInterrupted())
      return false;
    for (OpOperand &operand : op->getOpOperands())
      if (const LinearAccess *read = s.getRead(operand)) {
        bool isElement = merges && operand.getOperandNumber() == 0;
        bool isVector = *read == LinearAccess{0, {0, 1}} || *read == LinearAccess{0, {0, 0}};
        if (isElement ? !(*read == LinearAccess{0, {columns, 1}}) : !isVector)
          return false;
      }
  }
  return true;
}

int64_t widestLanes(const IterationStructure &s, ArrayRef<unsigned> axis, bool whole) {
  int64_t widest = 1;
  auto consider = [&](const LinearAccess &access, Value tensor) {
    int64_t count = std::min<int64_t>(
        8, DeviceModel::kVectorBytes /
               llvm::divideCeil(getElementTypeOrSelf(tensor.getType()).getIntOrFloatBitWidth(), 8));
    while (count > 1 && !areContiguous(s, access, axis, count))
      count /= 2;
    widest = std::max(widest, count);
  };
  for (linalg::GenericOp op : s.ops)
    for (OpOperand &operand : op->getOpOperands())
      if (const LinearAccess *access = s.getRead(operand))
        consider(*access, operand.get());
  for (Value r : s.results)
    consider(s.getWrite(r), r);
  int64_t extent = 1;
  for (unsigned d : axis)
    extent *= s.dims[d].extent;
  while (whole && extent % widest != 0)
    widest /= 2;
  return widest;
}

} // namespace ampc::plan
