//===- Schedule.cpp - Chooses how a fused kernel is scheduled -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Schedule.h"
#include "ampc/Dialect/Plan/KernelCost.h"

namespace ampc::codegen {

SmallVector<Value> fullResultsAt(const IterationStructure &s, unsigned level,
                                 const llvm::DenseSet<Value> &tied) {
  SmallVector<Value> found;
  for (Value r : s.results)
    if (s.variesAlongReduced(r) && !s.isSum(r) &&
        (tied.contains(r) ? s.maxLevel : s.getLevel(r)) == level)
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

std::optional<unsigned> findCrossing(const IterationStructure &s) {
  for (linalg::GenericOp op : s.ops)
    for (OpOperand &operand : op->getOpOperands()) {
      const LinearAccess *access = s.getRead(operand);
      if (!access || access->strides.empty() || access->strides.back() <= 1 ||
          s.getRanges(operand) || s.isPartial(op.getResult(0)))
        continue;
      for (auto [d, stride] : llvm::enumerate(access->strides))
        if (stride == 1)
          return d;
    }
  return std::nullopt;
}

LogicalResult scheduleFused(const IterationStructure &s, const ScheduleLimits &limits,
                            FusedSchedule &fused, std::string &reason) {
  if (s.kind == IterationKind::Elementwise) {
    fused.stages.push_back(limits.isDevice() ? deviceElementwise(s, limits) : hostElementwise(s));
    return success();
  }
  FailureOr<Reductions> found = findReductions(s, reason);
  if (failed(found))
    return failure();
  fused.reductions = std::move(*found);
  const Reductions &r = fused.reductions;
  int64_t splits = limits.singleStage ? 1 : plan::computeCost(s, limits.model).splits;
  bool isRow = s.kind == IterationKind::Row;
  if (s.hasSums() && !limits.isDevice()) {
    reason = "it merges rows and columns";
    return failure();
  }
  if (splits <= 1) {
    if (limits.isDevice())
      fused.stages.push_back(isRow ? deviceRow(s, r, limits) : deviceColumn(s, r, limits, 1));
    else
      fused.stages.push_back(isRow ? hostRow(s, r) : hostColumn(s, r, 1));
    return success();
  }
  fused.splits = splits;
  if (limits.isDevice()) {
    fused.stages.push_back(isRow ? deviceRowParts(s, r, splits)
                                 : deviceColumn(s, r, limits, splits));
  } else {
    fused.stages.push_back(isRow ? hostRowPartial(s, r, splits) : hostColumn(s, r, splits));
    fused.stages.push_back(hostFinal(s, r, splits));
  }
  return success();
}

} // namespace ampc::codegen
