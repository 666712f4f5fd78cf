//===- ResizeTable.h - Where the pixels of a resized image come from -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_RESIZETABLE_H
#define AMPC_LIB_DIALECT_AMP_OPS_RESIZETABLE_H

#include "Expected.h"
#include "ResampleTable.h"

namespace ampc {

/// What a Resize (opset 10-28) or an Upsample (1-9) computes.
struct ResizePlan {
  /// Of those axes whose elements are not just what they were, ascending.
  SmallVector<ResampleTable> tables;
  double fill = 0; ///< the value of what lies outside
  /// Where sizes come with the batch (input 3), those that the declared shape tells.
  GivenNumbers sizes;
  /// The same for scales: those that a batch must give in input `scalesInput`.
  SmallVector<double> expectedScales;
  unsigned scalesInput = 0;
};

/// Failure after an error.
FailureOr<ResizePlan> importResize(OnnxNode &node);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_RESIZETABLE_H
