//===- NormRows.h - Rows that are normalized --------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A row extends over the dimensions from an axis on.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_NORMROWS_H
#define AMPC_LIB_DIALECT_AMP_OPS_NORMROWS_H

#include "Common.h"

namespace ampc {

/// The dimensions [axis, rank).
inline SmallVector<int64_t> rowAxes(RankedTensorType type, int64_t axis) {
  return llvm::to_vector(llvm::seq(axis, type.getRank()));
}

/// Of a statistic of the rows of `type`.
inline RankedTensorType statisticType(RankedTensorType type, int64_t axis) {
  return RankedTensorType::get(keepAxes(type.getShape(), rowAxes(type, axis)),
                               KernelBuilder::computeType(type.getElementType()));
}

/// The elements of a row.
inline double countRow(RankedTensorType type, int64_t axis) {
  double count = 1;
  for (int64_t extent : type.getShape().drop_front(axis))
    count *= double(extent);
  return count;
}

/// The attribute `stash_type`, in which statistics are computed: FLOAT, or DOUBLE too where the
/// input, of type `type`, is.
FailureOr<int64_t> importStashType(OnnxNode &node, RankedTensorType type);

/// Patterns that give amp.layer_norm the scale and the bias that follow it.
void addAffineRecovery(RewritePatternSet &patterns, RecoveryLog &log);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_NORMROWS_H
