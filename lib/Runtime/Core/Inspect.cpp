//===- Inspect.cpp - Tells what a module holds ----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/Inspect.h"

#include "Core/DType.h"
#include "Core/Error.h"
#include "Core/JsonReader.h"
#include "Core/JsonWriter.h"
#include "Core/LibraryCall.h"

#include <cstdio>

namespace ampc {

static void writeTensor(JsonWriter &json, const Tables &tables, const ampc_tensor_entry_t &tensor) {
  json.member("name", tables.nameOf(tensor));
  json.key("shape");
  json.beginArray();
  for (int64_t dim : tables.shape(tensor))
    json.value(dim);
  json.endArray();
  json.member("dtype", nameOf(tensor.dtype));
}

template <class Members>
static void writeTensors(JsonWriter &json, const Tables &tables, uint8_t role, Members members) {
  json.beginArray();
  for (const ampc_tensor_entry_t &tensor : tables.tensors) {
    if (tensor.role != role)
      continue;
    json.beginObject();
    writeTensor(json, tables, tensor);
    members(tensor);
    json.endObject();
  }
  json.endArray();
}

static const char *kindOf(const ampc_step_entry_t &step) {
  switch (step.kind) {
  case AMPC_STEP_LAUNCH:
    return "launch";
  case AMPC_STEP_LIBRARY:
    return findLibraryCall(step.index)->name; // as the tables' check found
  case AMPC_STEP_LOOP:
    return "loop";
  default:
    return "copy";
  }
}

/// Null where the library tells when the session is created.
static void writeReserveBytes(JsonWriter &json, Span<ampc_argument_entry_t> arguments) {
  uint64_t bytes = 0;
  bool isKnown = true;
  for (const ampc_argument_entry_t &argument : arguments) {
    isKnown &= !(argument.flags & AMPC_ARGUMENT_SIZED_AT_LOAD);
    bytes += argument.flags & AMPC_ARGUMENT_RESERVE ? argument.bytes : 0;
  }
  json.key("reserve_bytes");
  if (isKnown)
    json.value(bytes);
  else
    json.null();
}

static void writeQueue(JsonWriter &json, const Tables &tables, const ampc_step_entry_t &step) {
  json.member("queue", step.queue);
  json.key("waits");
  json.beginArray();
  for (uint32_t signal : tables.waitsOf(step))
    json.value(signal);
  json.endArray();
  json.key("signal");
  if (step.signal != AMPC_NONE_U32)
    json.value(step.signal);
  else
    json.null();
}

/// `runs` is how often it runs, told where that is not once.
static void writeStep(JsonWriter &json, const Tables &tables, const ampc_program_entry_t &program,
                      const ampc_step_entry_t &step, int64_t runs) {
  json.beginObject();
  json.member("kind", kindOf(step));
  json.key("nodes");
  json.beginArray();
  std::string_view names = tables.string(step.name);
  while (!names.empty()) {
    size_t end = names.find(", ");
    json.value(names.substr(0, end));
    names.remove_prefix(end == names.npos ? names.size() : end + 2);
  }
  json.endArray();
  json.key("kernel");
  if (step.kind == AMPC_STEP_LAUNCH)
    json.value(tables.string(tables.kernels[step.index].name));
  else
    json.null();
  if (step.flags & AMPC_STEP_TENSOR_CORES)
    json.member("tensor_cores", true);
  json.member("read_bytes", step.read_bytes);
  json.member("written_bytes", step.written_bytes);
  json.member("flops", step.flops);
  uint64_t scratch = 0;
  for (const ampc_argument_entry_t &argument : tables.argumentsOf(step))
    scratch += argument.flags & AMPC_ARGUMENT_SCRATCH ? argument.bytes : 0;
  json.member("scratch_bytes", scratch);
  writeReserveBytes(json, tables.argumentsOf(step));
  json.key("operand_types");
  json.beginArray();
  for (const ampc_argument_entry_t &argument : tables.argumentsOf(step))
    json.value(nameOf(argument.dtype));
  json.endArray();
  if (runs != 1)
    json.member("runs", runs);
  if (program.queue_count > 1)
    writeQueue(json, tables, step);
  json.endObject();
}

static void writeSteps(JsonWriter &json, const Tables &tables,
                       const ampc_program_entry_t *program) {
  json.beginArray();
  int64_t left = 0, count = 1; // steps of a loop's body, and its iterations
  if (program)
    for (const ampc_step_entry_t &step : tables.stepsOf(*program)) {
      writeStep(json, tables, *program, step, left-- > 0 ? count : 1);
      if (step.kind != AMPC_STEP_LOOP)
        continue;
      count = tables.integersOf(step)[AMPC_LOOP_COUNT];
      left = tables.integersOf(step)[AMPC_LOOP_STEPS];
    }
  json.endArray();
}

/// Text that the compiler wrote as JSON, or a string where it is none.
static void writeJson(JsonWriter &json, const char *options) {
  try {
    JsonReader reader(options);
    reader.skipValue();
    reader.expectEnd();
    json.raw(options);
  } catch (const JsonError &) {
    json.value(options);
  }
}

static ampc_target_t pickTarget(const Module &module, ampc_device_t device) {
  ampc_target_t target = AMPC_TARGET_HOST;
  if (device == AMPC_DEVICE_CUDA ||
      (device == AMPC_DEVICE_AUTO && !module.hasTarget(AMPC_TARGET_HOST)))
    target = AMPC_TARGET_CUDA;
  else if (device != AMPC_DEVICE_HOST && device != AMPC_DEVICE_AUTO)
    throw Error(AMPC_STATUS_INVALID_ARGUMENT, concat("there is no device ", int(device)));
  if (!module.hasTarget(target))
    throw Error(AMPC_STATUS_INCOMPATIBLE, concat("'", module.path(), "' holds no ",
                                                 target == AMPC_TARGET_CUDA ? "CUDA" : "host",
                                                 " code: compile it with --target=cuda,host"));
  return target;
}

std::string inspect(const Module &module, ampc_device_t device) {
  const Tables &tables = module.tables();
  const ampc_tables_t &header = tables.header();
  ampc_target_t target = pickTarget(module, device);
  const ampc_target_entry_t &entry = header.targets[target];
  auto flag = [](const ampc_tensor_entry_t &tensor, unsigned bit) {
    return (tensor.flags & bit) != 0;
  };

  JsonWriter json;
  json.beginObject();
  json.member("model", tables.string(header.model));
  json.member("producer", tables.string(header.producer));
  char identity[17];
  std::snprintf(identity, sizeof(identity), "%016llx",
                static_cast<unsigned long long>(header.identity));
  json.member("identity", identity);
  json.member("target", target == AMPC_TARGET_CUDA ? "cuda" : "host");
  json.key("options");
  writeJson(json, tables.string(header.options));

  json.key("inputs");
  writeTensors(json, tables, AMPC_ROLE_INPUT, [&](const auto &tensor) {
    json.member("label", flag(tensor, AMPC_TENSOR_LABEL));
    json.member("batched", flag(tensor, AMPC_TENSOR_BATCHED));
    json.member("batch_axis", tensor.batch_axis);
  });
  json.key("outputs");
  writeTensors(json, tables, AMPC_ROLE_OUTPUT, [&](const auto &tensor) {
    json.member("loss", flag(tensor, AMPC_TENSOR_LOSS));
    json.member("batched", flag(tensor, AMPC_TENSOR_BATCHED));
    json.member("batch_axis", tensor.batch_axis);
  });
  json.key("parameters");
  auto writeSettings = [&](const auto &tensor) {
    if (const char *settings = tables.string(tensor.settings); *settings) {
      json.key("settings");
      writeJson(json, settings);
    }
  };
  writeTensors(json, tables, AMPC_ROLE_PARAMETER, [&](const auto &tensor) {
    json.member("trained", flag(tensor, AMPC_TENSOR_TRAINED));
    writeSettings(tensor);
  });
  json.key("constants");
  writeTensors(json, tables, AMPC_ROLE_CONSTANT, writeSettings);
  json.key("state");
  writeTensors(json, tables, AMPC_ROLE_STATE, [](const auto &) {});
  json.key("scalars");
  writeTensors(json, tables, AMPC_ROLE_SCALAR, [](const auto &) {});

  json.key("precision");
  json.beginObject();
  json.member("low_dtype", nameOf(header.low_dtype));
  json.member("loss_scaling", header.has_scaler != 0);
  json.member("loss_scale_min", header.scale_floor);
  json.endObject();
  json.member("deterministic", header.deterministic != 0);
  json.member("arena_bytes", entry.arena_bytes);
  json.member("state_bytes", entry.state_bytes);
  json.member("weights_bytes", header.weights_bytes);
  if (target == AMPC_TARGET_HOST) {
    json.member("cpu_features", tables.string(entry.features));
  } else {
    json.key("images");
    json.beginArray();
    for (const ampc_image_entry_t &image : tables.imagesOf(target)) {
      json.beginObject();
      json.member("arch", image.arch);
      json.member("kind", image.is_ptx ? "ptx" : "cubin");
      json.member("bytes", image.bytes);
      json.endObject();
    }
    json.endArray();
  }

  auto program = [&](const char *name) { return tables.findProgram(name, target); };
  const ampc_program_entry_t *train = program(AMPC_PROGRAM_TRAIN);
  if (!train) // the larger part of a step
    train = program(AMPC_PROGRAM_ACCUMULATE);
  const ampc_program_entry_t *eval = program(AMPC_PROGRAM_EVAL);
  json.key("programs");
  json.beginArray();
  for (const ampc_program_entry_t &each : tables.programs)
    if (each.target == uint32_t(target))
      json.value(tables.nameOf(each));
  json.endArray();
  json.member("trains", train != nullptr);
  json.key("steps");
  writeSteps(json, tables, train ? train : eval);
  json.member("micro_batches", tables.microBatches());
  if (const ampc_program_entry_t *apply = program(AMPC_PROGRAM_APPLY)) {
    json.key("apply_steps");
    writeSteps(json, tables, apply);
  }
  json.key("eval_steps");
  writeSteps(json, tables, eval);
  json.key("refresh_steps");
  writeSteps(json, tables, program(AMPC_PROGRAM_REFRESH));
  json.key("init_steps");
  writeSteps(json, tables, program(AMPC_PROGRAM_INIT));
  json.endObject();
  return json.take();
}

} // namespace ampc
