//===- DeviceModel.cpp - What a machine can do ----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Where the numbers are from. Multiprocessors, caches, bandwidth and the rate of dense
// bf16 products: NVIDIA's A100 and H100 "Tensor Core GPU Architecture" papers and the data sheet of
// the H200 (SXM modules, the A100 with 80 GB). Threads, registers and workgroup memory: the table
// of technical specifications for compute capabilities 8.0 and 9.0 in the CUDA C++ Programming
// Guide.
//
// A block gets its share of the bandwidth and no more: one multiprocessor alone can have two or
// three times as much, but a kernel that leaves the others idle wastes them.
//
// A launch inside a CUDA graph takes about a microsecond, and the blocks of one kernel end, and
// those of the next begin, over another one. In a microsecond one multiprocessor moves about
// 100 KB to and from L2, and does 128 operations a cycle. It keeps half of its registers for
// elements between phases.
//
//===----------------------------------------------------------------------===//

#include "ampc/Support/DeviceModel.h"

namespace ampc {

static constexpr DeviceModel makeGpu(llvm::StringLiteral name, int64_t processors,
                                     int64_t sharedKilobytes, int64_t cacheMegabytes,
                                     double bandwidth, double productRate) {
  return {name,
          /*isDevice=*/true,
          processors,
          /*threads=*/2048,
          /*registers=*/65536,
          sharedKilobytes << 10,
          /*blockShared=*/48 << 10, // without opting in
          /*phaseBytes=*/65536 * 4 / 2,
          cacheMegabytes << 20,
          bandwidth,
          /*blockBandwidth=*/bandwidth / double(processors),
          productRate,
          /*launchTime=*/2,
          /*splitElements=*/8192,
          /*smallBytes=*/96 << 10,
          /*smallOperations=*/200'000,
          /*cheapOperations=*/12,
          /*recomputedOperations=*/32};
}

static constexpr DeviceModel kA100 = makeGpu("A100", 108, 164, 40, 2.04e6, 312e6);
static constexpr DeviceModel kH100 = makeGpu("H100", 132, 228, 50, 3.35e6, 989e6);
static constexpr DeviceModel kH200 = makeGpu("H200", 132, 228, 50, 4.8e6, 989e6);

// A server of no particular make: which one the code will run on is not known. Waking another
// core takes several microseconds; in that time one core moves 64 KB and does, in vectors, some
// ten operations a nanosecond. Between phases a row stays in the core's second cache,
// and accumulators in its first.
static constexpr DeviceModel kHost = {"host",
                                      /*isDevice=*/false,
                                      /*processors=*/32,
                                      /*threads=*/1,
                                      /*registers=*/32,
                                      /*sharedBytes=*/48 << 10,
                                      /*blockShared=*/48 << 10,
                                      /*phaseBytes=*/1 << 20,
                                      /*cacheBytes=*/32 << 20,
                                      /*bandwidth=*/1e5,
                                      /*blockBandwidth=*/16e3,
                                      /*productRate=*/1e6,
                                      /*launchTime=*/5,
                                      /*splitElements=*/32768,
                                      /*smallBytes=*/64 << 10,
                                      /*smallOperations=*/100'000,
                                      /*cheapOperations=*/12,
                                      /*recomputedOperations=*/32};

Gpu newestGpu(llvm::ArrayRef<unsigned> architectures) {
  bool isOlder =
      !architectures.empty() && *std::max_element(architectures.begin(), architectures.end()) < 90;
  return isOlder ? Gpu::A100 : Gpu::H100;
}

const DeviceModel &getDeviceModel(Target target, Gpu gpu) {
  if (target == Target::Host)
    return kHost;
  switch (gpu) {
  case Gpu::A100:
    return kA100;
  case Gpu::H100:
    return kH100;
  case Gpu::H200:
    return kH200;
  }
  return kH100;
}

} // namespace ampc
