//===- Cudnn.cpp - libcudnn, loaded when a call needs it -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cuda/Cudnn.h"

#include "Core/Error.h"
#include "Cuda/DynamicLibrary.h"

namespace ampc {

using namespace cuda;

/// The release whose interface CudaApi.h has.
static constexpr uint64_t kRelease = 9;

Cudnn Cudnn::load(int driverVersion) {
  DynamicLibrary library("AMPC_CUDNN", {concat("libcudnn.so.", kRelease)});
  if (!library)
    throw Error(AMPC_STATUS_NOT_FOUND,
                concat("there is no cuDNN on this machine (", library.reasons(),
                       "): install NVIDIA's cuDNN ", kRelease, ", or name the file in AMPC_CUDNN"));
  Cudnn cudnn;
  bool complete = true;
#define AMPC_CUDA_RESOLVE(member, symbol, ...) complete &= library.resolve(cudnn.member, #symbol);
  AMPC_CUDNN_CALLS(AMPC_CUDA_RESOLVE)
  AMPC_CUDNN_QUERIES(AMPC_CUDA_RESOLVE)
#undef AMPC_CUDA_RESOLVE
  if (!complete)
    throw Error(AMPC_STATUS_NOT_FOUND,
                concat("'", library.file(), "' lacks functions of cuDNN: install NVIDIA's cuDNN ",
                       kRelease));
  uint64_t version = cudnn.version();
  if (version < kOldestVersion || version / 10000 != kRelease)
    throw Error(AMPC_STATUS_INCOMPATIBLE,
                concat("'", library.file(), "' is cuDNN ", libraryVersionText(version),
                       ", ampc needs ", libraryVersionText(kOldestVersion),
                       " or a newer release of ", kRelease, ": install one"));
  // Of another major version its code would not load, and that is told much later.
  int cuda = int(cudnn.getCudartVersion.function()) / 1000;
  if (cuda > driverVersion / 1000)
    throw Error(AMPC_STATUS_INCOMPATIBLE,
                concat("'", library.file(), "' is made for CUDA ", cuda, ", the driver is one for ",
                       driverVersion / 1000, ": update NVIDIA's driver, or install the cuDNN for ",
                       "CUDA ", driverVersion / 1000));
  return cudnn;
}

void Cudnn::fail(cudnnStatus_t status, const char *call, const std::string &node) const {
  bool isMemory = status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
                  status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
  const char *remedy = isMemory ? "free memory of the device, or compile for a smaller batch"
                       : status == CUDNN_STATUS_NOT_INITIALIZED
                           ? "is this cuDNN made for the driver and the device?"
                       : status == CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED
                           ? "are all files of this cuDNN in one folder?"
                           : "look at nvidia-smi and the system's log";
  const char *text = getErrorString.function(status);
  throw Error(isMemory ? AMPC_STATUS_OUT_OF_MEMORY : AMPC_STATUS_DEVICE,
              concat(call, " of cuDNN ", libraryVersionText(version()),
                     " failed: ", text ? text : concat("error ", status), "; ", remedy),
              node);
}

} // namespace ampc
