//===- Members.cpp - One code for many kernels ----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Members.h"
#include "CodeSize.h"
#include "HostLoops.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"

namespace ampc::codegen {
namespace {

/// Whether two bodies compute the same from their arguments, whatever the extents.
class SameButForExtents {
public:
  bool blocks(Block &a, Block &b) {
    if (a.getNumArguments() != b.getNumArguments())
      return false;
    for (auto [x, y] : llvm::zip(a.getArguments(), b.getArguments()))
      if (!values(x, y))
        return false;
    auto i = a.begin(), j = b.begin();
    for (; i != a.end() && j != b.end(); ++i, ++j)
      if (!operations(*i, *j))
        return false;
    return i == a.end() && j == b.end();
  }

private:
  bool values(Value x, Value y) {
    same[x] = y;
    return getElementTypeOrSelf(x.getType()) == getElementTypeOrSelf(y.getType());
  }
  bool operations(Operation &a, Operation &b) {
    if (a.getName() != b.getName() || a.getNumOperands() != b.getNumOperands() ||
        a.getNumResults() != b.getNumResults() || a.getNumRegions() != b.getNumRegions())
      return false;
    for (auto [x, y] : llvm::zip(a.getOperands(), b.getOperands()))
      if (same.lookup(x) != y)
        return false;
    for (auto [x, y] : llvm::zip(a.getResults(), b.getResults()))
      if (!values(x, y))
        return false;
    SplatElementsAttr splatA, splatB;
    if (matchPattern(&a, m_Constant(&splatA)) && matchPattern(&b, m_Constant(&splatB))) {
      if (splatA.getSplatValue<Attribute>() != splatB.getSplatValue<Attribute>())
        return false;
    } else if (!isa<linalg::GenericOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp>(
                   a) && // their maps have been compared as accesses
               a.getAttrDictionary() != b.getAttrDictionary()) {
      return false;
    }
    for (auto [x, y] : llvm::zip(a.getRegions(), b.getRegions()))
      if (!x.hasOneBlock() || !y.hasOneBlock() || !blocks(x.front(), y.front()))
        return false;
    return true;
  }

  DenseMap<Value, Value> same;
};

/// Whether two kernels that merge rows read single numbers and vectors for the same operands.
bool readAlike(const IterationStructure &model, const IterationStructure &own) {
  for (auto [a, b] : llvm::zip(model.ops, own.ops))
    for (auto [x, y] : llvm::zip(a->getOpOperands(), b->getOpOperands())) {
      const LinearAccess *readA = model.getRead(x), *readB = own.getRead(y);
      if (bool(readA) != bool(readB) || (readA && readA->strides[1] != readB->strides[1]))
        return false;
    }
  return true;
}

/// Whether `own`, of `count` elements, runs over them as `model` does over its elements.
bool accessesAlike(const IterationStructure &model, const IterationStructure &own) {
  if (plan::mergesRows(model) && plan::mergesRows(own))
    return readAlike(model, own);
  if (own.dims.size() > 1 || model.dims.size() > 1 || own.kind != model.kind)
    return own.points() == 1 && own.dims.empty() && model.dims.size() <= 1;
  if (own.hasRanges() || model.hasRanges())
    return false;
  auto alike = [&](const LinearAccess &a, const LinearAccess &b) {
    return a.offset == 0 && b.offset == 0 &&
           (own.dims.empty() || (a.strides == b.strides && a.strides[0] <= 1));
  };
  for (auto [a, b] : llvm::zip(model.ops, own.ops))
    for (auto [x, y] : llvm::zip(a->getOpOperands(), b->getOpOperands())) {
      const LinearAccess *readA = model.getRead(x), *readB = own.getRead(y);
      if (bool(readA) != bool(readB) || (readA && !alike(*readA, *readB)))
        return false;
    }
  for (auto [x, y] : llvm::zip(model.results, own.results))
    if (!alike(model.getWrite(x), own.getWrite(y)))
      return false;
  return true;
}

} // namespace

bool hasFlatLoop(KernelOp kernel, const IterationStructure &s) {
  if (s.maxLevel > 1 || s.dims.size() > 1 || s.kind == IterationKind::Column)
    return false;
  if (s.maxLevel == 1 && llvm::any_of(s.results, [&](Value r) {
        return s.variesAlongReduced(r) || s.getLevel(r) == 0;
      }))
    return false;
  // Bodies that gather see more than their own element, and ranges are those of one tensor.
  return !s.hasRanges() &&
         !kernel.walk([](tensor::ExtractOp) { return WalkResult::interrupt(); }).wasInterrupted();
}

bool areSameButForExtents(KernelOp model, const IterationStructure &modelStructure, KernelOp own,
                          const IterationStructure &ownStructure) {
  SameButForExtents compare;
  return ownStructure.maxLevel == modelStructure.maxLevel &&
         ownStructure.ops.size() == modelStructure.ops.size() &&
         compare.blocks(*model.getBodyBlock(), *own.getBodyBlock()) &&
         accessesAlike(modelStructure, ownStructure);
}

bool areEqual(KernelOp a, KernelOp b) {
  return a.getKind() == b.getKind() && a.getTied() == b.getTied() &&
         a.getOperandTypes() == b.getOperandTypes() && a.getResultTypes() == b.getResultTypes() &&
         OperationEquivalence::isRegionEquivalentTo(&a.getBody(), &b.getBody(),
                                                    OperationEquivalence::IgnoreLocations);
}

SmallVector<Value> selectRow(OpBuilder &b, Location loc, Value chosen, ArrayRef<int64_t> firsts,
                             llvm::function_ref<SmallVector<Value>(size_t)> row) {
  std::function<SmallVector<Value>(size_t, size_t)> tree = [&](size_t from, size_t to) {
    if (to - from == 1)
      return row(from);
    size_t middle = from + (to - from) / 2;
    Value isBelow = IndexBuilder(b, loc).less(chosen, firsts[middle]);
    auto branch = [&](size_t first, size_t last) {
      return [&, first, last](OpBuilder &, Location) {
        scf::YieldOp::create(b, loc, tree(first, last));
      };
    };
    OpBuilder::InsertionGuard guard(b);
    auto choice = scf::IfOp::create(b, loc, isBelow, branch(from, middle), branch(middle, to));
    return SmallVector<Value>(choice.getResults());
  };
  return tree(0, firsts.size());
}

Value withoutExtent(OpBuilder &b, Location loc, Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  auto dynamic = MemRefType::get({ShapedType::kDynamic}, type.getElementType(), type.getLayout(),
                                 type.getMemorySpace());
  return memref::CastOp::create(b, loc, dynamic, memref);
}

SmallVector<Value> emitElements(Evaluator &e, const Reductions &reductions, bool device,
                                const ElementRange &range, WorkgroupArrays &arrays) {
  const IterationStructure &s = e.s;
  const IndexBuilder &index = e.index;
  SmallVector<SmallVector<unsigned>> axes(1);
  for (unsigned d = 0; d < s.dims.size(); ++d)
    axes[0].push_back(d);
  int64_t lanes = device ? limitLanes(s, widestLanes(s, axes[0], /*whole=*/false)) : 1;
  e.setAxes(axes, 0, lanes);
  if (!device)
    allowReassociation(e, reductions);
  SmallVector<Value> full =
      s.kind == IterationKind::Elementwise ? SmallVector<Value>(s.results) : SmallVector<Value>();
  ArrayRef<Combiner> merged = reductions.at(0);
  // Lanes that are left over add to the first accumulators.
  SmallVector<Value> accumulators = neutrals(e, merged, lanes);
  auto visit = [&](Value from, Value to, int64_t width) {
    e.setLanes(width);
    accumulators = e.loop(
        from, to, range.threads * width, accumulators, [&](Value i, MutableArrayRef<Value> inner) {
          Point p = {i};
          SmallVector<Value> used;
          for (size_t r = 0; r < merged.size(); ++r)
            llvm::append_range(used, inner.slice(r * lanes, width));
          accumulate(e, merged, used, p);
          for (size_t r = 0; r < merged.size(); ++r)
            llvm::copy(ArrayRef(used).slice(r * width, width), inner.begin() + r * lanes);
          storeAll(e, full, p);
        });
    e.setLanes(lanes);
  };
  if (lanes == 1) {
    visit(index.add(range.begin, range.thread), range.end, 1);
  } else {
    Value size = index.sub(range.end, range.begin);
    Value whole = index.add(range.begin, index.mul(index.div(size, lanes), lanes));
    visit(index.add(range.begin, index.mul(range.thread, lanes)), whole, lanes);
    visit(index.add(whole, range.thread), range.end, 1);
  }
  if (merged.empty())
    return {};
  return reduceThreads(e, merged, accumulators, range.thread, range.threads, 1, arrays);
}

void writeKept(Evaluator &e, const Reductions &reductions, ArrayRef<Value> totals) {
  e.setLanes(1);
  Point p = {e.index.constant(0)};
  for (auto [c, total] : llvm::zip(reductions.at(0), totals))
    e.setValue(c.result, p, 0, finish(e, c, total, p, 0));
  storeAll(e, e.s.results, p);
}

} // namespace ampc::codegen
