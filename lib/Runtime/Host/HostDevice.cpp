//===- HostDevice.cpp - Runs a module's programs on the CPU ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Host/HostDevice.h"

#include "Core/Error.h"
#include "Core/FloatMode.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

namespace ampc {

Arena::Arena(uint64_t bytes) : bytes(std::max<uint64_t>(bytes, 1)) {
  void *memory =
      ::mmap(nullptr, this->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    throw Error(AMPC_STATUS_OUT_OF_MEMORY,
                concat("the step needs ", bytes,
                       " bytes of memory, which the "
                       "system does not give: compile it for a smaller batch"));
  base = static_cast<char *>(memory);
  constexpr uint64_t kHugePage = uint64_t(2) << 20;
  if (bytes >= 2 * kHugePage)
    ::madvise(memory, bytes, MADV_HUGEPAGE); // a wish; refused is as well
}

Arena::~Arena() { ::munmap(base, bytes); }

static int pickThreads(int threads) {
  constexpr int kMostThreads = 1024;
  if (threads < 0 || threads > kMostThreads)
    throw Error(AMPC_STATUS_INVALID_ARGUMENT,
                concat("threads is ", threads, ": give 0 to ", kMostThreads));
  return threads > 0 ? threads : std::min(availableCores(), kMostThreads);
}

std::unique_ptr<Device> createHostDevice(const Module &module, int threads) {
  module.requireHostFeatures();
  return std::make_unique<HostDevice>(module, pickThreads(threads));
}

HostDevice::HostDevice(const Module &module, int threads)
    : module(module), arena(module.tables().header().targets[AMPC_TARGET_HOST].arena_bytes),
      pool(threads) {
  const Tables &tables = module.tables();
  programs.resize(tables.programs.size());
  for (size_t i = 0; i != programs.size(); ++i)
    if (tables.programs[i].target == AMPC_TARGET_HOST)
      for (const ampc_step_entry_t &step : tables.stepsOf(tables.programs[i]))
        programs[i].push_back(prepareStep(step));
}

/// Bytes or operations in the time that handing out a chunk takes, about a
/// microsecond.
static constexpr uint64_t kWorthSplitting = 16384;
/// In the time that waking a thread takes.
static constexpr uint64_t kWorthWaking = 8 * kWorthSplitting;

static uint64_t workOf(const ampc_step_entry_t &step) {
  return std::max(step.read_bytes + step.written_bytes, step.flops);
}

/// Into how many chunks a launch is worth splitting. Blocks do not depend on
/// one another, so the number changes no bit of the result.
static int64_t countChunks(const ampc_step_entry_t &step, int threads) {
  // More chunks than threads, as some threads start late.
  uint64_t most = std::min<uint64_t>(step.grid[0], threads * uint64_t(4));
  return std::clamp<uint64_t>(workOf(step) / kWorthSplitting, 1, std::max<uint64_t>(most, 1));
}

HostDevice::Step HostDevice::prepareStep(const ampc_step_entry_t &entry) {
  const Tables &tables = module.tables();
  Span<ampc_argument_entry_t> arguments = tables.argumentsOf(entry);
  Step step = {};
  step.kind = entry.kind;
  for (const ampc_argument_entry_t &argument : arguments)
    step.arguments.push_back(arena.at(argument.offset));
  if (std::any_of(arguments.begin(), arguments.end(), [](const auto &a) { return a.stride != 0; }))
    for (const ampc_argument_entry_t &argument : arguments)
      step.strides.push_back(argument.stride);
  switch (entry.kind) {
  case AMPC_STEP_LAUNCH:
    step.kernel = module.hostKernel(tables.kernels[entry.index]);
    step.blocks = entry.grid[0];
    step.chunks = countChunks(entry, pool.threads());
    step.wake = workOf(entry) >= kWorthWaking;
    break;
  case AMPC_STEP_LIBRARY:
    step.call = makeHostCall(tables, entry, pool.threads());
    workspace.reserve(step.call->requirement());
    break;
  case AMPC_STEP_COPY:
    step.bytes = arguments[0].bytes;
    break;
  case AMPC_STEP_LOOP:
    step.count = tables.integersOf(entry)[AMPC_LOOP_COUNT];
    step.bodySteps = tables.integersOf(entry)[AMPC_LOOP_STEPS];
    break;
  }
  return step;
}

void HostDevice::runSteps(const ampc_program_entry_t &program, StepWatcher *watcher) {
  // The caller's rounding mode must not decide about bits.
  FloatMode mode;
  // One queue, whatever the program's: each step uses all threads.
  const std::vector<Step> &steps = programs[module.tables().indexOf(program)];
  const Span<ampc_step_entry_t> entries = module.tables().stepsOf(program);
  auto runNumber = [&](size_t number, int64_t iteration) {
    if (watcher && !watcher->begins(entries[number], iteration))
      return false;
    runStep(steps[number], iteration);
    if (watcher)
      watcher->ended(entries[number], iteration);
    return true;
  };
  for (size_t i = 0; i != steps.size(); ++i) {
    const Step &step = steps[i];
    if (step.kind != AMPC_STEP_LOOP) {
      if (!runNumber(i, 0))
        return;
      continue;
    }
    for (int64_t iteration = 0; iteration != step.count; ++iteration)
      for (size_t inner = 1; inner <= step.bodySteps; ++inner)
        if (!runNumber(i + inner, iteration))
          return;
    i += step.bodySteps;
  }
}

void HostDevice::runStep(const Step &step, int64_t iteration) {
  void *const *arguments = step.arguments.data();
  if (!step.strides.empty() && iteration != 0) {
    moved.clear();
    for (size_t i = 0; i != step.arguments.size(); ++i)
      moved.push_back(static_cast<char *>(step.arguments[i]) + iteration * step.strides[i]);
    arguments = moved.data();
  }
  switch (step.kind) {
  case AMPC_STEP_LAUNCH: {
    if (step.chunks <= 1) {
      step.kernel(arguments, 0, step.blocks);
      break;
    }
    pool.run(step.chunks, step.wake, [&](int64_t chunk, int) {
      // No product overflows: blocks < 2^32 and chunks are few.
      step.kernel(arguments, step.blocks * chunk / step.chunks,
                  step.blocks * (chunk + 1) / step.chunks);
    });
    break;
  }
  case AMPC_STEP_LIBRARY:
    step.call->run(arguments, workspace, pool);
    break;
  case AMPC_STEP_COPY:
    // The same place is allowed; parts of it are not ruled out.
    std::memmove(arguments[1], arguments[0], step.bytes);
    break;
  }
}

} // namespace ampc
