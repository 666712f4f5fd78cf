//===- IterationAccesses.cpp - Where a kernel reads and writes ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "IterationAnalysis.h"

using namespace mlir;

namespace ampc::plan {

static SmallVector<int64_t> rowMajorStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t i = int64_t(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

/// Adds `factor` times the index that a node counts.
void IterationAnalysis::addNode(unsigned node, int64_t factor, LinearAccess &access) const {
  SmallVector<unsigned> leaves = classes.leaves(node);
  for (unsigned leaf : llvm::reverse(leaves)) {
    auto it = related.find(leaf);
    if (it == related.end()) {
      access.strides[position.lookup(leaf)] += factor;
    } else {
      access.offset += it->second.offset * factor;
      if (it->second.base)
        addNode(*it->second.base, it->second.stride * factor, access);
    }
    factor *= classes.extent(leaf);
  }
}

FailureOr<LinearAccess> IterationAnalysis::accessOf(linalg::GenericOp op, OpOperand &operand) {
  LinearAccess access = emptyAccess();
  auto type = cast<RankedTensorType>(operand.get().getType());
  for (auto [factor, expr] : llvm::zip(rowMajorStrides(type.getShape()),
                                       op.getMatchingIndexingMap(&operand).getResults())) {
    FailureOr<LinearIndex> index = getLinearIndex(expr, usedRangeOf(operand).loops);
    if (failed(index))
      return failure();
    access.offset += factor * index->offset;
    for (auto [node, stride] : llvm::zip(loops[op], index->strides))
      if (stride != 0)
        addNode(node, stride * factor, access);
  }
  return access;
}

llvm::SmallBitVector IterationAnalysis::dimsOf(ArrayRef<unsigned> nodes) const {
  llvm::SmallBitVector along(order.size());
  SmallVector<unsigned> roots;
  addRoots(nodes, roots);
  for (unsigned leaf : roots)
    along.set(position.lookup(leaf));
  return along;
}

/// The index along one dimension, where it is that but for an offset and its direction.
static void simplify(IndexRange &range, ArrayRef<IterationDim> dims) {
  std::optional<unsigned> only;
  for (auto [d, stride] : llvm::enumerate(range.index.strides)) {
    if (stride == 0)
      continue;
    if (only || (stride != 1 && stride != -1))
      return;
    only = d;
  }
  if (!only)
    return;
  int64_t &stride = range.index.strides[*only], &offset = range.index.offset;
  range.begin -= offset;
  range.end -= offset;
  if (stride < 0)
    std::tie(range.begin, range.end) = std::pair(1 - range.end, 1 - range.begin);
  stride = 1;
  offset = 0;
  range.begin = std::clamp<int64_t>(range.begin, 0, dims[*only].extent);
  range.end = std::clamp<int64_t>(range.end, range.begin, dims[*only].extent);
  range.dim = only;
}

/// Finds where operands of an op are used at some of its points only.
void IterationAnalysis::computeRanges(linalg::GenericOp op) {
  SmallVector<int64_t> extents = op.getStaticLoopRanges();
  for (OpOperand &operand : op->getOpOperands()) {
    if (!hasPlace(operand))
      continue;
    const UsedRange &used = usedRangeOf(operand);
    OperandRanges found;
    for (auto [i, loop] : llvm::enumerate(used.loops)) {
      if (loop.begin <= 0 && loop.end >= extents[i])
        continue;
      IndexRange range = {emptyAccess(), loop.begin, loop.end, std::nullopt};
      addNode(loops[op][i], 1, range.index);
      simplify(range, s.dims);
      found.all.push_back(range);
    }
    if (found.all.empty())
      continue;
    found.isExact = used.isExact;
    s.ranges[&operand] = std::move(found);
  }
  // Users first.
  for (Operation &scalar : llvm::reverse(op.getBody()->without_terminator())) {
    auto isOfRanges = [&](OpOperand &use) {
      auto select = dyn_cast<arith::SelectOp>(use.getOwner());
      return (select && use.getOperandNumber() == 0 && s.getRanges(select)) ||
             s.ofRanges.contains(use.getOwner());
    };
    if (!scalar.use_empty() && llvm::all_of(scalar.getUses(), isOfRanges))
      s.ofRanges.insert(&scalar);
  }
}

LogicalResult IterationAnalysis::computeAccesses() {
  for (unsigned leaf : order)
    s.dims.push_back({classes.extent(leaf), reduced.contains(leaf), summed.contains(leaf)});
  for (linalg::GenericOp op : s.ops) {
    computeRanges(op);
    for (OpOperand &operand : op->getOpOperands()) {
      if (!hasPlace(operand) || isInside(s.getSource(operand.get())))
        continue;
      FailureOr<LinearAccess> access = accessOf(op, operand);
      if (failed(access))
        return fail("an indexing map is not linear");
      s.reads[&operand] = *access;
    }
    SmallVector<LinearAccess> &indices = s.indices[op];
    for (unsigned node : loops[op]) {
      indices.push_back(emptyAccess());
      addNode(node, 1, indices.back());
    }
    for (Value r : op.getResults())
      s.varies[r] = dimsOf(nodesOf(r));
  }
  for (Value r : s.results) {
    LinearAccess access = emptyAccess();
    auto type = cast<RankedTensorType>(r.getType());
    for (auto [stride, node] : llvm::zip(rowMajorStrides(type.getShape()), nodesOf(r)))
      addNode(node, stride, access);
    s.writes[r] = access;
  }
  return success();
}

/// Every result must be written exactly once at each of its elements.
LogicalResult IterationAnalysis::checkResults() {
  for (Value r : s.results) {
    if (!areRoots(nodesOf(r)))
      return fail("a part of a result is read");
    const llvm::SmallBitVector &along = s.getDims(r);
    unsigned ofReduced = 0, ofKept = 0, ofSummed = 0;
    for (auto [d, dim] : llvm::enumerate(s.dims))
      (dim.reduced ? ofReduced : dim.summed ? ofSummed : ofKept) += along.test(d);
    bool isSum = s.isSum(r);
    if (ofKept != order.size() - reduced.size() - summed.size() ||
        ofSummed != (isSum ? 0 : summed.size()))
      return fail("results have different shapes");
    if ((ofReduced != 0 || isSum) && ofReduced != reduced.size())
      return fail("a result varies along some of the reduced dimensions");
  }
  return success();
}

void IterationAnalysis::computeLevels() {
  for (linalg::GenericOp op : s.ops) {
    unsigned level = 0;
    for (Value v : op->getOperands())
      level = std::max(level, s.getLevel(v));
    for (Value r : op.getResults())
      s.levels[r] = level + isReduction(op);
  }
  for (Value r : s.results)
    s.maxLevel = std::max(s.maxLevel, s.getLevel(r) - s.isSum(r));
}

/// Schedules compute reductions at all points.
LogicalResult IterationAnalysis::checkRanges() {
  for (auto &[operand, used] : s.ranges)
    if (isInside(s.getSource(operand->get())) && s.getLevel(operand->get()) > 0)
      return fail("a reduction is needed at some points only");
  return success();
}

/// Finds where each op is needed, from the results on.
void IterationAnalysis::computeBoxes() {
  IterationStructure::Box whole;
  for (const IterationDim &dim : s.dims)
    whole.push_back({0, dim.extent});
  llvm::DenseSet<Operation *> total; // needed without a range
  for (Value r : s.results) {
    Operation *maker = s.getSource(r).getDefiningOp();
    s.boxes[maker] = whole;
    total.insert(maker);
  }
  for (linalg::GenericOp op : llvm::reverse(s.ops)) { // users first
    if (isReduction(op)) {
      s.boxes[op] = whole;
      total.insert(op);
    }
    if (!total.contains(op))
      s.partial.insert(op->result_begin(), op->result_end());
    for (OpOperand &operand : op->getOpOperands()) {
      Operation *maker = s.getSource(operand.get()).getDefiningOp();
      if (!maker || !s.members.contains(maker) || !isa<linalg::GenericOp>(maker) ||
          !op.payloadUsesValueFromOperand(&operand))
        continue;
      if (total.contains(op) && !s.getRanges(operand))
        total.insert(maker);
      IterationStructure::Box box = s.boxOf(operand);
      auto [it, isNew] = s.boxes.try_emplace(maker, box);
      if (!isNew)
        for (auto [all, more] : llvm::zip(it->second, box))
          all = {std::min(all.first, more.first), std::max(all.second, more.second)};
    }
  }
}

/// Makes neighbouring dimensions one where every access goes through them as through one.
void IterationAnalysis::collapse() {
  SmallVector<LinearAccess *> accesses;
  for (auto &entry : s.reads)
    accesses.push_back(&entry.second);
  for (auto &entry : s.writes)
    accesses.push_back(&entry.second);
  for (linalg::GenericOp op : s.ops)
    for (auto index : op.getBody()->getOps<linalg::IndexOp>())
      if (!s.isOfRanges(index))
        accesses.push_back(&s.indices[op][index.getDim()]);
  SmallVector<IndexRange *> ranges;
  for (auto &entry : s.ranges)
    for (IndexRange &range : entry.second.all)
      ranges.push_back(&range);
  // dims[d - 1] goes into dims[d], from the innermost pair outwards.
  for (size_t d = s.dims.size(); d-- > 1;) {
    bool fits =
        s.dims[d].reduced == s.dims[d - 1].reduced && s.dims[d].summed == s.dims[d - 1].summed;
    for (auto &entry : s.varies)
      fits &= entry.second.test(d) == entry.second.test(d - 1);
    for (LinearAccess *access : accesses)
      fits &= access->strides[d - 1] == access->strides[d] * s.dims[d].extent;
    for (IndexRange *range : ranges)
      fits &= range->dim
                  ? range->dim != d
                  : range->index.strides[d - 1] == range->index.strides[d] * s.dims[d].extent;
    if (!fits)
      continue;
    for (IndexRange *range : ranges) {
      if (range->dim == d - 1) { // of whole lines
        range->begin *= s.dims[d].extent;
        range->end *= s.dims[d].extent;
        range->index.strides[d] = 1;
      } else if (range->dim && *range->dim >= d) {
        --*range->dim;
      }
      range->index.strides.erase(range->index.strides.begin() + (d - 1));
    }
    s.dims[d].extent *= s.dims[d - 1].extent;
    s.dims.erase(s.dims.begin() + (d - 1));
    for (auto &entry : s.varies) {
      llvm::SmallBitVector along(s.dims.size());
      for (size_t i = 0; i < s.dims.size(); ++i)
        along[i] = entry.second.test(i < d - 1 ? i : i + 1);
      entry.second = along;
    }
    for (auto &entry : s.reads)
      entry.second.strides.erase(entry.second.strides.begin() + (d - 1));
    for (auto &entry : s.writes)
      entry.second.strides.erase(entry.second.strides.begin() + (d - 1));
    for (auto &entry : s.indices)
      for (LinearAccess &access : entry.second)
        access.strides.erase(access.strides.begin() + (d - 1));
  }
}

} // namespace ampc::plan
