//===- StepsCheck.cpp - Refuses steps that do not fit ---------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/StepsCheck.h"

#include "Core/DType.h"
#include "Core/Error.h"
#include "Core/LibraryCall.h"
#include "Core/Utf8.h"
#include "ampc-numbers/CheckedMath.h"

#include <algorithm>
#include <set>
#include <vector>

namespace ampc {

/// The order of the kinds of ampc_step_kind_t, in errors.
static constexpr const char *kStepKinds[] = {"launch", "library call", "copy", "loop"};

void TableChecks::fail(const std::string &what) const {
  throw Error(AMPC_STATUS_CORRUPT, concat("the tables of '", path, "' contradict themselves: ",
                                          what, "; compile the model again"));
}

// Only referenced strings are looked at: bytes between them mean nothing.
void TableChecks::checkString(uint32_t offset, const std::string &what) const {
  check(offset < tables.strings.size(),
        concat(what, ": its string starts at byte ", offset, " of ", tables.strings.size()));
  check(isUtf8(tables.string(offset)), concat(what, ": its string is no UTF-8"));
}

void StepsCheck::checkKernels() const {
  // One name or function twice would be one kernel's code behind another
  // kernel's parameters.
  std::set<std::pair<uint32_t, std::string>> names;
  std::set<uint32_t> functions;
  for (size_t i = 0; i != tables.kernels.size(); ++i) {
    const ampc_kernel_entry_t &kernel = tables.kernels[i];
    std::string what = concat("kernel ", i);
    checkString(kernel.name, what);
    what = concat("kernel '", tables.string(kernel.name), "'");
    checkKernel(kernel, what);
    check(names.emplace(kernel.target, tables.string(kernel.name)).second,
          concat(what, ": there are two"));
    check(kernel.target != AMPC_TARGET_HOST || functions.insert(kernel.function).second,
          concat(what, ": another one has its code"));
  }
}

void StepsCheck::checkKernel(const ampc_kernel_entry_t &kernel, const std::string &what) const {
  check(kernel.target < AMPC_TARGET_COUNT, concat(what, ": target ", kernel.target));
  if (kernel.target == AMPC_TARGET_HOST)
    check(kernel.function < module.host_kernel_count &&
              module.host_kernels[kernel.function] != nullptr,
          concat(what, ": host function ", kernel.function, " of ", module.host_kernel_count));
  check(fits(kernel.first_parameter, kernel.parameter_count, tables.parameters.size()),
        concat(what, ": parameters from ", kernel.first_parameter, " on, ", kernel.parameter_count,
               " of ", tables.parameters.size()));
  for (const ampc_parameter_entry_t &parameter : tables.parametersOf(kernel))
    check(sizeOf(parameter.dtype) > 0 &&
              (parameter.flags == AMPC_ARGUMENT_READ || parameter.flags == AMPC_ARGUMENT_WRITE),
          concat(what, ": a parameter of type ", parameter.dtype, " with flags ", parameter.flags));
}

void StepsCheck::checkLaunch(const ampc_step_entry_t &step, const ampc_program_entry_t &program,
                             const std::string &what) const {
  check(step.index < tables.kernels.size(),
        concat(what, ": kernel ", step.index, " of ", tables.kernels.size()));
  const ampc_kernel_entry_t &kernel = tables.kernels[step.index];
  check(kernel.target == program.target, concat(what, ": its kernel is for another target"));
  check(
      std::equal(step.grid, step.grid + 3, kernel.grid) &&
          std::equal(step.block, step.block + 3, kernel.block),
      concat(what, ": a grid that kernel '", tables.string(kernel.name), "' was not compiled for"));
  Span<ampc_argument_entry_t> arguments = tables.argumentsOf(step);
  Span<ampc_parameter_entry_t> parameters = tables.parametersOf(kernel);
  check(arguments.size() == parameters.size(),
        concat(what, ": ", arguments.size(), " arguments for kernel '", tables.string(kernel.name),
               "', which takes ", parameters.size()));
  for (size_t i = 0; i != arguments.size(); ++i) {
    const ampc_argument_entry_t &argument = arguments[i];
    bool isWritten = argument.flags & AMPC_ARGUMENT_WRITE;
    check(argument.bytes == parameters[i].bytes && argument.dtype == parameters[i].dtype &&
              argument.offset % AMPC_ALIGNMENT == 0 &&
              isWritten == (parameters[i].flags == AMPC_ARGUMENT_WRITE),
          concat(what, ": argument ", i, ", ", argument.bytes, " bytes of ", nameOf(argument.dtype),
                 " at ", argument.offset, isWritten ? ", written" : "", ", does not fit kernel '",
                 tables.string(kernel.name), "', which takes ", parameters[i].bytes, " bytes of ",
                 nameOf(parameters[i].dtype)));
  }
  checkDisjoint(step, what);
}

// Code is compiled as though what it writes were nowhere else among its
// arguments.
void StepsCheck::checkDisjoint(const ampc_step_entry_t &step, const std::string &what) const {
  std::vector<const ampc_argument_entry_t *> sorted;
  // In a loop, what an argument is in all iterations.
  auto beginOf = [this](const ampc_argument_entry_t *argument) {
    return argument->offset - (argument->stride < 0 ? argument->bytes * (count - 1) : 0);
  };
  auto endOf = [this](const ampc_argument_entry_t *argument) {
    return argument->offset + argument->bytes * (argument->stride > 0 ? count : 1);
  };
  for (const ampc_argument_entry_t &argument : tables.argumentsOf(step))
    if (argument.bytes > 0)
      sorted.push_back(&argument);
  std::sort(sorted.begin(), sorted.end(),
            [&](const auto *a, const auto *b) { return beginOf(a) < beginOf(b); });
  uint64_t end = 0, writtenEnd = 0; // of the arguments so far
  for (const ampc_argument_entry_t *argument : sorted) {
    bool isWritten = argument->flags & AMPC_ARGUMENT_WRITE;
    check(beginOf(argument) >= (isWritten ? end : writtenEnd),
          concat(what, ": writes ", argument->bytes, " bytes at ", argument->offset,
                 " that are two of its arguments"));
    end = std::max(end, endOf(argument));
    if (isWritten)
      writtenEnd = std::max(writtenEnd, endOf(argument));
  }
}

/// Whether a step of this kind may have an argument with these flags.
static bool areFlags(uint32_t flags, uint32_t kind, uint32_t target) {
  constexpr uint32_t kBoth = AMPC_ARGUMENT_READ | AMPC_ARGUMENT_WRITE;
  uint32_t role = flags & ~kBoth;
  switch (role) {
  case 0:
    return flags != 0;
  case AMPC_ARGUMENT_SCRATCH:
    return (flags & kBoth) == kBoth && kind != AMPC_STEP_COPY;
  case AMPC_ARGUMENT_RESERVE:
    return flags != role && kind == AMPC_STEP_LIBRARY;
  case AMPC_ARGUMENT_RESERVE | AMPC_ARGUMENT_SIZED_AT_LOAD:
    // Calls of the host are ours: their sizes are known when a model is compiled.
    return flags != role && kind == AMPC_STEP_LIBRARY && target == AMPC_TARGET_CUDA;
  default:
    return false;
  }
}

void StepsCheck::checkArgument(const ampc_argument_entry_t &argument, const ampc_step_entry_t &step,
                               const ampc_program_entry_t &program, const std::string &what) const {
  uint64_t size = sizeOf(argument.dtype);
  check(size > 0, concat(what, ": an argument of type ", argument.dtype));
  check(areFlags(argument.flags, step.kind, program.target),
        concat(what, ": an argument with flags ", argument.flags));
  if (argument.flags & AMPC_ARGUMENT_SIZED_AT_LOAD) {
    check(!inLoop && argument.stride == 0 && argument.bytes == 0 &&
              argument.offset < tables.arguments.size(),
          concat(what, ": reserve ", argument.offset, ", sized at load, has ", argument.bytes,
                 " bytes"));
    return;
  }
  uint64_t arenaBytes = header.targets[program.target].arena_bytes;
  check(argument.offset % size == 0 && argument.bytes % size == 0 &&
            fits(argument.offset, argument.bytes, arenaBytes),
        concat(what, ": an argument of ", argument.bytes, " bytes at ", argument.offset,
               " in an arena of ", arenaBytes, " bytes"));
  if (argument.stride == 0)
    return;
  bool isBackwards = argument.stride < 0;
  uint64_t stride = isBackwards ? 0 - uint64_t(argument.stride) : uint64_t(argument.stride);
  std::optional<uint64_t> reach = checkedMul(stride, count - 1);
  check(inLoop && stride == argument.bytes &&
            (step.kind == AMPC_STEP_COPY || stride % AMPC_ALIGNMENT == 0) && reach &&
            (isBackwards ? *reach <= argument.offset
                         : fits(argument.offset + argument.bytes, *reach, arenaBytes)),
        concat(what, ": an argument of ", argument.bytes, " bytes at ", argument.offset,
               " with a stride of ", argument.stride, " in ", count, " iterations and an arena of ",
               arenaBytes, " bytes"));
}

// A loop says how many steps behind it are its body; they are counted down as they come.
void StepsCheck::checkLoop(const ampc_step_entry_t &step, uint64_t stepsBehind,
                           const std::string &what) {
  Span<int64_t> integers = tables.integersOf(step);
  check(!inLoop, concat(what, ": in the body of another loop"));
  check(integers.size() == AMPC_LOOP_INTEGER_COUNT && step.argument_count == 0 && step.index == 0,
        concat(what, ": index ", step.index, ", ", step.argument_count, " arguments and ",
               integers.size(), " integers"));
  int64_t iterations = integers[AMPC_LOOP_COUNT], steps = integers[AMPC_LOOP_STEPS];
  check(
      iterations >= 1 && iterations <= INT32_MAX && steps >= 1 && uint64_t(steps) <= stepsBehind,
      concat(what, ": ", iterations, " iterations of ", steps, " steps, ", stepsBehind, " follow"));
  count = uint64_t(iterations);
  stepsLeft = uint64_t(steps);
  loopQueue = step.queue;
}

// A library trusts what it finds in a reserve.
void StepsCheck::checkReserves(const ampc_step_entry_t &step, Done &done,
                               const std::string &what) const {
  bool hasOne = false;
  for (const ampc_argument_entry_t &argument : tables.argumentsOf(step)) {
    if (!(argument.flags & AMPC_ARGUMENT_SIZED_AT_LOAD))
      continue;
    check(!hasOne, concat(what, ": two reserves that are sized at load"));
    hasOne = true;
    auto [filled, isNew] = done.reserves.emplace(argument.offset, step.queue);
    if (argument.flags & AMPC_ARGUMENT_READ)
      check(!isNew && filled->second == step.queue,
            concat(what, ": reads reserve ", argument.offset,
                   ", which nothing in its queue has filled"));
    else
      check(isNew, concat(what, ": fills reserve ", argument.offset, " a second time"));
  }
}

// Waits for signals that have been given can never be a circle.
void StepsCheck::checkQueue(const ampc_step_entry_t &step, const ampc_program_entry_t &program,
                            Done &done, const std::string &what) const {
  check(step.queue < program.queue_count,
        concat(what, ": queue ", step.queue, " of ", program.queue_count));
  check(fits(step.first_wait, step.wait_count, tables.waits.size()),
        concat(what, ": waits from ", step.first_wait, " on, ", step.wait_count, " of ",
               tables.waits.size()));
  std::set<uint32_t> seen;
  for (uint32_t signal : tables.waitsOf(step)) {
    auto given = done.signals.find(signal);
    check(given != done.signals.end() && given->second != step.queue && seen.insert(signal).second,
          concat(what, ": waits for signal ", signal,
                 ", which no step of another queue before it gives, or twice"));
  }
  check(!inLoop ||
            (step.queue == loopQueue && step.wait_count == 0 && step.signal == AMPC_NONE_U32),
        concat(what, ": in the body of a loop, with a queue, wait or signal of its own"));
  if (step.signal != AMPC_NONE_U32)
    check(step.signal < program.signal_count &&
              done.signals.emplace(step.signal, step.queue).second,
          concat(what, ": signal ", step.signal, " of ", program.signal_count,
                 " that each step gives alone"));
}

void StepsCheck::checkStep(size_t index, const ampc_program_entry_t &program, Done &done) {
  inLoop = index != program.first_step && stepsLeft > 0;
  if (inLoop)
    --stepsLeft;
  else
    count = 1;
  const ampc_step_entry_t &step = tables.steps[index];
  std::string what = concat("step ", index);
  checkString(step.name, what);
  if (step.kind > AMPC_STEP_LOOP)
    throw Error(AMPC_STATUS_INCOMPATIBLE,
                concat("'", path, "' has a step of kind ", step.kind, ", which this runtime (",
                       ampc_version(), ") does not know: update libampc_runtime"),
                tables.string(step.name));
  what =
      concat("step ", index, " (", kStepKinds[step.kind], " for '", tables.string(step.name), "')");
  check(fits(step.first_argument, step.argument_count, tables.arguments.size()),
        concat(what, ": arguments from ", step.first_argument, " on, ", step.argument_count, " of ",
               tables.arguments.size()));
  check(fits(step.first_integer, step.integer_count, tables.integers.size()),
        concat(what, ": integers from ", step.first_integer, " on, ", step.integer_count, " of ",
               tables.integers.size()));

  Span<ampc_argument_entry_t> arguments = tables.argumentsOf(step);
  for (const ampc_argument_entry_t &argument : arguments)
    checkArgument(argument, step, program, what);
  checkQueue(step, program, done, what);
  checkReserves(step, done, what);
  check((step.flags & ~uint32_t(AMPC_STEP_TENSOR_CORES)) == 0 &&
            (step.flags == 0 || step.kind == AMPC_STEP_LAUNCH),
        concat(what, ": unknown flags ", step.flags));

  switch (step.kind) {
  case AMPC_STEP_LAUNCH:
    checkLaunch(step, program, what);
    break;
  case AMPC_STEP_LIBRARY:
    checkLibrary(step, what);
    break;
  case AMPC_STEP_COPY:
    check(arguments.size() == 2 && arguments[0].bytes == arguments[1].bytes &&
              (arguments[0].flags & AMPC_ARGUMENT_READ) &&
              (arguments[1].flags & AMPC_ARGUMENT_WRITE),
          concat(what, ": not one source and one destination of equal size"));
    break;
  case AMPC_STEP_LOOP:
    checkLoop(step, uint64_t(program.first_step) + program.step_count - index - 1, what);
    break;
  }
}

void StepsCheck::checkLibrary(const ampc_step_entry_t &step, const std::string &what) const {
  const LibraryCall *call = findLibraryCall(step.index);
  if (!call)
    throw Error(AMPC_STATUS_INCOMPATIBLE,
                concat("'", path, "' uses library call ", step.index, ", which this runtime (",
                       ampc_version(), ") does not know: update libampc_runtime"),
                tables.string(step.name));
  std::string problem = call->check(tables.argumentsOf(step), tables.integersOf(step));
  check(problem.empty(), concat(what, ": ", problem));
  checkDisjoint(step, what);
}

} // namespace ampc
