//===- Culprits.cpp - What the steps of a session went wrong with ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/Culprits.h"

namespace ampc {

void Culprits::run(const ampc_program_entry_t &program, const ValueVisitor &visitor) {
  watched.reset();
  if (visitor) {
    ValueVisit visit(tables, device, visitor);
    device.runWatched(program, visit);
  } else if (check == AMPC_CHECK_FINITE_EVERY) {
    watched = std::make_unique<OverflowSearch>(tables, device, program, /*isReplay=*/false);
    device.runWatched(program, *watched);
  } else {
    device.run(program);
  }
}

void Culprits::find(const ampc_program_entry_t &program, const InputBatch &batch, int64_t oldest,
                    ampc_step_info_t &info, int64_t microBatch) {
  bool isForward = info.failure == AMPC_FAILURE_FORWARD;
  if (check == AMPC_CHECK_FINITE_OFF || (!isForward && info.failure != AMPC_FAILURE_GRADIENT))
    return;
  std::optional<Culprit> culprit =
      watched ? watched->find(isForward)
              : replay(tables, device, program, batch,
                       {info.step - 1, microBatch, info.loss_scale, isForward});
  byStep.erase(byStep.begin(), byStep.upper_bound(oldest));
  if (culprit)
    byStep[info.step] = std::move(*culprit);
  tell(info);
}

void Culprits::tell(ampc_step_info_t &info) const {
  auto known = byStep.find(info.step);
  if (known == byStep.end()) {
    info.bad_tensor = info.bad_node = info.bad_operator = info.bad_text = "";
    info.bad_index = -1;
    info.bad_value = 0;
    return;
  }
  const Culprit &bad = known->second;
  info.bad_tensor = bad.tensor;
  info.bad_node = bad.node;
  info.bad_operator = bad.opType;
  info.bad_index = bad.index;
  info.bad_value = bad.value;
  info.bad_text = bad.text.c_str();
}

} // namespace ampc
