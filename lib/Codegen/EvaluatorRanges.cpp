//===- EvaluatorRanges.cpp - Operands that are used in ranges -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Evaluator.h"
#include "mlir/IR/Matchers.h"

namespace ampc::codegen {

std::optional<bool> Evaluator::isKnownToHold(const plan::IndexRange &range) const {
  if (range.dim) {
    auto [begin, end] = knownRanges[*range.dim];
    if (range.begin <= begin && end <= range.end)
      return true;
    if (range.end <= begin || end <= range.begin)
      return false;
  }
  if (llvm::is_contained(knownNotToHold, range))
    return false;
  return std::nullopt;
}

/// Whether lanes of one point can lie on both sides of an end of the range.
bool Evaluator::variesByLane(const plan::IndexRange &range) const {
  if (!variesByLane(range.index))
    return false;
  ArrayRef<unsigned> dims = axes[laneAxis];
  if (!range.dim || *range.dim != dims.back())
    return true;
  int64_t extent = s.dims[*range.dim].extent;
  return (dims.size() > 1 && extent % lanes != 0) || range.begin % lanes != 0 ||
         (range.end % lanes != 0 && range.end != extent);
}

/// Whether the index lies in the range.
Value Evaluator::holds(const plan::IndexRange &range, const Point &p, int64_t lane) {
  Value i = linear(range.index, p, lane);
  if (range.dim) {
    auto [begin, end] = knownRanges[*range.dim];
    if (range.begin <= begin)
      return index.less(i, range.end);
    if (end <= range.end)
      return b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::uge, i,
                                           index.constant(range.begin));
  }
  // What lies before the range wraps around.
  return index.less(index.sub(i, index.constant(range.begin)), range.end - range.begin);
}

/// Whether all ranges of an operand hold.
Value Evaluator::isUsed(const plan::OperandRanges &used, const Point &p, int64_t lane) {
  bool byLane = llvm::any_of(used.all, [&](auto &range) { return variesByLane(range); });
  Key key = makeKey(uintptr_t(&used), ~uint64_t(0), byLane, p, lane);
  if (Value known = find(key))
    return known;
  Value all;
  for (const plan::IndexRange &range : used.all) {
    std::optional<bool> known = isKnownToHold(range);
    if (known && !*known) {
      all = constant(b.getBoolAttr(false));
      break;
    }
    if (known)
      continue;
    Value one = holds(range, p, byLane ? lane : 0);
    all = all ? b.createOrFold<arith::AndIOp>(loc, all, one) : one;
  }
  if (!all)
    all = constant(b.getBoolAttr(true));
  return scopes.back().known[key] = all;
}

/// The value of an operand where it is used; elsewhere it is neither read nor computed.
Value Evaluator::evalInRange(OpOperand &operand, const plan::OperandRanges &used, const Point &p,
                             int64_t lane) {
  bool apart = llvm::any_of(used.all, [&](auto &range) { return variesByLane(range); });
  const LinearAccess *access = s.getRead(operand);
  bool byLane = apart || (access ? variesByLane(*access) : variesByLane(s.getDims(operand.get())));
  auto key = [&](int64_t l) { return makeKey(uintptr_t(&operand), ~uint64_t(0), byLane, p, l); };
  if (Value known = find(key(lane)))
    return known;
  Value condition = isUsed(used, p, lane);
  Type type = getElementTypeOrSelf(operand.get().getType());
  if (matchPattern(condition, m_One()))
    return evalPlain(operand, p, lane);
  if (matchPattern(condition, m_Zero()))
    return constant(b.getZeroAttr(type));
  // Lanes that are in the range together share the branch, so that they can share a load.
  SmallVector<int64_t> sharing = {lane};
  if (byLane && !apart)
    sharing = llvm::to_vector(llvm::seq<int64_t>(0, lanes));
  auto branch = scf::IfOp::create(b, loc, SmallVector<Type>(sharing.size(), type), condition,
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(branch.thenBlock());
    push(/*isGuard=*/true);
    bool wereApart = lanesAreApart;
    lanesAreApart |= apart;
    SmallVector<Value> values;
    for (int64_t l : sharing)
      values.push_back(evalPlain(operand, p, l));
    lanesAreApart = wereApart;
    pop();
    scf::YieldOp::create(b, loc, values);
    b.setInsertionPointToEnd(branch.elseBlock());
    Value zero = constant(b.getZeroAttr(type));
    scf::YieldOp::create(b, loc, SmallVector<Value>(sharing.size(), zero));
  }
  for (auto [l, value] : llvm::zip(sharing, branch.getResults()))
    scopes.back().known[key(l)] = value;
  return find(key(lane));
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

void Evaluator::within(unsigned dim, int64_t begin, int64_t end, llvm::function_ref<void()> body) {
  std::pair<int64_t, int64_t> before = knownRanges[dim];
  knownRanges[dim] = {std::max(before.first, begin), std::min(before.second, end)};
  scoped(body);
  knownRanges[dim] = before;
}

/// Copies of a loop, one for each case.
constexpr unsigned kMostCases = 16;

void Evaluator::splitCases(ArrayRef<unsigned> fixed, const Point &p,
                           llvm::function_ref<void()> body) {
  unsigned left = kMostCases;
  std::function<void()> split = [&] {
    const plan::IndexRange *open = nullptr;
    for (linalg::GenericOp op : s.ops)
      for (OpOperand &operand : op->getOpOperands())
        if (const plan::OperandRanges *used = s.getRanges(operand))
          for (const plan::IndexRange &range : used->all)
            if (!open && range.dim && llvm::is_contained(fixed, *range.dim) &&
                !isKnownToHold(range))
              open = &range;
    if (!open || left <= 1)
      return body();
    --left;
    auto branch = scf::IfOp::create(b, loc, holds(*open, p, 0), /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(branch.thenBlock()->getTerminator());
    push(/*isGuard=*/true);
    within(*open->dim, open->begin, open->end, split);
    pop();
    b.setInsertionPoint(branch.elseBlock()->getTerminator());
    push(/*isGuard=*/true);
    knownNotToHold.push_back(*open);
    split();
    knownNotToHold.pop_back();
    pop();
  };
  split();
}

} // namespace ampc::codegen
