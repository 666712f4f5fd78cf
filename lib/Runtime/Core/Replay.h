//===- Replay.h - Makes a skipped step again, to find the cause -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_REPLAY_H
#define AMPC_RUNTIME_CORE_REPLAY_H

#include "Core/OverflowSearch.h"
#include "Core/Staging.h"

namespace ampc {

/// What a step that was skipped had to go by, and has written over.
struct SkippedStep {
  int64_t attempt;    ///< its number, counted from 0
  int64_t microBatch; ///< the number in the step of the micro-batch, counted from 0
  float lossScale;    ///< as used in it
  bool isForward;     ///< its loss is not finite
};

/// Makes the step that `device` has made last, and skipped, once more: the same inputs, seed,
/// number and scale, and weights that the skip has left alone. Returns the tensor with which it
/// went wrong. The state is afterwards what it was, to the bit, counters and ring included, but for
/// what a window adds up, which is lost with its first bad micro-batch.
std::optional<Culprit> replay(const Tables &tables, Device &device,
                              const ampc_program_entry_t &program, const InputBatch &batch,
                              const SkippedStep &step);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_REPLAY_H
