//===- StandInCudnn.cpp - The functions of the stand-in cuDNN -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The descriptors that describe a convolution, with cuDNN's rules for them: each kind has its
// attributes of one type, is finalized once it has all it needs, and then read only.
//
//===----------------------------------------------------------------------===//

#include "StandInCudnnDescriptor.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace ampc::standin;
using namespace ampc::cuda;

namespace {

struct Handle {
  CUstream stream = nullptr;
};
/// What a program holds: descriptors that others refer to live on when it gives them back.
struct Holder {
  std::shared_ptr<CudnnDescriptor> descriptor;
};
constexpr const char *kHandle = "cuDNN handle";
constexpr const char *kDescriptor = "cuDNN descriptor";

size_t number(const char *name, size_t usual) {
  const char *value = std::getenv(name);
  return value && *value ? std::strtoull(value, nullptr, 10) : usual;
}

State &state() { return State::get(); }

CudnnDescriptor *find(cudnnBackendDescriptor_t handle) {
  if (!state().check(handle, kDescriptor))
    return nullptr;
  return static_cast<Holder *>(handle)->descriptor.get();
}

/// A mistake of the program's.
cudnnStatus_t refuse(const std::string &what, cudnnStatus_t status = CUDNN_STATUS_BAD_PARAM) {
  state().complain("cuDNN: " + what);
  return status;
}

std::string lastError;

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))
#define BEGIN(...)                                                                                 \
  Entry entry(__VA_ARGS__);                                                                        \
  if (cudnnStatus_t status = entry.early(CUDNN_STATUS_INTERNAL_ERROR))                             \
  return status

// These five cannot fail, and are not counted.
EXPORT const char *cudnnGetErrorString(cudnnStatus_t status) {
#define AMPC_CUDA_CASE(name, value)                                                                \
  if (std::strncmp(#name, "CUDNN_STATUS", 12) == 0 && status == value)                             \
    return #name;
  AMPC_CUDNN_CONSTANTS(AMPC_CUDA_CASE)
#undef AMPC_CUDA_CASE
  return "unknown";
}

EXPORT void cudnnGetLastErrorString(char *message, size_t bytes) {
  std::snprintf(message, bytes, "%s", lastError.c_str());
}

EXPORT size_t cudnnGetVersion() { return number("AMPC_STANDIN_CUDNN_VERSION", 91900); }
EXPORT size_t cudnnGetMaxDeviceVersion() { return 1210; }
EXPORT size_t cudnnGetCudartVersion() { return number("AMPC_STANDIN_CUDNN_CUDA", 13000); }

EXPORT cudnnStatus_t cudnnCreate(cudnnHandle_t *handle) {
  BEGIN("cudnnCreate");
  auto *made = new Handle();
  state().remember(made, kHandle);
  *handle = reinterpret_cast<cudnnHandle_t>(made);
  return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  Entry entry("cudnnDestroy");
  if (!state().check(handle, kHandle))
    return CUDNN_STATUS_BAD_PARAM;
  state().forget(handle);
  delete reinterpret_cast<Handle *>(handle);
  return entry.late(CUDNN_STATUS_INTERNAL_ERROR);
}

EXPORT cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, CUstream stream) {
  BEGIN("cudnnSetStream");
  if (!state().check(handle, kHandle))
    return CUDNN_STATUS_BAD_PARAM;
  reinterpret_cast<Handle *>(handle)->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnBackendCreateDescriptor(int kind, cudnnBackendDescriptor_t *out) {
  BEGIN("cudnnBackendCreateDescriptor", Entry::Plain);
  if (!CudnnDescriptor::isKnown(kind))
    return refuse("there is no descriptor " + std::to_string(kind), CUDNN_STATUS_NOT_SUPPORTED);
  auto *made = new Holder{std::make_shared<CudnnDescriptor>(kind)};
  state().remember(made, kDescriptor);
  *out = made;
  return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t handle) {
  Entry entry("cudnnBackendDestroyDescriptor", Entry::Plain);
  if (!find(handle))
    return CUDNN_STATUS_BAD_PARAM;
  state().forget(handle);
  delete static_cast<Holder *>(handle);
  return entry.late(CUDNN_STATUS_INTERNAL_ERROR);
}

EXPORT cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t handle) {
  BEGIN("cudnnBackendFinalize", Entry::Plain);
  CudnnDescriptor *descriptor = find(handle);
  if (!descriptor)
    return CUDNN_STATUS_BAD_PARAM;
  std::string problem;
  cudnnStatus_t status = descriptor->finalize(problem);
  if (status == CUDNN_STATUS_NOT_SUPPORTED)
    lastError = problem;
  else if (status)
    return refuse(problem, status);
  return status;
}

EXPORT cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t handle, int attribute,
                                              int type, int64_t count, const void *elements) {
  BEGIN("cudnnBackendSetAttribute", Entry::Plain);
  CudnnDescriptor *descriptor = find(handle);
  if (!descriptor)
    return CUDNN_STATUS_BAD_PARAM;
  std::string problem;
  std::vector<std::shared_ptr<CudnnDescriptor>> others;
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    for (int64_t i = 0; i < count; ++i) {
      auto other = static_cast<const cudnnBackendDescriptor_t *>(elements)[i];
      if (!find(other))
        return CUDNN_STATUS_BAD_PARAM;
      others.push_back(static_cast<Holder *>(other)->descriptor);
    }
  if (type == CUDNN_TYPE_HANDLE &&
      !state().check(*static_cast<cudnnHandle_t const *>(elements), kHandle))
    return CUDNN_STATUS_BAD_PARAM;
  if (!descriptor->set(attribute, type, count, elements, std::move(others), problem))
    return refuse(problem);
  return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t handle, int attribute,
                                              int type, int64_t wanted, int64_t *found,
                                              void *elements) {
  BEGIN("cudnnBackendGetAttribute", Entry::Plain);
  CudnnDescriptor *descriptor = find(handle);
  if (!descriptor)
    return CUDNN_STATUS_BAD_PARAM;
  std::vector<int64_t> numbers;
  std::vector<std::shared_ptr<CudnnDescriptor>> made;
  std::string problem;
  if (!descriptor->get(attribute, type, numbers, made, problem))
    return refuse(problem);
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    *found = int64_t(made.size());
    // As the real one, which finds out later that some have no code.
    if (wanted == 0)
      ++*found;
    for (int64_t i = 0; i < wanted && i < *found; ++i) {
      auto other = static_cast<cudnnBackendDescriptor_t *>(elements)[i];
      if (!find(other))
        return CUDNN_STATUS_BAD_PARAM;
      Holder *holder = static_cast<Holder *>(other);
      if (holder->descriptor->kind != made[size_t(i)]->kind)
        return refuse("a descriptor of another kind takes what is asked for");
      holder->descriptor = made[size_t(i)];
    }
    return CUDNN_STATUS_SUCCESS;
  }
  *found = int64_t(numbers.size());
  for (int64_t i = 0; i < wanted && i < *found; ++i)
    if (type == CUDNN_TYPE_INT64)
      static_cast<int64_t *>(elements)[i] = numbers[size_t(i)];
    else
      static_cast<int *>(elements)[i] = int(numbers[size_t(i)]);
  return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t planHandle,
                                         cudnnBackendDescriptor_t packHandle) {
  BEGIN("cudnnBackendExecute");
  CudnnDescriptor *plan = find(planHandle), *pack = find(packHandle);
  if (!state().check(handle, kHandle) || !plan || !pack)
    return CUDNN_STATUS_BAD_PARAM;
  if (plan->kind != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR || !plan->isFinalized ||
      pack->kind != CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR || !pack->isFinalized)
    return refuse("what is executed is no finalized plan with a variant pack");
  if (!plan->has(CUDNN_ATTR_EXECUTION_PLAN_HANDLE))
    return refuse("the plan was made for no device");
  std::map<int64_t, uint64_t> addresses;
  std::vector<int64_t> numbers = pack->integers(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS),
                       places = pack->integers(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  for (size_t i = 0; i != numbers.size(); ++i)
    addresses[numbers[i]] = uint64_t(places[i]);
  uint64_t workspace = uint64_t(pack->integers(CUDNN_ATTR_VARIANT_PACK_WORKSPACE).at(0));
  auto graph = plan->graph;
  CudnnEngine engine = plan->engine;
  std::string problem = graph->checkMemory(addresses, workspace, graph->workspaceBytes(engine));
  if (!problem.empty())
    return refuse(problem);
  Work work;
  work.event = graph->describe(addresses);
  work.run = [graph, engine, addresses, workspace](Event &) {
    return graph->run(engine, addresses, workspace);
  };
  CUstream stream = reinterpret_cast<Handle *>(handle)->stream;
  return state().enqueue(stream, std::move(work)) ? CUDNN_STATUS_INTERNAL_ERROR
                                                  : CUDNN_STATUS_SUCCESS;
}
