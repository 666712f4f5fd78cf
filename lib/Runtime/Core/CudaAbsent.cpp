//===- CudaAbsent.cpp - What stands in for CUDA where it is not built in --===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/Device.h"
#include "Core/Error.h"

#ifndef AMPC_RUNTIME_CUDA
std::unique_ptr<ampc::Device> ampc::createCudaDevice(const Module &, int) {
  throw Error(AMPC_STATUS_NOT_FOUND, "this libampc_runtime was built without CUDA: use the host");
}
#endif
