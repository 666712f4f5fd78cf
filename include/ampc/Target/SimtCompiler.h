//===- SimtCompiler.h - Device kernels for the CPU --------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TARGET_SIMTCOMPILER_H
#define AMPC_TARGET_SIMTCOMPILER_H

#include "ampc/Target/HostCompiler.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace ampc {

/// For tests: compiles `kernels`, which have the device schedule, for this
/// machine's CPU and writes the library of SimtFormat.h at `path`, in one step.
/// `images` are the PTX and cubins that were made of the same kernels. Leaves
/// `kernels` as it is. Errors are reported at its operations. Links in this
/// process, as writeSharedObject does.
mlir::LogicalResult writeSimtLibrary(llvm::StringRef path, mlir::gpu::GPUModuleOp kernels,
                                     llvm::ArrayRef<llvm::StringRef> images,
                                     const HostOptions &options = {});

} // namespace ampc

#endif // AMPC_TARGET_SIMTCOMPILER_H
