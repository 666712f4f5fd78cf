//===- CudaContext.cpp - A device's primary context -----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cuda/CudaContext.h"

#include "Core/Error.h"

namespace ampc {

using namespace cuda;

CudaContext::CudaContext(const CudaDriver &driver, int ordinal) : driver(driver) {
  int count = 0;
  driver(driver.deviceGetCount, &count);
  if (ordinal < 0 || ordinal >= count)
    throw Error(AMPC_STATUS_NOT_FOUND,
                concat("there is no CUDA device ", ordinal,
                       ": this machine "
                       "shows ",
                       count, count == 1 ? ", number 0" : ", counted from 0"));
  driver(driver.deviceGet, &device, ordinal);
  driver(driver.devicePrimaryCtxRetain, &context, device);
}

CudaContext::~CudaContext() { driver.devicePrimaryCtxRelease.function(device); }

std::string CudaContext::name() const {
  char text[256] = "";
  driver(driver.deviceGetName, text, int(sizeof(text)), device);
  return text;
}

int CudaContext::architecture() const {
  int major = 0, minor = 0;
  driver(driver.deviceGetAttribute, &major, int(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
         device);
  driver(driver.deviceGetAttribute, &minor, int(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
         device);
  return major * 10 + minor;
}

CudaContext::Scope::Scope(const CudaContext &context) : driver(context.driver) {
  driver(driver.ctxPushCurrent, context.context);
}

CudaContext::Scope::~Scope() {
  CUcontext popped;
  driver.ctxPopCurrent.function(&popped);
}

} // namespace ampc
