//===- TablesCheck.cpp - Refuses tables that contradict themselves --------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/TablesCheck.h"

#include "Core/DType.h"
#include "Core/Error.h"
#include "Core/StepsCheck.h"
#include "ampc-numbers/CheckedMath.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <vector>

namespace ampc {

namespace {

struct Range {
  uint64_t offset, bytes;
  std::string what;
};

class Checker : TableChecks {
public:
  Checker(const Tables &tables, const ampc_module_v1_t &module, const std::string &path)
      : TableChecks(tables, path), steps(tables, module, path) {}

  void run();

private:
  void checkStrings();
  void checkValue(size_t index);
  void checkTarget(unsigned target);
  void checkTensor(size_t index);
  void checkPlace(const ampc_tensor_entry_t &tensor, const std::string &what);
  void checkScalar(const ampc_tensor_entry_t &tensor, const std::string &what);
  void checkNames();
  void checkProgram(size_t index);
  void checkBinding(const ampc_binding_entry_t &binding, uint8_t role, uint64_t arenaBytes,
                    const std::string &what);
  void checkTraining(uint32_t target);
  void checkAccumulation(ampc_target_t target);
  /// `ranges` is sorted by this.
  void checkDisjoint(std::vector<Range> &ranges) const;

  StepsCheck steps;
};

} // namespace

void checkHeader(const ampc_module_v1_t &module, const std::string &path) {
  auto check = [&](bool good, const std::string &what) {
    if (!good)
      throw Error(AMPC_STATUS_CORRUPT, concat("the tables of '", path, "' contradict themselves: ",
                                              what, "; compile the model again"));
  };
  if (module.version < AMPC_FORMAT_OLDEST || module.version > AMPC_FORMAT_VERSION)
    throw Error(AMPC_STATUS_INCOMPATIBLE,
                concat("'", path, "' has format version ", module.version, ", this runtime (",
                       ampc_version(), ") reads ", AMPC_FORMAT_OLDEST, " to ", AMPC_FORMAT_VERSION,
                       module.version > AMPC_FORMAT_VERSION ? ": update libampc_runtime, or" : ":",
                       " compile the model with the ampc of this runtime"));
  check(module.struct_size == sizeof(ampc_module_v1_t),
        concat("struct_size is ", module.struct_size, ", not ", sizeof(ampc_module_v1_t)));
  check(module.tables != nullptr &&
            reinterpret_cast<uintptr_t>(module.tables) % AMPC_ALIGNMENT == 0,
        "the tables are missing or not aligned");
  check(module.tables_bytes >= sizeof(ampc_tables_t),
        concat("tables_bytes is ", module.tables_bytes, ", less than their header"));
  check(module.host_kernels != nullptr || module.host_kernel_count == 0, "host_kernels is missing");

  const auto &header = *static_cast<const ampc_tables_t *>(module.tables);
  check(std::memcmp(header.magic, AMPC_TABLES_MAGIC, sizeof(header.magic)) == 0,
        "the magic is not " AMPC_TABLES_MAGIC);
  check(header.format_version == module.version,
        concat("format_version is ", header.format_version, ", not ", module.version));
  check(header.header_bytes == sizeof(ampc_tables_t),
        concat("header_bytes is ", header.header_bytes, ", not ", sizeof(ampc_tables_t)));
  check(header.bytes == module.tables_bytes,
        concat("bytes is ", header.bytes, ", not ", module.tables_bytes));

  auto checkSpan = [&](const char *name, const ampc_span_t &span, uint64_t entryBytes,
                       uint64_t alignment) {
    std::optional<uint64_t> bytes = checkedMul(span.count, entryBytes);
    check(bytes && fits(span.offset, *bytes, header.bytes),
          concat("the span '", name, "' of ", span.count, " entries at byte ", span.offset,
                 " leaves the tables' ", header.bytes, " bytes"));
    check(span.offset % alignment == 0 && (span.count == 0 || span.offset >= sizeof(ampc_tables_t)),
          concat("the span '", name, "' starts at byte ", span.offset));
  };
  checkSpan("strings", header.strings, 1, 1);
  checkSpan("integers", header.integers, 8, 8);
  checkSpan("tensors", header.tensors, sizeof(ampc_tensor_entry_t), 8);
  checkSpan("bindings", header.bindings, sizeof(ampc_binding_entry_t), 8);
  checkSpan("programs", header.programs, sizeof(ampc_program_entry_t), 4);
  checkSpan("steps", header.steps, sizeof(ampc_step_entry_t), 8);
  checkSpan("waits", header.waits, 4, 4);
  checkSpan("arguments", header.arguments, sizeof(ampc_argument_entry_t), 8);
  checkSpan("kernels", header.kernels, sizeof(ampc_kernel_entry_t), 4);
  checkSpan("parameters", header.parameters, sizeof(ampc_parameter_entry_t), 8);
  checkSpan("images", header.images, sizeof(ampc_image_entry_t), 8);
  checkSpan("gradients", header.gradients, 4, 4);
  checkSpan("values", header.values, sizeof(ampc_value_entry_t), 4);
}

void checkContents(const Tables &tables, const ampc_module_v1_t &module, const std::string &path) {
  Checker(tables, module, path).run();
}

void Checker::run() {
  checkStrings();
  checkString(header.producer, "producer");
  checkString(header.model, "model");
  checkString(header.options, "options");
  checkString(header.optimizer, "optimizer");
  check(header.low_dtype == AMPC_DTYPE_F32 || header.low_dtype == AMPC_DTYPE_F16 ||
            header.low_dtype == AMPC_DTYPE_BF16,
        concat("low_dtype is ", header.low_dtype));
  check(header.has_scaler <= 1, concat("has_scaler is ", header.has_scaler));
  check(header.deterministic <= 1, concat("deterministic is ", header.deterministic));
  check(std::isfinite(header.scale_floor) && header.scale_floor >= 0,
        concat("scale_floor is ", header.scale_floor));

  for (unsigned target = 0; target != AMPC_TARGET_COUNT; ++target)
    checkTarget(target);
  for (size_t i = 0; i != tables.tensors.size(); ++i)
    checkTensor(i);
  checkNames();
  for (unsigned target = 0; target != AMPC_TARGET_COUNT; ++target) {
    std::vector<Range> state;
    for (const ampc_tensor_entry_t &tensor : tables.tensors)
      if (tensor.offset[target] != AMPC_NONE_U64)
        state.push_back(
            {tensor.offset[target], tensor.bytes, concat("tensor '", tables.nameOf(tensor), "'")});
    checkDisjoint(state);
  }
  for (size_t i = 0; i != tables.gradients.size(); ++i)
    check(tables.gradients[i] < tables.tensors.size() || tables.gradients[i] == AMPC_NONE_U32,
          concat("gradient ", i, " names tensor ", tables.gradients[i], " of ",
                 tables.tensors.size()));
  for (size_t i = 0; i != tables.values.size(); ++i)
    checkValue(i);
  steps.checkKernels();
  for (size_t i = 0; i != tables.programs.size(); ++i)
    checkProgram(i);
}

void Checker::checkValue(size_t index) {
  const ampc_value_entry_t &value = tables.values[index];
  std::string what = concat("value ", index);
  check(value.argument < tables.arguments.size() &&
            (index == 0 || value.argument > tables.values[index - 1].argument),
        concat(what, ": is argument ", value.argument, " of ", tables.arguments.size()));
  check(value.kind < AMPC_VALUE_KIND_COUNT, concat(what, ": its kind is ", value.kind));
  for (uint32_t string : {value.name, value.node, value.op_type})
    checkString(string, what);
  check(fits(value.first_dim, value.rank, tables.integers.size()),
        concat(what, ": its dimensions lie outside of the integers"));
  const ampc_argument_entry_t &argument = tables.arguments[value.argument];
  std::optional<uint64_t> bytes = sizeOf(argument.dtype);
  for (int64_t extent : tables.integers.slice(value.first_dim, value.rank))
    bytes = bytes && extent >= 0 ? checkedMul(*bytes, uint64_t(extent)) : std::nullopt;
  check((argument.flags & AMPC_ARGUMENT_WRITE) && bytes == argument.bytes,
        concat(what, ": its argument is no tensor of its dimensions that is written"));
}

void Checker::checkStrings() {
  check(tables.strings.empty() || tables.strings[tables.strings.size() - 1] == '\0',
        "the last string has no end");
}

void Checker::checkTarget(unsigned index) {
  const ampc_target_entry_t &target = header.targets[index];
  std::string what = concat("target ", index);
  check(target.present <= 1, concat(what, ": present is ", target.present));
  if (!target.present)
    return;
  checkString(target.features, what);
  check(target.state_bytes <= target.arena_bytes,
        concat(what, ": ", target.state_bytes, " bytes of state in an arena of ",
               target.arena_bytes));
  check(target.arena_bytes <= uint64_t(INT64_MAX),
        concat(what, ": an arena of ", target.arena_bytes, " bytes"));
  check(fits(target.first_image, target.image_count, tables.images.size()),
        concat(what, ": images from ", target.first_image, " on, ", target.image_count, " of ",
               tables.images.size()));
  for (const ampc_image_entry_t &image : tables.imagesOf(ampc_target_t(index))) {
    std::string place = concat(what, ": the image for architecture ", image.arch);
    check(image.bytes > 0 && fits(image.offset, image.bytes, header.bytes),
          concat(place, " lies at byte ", image.offset, " with ", image.bytes,
                 " bytes, beyond the tables' ", header.bytes));
    check(image.is_ptx <= 1, concat(place, ": is_ptx is ", image.is_ptx));
    const char *data = static_cast<const char *>(tables.imageData(image));
    check(!image.is_ptx || data[image.bytes - 1] == '\0', concat(place, " is PTX without an end"));
  }
}

void Checker::checkTensor(size_t index) {
  const ampc_tensor_entry_t &tensor = tables.tensors[index];
  std::string what = concat("tensor ", index);
  checkString(tensor.name, what);
  what = concat("tensor '", tables.nameOf(tensor), "'");
  check(tensor.role <= AMPC_ROLE_DERIVED, concat(what, ": role ", tensor.role));
  check(sizeOf(tensor.dtype) > 0, concat(what, ": type ", tensor.dtype));
  constexpr unsigned kFlags = AMPC_TENSOR_TRAINED | AMPC_TENSOR_LABEL | AMPC_TENSOR_BATCHED |
                              AMPC_TENSOR_LOSS | AMPC_TENSOR_CHECKED_LABELS |
                              AMPC_TENSOR_CHECKED_INDICES | AMPC_TENSOR_CHECKED_SHAPES;
  check((tensor.flags & ~kFlags) == 0, concat(what, ": flags ", tensor.flags));
  check(!(tensor.flags & AMPC_TENSOR_TRAINED) || tensor.role == AMPC_ROLE_PARAMETER,
        concat(what, ": trained, but its role is ", tensor.role));
  check(tensor.flags & AMPC_TENSOR_BATCHED ? tensor.batch_axis < tensor.rank
                                           : tensor.batch_axis == 0,
        concat(what, ": samples along dimension ", tensor.batch_axis, " of ", tensor.rank));
  checkString(tensor.settings, what);

  check(fits(tensor.first_dim, tensor.rank, tables.integers.size()),
        concat(what, ": dimensions from ", tensor.first_dim, " on, ", tensor.rank, " of ",
               tables.integers.size()));
  std::optional<uint64_t> bytes = sizeOf(tensor.dtype);
  for (int64_t dim : tables.shape(tensor)) {
    check(dim >= 0, concat(what, ": a dimension is ", dim));
    bytes = bytes ? checkedMul(*bytes, dim) : bytes;
  }
  check(bytes && *bytes == tensor.bytes,
        concat(what, ": ", tensor.bytes, " bytes do not hold ", tables.describe(tensor)));
  checkPlace(tensor, what);
  if (tensor.role == AMPC_ROLE_SCALAR)
    checkScalar(tensor, what);
  if (tables.nameOf(tensor) == std::string_view(AMPC_EVAL_FLAGS))
    check(tensor.role == AMPC_ROLE_DERIVED && tensor.dtype == AMPC_DTYPE_F32 &&
              tensor.bytes == sizeof(float),
          concat(what, ": is ", tables.describe(tensor)));
}

void Checker::checkPlace(const ampc_tensor_entry_t &tensor, const std::string &what) {
  bool port = tensor.role == AMPC_ROLE_INPUT || tensor.role == AMPC_ROLE_OUTPUT;
  for (unsigned target = 0; target != AMPC_TARGET_COUNT; ++target) {
    uint64_t offset = tensor.offset[target];
    if (offset == AMPC_NONE_U64)
      continue;
    check(!port, concat(what, ": an input or output in the state region"));
    check(header.targets[target].present,
          concat(what, ": has a place in target ", target, ", which is not there"));
    check(offset % AMPC_ALIGNMENT == 0 &&
              fits(offset, tensor.bytes, header.targets[target].state_bytes),
          concat(what, ": its ", tensor.bytes, " bytes at ", offset, " leave the state region of ",
                 header.targets[target].state_bytes, " bytes"));
  }
  switch (tensor.init_kind) {
  case AMPC_INIT_NONE:
  case AMPC_INIT_FILL:
    return;
  case AMPC_INIT_DATA:
    check(tensor.init_value % AMPC_ALIGNMENT == 0 &&
              fits(tensor.init_value, tensor.bytes, header.weights_bytes),
          concat(what, ": its ", tensor.bytes, " bytes at ", tensor.init_value,
                 " leave the weights' ", header.weights_bytes, " bytes"));
    return;
  default:
    fail(concat(what, ": initialized in way ", tensor.init_kind));
  }
}

void Checker::checkScalar(const ampc_tensor_entry_t &tensor, const std::string &what) {
  check(tensor.bytes == sizeOf(tensor.dtype),
        concat(what, ": a scalar of ", tensor.bytes, " bytes"));
  // Those that a checkpoint writes as decimals.
  check(tensor.dtype == AMPC_DTYPE_F32 || tensor.dtype == AMPC_DTYPE_F64 ||
            tensor.dtype == AMPC_DTYPE_I32 || tensor.dtype == AMPC_DTYPE_I64,
        concat(what, ": a scalar of type ", nameOf(tensor.dtype)));
  struct Known {
    const char *name;
    uint32_t dtype;
  };
  constexpr Known kKnown[] = {
      {AMPC_SCALAR_LEARNING_RATE, AMPC_DTYPE_F32},  {AMPC_SCALAR_STEP, AMPC_DTYPE_I64},
      {AMPC_SCALAR_ATTEMPT, AMPC_DTYPE_I64},        {AMPC_SCALAR_SEED, AMPC_DTYPE_I64},
      {AMPC_SCALAR_LOSS_SCALE, AMPC_DTYPE_F32},     {AMPC_SCALAR_GROWTH_TRACKER, AMPC_DTYPE_I32},
      {AMPC_SCALAR_MICRO_BATCHES, AMPC_DTYPE_I64},  {AMPC_SCALAR_MICRO_BATCH, AMPC_DTYPE_I64},
      {AMPC_SCALAR_WINDOW_LOSS, AMPC_DTYPE_F32},    {AMPC_SCALAR_WINDOW_FLAGS, AMPC_DTYPE_F32},
      {AMPC_SCALAR_WINDOW_CULPRIT, AMPC_DTYPE_F32},
  };
  for (const Known &known : kKnown)
    check(std::strcmp(known.name, tables.nameOf(tensor)) != 0 || known.dtype == tensor.dtype,
          concat(what, ": its type is ", nameOf(tensor.dtype), ", not ", nameOf(known.dtype)));
}

void Checker::checkNames() {
  // An input, an output and a parameter may share a name: a graph may hand out
  // what it was given.
  std::set<std::pair<int, std::string>> seen;
  for (const ampc_tensor_entry_t &tensor : tables.tensors) {
    int space = std::min<int>(tensor.role, AMPC_ROLE_PARAMETER);
    check(seen.emplace(space, tables.nameOf(tensor)).second,
          concat("two tensors are called '", tables.nameOf(tensor), "'"));
  }
}

void Checker::checkProgram(size_t index) {
  const ampc_program_entry_t &program = tables.programs[index];
  std::string what = concat("program ", index);
  checkString(program.name, what);
  std::string_view name = tables.nameOf(program);
  what = concat("program '", name, "'");
  check(program.target < AMPC_TARGET_COUNT && header.targets[program.target].present,
        concat(what, ": target ", program.target, " is not there"));
  check(tables.findProgram(name, ampc_target_t(program.target)) == &program,
        concat(what, ": there are two for target ", program.target));
  check(fits(program.first_step, program.step_count, tables.steps.size()),
        concat(what, ": steps from ", program.first_step, " on, ", program.step_count, " of ",
               tables.steps.size()));
  check(fits(program.first_input, program.input_count, tables.bindings.size()),
        concat(what, ": inputs from ", program.first_input, " on, ", program.input_count, " of ",
               tables.bindings.size()));
  check(fits(program.first_output, program.output_count, tables.bindings.size()),
        concat(what, ": outputs from ", program.first_output, " on, ", program.output_count, " of ",
               tables.bindings.size()));
  check((name != AMPC_PROGRAM_REFRESH && name != AMPC_PROGRAM_INIT && name != AMPC_PROGRAM_APPLY) ||
            program.input_count + uint64_t(program.output_count) == 0,
        concat(what, ": it takes no inputs or outputs"));

  check(program.queue_count >= 1 && program.queue_count <= AMPC_MOST_QUEUES,
        concat(what, ": ", program.queue_count, " queues"));
  check(program.signal_count <= program.step_count,
        concat(what, ": ", program.signal_count, " signals of ", program.step_count, " steps"));

  uint64_t arenaBytes = header.targets[program.target].arena_bytes;
  std::vector<Range> slots;
  std::set<uint32_t> inputs, outputs;
  for (const ampc_binding_entry_t &input : tables.inputsOf(program)) {
    checkBinding(input, AMPC_ROLE_INPUT, arenaBytes, what);
    check(inputs.insert(input.tensor).second, concat(what, ": an input twice"));
    slots.push_back(
        {input.offset, input.bytes,
         concat("the slot of input '", tables.nameOf(tables.tensors[input.tensor]), "'")});
  }
  checkDisjoint(slots);
  for (const ampc_binding_entry_t &output : tables.outputsOf(program)) {
    checkBinding(output, AMPC_ROLE_OUTPUT, arenaBytes, what);
    check(outputs.insert(output.tensor).second, concat(what, ": an output twice"));
  }
  StepsCheck::Done done;
  for (size_t i = 0; i != program.step_count; ++i)
    steps.checkStep(program.first_step + i, program, done);
  check(done.signals.size() == program.signal_count,
        concat(what, ": ", program.signal_count, " signals, of which ", done.signals.size(),
               " are given"));
  if (name == AMPC_PROGRAM_TRAIN || name == AMPC_PROGRAM_APPLY)
    checkTraining(program.target);
  if (name == AMPC_PROGRAM_APPLY || name == AMPC_PROGRAM_ACCUMULATE)
    checkAccumulation(ampc_target_t(program.target));
}

void Checker::checkBinding(const ampc_binding_entry_t &binding, uint8_t role, uint64_t arenaBytes,
                           const std::string &program) {
  check(binding.tensor < tables.tensors.size(),
        concat(program, ": binds tensor ", binding.tensor, " of ", tables.tensors.size()));
  const ampc_tensor_entry_t &tensor = tables.tensors[binding.tensor];
  std::string what = concat(program, ", tensor '", tables.nameOf(tensor), "'");
  check(tensor.role == role, concat(what, ": bound, but its role is ", tensor.role));
  // Staging rounds floats to floats and narrows integers to integers.
  check(binding.dtype == tensor.dtype || (isFloat(binding.dtype) && isFloat(tensor.dtype)) ||
            (isInteger(binding.dtype) && isInteger(tensor.dtype)),
        concat(what, ": a slot of type ", nameOf(binding.dtype), " cannot hold ",
               nameOf(tensor.dtype)));
  // Cannot overflow: both sizes are at most 8, and the tensor's bytes are
  // known to be right.
  uint64_t count = tensor.bytes / sizeOf(tensor.dtype);
  std::optional<uint64_t> bytes = checkedMul(count, sizeOf(binding.dtype));
  check(bytes && *bytes == binding.bytes, concat(what, ": a slot of ", binding.bytes, " bytes for ",
                                                 count, " ", nameOf(binding.dtype)));
  check(binding.offset % AMPC_ALIGNMENT == 0 && fits(binding.offset, binding.bytes, arenaBytes),
        concat(what, ": its slot of ", binding.bytes, " bytes at ", binding.offset,
               " leaves the arena of ", arenaBytes, " bytes"));
}

// What the session relies on to tell what a step did.
void Checker::checkTraining(uint32_t target) {
  auto isPlaced = [&](const char *name, uint8_t role, uint32_t dtype) {
    const ampc_tensor_entry_t *tensor = tables.findState(name);
    return tensor && tensor->role == role && tensor->dtype == dtype &&
           tensor->offset[target] != AMPC_NONE_U64;
  };
  check(isPlaced(AMPC_SCALAR_ATTEMPT, AMPC_ROLE_SCALAR, AMPC_DTYPE_I64),
        concat("a training step without " AMPC_SCALAR_ATTEMPT " in target ", target));
  check(isPlaced(AMPC_STATS_RING, AMPC_ROLE_DERIVED, AMPC_DTYPE_F32),
        concat("a training step without " AMPC_STATS_RING " in target ", target));
  const ampc_tensor_entry_t &ring = *tables.findState(AMPC_STATS_RING);
  constexpr int64_t kFewestSlots = 64; // as ampc.h promises
  check(ring.rank == 2 && tables.shape(ring)[0] >= kFewestSlots &&
            tables.shape(ring)[1] == AMPC_STAT_COUNT,
        concat(AMPC_STATS_RING " is ", tables.describe(ring)));
}

// And for a step of several micro-batches.
void Checker::checkAccumulation(ampc_target_t target) {
  const ampc_tensor_entry_t *count = tables.findState(AMPC_SCALAR_MICRO_BATCHES);
  check(count && count->role == AMPC_ROLE_SCALAR && count->init_kind == AMPC_INIT_FILL &&
            count->init_value >= 2 && count->init_value <= AMPC_MOST_MICRO_BATCHES,
        concat("micro-batches without a number of them in target ", uint32_t(target)));
  check(tables.findProgram(AMPC_PROGRAM_ACCUMULATE, target) &&
            tables.findProgram(AMPC_PROGRAM_APPLY, target),
        concat("half of a step of micro-batches in target ", uint32_t(target)));
  for (const char *name : {AMPC_SCALAR_MICRO_BATCH, AMPC_SCALAR_WINDOW_FLAGS}) {
    const ampc_tensor_entry_t *tensor = tables.findState(name);
    check(tensor && tensor->role == AMPC_ROLE_SCALAR && tensor->offset[target] != AMPC_NONE_U64,
          concat("micro-batches without ", name, " in target ", uint32_t(target)));
  }
}

void Checker::checkDisjoint(std::vector<Range> &ranges) const {
  std::sort(ranges.begin(), ranges.end(),
            [](const Range &a, const Range &b) { return a.offset < b.offset; });
  const Range *last = nullptr;
  for (const Range &range : ranges) {
    if (range.bytes == 0)
      continue;
    check(!last || last->offset + last->bytes <= range.offset,
          concat(last ? last->what : "", " and ", range.what, " overlap"));
    last = &range;
  }
}

} // namespace ampc
