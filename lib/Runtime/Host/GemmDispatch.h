//===- GemmDispatch.h - Which kernels this processor has --------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_GEMMDISPATCH_H
#define AMPC_RUNTIME_HOST_GEMMDISPATCH_H

#include "Host/GemmKernels.h"

#include <vector>

namespace ampc {

/// An instruction set for products.
struct GemmLevel {
  const char *name;     ///< as AMPC_HOST_PRODUCTS has it
  const char *features; ///< of the processor, separated by commas
  const GemmKernelSet *kernels;
  /// For two operands in bf16, where they need not be widened; or null.
  const GemmKernels<float> *bf16;
  bool usesTiles; ///< for which the system is asked
  /// Whose processors gain by `bf16`: others get it only by name; null is all.
  const char *vendor;
};

/// The levels that can be used here, the narrowest first. Asks the system for
/// what they need; a level that it refuses is left out. With the environment's
/// AMPC_HOST_PRODUCTS, none above the one that it names. Throws
/// AMPC_STATUS_INVALID_ARGUMENT where it names none.
std::vector<GemmLevel> usableGemmLevels();

/// The kernels of the widest of them that gains for operands of these types, the
/// same in all of a process. As usableGemmLevels; what only products of bf16 need
/// is asked for with the first of them.
template <class T>
const GemmKernels<T> &pickGemmKernels(uint32_t lhs, uint32_t rhs);
template <>
const GemmKernels<float> &pickGemmKernels<float>(uint32_t lhs, uint32_t rhs);
template <>
const GemmKernels<double> &pickGemmKernels<double>(uint32_t lhs, uint32_t rhs);

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_GEMMDISPATCH_H
