//===- CudaLibrary.h - libcuda and libcublasLt, loaded when asked for -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDALIBRARY_H
#define AMPC_RUNTIME_CUDA_CUDALIBRARY_H

#include "Cuda/CudaApi.h"

#include <string>

namespace ampc {

/// The functions of the CUDA driver. Once loaded it stays in the process.
class CudaDriver : public cuda::DriverCalls {
public:
  /// Loads and initializes the driver. Throws AMPC_STATUS_NOT_FOUND where there
  /// is no driver or no device, AMPC_STATUS_INCOMPATIBLE where it is too old.
  static CudaDriver load();

  /// Calls `entry`; throws as fail() does unless it succeeds.
  template <class... Parameters, class... Arguments>
  void operator()(const cuda::Call<cuda::CUresult(Parameters...)> &entry,
                  Arguments... arguments) const {
    if (cuda::CUresult result = entry.function(arguments...))
      fail(result, entry.name);
  }

  /// Throws AMPC_STATUS_DEVICE, or AMPC_STATUS_OUT_OF_MEMORY, with the call, the
  /// error's name and text, and what to do. `node` is the ONNX node concerned.
  [[noreturn]] void fail(cuda::CUresult result, const char *call,
                         const std::string &node = "") const;
  /// "CUDA_ERROR_NO_DEVICE (no CUDA-capable device is detected)".
  std::string describe(cuda::CUresult result) const;

  /// As the driver tells it: 13000 for CUDA 13.0.
  int version = 0;
};

/// The functions of cuBLASLt. Once loaded it stays in the process: what has
/// registered device code with the driver must not be unloaded.
class CublasLt : public cuda::CublasLtCalls {
public:
  /// Loads the newest that `driver` can run. Throws AMPC_STATUS_NOT_FOUND.
  static CublasLt load(const CudaDriver &driver);

  /// Calls `entry`; throws as fail() does unless it succeeds.
  template <class... Parameters, class... Arguments>
  void operator()(const cuda::Call<cuda::cublasStatus_t(Parameters...)> &entry,
                  Arguments... arguments) const {
    if (cuda::cublasStatus_t status = entry.function(arguments...))
      fail(status, entry.name);
  }

  [[noreturn]] void fail(cuda::cublasStatus_t status, const char *call,
                         const std::string &node = "") const;
  std::string describe(cuda::cublasStatus_t status) const;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDALIBRARY_H
