//===- FuseEpilogues.cpp - Give library calls what follows them ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Optimize/Buffers.h"
#include "ampc/Optimize/LibraryTable.h"
#include "ampc/Optimize/Passes.h"
#include "ampc/Support/NodeLocation.h"
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

/// Whether the op sums up all but the last dimension of its one input, from 0 on, as they are.
static bool isSumOfRows(linalg::GenericOp generic) {
  unsigned rank = generic.getNumLoops();
  if (rank < 2 || generic.getInputs().size() != 1 || generic.getNumResults() != 1 ||
      generic.getNumReductionLoops() != rank - 1)
    return false;
  SmallVector<AffineMap> maps = generic.getIndexingMapsArray();
  if (!maps[0].isIdentity() ||
      maps[1] != AffineMap::getMinorIdentityMap(rank, 1, generic.getContext()))
    return false;
  auto fill = generic.getOutputs()[0].getDefiningOp<linalg::FillOp>();
  Value first = fill ? fill.value() : generic.getOutputs()[0];
  auto add = generic.getBody()->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!add || !matchPattern(first, m_AnyZeroFloat()))
    return false;
  auto isPair = [&](Value term, Value sum) {
    auto widened = term.getDefiningOp<arith::ExtFOp>();
    return (widened ? widened.getIn() : term) == generic.getBody()->getArgument(0) &&
           sum == generic.getBody()->getArgument(1);
  };
  return isPair(add.getLhs(), add.getRhs()) || isPair(add.getRhs(), add.getLhs());
}

/// `value` before it was seen in another shape.
static Value skipViews(Value value) {
  while (isView(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

/// The sum of the rows of `operand`, or of what it is in another shape; null where there is none.
static linalg::GenericOp findSumOfRows(Value operand) {
  int64_t columns = cast<RankedTensorType>(operand.getType()).getShape().back();
  SmallVector<Value> shapes{skipViews(operand)};
  for (size_t i = 0; i != shapes.size(); ++i)
    for (Operation *user : shapes[i].getUsers()) {
      auto generic = dyn_cast<linalg::GenericOp>(user);
      if (isView(user))
        shapes.push_back(user->getResult(0));
      else if (generic && isSumOfRows(generic) &&
               cast<RankedTensorType>(shapes[i].getType()).getShape().back() == columns)
        return generic;
    }
  return {};
}

/// Moves views that `op` reads before `place`, a point before it in its block; false where it reads
/// something else that is only there behind it.
static bool moveViewsBefore(Operation *op, Operation *place) {
  SmallVector<Operation *> views;
  for (Value operand : op->getOperands()) {
    Operation *def = operand.getDefiningOp();
    for (; isView(def) && !def->isBeforeInBlock(place); def = def->getOperand(0).getDefiningOp())
      views.push_back(def);
    if (def && def->getBlock() == place->getBlock() && !def->isBeforeInBlock(place))
      return false;
  }
  for (Operation *view : llvm::reverse(views))
    if (!view->isBeforeInBlock(place))
      view->moveBefore(place);
  return true;
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
    for (plan::LibraryCallOpInterface call : calls)
      fuseSums(call);
  }

  /// Lets the call sum up the rows of an operand that it reads.
  void fuseSums(plan::LibraryCallOpInterface call) const {
    // A short product may be a part of a kernel.
    if (!LibraryTable(target).supportsSums(call) || call.isShorterThanLaunch())
      return;
    for (unsigned index : {0, 1}) {
      linalg::GenericOp sum = findSumOfRows(call->getOperand(index));
      if (!sum || sum->getBlock() != call->getBlock() ||
          getElementTypeOrSelf(sum.getResult(0)) != getElementTypeOrSelf(call->getResult(0)))
        continue;
      Operation *place = call;
      if (sum->isBeforeInBlock(call)) {
        // What reads the sums may stand before the call.
        if (!moveViewsBefore(call, sum))
          continue;
        place = sum;
      }
      OpBuilder builder(place);
      Location loc = FusedLoc::get(call.getContext(), {call.getLoc(), sum.getLoc()});
      loc = joinResults(loc, {pickResult(call.getLoc(), 0), pickResult(sum.getLoc(), 0)});
      Value sums = call.fuseSums(builder, index);
      if (!sums)
        continue;
      sums.getDefiningOp()->setLoc(loc);
      sum.getResult(0).replaceAllUsesWith(sums);
      sum.erase();
      return;
    }
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
