//===- KernelBody.h - What the ways to the host share -----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_TARGET_KERNELBODY_H
#define AMPC_LIB_TARGET_KERNELBODY_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace ampc {

/// `type` outside of the device's address spaces, which are one and the same on
/// the host.
mlir::Type dropAddressSpace(mlir::Type type);

/// Takes the address spaces off every value in `body`, and the casts between
/// them away.
void dropAddressSpaces(mlir::Region &body);

/// Bytes of a memref of static shape without padding between its elements.
/// Emits an error at `op` for any other, saying that `what` must have one.
mlir::FailureOr<int64_t> staticBytes(mlir::Operation *op, mlir::MemRefType type,
                                     llvm::StringRef what);

/// How kernels are rewritten: blocks and their arguments stay, as LLVM looks itself for those that
/// may go, in less time.
mlir::GreedyRewriteConfig kernelRewriteConfig();

} // namespace ampc

#endif // AMPC_LIB_TARGET_KERNELBODY_H
