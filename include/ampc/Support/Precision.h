//===- Precision.h - The words of mixed precision --------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_PRECISION_H
#define AMPC_SUPPORT_PRECISION_H

#include "llvm/ADT/StringRef.h"
#include <optional>

namespace ampc {

/// In which precision an op computes.
enum class Precision {
  /// The low type: faster, and safe with an f32 accumulator.
  Allow,
  /// f32: the op loses accuracy or range in the low type.
  Deny,
  /// The widest of its float operands. Rank-0 operands and constants have no
  /// vote: they are cast to what the others decide.
  Promote,
  /// The op moves or compares bits and takes the type it is given.
  Follow,
};

/// A set of lists; see design section 6.
enum class PrecisionProfile { Balanced, PyTorch };

/// One op's answers, one for each list.
struct PrecisionRecord {
  Precision f16;     ///< balanced lists, f16
  Precision bf16;    ///< balanced lists, bf16
  Precision pytorch; ///< PyTorch autocast on CUDA, either type

  /// Whether the op is `Follow` whatever lists are in force: it moves or compares bits.
  bool isFollow() const {
    return f16 == Precision::Follow && bf16 == Precision::Follow && pytorch == Precision::Follow;
  }
};

/// What an op asks for one of its operands.
enum class OperandPrecision {
  Computed, ///< the type the op computes in
  Full,     ///< f32 whatever the op computes in: a ratio, a scale, an axis
  Given,    ///< whatever comes: integers, booleans, and pass-through values
};

/// "allow", "deny", "promote" or "follow".
llvm::StringRef stringify(Precision precision);

/// The category of that name; nullopt for any other word.
std::optional<Precision> symbolizePrecision(llvm::StringRef name);

} // namespace ampc

#endif // AMPC_SUPPORT_PRECISION_H
