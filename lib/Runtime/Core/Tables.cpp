//===- Tables.cpp - A train.so's tables, checked --------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/Tables.h"

#include "Core/DType.h"
#include "Core/Error.h"
#include "Core/TablesCheck.h"

#include <algorithm>

namespace ampc {

Tables::Tables(const ampc_module_v1_t &module, const std::string &path)
    : tables(static_cast<const ampc_tables_t *>(module.tables)),
      base(static_cast<const char *>(module.tables)) {
  checkHeader(module, path);
  auto read = [this](const ampc_span_t &span, auto &view) {
    using Entry = std::remove_const_t<std::remove_reference_t<decltype(view[0])>>;
    view = {reinterpret_cast<const Entry *>(base + span.offset), span.count};
  };
  read(tables->strings, strings);
  read(tables->integers, integers);
  read(tables->tensors, tensors);
  read(tables->bindings, bindings);
  read(tables->programs, programs);
  read(tables->steps, steps);
  read(tables->waits, waits);
  read(tables->arguments, arguments);
  read(tables->kernels, kernels);
  read(tables->parameters, parameters);
  read(tables->images, images);
  read(tables->gradients, gradients);
  read(tables->values, values);
  checkContents(*this, module, path);
}

const ampc_value_entry_t *Tables::findValue(const ampc_argument_entry_t &argument) const {
  auto number = uint32_t(&argument - arguments.data());
  auto at = std::lower_bound(
      values.begin(), values.end(), number,
      [](const ampc_value_entry_t &value, uint32_t wanted) { return value.argument < wanted; });
  return at != values.end() && at->argument == number ? at : nullptr;
}

const ampc_program_entry_t *Tables::findProgram(std::string_view name, ampc_target_t target) const {
  for (const ampc_program_entry_t &program : programs)
    if (name == nameOf(program) && program.target == target)
      return &program;
  return nullptr;
}

const ampc_tensor_entry_t *Tables::findPort(ampc_role_t role, std::string_view name) const {
  for (const ampc_tensor_entry_t &tensor : tensors)
    if (tensor.role == role && name == nameOf(tensor))
      return &tensor;
  return nullptr;
}

int64_t Tables::microBatches() const {
  const ampc_tensor_entry_t *count = findState(AMPC_SCALAR_MICRO_BATCHES);
  return count ? int64_t(count->init_value) : 1;
}

const ampc_tensor_entry_t *Tables::findState(std::string_view name) const {
  for (const ampc_tensor_entry_t &tensor : tensors)
    if (tensor.role != AMPC_ROLE_INPUT && tensor.role != AMPC_ROLE_OUTPUT && name == nameOf(tensor))
      return &tensor;
  return nullptr;
}

std::string Tables::describe(const ampc_tensor_entry_t &tensor) const {
  return concat(ampc::nameOf(tensor.dtype), " ", describeShape(shape(tensor).data(), tensor.rank));
}

bool isWrittenFloat(const ampc_argument_entry_t &argument) {
  constexpr uint32_t kNoTensor =
      AMPC_ARGUMENT_SCRATCH | AMPC_ARGUMENT_RESERVE | AMPC_ARGUMENT_SIZED_AT_LOAD;
  bool isFloat = argument.dtype == AMPC_DTYPE_F16 || argument.dtype == AMPC_DTYPE_BF16 ||
                 argument.dtype == AMPC_DTYPE_F32 || argument.dtype == AMPC_DTYPE_F64;
  return isFloat && (argument.flags & AMPC_ARGUMENT_WRITE) && !(argument.flags & kNoTensor);
}

std::string describeShape(const int64_t *shape, size_t rank) {
  std::string text = "[";
  for (size_t i = 0; i != rank; ++i)
    text += concat(i ? ", " : "", shape[i]);
  return text + "]";
}

} // namespace ampc
