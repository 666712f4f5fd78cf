//===- CudaDevice.h - Runs a module's programs on a GPU -----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDADEVICE_H
#define AMPC_RUNTIME_CUDA_CUDADEVICE_H

#include "Core/Device.h"
#include "Cuda/CudaCall.h"
#include "Cuda/CudaCode.h"
#include "Cuda/CudaQueues.h"
#include "Cuda/CudaStaging.h"

#include <optional>
#include <vector>

namespace ampc {

/// An arena on a GPU and the programs that run in it. The context must be current
/// whenever it is made, used or destroyed.
class CudaPrograms {
public:
  CudaPrograms(const CudaDriver &driver, const CudaContext &context, const Module &module);

  void *stage(uint64_t bytes) { return staging.allocate(bytes, queues.stream(0)); }
  void commit(uint64_t offset, const void *staged, uint64_t bytes);
  const void *fetch(uint64_t offset, uint64_t bytes);
  /// Training and evaluation are recorded as a graph at their first run and
  /// launched from it ever after.
  void run(const ampc_program_entry_t &program);
  void runWatched(const ampc_program_entry_t &program, StepWatcher &watcher);
  void synchronize() { driver(driver.streamSynchronize, queues.stream(0)); }

private:
  /// One step with its addresses in place.
  struct Step {
    const ampc_step_entry_t *entry;
    bool isEmpty = false; ///< does nothing but wait and signal
    // Of a launch: what each parameter points to. Of a copy: source, destination.
    std::vector<cuda::CUdeviceptr> addresses;
    cuda::CUfunction function = nullptr;
    // One call, or where an argument moves in a loop, one for each iteration: a library fixes
    // addresses when it prepares a call.
    std::vector<std::unique_ptr<CudaCall>> calls;
    std::optional<uint64_t> reserve; ///< its number, of a call that has one sized at load
    uint64_t bytes = 0;
    // Of a loop: how often the next `bodySteps` steps run.
    int64_t count = 0;
    size_t bodySteps = 0;
  };
  struct Program {
    Program(const CudaDriver &driver, const ampc_program_entry_t &entry)
        : entry(&entry), graph(driver) {}
    const ampc_program_entry_t *entry;
    std::vector<Step> steps;
    CudaGraphExec graph;
  };

  void prepare(Program &program);
  /// `count` is how often it runs.
  Step prepareStep(const ampc_step_entry_t &entry, int64_t count);
  /// Returns false where the library has nothing to do.
  bool prepareCalls(const ampc_step_entry_t &entry, int64_t count, Step &step);
  void enqueue(const Program &program);
  /// As iteration `iteration` of a loop.
  void enqueueStep(const Step &step, int64_t iteration);
  /// Of a step's arguments in an iteration; 0 for a reserve that is sized at load.
  std::vector<cuda::CUdeviceptr> addressesOf(const ampc_step_entry_t &step, int64_t iteration);
  void record(Program &program);
  const char *nodesOf(const ampc_step_entry_t &step) const { return tables.string(step.name); }

  const CudaDriver &driver;
  const Tables &tables;
  // In the order in which they must come to life; they end in the opposite one.
  CudaMemory arena;
  CudaLoadMemory loadMemory; // of library calls
  CudaCode code;
  CudaLibraries libraries;
  CudaStaging staging;
  CudaHostBuffer fetched;
  std::vector<Program> programs; // as in the tables; empty for other targets
  // Last: it waits for what uses all others.
  CudaQueues queues;
};

class CudaDevice : public Device {
public:
  CudaDevice(const Module &module, int ordinal);
  ~CudaDevice() override;

  ampc_device_t kind() const override { return AMPC_DEVICE_CUDA; }
  ampc_target_t target() const override { return AMPC_TARGET_CUDA; }
  int threads() const override { return 0; }

  void *stage(uint64_t offset, uint64_t bytes) override;
  void commit(uint64_t offset, uint64_t bytes) override;
  const void *fetch(uint64_t offset, uint64_t bytes) override;
  void run(const ampc_program_entry_t &program) override;
  void runWatched(const ampc_program_entry_t &program, StepWatcher &watcher) override;
  void synchronize() override;

private:
  CudaDriver driver;
  CudaContext context;
  std::optional<CudaPrograms> programs;
  void *staged = nullptr; // by the last stage()
};

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDADEVICE_H
