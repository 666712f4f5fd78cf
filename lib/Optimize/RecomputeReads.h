//===- RecomputeReads.h - Kernels compute what they need not read *- C++ -*-==//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_OPTIMIZE_RECOMPUTEREADS_H
#define AMPC_LIB_OPTIMIZE_RECOMPUTEREADS_H

#include "ampc/Support/DeviceModel.h"
#include "mlir/IR/Block.h"

namespace ampc {

/// Fused kernels of the block that read a large tensor compute it again from what another kernel
/// computes it of, where that takes few instructions an element and
///
/// - they read all of that anyway, numbers of whole rows apart, which they may read besides: the
///   mask of a ReLU behind a batch norm, whose gradient reads the norm's input. Or
/// - one tensor of no more bytes takes the place of the one that was read, of which they are the
///   only reader, so that it is never written: a masked gradient that its maker only sums up, or
///   what a norm adds to the next sum, which is made of the sum before it and numbers of rows that
///   its maker keeps anyway. (Of a chain with several readers all of the chain would be computed
///   for each.)
///
/// Fewer bytes are moved in both cases. Values that were rounded to be stored are still rounded.
void recomputeReads(mlir::Block &block, const DeviceModel &model);

} // namespace ampc

#endif // AMPC_LIB_OPTIMIZE_RECOMPUTEREADS_H
