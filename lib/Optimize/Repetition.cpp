//===- Repetition.cpp - Steps that are computed again ---------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Repetition.h"
#include "ampc/Dialect/Plan/IterationStructure.h"
#include "ampc/Optimize/Buffers.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace ampc {

using plan::KernelOp;

bool canRepeat(Operation *op) {
  if (!isa<plan::StepOpInterface>(op) || !isMemoryEffectFree(op))
    return false;
  auto call = dyn_cast<plan::LibraryCallOpInterface>(op);
  return !call || llvm::all_of(op->getResults(), [&](OpResult result) {
    return call.getResultRole(result.getResultNumber()) == plan::OperandRole::Out;
  });
}

//===----------------------------------------------------------------------===//
// One step
//===----------------------------------------------------------------------===//

KernelOp Repetition::getDivisible(Operation *op) {
  auto kernel = dyn_cast<KernelOp>(op);
  return kernel && kernel.getKind() == plan::KernelKind::Fused ? kernel : KernelOp();
}

void Repetition::complete(Operation *op) {
  operands.clear();
  needed.clear();
  KernelOp kernel = getDivisible(op);
  if (!kernel) {
    operands.insert_range(op->getOperands());
    return;
  }
  DenseMap<Value, Value> known; // in the body
  for (unsigned r : given)
    known[kernel.getYield()->getOperand(r)] = kernel.getResult(r);
  SmallVector<Value> pending;
  for (unsigned r : wanted)
    pending.push_back(kernel.getYield()->getOperand(r));
  while (!pending.empty()) {
    Value value = pending.pop_back_val();
    if (Value result = known.lookup(value)) {
      operands.insert(result);
      continue;
    }
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      if (argument.getOwner() == kernel.getBodyBlock())
        operands.insert(kernel.getInputs()[argument.getArgNumber()]);
      continue;
    }
    Operation *maker = kernel.getBodyBlock()->findAncestorOpInBlock(*value.getDefiningOp());
    if (needed.insert(maker).second)
      maker->walk([&](Operation *inner) { llvm::append_range(pending, inner->getOperands()); });
  }
}

SmallVector<Value> Repetition::build(OpBuilder &b, Operation *op,
                                     llvm::function_ref<Value(Value)> mapped) const {
  KernelOp kernel = getDivisible(op);
  if (!kernel) {
    SmallVector<Value> inputs = llvm::map_to_vector(op->getOperands(), mapped);
    Operation *repeated = b.clone(*op);
    repeated->setOperands(inputs);
    return llvm::map_to_vector(wanted, [&](unsigned r) { return Value(repeated->getResult(r)); });
  }
  SmallVector<Value> inputs, inner; // and what stands for them in the body
  for (auto [input, argument] :
       llvm::zip(kernel.getInputs(), kernel.getBodyBlock()->getArguments()))
    if (operands.contains(input)) {
      inputs.push_back(mapped(input));
      inner.push_back(argument);
    }
  for (unsigned r : given)
    if (operands.contains(kernel.getResult(r))) {
      inputs.push_back(mapped(kernel.getResult(r)));
      inner.push_back(kernel.getYield()->getOperand(r));
    }
  SmallVector<Type> types;
  for (unsigned r : wanted)
    types.push_back(kernel.getResult(r).getType());
  auto repeated = KernelOp::create(b, kernel.getLoc(), types, inputs, kernel.getKind());
  OpBuilder inside = OpBuilder::atBlockEnd(repeated.getBodyBlock());
  IRMapping mapping;
  mapping.map(inner, repeated.getBodyBlock()->getArguments());
  for (Operation &member : kernel.getBodyBlock()->without_terminator())
    if (needed.contains(&member)) {
      inside.clone(member, mapping);
      // A given result of an op that is needed for another.
      mapping.map(inner, repeated.getBodyBlock()->getArguments());
    }
  SmallVector<Value> results;
  for (unsigned r : wanted)
    results.push_back(mapping.lookup(kernel.getYield()->getOperand(r)));
  plan::YieldOp::create(inside, kernel.getLoc(), results);
  if (succeeded(plan::analyzeIteration(repeated)))
    return SmallVector<Value>(repeated.getResults());
  repeated->erase();
  return {};
}

//===----------------------------------------------------------------------===//
// Several steps in front of a reader
//===----------------------------------------------------------------------===//

Value Insertion::view(Operation *op, Value of) {
  Operation *copy = b.clone(*op);
  copy->setOperand(0, of);
  added.push_back(copy);
  return copy->getResult(0);
}

bool Insertion::add(Operation *op, const Repetition &repetition,
                    llvm::function_ref<Value(Value)> current) {
  std::function<Value(Value)> mapped = [&](Value value) -> Value {
    if (Operation *maker = value.getDefiningOp(); isAlias(maker)) {
      Value viewed = mapped(maker->getOperand(0));
      return viewed == maker->getOperand(0) ? value : view(maker, viewed);
    }
    Value repeated = made.lookup(value);
    return repeated ? repeated : current(value);
  };
  SmallVector<Value> results = repetition.build(b, op, mapped);
  if (results.empty())
    return false;
  ++numSteps;
  added.push_back(results.front().getDefiningOp());
  for (auto [r, result] : llvm::zip_equal(repetition.wanted, results))
    made[op->getResult(r)] = result;
  return true;
}

void Insertion::redirect(Value from, Value to, const BufferLives &lives, int64_t position) {
  DenseSet<Operation *> own(added.begin(), added.end());
  for (OpOperand &use : llvm::make_early_inc_range(from.getUses())) {
    Operation *user = use.getOwner();
    if (own.contains(user))
      continue;
    if (isAlias(user)) {
      redirect(user->getResult(0), view(user, to), lives, position);
    } else if (lives.positionOf(user) > position) {
      changed.push_back({&use, from});
      use.set(to);
    }
  }
}

void Insertion::undo() {
  for (auto [use, value] : changed)
    use->set(value);
  for (Operation *op : llvm::reverse(added))
    op->erase();
}

} // namespace ampc
