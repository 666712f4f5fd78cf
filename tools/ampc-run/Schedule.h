//===- Schedule.h - The learning rate, step by step -----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_SCHEDULE_H
#define AMPC_RUN_SCHEDULE_H

#include "ampc-numbers/Schedule.h"

namespace ampc::run {

using ampc::decaysInTime;
using ampc::kScheduleKey;
using ampc::Schedule;
using ampc::ScheduleKind;
using ampc::scheduleName;

} // namespace ampc::run

#endif // AMPC_RUN_SCHEDULE_H
