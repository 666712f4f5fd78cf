//===- CudaResource.h - What the driver hands out, and its end ---*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDARESOURCE_H
#define AMPC_RUNTIME_CUDA_CUDARESOURCE_H

#include "Cuda/CudaLibrary.h"
#include "Cuda/Cudnn.h"

#include <utility>

namespace ampc {

/// Owns a handle of `Library`, which must outlive it, and gives it back through
/// `release`. Errors of giving back are ignored: nothing can be done about them,
/// and the driver repeats those of earlier calls there.
template <class Library, class Handle, auto release>
class CudaResource {
public:
  explicit CudaResource(const Library &library) : library(&library) {}
  CudaResource(CudaResource &&other)
      : library(other.library), handle(std::exchange(other.handle, Handle())) {}
  CudaResource &operator=(CudaResource &&other) {
    std::swap(handle, other.handle);
    return *this;
  }
  ~CudaResource() { reset(); }

  void reset() {
    if (handle != Handle())
      (library->*release).function(std::exchange(handle, Handle()));
  }
  /// Where a call writes the handle that it makes.
  Handle *out() {
    reset();
    return &handle;
  }
  Handle get() const { return handle; }
  explicit operator bool() const { return handle != Handle(); }

private:
  const Library *library;
  Handle handle = Handle();
};

using CudaMemory = CudaResource<CudaDriver, cuda::CUdeviceptr, &CudaDriver::memFree>;
/// Page-locked memory of the host.
using CudaHostMemory = CudaResource<CudaDriver, void *, &CudaDriver::memFreeHost>;
using CudaModule = CudaResource<CudaDriver, cuda::CUmodule, &CudaDriver::moduleUnload>;
using CudaStream = CudaResource<CudaDriver, cuda::CUstream, &CudaDriver::streamDestroy>;
using CudaEvent = CudaResource<CudaDriver, cuda::CUevent, &CudaDriver::eventDestroy>;
using CudaGraph = CudaResource<CudaDriver, cuda::CUgraph, &CudaDriver::graphDestroy>;
using CudaGraphExec = CudaResource<CudaDriver, cuda::CUgraphExec, &CudaDriver::graphExecDestroy>;

using CublasLtHandle = CudaResource<CublasLt, cuda::cublasLtHandle_t, &CublasLt::destroy>;
using CublasLtDesc =
    CudaResource<CublasLt, cuda::cublasLtMatmulDesc_t, &CublasLt::matmulDescDestroy>;
using CublasLtLayout =
    CudaResource<CublasLt, cuda::cublasLtMatrixLayout_t, &CublasLt::matrixLayoutDestroy>;
using CublasLtPreference =
    CudaResource<CublasLt, cuda::cublasLtMatmulPreference_t, &CublasLt::preferenceDestroy>;

using CudnnHandle = CudaResource<Cudnn, cuda::cudnnHandle_t, &Cudnn::destroy>;
using CudnnObject = CudaResource<Cudnn, cuda::cudnnBackendDescriptor_t, &Cudnn::destroyDescriptor>;

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDARESOURCE_H
