//===- CudaMemory.h - Memory of the device beside the arena --- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDAMEMORY_H
#define AMPC_RUNTIME_CUDA_CUDAMEMORY_H

#include "Cuda/CudaContext.h"
#include "Cuda/CudaResource.h"

#include <map>
#include <optional>

namespace ampc {

/// Memory of the device, contents undefined. Throws AMPC_STATUS_OUT_OF_MEMORY, saying how much
/// `user` ("the step needs") and how much is free.
CudaMemory allocateDevice(const CudaDriver &driver, const CudaContext &context, uint64_t bytes,
                          const char *user);

/// What a library call needs beside the buffers that the plan placed, in bytes. Only the library
/// knows, when the session is created.
struct CudaCallBytes {
  uint64_t scratch = 0; ///< used while the call runs
  uint64_t reserve = 0; ///< kept from the call that fills it to those that read it
};

/// Where that lies; 0 where there is none.
struct CudaCallMemory {
  cuda::CUdeviceptr scratch = 0, reserve = 0;
};

/// The memory, above the arena, of library calls: a scratch for each queue, which its calls use in
/// turn, and a reserve for each number that the tables give.
class CudaLoadMemory {
public:
  explicit CudaLoadMemory(const CudaDriver &driver) : memory(driver) {}

  /// Makes room, before allocate(), for a call in `queue` that uses the reserve of this number, if
  /// any. Calls of one number share it, as large as the largest of them asks for.
  void add(const CudaCallBytes &need, uint32_t queue, std::optional<uint64_t> number);
  /// Allocates what was added, in one piece; nothing where that is nothing. Throws
  /// AMPC_STATUS_OUT_OF_MEMORY.
  void allocate(const CudaDriver &driver, const CudaContext &context);

  /// Valid after allocate().
  CudaCallMemory at(uint32_t queue, std::optional<uint64_t> number) const;
  uint64_t bytes() const { return end; }

private:
  struct Piece {
    uint64_t bytes = 0, offset = 0;
  };
  std::map<uint32_t, Piece> scratch;  // by queue
  std::map<uint64_t, Piece> reserves; // by number
  uint64_t end = 0;
  CudaMemory memory;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDAMEMORY_H
