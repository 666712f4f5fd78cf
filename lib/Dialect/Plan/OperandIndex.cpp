//===- OperandIndex.cpp - Which elements an op reads ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Plan/OperandIndex.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace ampc::plan {

/// Narrows `loops` to where a comparison of an index with a constant holds. Returns whether it
/// is one.
static bool narrowByComparison(arith::CmpIOp compare, MutableArrayRef<LoopRange> loops) {
  // Constants stand on the right: folding sees to it.
  Value x = compare.getLhs(), y = compare.getRhs();
  auto index = x.getDefiningOp<linalg::IndexOp>();
  APInt bound;
  if (!index || !matchPattern(y, m_ConstantInt(&bound)))
    return false;
  LoopRange &range = loops[index.getDim()];
  int64_t value = bound.getSExtValue();
  switch (compare.getPredicate()) {
  case arith::CmpIPredicate::slt:
    range.end = std::min(range.end, value);
    return true;
  case arith::CmpIPredicate::sle:
    range.end = std::min(range.end, value + 1);
    return true;
  case arith::CmpIPredicate::sgt:
    range.begin = std::max(range.begin, value + 1);
    return true;
  case arith::CmpIPredicate::sge:
    range.begin = std::max(range.begin, value);
    return true;
  default:
    return false;
  }
}

/// Narrows `loops` to where `condition` can hold. Returns whether it holds everywhere there.
static bool narrow(Value condition, MutableArrayRef<LoopRange> loops) {
  if (auto both = condition.getDefiningOp<arith::AndIOp>()) {
    bool left = narrow(both.getLhs(), loops);
    return narrow(both.getRhs(), loops) && left;
  }
  if (auto compare = condition.getDefiningOp<arith::CmpIOp>())
    return narrowByComparison(compare, loops);
  return matchPattern(condition, m_One());
}

UsedRange getUsedRange(OpOperand &operand) {
  auto op = cast<linalg::GenericOp>(operand.getOwner());
  UsedRange used;
  for (int64_t extent : op.getStaticLoopRanges())
    used.loops.push_back({0, extent});
  BlockArgument argument = op.getMatchingBlockArgument(&operand);
  if (op.isDpsInit(&operand) || !argument.hasOneUse())
    return used;
  OpOperand &use = *argument.use_begin();
  auto select = dyn_cast<arith::SelectOp>(use.getOwner());
  if (select && select->getBlock() == op.getBody() && use.getOperandNumber() == 1)
    used.isExact = narrow(select.getCondition(), used.loops);
  return used;
}

int64_t countPartlyUsed(linalg::GenericOp op) {
  SmallVector<int64_t> extents = op.getStaticLoopRanges();
  return llvm::count_if(op->getOpOperands(), [&](OpOperand &operand) {
    return llvm::any_of(llvm::zip(getUsedRange(operand).loops, extents), [](auto pair) {
      auto [used, extent] = pair;
      return used.begin > 0 || used.end < extent;
    });
  });
}

/// The least and the largest value; the ranges are not empty.
static std::pair<int64_t, int64_t> boundsOf(const LinearIndex &index, ArrayRef<LoopRange> loops) {
  int64_t low = index.offset, high = index.offset;
  for (auto [stride, range] : llvm::zip(index.strides, loops)) {
    int64_t first = stride * range.begin, last = stride * (range.end - 1);
    low += std::min(first, last);
    high += std::max(first, last);
  }
  return {low, high};
}

FailureOr<LinearIndex> getLinearIndex(AffineExpr expr, ArrayRef<LoopRange> loops) {
  LinearIndex index;
  index.strides.assign(loops.size(), 0);
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    index.offset = constant.getValue();
    return index;
  }
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    index.strides[dim.getPosition()] = 1;
    return index;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return failure();
  FailureOr<LinearIndex> left = getLinearIndex(binary.getLHS(), loops);
  FailureOr<LinearIndex> right = getLinearIndex(binary.getRHS(), loops);
  if (failed(left) || failed(right))
    return failure();
  auto constant = dyn_cast<AffineConstantExpr>(binary.getRHS());
  switch (binary.getKind()) {
  case AffineExprKind::Add:
    left->offset += right->offset;
    for (auto [x, y] : llvm::zip(left->strides, right->strides))
      x += y;
    return left;
  case AffineExprKind::Mul:
    if (!constant)
      return failure();
    left->offset *= constant.getValue();
    for (int64_t &stride : left->strides)
      stride *= constant.getValue();
    return left;
  case AffineExprKind::Mod: {
    if (!constant || constant.getValue() <= 0)
      return failure();
    if (llvm::any_of(loops, [](const LoopRange &range) { return range.begin >= range.end; }))
      return left; // is never read
    auto [low, high] = boundsOf(*left, loops);
    int64_t turns = llvm::divideFloorSigned(low, constant.getValue());
    if (turns != llvm::divideFloorSigned(high, constant.getValue()))
      return failure();
    left->offset -= turns * constant.getValue();
    return left;
  }
  default:
    return failure();
  }
}

} // namespace ampc::plan
