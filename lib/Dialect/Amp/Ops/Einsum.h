//===- Einsum.h - Sums of products by labels --------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_EINSUM_H
#define AMPC_LIB_DIALECT_AMP_OPS_EINSUM_H

#include "Common.h"

namespace ampc {

/// Einsum as transposes, matrix products and sums: operands are contracted from left to right,
/// each label as soon as nothing else has it.
FailureOr<Value> importEinsum(OnnxNode &node, OpBuilder &builder);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_EINSUM_H
