//===- Cudnn.h - libcudnn, loaded when a call needs it -------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDNN_H
#define AMPC_RUNTIME_CUDA_CUDNN_H

#include "Cuda/CudaLibrary.h"

namespace ampc {

/// The functions of cuDNN. Once loaded it stays in the process.
class Cudnn : public cuda::CudnnCalls {
public:
  /// The oldest that makes plans from a description of the device.
  static constexpr uint64_t kOldestVersion = 90800;
  /// The oldest GPU that ampc compiles for.
  static constexpr int kOldestArchitecture = 80;

  /// Loads libcudnn.so.9, or what AMPC_CUDNN names. Throws AMPC_STATUS_NOT_FOUND where
  /// there is none, AMPC_STATUS_INCOMPATIBLE where it is another release than ours or made
  /// for a newer CUDA than the driver's (13000 for CUDA 13.0).
  static Cudnn load(int driverVersion);

  /// 91900 for 9.19.0.
  uint64_t version() const { return getVersion.function(); }
  /// The newest compute capability that it has code for: 121 for 12.1.
  int newestArchitecture() const { return int(getMaxDeviceVersion.function() / 10); }

  /// Calls `entry`; throws as fail() does unless it succeeds.
  template <class... Parameters, class... Arguments>
  void operator()(const cuda::Call<cuda::cudnnStatus_t(Parameters...)> &entry,
                  Arguments... arguments) const {
    if (cuda::cudnnStatus_t status = entry.function(arguments...))
      fail(status, entry.name);
  }

  [[noreturn]] void fail(cuda::cudnnStatus_t status, const char *call,
                         const std::string &node = "") const;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDNN_H
