//===- Replay.cpp - Makes a skipped step again, to find the cause ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/Replay.h"

#include <cstring>
#include <string_view>

namespace ampc {

namespace {
/// The state that moves on where a step is skipped: scalars and the ring.
class MovedState {
public:
  MovedState(const Tables &tables, Device &device) : tables(tables), device(device) {
    for (const ampc_tensor_entry_t &tensor : tables.tensors) {
      bool isRing = tensor.role == AMPC_ROLE_DERIVED &&
                    tables.nameOf(tensor) == std::string_view(AMPC_STATS_RING);
      if ((tensor.role != AMPC_ROLE_SCALAR && !isRing) || placeOf(tensor) == AMPC_NONE_U64)
        continue;
      auto bytes = static_cast<const char *>(device.fetch(placeOf(tensor), tensor.bytes));
      saved.emplace_back(&tensor, std::string(bytes, tensor.bytes));
    }
  }
  MovedState(const MovedState &) = delete;
  /// Where something has failed, as well as it can.
  ~MovedState() {
    try {
      restore();
    } catch (const std::exception &) { // the device, and with it the state
    }
  }

  void restore() {
    for (const auto &[tensor, bytes] : saved)
      write(*tensor, bytes.data());
    saved.clear();
  }

  /// Sets a scalar, where the step has it.
  template <class T>
  void set(const char *name, T value) {
    const ampc_tensor_entry_t *tensor = tables.findState(name);
    if (tensor && placeOf(*tensor) != AMPC_NONE_U64)
      write(*tensor, &value);
  }

private:
  uint64_t placeOf(const ampc_tensor_entry_t &tensor) const {
    return tensor.offset[device.target()];
  }
  void write(const ampc_tensor_entry_t &tensor, const void *data) {
    std::memcpy(device.stage(placeOf(tensor), tensor.bytes), data, tensor.bytes);
    device.commit(placeOf(tensor), tensor.bytes);
  }

  const Tables &tables;
  Device &device;
  std::vector<std::pair<const ampc_tensor_entry_t *, std::string>> saved;
};
} // namespace

std::optional<Culprit> replay(const Tables &tables, Device &device,
                              const ampc_program_entry_t &program, const InputBatch &batch,
                              const SkippedStep &step) {
  MovedState state(tables, device);
  state.set<int64_t>(AMPC_SCALAR_ATTEMPT, step.attempt);
  state.set<int64_t>(AMPC_SCALAR_MICRO_BATCH, step.microBatch);
  state.set<float>(AMPC_SCALAR_LOSS_SCALE, step.lossScale);
  batch.upload(device);
  OverflowSearch search(tables, device, program, /*isReplay=*/true);
  device.runWatched(program, search);
  state.restore();
  return search.find(step.isForward);
}

} // namespace ampc
