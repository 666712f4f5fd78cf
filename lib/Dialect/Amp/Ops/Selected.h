//===- Selected.h - Results whose number the model declares -----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_SELECTED_H
#define AMPC_LIB_DIALECT_AMP_OPS_SELECTED_H

#include "Common.h"

namespace ampc {

/// Dimension `d` of result `i`, `rank` dimensions, as the model declares it: at most `most`.
/// Failure after an error where it does not.
FailureOr<int64_t> declaredExtent(OnnxNode &node, unsigned i, int64_t rank, int64_t d,
                                  int64_t most);

/// [size] i64: where `condition`, booleans of any shape, is true in row-major order.
FailureOr<Value> importTruePlaces(OnnxNode &node, OpBuilder &builder, Value condition,
                                  int64_t size);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_SELECTED_H
