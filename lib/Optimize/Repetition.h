//===- Repetition.h - Steps that are computed again -------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_OPTIMIZE_REPETITION_H
#define AMPC_LIB_OPTIMIZE_REPETITION_H

#include "BufferLives.h"
#include "ampc/Dialect/Plan/Plan.h"

namespace ampc {

/// Whether equal operands give the step's results at another place of the block, too.
bool canRepeat(Operation *op);

/// How a step is computed again. A fused kernel is computed in part: for the wanted results, from
/// given ones where these are on the way to them.
struct Repetition {
  llvm::SmallSetVector<unsigned, 4> wanted, given;
  llvm::SetVector<Value> operands; ///< what that reads, given results among it

  /// Finds the operands.
  void complete(Operation *op);
  /// Puts the step before `b`'s place and returns the wanted results; none where that part of it is
  /// no kernel. `mapped` gives what stands for an operand.
  SmallVector<Value> build(OpBuilder &b, Operation *op,
                           llvm::function_ref<Value(Value)> mapped) const;

private:
  static plan::KernelOp getDivisible(Operation *op);

  DenseSet<Operation *> needed; ///< ops of the kernel's body
};

/// What is put into the block for one candidate, and can be taken out again.
class Insertion {
public:
  explicit Insertion(Operation *reader) : b(reader) {}
  /// What has been made of the results of `op`.
  const DenseMap<Value, Value> &getMade() const { return made; }
  unsigned countSteps() const { return numSteps; }

  /// Computes `op` again; false where it cannot be. `current` gives what stands for a value that
  /// has not been made here.
  bool add(Operation *op, const Repetition &repetition, llvm::function_ref<Value(Value)> current);
  /// Lets the readers of a result behind `position` read what has been made of it.
  void redirect(Value result, const BufferLives &lives, int64_t position) {
    redirect(result, made.at(result), lives, position);
  }
  void undo();

private:
  void redirect(Value from, Value to, const BufferLives &lives, int64_t position);
  Value view(Operation *op, Value of);

  OpBuilder b;
  unsigned numSteps = 0;
  SmallVector<Operation *> added;
  DenseMap<Value, Value> made;
  SmallVector<std::pair<OpOperand *, Value>> changed;
};

} // namespace ampc

#endif // AMPC_LIB_OPTIMIZE_REPETITION_H
