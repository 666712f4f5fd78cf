//===- IterationAnalysis.cpp - Finds the loops of a kernel ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "IterationAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace ampc::plan {

/// The ops that results need, and which values come in and go out.
LogicalResult IterationAnalysis::collect(ArrayRef<Operation *> ops) {
  s.members.insert(ops.begin(), ops.end());
  llvm::DenseSet<Operation *> live;
  for (Operation *op : llvm::reverse(ops)) {
    bool needed = false;
    for (Value r : op->getResults()) {
      bool escapes = false;
      for (Operation *user : r.getUsers()) {
        // What stands in the body of a member (tensor.extract) is part of it.
        Operation *direct = op->getBlock()->findAncestorOpInBlock(*user);
        needed |= live.contains(direct);
        escapes |= !direct || !s.members.contains(direct);
        if (escapes) // of many readers, one outside is enough
          break;
      }
      needed |= escapes;
      auto type = dyn_cast<RankedTensorType>(r.getType());
      if (escapes && type && !isa<arith::ConstantOp, tensor::EmptyOp>(op))
        s.results.push_back(r);
      if (type && !type.hasStaticShape())
        return fail("a shape is not static");
    }
    if (!needed)
      continue;
    live.insert(op);
  }
  std::reverse(s.results.begin(), s.results.end());
  llvm::SetVector<Value> inputs;
  for (Operation *op : ops) {
    if (!live.contains(op) || isa<tensor::EmptyOp>(op))
      continue;
    if (auto fill = dyn_cast<linalg::FillOp>(op)) {
      if (!matchPattern(fill.getInputs()[0], m_Constant()))
        return fail("a tensor is filled with a computed scalar");
      continue;
    }
    if (op->hasTrait<OpTrait::ConstantLike>()) {
      if (isa<RankedTensorType>(op->getResult(0).getType()) && !getUniformValue(op->getResult(0)))
        return fail("a constant has elements of different values");
      continue;
    }
    if (isView(op)) {
      views.push_back(op);
      continue;
    }
    auto generic = dyn_cast<linalg::GenericOp>(op);
    if (!generic)
      return fail("it holds '" + op->getName().getStringRef() + "'");
    if (!generic.hasPureTensorSemantics() || generic.hasDynamicShape())
      return fail("a shape is not static");
    s.ops.push_back(generic);
    for (OpOperand &operand : generic->getOpOperands())
      if (hasPlace(operand) && !isInside(s.getSource(operand.get())))
        inputs.insert(s.getSource(operand.get()));
    WalkResult extracts = generic.getBody()->walk([&](tensor::ExtractOp extract) {
      Value source = s.getSource(extract.getTensor());
      if (isInside(source) && !source.getDefiningOp<arith::ConstantOp>())
        return WalkResult::interrupt();
      s.gathered.insert(source);
      inputs.insert(source);
      return WalkResult::advance();
    });
    if (extracts.wasInterrupted())
      return fail("an element is read by index of a tensor made inside");
  }
  for (Value r : s.results)
    if (!isInside(s.getSource(r)) || !s.getSource(r).getDefiningOp<linalg::GenericOp>())
      return fail("a result is not made by a linalg.generic");
  s.inputs = inputs.takeVector();
  return success();
}

ArrayRef<unsigned> IterationAnalysis::nodesOf(Value tensor) {
  auto [it, isNew] = tensorNodes.try_emplace(tensor);
  if (isNew)
    for (int64_t extent : cast<RankedTensorType>(tensor.getType()).getShape())
      it->second.push_back(classes.add(extent));
  return it->second;
}

/// A reshape makes the dimensions on one side products of the other's.
LogicalResult IterationAnalysis::addViews() {
  for (Operation *view : views) {
    auto collapse = dyn_cast<tensor::CollapseShapeOp>(view);
    SmallVector<ReassociationIndices> groups =
        collapse ? collapse.getReassociationIndices()
                 : cast<tensor::ExpandShapeOp>(view).getReassociationIndices();
    SmallVector<unsigned> fine(nodesOf(collapse ? view->getOperand(0) : view->getResult(0)));
    SmallVector<unsigned> coarse(nodesOf(collapse ? view->getResult(0) : view->getOperand(0)));
    DimClasses::State before = classes.save();
    bool fits = true;
    for (auto [node, group] : llvm::zip(coarse, groups)) {
      SmallVector<unsigned> factors;
      for (int64_t i : group)
        factors.push_back(fine[i]);
      fits = fits && succeeded(classes.unify(node, factors));
    }
    if (fits)
      continue;
    if (isInside(s.getSource(view->getResult(0))))
      return fail("a reshape has no common factors with the others");
    // An input is read by its place in memory: the shape that it has there need not divide
    // into the loops.
    classes.restore(before);
  }
  return success();
}

const UsedRange &IterationAnalysis::usedRangeOf(OpOperand &operand) {
  auto [it, isNew] = usedRanges.try_emplace(&operand);
  if (isNew)
    it->second = getUsedRange(operand);
  return it->second;
}

/// Unifies the loops of `op` with the dimensions of `tensor` that they run over. With `range`,
/// where the tensor is used, other dimensions become functions of the loops.
LogicalResult IterationAnalysis::link(linalg::GenericOp op, Value tensor, AffineMap map,
                                      const UsedRange *range) {
  SmallVector<unsigned> nodes(nodesOf(tensor));
  for (auto [node, expr] : llvm::zip(nodes, map.getResults())) {
    if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
      if (failed(classes.unify(node, loops[op][dim.getPosition()])))
        return failure();
      continue;
    }
    if (isa<AffineConstantExpr>(expr) && classes.extent(node) == 1)
      continue;
    FailureOr<LinearIndex> index = failure();
    if (range)
      index = getLinearIndex(expr, range->loops);
    if (failed(index))
      return failure();
    Relation relation = {node, std::nullopt, index->offset, 0};
    for (auto [i, stride] : llvm::enumerate(index->strides)) {
      if (stride == 0)
        continue;
      if (relation.base)
        return failure();
      relation.base = loops[op][i];
      relation.stride = stride;
    }
    if (classes.extent(node) != 1)
      relations.push_back(relation);
  }
  return success();
}

/// Finds the classes that are functions of others; what one is the same function of becomes one.
/// Fails where one is two functions, is divided or depends on itself.
bool IterationAnalysis::findRelated() {
  related.clear();
  for (Relation relation : relations) {
    relation.node = classes.find(relation.node);
    if (relation.base)
      relation.base = classes.find(*relation.base);
    SmallVector<unsigned> leaves = classes.leaves(relation.node);
    if (leaves.size() != 1 || leaves.front() != relation.node)
      return false;
    auto [it, isNew] = related.try_emplace(relation.node, relation);
    const Relation &first = it->second;
    if (isNew)
      continue;
    if (first.offset != relation.offset || first.stride != relation.stride ||
        bool(first.base) != bool(relation.base))
      return false;
    if (!first.base || classes.leaves(*first.base) == classes.leaves(*relation.base))
      continue;
    if (failed(classes.unify(*first.base, *relation.base)))
      return false;
    return findRelated(); // with a class less
  }
  for (auto &[node, relation] : related)
    if (relation.base && isRelatedTo(*relation.base, node))
      return false;
  return true;
}

/// Whether `node` depends on `target`; what it depends on beyond has been looked at, or will be.
bool IterationAnalysis::isRelatedTo(unsigned node, unsigned target) const {
  SmallVector<unsigned> work = {node};
  llvm::DenseSet<unsigned> seen;
  while (!work.empty())
    for (unsigned leaf : classes.leaves(work.pop_back_val())) {
      if (leaf == target)
        return true;
      auto it = related.find(leaf);
      if (it != related.end() && it->second.base && seen.insert(leaf).second)
        work.push_back(*it->second.base);
    }
  return false;
}

/// The leaves of nodes, or those that they are functions of.
void IterationAnalysis::addRoots(ArrayRef<unsigned> nodes, SmallVectorImpl<unsigned> &roots) const {
  for (unsigned leaf : classes.leaves(nodes)) {
    auto it = related.find(leaf);
    if (it == related.end())
      roots.push_back(leaf);
    else if (it->second.base)
      addRoots(*it->second.base, roots);
  }
}

bool IterationAnalysis::areRoots(ArrayRef<unsigned> nodes) const {
  return llvm::none_of(classes.leaves(nodes), [&](unsigned leaf) { return related.count(leaf); });
}

/// Distinct loops of an op, and dimensions of a tensor, must not have become one.
bool IterationAnalysis::loopsAreApart() const {
  for (auto &[op, nodes] : loops) {
    SmallVector<unsigned> leaves = classes.leaves(nodes);
    llvm::sort(leaves);
    if (std::adjacent_find(leaves.begin(), leaves.end()) != leaves.end())
      return false;
  }
  return true;
}

LogicalResult IterationAnalysis::linkInside() {
  for (linalg::GenericOp op : s.ops) {
    for (int64_t range : op.getStaticLoopRanges())
      loops[op].push_back(classes.add(range, /*isLoop=*/true));
    for (auto [i, r] : llvm::enumerate(op.getResults()))
      if (failed(link(op, r, op.getMatchingIndexingMap(op.getDpsInitOperand(i)))))
        return fail("a result is not a projection of the loops");
    for (OpOperand &operand : op->getOpOperands())
      if (hasPlace(operand) && isInside(s.getSource(operand.get())) &&
          failed(
              link(op, operand.get(), op.getMatchingIndexingMap(&operand), &usedRangeOf(operand))))
        return fail("a value made inside is read elsewhere than where it is made");
  }
  if (!findRelated() || !loopsAreApart())
    return fail("a value made inside is read at two places");
  return success();
}

void IterationAnalysis::linkInputs() {
  SmallVector<OpOperand *> apart; // read at places that are no dimensions
  auto tryTo = [&](llvm::function_ref<LogicalResult()> unify) {
    DimClasses::State before = classes.save();
    bool fits = succeeded(unify()) && (relations.empty() || findRelated()) &&
                (!classes.hasJoined(before) || loopsAreApart());
    if (!fits)
      classes.restore(before);
    return fits;
  };
  for (linalg::GenericOp op : s.ops)
    for (OpOperand &operand : op->getOpOperands()) {
      if (!hasPlace(operand) || isInside(s.getSource(operand.get())))
        continue;
      (void)nodesOf(operand.get()); // so that what is restored has the nodes
      AffineMap map = op.getMatchingIndexingMap(&operand);
      if (!map.isProjectedPermutation(/*allowZeroInResults=*/true))
        apart.push_back(&operand);
      else
        tryTo([&] { return link(op, operand.get(), map); });
    }
  // Ops that read the same part of an input run over the same points.
  for (auto [i, operand] : llvm::enumerate(apart))
    for (OpOperand *first : ArrayRef(apart).take_front(i)) {
      auto a = cast<linalg::GenericOp>(first->getOwner());
      auto b = cast<linalg::GenericOp>(operand->getOwner());
      if (a == b || s.getSource(first->get()) != s.getSource(operand->get()) ||
          first->get().getType() != operand->get().getType() ||
          a.getMatchingIndexingMap(first) != b.getMatchingIndexingMap(operand) ||
          a.getStaticLoopRanges() != b.getStaticLoopRanges())
        continue;
      tryTo([&] { return classes.unify(loops[a], loops[b]); });
      break;
    }
}

/// Ops that share nothing run side by side where their results have the same shape.
void IterationAnalysis::alignResults() {
  for (Value r : ArrayRef(s.results).drop_front()) {
    SmallVector<unsigned> first(nodesOf(s.results.front())), mine(nodesOf(r));
    if (s.results.front().getType() == r.getType() ||
        cast<ShapedType>(s.results.front().getType()).getShape() ==
            cast<ShapedType>(r.getType()).getShape()) {
      SmallVector<unsigned> a = classes.leaves(first), b = classes.leaves(mine);
      if (llvm::any_of(b, [&](unsigned leaf) { return llvm::is_contained(a, leaf); }))
        continue;
      DimClasses::State before = classes.save();
      bool ok = true;
      for (auto [x, y] : llvm::zip(first, mine))
        ok = ok && succeeded(classes.unify(x, y));
      if (!ok || (!relations.empty() && !findRelated()) || !loopsAreApart())
        classes.restore(before);
    }
  }
  (void)findRelated(); // after what was restored
}

LogicalResult IterationAnalysis::findReduced() {
  bool found = false;
  for (linalg::GenericOp op : s.ops) {
    if (!isReduction(op))
      continue;
    llvm::DenseSet<unsigned> mine;
    for (auto [node, kind] : llvm::zip(loops[op], op.getIteratorTypesArray()))
      if (kind == utils::IteratorType::reduction) {
        if (!areRoots(node))
          return fail("a part of a reduced dimension is read");
        mine.insert_range(classes.leaves(node));
      }
    if (!found || mine == reduced) {
      reduced = std::move(mine);
      found = true;
      continue;
    }
    bool isApart = llvm::none_of(mine, [&](unsigned leaf) { return reduced.contains(leaf); });
    if (!isApart || mine.empty() || reduced.empty() || (!summed.empty() && mine != summed))
      return fail("reductions run over different dimensions");
    summed = std::move(mine);
  }
  return success();
}

/// Of reductions over different dimensions, those over the innermost one merge rows, the others
/// add rows up, and nothing waits for them.
LogicalResult IterationAnalysis::separateSums() {
  if (summed.empty())
    return success();
  if (summed.contains(order.back()))
    std::swap(reduced, summed);
  if (!reduced.contains(order.back()))
    return fail("reductions run over different dimensions");
  for (linalg::GenericOp op : s.ops) {
    if (!isReduction(op))
      continue;
    for (auto [node, kind] : llvm::zip(loops[op], op.getIteratorTypesArray()))
      if (kind == utils::IteratorType::reduction &&
          llvm::any_of(classes.leaves(node), [&](unsigned leaf) { return summed.contains(leaf); }))
        s.sums.insert(op->result_begin(), op->result_end());
  }
  for (linalg::GenericOp op : s.ops)
    if (llvm::any_of(op->getOperands(), [&](Value v) { return s.isSum(v); }))
      return fail("reductions run over different dimensions");
  return success();
}

/// Orders the leaves as most tensors have them in memory: first the results, then the
/// inputs with most dimensions. What contradicts is read with strides.
void IterationAnalysis::orderLeaves() {
  llvm::SetVector<unsigned> leaves;
  for (linalg::GenericOp op : s.ops)
    for (unsigned node : loops[op]) {
      SmallVector<unsigned> roots;
      addRoots(node, roots);
      leaves.insert_range(roots);
    }
  SmallVector<SmallVector<unsigned>> writes, chains;
  for (Value r : s.results)
    addRoots(nodesOf(r), writes.emplace_back());
  for (linalg::GenericOp op : s.ops)
    for (OpOperand &operand : op->getOpOperands())
      if (hasPlace(operand) && !isInside(s.getSource(operand.get()))) {
        SmallVector<unsigned> chain;
        for (AffineExpr expr : op.getMatchingIndexingMap(&operand).getResults())
          expr.walk([&](AffineExpr part) {
            if (auto dim = dyn_cast<AffineDimExpr>(part))
              addRoots(loops[op][dim.getPosition()], chain);
          });
        chains.push_back(chain);
      }
  SmallVector<ArrayRef<unsigned>> sorted;
  for (ArrayRef<SmallVector<unsigned>> list : {ArrayRef(writes), ArrayRef(chains)})
    for (size_t length = leaves.size(); length > 1; --length)
      for (const SmallVector<unsigned> &chain : list)
        if (chain.size() == length)
          sorted.push_back(chain);

  // before[x] holds what must come before x, transitively.
  DenseMap<unsigned, llvm::DenseSet<unsigned>> before;
  for (ArrayRef<unsigned> chain : sorted)
    for (size_t i = 1; i < chain.size(); ++i) {
      unsigned x = chain[i - 1], y = chain[i];
      if (x == y || before[x].contains(y))
        continue;
      llvm::DenseSet<unsigned> added = before[x];
      added.insert(x);
      for (unsigned leaf : leaves)
        if (leaf == y || before[leaf].contains(y))
          before[leaf].insert(added.begin(), added.end());
    }
  while (order.size() < leaves.size())
    for (unsigned leaf : leaves) {
      if (position.count(leaf) ||
          llvm::any_of(before[leaf], [&](unsigned other) { return !position.count(other); }))
        continue;
      position[leaf] = order.size();
      order.push_back(leaf);
      break;
    }
}

LogicalResult IterationAnalysis::run(ArrayRef<Operation *> ops) {
  if (failed(collect(ops)) || failed(addViews()) || failed(linkInside()))
    return failure();
  if (s.results.empty())
    return fail("it has no results");
  linkInputs();
  alignResults();
  if (failed(findReduced()))
    return failure();
  orderLeaves();
  if (failed(separateSums()) || failed(computeAccesses()) || failed(checkResults()))
    return failure();
  computeLevels();
  if (failed(checkRanges()))
    return failure();
  collapse();
  computeBoxes();
  if (!reduced.empty() || llvm::any_of(s.ops, isReduction))
    s.kind = s.dims.empty() || s.dims.back().reduced ? IterationKind::Row : IterationKind::Column;
  return success();
}

FailureOr<IterationStructure> analyzeIteration(ArrayRef<Operation *> ops, std::string *reason) {
  std::string ignored;
  IterationAnalysis analysis(reason ? *reason : ignored);
  if (failed(analysis.run(ops)))
    return failure();
  return std::move(analysis.s);
}

} // namespace ampc::plan
