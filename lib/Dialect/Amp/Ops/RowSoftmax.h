//===- RowSoftmax.h - The statistics of a softmax along rows ---*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Softmax, cross entropy and its gradient take them from here, so that they
// emit equal ops on equal rows, which CSE merges.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_ROWSOFTMAX_H
#define AMPC_LIB_DIALECT_AMP_OPS_ROWSOFTMAX_H

#include "Common.h"

namespace ampc {

/// The permutation that puts dimension `axis` last and keeps the order of the
/// others.
inline SmallVector<int64_t> moveToBack(int64_t rank, int64_t axis) {
  SmallVector<int64_t> permutation;
  for (int64_t d = 0; d < rank; ++d)
    if (d != axis)
      permutation.push_back(d);
  permutation.push_back(axis);
  return permutation;
}

/// Along the innermost dimension, which stays as 1, in the type that kernels
/// compute in: the maximum (NaN is ignored, it shows in the sum), and the sum
/// of exp(element - maximum).
struct RowSoftmax {
  Value maximum, sum;

  RowSoftmax(KernelBuilder &kernel, Value rows) {
    RankedTensorType type = tensorType(rows);
    Type computed = KernelBuilder::computeType(type.getElementType());
    int64_t last = type.getRank() - 1;
    SmallVector<int64_t> kept = keepAxes(type.getShape(), last);
    maximum = kernel.reshape(kernel.reduce(rows, last, Reduction::MaxNumber, computed), kept);
    Value powers =
        kernel.pointwise({rows, maximum}, type.clone(computed),
                         [](ScalarBuilder &s, ValueRange x) { return s.exp(s.sub(x[0], x[1])); });
    sum = kernel.reshape(kernel.reduce(powers, last, Reduction::Sum, computed), kept);
  }
};

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_ROWSOFTMAX_H
