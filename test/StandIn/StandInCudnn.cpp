//===- StandInCudnn.cpp - The functions of the stand-in cuDNN -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StandInCudaState.h"

#include <cstdlib>
#include <cstring>

using namespace ampc::standin;
using namespace ampc::cuda;

namespace {

struct Handle {};
constexpr const char *kHandle = "cuDNN handle";

size_t number(const char *name, size_t usual) {
  const char *value = std::getenv(name);
  return value && *value ? std::strtoull(value, nullptr, 10) : usual;
}

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

// These four cannot fail, and are not counted.
EXPORT const char *cudnnGetErrorString(cudnnStatus_t status) {
#define AMPC_CUDA_CASE(name, value)                                                                \
  if (status == value)                                                                             \
    return #name;
  AMPC_CUDNN_CONSTANTS(AMPC_CUDA_CASE)
#undef AMPC_CUDA_CASE
  return "unknown";
}

EXPORT size_t cudnnGetVersion() { return number("AMPC_STANDIN_CUDNN_VERSION", 91900); }
EXPORT size_t cudnnGetMaxDeviceVersion() { return 1210; }
EXPORT size_t cudnnGetCudartVersion() { return number("AMPC_STANDIN_CUDNN_CUDA", 13000); }

EXPORT cudnnStatus_t cudnnCreate(cudnnHandle_t *handle) {
  Entry entry("cudnnCreate");
  if (int status = entry.early(CUDNN_STATUS_INTERNAL_ERROR))
    return status;
  auto *made = new Handle();
  State::get().remember(made, kHandle);
  *handle = reinterpret_cast<cudnnHandle_t>(made);
  return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  Entry entry("cudnnDestroy");
  if (!State::get().check(handle, kHandle))
    return CUDNN_STATUS_BAD_PARAM;
  State::get().forget(handle);
  delete reinterpret_cast<Handle *>(handle);
  return entry.late(CUDNN_STATUS_INTERNAL_ERROR);
}
