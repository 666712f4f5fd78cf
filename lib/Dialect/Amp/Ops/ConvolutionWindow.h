//===- ConvolutionWindow.h - How a filter moves over an image ---*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_CONVOLUTIONWINDOW_H
#define AMPC_LIB_DIALECT_AMP_OPS_CONVOLUTIONWINDOW_H

#include "ampc/Dialect/Amp/AmpBase.h"

namespace ampc {

/// How a filter moves over the rows and columns of an image.
struct ConvolutionWindow {
  SmallVector<int64_t> strides, pads, dilations;
  int64_t groups;

  template <typename OpOrAdaptor>
  static ConvolutionWindow of(OpOrAdaptor op) {
    return {SmallVector<int64_t>(op.getStrides()), SmallVector<int64_t>(op.getPads()),
            SmallVector<int64_t>(op.getDilations()), int64_t(op.getGroups())};
  }
  /// The input's elements along `axis` that a filter of `taps` spans.
  int64_t reach(int64_t taps, int axis) const { return dilations[axis] * (taps - 1) + 1; }
};

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_CONVOLUTIONWINDOW_H
