//===- Views.h - Other shapes of the same bytes ---------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_PLAN_VIEWS_H
#define AMPC_DIALECT_PLAN_VIEWS_H

#include "mlir/IR/Operation.h"
#include "mlir/IR/Value.h"

namespace ampc {

/// Whether an op gives another shape to the bytes of its operand; no op does not.
bool isView(mlir::Operation *op);

/// Whether an op names bytes of its operand, all or some of them, and moves none.
bool isAlias(mlir::Operation *op);

/// The value that `value` is a view of, through any number of views; else itself.
mlir::Value getViewed(mlir::Value value);

} // namespace ampc

#endif // AMPC_DIALECT_PLAN_VIEWS_H
