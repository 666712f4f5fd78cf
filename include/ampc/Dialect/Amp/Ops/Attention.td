//===- Attention.td - Attention by a recurrence ---------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_ATTENTION_TD
#define AMPC_DIALECT_AMP_OPS_ATTENTION_TD

include "ampc/Dialect/Amp/AmpDialect.td"

// Attention with a softmax needs no op: it imports as products (amp.matmul).

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
