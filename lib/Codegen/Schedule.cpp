//===- Schedule.cpp - Chooses how a fused kernel is scheduled -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Schedule.h"
#include "llvm/Support/MathExtras.h"

namespace ampc::codegen {

/// Two blocks for each of the 132 multiprocessors of an H100; an A100 has 108.
constexpr int64_t kTargetBlocks = 264;
/// Rows that a block of a split column reduction adds at least: fewer are added in less time
/// than the second launch takes.
constexpr int64_t kRowsPerSplit = 128;
/// Elements that a block of a split row reduction adds at least.
constexpr int64_t kElementsPerSplit = 8192;
/// Elements that a block on the host adds at least when a reduction is split.
constexpr int64_t kHostElementsPerSplit = 32768;
/// Most parts on the host, so that adding them up costs nothing.
constexpr int64_t kHostSplits = 64;

SmallVector<Value> fullResultsAt(const IterationStructure &s, unsigned level,
                                 const llvm::DenseSet<Value> &tied) {
  SmallVector<Value> found;
  for (Value r : s.results)
    if (s.variesAlongReduced(r) && (tied.contains(r) ? s.maxLevel : s.getLevel(r)) == level)
      found.push_back(r);
  return found;
}

SmallVector<Value> keptResults(const IterationStructure &s) {
  SmallVector<Value> found;
  for (Value r : s.results)
    if (!s.variesAlongReduced(r))
      found.push_back(r);
  return found;
}

void storeAll(Evaluator &e, ArrayRef<Value> results, const Point &p) {
  for (Value r : results)
    e.evalLanes(r, p);
  for (Value r : results)
    e.store(r, p);
}

/// Whether the reductions may be added up in parts by several blocks: nothing that varies
/// along the reduced dimensions waits for them.
static bool canSplit(const IterationStructure &s) {
  return s.maxLevel == 1 && llvm::none_of(s.results, [&](Value r) {
           return s.variesAlongReduced(r) && s.getLevel(r) > 0;
         });
}

/// Parts to divide the reduced points into so that none is empty.
static int64_t evenSplits(int64_t points, int64_t wanted) {
  if (wanted <= 1 || points == 0)
    return 1;
  return llvm::divideCeil(points, llvm::divideCeil(points, wanted));
}

static int64_t chooseSplits(const IterationStructure &s, const ScheduleLimits &limits) {
  if (limits.singleStage || !canSplit(s) || s.reducedDims().empty() || s.points() == 0)
    return 1;
  int64_t kept = s.keptPoints(), reduced = s.reducedPoints();
  if (!limits.device && s.kind == IterationKind::Row)
    return evenSplits(reduced, std::min(kHostSplits / kept, reduced / kHostElementsPerSplit));
  if (!limits.device) { // only the outermost dimension is split
    int64_t outermost = s.dims[s.reducedDims().front()].extent;
    int64_t parts = kept >= kHostElementsPerSplit ? 1 : s.points() / kHostElementsPerSplit;
    return evenSplits(outermost, std::min({parts, kHostSplits, outermost / 2}));
  }
  if (s.kind == IterationKind::Column) {
    int64_t tiles = llvm::divideCeil(kept, 32 * widestLanes(s, s.keptDims(), /*whole=*/true));
    return evenSplits(reduced, std::min<int64_t>(llvm::divideCeil(kTargetBlocks, tiles),
                                                 reduced / kRowsPerSplit));
  }
  return evenSplits(reduced, std::min(kTargetBlocks / kept, reduced / kElementsPerSplit));
}

LogicalResult scheduleFused(const IterationStructure &s, const ScheduleLimits &limits,
                            FusedSchedule &fused, std::string &reason) {
  if (s.kind == IterationKind::Elementwise) {
    fused.stages.push_back(limits.device ? deviceElementwise(s, limits) : hostElementwise(s));
    return success();
  }
  FailureOr<Reductions> found = findReductions(s, reason);
  if (failed(found))
    return failure();
  fused.reductions = std::move(*found);
  const Reductions &r = fused.reductions;
  int64_t splits = chooseSplits(s, limits);
  bool isRow = s.kind == IterationKind::Row;
  if (splits <= 1) {
    if (limits.device)
      fused.stages.push_back(isRow ? deviceRow(s, r, limits) : deviceColumn(s, r, limits, 1));
    else
      fused.stages.push_back(isRow ? hostRow(s, r) : hostColumn(s, r, 1));
    return success();
  }
  fused.splits = splits;
  if (limits.device) {
    fused.stages.push_back(isRow ? deviceRowPartial(s, r, splits)
                                 : deviceColumn(s, r, limits, splits));
    fused.stages.push_back(deviceFinal(s, r, splits));
  } else {
    fused.stages.push_back(isRow ? hostRowPartial(s, r, splits) : hostColumn(s, r, splits));
    fused.stages.push_back(hostFinal(s, r, splits));
  }
  return success();
}

} // namespace ampc::codegen
