//===- KernelCost.h - What a kernel takes on a machine --------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_PLAN_KERNELCOST_H
#define AMPC_DIALECT_PLAN_KERNELCOST_H

#include "ampc/Dialect/Plan/IterationStructure.h"
#include "ampc/Support/DeviceModel.h"

namespace ampc::plan {

/// Elements that a block on the host does: enough that its cost hides that of handing it
/// to a thread, little enough to stay in the first cache.
constexpr int64_t kHostChunk = 16384;

/// What a kernel moves, and how far its work can be divided. Grouping asks whether one kernel is
/// better than two, scheduling how many parts reductions have: both from here.
struct KernelCost {
  /// To and from memory. An input counts once for each phase of the kernel that has to fetch it
  /// again, since neither a block nor the cache has kept it.
  uint64_t readBytes = 0, writtenBytes = 0;
  /// Blocks that share the work, those of the first launch where there are two. Schedules may
  /// use somewhat fewer, with more work a thread.
  int64_t blocks = 1;
  int64_t lanes = 1; ///< elements that a thread loads at once
  /// Whether several blocks may add up parts of one reduction: nothing waits for them that
  /// varies along the reduced dimensions, other reductions neither.
  bool isSplittable = false;
  /// Parts of each reduction. More than 1 takes a second launch on the host, which merges them; on
  /// a device the last block does, after it has waited for the others.
  int64_t splits = 1;

  uint64_t bytes() const { return readBytes + writtenBytes; }
  /// What a launch takes whose last block merges parts, in launches: it waits for the slowest
  /// block, and reads from far what the others wrote.
  static constexpr double kLastBlock = 1.5;
  /// How long the kernel takes as far as memory and launches tell, in microseconds.
  double time(const DeviceModel &model) const {
    double launches = splits == 1 ? 1 : model.isDevice ? kLastBlock : 2;
    return model.transferTime(bytes(), blocks) + launches * model.launchTime;
  }
};

/// Whether the threads of a block hold the sums of columns of a kernel that has some (hasSums), in
/// registers, while the block goes over the rows of a group.
bool holdsSums(const IterationStructure &s);

/// The cost of a kernel with structure `s`.
KernelCost computeCost(const IterationStructure &s, const DeviceModel &model);

} // namespace ampc::plan

#endif // AMPC_DIALECT_PLAN_KERNELCOST_H
