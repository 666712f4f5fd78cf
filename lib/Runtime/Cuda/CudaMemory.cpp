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

void CudaLoadMemory::add(const CudaCallBytes &need, uint32_t queue,
                         std::optional<uint64_t> number) {
  auto grow = [](Piece &piece, uint64_t bytes) { piece.bytes = std::max(piece.bytes, bytes); };
  grow(scratch[queue], need.scratch);
  if (number)
    grow(reserves[*number], need.reserve);
}

void CudaLoadMemory::allocate(const CudaDriver &driver, const CudaContext &context) {
  auto place = [&](auto &pieces) {
    for (auto &[key, piece] : pieces)
      if (piece.bytes > 0) {
        piece.offset = roundUp(end);
        end = piece.offset + piece.bytes;
      }
  };
  place(scratch);
  place(reserves);
  if (end > 0)
    memory = allocateDevice(driver, context, end, "beside the arena, library calls need");
}

CudaCallMemory CudaLoadMemory::at(uint32_t queue, std::optional<uint64_t> number) const {
  auto address = [&](const Piece &piece) {
    return piece.bytes > 0 ? memory.get() + piece.offset : 0;
  };
  return {address(scratch.at(queue)), number ? address(reserves.at(*number)) : 0};
}

} // namespace ampc
