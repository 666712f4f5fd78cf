//===- Places.h - Elements chosen by where they stand --------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_PLACES_H
#define AMPC_LIB_DIALECT_AMP_OPS_PLACES_H

#include "Common.h"

namespace ampc {

/// The index along `axis` of each element of a tensor of `rank` dimensions, with extent 1 along all
/// others: it broadcasts.
Value indexAlong(OpBuilder &builder, Location loc, int64_t rank, int64_t axis, int64_t extent);

/// ONNX operators that are a choice between two values, by places.
FailureOr<Value> importTrilu(OnnxNode &node, OpBuilder &builder);
FailureOr<Value> importOneHot(OnnxNode &node, OpBuilder &builder);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_PLACES_H
