//===- IterationAnalysis.cpp - Finds the loops of a kernel ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Loops of ops and dimensions of the tensors between them are nodes that are unified where
// an op reads what another one makes. Reshapes split a node into factors. Reads of tensors
// from outside unify too, as far as that keeps the loops of each op apart: the sum of a
// matrix and its transpose reads one of them at strides of its own.
//
//===----------------------------------------------------------------------===//

#include "DimClasses.h"
#include "ampc/Dialect/Plan/IterationStructure.h"
#include "ampc/Dialect/Plan/Views.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace ampc::plan {

/// Builds an IterationStructure, step by step. A step that fails has set `reason`.
class IterationAnalysis {
public:
  explicit IterationAnalysis(std::string &reason) : reason(reason) {}
  LogicalResult run(ArrayRef<Operation *> ops);
  IterationStructure s;

private:
  LogicalResult collect(ArrayRef<Operation *> ops);
  LogicalResult addViews();
  LogicalResult linkInside();
  void linkInputs();
  void alignResults();
  LogicalResult findReduced();
  void orderLeaves();
  LogicalResult computeAccesses();
  LogicalResult checkResults();
  void computeLevels();
  void collapse();

  LogicalResult fail(const Twine &why) {
    reason = why.str();
    return failure();
  }
  bool isInside(Value v) const {
    return v.getDefiningOp() && s.members.contains(v.getDefiningOp());
  }
  /// Whether an operand is read at a place: not if it only gives a shape, or if all its
  /// elements are the same.
  bool hasPlace(OpOperand &operand) const {
    Value v = s.getSource(operand.get());
    return isa<RankedTensorType>(v.getType()) && !v.getDefiningOp<tensor::EmptyOp>() &&
           !(isInside(v) && getUniformValue(v)) &&
           cast<linalg::GenericOp>(operand.getOwner()).payloadUsesValueFromOperand(&operand);
  }
  ArrayRef<unsigned> nodesOf(Value tensor);
  bool loopsAreApart() const;
  LogicalResult link(linalg::GenericOp op, Value tensor, AffineMap map);
  LogicalResult addExpr(AffineExpr expr, int64_t factor, linalg::GenericOp op,
                        LinearAccess &access) const;
  void addNode(unsigned node, int64_t factor, LinearAccess &access) const;
  LinearAccess emptyAccess() const { return {0, SmallVector<int64_t, 4>(order.size(), 0)}; }
  llvm::SmallBitVector dimsOf(ArrayRef<unsigned> nodes) const;
  FailureOr<LinearAccess> accessOf(linalg::GenericOp op, OpOperand &operand) const;

  std::string &reason;
  DimClasses classes;
  DenseMap<Operation *, SmallVector<unsigned>> loops; // op -> node of each loop
  DenseMap<Value, SmallVector<unsigned>> tensorNodes;
  SmallVector<Operation *> views;
  SmallVector<unsigned> order; // leaves, outermost first
  DenseMap<unsigned, unsigned> position;
  llvm::DenseSet<unsigned> reduced; // leaves
};

static SmallVector<int64_t> rowMajorStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t i = int64_t(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

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

/// Unifies the loops of `op` with the dimensions of `tensor` that they run over.
LogicalResult IterationAnalysis::link(linalg::GenericOp op, Value tensor, AffineMap map) {
  SmallVector<unsigned> nodes(nodesOf(tensor));
  for (auto [node, expr] : llvm::zip(nodes, map.getResults())) {
    if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
      if (failed(classes.unify(node, loops[op][dim.getPosition()])))
        return failure();
    } else if (!isa<AffineConstantExpr>(expr) || classes.extent(node) != 1) {
      return failure();
    }
  }
  return success();
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
          failed(link(op, operand.get(), op.getMatchingIndexingMap(&operand))))
        return fail("a value made inside is read elsewhere than where it is made");
  }
  if (!loopsAreApart())
    return fail("a value made inside is read at two places");
  return success();
}

void IterationAnalysis::linkInputs() {
  for (linalg::GenericOp op : s.ops)
    for (OpOperand &operand : op->getOpOperands()) {
      if (!hasPlace(operand) || isInside(s.getSource(operand.get())))
        continue;
      (void)nodesOf(operand.get()); // so that `before` has the nodes
      DimClasses::State before = classes.save();
      if (failed(link(op, operand.get(), op.getMatchingIndexingMap(&operand))) ||
          (classes.hasJoined(before) && !loopsAreApart()))
        classes.restore(before);
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
      if (!ok || !loopsAreApart())
        classes.restore(before);
    }
  }
}

LogicalResult IterationAnalysis::findReduced() {
  bool found = false;
  for (linalg::GenericOp op : s.ops) {
    if (!isReduction(op))
      continue;
    llvm::DenseSet<unsigned> mine;
    for (auto [node, kind] : llvm::zip(loops[op], op.getIteratorTypesArray()))
      if (kind == utils::IteratorType::reduction)
        for (unsigned leaf : classes.leaves(node))
          mine.insert(leaf);
    if (found && mine != reduced)
      return fail("reductions run over different dimensions");
    reduced = std::move(mine);
    found = true;
  }
  return success();
}

/// Orders the leaves as most tensors have them in memory: first the results, then the
/// inputs with most dimensions. What contradicts is read with strides.
void IterationAnalysis::orderLeaves() {
  llvm::SetVector<unsigned> leaves;
  for (linalg::GenericOp op : s.ops)
    for (unsigned node : loops[op])
      leaves.insert_range(classes.leaves(node));
  SmallVector<SmallVector<unsigned>> writes, chains;
  for (Value r : s.results)
    writes.push_back(classes.leaves(nodesOf(r)));
  for (linalg::GenericOp op : s.ops)
    for (OpOperand &operand : op->getOpOperands())
      if (hasPlace(operand) && !isInside(s.getSource(operand.get()))) {
        SmallVector<unsigned> chain;
        for (AffineExpr expr : op.getMatchingIndexingMap(&operand).getResults())
          if (auto dim = dyn_cast<AffineDimExpr>(expr))
            classes.leaves(loops[op][dim.getPosition()], chain);
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

/// Adds `factor` times the index that a node counts.
void IterationAnalysis::addNode(unsigned node, int64_t factor, LinearAccess &access) const {
  SmallVector<unsigned> leaves = classes.leaves(node);
  for (unsigned leaf : llvm::reverse(leaves)) {
    access.strides[position.lookup(leaf)] += factor;
    factor *= classes.extent(leaf);
  }
}

LogicalResult IterationAnalysis::addExpr(AffineExpr expr, int64_t factor, linalg::GenericOp op,
                                         LinearAccess &access) const {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    access.offset += factor * constant.getValue();
    return success();
  }
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    addNode(loops.find(op)->second[dim.getPosition()], factor, access);
    return success();
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (binary && binary.getKind() == AffineExprKind::Add)
    return success(succeeded(addExpr(binary.getLHS(), factor, op, access)) &&
                   succeeded(addExpr(binary.getRHS(), factor, op, access)));
  if (binary && binary.getKind() == AffineExprKind::Mul)
    if (auto by = dyn_cast<AffineConstantExpr>(binary.getRHS()))
      return addExpr(binary.getLHS(), factor * by.getValue(), op, access);
  return failure();
}

FailureOr<LinearAccess> IterationAnalysis::accessOf(linalg::GenericOp op,
                                                    OpOperand &operand) const {
  LinearAccess access = emptyAccess();
  auto type = cast<RankedTensorType>(operand.get().getType());
  for (auto [stride, expr] : llvm::zip(rowMajorStrides(type.getShape()),
                                       op.getMatchingIndexingMap(&operand).getResults()))
    if (failed(addExpr(expr, stride, op, access)))
      return failure();
  return access;
}

llvm::SmallBitVector IterationAnalysis::dimsOf(ArrayRef<unsigned> nodes) const {
  llvm::SmallBitVector along(order.size());
  for (unsigned leaf : classes.leaves(nodes))
    along.set(position.lookup(leaf));
  return along;
}

LogicalResult IterationAnalysis::computeAccesses() {
  for (linalg::GenericOp op : s.ops) {
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
  for (unsigned leaf : order)
    s.dims.push_back({classes.extent(leaf), reduced.contains(leaf)});
  for (Value r : s.results) {
    const llvm::SmallBitVector &along = s.getDims(r);
    unsigned ofReduced = 0, ofKept = 0;
    for (auto [d, dim] : llvm::enumerate(s.dims))
      (dim.reduced ? ofReduced : ofKept) += along.test(d);
    if (ofKept != order.size() - reduced.size())
      return fail("results have different shapes");
    if (ofReduced != 0 && ofReduced != reduced.size())
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
    s.maxLevel = std::max(s.maxLevel, s.getLevel(r));
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
      accesses.push_back(&s.indices[op][index.getDim()]);
  // dims[d - 1] goes into dims[d], from the innermost pair outwards.
  for (size_t d = s.dims.size(); d-- > 1;) {
    bool fits = s.dims[d].reduced == s.dims[d - 1].reduced;
    for (auto &entry : s.varies)
      fits &= entry.second.test(d) == entry.second.test(d - 1);
    for (LinearAccess *access : accesses)
      fits &= access->strides[d - 1] == access->strides[d] * s.dims[d].extent;
    if (!fits)
      continue;
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
  if (failed(computeAccesses()) || failed(checkResults()))
    return failure();
  computeLevels();
  collapse();
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
