//===- ChannelsLast.h - Images whose channels lie last ---------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_CHANNELSLAST_H
#define AMPC_LIB_DIALECT_AMP_OPS_CHANNELSLAST_H

#include "Common.h"

namespace ampc {

/// The order (LayoutOpInterface) with dimension 1 behind all others.
inline SmallVector<int64_t> channelsLastOrder(int64_t rank) {
  SmallVector<int64_t> order{0};
  llvm::append_range(order, llvm::seq<int64_t>(2, rank));
  order.push_back(1);
  return order;
}

/// The type in the file's order of what lies as `type`, with its channels last if `isLast`; what
/// has too few dimensions for that stays.
inline RankedTensorType channelsFirst(RankedTensorType type, bool isLast) {
  if (!isLast || type.getRank() < 3)
    return type;
  SmallVector<int64_t> back = invertPermutationVector(channelsLastOrder(type.getRank()));
  return type.clone(applyPermutation(type.getShape(), back));
}

/// The other way round.
inline RankedTensorType channelsLast(RankedTensorType type, bool isLast) {
  if (!isLast || type.getRank() < 3)
    return type;
  return type.clone(applyPermutation(type.getShape(), channelsLastOrder(type.getRank())));
}

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_CHANNELSLAST_H
