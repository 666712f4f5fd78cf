//===- HostDevice.h - Runs a module's programs on the CPU -------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_HOSTDEVICE_H
#define AMPC_RUNTIME_HOST_HOSTDEVICE_H

#include "Core/Device.h"
#include "Host/HostCall.h"

#include <vector>

namespace ampc {

/// Memory of the system, zeroed, on pages of its own.
class Arena {
public:
  /// Throws AMPC_STATUS_OUT_OF_MEMORY.
  explicit Arena(uint64_t bytes);
  ~Arena();
  Arena(const Arena &) = delete;
  Arena &operator=(const Arena &) = delete;

  char *at(uint64_t offset) const { return base + offset; }

private:
  char *base;
  uint64_t bytes;
};

/// Runs everything at once in its caller's thread and a pool of its own.
class HostDevice : public Device {
public:
  HostDevice(const Module &module, int threads);

  ampc_device_t kind() const override { return AMPC_DEVICE_HOST; }
  ampc_target_t target() const override { return AMPC_TARGET_HOST; }
  int threads() const override { return pool.threads(); }

  void *stage(uint64_t offset, uint64_t) override { return arena.at(offset); }
  void commit(uint64_t, uint64_t) override {}
  const void *fetch(uint64_t offset, uint64_t) override { return arena.at(offset); }
  void run(const ampc_program_entry_t &program) override { runSteps(program, nullptr); }
  void runWatched(const ampc_program_entry_t &program, StepWatcher &watcher) override {
    runSteps(program, &watcher);
  }
  void synchronize() override {}

private:
  /// One step with its addresses in place.
  struct Step {
    uint32_t kind;
    // Of a loop: how often the next `bodySteps` steps run.
    int64_t count;
    size_t bodySteps;
    std::vector<int64_t> strides; ///< of the arguments, in a loop; empty where all are 0
    // Of a launch.
    ampc_host_kernel_t kernel;
    std::vector<void *> arguments; // of a copy: source, destination
    int64_t blocks, chunks;
    bool wake; ///< sleeping threads for it
    // Of a library call.
    std::unique_ptr<HostCall> call;
    // Of a copy.
    uint64_t bytes;
  };

  Step prepareStep(const ampc_step_entry_t &step);
  void runSteps(const ampc_program_entry_t &program, StepWatcher *watcher);
  /// As iteration `iteration` of a loop.
  void runStep(const Step &step, int64_t iteration);

  const Module &module;
  Arena arena;
  ThreadPool pool;
  Workspace workspace;
  std::vector<std::vector<Step>> programs; // as in the tables; empty for other targets
  std::vector<void *> moved;               ///< arguments of the step at hand, in a loop
};

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_HOSTDEVICE_H
