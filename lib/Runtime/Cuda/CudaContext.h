//===- CudaContext.h - A device's primary context -----------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDACONTEXT_H
#define AMPC_RUNTIME_CUDA_CUDACONTEXT_H

#include "Cuda/CudaLibrary.h"

namespace ampc {

/// Retains the primary context of a device, which other libraries of the process
/// share, for as long as it lives.
class CudaContext {
public:
  /// Throws AMPC_STATUS_NOT_FOUND where there is no device `ordinal`.
  CudaContext(const CudaDriver &driver, int ordinal);
  ~CudaContext();
  CudaContext(const CudaContext &) = delete;

  /// "NVIDIA H100".
  std::string name() const;
  /// 90 for compute capability 9.0.
  int architecture() const;

  /// Makes the context current in this thread for as long as it lives; then the
  /// thread has its own back.
  class Scope {
  public:
    explicit Scope(const CudaContext &context);
    ~Scope();
    Scope(const Scope &) = delete;

  private:
    const CudaDriver &driver;
  };

private:
  const CudaDriver &driver;
  cuda::CUdevice device = 0;
  cuda::CUcontext context = nullptr;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDACONTEXT_H
