//===- CudnnPlan.h - A graph of operations, and how cuDNN runs it -*- C++ -*-=//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDNNPLAN_H
#define AMPC_RUNTIME_CUDA_CUDNNPLAN_H

#include "Core/Tables.h"
#include "Cuda/CudaResource.h"

#include <optional>
#include <vector>

namespace ampc {

/// A descriptor of cuDNN's graph interface: a kind (CUDNN_BACKEND_.._DESCRIPTOR) and attributes of
/// elements of one type (CUDNN_TYPE_..).
class CudnnDescriptor {
public:
  CudnnDescriptor(const Cudnn &cudnn, int kind);

  cuda::cudnnBackendDescriptor_t get() const { return object.get(); }

  template <class Element>
  void set(int attribute, int type, Span<Element> elements) {
    setBytes(attribute, type, int64_t(elements.size()), elements.data());
  }
  template <class Element>
  void set(int attribute, int type, const Element &element) {
    setBytes(attribute, type, 1, &element);
  }
  void set(int attribute, const CudnnDescriptor &other);
  /// Writes at most `most` elements, and returns how many there are.
  int64_t get(int attribute, int type, int64_t most, void *elements) const;
  void finalize() { (*cudnn)(cudnn->finalize, get()); }
  /// False where the library does not have what is described.
  bool finalizeIfSupported();

private:
  void setBytes(int attribute, int type, int64_t count, const void *elements);

  const Cudnn *cudnn;
  CudnnObject object;
};

/// What plans are made for: the device of a handle, or one with these properties (a finalized
/// CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR), which need not be there.
struct CudnnDevice {
  cuda::cudnnHandle_t handle = nullptr;
  const CudnnDescriptor *properties = nullptr;
};

/// Which of cuDNN's engines may run a graph. All of them compute what the operations say; these do
/// it to the bit in each run, add up in f32 and round once, and let a NaN reach those results alone
/// that it is part of. So none that is noted as not deterministic, as reducing in less precision,
/// or as multiplying transforms (FFT, Winograd); and none that is compiled at run time, for which
/// more of CUDA would have to be installed.
struct CudnnEngines {
  bool tensorCores;       ///< that round f32 operands to TF32
  uint64_t mostWorkspace; ///< taken where there is one, else the one with the least
};

/// A graph of operations with the engine that was chosen for it.
class CudnnPlan {
public:
  /// The first that the heuristics name; nullopt where there is none. `operations` are descriptors.
  static std::optional<CudnnPlan> choose(const Cudnn &cudnn, const CudnnDevice &device,
                                         Span<cuda::cudnnBackendDescriptor_t> operations,
                                         const CudnnEngines &engines);

  uint64_t workspaceBytes() const { return workspace; }
  /// Enqueues it on tensors with these numbers (CUDNN_ATTR_TENSOR_UNIQUE_ID).
  void run(const Cudnn &cudnn, cuda::cudnnHandle_t handle, Span<int64_t> numbers,
           Span<cuda::CUdeviceptr> addresses, cuda::CUdeviceptr memory,
           cuda::CUstream stream) const;

private:
  CudnnPlan(CudnnDescriptor configuration, CudnnDescriptor plan)
      : configuration(std::move(configuration)), plan(std::move(plan)) {}

  CudnnDescriptor configuration, plan; ///< of which the first is part of the second
  uint64_t workspace = 0;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDNNPLAN_H
