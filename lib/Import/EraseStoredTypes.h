//===- EraseStoredTypes.h - Stored types as bytes ---------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_ERASESTOREDTYPES_H
#define AMPC_LIB_IMPORT_ERASESTOREDTYPES_H

#include "ampc/Support/WeightStore.h"
#include "mlir/IR/BuiltinOps.h"

namespace ampc {

/// Makes i8 of the types that are only stored (StoredTypes.h): casts then name what their bytes
/// are, arguments and results of functions what they declare. So no pass behind the import has to
/// ask whether a float computes, is trained or has a gradient.
void eraseStoredTypes(mlir::ModuleOp module, WeightStore &weights);

} // namespace ampc

#endif // AMPC_LIB_IMPORT_ERASESTOREDTYPES_H
