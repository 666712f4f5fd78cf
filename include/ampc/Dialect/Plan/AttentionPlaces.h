//===- AttentionPlaces.h - Where the tensors of an attention lie -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_PLAN_ATTENTIONPLACES_H
#define AMPC_DIALECT_PLAN_ATTENTIONPLACES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

namespace ampc {

/// The extents of an attention, in the order of the attribute of plan.attention.
struct AttentionExtents {
  int64_t batch, heads, keyHeads, rows, columns, size;

  static AttentionExtents from(llvm::ArrayRef<int64_t> list) {
    return {list[0], list[1], list[2], list[3], list[4], list[5]};
  }
  llvm::SmallVector<int64_t> list() const { return {batch, heads, keyHeads, rows, columns, size}; }
  /// The extent that a letter of a layout stands for, in a query or, `isKey`, in a key or value.
  int64_t of(char letter, bool isKey) const {
    return letter == 'b'   ? batch
           : letter == 'h' ? (isKey ? keyHeads : heads)
           : letter == 'r' ? (isKey ? columns : rows)
           : letter == 'p' ? 3
                           : size;
  }
};

/// Where a query, key, value or output lies in its tensor: elements from one batch entry, head or
/// row to the next.
struct AttentionPlace {
  int64_t offset, batch, head, row;

  /// Place `index` (query, key, value, output) of the attribute of plan.attention.
  static AttentionPlace from(llvm::ArrayRef<int64_t> list, unsigned index) {
    list = list.slice(4 * index, 4);
    return {list[0], list[1], list[2], list[3]};
  }
};

} // namespace ampc

#endif // AMPC_DIALECT_PLAN_ATTENTIONPLACES_H
