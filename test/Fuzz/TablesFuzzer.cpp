//===- TablesFuzzer.cpp - A module's tables, changed ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The tables lie in a shared library, whose code is the author's: what is checked here is that
// tables which contradict themselves, as a damaged file's do, are refused before anything reads
// them, and that whatever passes can be read to its end.
//
//===----------------------------------------------------------------------===//

#include "FuzzInput.h"

#include "Core/DType.h"
#include "Core/Error.h"
#include "Core/LibraryCall.h"
#include "Core/Tables.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <memory>

using namespace ampc;

static volatile uint64_t sink; ///< keeps what is read from being left out

static void readAll(const Tables &tables) {
  uint64_t sum = 0;
  for (const ampc_tensor_entry_t &tensor : tables.tensors) {
    sum += std::strlen(tables.nameOf(tensor)) + tables.describe(tensor).size();
    for (int64_t dim : tables.shape(tensor))
      sum += uint64_t(dim);
    sum += tables.findPort(ampc_role_t(tensor.role), tables.nameOf(tensor)) != nullptr;
    sum += tables.findState(tables.nameOf(tensor)) != nullptr;
  }
  for (const ampc_program_entry_t &program : tables.programs) {
    for (const ampc_binding_entry_t &binding : tables.inputsOf(program))
      sum += tables.tensors[binding.tensor].rank;
    for (const ampc_binding_entry_t &binding : tables.outputsOf(program))
      sum += tables.tensors[binding.tensor].rank;
    for (const ampc_step_entry_t &step : tables.stepsOf(program)) {
      sum += std::strlen(tables.string(step.name));
      for (const ampc_argument_entry_t &argument : tables.argumentsOf(step))
        sum += std::strlen(nameOf(argument.dtype));
      for (int64_t integer : tables.integersOf(step))
        sum += uint64_t(integer);
      if (step.kind == AMPC_STEP_LAUNCH)
        sum += std::strlen(tables.string(tables.kernels[step.index].name));
      if (step.kind == AMPC_STEP_LIBRARY)
        sum += std::strlen(findLibraryCall(step.index)->name);
    }
  }
  for (uint32_t gradient : tables.gradients)
    sum += tables.tensors[gradient].rank;
  for (const ampc_value_entry_t &value : tables.values) {
    sum += tables.arguments[value.argument].bytes;
    for (uint32_t text : {value.name, value.node, value.op_type})
      sum += std::strlen(tables.string(text));
    for (int64_t dim : tables.integers.slice(value.first_dim, value.rank))
      sum += uint64_t(dim);
  }
  sum += std::strlen(tables.string(tables.header().producer));
  sum += std::strlen(tables.string(tables.header().model));
  sum += std::strlen(tables.string(tables.header().options));
  for (ampc_target_t target : {AMPC_TARGET_HOST, AMPC_TARGET_CUDA}) {
    sum += std::strlen(tables.string(tables.header().targets[target].features));
    for (const ampc_image_entry_t &image : tables.imagesOf(target))
      for (uint64_t i = 0; i < image.bytes; ++i)
        sum += static_cast<const unsigned char *>(tables.imageData(image))[i];
  }
  sink = sum;
}

/// A host kernel that is never called.
static void kernel(void *const *, int64_t, int64_t) {}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // Aligned as the compiler's are, and no byte longer than they are.
  void *memory = nullptr;
  if (size == 0 || ::posix_memalign(&memory, AMPC_ALIGNMENT, size) != 0)
    return 0;
  std::unique_ptr<void, void (*)(void *)> tables(memory, std::free);
  std::memcpy(tables.get(), data, size);
  ampc_host_kernel_t kernels[32];
  std::fill(std::begin(kernels), std::end(kernels), kernel);
  ampc_module_v1_t module = {};
  module.version = AMPC_FORMAT_VERSION;
  module.struct_size = sizeof(module);
  module.tables = tables.get();
  module.tables_bytes = size;
  module.host_kernels = kernels;
  module.host_kernel_count = std::size(kernels);
  try {
    readAll(Tables(module, "input"));
  } catch (const Error &) {
  }
  return 0;
}
