//===- EraseSigns.h - Unsigned tensors as bits -------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_OPTIMIZE_ERASESIGNS_H
#define AMPC_LIB_OPTIMIZE_ERASESIGNS_H

#include "mlir/IR/BuiltinOps.h"

namespace ampc {
/// Makes all unsigned types signless, which is what arith takes: by then kernels say themselves
/// how they read the bits. Arguments and results of functions keep their declared type as an
/// attribute.
void eraseSigns(mlir::ModuleOp module);
} // namespace ampc

#endif // AMPC_LIB_OPTIMIZE_ERASESIGNS_H
