//===- ResizeTable.h - Where the pixels of a resized image come from -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_RESIZETABLE_H
#define AMPC_LIB_DIALECT_AMP_OPS_RESIZETABLE_H

#include "ResampleTable.h"

namespace ampc {

/// The tables of a Resize (opset 10-28) or an Upsample (1-9), of those axes whose elements are
/// not just what they were, ascending; `fill` gets the value of what lies outside. Failure after
/// an error.
FailureOr<SmallVector<ResampleTable>> importResizeTables(OnnxNode &node, double &fill);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_RESIZETABLE_H
