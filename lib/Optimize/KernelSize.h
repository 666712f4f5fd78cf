//===- KernelSize.h - What one block can do in a launch's time - -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_OPTIMIZE_KERNELSIZE_H
#define AMPC_LIB_OPTIMIZE_KERNELSIZE_H

#include "ampc/Optimize/Passes.h"
#include "ampc/Optimize/StepCosts.h"

namespace ampc {

/// How much a kernel does.
struct KernelSize {
  uint64_t bytes = 0;     ///< read and written
  int64_t operations = 0; ///< on scalars of any type

  KernelSize() = default;
  explicit KernelSize(plan::KernelOp kernel) : operations(kernel.countOperations()) {
    StepCosts costs = getStepCosts(kernel);
    bytes = costs.readBytes + costs.writtenBytes;
  }
  KernelSize &operator+=(const KernelSize &other) {
    bytes += other.bytes;
    operations += other.operations;
    return *this;
  }
};

/// Whether one block gets `size` done in the time of a launch: the kernel is then better
/// off as a part of another one's block.
inline bool suitsOneBlock(const KernelSize &size, const DeviceModel &model) {
  return size.bytes <= uint64_t(model.smallBytes) && size.operations <= model.smallOperations;
}

} // namespace ampc

#endif // AMPC_LIB_OPTIMIZE_KERNELSIZE_H
