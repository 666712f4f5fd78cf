//===- Attention.td - Attention, with a softmax and without - tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_ATTENTION_TD
#define AMPC_DIALECT_AMP_OPS_ATTENTION_TD

include "ampc/Dialect/Amp/AmpDialect.td"

def Amp_AttentionOp : Amp_Op<"attention", [
    Pure, AttrSizedOperandSegments, InferTypeOpAdaptor, Gradient, Recovery, Kernel, Ranged,
    Computes<"Allow">]> {
  let summary = "softmax(scale * query * key^T + mask) * value, with no matrix of scores";
  let description = [{
    For each batch entry and head, with the queries' rows r and those of the keys c:

    `scores[r, c] = scale * sum_d query[r, d] * key[c, d] + mask[r, c]`. Where `condition` is
    false, `off` is added to the score, or is the score, with `replaces`.
    `output[r, d] = sum_c e ^ (scores[r, c] - maximum[r]) / sum[r] * value[c, d]`, where
    `maximum` is the largest score of the row and `sum` that of the exponentials.

    With `ratio`, the exponentials that `output` sums up are dropped as by amp.dropout of the
    probabilities, [b, h, r, c], by `seed`, `attempt` and `stream`.

    A row of which every score is minus infinity is NaN, as that softmax is. Scores, their
    exponentials and all sums are f32 (f64 for f64); exponentials are rounded to the operands' type
    before they are multiplied.

    A layout tells how the dimensions of a tensor lie: `b` batch, `h` heads, `r` rows, `d` the
    elements of a head, which are last. There are three inputs, query, key and value, each with its
    layout; or one that holds all, whose layout has a `p` in the place of the dimension that tells
    them apart, of extent 3. `output` has the last layout, `maximum` and `sum` are [b, h, r].
    `heads` of the query share a key and value where these have fewer: query head i has the key of
    head i / (heads / key heads). `mask` and `condition` broadcast to [b, h, r, c] and have rank 4.

    Files spell attention out; it is put together by `amp-recover-patterns`.

    Constraints:
    - (attention_c1) layouts are as above, and the tensors have rank 4, or 5 with a `p`.
    - (attention_c2) extents fit together, and there is a row, a key and an element at least.
    - (attention_c3) the inputs have one element type; `mask` that of the scores.
    - (attention_c4) there is an `off` where there is a condition; a `ratio` in [0, 1], a `stream` and
      an `attempt` where there is a seed, and no others.

    ```mlir
    %y, %m, %s = amp.attention %q, %k, %v mask %m as ["bhrd", "bhrd", "bhrd", "brhd"] scale 0.125
       : (tensor<2x4x6x8xf16>, tensor<2x4x5x8xf16>, tensor<2x4x5x8xf16>, tensor<2x1x1x5xf32>)
       -> (tensor<2x6x4x8xf16>, tensor<2x4x6xf32>, tensor<2x4x6xf32>)
    ```
  }];
  let arguments = (ins Variadic<Amp_FloatTensor>:$inputs, Optional<Amp_FloatTensor>:$mask,
                   Optional<Amp_BoolTensor>:$condition, Optional<Amp_I64Scalar>:$seed,
                   Optional<Amp_I64Scalar>:$attempt, StrArrayAttr:$layouts, F64Attr:$scale,
                   OptionalAttr<F64Attr>:$off, UnitAttr:$replaces, OptionalAttr<F64Attr>:$ratio,
                   OptionalAttr<I64Attr>:$stream);
  let results = (outs Amp_FloatTensor:$output, Amp_FloatTensor:$maximum, Amp_FloatTensor:$sum);
  let assemblyFormat = [{
    $inputs (`mask` $mask^)? (`where` $condition^)? (`seed` $seed^ `attempt` $attempt)?
    `as` $layouts `scale` $scale attr-dict
    `:` functional-type(operands, results)
  }];
  let hasCanonicalizer = 1;
  let extraClassDeclaration = [{
    /// The mask is of the scores' type beside low operands.
    ::ampc::OperandPrecision getOperandPrecision(unsigned index) {
      bool isMask = index >= getInputs().size();
      bool isFull = isMask && !::mlir::getElementTypeOrSelf(getInputs()[0].getType()).isF64();
      return isFull ? ::ampc::OperandPrecision::Full : ::ampc::OperandPrecision::Computed;
    }
  }];
}

def Amp_AttentionGradOp : Amp_Op<"attention_grad", [
    Pure, AttrSizedOperandSegments, InferTypeOpAdaptor, Kernel]> {
  let summary = "The gradients of amp.attention";
  let description = [{
    Those of the inputs, in their layouts and element type: with P the probabilities, which are
    computed again, g the gradient of the output, and sums over all rows or keys,

    `dP = g * value^T`, of which what was dropped is 0, `dS = P * (dP - delta)`, `d value = P^T * g`
    of what was kept,
    `d query = scale * dS * key`, `d key = scale * dS^T * query`,

    where `delta[r]` is the sum of the row of g * output, and dS is 0 where `condition` is false and
    `replaces` the score. `delta` has the output's layout without `d`. P and dS are rounded to the
    operands' type before they are multiplied.

    Constraints: those of amp.attention.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, Amp_FloatTensor:$maximum, Amp_FloatTensor:$sum,
                   Amp_FloatTensor:$delta, Variadic<Amp_FloatTensor>:$inputs,
                   Optional<Amp_FloatTensor>:$mask, Optional<Amp_BoolTensor>:$condition,
                   Optional<Amp_I64Scalar>:$seed, Optional<Amp_I64Scalar>:$attempt,
                   StrArrayAttr:$layouts, F64Attr:$scale, OptionalAttr<F64Attr>:$off,
                   UnitAttr:$replaces, OptionalAttr<F64Attr>:$ratio, OptionalAttr<I64Attr>:$stream);
  let results = (outs Variadic<Amp_FloatTensor>:$gradients);
  let assemblyFormat = [{
    $gradient `with` $maximum `,` $sum `,` $delta `of` $inputs (`mask` $mask^)?
    (`where` $condition^)? (`seed` $seed^ `attempt` $attempt)? `as` $layouts `scale` $scale
    attr-dict
    `:` functional-type(operands, results)
  }];
}

def Amp_LinearAttentionOp : Amp_Op<"linear_attention", [
    Pure, AttrSizedOperandSegments, InferTypeOpAdaptor, Gradient, Kernel, Computes<"Allow">,
    Onnx<[OnnxOperator<"LinearAttention", 27>]>]> {
  let summary = "Attention without a softmax: a state that each time step reads and adds to";
  let description = [{
    For each head, with the state S [size, value size] of the step before, rows of which decay
    first, `P = e ^ decay * S`:

    `S = P + key^T * u`, `output = scale * query * S`, where `u = value`, or with `rate` what the
    state lacks of it, `u = rate * (value - key * P)`.

    `query` is [time, heads, queries, size]: those that share a head. `key` is [time, heads,
    size], `value` [time, heads, value size], `decay` [time, heads, size] or with 1 for all rows,
    `rate` [time, heads, 1], `initial` and the result `state`, the last one, [heads, size, value
    size]. All is computed in f32 (f64 for f64), which the states have as their type; `output` is
    rounded once.

    The gradient computes the states again, and keeps them for as long as it goes back through
    time.

    Constraints:
    - (linear_attention_c1) the shapes are as above, with a time step at least.
    - (linear_attention_c2) the element types of query, key, value and rate are equal; the decay has
      it too, or that of the states.

    ```mlir
    %y, %s = amp.linear_attention %q, %k, %v decay %g rate %b from %s0 scale 1.0
       : (tensor<5x6x2x4xf16>, tensor<5x6x4xf16>, tensor<5x6x3xf16>, tensor<5x6x4xf32>,
          tensor<5x6x1xf16>, tensor<6x4x3xf32>) -> (tensor<5x6x2x3xf16>, tensor<6x4x3xf32>)
    ```
  }];
  let arguments = (ins Amp_FloatTensor:$query, Amp_FloatTensor:$key, Amp_FloatTensor:$value,
                   Optional<Amp_FloatTensor>:$decay, Optional<Amp_FloatTensor>:$rate,
                   Amp_FloatTensor:$initial, F64Attr:$scale);
  let results = (outs Amp_FloatTensor:$output, Amp_FloatTensor:$state);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`decay` $decay^)? (`rate` $rate^)? `from` $initial
    `scale` $scale attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    /// Decays and states are f32 beside low operands.
    ::ampc::OperandPrecision getOperandPrecision(unsigned index) {
      // By their places: a value may be the key and the decay.
      unsigned decay = getODSOperandIndexAndLength(3).first;
      bool isDecay = getDecay() && index == decay, isInitial = index + 1 == getNumOperands();
      bool isFull = (isDecay || isInitial) && !getQuery().getType().getElementType().isF64();
      return isFull ? ::ampc::OperandPrecision::Full : ::ampc::OperandPrecision::Computed;
    }
  }];
}

def Amp_LinearAttentionGradOp : Amp_Op<"linear_attention_grad", [
    Pure, AttrSizedOperandSegments, InferTypeOpAdaptor, Kernel]> {
  let summary = "The gradients of amp.linear_attention";
  let description = [{
    From `gradient`, that of its output, and `state_gradient`, that of its last state. Goes through
    time twice: forwards for the states, then back. Those of decays and rates are there for all
    rows and heads, and are 0 where the forward op has none. No result is rounded but those of
    query, key and value.

    Constraints: those of amp.linear_attention.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, Amp_FloatTensor:$query, Amp_FloatTensor:$key,
                   Amp_FloatTensor:$value, Optional<Amp_FloatTensor>:$decay,
                   Optional<Amp_FloatTensor>:$rate, Amp_FloatTensor:$initial,
                   Amp_FloatTensor:$state_gradient, F64Attr:$scale);
  let results = (outs Amp_FloatTensor:$query_gradient, Amp_FloatTensor:$key_gradient,
                 Amp_FloatTensor:$value_gradient, Amp_FloatTensor:$decay_gradient,
                 Amp_FloatTensor:$rate_gradient, Amp_FloatTensor:$initial_gradient);
  let assemblyFormat = [{
    $gradient `,` $query `,` $key `,` $value (`decay` $decay^)? (`rate` $rate^)?
    `from` $initial `to` $state_gradient `scale` $scale attr-dict
    `:` functional-type(operands, results)
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_ATTENTION_TD
