//===- OpGraph.h - Groups of ops and the order between them ---- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_OPTIMIZE_OPGRAPH_H
#define AMPC_LIB_OPTIMIZE_OPGRAPH_H

#include "mlir/IR/Block.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"

namespace ampc {

/// The ops of a block (without its terminator) in disjoint groups, and which group must
/// come before which. Each op starts as a group of its own. A snapshot: ops must not be
/// added or removed while it is used. Groups are named by small integers.
class OpGraph {
public:
  explicit OpGraph(mlir::Block &block);

  /// The group of an op, or of the op of the block that it is nested in; nullopt for the
  /// terminator and for what lies elsewhere.
  std::optional<unsigned> find(mlir::Operation *op) const;
  /// The ops of a group, in the order of the block.
  llvm::ArrayRef<mlir::Operation *> getOps(unsigned group) const;
  /// Groups that use what `group` makes, or must follow it for another reason.
  llvm::ArrayRef<unsigned> getSuccessors(unsigned group) const;
  llvm::ArrayRef<unsigned> getPredecessors(unsigned group) const;
  /// All groups, the one with the earliest op first.
  llvm::SmallVector<unsigned> getGroups() const;

  /// Whether anything in `to` waits for something in `from`, directly or not.
  bool reaches(unsigned from, unsigned to) const;
  /// Whether one group can take the place of both: no third group stands between them.
  bool canMerge(unsigned a, unsigned b) const;
  /// Makes the two one and returns its name.
  unsigned merge(unsigned a, unsigned b);
  /// Lets `before` come before `after`; returns false where the contrary must hold.
  bool addOrder(unsigned before, unsigned after);
  /// All groups in an order that respects their dependencies, otherwise that of the block.
  llvm::SmallVector<unsigned> getOrder() const;

private:
  bool reachesPast(unsigned from, unsigned to, bool skipDirect) const;

  mlir::Block &block;
  llvm::DenseMap<mlir::Operation *, unsigned> index;
  std::vector<unsigned> leader; ///< op index -> a member closer to the group's name
  std::vector<llvm::SmallVector<mlir::Operation *, 1>> ops;
  std::vector<llvm::SetVector<unsigned>> successors; ///< by name; names kept current
  std::vector<llvm::SetVector<unsigned>> predecessors;
  unsigned resolve(unsigned member) const;
};

} // namespace ampc

#endif // AMPC_LIB_OPTIMIZE_OPGRAPH_H
