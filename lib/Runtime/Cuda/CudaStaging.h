//===- CudaStaging.h - Pinned memory between host and device -----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDASTAGING_H
#define AMPC_RUNTIME_CUDA_CUDASTAGING_H

#include "Cuda/CudaResource.h"

#include <vector>

namespace ampc {

/// Pinned memory of the host that grows to what is asked of it.
class CudaHostBuffer {
public:
  explicit CudaHostBuffer(const CudaDriver &driver) : driver(driver), memory(driver) {}

  /// Memory of at least `bytes` bytes, contents undefined. Throws
  /// AMPC_STATUS_OUT_OF_MEMORY. The device must have done with the old one.
  char *reserve(uint64_t bytes);
  char *data() const { return static_cast<char *>(memory.get()); }
  uint64_t size() const { return capacity; }

private:
  const CudaDriver &driver;
  CudaHostMemory memory;
  uint64_t capacity = 0;
};

/// Pages of pinned memory, used in turn: what is written to the device is put
/// into one page, while the device may still read those before it.
class CudaStaging {
public:
  /// `pageBytes` is about what one step puts in.
  CudaStaging(const CudaDriver &driver, uint64_t pageBytes);

  /// Memory that stays valid and untouched until the copies enqueued in `stream`
  /// before the next turn() are done. Waits only where the device is a round of
  /// pages behind.
  char *allocate(uint64_t bytes, cuda::CUstream stream);
  /// Goes on to the next page, if this one has been used. What was allocated
  /// has been enqueued in `stream`.
  void turn(cuda::CUstream stream);

private:
  /// How many steps the host may be ahead of the device.
  static constexpr int kPages = 4;
  struct Page {
    explicit Page(const CudaDriver &driver) : buffer(driver), copied(driver) {}
    CudaHostBuffer buffer;
    CudaEvent copied;
    bool isPending = false; ///< `copied` has been recorded and not waited for
  };

  const CudaDriver &driver;
  uint64_t pageBytes;
  std::vector<Page> pages;
  size_t current = 0;
  uint64_t used = 0;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDASTAGING_H
