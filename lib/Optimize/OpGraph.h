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
#include "llvm/ADT/DenseSet.h"
#include <limits>
#include <optional>

namespace ampc {

/// The ops of a block (without its terminator) in disjoint groups, and which group must
/// come before which. Each op starts as a group of its own. A snapshot: ops must not be
/// added or removed while it is used. Groups are named by small integers.
///
/// A topological order is kept as groups are merged (Pearce and Kelly, 2006), so that a
/// search looks only at what stands between two groups.
class OpGraph {
public:
  using Groups = llvm::SmallDenseSet<unsigned, 4>;
  static constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

  explicit OpGraph(mlir::Block &block);

  /// The group of an op, or of the op of the block that it is nested in; nullopt for the
  /// terminator and for what lies elsewhere.
  std::optional<unsigned> find(mlir::Operation *op) const;
  /// The ops of a group, in the order of the block.
  llvm::ArrayRef<mlir::Operation *> getOps(unsigned group) const;
  /// The place in the block of a group's earliest op.
  unsigned getFirst(unsigned group) const { return groups[group].first; }
  /// Groups that use what `group` makes, or must follow it for another reason.
  const Groups &getSuccessors(unsigned group) const { return groups[group].successors; }
  const Groups &getPredecessors(unsigned group) const { return groups[group].predecessors; }
  /// All groups, the one with the earliest op first.
  llvm::SmallVector<unsigned> getGroups() const;

  /// Whether one group can take the place of both: no third group stands between them. No,
  /// too, where a search would look at more than `mostSteps` edges in a direction.
  bool canMerge(unsigned a, unsigned b, size_t mostSteps = kNoLimit) const;
  /// Whether one group can take the place of all, none of which uses another's results.
  bool canMerge(llvm::ArrayRef<unsigned> members) const;
  /// Makes the two, which can be merged, one and returns its name.
  unsigned merge(unsigned a, unsigned b);
  /// As above, for members that can be merged, none of which uses another's results.
  unsigned merge(llvm::ArrayRef<unsigned> members);
  /// Lets `before` come before `after`; returns false where the contrary must hold.
  bool addOrder(unsigned before, unsigned after);
  /// All groups in an order that respects their dependencies, otherwise that of the block.
  llvm::SmallVector<unsigned> getOrder() const;
  /// Puts the ops of `block`, which the graph is of, into that order, those of a group side by
  /// side.
  void moveOps(mlir::Block &block) const;

  /// Groups that searches have looked at, a measure of the work done.
  uint64_t getSteps() const { return steps; }

private:
  struct Group {
    llvm::SmallVector<mlir::Operation *, 1> ops;
    bool isSorted = true;
    unsigned first; ///< place in the block of the earliest op
    unsigned rank;  ///< place in a topological order of the groups
    Groups successors, predecessors;
  };
  enum class Direction { Forward, Backward };

  /// Groups that lie behind (before) `from` and before (behind) `to` in rank. With
  /// `skipDirect`, the edge between the two is no path. False where a path leads to `to`,
  /// or where it would look at more than `mostSteps` edges.
  bool searchBetween(unsigned from, unsigned to, Direction direction, bool skipDirect,
                     size_t mostSteps, llvm::SmallVectorImpl<unsigned> &found) const;
  /// Joins the ops and the neighbours of two groups under the name of the first.
  void absorb(unsigned a, unsigned b);
  /// Groups that lie behind (before) the members, up to (down to) the rank `limit`.
  llvm::SmallVector<unsigned> searchFrom(llvm::ArrayRef<unsigned> members, Direction direction,
                                         unsigned limit) const;
  /// Gives the ranks of all to `order`, earliest first; returns those that are left.
  void assignRanks(llvm::SmallVectorImpl<unsigned> &ranks, llvm::ArrayRef<unsigned> order);
  void sortByRank(llvm::SmallVectorImpl<unsigned> &list) const;
  unsigned resolve(unsigned member) const;

  mlir::Block &block;
  llvm::DenseMap<mlir::Operation *, unsigned> index;
  mutable std::vector<unsigned> leader; ///< op index -> a member closer to the group's name
  mutable std::vector<Group> groups;    ///< by name; names in the sets are current
  mutable std::vector<unsigned> seen;   ///< search that last saw the group
  mutable unsigned searches = 0;
  mutable uint64_t steps = 0;
};

/// Tells in a remark of category `plan-work` how much a pass has done: what tests compare
/// between graphs of two sizes.
void reportWork(mlir::Operation *function, llvm::StringRef pass,
                llvm::ArrayRef<std::pair<llvm::StringRef, uint64_t>> counts);

} // namespace ampc

#endif // AMPC_LIB_OPTIMIZE_OPGRAPH_H
