//===- TableWriter.cpp - Writes a train.so by hand ------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TableWriter.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace ampc::test {

uint64_t elementSize(uint32_t dtype) {
  switch (dtype) {
  case AMPC_DTYPE_F64:
  case AMPC_DTYPE_I64:
    return 8;
  case AMPC_DTYPE_F32:
  case AMPC_DTYPE_I32:
    return 4;
  case AMPC_DTYPE_F16:
  case AMPC_DTYPE_BF16:
  case AMPC_DTYPE_I16:
    return 2;
  default:
    return 1;
  }
}

static uint64_t align(uint64_t offset) {
  return (offset + AMPC_ALIGNMENT - 1) / AMPC_ALIGNMENT * AMPC_ALIGNMENT;
}

ampc_argument_entry_t argumentAt(uint64_t offset, uint64_t bytes, ampc_dtype_t dtype,
                                 unsigned flags) {
  return {offset, bytes, uint32_t(dtype), flags, /*stride=*/0};
}

TableWriter::TableWriter() {
  std::memset(&header, 0, sizeof(header));
  std::memcpy(header.magic, AMPC_TABLES_MAGIC, sizeof(header.magic));
  header.format_version = AMPC_FORMAT_VERSION;
  header.header_bytes = sizeof(header);
  header.producer = string("ampc 0.1.0");
  header.model = string("model.onnx");
  header.options = string("{\"amp\":\"O1\"}");
  header.optimizer = string("");
  header.low_dtype = AMPC_DTYPE_F32;
  header.identity = 0x0123456789abcdefull;
  header.targets[AMPC_TARGET_HOST].present = 1;
  header.targets[AMPC_TARGET_HOST].features = string("");
}

uint32_t TableWriter::string(const std::string &text) {
  uint32_t offset = strings.size();
  strings += text + '\0';
  return offset;
}

uint32_t TableWriter::integers(const std::vector<int64_t> &values) {
  uint32_t first = integerPool.size();
  integerPool.insert(integerPool.end(), values.begin(), values.end());
  return first;
}

uint64_t TableWriter::placeState(uint64_t bytes) {
  ampc_target_entry_t &host = header.targets[AMPC_TARGET_HOST];
  if (host.arena_bytes != host.state_bytes)
    throw std::logic_error("state comes before what is transient");
  uint64_t offset = host.state_bytes;
  host.state_bytes = host.arena_bytes = align(offset + bytes);
  return offset;
}

uint64_t TableWriter::placeTransient(uint64_t bytes) {
  ampc_target_entry_t &host = header.targets[AMPC_TARGET_HOST];
  uint64_t offset = host.arena_bytes;
  host.arena_bytes = align(offset + bytes);
  return offset;
}

uint32_t TableWriter::addTensor(const std::string &name, ampc_role_t role, ampc_dtype_t dtype,
                                const std::vector<int64_t> &shape, unsigned flags) {
  ampc_tensor_entry_t tensor = {};
  tensor.name = string(name);
  tensor.settings = string("");
  tensor.first_dim = integers(shape);
  tensor.role = role;
  tensor.dtype = dtype;
  tensor.rank = shape.size();
  tensor.flags = flags;
  tensor.bytes = elementSize(dtype);
  for (int64_t dim : shape)
    tensor.bytes *= dim;
  tensor.offset[0] = tensor.offset[1] = AMPC_NONE_U64;
  tensors.push_back(tensor);
  return tensors.size() - 1;
}

uint32_t TableWriter::addState(const std::string &name, ampc_role_t role, ampc_dtype_t dtype,
                               const std::vector<int64_t> &shape, unsigned flags,
                               const std::string &data) {
  uint32_t index = addTensor(name, role, dtype, shape, flags);
  ampc_tensor_entry_t &tensor = tensors[index];
  if (data.size() != tensor.bytes)
    throw std::logic_error("wrong number of initial bytes for " + name);
  tensor.init_kind = AMPC_INIT_DATA;
  tensor.init_value = weights.size();
  weights += data;
  weights.resize(align(weights.size()));
  tensor.offset[0] = placeState(tensor.bytes);
  return index;
}

uint32_t TableWriter::addFilled(const std::string &name, ampc_role_t role, ampc_dtype_t dtype,
                                const std::vector<int64_t> &shape, uint64_t fill) {
  uint32_t index = addTensor(name, role, dtype, shape);
  tensors[index].init_kind = AMPC_INIT_FILL;
  tensors[index].init_value = fill;
  tensors[index].offset[0] = placeState(tensors[index].bytes);
  return index;
}

uint32_t TableWriter::addDerived(const std::string &name, ampc_dtype_t dtype,
                                 const std::vector<int64_t> &shape) {
  uint32_t index = addTensor(name, AMPC_ROLE_DERIVED, dtype, shape);
  tensors[index].offset[0] = placeState(tensors[index].bytes);
  return index;
}

ampc_argument_entry_t TableWriter::argument(uint32_t tensor, unsigned flags) const {
  const ampc_tensor_entry_t &entry = tensors[tensor];
  return {entry.offset[0], entry.bytes, entry.dtype, flags, /*stride=*/0};
}

ampc_binding_entry_t TableWriter::binding(uint32_t tensor, ampc_dtype_t dtype,
                                          uint64_t offset) const {
  const ampc_tensor_entry_t &entry = tensors[tensor];
  uint64_t count = entry.bytes / elementSize(entry.dtype);
  return {tensor, uint32_t(dtype), offset, count * elementSize(dtype)};
}

uint32_t TableWriter::addKernel(const std::string &name) {
  ampc_kernel_entry_t kernel = {};
  kernel.name = string(name);
  kernel.target = AMPC_TARGET_HOST;
  kernel.function = kernelNames.size();
  kernelNames.push_back(name);
  kernels.push_back(kernel);
  return kernels.size() - 1;
}

void TableWriter::beginProgram(const std::string &name,
                               const std::vector<ampc_binding_entry_t> &inputs,
                               const std::vector<ampc_binding_entry_t> &outputs) {
  ampc_program_entry_t program = {};
  program.name = string(name);
  program.queue_count = 1;
  program.target = AMPC_TARGET_HOST;
  program.first_step = steps.size();
  program.first_input = bindings.size();
  program.input_count = inputs.size();
  bindings.insert(bindings.end(), inputs.begin(), inputs.end());
  program.first_output = bindings.size();
  program.output_count = outputs.size();
  bindings.insert(bindings.end(), outputs.begin(), outputs.end());
  programs.push_back(program);
}

ampc_step_entry_t &TableWriter::addStep(ampc_step_kind_t kind,
                                        const std::vector<ampc_argument_entry_t> &given,
                                        const std::string &nodes) {
  ampc_step_entry_t step = {};
  step.kind = kind;
  step.name = string(nodes);
  step.signal = AMPC_NONE_U32;
  step.first_argument = arguments.size();
  step.argument_count = given.size();
  arguments.insert(arguments.end(), given.begin(), given.end());
  for (const ampc_argument_entry_t &argument : given) {
    step.read_bytes += argument.flags & AMPC_ARGUMENT_READ ? argument.bytes : 0;
    step.written_bytes += argument.flags & AMPC_ARGUMENT_WRITE ? argument.bytes : 0;
  }
  steps.push_back(step);
  ++programs.back().step_count;
  return steps.back();
}

void TableWriter::nameValue(uint32_t index, ampc_value_kind_t kind, const std::string &name,
                            const std::string &node, const std::string &opType,
                            const std::vector<int64_t> &shape) {
  values.push_back({steps.back().first_argument + index, uint32_t(kind), string(name), string(node),
                    string(opType), integers(shape), uint32_t(shape.size())});
}

uint32_t TableWriter::schedule(ampc_program_entry_t &program, uint32_t index, uint32_t queue,
                               const std::vector<uint32_t> &awaited) {
  ampc_step_entry_t &step = steps[program.first_step + index];
  program.queue_count = std::max(program.queue_count, queue + 1);
  step.queue = queue;
  step.first_wait = waits.size();
  step.wait_count = awaited.size();
  waits.insert(waits.end(), awaited.begin(), awaited.end());
  return step.signal = program.signal_count++;
}

void TableWriter::addLaunch(uint32_t kernel, uint32_t blocks,
                            const std::vector<ampc_argument_entry_t> &given,
                            const std::string &nodes) {
  ampc_step_entry_t &step = addStep(AMPC_STEP_LAUNCH, given, nodes);
  step.index = kernel;
  step.grid[0] = blocks;
  step.grid[1] = step.grid[2] = 1;
  step.block[0] = step.block[1] = step.block[2] = 1;
  ampc_kernel_entry_t &entry = kernels[kernel];
  if (entry.block[0])
    return;
  std::copy(step.grid, step.grid + 3, entry.grid);
  std::copy(step.block, step.block + 3, entry.block);
  entry.first_parameter = parameters.size();
  entry.parameter_count = given.size();
  for (const ampc_argument_entry_t &argument : given)
    parameters.push_back({argument.bytes, argument.dtype,
                          argument.flags & AMPC_ARGUMENT_WRITE ? uint32_t(AMPC_ARGUMENT_WRITE)
                                                               : uint32_t(AMPC_ARGUMENT_READ)});
}

void TableWriter::addLibrary(ampc_library_t call, const std::vector<int64_t> &parameters,
                             const std::vector<ampc_argument_entry_t> &given,
                             const std::string &nodes) {
  uint32_t first = integers(parameters);
  ampc_step_entry_t &step = addStep(AMPC_STEP_LIBRARY, given, nodes);
  step.index = call;
  step.first_integer = first;
  step.integer_count = parameters.size();
}

void TableWriter::addMatmul(const std::vector<int64_t> &parameters,
                            const std::vector<ampc_argument_entry_t> &given,
                            const std::string &nodes) {
  addLibrary(AMPC_LIBRARY_MATMUL, parameters, given, nodes);
}

void TableWriter::addCopy(ampc_argument_entry_t from, ampc_argument_entry_t to) {
  addStep(AMPC_STEP_COPY, {from, to}, "");
}

void TableWriter::addLoop(int64_t count, int64_t bodySteps) {
  ampc_step_entry_t &step = addStep(AMPC_STEP_LOOP, {}, "Loop_0");
  step.first_integer = integers({count, bodySteps});
  step.integer_count = AMPC_LOOP_INTEGER_COUNT;
}

std::string TableWriter::serialize() const {
  ampc_tables_t head = header;
  head.weights_bytes = weights.size();
  std::string bytes(sizeof(head), '\0');
  auto put = [&](ampc_span_t &span, const auto &entries) {
    bytes.resize(align(bytes.size()));
    span = {bytes.size(), entries.size()};
    bytes.append(reinterpret_cast<const char *>(entries.data()),
                 entries.size() * sizeof(entries[0]));
  };
  put(head.strings, strings);
  put(head.integers, integerPool);
  put(head.tensors, tensors);
  put(head.bindings, bindings);
  put(head.programs, programs);
  put(head.steps, steps);
  put(head.waits, waits);
  put(head.arguments, arguments);
  put(head.kernels, kernels);
  put(head.parameters, parameters);
  put(head.images, images);
  put(head.gradients, gradients);
  put(head.values, values);
  bytes.resize(align(bytes.size()));
  head.bytes = bytes.size();
  std::memcpy(&bytes[0], &head, sizeof(head));
  return bytes;
}

void TableWriter::build(const std::string &path) const {
  std::string tables = serialize();
  std::ofstream(path + ".weights", std::ios::binary) << weights;
  std::ostringstream code;
  code << "#include \"ampc-runtime/module_format.h\"\n#include <math.h>\n"
       << kernelSource << "\nstatic const ampc_host_kernel_t kernels[] = {";
  for (const std::string &name : kernelNames)
    code << name << ", ";
  code << "0};\nstatic const unsigned char tables[] "
          "__attribute__((aligned(64))) = {";
  for (unsigned char byte : tables)
    code << unsigned(byte) << ",";
  code << "};\n__attribute__((visibility(\"default\")))\n"
       << "const ampc_module_v1_t ampc_module_v1 = {AMPC_FORMAT_VERSION, "
          "sizeof(ampc_module_v1_t), tables, sizeof(tables), kernels, "
       << kernelNames.size() << "};\n"
       << "__asm__(\".section " AMPC_WEIGHTS_SECTION ",\\\"\\\",@progbits\\n"
          ".balign 64\\n.incbin \\\""
       << path << ".weights\\\"\\n.previous\\n\");\n";
  std::ofstream(path + ".c") << code.str();

  std::string command = AMPC_TEST_CC " -std=gnu11 -O1 -shared -fPIC "
                                     "-fvisibility=hidden -I" AMPC_TEST_INCLUDE " '" +
                        path + ".c' -o '" + path + "' -lm";
  if (std::system(command.c_str()) != 0)
    throw std::runtime_error("the host's C compiler failed: " + command);
}

} // namespace ampc::test
