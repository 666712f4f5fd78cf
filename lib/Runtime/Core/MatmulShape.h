//===- MatmulShape.h - What a matmul step says of its operands --*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_MATMULSHAPE_H
#define AMPC_RUNTIME_CORE_MATMULSHAPE_H

#include "Core/Tables.h"

namespace ampc {

/// A matmul step, read from its arguments and integers.
struct MatmulShape {
  int64_t batch, m, n, k;
  bool transposeLhs, transposeRhs;
  int64_t lhsStride, rhsStride; ///< elements from one batch to the next
  bool hasBias, relu;
  ampc_matmul_sums_t sums;
  double alpha;
  uint32_t lhs, rhs, bias, out; ///< types; `bias` is f32 where there is none
};

/// Why these cannot be a matmul step, or "" where they can: the number of
/// arguments and integers, their ranges, and the operands' sizes and types.
std::string checkMatmul(Span<ampc_argument_entry_t> arguments, Span<int64_t> integers);

/// Reads a step that checkMatmul has found good.
MatmulShape readMatmul(Span<ampc_argument_entry_t> arguments, Span<int64_t> integers);

/// The same products, those of a batch whose right operand is shared as one taller one.
MatmulShape mergeBatch(MatmulShape shape);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_MATMULSHAPE_H
