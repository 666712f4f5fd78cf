//===- Device.h - Where a session's state lives and runs --------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_DEVICE_H
#define AMPC_RUNTIME_CORE_DEVICE_H

#include "Core/Module.h"

#include "ampc-runtime/ampc.h"

#include <memory>

namespace ampc {

/// Sees the steps of a program that a device runs one by one.
class StepWatcher {
public:
  virtual ~StepWatcher() = default;
  /// Before a step, in iteration `iteration` of its loop. Where it returns false, the program ends
  /// here.
  virtual bool begins(const ampc_step_entry_t &step, int64_t iteration) = 0;
  /// What the step writes is there; it may be fetched from the device.
  virtual void ended(const ampc_step_entry_t &step, int64_t iteration) = 0;
};

/// An arena on one device, and the module's programs made ready to run in it.
/// What is enqueued runs in order. A failure of the device is thrown as
/// AMPC_STATUS_DEVICE. Belongs to one thread at a time. The module outlives it.
class Device {
public:
  virtual ~Device() = default;

  virtual ampc_device_t kind() const = 0;
  virtual ampc_target_t target() const = 0;
  /// How many threads compute, where results may depend on it; else 0.
  virtual int threads() const = 0;

  /// Memory of the host in which the next contents of [offset, offset + bytes)
  /// of the arena are written. Does not wait for the device where it can help
  /// it. Each call is followed by its commit before anything else is asked.
  virtual void *stage(uint64_t offset, uint64_t bytes) = 0;
  /// Enqueues the transfer of what has been staged.
  virtual void commit(uint64_t offset, uint64_t bytes) = 0;
  /// Waits, then gives the contents of [offset, offset + bytes), which stay
  /// valid until the next call of any of these functions.
  virtual const void *fetch(uint64_t offset, uint64_t bytes) = 0;
  /// Enqueues a program of the module, for this device's target.
  virtual void run(const ampc_program_entry_t &program) = 0;
  /// Runs it step by step, as they stand in the tables: the same work as run() enqueues. Waits for
  /// each. Steps that do nothing are left out.
  virtual void runWatched(const ampc_program_entry_t &program, StepWatcher &watcher) = 0;
  /// Waits for all that is enqueued.
  virtual void synchronize() = 0;
};

/// The arena starts zeroed. `threads` at 0 takes one for each core that this
/// process may use.
std::unique_ptr<Device> createHostDevice(const Module &module, int threads);

/// Throws AMPC_STATUS_NOT_FOUND where this build or the machine lacks what CUDA
/// needs. The state region starts zeroed.
std::unique_ptr<Device> createCudaDevice(const Module &module, int ordinal);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_DEVICE_H
