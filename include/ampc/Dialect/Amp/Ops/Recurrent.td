//===- Recurrent.td - Recurrent layers ------------------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_RECURRENT_TD
#define AMPC_DIALECT_AMP_OPS_RECURRENT_TD

include "ampc/Dialect/Amp/AmpDialect.td"
include "mlir/IR/EnumAttr.td"

def Amp_RecurrentActivationAttr : I32EnumAttr<"RecurrentActivation",
    "What follows the sums of a recurrent layer", [
    I32EnumAttrCase<"Tanh", 0, "tanh">,
    I32EnumAttrCase<"Relu", 1, "relu">,
    I32EnumAttrCase<"Sigmoid", 2, "sigmoid">]> {
  let cppNamespace = "::ampc";
}

def Amp_RnnOp : Amp_Op<"rnn", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Computes<"Allow">, Uses<["Other", "Weight", "Other"]>, Onnx<[OnnxOperator<"RNN", 7>]>]> {
  let summary = "The recurrence of a simple recurrent layer, in one direction";
  let description = [{
    `result[t] = f(input[t] + result[t - 1] * weight^T)`, with `initial` before the first
    time step. `reversed` goes from the last time step to the first. `input` is what does not
    depend on the recurrence, the products with the layer's input and the biases: one
    amp.matmul for all time steps.

    `input` is [time, batch, hidden], `weight` [hidden, hidden], `initial` [batch, hidden]. Sums
    and f are computed in f32 (f64 for f64); each state is rounded once.

    Constraints:
    - (rnn_c1) the element types are equal, the shapes as above, with a time step at least.

    ```mlir
    %y = amp.rnn tanh %x, %r from %h
       : (tensor<5x2x4xf16>, tensor<4x4xf16>, tensor<2x4xf16>) -> tensor<5x2x4xf16>
    ```
  }];
  let arguments = (ins Amp_RecurrentActivationAttr:$activation, Amp_FloatTensor:$input,
                   Amp_FloatTensor:$weight, Amp_FloatTensor:$initial, UnitAttr:$reversed);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $activation $input `,` $weight `from` $initial attr-dict
    `:` functional-type(operands, results)
  }];
}

def Amp_RnnGradientOp : Amp_Op<"rnn_gradient", [Pure, InferTypeOpAdaptor, Kernel]> {
  let summary = "The gradients of amp.rnn that need its recurrence";
  let description = [{
    From `gradient`, that of `states`, the result of an amp.rnn: the gradients of its `input`,
    and of `initial`, which is not rounded. Goes through time the other way.

    Constraints:
    - (rnn_gradient_c1) as rnn_c1; `gradient` has the type of `states`.
  }];
  let arguments = (ins Amp_RecurrentActivationAttr:$activation, Amp_FloatTensor:$gradient,
                   Amp_FloatTensor:$states, Amp_FloatTensor:$weight, UnitAttr:$reversed);
  let results = (outs Amp_FloatTensor:$input, Amp_FloatTensor:$initial);
  let assemblyFormat = [{
    $activation $gradient `,` $states `,` $weight attr-dict
    `:` functional-type(operands, results)
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_RECURRENT_TD
