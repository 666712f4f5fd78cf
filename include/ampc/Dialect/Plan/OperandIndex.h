//===- OperandIndex.h - Which elements an op reads -------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Slices, pads and parts of a concatenation are operands of a linalg.generic that are read at
// an index of their own, and used in a range of the loops only. MLIR verifies that an index
// never leaves the operand, and takes a bare loop for one as long as the operand is; so an index
// is taken modulo the operand's extent, and the body selects where it does not wrap around:
//
//   pad of 10 elements by 2:  x[(d0 - 2) mod 10], select(2 <= d0 and d0 < 12, x, 0)
//
// The op means the same to whoever knows nothing of this. Here is found out where the modulo
// changes nothing.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_PLAN_OPERANDINDEX_H
#define AMPC_DIALECT_PLAN_OPERANDINDEX_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace ampc::plan {

/// Indices [begin, end) of a loop.
struct LoopRange {
  int64_t begin, end;
};

/// Where the body of an op uses an operand.
struct UsedRange {
  /// For each loop; what lies outside of one is not used.
  llvm::SmallVector<LoopRange, 4> loops;
  /// The operand is used by one select, whose condition is that all indices lie in `loops`.
  bool isExact = false;
};
UsedRange getUsedRange(mlir::OpOperand &operand);
/// How many operands of an op are used in a part of its loops only.
int64_t countPartlyUsed(mlir::linalg::GenericOp op);

/// `offset + sum of strides[i] * index of loop i`.
struct LinearIndex {
  int64_t offset = 0;
  llvm::SmallVector<int64_t, 4> strides;
};
/// What a result of an indexing map comes to while the loops stay in their ranges. Fails where
/// that is not linear.
mlir::FailureOr<LinearIndex> getLinearIndex(mlir::AffineExpr expr, llvm::ArrayRef<LoopRange> loops);

} // namespace ampc::plan

#endif // AMPC_DIALECT_PLAN_OPERANDINDEX_H
