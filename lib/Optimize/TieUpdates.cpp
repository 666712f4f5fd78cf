//===- TieUpdates.cpp - Compute new values where the variables lie ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// To the dialect, assignments happen at the end of a function. In memory, a new value is
// written as soon as it is computed. Both are the same as long as nobody reads the old value
// afterwards.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Plan/IterationStructure.h"
#include "ampc/Optimize/Buffers.h"
#include "ampc/Optimize/Passes.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_TIEUPDATES
#include "ampc/Optimize/Passes.h.inc"

using plan::KernelKind;
using plan::KernelOp;
using plan::mayOverwrite;

/// Calls `fn` for each op that uses `value` or a view of it, but not for the views.
static void forEachUser(Value value, llvm::function_ref<void(Operation *)> fn) {
  for (Operation *user : value.getUsers()) {
    if (isAlias(user))
      forEachUser(user->getResult(0), fn);
    else
      fn(user);
  }
}

static bool tryTie(KernelOp kernel, unsigned operand, unsigned result);

/// As tryTie, for kernels that hold others. The nested kernel that writes the result must
/// come last of those that read the operand, and may itself read it at the same place only.
static bool tryTieNested(KernelOp kernel, unsigned operand, unsigned result) {
  auto written = dyn_cast<OpResult>(getViewed(kernel.getYield()->getOperand(result)));
  auto writer = written ? dyn_cast<KernelOp>(written.getOwner()) : KernelOp();
  if (!writer)
    return false;
  Value argument = kernel.getBodyBlock()->getArgument(operand);
  bool ordered = true;
  forEachUser(argument, [&](Operation *user) {
    ordered &= user == writer ||
               (kernel.getKind() == KernelKind::Sequence && user->isBeforeInBlock(writer));
  });
  int64_t nested = -1;
  for (OpOperand &used : writer->getOpOperands())
    if (getViewed(used.get()) == argument) {
      ordered &= nested < 0;
      nested = used.getOperandNumber();
    }
  return ordered && (nested < 0 || tryTie(writer, nested, written.getResultNumber()));
}

/// Yields a copy of a result, made by a new last kernel of the sequence. The copy may alias a
/// live-in, since every reader of the live-in has run: with w' = w - g first and y = x * w after
/// it, w' itself may not be written over w.
static void copyInside(KernelOp sequence, unsigned result) {
  OpOperand &yielded = sequence.getYield()->getOpOperand(result);
  auto type = cast<RankedTensorType>(yielded.get().getType());
  Location loc = yielded.get().getLoc();
  OpBuilder builder(sequence.getYield());
  auto copy = KernelOp::create(builder, loc, TypeRange(type), yielded.get(), KernelKind::Fused);
  OpBuilder body = OpBuilder::atBlockEnd(copy.getBodyBlock());
  Value empty = tensor::EmptyOp::create(body, loc, type.getShape(), type.getElementType());
  AffineMap identity = body.getMultiDimIdentityMap(type.getRank());
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      body, loc, type, ValueRange(copy.getBodyBlock()->getArgument(0)), empty, {identity, identity},
      iterators, [](OpBuilder &nested, Location at, ValueRange x) {
        linalg::YieldOp::create(nested, at, x[0]);
      });
  plan::YieldOp::create(body, loc, generic.getResults());
  yielded.set(copy.getResult(0));
}

/// Ties a result of a kernel to an operand, here and in the kernels that it holds, where it
/// can be written over it.
static bool tryTie(KernelOp kernel, unsigned operand, unsigned result) {
  SmallVector<int64_t> tied(kernel.getTied());
  if (tied[result] >= 0 || llvm::is_contained(tied, int64_t(operand)) ||
      kernel.getInputs()[operand].getType() != kernel.getResult(result).getType())
    return false;
  if (kernel.getKind() == KernelKind::Fused) {
    if (!mayOverwrite(kernel, operand, result))
      return false;
  } else if (!tryTieNested(kernel, operand, result)) {
    if (kernel.getKind() != KernelKind::Sequence)
      return false;
    copyInside(kernel, result);
  }
  tied[result] = operand;
  kernel.setTied(tied);
  return true;
}

namespace {
struct TieUpdates : impl::TieUpdatesBase<TieUpdates> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal())
      return;
    assigns = llvm::to_vector(function.getOps<AssignOp>());
    taken.clear();
    assigned.clear();
    dropSelfAssigns();
    for (AssignOp assign : assigns)
      assigned.insert(assign.getVariableAttr());
    gatherReads(function);
    // What is returned, or goes to another variable, must outlast the new value.
    saveOldValues(*function.front().getTerminator());
    for (AssignOp assign : assigns)
      saveOldValues(*assign);
    for (AssignOp assign : assigns)
      if (!isComputedInPlace(assign))
        copyAtEnd(assign);
    for (AssignOp assign : assigns)
      assign->moveBefore(function.front().getTerminator());
  }

private:
  /// The assignments of the function.
  SmallVector<AssignOp> assigns;
  /// Old values of each variable.
  DenseMap<StringAttr, SmallVector<ReadOp>> reads;
  /// Results that a variable's buffer is taken for.
  DenseSet<Value> taken;

  /// Variables that the function assigns.
  DenseSet<Attribute> assigned;

  bool isAssigned(FlatSymbolRefAttr variable) { return assigned.contains(variable); }

  /// Assigning its old value to a variable changes nothing.
  void dropSelfAssigns() {
    llvm::erase_if(assigns, [](AssignOp assign) {
      if (getReadVariable(assign.getValue()) != assign.getVariableAttr())
        return false;
      assign.erase();
      return true;
    });
  }

  void gatherReads(func::FuncOp function) {
    reads.clear();
    for (auto read : function.getOps<ReadOp>())
      reads[read.getVariableAttr().getAttr()].push_back(read);
  }

  /// Replaces operands of `op` that are old values of assigned variables by copies, made
  /// before any step.
  void saveOldValues(Operation &op) {
    for (OpOperand &used : op.getOpOperands()) {
      FlatSymbolRefAttr variable = getReadVariable(used.get());
      if (!variable || !isAssigned(variable))
        continue;
      OpBuilder builder(&getContext());
      builder.setInsertionPointAfterValue(used.get());
      used.set(
          plan::CopyOp::create(builder, used.get().getLoc(), used.get().getType(), used.get()));
    }
  }

  /// Whether the new value can be written over the old one; ties it where the step that
  /// writes it reads the old value.
  bool isComputedInPlace(AssignOp assign) {
    Value value = getViewed(assign.getValue());
    auto step = value.getDefiningOp<plan::StepOpInterface>();
    if (!step || taken.contains(value))
      return false;
    unsigned result = cast<OpResult>(value).getResultNumber();
    int64_t operand = -1;
    bool legal = true;
    for (ReadOp read : reads.lookup(assign.getVariableAttr().getAttr()))
      forEachUser(read,
                  [&](Operation *user) { legal &= user == step || user->isBeforeInBlock(step); });
    for (OpOperand &used : step->getOpOperands())
      if (getReadVariable(used.get()) == assign.getVariableAttr()) {
        legal &= operand < 0;
        operand = used.getOperandNumber();
      }
    if (!legal)
      return false;
    if (operand >= 0) {
      auto kernel = dyn_cast<KernelOp>(step.getOperation());
      if (!kernel || !tryTie(kernel, operand, result))
        return false;
    }
    taken.insert(value);
    return true;
  }

  void copyAtEnd(AssignOp assign) {
    OpBuilder builder(assign->getBlock()->getTerminator());
    Value value = assign.getValue();
    assign.getValueMutable().assign(
        plan::CopyOp::create(builder, assign.getLoc(), value.getType(), value));
  }
};
} // namespace
} // namespace ampc
