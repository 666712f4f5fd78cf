//===- CudaCall.h - A library call on a GPU ------------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDACALL_H
#define AMPC_RUNTIME_CUDA_CUDACALL_H

#include "Core/Tables.h"
#include "Cuda/CudaLibraries.h"
#include "Cuda/CudaMemory.h"

#include <memory>
#include <vector>

namespace ampc {

/// Where a call is made.
struct CudaCallSite {
  const CudaLibraries &libraries;
  /// Of the step's arguments, in their order; 0 for a reserve that is sized now.
  std::vector<cuda::CUdeviceptr> arguments;
  std::string node; ///< for errors
  /// Whether the module was compiled for equal bits in equal runs: then only algorithms that
  /// give them may be chosen.
  bool isDeterministic;
};

/// One step that is a library call, made once for a session: asked what it requires, prepared,
/// and then run as often as the program is.
class CudaCall {
public:
  virtual ~CudaCall() = default;

  virtual CudaRequirement requirement() const = 0;
  /// Describes the call to the library and chooses its algorithm: what takes time happens here.
  /// The libraries have what requirement() asks for and outlive the call. Throws
  /// AMPC_STATUS_INCOMPATIBLE, naming the node, for what the library turns out not to compute.
  virtual CudaCallBytes prepare(const CudaCallSite &site) = 0;
  /// Enqueues the call. `memory` has at least what prepare() asked for.
  virtual void run(const CudaCallMemory &memory, cuda::CUstream stream) const = 0;
};

/// The call of `step`, which has passed the tables' check; null where it has nothing to write.
std::unique_ptr<CudaCall> makeCudaCall(const Tables &tables, const ampc_step_entry_t &step);

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDACALL_H
