//===- CudnnPlans.cpp - Whether the real cuDNN takes our convolutions -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Asks libcudnn.so.9, or what AMPC_CUDNN names, for a plan of every convolution of the modules
// that are given, and of ResNet-50 in full size, as the runtime does when a session is created, but
// for GPUs that are described and need not be there. Exit 77 where there is no cuDNN.
//
//===----------------------------------------------------------------------===//

#include "Core/DType.h"
#include "Core/Error.h"
#include "Core/Module.h"
#include "Cuda/CudnnConvolution.h"

#include <climits>
#include <cstdio>
#include <cstring>

using namespace ampc;
using namespace ampc::cuda;

namespace {

constexpr int kSkipped = 77;

struct Gpu {
  const char *name;
  int capability, multiprocessors, sharedBytes, l2Bytes, clock, memoryClock;
  long long memory;
};
// NVIDIA's figures, as cudaGetDeviceProperties gives them.
constexpr Gpu kGpus[] = {
    {"sm_80", 800, 108, 166912, 41943040, 1410000, 1593000, 85899345920},
    {"sm_90", 900, 132, 232448, 52428800, 1980000, 2619000, 85899345920},
};

/// The device as cuDNN reads it.
CudnnDescriptor describe(const Cudnn &cudnn, const Gpu &gpu) {
  char json[1024];
  std::snprintf(
      json, sizeof(json),
      "{\"version\":1,\"deviceVer\":%d,\"multiProcessorCount\":%d,\"warpSize\":32,"
      "\"maxSharedMemoryPerBlock\":49152,\"maxSharedMemoryPerBlockOptin\":%d,"
      "\"reservedSharedMemoryPerBlock\":1024,\"maxSharedMemoryPerSM\":%d,"
      "\"maxRegistersPerSM\":65536,\"maxCtasPerSM\":32,\"maxThreadsPerBlock\":1024,"
      "\"maxThreadsPerSM\":2048,\"regsPerBlock\":65536,\"totalGlobalMem\":%lld,"
      "\"smClockRateKHz\":%d,\"l2CacheSize\":%d,\"maxBlockSize\":[1024,1024,64],"
      "\"maxGridSize\":[2147483647,65535,65535],\"memClockRateKHz\":%d,\"supportCoopLaunch\":1,"
      "\"pciDeviceId\":0,\"isTccDriver\":0,\"cudaDeviceId\":0,\"driverVer\":13000,"
      "\"deviceName\":\"%s\"}",
      gpu.capability, gpu.multiprocessors, gpu.sharedBytes, gpu.sharedBytes + 1024, gpu.memory,
      gpu.clock, gpu.l2Bytes, gpu.memoryClock, gpu.name);
  CudnnDescriptor properties(cudnn, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  properties.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                 Span<char>(json, std::strlen(json) + 1));
  properties.finalize();
  return properties;
}

struct Convolution {
  ConvolutionShape shape;
  int64_t alignment;
  std::string node;
};

std::vector<Convolution> convolutionsOf(const char *path) {
  std::vector<Convolution> all;
  Module module(path);
  const Tables &tables = module.tables();
  for (const char *name : {AMPC_PROGRAM_TRAIN, AMPC_PROGRAM_EVAL}) {
    const ampc_program_entry_t *program = tables.findProgram(name, AMPC_TARGET_CUDA);
    if (!program)
      continue;
    for (const ampc_step_entry_t &step : tables.stepsOf(*program)) {
      if (step.kind != AMPC_STEP_LIBRARY || step.index != AMPC_LIBRARY_CONVOLUTION)
        continue;
      uint64_t at = 16;
      for (const ampc_argument_entry_t &argument : tables.argumentsOf(step))
        at |= argument.offset;
      all.push_back({readConvolution(tables.argumentsOf(step), tables.integersOf(step)),
                     int64_t(at & -at), tables.string(step.name)});
    }
  }
  return all;
}

/// Those of ResNet-50 for 256 images of 224 x 224 and their gradients.
std::vector<Convolution> resnet50() {
  std::vector<Convolution> all;
  auto add = [&](int64_t c, int64_t k, int64_t size, int64_t filter, int64_t stride) {
    for (uint32_t dtype : {AMPC_DTYPE_F16, AMPC_DTYPE_BF16, AMPC_DTYPE_F32})
      for (int kind = AMPC_CONVOLUTION_FORWARD; kind <= AMPC_CONVOLUTION_FILTER_GRADIENT; ++kind) {
        ConvolutionShape shape = {};
        int64_t pad = filter / 2;
        shape.kind = ampc_convolution_kind_t(kind);
        shape.n = 256;
        shape.c = c;
        shape.k = k;
        shape.groups = 1;
        shape.rows = shape.columns = {
            size, filter, (size + 2 * pad - filter) / stride + 1, stride, pad, pad, 1};
        shape.channelsLast = sizeOf(dtype) == 2;
        shape.lhs = shape.rhs = shape.bias = shape.out = dtype;
        all.push_back({shape, 16, "ResNet-50"});
      }
  };
  add(3, 64, 224, 7, 2);
  int64_t size = 56, channels = 64;
  for (int64_t width = 64; width <= 512; width *= 2) {
    int64_t stride = width == 64 ? 1 : 2;
    add(channels, width, size, 1, 1);
    add(channels, 4 * width, size, 1, stride);
    add(width, width, size, 3, stride);
    size /= stride;
    channels = 4 * width;
    add(width, channels, size, 1, 1);
    add(channels, width, size, 1, 1);
    add(width, width, size, 3, 1);
  }
  return all;
}

int failures = 0;

void check(const Cudnn &cudnn, const char *name, const std::vector<Convolution> &all) {
  for (const Gpu &gpu : kGpus) {
    CudnnDescriptor properties = describe(cudnn, gpu);
    uint64_t most = 0;
    for (const Convolution &one : all)
      try {
        if (std::string problem = checkCudnnConvolution(one.shape); !problem.empty())
          throw Error(AMPC_STATUS_INCOMPATIBLE, "cuDNN " + problem, one.node);
        CudnnPlan plan =
            planConvolution(cudnn, {nullptr, &properties}, one.shape, one.alignment, one.node);
        most = std::max(most, plan.workspaceBytes());
      } catch (const Error &error) {
        ++failures;
        std::fprintf(stderr, "%s, %s: %s\n", name, gpu.name, error.message.c_str());
      }
    std::printf("%s, %s: %zu convolutions, workspace %.1f MiB\n", name, gpu.name, all.size(),
                double(most) / (1 << 20));
  }
}

} // namespace

int main(int count, char **arguments) {
  try {
    Cudnn cudnn = Cudnn::load(INT_MAX);
    std::printf("cuDNN %zu\n", size_t(cudnn.version()));
    for (int i = 1; i < count; ++i)
      check(cudnn, arguments[i], convolutionsOf(arguments[i]));
    check(cudnn, "ResNet-50", resnet50());
  } catch (const Error &error) {
    std::fprintf(stderr, "%s\n", error.message.c_str());
    return error.code == AMPC_STATUS_NOT_FOUND ? kSkipped : 1;
  }
  return failures != 0;
}
