//===- TieLoops.cpp - Compute what a body returns where the loop keeps it -===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A carried value has one buffer for all iterations: its next value may be written there once
// nobody reads the present one.
//
//===----------------------------------------------------------------------===//

#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Plan/Plan.h"
#include "ampc/Optimize/Buffers.h"
#include "ampc/Optimize/Passes.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_TIELOOPS
#include "ampc/Optimize/Passes.h.inc"

/// Whether every slice of such a type, densely behind another, is aligned.
static bool isAlignedSlice(Type type) {
  return getByteSize(type).value_or(1) % AMPC_ALIGNMENT == 0;
}

/// Whether a use of `value`, or of a view of it, stands behind `step` or is the step.
static bool isReadFrom(Value value, Operation *step) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    return isAlias(user) ? isReadFrom(user->getResult(0), step) : !user->isBeforeInBlock(step);
  });
}

namespace {
struct TieLoops : impl::TieLoopsBase<TieLoops> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    getOperation().walk(
        [&](plan::LoopOp loop) { tie(loop, symbols.lookup<func::FuncOp>(loop.getBody())); });
  }

private:
  static void tie(plan::LoopOp loop, func::FuncOp body) {
    alignSlices(loop, body);
    Operation *end = body.front().getTerminator();
    unsigned carried = loop.getNumCarried();
    DenseSet<Value> taken; // results whose buffers are the loop's
    auto take = [&](OpOperand &used, bool isInPlace) {
      Value owner = getBufferOwner(used.get());
      if (isInPlace && owner.getDefiningOp<plan::StepOpInterface>() && taken.insert(owner).second)
        return true;
      return false;
    };
    SmallVector<OpOperand *> copied;
    for (OpOperand &used : end->getOpOperands()) {
      unsigned index = used.getOperandNumber();
      if (index < carried)
        continue;
      if (!take(used, isAlignedSlice(used.get().getType())))
        copied.push_back(&used);
    }
    // Present values that are read at the end, as outputs or in another's place, are saved before
    // any of them is replaced.
    OpBuilder builder(end);
    auto copy = [&](OpOperand &used) {
      used.set(plan::CopyOp::create(builder, loop.getLoc(), used.get().getType(), used.get()));
    };
    for (OpOperand *used : copied)
      copy(*used);
    SmallVector<OpOperand *> replaced;
    for (unsigned i = 0; i < carried; ++i) {
      OpOperand &used = end->getOpOperand(i);
      Value owner = getBufferOwner(used.get());
      Operation *step = owner.getDefiningOp();
      if (take(used, step && !isReadFrom(body.getArgument(i), step)))
        continue;
      if (isa<BlockArgument>(owner))
        copy(used);
      replaced.push_back(&used);
    }
    for (OpOperand *used : replaced)
      copy(*used);
  }

  /// Copies slices that need not be aligned.
  static void alignSlices(plan::LoopOp loop, func::FuncOp body) {
    OpBuilder builder = OpBuilder::atBlockBegin(&body.front());
    for (unsigned i = 0; i < loop.getSequences().size(); ++i) {
      BlockArgument slice = body.getArgument(loop.getNumCarried() + i);
      if (isAlignedSlice(slice.getType()) || slice.use_empty())
        continue;
      auto copy = plan::CopyOp::create(builder, loop.getLoc(), slice.getType(), slice);
      slice.replaceAllUsesExcept(copy.getResult(), copy);
    }
  }
};
} // namespace
} // namespace ampc
