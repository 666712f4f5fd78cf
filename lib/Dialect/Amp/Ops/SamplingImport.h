//===- SamplingImport.h - Operators made of what is sampled -----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_SAMPLINGIMPORT_H
#define AMPC_LIB_DIALECT_AMP_OPS_SAMPLINGIMPORT_H

#include "Common.h"

namespace ampc {

/// DeformConv (opset 19-28): a product with what is sampled at the taps.
FailureOr<Value> importDeformConv(OnnxNode &node, OpBuilder &builder);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_SAMPLINGIMPORT_H
