//===- CudnnPlan.cpp - A graph of operations, and how cuDNN runs it -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cuda/CudnnPlan.h"

namespace ampc {

using namespace cuda;

//===----------------------------------------------------------------------===//
// Descriptors
//===----------------------------------------------------------------------===//

CudnnDescriptor::CudnnDescriptor(const Cudnn &cudnn, int kind) : cudnn(&cudnn), object(cudnn) {
  cudnn(cudnn.createDescriptor, kind, object.out());
}

void CudnnDescriptor::setBytes(int attribute, int type, int64_t count, const void *elements) {
  (*cudnn)(cudnn->setAttribute, get(), attribute, type, count, elements);
}

void CudnnDescriptor::set(int attribute, const CudnnDescriptor &other) {
  set(attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, other.get());
}

int64_t CudnnDescriptor::get(int attribute, int type, int64_t most, void *elements) const {
  int64_t count = 0;
  (*cudnn)(cudnn->getAttribute, get(), attribute, type, most, &count, elements);
  return count;
}

bool CudnnDescriptor::finalizeIfSupported() {
  cudnnStatus_t status = cudnn->finalize.function(get());
  // CUDNN_STATUS_NOT_SUPPORTED and what is more special.
  if (status / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000)
    return false;
  if (status)
    cudnn->fail(status, cudnn->finalize.name);
  return true;
}

//===----------------------------------------------------------------------===//
// Engines
//===----------------------------------------------------------------------===//

/// Configurations of engines, the most promising ones first.
static std::vector<CudnnDescriptor> askHeuristics(const Cudnn &cudnn, const CudnnDevice &device,
                                                  const CudnnDescriptor &graph, int mode) {
  CudnnDescriptor heuristics(cudnn, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  if (device.properties)
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *device.properties);
  std::vector<CudnnDescriptor> configurations;
  if (!heuristics.finalizeIfSupported())
    return configurations;
  int64_t count =
      heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
  std::vector<cudnnBackendDescriptor_t> handles;
  for (int64_t i = 0; i < count; ++i)
    handles.push_back(configurations.emplace_back(cudnn, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).get());
  // Those that turn out not to have code are left out, so there may be fewer than were announced.
  count = heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count,
                         handles.data());
  while (configurations.size() > size_t(count))
    configurations.pop_back();
  return configurations;
}

static bool isAllowed(const Cudnn &cudnn, const CudnnDescriptor &configuration,
                      const CudnnEngines &engines) {
  CudnnDescriptor engine(cudnn, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t handle = engine.get();
  configuration.get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &handle);
  int notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  int64_t count = engine.get(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                             CUDNN_NUMERICAL_NOTE_TYPE_COUNT, notes);
  // What a later release may note is nothing that is known to be harmless.
  for (int64_t i = 0; i < count; ++i)
    if (notes[i] != CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP &&
        !(notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && engines.tensorCores))
      return false;
  int behaviors[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
  count = engine.get(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                     CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, behaviors);
  for (int64_t i = 0; i < count; ++i)
    if (behaviors[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION)
      return false;
  return true;
}

std::optional<CudnnPlan> CudnnPlan::choose(const Cudnn &cudnn, const CudnnDevice &device,
                                           Span<cudnnBackendDescriptor_t> operations,
                                           const CudnnEngines &engines) {
  CudnnDescriptor graph(cudnn, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, operations);
  if (device.handle)
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, device.handle);
  std::optional<CudnnPlan> least;
  if (!graph.finalizeIfSupported())
    return least;
  // Asked second are engines that are not the fastest, but take what others do not.
  for (int mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (CudnnDescriptor &configuration : askHeuristics(cudnn, device, graph, mode)) {
      if (!isAllowed(cudnn, configuration, engines))
        continue;
      CudnnPlan next(std::move(configuration),
                     CudnnDescriptor(cudnn, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR));
      if (device.handle)
        next.plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, device.handle);
      if (device.properties)
        next.plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *device.properties);
      next.plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, next.configuration);
      if (!next.plan.finalizeIfSupported())
        continue;
      int64_t bytes = 0;
      next.plan.get(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &bytes);
      next.workspace = uint64_t(bytes);
      if (next.workspace <= engines.mostWorkspace)
        return next;
      if (!least || next.workspace < least->workspace)
        least = std::move(next);
    }
  return least;
}

void CudnnPlan::run(const Cudnn &cudnn, cudnnHandle_t handle, Span<int64_t> numbers,
                    Span<CUdeviceptr> addresses, CUdeviceptr memory, CUstream stream) const {
  CudnnDescriptor pack(cudnn, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, numbers);
  // An address of the device has the size of a pointer.
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, addresses);
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace ? memory : 0);
  pack.finalize();
  cudnn(cudnn.setStream, handle, stream);
  cudnn(cudnn.execute, handle, plan.get(), pack.get());
}

} // namespace ampc
