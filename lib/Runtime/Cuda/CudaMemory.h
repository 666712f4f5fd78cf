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

/// The memory, above the arena, of the library calls of one stream: a scratch that they use in
/// turn, and a reserve for each number that the tables give.
class CudaLoadMemory {
public:
  explicit CudaLoadMemory(const CudaDriver &driver) : memory(driver) {}

  /// Makes room, before allocate(), for a call that uses the reserve of this number, if any.
  /// Calls of one number share it, as large as the largest of them asks for.
  void add(const CudaCallBytes &need, std::optional<uint64_t> number);
  /// Allocates what was added, in one piece; nothing where that is nothing. Throws
  /// AMPC_STATUS_OUT_OF_MEMORY.
  void allocate(const CudaDriver &driver, const CudaContext &context);

  /// Valid after allocate().
  CudaCallMemory at(std::optional<uint64_t> number) const;
  uint64_t bytes() const;

private:
  uint64_t scratchBytes = 0;
  std::map<uint64_t, uint64_t> reserveBytes; // by number
  std::map<uint64_t, uint64_t> reserveOffsets;
  CudaMemory memory;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDAMEMORY_H
