//===- KernelSize.h - What one block can do in a launch's time - -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_OPTIMIZE_KERNELSIZE_H
#define AMPC_LIB_OPTIMIZE_KERNELSIZE_H

#include "ampc/Optimize/Passes.h"
#include "ampc/Optimize/StepCosts.h"

namespace ampc {

/// What one block gets done in the time of a launch.
struct BlockBudget {
  uint64_t bytes;
  int64_t flops;
};

inline BlockBudget getBlockBudget(Target target) {
  // A launch inside a CUDA graph takes about a microsecond. In this time one
  // multiprocessor moves about 100 KB to and from L2, and does 128 operations a cycle.
  if (target == Target::Cuda)
    return {96 << 10, 200'000};
  // Waking another core takes several microseconds; in that time one core moves 64 KB and
  // does, in vectors, some ten operations a nanosecond.
  return {64 << 10, 100'000};
}

/// Whether a kernel is better off as a part of another one's block.
inline bool isSmall(plan::StepOpInterface step, Target target) {
  StepCosts costs = getStepCosts(step);
  BlockBudget budget = getBlockBudget(target);
  return costs.readBytes + costs.writtenBytes <= budget.bytes && costs.flops <= budget.flops;
}

} // namespace ampc

#endif // AMPC_LIB_OPTIMIZE_KERNELSIZE_H
