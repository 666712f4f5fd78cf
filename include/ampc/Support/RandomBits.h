//===- RandomBits.h - Random numbers that are functions -----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// What is drawn for an element is a function of the session's seed and attempt, a stream and the
// element's place: whoever needs it again draws it again.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_RANDOMBITS_H
#define AMPC_SUPPORT_RANDOMBITS_H

#include "ampc/Support/ScalarBuilder.h"

namespace ampc {

/// The key of what `stream` draws; `seed` and `attempt` are i64, as is the key.
mlir::Value buildRandomKey(ScalarBuilder &s, mlir::Value seed, mlir::Value attempt,
                           uint64_t stream);
/// 32 random bits for the element at `counter`, both i64.
mlir::Value drawRandomBits(ScalarBuilder &s, mlir::Value counter, mlir::Value key);
/// Whether dropout of `ratio`, in [0, 1], keeps the element at `counter`.
mlir::Value drawKept(ScalarBuilder &s, mlir::Value counter, mlir::Value key, double ratio);
/// What dropout of `ratio` multiplies by what it keeps.
inline double keptScale(double ratio) { return ratio < 1 ? 1 / (1 - ratio) : 0; }

} // namespace ampc

#endif // AMPC_SUPPORT_RANDOMBITS_H
