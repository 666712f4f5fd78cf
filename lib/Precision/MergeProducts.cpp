//===- MergeProducts.cpp - One product for several weights ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// After autocast, since only copies that the step itself keeps can lie one behind the other:
// masters lie as the model has them. Before differentiation, so that the gradient is merged as
// well.
//
//===----------------------------------------------------------------------===//

#include "LowCopies.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Precision/Passes.h"
#include "ampc/Support/NodeLocation.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Remarks.h"

namespace ampc {
#define GEN_PASS_DEF_MERGEPRODUCTS
#include "ampc/Precision/Passes.h.inc"

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// The bytes of a tensor, as a number to weigh.
static double weigh(RankedTensorType type) {
  double bytes = type.getElementTypeBitWidth() / 8.0;
  for (int64_t extent : type.getShape())
    bytes *= double(extent);
  return bytes;
}

namespace {
struct MergeProducts : impl::MergeProductsBase<MergeProducts> {
  void runOnOperation() override {
    SymbolTable table(getOperation());
    symbols = &table;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal())
        visit(function.front());
  }

private:
  using Group = SmallVector<MergeOpInterface>;
  const SymbolTable *symbols = nullptr;

  void visit(Block &block) {
    for (BlockArgument argument : block.getArguments())
      mergeUsers(argument);
    for (Operation &op : block)
      for (Value result : op.getResults())
        mergeUsers(result);
  }

  /// Merges the ops that have `shared` in common.
  void mergeUsers(Value shared) {
    SmallVector<Group> groups;
    DenseSet<Operation *> seen;
    for (Operation *user : shared.getUsers()) {
      auto op = dyn_cast<MergeOpInterface>(user);
      if (!op || !seen.insert(user).second || !isCandidate(op, shared))
        continue;
      Group *group = llvm::find_if(groups, [&](Group &g) { return fits(g.front(), op); });
      (group == groups.end() ? groups.emplace_back() : *group).push_back(op);
    }
    for (Group &group : groups) {
      // In the order of the block, which that of the users is not.
      llvm::sort(group, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
      if (group.size() > 1 && areDistinct(group) && areAligned(group) && saves(group, shared))
        merge(group);
    }
  }

  /// The parameter whose low copy `value` is, which nothing else reads; null where it is none.
  VariableOp copiedParameter(Value value) const {
    VariableOp variable = getCopiedVariable(value, *symbols);
    bool isParameter = variable && variable.getRole() == VariableRole::Parameter;
    return isParameter && value.hasOneUse() ? variable : VariableOp();
  }

  /// Whether `shared` is what the op would have in common with others, and all else are low copies
  /// that can lie one behind the other.
  bool isCandidate(MergeOpInterface op, Value shared) const {
    bool hasPart = false;
    for (OpOperand &operand : op->getOpOperands()) {
      std::optional<int64_t> dim = op.getMergedDim(operand.getOperandNumber());
      if (!dim && operand.get() != shared)
        return false;
      if (!dim)
        continue;
      if (*dim != 0 || !copiedParameter(operand.get()))
        return false;
      hasPart = true;
    }
    return hasPart && op->getNumResults() == 1;
  }

  /// Whether two candidates of one value are the same but for the extents that are put together.
  bool fits(MergeOpInterface a, MergeOpInterface b) const {
    if (a->getName() != b->getName() || a->getBlock() != b->getBlock() ||
        a->getNumOperands() != b->getNumOperands() ||
        a->getAttrDictionary() != b->getAttrDictionary())
      return false;
    for (auto [x, y] : llvm::zip_equal(a->getOpOperands(), b->getOpOperands())) {
      if (!a.getMergedDim(x.getOperandNumber()))
        continue;
      RankedTensorType left = typeOf(x.get()), right = typeOf(y.get());
      if (left.getElementType() != right.getElementType() || left.getRank() != right.getRank() ||
          left.getShape().drop_front() != right.getShape().drop_front() ||
          copiedParameter(x.get()).getTrained() != copiedParameter(y.get()).getTrained())
        return false;
    }
    return true;
  }

  /// Whether no parameter is read by two of the ops.
  bool areDistinct(const Group &group) const {
    DenseSet<Operation *> parameters;
    for (MergeOpInterface op : group)
      for (OpOperand &operand : op->getOpOperands())
        if (op.getMergedDim(operand.getOperandNumber()) &&
            !parameters.insert(copiedParameter(operand.get())).second)
          return false;
    return true;
  }

  /// Whether the low copies can lie one behind the other.
  static bool areAligned(const Group &group) {
    MergeOpInterface first = group.front();
    return llvm::all_of(first->getOpOperands(), [&](OpOperand &operand) {
      unsigned i = operand.getOperandNumber();
      return !first.getMergedDim(i) || areAlignedInARow(partsOf(group, i));
    });
  }

  /// Operand `index` of each op.
  static SmallVector<Value> partsOf(const Group &group, unsigned index) {
    return llvm::map_to_vector(group, [&](MergeOpInterface op) { return op->getOperand(index); });
  }

  /// Merged, `shared` is read once where it was read by each, and its gradient is written and read
  /// once. Where the gradients of the parts are not made in their places, they are read and written
  /// once more.
  bool saves(const Group &group, Value shared) const {
    double saved = 3 * weigh(typeOf(shared)) * double(group.size() - 1), moved = 0;
    for (MergeOpInterface op : group)
      moved += 2 * weigh(typeOf(op->getResult(0)));
    auto opts = remark::RemarkOpts::name("merge").category("merge-products");
    Location loc = group.front()->getLoc();
    (moved <= saved ? remark::passed(loc, opts) : remark::missed(loc, opts))
        << remark::metric("ops", unsigned(group.size())) << remark::metric("saved", saved)
        << remark::metric("moved", moved);
    return moved <= saved;
  }

  void merge(const Group &group) {
    MergeOpInterface first = group.front();
    SmallVector<Location> places, whole;
    SmallVector<int64_t> sizes;
    int64_t dim = first.getMergedResultDim();
    for (MergeOpInterface op : group) {
      places.push_back(op->getLoc());
      whole.push_back(nameNoResult(op->getLoc()));
      sizes.push_back(typeOf(op->getResult(0)).getDimSize(dim));
    }
    OpBuilder b(first);
    Location loc = b.getFusedLoc(whole);
    SmallVector<Value> operands(first->getOperands());
    for (auto [i, operand] : llvm::enumerate(operands)) {
      if (!first.getMergedDim(i))
        continue;
      SmallVector<Value> parts = partsOf(group, i);
      for (Value part : parts) // which may be made behind the first op
        for (Operation *made :
             {part.getDefiningOp()->getOperand(0).getDefiningOp(), part.getDefiningOp()})
          if (first->isBeforeInBlock(made))
            made->moveBefore(first);
      operand = buildConcatenation(b, loc, parts, 0);
    }
    SmallVector<int64_t> shape(typeOf(first->getResult(0)).getShape());
    shape[dim] = llvm::sum_of(sizes, int64_t(0));
    Operation *merged =
        Operation::create(loc, first->getName(), typeOf(first->getResult(0)).clone(shape), operands,
                          first->getDiscardableAttrDictionary(), first->getPropertiesStorage(),
                          BlockRange(), /*numRegions=*/0);
    b.insert(merged);
    ResultRange parts = buildSplit(b, joinResults(loc, places), merged->getResult(0), dim, sizes);
    for (auto [op, part] : llvm::zip_equal(group, parts))
      op->getResult(0).replaceAllUsesWith(part);
    for (MergeOpInterface op : group)
      op->erase();
    numMerged += group.size() - 1;
  }
};
} // namespace
} // namespace ampc
