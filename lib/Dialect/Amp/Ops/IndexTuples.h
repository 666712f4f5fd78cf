//===- IndexTuples.h - Places given by tuples of indices --------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_INDEXTUPLES_H
#define AMPC_LIB_DIALECT_AMP_OPS_INDEXTUPLES_H

#include "Common.h"

namespace ampc {

/// GatherND: amp.gather along the dimensions that a tuple goes through, made one.
FailureOr<Value> importGatherND(OnnxNode &node, OpBuilder &builder);
/// ScatterND: the same for the op `name` of the scatter family.
FailureOr<Value> importScatterND(OnnxNode &node, OpBuilder &builder, StringRef name);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_INDEXTUPLES_H
