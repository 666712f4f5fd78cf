//===- ValueVisit.cpp - Shows what a step writes --------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/ValueVisit.h"

#include "Core/DType.h"

#include <algorithm>

namespace ampc {

/// The most that is copied from a device at once.
static constexpr uint64_t kChunkBytes = uint64_t(16) << 20;

void ValueVisit::ended(const ampc_step_entry_t &step, int64_t iteration) {
  for (const ampc_argument_entry_t &argument : tables.argumentsOf(step)) {
    if (!isWrittenFloat(argument))
      continue;
    ampc_value_t value = {};
    value.struct_size = sizeof(value);
    value.tensor = value.op_type = "";
    value.node = tables.string(step.name);
    value.dtype = toDLPack(argument.dtype);
    value.iteration = iteration;
    if (const ampc_value_entry_t *known = tables.findValue(argument)) {
      value.tensor = tables.string(known->name);
      value.node = tables.string(known->node);
      value.op_type = tables.string(known->op_type);
      value.is_gradient = known->kind == AMPC_VALUE_BACKWARD;
      value.rank = int32_t(known->rank);
      value.shape = tables.integers.slice(known->first_dim, known->rank).data();
    }
    const uint64_t size = sizeOf(argument.dtype), place = placeOf(argument, iteration);
    for (uint64_t first = 0; first < argument.bytes; first += kChunkBytes) {
      uint64_t bytes = std::min(kChunkBytes, argument.bytes - first);
      value.first = first / size;
      value.count = bytes / size;
      value.data = device.fetch(place + first, bytes);
      visitor(value);
    }
  }
}

} // namespace ampc
