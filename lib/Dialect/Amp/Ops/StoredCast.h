//===- StoredCast.h - Casts of types that are only stored -------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_STOREDCAST_H
#define AMPC_LIB_DIALECT_AMP_OPS_STOREDCAST_H

#include "ampc/Support/ScalarBuilder.h"
#include "ampc/Support/StoredTypes.h"

namespace ampc {

/// The value of a stored element, whose byte `bits` is (i8): f32, which holds all of the floats
/// exactly, or i32. Integer instructions but for subnormal numbers, so that every target gives the
/// same.
mlir::Value decodeStored(ScalarBuilder &s, const StoredType &type, mlir::Value bits);

/// How ONNX Cast rounds to 8-bit floats.
struct StoredRounding {
  bool saturating = true;
  llvm::StringRef mode = "up"; ///< of float8e8m0: up, down or nearest
};

/// The byte of `x`, of any computing type, as a stored element: i32. Floats are rounded once, to
/// nearest even; integers lose their upper bits, also those that a float is truncated to.
mlir::Value encodeStored(ScalarBuilder &s, const StoredType &type, mlir::Value x,
                         StoredRounding rounding);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_STOREDCAST_H
