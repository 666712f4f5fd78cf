//===- CudaStaging.cpp - Pinned memory between host and device ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cuda/CudaStaging.h"

#include "Core/Error.h"

#include <algorithm>

namespace ampc {

using namespace cuda;

char *CudaHostBuffer::reserve(uint64_t bytes) {
  if (bytes <= capacity)
    return data();
  capacity = 0;
  CUresult result = driver.memHostAlloc.function(memory.out(), bytes, 0);
  if (result == CUDA_ERROR_OUT_OF_MEMORY)
    throw Error(AMPC_STATUS_OUT_OF_MEMORY,
                concat("the system does not give ", bytes,
                       " bytes of page-locked memory: raise the limit of locked "
                       "memory (ulimit -l) or compile for a smaller batch"));
  if (result)
    driver.fail(result, driver.memHostAlloc.name);
  capacity = bytes;
  return data();
}

CudaStaging::CudaStaging(const CudaDriver &driver, uint64_t pageBytes)
    : driver(driver), pageBytes(std::max<uint64_t>(pageBytes, 1)) {
  for (int i = 0; i != kPages; ++i)
    driver(driver.eventCreate, pages.emplace_back(driver).copied.out(),
           unsigned(CU_EVENT_DISABLE_TIMING));
}

char *CudaStaging::allocate(uint64_t bytes, CUstream stream) {
  if (used > 0 && bytes > pages[current].buffer.size() - used)
    turn(stream);
  Page &page = pages[current];
  if (page.isPending) {
    CUresult result = driver.eventQuery.function(page.copied.get());
    if (result == CUDA_ERROR_NOT_READY)
      driver(driver.eventSynchronize, page.copied.get());
    else if (result)
      driver.fail(result, driver.eventQuery.name);
    page.isPending = false;
  }
  char *memory = page.buffer.reserve(std::max(bytes, pageBytes)) + used;
  constexpr uint64_t kAlignment = 256;
  used += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  used = std::min(used, page.buffer.size());
  return memory;
}

void CudaStaging::turn(CUstream stream) {
  if (used == 0)
    return;
  driver(driver.eventRecord, pages[current].copied.get(), stream);
  pages[current].isPending = true;
  current = (current + 1) % pages.size();
  used = 0;
}

} // namespace ampc
