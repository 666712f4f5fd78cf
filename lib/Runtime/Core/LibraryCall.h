//===- LibraryCall.h - The library calls that a program may hold -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One line for each call in LibraryCall.cpp; what a device does for it is in
// Host/HostCall.cpp and Cuda/CudaCall.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_LIBRARYCALL_H
#define AMPC_RUNTIME_CORE_LIBRARYCALL_H

#include "Core/Tables.h"

#include <string>

namespace ampc {

/// What all devices know of a call.
struct LibraryCall {
  ampc_library_t id;
  const char *name; ///< in reports
  /// Why these cannot be a step of the call, or "" where they can: the number
  /// of arguments and integers, and the operands' sizes and types.
  std::string (*check)(Span<ampc_argument_entry_t> arguments, Span<int64_t> integers);
};

/// The call `id`, an ampc_library_t; null where this runtime does not know it.
const LibraryCall *findLibraryCall(uint32_t id);

/// For the checks: why these cannot be a product's operands, the last `results` of them its
/// results. All must be floats, f64 only where all are, none scratch or reserve, the results
/// written, the others read, and no other argument overlapping a result.
std::string checkOperands(Span<ampc_argument_entry_t> arguments, size_t results = 1);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_LIBRARYCALL_H
