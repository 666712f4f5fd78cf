//===- GroupSums.h - Sums over groups of rows ------------------ -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_OPTIMIZE_GROUPSUMS_H
#define AMPC_LIB_OPTIMIZE_GROUPSUMS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include <optional>

namespace ampc {
using namespace mlir;

/// How rows come to groups: all loops of a reduction before `loop` count groups, and so do
/// `factor` parts of that one. What is left is added up.
struct Division {
  unsigned loop;
  int64_t factor;
};

/// The scalar op that adds up a result of a reduction; null where the reduction does something
/// else, begins elsewhere than at 0, or knows where it is.
Operation *getSum(linalg::GenericOp op, unsigned result);

/// How the rows that `op` adds up are divided into `groups` groups of neighbours, all of a size
/// above 1; nullopt where they cannot be.
std::optional<Division> findDivision(linalg::GenericOp op, int64_t groups);

/// The sums of groups: those of `op`, with dimensions that count groups before the others.
/// `operands` are what it reads where `b` stands.
linalg::GenericOp addGroupsUp(OpBuilder &b, linalg::GenericOp op, ValueRange operands,
                              Division division);

/// What `sum` is, from the sums of groups, [groups, shape of the sum].
Value addUp(OpBuilder &b, OpResult sum, Value groupSums);

} // namespace ampc

#endif // AMPC_LIB_OPTIMIZE_GROUPSUMS_H
