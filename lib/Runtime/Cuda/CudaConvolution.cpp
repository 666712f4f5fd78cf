//===- CudaConvolution.cpp - The convolution steps of the CUDA target -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/ConvolutionShape.h"
#include "Core/Error.h"
#include "Cuda/CudaCall.h"
#include "Cuda/CudnnConvolution.h"

#include <algorithm>

namespace ampc {

using namespace cuda;

namespace {
/// A convolution, by cuDNN.
class CudaConvolution final : public CudaCall {
public:
  CudaConvolution(Span<ampc_argument_entry_t> arguments, Span<int64_t> integers)
      : shape(readConvolution(arguments, integers)), key(integers.begin(), integers.end()) {
    key.push_back(shape.lhs);
  }

  CudaRequirement requirement() const override {
    return {CudaLibraryId::Cudnn, Cudnn::kOldestVersion, Cudnn::kOldestArchitecture,
            checkCudnnConvolution(shape)};
  }

  CudaCallBytes prepare(const CudaCallSite &site) override {
    cudnn = &site.libraries.cudnn();
    handle = site.libraries.cudnnHandle();
    addresses = site.arguments;
    node = site.node;
    // Its engines care for 16 bytes.
    CUdeviceptr all = 16;
    for (CUdeviceptr address : addresses)
      all |= address;
    int64_t alignment = int64_t(all & -all);
    key.push_back(alignment);
    plan = site.libraries.cudnnPlans().get(
        key, [&] { return planConvolution(*cudnn, {handle}, shape, alignment, site.node); });
    return {plan->workspaceBytes(), 0};
  }

  void run(const CudaCallMemory &memory, CUstream stream) const override {
    const int64_t numbers[] = {1, 2, 3, 4};
    try {
      plan->run(*cudnn, handle, {numbers, addresses.size()}, {addresses.data(), addresses.size()},
                memory.scratch, stream);
    } catch (Error &error) {
      error.node = node;
      throw;
    }
  }

private:
  ConvolutionShape shape;
  std::vector<int64_t> key; ///< what a plan depends on
  std::vector<CUdeviceptr> addresses;
  std::string node;
  const Cudnn *cudnn = nullptr;
  cudnnHandle_t handle = nullptr;
  std::shared_ptr<const CudnnPlan> plan;
};
} // namespace

std::unique_ptr<CudaCall> makeCudaConvolution(Span<ampc_argument_entry_t> arguments,
                                              Span<int64_t> integers) {
  return std::make_unique<CudaConvolution>(arguments, integers);
}

} // namespace ampc
