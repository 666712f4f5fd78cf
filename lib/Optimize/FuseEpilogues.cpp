//===- FuseEpilogues.cpp - Give library calls what follows them ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Optimize/Buffers.h"
#include "ampc/Optimize/LibraryTable.h"
#include "ampc/Optimize/Passes.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_FUSEEPILOGUES
#include "ampc/Optimize/Passes.h.inc"

/// `value` before it was widened or narrowed.
static Value skipConversions(Value value) {
  while (isa_and_nonnull<arith::ExtFOp, arith::TruncFOp>(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

/// The value that a body of one result yields.
static Value yielded(linalg::GenericOp generic) {
  return skipConversions(generic.getBody()->getTerminator()->getOperand(0));
}

/// Whether the op acts on each element of its operand `index` alone and keeps its type.
static bool isElementwiseOn(linalg::GenericOp generic, unsigned index) {
  return generic.getNumResults() == 1 && generic.getNumParallelLoops() == generic.getNumLoops() &&
         generic.getInputs()[index].getType() == generic.getResult(0).getType() &&
         generic.getIndexingMapsArray()[index].isIdentity() &&
         generic.getIndexingMapsArray().back().isIdentity();
}

/// max(x, 0), NaN where x is.
static bool isRelu(linalg::GenericOp generic) {
  if (generic.getInputs().size() != 1 || !isElementwiseOn(generic, 0))
    return false;
  auto maximum = yielded(generic).getDefiningOp<arith::MaximumFOp>();
  if (!maximum)
    return false;
  Value x = generic.getBody()->getArgument(0);
  auto isPair = [&](Value a, Value b) {
    return skipConversions(a) == x && matchPattern(b, m_AnyZeroFloat());
  };
  return isPair(maximum.getLhs(), maximum.getRhs()) || isPair(maximum.getRhs(), maximum.getLhs());
}

/// The b of x + b, where x is operand `index`, b has its element type and is one row that
/// is added to every row of x; null for other bodies.
static Value matchBias(linalg::GenericOp generic, unsigned index) {
  if (generic.getInputs().size() != 2 || !isElementwiseOn(generic, index))
    return {};
  auto add = yielded(generic).getDefiningOp<arith::AddFOp>();
  Block *body = generic.getBody();
  Value x = body->getArgument(index), b = body->getArgument(1 - index);
  if (!add || !((skipConversions(add.getLhs()) == x && skipConversions(add.getRhs()) == b) ||
                (skipConversions(add.getLhs()) == b && skipConversions(add.getRhs()) == x)))
    return {};
  if (b.getType() != x.getType())
    return {};
  unsigned rank = generic.getNumLoops();
  AffineMap row = AffineMap::getMinorIdentityMap(rank, 1, generic.getContext());
  if (rank < 2 || generic.getIndexingMapsArray()[1 - index] != row)
    return {};
  return generic.getInputs()[1 - index];
}

namespace {
struct FuseEpilogues : impl::FuseEpiloguesBase<FuseEpilogues> {
  using FuseEpiloguesBase::FuseEpiloguesBase;

  void runOnOperation() override {
    SmallVector<plan::LibraryCallOpInterface> calls;
    getOperation().walk([&](plan::LibraryCallOpInterface call) { calls.push_back(call); });
    for (plan::LibraryCallOpInterface call : calls)
      while (fuseNext(call))
        ;
  }

  bool fuse(plan::LibraryCallOpInterface call, plan::EpilogueKind epilogue, Value operand) const {
    return LibraryTable(target).supports(call, epilogue) && call.fuseEpilogue(epilogue, operand);
  }

  /// Takes the op behind the call's result (or behind a view of it) into the call.
  bool fuseNext(plan::LibraryCallOpInterface call) const {
    if (call->getNumResults() != 1)
      return false;
    Value value = call->getResult(0);
    int64_t columns = cast<RankedTensorType>(value.getType()).getShape().back();
    while (value.hasOneUse() && isView(*value.user_begin()))
      value = value.user_begin()->getResult(0);
    auto next =
        value.hasOneUse() ? dyn_cast<linalg::GenericOp>(*value.user_begin()) : linalg::GenericOp();
    if (!next || next.isDpsInit(&*value.use_begin()))
      return false;
    unsigned index = value.use_begin()->getOperandNumber();
    bool fused = false;
    if (isRelu(next)) {
      fused = fuse(call, plan::EpilogueKind::Relu, Value());
    } else if (Value bias = matchBias(next, index)) {
      if (cast<RankedTensorType>(bias.getType()).getDimSize(0) != columns)
        return false;
      // The bias may be computed behind the call; nothing else reads the result.
      SmallVector<Operation *> moved;
      for (Value v = value; isView(v.getDefiningOp()); v = v.getDefiningOp()->getOperand(0))
        moved.push_back(v.getDefiningOp());
      fused = fuse(call, plan::EpilogueKind::Bias, bias);
      if (fused) {
        call->moveBefore(next);
        for (Operation *view : llvm::reverse(moved))
          view->moveBefore(next);
      }
    }
    if (!fused)
      return false;
    call->setLoc(FusedLoc::get(call.getContext(), {call.getLoc(), next.getLoc()}));
    next.getResult(0).replaceAllUsesWith(value);
    next.erase();
    return true;
  }
};
} // namespace
} // namespace ampc
