//===- CudaDevice.cpp - Runs a module's programs on a GPU -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cuda/CudaDevice.h"

#include "Core/Error.h"

#include <algorithm>

namespace ampc {

using namespace cuda;

//===----------------------------------------------------------------------===//
// Creation
//===----------------------------------------------------------------------===//

/// What the inputs of one call take in a page of staging memory.
static uint64_t inputBytes(const Tables &tables) {
  uint64_t most = 0;
  for (const ampc_program_entry_t &program : tables.programs) {
    uint64_t bytes = 0;
    if (program.target == AMPC_TARGET_CUDA)
      for (const ampc_binding_entry_t &input : tables.inputsOf(program))
        bytes += (input.bytes + 255) / 256 * 256;
    most = std::max(most, bytes);
  }
  return most;
}

CudaPrograms::CudaPrograms(const CudaDriver &driver, const CudaContext &context,
                           const Module &module)
    : driver(driver), tables(module.tables()), arena(driver), loadMemory(driver),
      code(driver, context, tables), libraries(driver, context),
      staging(driver, inputBytes(tables)), fetched(driver), queues(driver) {
  const ampc_target_entry_t &target = tables.header().targets[AMPC_TARGET_CUDA];
  arena =
      allocateDevice(driver, context, std::max<uint64_t>(target.arena_bytes, 1), "the step needs");
  if (target.state_bytes > 0)
    driver(driver.memsetD8Async, arena.get(), (unsigned char)(0), size_t(target.state_bytes),
           queues.stream(0));
  for (const ampc_program_entry_t &entry : tables.programs)
    if (programs.emplace_back(driver, entry); entry.target == AMPC_TARGET_CUDA)
      prepare(programs.back());
  loadMemory.allocate(driver, context);
}

void CudaPrograms::prepare(Program &program) {
  queues.reserve(program.entry->queue_count, program.entry->signal_count);
  std::vector<Step> &steps = program.steps;
  size_t loop = 0;  // the place of the loop that is being prepared
  int64_t left = 0; // of the steps in its body
  for (const ampc_step_entry_t &entry : tables.stepsOf(*program.entry)) {
    Step step = prepareStep(entry, left > 0 ? steps[loop].count : 1);
    bool isKept = !step.isEmpty || entry.signal != AMPC_NONE_U32 || entry.wait_count > 0;
    if (left > 0) {
      --left;
      steps[loop].bodySteps += isKept;
    }
    if (isKept)
      steps.push_back(std::move(step));
    if (entry.kind == AMPC_STEP_LOOP) {
      loop = steps.size() - 1;
      left = tables.integersOf(entry)[AMPC_LOOP_STEPS];
    }
  }
}

std::vector<CUdeviceptr> CudaPrograms::addressesOf(const ampc_step_entry_t &step,
                                                   int64_t iteration) {
  std::vector<CUdeviceptr> addresses;
  for (const ampc_argument_entry_t &argument : tables.argumentsOf(step))
    addresses.push_back(argument.flags & AMPC_ARGUMENT_SIZED_AT_LOAD
                            ? 0
                            : arena.get() + argument.offset + iteration * argument.stride);
  return addresses;
}

CudaPrograms::Step CudaPrograms::prepareStep(const ampc_step_entry_t &entry, int64_t count) {
  Span<ampc_argument_entry_t> arguments = tables.argumentsOf(entry);
  Step step;
  step.entry = &entry;
  step.addresses = addressesOf(entry, 0);
  for (const ampc_argument_entry_t &argument : arguments)
    if (argument.flags & AMPC_ARGUMENT_SIZED_AT_LOAD)
      step.reserve = argument.offset;
  switch (entry.kind) {
  case AMPC_STEP_LAUNCH:
    step.function = code.function(entry.index);
    // No blocks are what the driver refuses.
    step.isEmpty = std::count(entry.grid, entry.grid + 3, 0u);
    break;
  case AMPC_STEP_LIBRARY:
    step.isEmpty = !prepareCalls(entry, count, step);
    break;
  case AMPC_STEP_COPY:
    step.bytes = arguments[0].bytes;
    step.isEmpty = step.bytes == 0;
    break;
  case AMPC_STEP_LOOP:
    step.count = tables.integersOf(entry)[AMPC_LOOP_COUNT];
    break;
  }
  return step;
}

bool CudaPrograms::prepareCalls(const ampc_step_entry_t &entry, int64_t count, Step &step) {
  Span<ampc_argument_entry_t> arguments = tables.argumentsOf(entry);
  bool moves =
      std::any_of(arguments.begin(), arguments.end(), [](const auto &a) { return a.stride != 0; });
  for (int64_t iteration = 0; iteration != (moves ? count : 1); ++iteration) {
    std::unique_ptr<CudaCall> call = makeCudaCall(tables, entry);
    if (!call)
      return false;
    libraries.require(call->requirement(), nodesOf(entry));
    CudaCallBytes need = call->prepare({libraries, addressesOf(entry, iteration), nodesOf(entry),
                                        tables.header().deterministic != 0});
    loadMemory.add(need, entry.queue, step.reserve);
    step.calls.push_back(std::move(call));
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

void CudaPrograms::commit(uint64_t offset, const void *staged, uint64_t bytes) {
  if (bytes > 0)
    driver(driver.memcpyHtoDAsync, arena.get() + offset, staged, size_t(bytes), queues.stream(0));
}

const void *CudaPrograms::fetch(uint64_t offset, uint64_t bytes) {
  char *memory = fetched.reserve(std::max<uint64_t>(bytes, 1));
  if (bytes > 0)
    driver(driver.memcpyDtoHAsync, static_cast<void *>(memory), arena.get() + offset, size_t(bytes),
           queues.stream(0));
  synchronize();
  return memory;
}

/// Whether a program is run again and again, so that a graph of it pays.
static bool isRepeated(std::string_view name) {
  return name == AMPC_PROGRAM_TRAIN || name == AMPC_PROGRAM_ACCUMULATE ||
         name == AMPC_PROGRAM_APPLY || name == AMPC_PROGRAM_EVAL;
}

void CudaPrograms::run(const ampc_program_entry_t &entry) {
  Program &program = programs[tables.indexOf(entry)];
  staging.turn(queues.stream(0));
  if (program.steps.empty())
    return;
  if (!isRepeated(tables.nameOf(entry))) {
    enqueue(program);
    return;
  }
  if (!program.graph)
    record(program);
  driver(driver.graphLaunch, program.graph.get(), queues.stream(0));
}

void CudaPrograms::record(Program &program) {
  // Relaxed, since a library may load a kernel when it is first used.
  driver(driver.streamBeginCapture, queues.stream(0), int(CU_STREAM_CAPTURE_MODE_RELAXED));
  CudaGraph graph(driver);
  try {
    enqueue(program);
  } catch (...) {
    // The stream must not stay in capture.
    driver.streamEndCapture.function(queues.stream(0), graph.out());
    throw;
  }
  driver(driver.streamEndCapture, queues.stream(0), graph.out());
  driver(driver.graphInstantiate, program.graph.out(), graph.get(), 0ull);
}

void CudaPrograms::enqueue(const Program &program) {
  queues.fork(program.entry->queue_count);
  const std::vector<Step> &steps = program.steps;
  for (size_t i = 0; i != steps.size(); ++i) {
    const Step &step = steps[i];
    for (uint32_t signal : tables.waitsOf(*step.entry))
      queues.wait(step.entry->queue, signal);
    // Its body runs in the loop's queue, without waits and signals.
    for (int64_t iteration = 0; iteration != step.count; ++iteration)
      for (size_t inner = 1; inner <= step.bodySteps; ++inner)
        enqueueStep(steps[i + inner], iteration);
    i += step.bodySteps;
    if (step.entry->kind != AMPC_STEP_LOOP && !step.isEmpty)
      enqueueStep(step, 0);
    if (step.entry->signal != AMPC_NONE_U32)
      queues.signal(step.entry->queue, step.entry->signal);
  }
  queues.join(program.entry->queue_count);
}

void CudaPrograms::runWatched(const ampc_program_entry_t &entry, StepWatcher &watcher) {
  Program &program = programs[tables.indexOf(entry)];
  staging.turn(queues.stream(0));
  synchronize(); // inputs are in their slots; the other queues are empty between programs
  auto runOne = [&](const Step &step, int64_t iteration) {
    if (step.isEmpty)
      return true;
    if (!watcher.begins(*step.entry, iteration))
      return false;
    enqueueStep(step, iteration);
    driver(driver.streamSynchronize, queues.stream(step.entry->queue));
    watcher.ended(*step.entry, iteration);
    return true;
  };
  const std::vector<Step> &steps = program.steps;
  for (size_t i = 0; i != steps.size(); ++i) {
    const Step &step = steps[i];
    for (int64_t iteration = 0; iteration != step.count; ++iteration)
      for (size_t inner = 1; inner <= step.bodySteps; ++inner)
        if (!runOne(steps[i + inner], iteration))
          return;
    i += step.bodySteps;
    if (step.entry->kind != AMPC_STEP_LOOP && !runOne(step, 0))
      return;
  }
}

void CudaPrograms::enqueueStep(const Step &step, int64_t iteration) {
  const std::vector<CUdeviceptr> addresses =
      iteration == 0 ? step.addresses : addressesOf(*step.entry, iteration);
  const ampc_step_entry_t &entry = *step.entry;
  CUstream stream = queues.stream(entry.queue);
  CUresult result = CUDA_SUCCESS;
  const char *call = "";
  switch (entry.kind) {
  case AMPC_STEP_LAUNCH: {
    std::vector<void *> parameters;
    for (const CUdeviceptr &address : addresses)
      parameters.push_back(const_cast<CUdeviceptr *>(&address));
    call = driver.launchKernel.name;
    result = driver.launchKernel.function(
        step.function, entry.grid[0], entry.grid[1], entry.grid[2], entry.block[0], entry.block[1],
        entry.block[2], /*sharedBytes=*/0, stream, parameters.data(), nullptr);
    break;
  }
  case AMPC_STEP_LIBRARY:
    step.calls[step.calls.size() == 1 ? 0 : size_t(iteration)]->run(
        loadMemory.at(entry.queue, step.reserve), stream);
    break;
  case AMPC_STEP_COPY:
    call = driver.memcpyDtoDAsync.name;
    result = driver.memcpyDtoDAsync.function(addresses[1], addresses[0], step.bytes, stream);
    break;
  }
  if (result)
    driver.fail(result, call, nodesOf(entry));
}

//===----------------------------------------------------------------------===//
// Device
//===----------------------------------------------------------------------===//

CudaDevice::CudaDevice(const Module &module, int ordinal)
    : driver(CudaDriver::load()), context(driver, ordinal) {
  CudaContext::Scope scope(context);
  programs.emplace(driver, context, module);
}

CudaDevice::~CudaDevice() {
  // Any call may tell of an earlier one's failure, once.
  for (int attempt = 0; programs && attempt != 2; ++attempt)
    try {
      CudaContext::Scope scope(context);
      programs.reset();
    } catch (const std::exception &) {
    }
}

void *CudaDevice::stage(uint64_t, uint64_t bytes) {
  CudaContext::Scope scope(context);
  return staged = programs->stage(bytes);
}

void CudaDevice::commit(uint64_t offset, uint64_t bytes) {
  CudaContext::Scope scope(context);
  programs->commit(offset, staged, bytes);
}

const void *CudaDevice::fetch(uint64_t offset, uint64_t bytes) {
  CudaContext::Scope scope(context);
  return programs->fetch(offset, bytes);
}

void CudaDevice::run(const ampc_program_entry_t &program) {
  CudaContext::Scope scope(context);
  programs->run(program);
}

void CudaDevice::runWatched(const ampc_program_entry_t &program, StepWatcher &watcher) {
  CudaContext::Scope scope(context);
  programs->runWatched(program, watcher);
}

void CudaDevice::synchronize() {
  CudaContext::Scope scope(context);
  programs->synchronize();
}

std::unique_ptr<Device> createCudaDevice(const Module &module, int ordinal) {
  return std::make_unique<CudaDevice>(module, ordinal);
}

} // namespace ampc
