//===- Staging.cpp - Between a caller's tensors and the arena -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/Staging.h"

#include "Core/Convert.h"
#include "Core/DType.h"
#include "Core/Error.h"

#include <algorithm>
#include <cstring>

namespace ampc {

static bool isDense(const DLTensor &tensor) {
  if (!tensor.strides)
    return true;
  int64_t stride = 1;
  for (int i = tensor.ndim; i-- > 0;) {
    // The stride of a dimension of one is never used.
    if (tensor.shape[i] != 1 && tensor.strides[i] != stride)
      return false;
    stride *= tensor.shape[i];
  }
  return true;
}

void *checkTensor(const Tables &tables, const ampc_tensor_entry_t &tensor, const DLTensor *given,
                  const char *what) {
  std::string name = tables.nameOf(tensor);
  auto fail = [&](const std::string &problem) {
    throw Error(AMPC_STATUS_INVALID_ARGUMENT, concat(what, " '", name, "' ", problem), name);
  };
  if (!given)
    fail("has no tensor");
  if (given->device.device_type != kDLCPU)
    fail(concat("lies on a device of DLPack type ", int(given->device.device_type),
                ": copy it to the CPU"));

  Span<int64_t> shape = tables.shape(tensor);
  bool sameShape = given->ndim == int(tensor.rank) && (given->ndim == 0 || given->shape) &&
                   std::equal(shape.begin(), shape.end(), given->shape);
  if (!sameShape || !matches(given->dtype, tensor.dtype)) {
    std::string got = describe(given->dtype);
    if (given->ndim >= 0 && (given->ndim == 0 || given->shape))
      got += " " + describeShape(given->shape, given->ndim);
    else
      got += concat(" of rank ", given->ndim);
    fail(concat("is ", got, ", the module was compiled for ", tables.describe(tensor)));
  }
  if (tensor.bytes == 0)
    return nullptr;
  if (!isDense(*given))
    fail("is not dense and row-major: make it contiguous");
  if (!given->data)
    fail("has no data");
  return static_cast<char *>(given->data) + given->byte_offset;
}

InputBatch::InputBatch(const Tables &tables, const ampc_program_entry_t &program,
                       const ampc_named_tensor_t *inputs, size_t count, bool labelsOptional)
    : tables(tables), slots(tables.inputsOf(program)), data(slots.size(), nullptr) {
  if (!inputs && count > 0)
    throw Error(AMPC_STATUS_INVALID_ARGUMENT, "inputs is NULL");
  for (size_t i = 0; i != count; ++i) {
    if (!inputs[i].name)
      throw Error(AMPC_STATUS_INVALID_ARGUMENT, concat("the name of input ", i, " is NULL"));
    // Callers mostly keep the order of the tables.
    auto isNamed = [&](const ampc_binding_entry_t &slot) {
      return std::strcmp(tables.nameOf(tables.tensors[slot.tensor]), inputs[i].name) == 0;
    };
    const ampc_binding_entry_t *slot = i < slots.size() && isNamed(slots[i])
                                           ? slots.begin() + i
                                           : std::find_if(slots.begin(), slots.end(), isNamed);
    if (slot == slots.end()) {
      // An input that this program does not read is checked and left alone.
      const ampc_tensor_entry_t *unused = tables.findPort(AMPC_ROLE_INPUT, inputs[i].name);
      if (unused) {
        checkTensor(tables, *unused, inputs[i].tensor, "input");
        continue;
      }
      std::string known;
      for (const ampc_binding_entry_t &slot : slots)
        known +=
            concat(known.empty() ? "'" : ", '", tables.nameOf(tables.tensors[slot.tensor]), "'");
      throw Error(AMPC_STATUS_INVALID_ARGUMENT,
                  concat("there is no input '", inputs[i].name, "'; the module takes ",
                         known.empty() ? "none" : known),
                  inputs[i].name);
    }
    const void *&place = data[slot - slots.begin()];
    if (place)
      throw Error(AMPC_STATUS_INVALID_ARGUMENT,
                  concat("input '", inputs[i].name, "' is given twice"), inputs[i].name);
    place = checkTensor(tables, tables.tensors[slot->tensor], inputs[i].tensor, "input");
    if (!place)
      place = &place;
  }
  for (size_t i = 0; i != slots.size(); ++i) {
    const ampc_tensor_entry_t &tensor = tables.tensors[slots[i].tensor];
    bool optional = labelsOptional && (tensor.flags & AMPC_TENSOR_LABEL);
    if (!data[i] && !optional)
      throw Error(
          AMPC_STATUS_INVALID_ARGUMENT,
          concat("input '", tables.nameOf(tensor), "' (", tables.describe(tensor), ") is missing"),
          tables.nameOf(tensor));
  }
}

void InputBatch::upload(Device &device) const {
  for (size_t i = 0; i != slots.size(); ++i) {
    const ampc_binding_entry_t &slot = slots[i];
    if (slot.bytes == 0)
      continue;
    void *memory = device.stage(slot.offset, slot.bytes);
    // Zeros and not what the arena held: label or not, a program reads only
    // what has been written.
    if (data[i])
      convert(memory, slot.dtype, data[i], tables.tensors[slot.tensor].dtype,
              slot.bytes / sizeOf(slot.dtype));
    else
      std::memset(memory, 0, slot.bytes);
    device.commit(slot.offset, slot.bytes);
  }
}

bool InputBatch::isComplete() const {
  return std::find(data.begin(), data.end(), nullptr) == data.end();
}

} // namespace ampc
