//===- Schedule.h - How a fused kernel uses blocks and threads -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_CODEGEN_SCHEDULE_H
#define AMPC_LIB_CODEGEN_SCHEDULE_H

#include "Reductions.h"
#include <memory>

namespace ampc::codegen {

class BlockCounters;

/// What the code of one stage is emitted into, by one thread of one block.
struct Emission {
  OpBuilder &b;
  Location loc;
  WorkgroupArrays &arrays;
  const BufferMap &buffers;
  /// Results whose buffer is also an input's.
  const llvm::DenseSet<Value> &tied;
  /// Buffers for partial results: one for each reduction of level 0.
  ArrayRef<Value> partials;
  Value block, thread; ///< of type index
  /// Where the schedule has some (Schedule::counters).
  const BlockCounters *counters = nullptr;
};

/// One launch of a fused kernel, or a phase of a larger kernel.
class Schedule {
public:
  virtual ~Schedule() = default;
  virtual void emit(Emission &at) const = 0;

  int64_t blocks = 1;
  int64_t threads = 1; ///< a block
  /// On the device: threads hold much between their loads and stores. ptxas may give them the
  /// registers for it, rather than spill so that one block more fits on a multiprocessor.
  bool holdsRows = false;
  /// Counters of blocks that share a reduction, whose last one merges their parts.
  int64_t counters = 0;

protected:
  explicit Schedule(const IterationStructure &s) : s(s) {}
  const IterationStructure &s;
};

/// What a schedule has to keep to.
struct ScheduleLimits {
  const DeviceModel &model;
  /// Threads of every block; 0: as the schedule likes.
  int64_t threads = 0;
  /// All blocks are one after another, so that nothing is gained by two stages.
  bool singleStage = false;

  bool isDevice() const { return model.isDevice; }
};

/// The launches of a fused kernel. Where `splits` is not 0, blocks share a reduction: they write
/// what does not wait for reductions, and `splits` partial results for each kept point and
/// reduction of level 0, in buffers [splits, kept points]. The rest is done by the last of the
/// blocks that share one (Schedule::counters), or by a second launch.
struct FusedSchedule {
  llvm::SmallVector<std::unique_ptr<Schedule>> stages;
  Reductions reductions;
  int64_t splits = 0;
};

/// Chooses by the structure alone. `fused` must not move while its stages are used.
/// Fails, with the reason, where a reduction cannot be split.
LogicalResult scheduleFused(const IterationStructure &s, const ScheduleLimits &limits,
                            FusedSchedule &fused, std::string &reason);

// The schedules that it chooses from. What they write and read is in their files.
std::unique_ptr<Schedule> deviceElementwise(const IterationStructure &s,
                                            const ScheduleLimits &limits);
std::unique_ptr<Schedule> deviceRow(const IterationStructure &s, const Reductions &r,
                                    const ScheduleLimits &limits);
std::unique_ptr<Schedule> deviceRowParts(const IterationStructure &s, const Reductions &r,
                                         int64_t splits);
std::unique_ptr<Schedule> deviceColumn(const IterationStructure &s, const Reductions &r,
                                       const ScheduleLimits &limits, int64_t splits);
std::unique_ptr<Schedule> hostElementwise(const IterationStructure &s);
std::unique_ptr<Schedule> hostRow(const IterationStructure &s, const Reductions &r);
std::unique_ptr<Schedule> hostRowPartial(const IterationStructure &s, const Reductions &r,
                                         int64_t splits);
std::unique_ptr<Schedule> hostColumn(const IterationStructure &s, const Reductions &r,
                                     int64_t splits);
std::unique_ptr<Schedule> hostFinal(const IterationStructure &s, const Reductions &r,
                                    int64_t splits);

/// Results that vary along the reduced dimensions and are written in the phase after
/// `level` levels of reductions. A tied one waits for the last phase: others may read what
/// it overwrites.
llvm::SmallVector<Value> fullResultsAt(const IterationStructure &s, unsigned level,
                                       const llvm::DenseSet<Value> &tied);
/// Results with one element for each kept point.
llvm::SmallVector<Value> keptResults(const IterationStructure &s);

/// The dimension along which an input lies that is read across the innermost one: that of a
/// transpose. None where memory is read in its order.
std::optional<unsigned> findCrossing(const IterationStructure &s);

/// Evaluates all of `results` at a point, then writes them: a tied one may overwrite what
/// another one reads.
void storeAll(Evaluator &e, ArrayRef<Value> results, const Point &p);

} // namespace ampc::codegen

#endif // AMPC_LIB_CODEGEN_SCHEDULE_H
