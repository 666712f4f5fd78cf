//===- AttentionExpansion.h - Attention as products -------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_ATTENTIONEXPANSION_H
#define AMPC_LIB_DIALECT_AMP_OPS_ATTENTIONEXPANSION_H

#include "Common.h"
#include "ampc/Dialect/Plan/AttentionPlaces.h"

namespace ampc {

/// The layout of an input, or of the output behind all inputs.
inline StringRef layoutAt(ArrayAttr layouts, unsigned index) {
  return cast<StringAttr>(layouts[index]).getValue();
}

/// What amp.attention and its gradient have in common, with the operands that emitKernel gets.
struct AttentionParts {
  ValueRange inputs;
  Value mask, condition, seed, attempt; ///< null where there is none
  ArrayAttr layouts;
  APFloat scale;
  double off, ratio;
  bool replaces;
  uint64_t stream;

  /// `first` is the number of the op's inputs among its operands in ODS.
  template <typename OpTy>
  static AttentionParts of(OpTy op, ValueRange operands, unsigned first) {
    auto take = [&](unsigned group) {
      auto [at, count] = op.getODSOperandIndexAndLength(first + group);
      return operands.slice(at, count);
    };
    auto one = [&](unsigned group) {
      ValueRange taken = take(group);
      return taken.empty() ? Value() : taken.front();
    };
    return {take(0),
            one(1),
            one(2),
            one(3),
            one(4),
            op.getLayouts(),
            op.getScale(),
            op.getOff() ? op.getOff()->convertToDouble() : 0,
            op.getRatio() ? op.getRatio()->convertToDouble() : 0,
            op.getReplaces(),
            uint64_t(op.getStream().value_or(0))};
  }
};

/// The results of amp.attention as products and what lies between them.
SmallVector<Value> expandAttention(KernelBuilder &kernel, const AttentionExtents &extents,
                                   const AttentionParts &parts, RankedTensorType output);
/// The same of its gradient.
SmallVector<Value> expandAttentionGrad(KernelBuilder &kernel, const AttentionExtents &extents,
                                       const AttentionParts &parts, Value gradient, Value maximum,
                                       Value sum, Value delta);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_ATTENTIONEXPANSION_H
