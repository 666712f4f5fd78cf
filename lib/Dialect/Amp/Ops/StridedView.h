//===- StridedView.h - Tensors that only move another's elements -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_STRIDEDVIEW_H
#define AMPC_LIB_DIALECT_AMP_OPS_STRIDEDVIEW_H

#include "Common.h"

namespace ampc {

/// Elements of `source`: the one at an index lies at `offset + sum(index[d] * strides[d])` of its
/// row-major order.
struct StridedView {
  Value source;
  int64_t offset = 0;
  SmallVector<int64_t, 4> shape, strides;

  /// `x` itself under another shape of as many elements.
  static StridedView of(Value x, ArrayRef<int64_t> shape);
  /// Takes what the op that makes the source reads as the source, where that op only moves
  /// elements: a reshape, a transpose, or a slice with steps of 1.
  bool lookThrough();
  void swap(unsigned a, unsigned b) {
    std::swap(shape[a], shape[b]);
    std::swap(strides[a], strides[b]);
  }
};

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_STRIDEDVIEW_H
