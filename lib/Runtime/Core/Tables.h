//===- Tables.h - A train.so's tables, checked ------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_TABLES_H
#define AMPC_RUNTIME_CORE_TABLES_H

#include "ampc-runtime/accumulation.h"
#include "ampc-runtime/module_format.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace ampc {

/// A read-only view of consecutive entries.
template <class T>
class Span {
public:
  Span() = default;
  Span(const T *data, size_t count) : entries(data), count(count) {}

  const T *begin() const { return entries; }
  const T *end() const { return entries + count; }
  const T *data() const { return entries; }
  size_t size() const { return count; }
  bool empty() const { return count == 0; }
  const T &operator[](size_t index) const { return entries[index]; }
  /// The `length` entries from `first` on, which must exist.
  Span slice(size_t first, size_t length) const { return Span(entries + first, length); }

private:
  const T *entries = nullptr;
  size_t count = 0;
};

/// Reads the tables of a module. Made only after every index, offset and size
/// in them has been checked, so that its readers need no checks of their own.
class Tables {
public:
  /// Checks everything. `path` names the module in errors:
  /// AMPC_STATUS_INCOMPATIBLE for another format version or a step that this
  /// runtime does not know, AMPC_STATUS_CORRUPT for all else.
  Tables(const ampc_module_v1_t &module, const std::string &path);

  const ampc_tables_t &header() const { return *tables; }
  const char *string(uint32_t offset) const { return strings.data() + offset; }
  Span<int64_t> shape(const ampc_tensor_entry_t &tensor) const {
    return integers.slice(tensor.first_dim, tensor.rank);
  }
  Span<ampc_argument_entry_t> argumentsOf(const ampc_step_entry_t &step) const {
    return arguments.slice(step.first_argument, step.argument_count);
  }
  Span<ampc_parameter_entry_t> parametersOf(const ampc_kernel_entry_t &kernel) const {
    return parameters.slice(kernel.first_parameter, kernel.parameter_count);
  }
  Span<int64_t> integersOf(const ampc_step_entry_t &step) const {
    return integers.slice(step.first_integer, step.integer_count);
  }
  Span<uint32_t> waitsOf(const ampc_step_entry_t &step) const {
    return waits.slice(step.first_wait, step.wait_count);
  }
  Span<ampc_step_entry_t> stepsOf(const ampc_program_entry_t &program) const {
    return steps.slice(program.first_step, program.step_count);
  }
  Span<ampc_binding_entry_t> inputsOf(const ampc_program_entry_t &program) const {
    return bindings.slice(program.first_input, program.input_count);
  }
  Span<ampc_binding_entry_t> outputsOf(const ampc_program_entry_t &program) const {
    return bindings.slice(program.first_output, program.output_count);
  }
  Span<ampc_image_entry_t> imagesOf(ampc_target_t target) const {
    return images.slice(tables->targets[target].first_image, tables->targets[target].image_count);
  }
  const void *imageData(const ampc_image_entry_t &image) const { return base + image.offset; }

  /// What a written argument is to the model; null where that is not told.
  const ampc_value_entry_t *findValue(const ampc_argument_entry_t &argument) const;
  /// The program of this name for this target, or null.
  const ampc_program_entry_t *findProgram(std::string_view name, ampc_target_t target) const;
  size_t indexOf(const ampc_program_entry_t &program) const { return &program - programs.data(); }
  const char *nameOf(const ampc_program_entry_t &program) const { return string(program.name); }
  /// The graph input or output (`role`) called `name`, or null.
  const ampc_tensor_entry_t *findPort(ampc_role_t role, std::string_view name) const;
  /// The parameter, constant, state, scalar or derived tensor, or null.
  const ampc_tensor_entry_t *findState(std::string_view name) const;
  const char *nameOf(const ampc_tensor_entry_t &tensor) const { return string(tensor.name); }
  /// Micro-batches in a step.
  int64_t microBatches() const;
  /// "f32 [64, 10]".
  std::string describe(const ampc_tensor_entry_t &tensor) const;

  Span<char> strings;
  Span<int64_t> integers;
  Span<ampc_tensor_entry_t> tensors;
  Span<ampc_binding_entry_t> bindings;
  Span<ampc_program_entry_t> programs;
  Span<ampc_step_entry_t> steps;
  Span<uint32_t> waits;
  Span<ampc_argument_entry_t> arguments;
  Span<ampc_kernel_entry_t> kernels;
  Span<ampc_parameter_entry_t> parameters;
  Span<ampc_image_entry_t> images;
  Span<uint32_t> gradients;
  Span<ampc_value_entry_t> values;

private:
  const ampc_tables_t *tables;
  const char *base;
};

/// Whether a step leaves a tensor of a float type that steps compute in.
bool isWrittenFloat(const ampc_argument_entry_t &argument);

/// Where iteration `iteration` of a loop has an argument.
inline uint64_t placeOf(const ampc_argument_entry_t &argument, int64_t iteration) {
  return argument.offset + uint64_t(iteration * argument.stride);
}

/// "[64, 10]".
std::string describeShape(const int64_t *shape, size_t rank);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_TABLES_H
