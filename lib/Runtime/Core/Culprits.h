//===- Culprits.h - What the steps of a session went wrong with -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_CULPRITS_H
#define AMPC_RUNTIME_CORE_CULPRITS_H

#include "Core/Replay.h"
#include "Core/ValueVisit.h"

#include <map>
#include <memory>

namespace ampc {

/// Runs the steps of a session so that the tensor can be named with which one went wrong, and keeps
/// what was found as long as the session keeps the step.
class Culprits {
public:
  Culprits(const Tables &tables, Device &device, ampc_check_finite_t check)
      : tables(tables), device(device), check(check) {}

  /// Runs the training step, whose inputs lie in their slots: enqueues it, or makes it step by step
  /// where each tensor is looked at or shown. `visitor` may be empty.
  void run(const ampc_program_entry_t &program, const ValueVisitor &visitor);
  /// Where `info`, of the step just made, tells that it went wrong: looks for the tensor, and tells
  /// it. Steps up to `oldest` are forgotten. `microBatch` is the number of the micro-batch in the
  /// step, counted from 0.
  void find(const ampc_program_entry_t &program, const InputBatch &batch, int64_t oldest,
            ampc_step_info_t &info, int64_t microBatch);
  /// Fills in what is known of the step.
  void tell(ampc_step_info_t &info) const;
  void forgetAll() { byStep.clear(); }

private:
  const Tables &tables;
  Device &device;
  const ampc_check_finite_t check;
  std::unique_ptr<OverflowSearch> watched; ///< the step just made, where it was watched
  std::map<int64_t, Culprit> byStep;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_CULPRITS_H
