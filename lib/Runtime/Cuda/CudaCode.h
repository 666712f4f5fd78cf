//===- CudaCode.h - A module's kernels, loaded on a device --------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDACODE_H
#define AMPC_RUNTIME_CUDA_CUDACODE_H

#include "Core/Tables.h"
#include "Cuda/CudaContext.h"
#include "Cuda/CudaResource.h"

#include <map>

namespace ampc {

class CudaCode {
public:
  /// Loads the cubin that fits the device of `context` best, else has the driver
  /// compile the PTX. The context must be current. Throws
  /// AMPC_STATUS_INCOMPATIBLE where no image runs on the device.
  CudaCode(const CudaDriver &driver, const CudaContext &context, const Tables &tables);

  /// Valid as long as this lives.
  cuda::CUfunction function(uint32_t kernel);

private:
  /// Whether the driver takes the image. What it says of PTX that it does not
  /// take is thrown.
  bool loadCubin(const ampc_image_entry_t &image);
  void loadPtx(const ampc_image_entry_t &image);

  const CudaDriver &driver;
  const Tables &tables;
  CudaModule module;
  std::map<uint32_t, cuda::CUfunction> functions;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDACODE_H
