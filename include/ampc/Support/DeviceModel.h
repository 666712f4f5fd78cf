//===- DeviceModel.h - What a machine can do ----------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_DEVICEMODEL_H
#define AMPC_SUPPORT_DEVICEMODEL_H

#include "ampc/Support/Target.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <algorithm>
#include <cstdint>

namespace ampc {

/// The devices that plans are made for. Code for one runs on the others, less well.
enum class Gpu { A100, H100, H200 };

/// The newest device that code for `architectures` (80 for sm_80) is for.
Gpu newestGpu(llvm::ArrayRef<unsigned> architectures);

/// What a kernel costs on a machine follows from these numbers. Times are in microseconds.
struct DeviceModel {
  /// The widest load or store of a thread, the same on all CUDA devices.
  static constexpr int64_t kVectorBytes = 16;

  llvm::StringLiteral name;
  bool isDevice;           ///< CUDA's threads; else the threads of the host
  int64_t processors;      ///< multiprocessors; cores of the host
  int64_t threads;         ///< resident on a multiprocessor
  int64_t registers;       ///< of 32 bits, of a multiprocessor
  int64_t sharedBytes;     ///< workgroup memory of a multiprocessor; a core's first cache
  int64_t blockShared;     ///< of it, what a block may declare
  int64_t phaseBytes;      ///< what a block keeps from one phase of a kernel to the next
  int64_t cacheBytes;      ///< the last cache, of all processors
  double bandwidth;        ///< of memory, in bytes
  double blockBandwidth;   ///< of it, what one block can use
  double productRate;      ///< floating-point operations of dense products of 16 bits
  double launchTime;       ///< from the end of one kernel until the next one is at work
  int64_t splitElements;   ///< fewest that a block adds where a reduction is split
  int64_t smallBytes;      ///< what one block moves in the time of a launch
  int64_t smallOperations; ///< and what it computes
  int64_t cheapOperations; ///< for an element, in the time of storing and loading it
  /// For an element, where memory is saved as well: the time of loads and stores hides them.
  int64_t recomputedOperations;

  /// Blocks that reductions are split into: two for each processor.
  int64_t fillingBlocks() const { return 2 * processors; }
  /// Threads that keep all processors busy.
  int64_t fillingThreads() const { return processors * threads; }
  /// How long `blocks` blocks take to move `bytes`.
  double transferTime(uint64_t bytes, int64_t blocks) const {
    return double(bytes) / std::min(bandwidth, double(blocks) * blockBandwidth);
  }
};

/// The model of a target; `gpu` says which CUDA device.
const DeviceModel &getDeviceModel(Target target, Gpu gpu = Gpu::H100);

} // namespace ampc

#endif // AMPC_SUPPORT_DEVICEMODEL_H
