//===- AttentionBuilder.h - What attention is made of -----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_ATTENTIONBUILDER_H
#define AMPC_LIB_DIALECT_AMP_OPS_ATTENTIONBUILDER_H

#include "Common.h"

namespace ampc {

/// Scaled dot product attention: `softmax(scale * q * k^T + mask) * v` for each head. Operators
/// that are attention fill one of these; `buildAttention` alone knows which ops it becomes.
struct Attention {
  /// Makes something else of the scores or probabilities, of the same type.
  using Modifier = std::function<FailureOr<Value>(Value)>;

  Value q; ///< [batch, heads, rows, size]
  /// [batch, groups, columns, size] and [batch, groups, columns, value size]: heads / groups heads
  /// of q, one behind the other, share those of a group.
  Value k, v;
  double scale = 1;
  double softcap = 0; ///< scores become softcap * tanh(scores / softcap), where it is not 0
  /// Broadcasts to the scores: booleans, which of them take part, or numbers that are added to
  /// them. May be null.
  Value mask;
  /// Row i sees the columns up to i + *causal.
  std::optional<int64_t> causal;
  Value lengths; ///< [batch], integers: so many columns take part, the first ones; null: all
  /// The element type of the scores in the softmax, and of the product with v; null: that of q.
  Type softmaxType, productType;
  Modifier changeScores, changeProbabilities; ///< in the softmax's type; may be null
  bool needsScores = false;                   ///< AttentionResults::scores is wanted
};

/// The result [batch, heads, rows, value size], of the product's type, and what it came from, all
/// [batch, heads, rows, columns].
struct AttentionResults {
  Value y;
  Value products;      ///< scale * q * k^T
  Value capped;        ///< after the softcap
  Value scores;        ///< after the mask, where they are wanted
  Value probabilities; ///< after the softmax, and what changes it
};

/// Checks the operands, then builds attention for `node`; failure after an error. A row of scores
/// of which none takes part gives NaN, as softmax does.
FailureOr<AttentionResults> buildAttention(OnnxNode &node, OpBuilder &builder, const Attention &a);

/// Sets `scale` by the attribute of that name, which all such operators have; without it, or with
/// 0 where `zeroIsDefault`, it is 1 / sqrt(size).
LogicalResult importScale(OnnxNode &node, Attention &a, bool zeroIsDefault = false);

/// [batch, rows, heads * size] as [batch, heads, rows, size], for the input that `what` names.
FailureOr<Value> splitHeads(OnnxNode &node, OpBuilder &builder, Value x, int64_t heads,
                            StringRef what);
/// The other way round.
Value joinHeads(OpBuilder &builder, Location loc, Value x);

/// `size` elements along `axis`, from `start` on.
Value sliceAlong(OpBuilder &builder, Location loc, Value x, int64_t axis, int64_t start,
                 int64_t size);

/// Puts the keys or values `x` [batch, groups, columns, size] behind those of earlier calls, where
/// there are any.
LogicalResult appendToPast(OnnxNode &node, OpBuilder &builder, Value past, Value &x,
                           StringRef what);

/// ONNX's Attention and FlexAttention, and ONNX Runtime's Attention and MultiHeadAttention.
FailureOr<SmallVector<Value>> importAttention(OnnxNode &node, OpBuilder &builder);
/// Those of com.microsoft.
FailureOr<SmallVector<Value>> importMicrosoftAttention(OnnxNode &node, OpBuilder &builder);
/// ONNX's RotaryEmbedding and ONNX Runtime's.
FailureOr<Value> importRotaryEmbedding(OnnxNode &node, OpBuilder &builder);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_ATTENTIONBUILDER_H
