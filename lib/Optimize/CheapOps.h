//===- CheapOps.h - Ops that are computed again --------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_OPTIMIZE_CHEAPOPS_H
#define AMPC_LIB_OPTIMIZE_CHEAPOPS_H

#include "ampc/Support/DeviceModel.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/MapVector.h"

namespace ampc {
using namespace mlir;

/// About how many simple instructions one element of a result takes.
int64_t bodyCost(linalg::GenericOp generic);

/// Whether an op has a loop of more than one trip.
bool hasLoops(linalg::GenericOp generic);
/// Whether the op goes with whoever uses it: it computes nothing.
bool isAttached(Operation *op);
/// Erases the ops of a block whose results nobody needs.
void eraseDead(Block &block);

/// The tensor ops of a block that cost less to compute again than to read, or whose operands
/// take less memory than their result: each of their readers gets a copy of its own. What an op
/// reads through (views, destinations) becomes its own as well, so that it can stand in its kernel.
class CheapOps {
public:
  CheapOps(Block &block, const DeviceModel &model);

  /// Gives all readers their copies.
  void repeat();
  /// Whether computing the op again costs no more than reading its result: it reads no
  /// more than it writes, and no more than one tensor (single numbers apart, unless it
  /// makes one) that is computed itself, so that copies do not breed copies.
  bool isCheapToRepeat(linalg::GenericOp generic) const;

private:
  /// What stands behind a repeatable op.
  struct Source {
    unsigned depth; ///< of repeatable ops, each reading the one before
    uint64_t bytes; ///< of what they read from memory, much smaller operands apart
  };
  using Sources = llvm::MapVector<Operation *, Source>;

  bool isAssigned(Value value) const;
  Source sourceOf(linalg::GenericOp generic, const Sources &repeatable) const;
  bool isSmallerToRepeat(linalg::GenericOp generic, const Source &source) const;
  Sources chooseRepeatable(ArrayRef<linalg::GenericOp> generics) const;
  void cloneIntoUsers(linalg::GenericOp generic) const;

  Block &block;
  const DeviceModel &model;
  DenseSet<Attribute> assigned; ///< variables that the function assigns
};

} // namespace ampc

#endif // AMPC_LIB_OPTIMIZE_CHEAPOPS_H
