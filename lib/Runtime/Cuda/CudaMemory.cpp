//===- CudaMemory.cpp - Memory of the device beside the arena ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cuda/CudaMemory.h"

#include "Core/Error.h"

#include <algorithm>

namespace ampc {

using namespace cuda;

CudaMemory allocateDevice(const CudaDriver &driver, const CudaContext &context, uint64_t bytes,
                          const char *user) {
  CudaMemory memory(driver);
  CUresult result = driver.memAlloc.function(memory.out(), bytes);
  if (result == CUDA_ERROR_OUT_OF_MEMORY) {
    size_t free = 0, total = 0;
    driver(driver.memGetInfo, &free, &total);
    throw Error(AMPC_STATUS_OUT_OF_MEMORY,
                concat(user, " ", bytes, " bytes of device memory, but '", context.name(), "' has ",
                       free, " of ", total,
                       " bytes free: compile for a smaller batch, or free memory of the device"));
  }
  if (result)
    driver.fail(result, driver.memAlloc.name);
  return memory;
}

/// Where buffers start: what libraries take for granted of memory of their own.
static uint64_t roundUp(uint64_t bytes) { return (bytes + 255) / 256 * 256; }

void CudaLoadMemory::add(const CudaCallBytes &need, std::optional<uint64_t> number) {
  scratchBytes = std::max(scratchBytes, need.scratch);
  if (number) {
    uint64_t &bytes = reserveBytes[*number];
    bytes = std::max(bytes, need.reserve);
  }
}

uint64_t CudaLoadMemory::bytes() const {
  uint64_t total = scratchBytes;
  for (const auto &[number, bytes] : reserveBytes)
    total = bytes > 0 ? roundUp(total) + bytes : total;
  return total;
}

void CudaLoadMemory::allocate(const CudaDriver &driver, const CudaContext &context) {
  uint64_t end = scratchBytes;
  for (const auto &[number, bytes] : reserveBytes) {
    reserveOffsets[number] = roundUp(end);
    end = bytes > 0 ? roundUp(end) + bytes : end;
  }
  if (end > 0)
    memory = allocateDevice(driver, context, end, "beside the arena, library calls need");
}

CudaCallMemory CudaLoadMemory::at(std::optional<uint64_t> number) const {
  CudaCallMemory at;
  if (scratchBytes > 0)
    at.scratch = memory.get();
  if (number && reserveBytes.at(*number) > 0)
    at.reserve = memory.get() + reserveOffsets.at(*number);
  return at;
}

} // namespace ampc
