//===- CudaLibraries.h - The libraries that a session calls --- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDALIBRARIES_H
#define AMPC_RUNTIME_CUDA_CUDALIBRARIES_H

#include "Cuda/CudaContext.h"
#include "Cuda/CudnnPlan.h"

#include <functional>
#include <memory>

namespace ampc {

enum class CudaLibraryId { CublasLt, Cudnn };

/// What a call needs of the machine, as its step tells before anything is loaded.
struct CudaRequirement {
  CudaLibraryId library;
  /// The oldest that has the call, as the library counts: 90800 for 9.8.0.
  uint64_t oldestVersion = 0;
  /// The oldest compute capability that has it: 80 for 8.0; 0 for any.
  int oldestArchitecture = 0;
  /// What the library lacks of it ("does not multiply f32 by f16"), or "".
  std::string unsupported;
};

/// The plans of a session: steps that ask for the same share one.
class CudnnPlans {
public:
  /// The plan of this key, which tells all that it depends on; made by `make` for the first.
  std::shared_ptr<const CudnnPlan> get(const std::vector<int64_t> &key,
                                       const std::function<CudnnPlan()> &make);

private:
  std::vector<std::pair<std::vector<int64_t>, std::shared_ptr<const CudnnPlan>>> known;
};

/// Each is loaded, and given a handle, when a call first requires it. The context must be
/// current. Library and handle outlive the calls.
class CudaLibraries {
public:
  CudaLibraries(const CudaDriver &driver, const CudaContext &context)
      : driver(driver), context(context) {}
  CudaLibraries(const CudaLibraries &) = delete;

  /// Throws AMPC_STATUS_NOT_FOUND where the machine lacks the library, and, naming `node`,
  /// AMPC_STATUS_INCOMPATIBLE where the library or the device is too old, or the library
  /// does not compute the call.
  void require(const CudaRequirement &need, const std::string &node);

  /// A library that has been required, and its handle.
  const CublasLt &cublasLt() const { return *blas; }
  cuda::cublasLtHandle_t cublasLtHandle() const { return blasHandle->get(); }
  const Cudnn &cudnn() const { return *dnn; }
  cuda::cudnnHandle_t cudnnHandle() const { return dnnHandle->get(); }
  CudnnPlans &cudnnPlans() const { return plans; }
  const CudaDriver &cudaDriver() const { return driver; }

private:
  /// Loads it where that has not been done; returns its version.
  uint64_t load(CudaLibraryId library);

  const CudaDriver &driver;
  const CudaContext &context;
  // In the order in which they must come to life; they end in the opposite one.
  std::optional<CublasLt> blas;
  std::optional<CublasLtHandle> blasHandle;
  std::optional<Cudnn> dnn;
  std::optional<CudnnHandle> dnnHandle;
  mutable CudnnPlans plans; ///< which change nothing that a call sees
};

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDALIBRARIES_H
