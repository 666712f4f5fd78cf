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

def Amp_RecurrentCellAttr : I32EnumAttr<"RecurrentCell", "What a recurrent layer computes in a step", [
    I32EnumAttrCase<"Simple", 0, "simple">,
    I32EnumAttrCase<"Lstm", 1, "lstm">,
    I32EnumAttrCase<"CoupledLstm", 2, "coupled_lstm">,
    I32EnumAttrCase<"Gru", 3, "gru">,
    I32EnumAttrCase<"LinearGru", 4, "linear_gru">]> {
  let cppNamespace = "::ampc";
}

def Amp_RecurrentActivationAttr : I32EnumAttr<"RecurrentActivation",
    "A function in a recurrent layer", [
    I32EnumAttrCase<"Tanh", 0, "tanh">,
    I32EnumAttrCase<"Relu", 1, "relu">,
    I32EnumAttrCase<"Sigmoid", 2, "sigmoid">,
    I32EnumAttrCase<"Affine", 3, "affine">,
    I32EnumAttrCase<"LeakyRelu", 4, "leaky_relu">,
    I32EnumAttrCase<"ThresholdedRelu", 5, "thresholded_relu">,
    I32EnumAttrCase<"ScaledTanh", 6, "scaled_tanh">,
    I32EnumAttrCase<"HardSigmoid", 7, "hard_sigmoid">,
    I32EnumAttrCase<"Elu", 8, "elu">,
    I32EnumAttrCase<"Softsign", 9, "softsign">,
    I32EnumAttrCase<"Softplus", 10, "softplus">]> {
  let cppNamespace = "::ampc";
}

/// An op that goes through time with one of the cells. `f`, `g` and `h` are its functions, as many
/// as it has, with an alpha and a beta for each (none where they are all 0 and 1); `clip`, where it
/// is there, bounds what they get.
class Amp_RecurrenceOp<string mnemonic, dag operands, list<Trait> traits>
    : Amp_Op<mnemonic, !listconcat([Pure, AttrSizedOperandSegments, InferTypeOpAdaptor, Kernel],
                                   traits)> {
  let arguments = !con((ins Amp_RecurrentCellAttr:$cell, Amp_RecurrentActivationAttr:$f,
                            OptionalAttr<Amp_RecurrentActivationAttr>:$g,
                            OptionalAttr<Amp_RecurrentActivationAttr>:$h), operands,
                       (ins DefaultValuedAttr<DenseF32ArrayAttr, "{}">:$alphas,
                            DefaultValuedAttr<DenseF32ArrayAttr, "{}">:$betas,
                            OptionalAttr<F32Attr>:$clip, UnitAttr:$reversed));
}

def Amp_RecurrenceOp : Amp_RecurrenceOp<"recurrence", (ins
    Amp_FloatTensor:$input, Amp_FloatTensor:$weight, Amp_FloatTensor:$initial,
    Optional<Amp_FloatTensor>:$initial_cell, Optional<Amp_FloatTensor>:$peepholes,
    Optional<Amp_FloatTensor>:$bias, Optional<Amp_IndexTensor>:$lengths), [
    Gradient, Computes<"Allow">, UsesByOp,
    Onnx<[OnnxOperator<"RNN">, OnnxOperator<"LSTM">, OnnxOperator<"GRU">]>]> {
  let summary = "The recurrence of a recurrent layer, in one direction";
  let description = [{
    Goes through time from the first step to the last, with `reversed` the other way. `input` is
    what does not depend on the recurrence, the products with the layer's input and the biases:
    one amp.matmul for all time steps, [time, batch, gates * hidden]. `weight` is [gates * hidden,
    hidden], of the gates in ONNX's order; `initial` is the state H before the first step, [batch,
    hidden]. With U the rows of `weight`, x those of `input` at the step, `(.)` element by element:

    * simple: `H' = f(x + H * U^T)`
    * lstm, gates i, o, f, c, with the cell state C, and peepholes p, [3, hidden]:
      `i, f = f(x + H * U^T + p (.) C)`, `c = g(x + H * U^T)`, `C' = f (.) C + i (.) c`,
      `o = f(x + H * U^T + p (.) C')`, `H' = o (.) h(C')`; coupled_lstm has `f = 1 - i`
    * gru, gates z, r, n: `z, r = f(x + H * U^T)`, `n = g(x + (r (.) H) * U^T)`,
      `H' = (1 - z) (.) n + z (.) H`; linear_gru has `n = g(x + r (.) (H * U^T + bias))`

    Behind the `lengths` first steps of a batch entry its state stays and its result is 0.

    Everything is computed in f32 (f64 for f64), in which the cell state and what belongs to it
    stay; H is rounded once in each step. Results are the states H of all steps, the last one, and
    then, of an LSTM, the last cell state and those of all steps. Then what the gradient reads, for
    all steps: the gates (where a derivative does not follow from them, their functions'
    arguments), and of a GRU `r (.) H`, linear `H * U^T + bias`.

    Constraints:
    - (recurrence_c1) the element types are equal, f32 where computed is said; shapes as above,
      with a time step at least.
    - (recurrence_c2) an LSTM has an initial cell state; peepholes and bias are as above.
    - (recurrence_c3) the cell has all its functions; alphas and betas are three or none.

    ```mlir
    %y:3 = amp.recurrence simple(tanh) %x, %r from %h
       : (tensor<5x2x4xf16>, tensor<4x4xf16>, tensor<2x4xf16>)
       -> (tensor<5x2x4xf16>, tensor<2x4xf16>, tensor<5x2x4xf16>)
    ```
  }];
  let results = (outs Amp_FloatTensor:$states, Amp_FloatTensor:$last,
                      Variadic<Amp_FloatTensor>:$others);
  let assemblyFormat = [{
    $cell `(` $f (`,` $g^)? (`,` $h^)? `)` $input `,` $weight `from` $initial
    (`cell` $initial_cell^)? (`peepholes` $peepholes^)? (`bias` $bias^)? (`lengths` $lengths^)?
    attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned index);
    /// Of an LSTM.
    ::mlir::Value getLastCell() { return getOthers()[0]; }
    ::mlir::Value getCells() { return getOthers()[1]; }
    /// What the gradient reads.
    ::mlir::ResultRange getSaved();
  }];
}

def Amp_RecurrenceGradientOp : Amp_RecurrenceOp<"recurrence_gradient", (ins
    Amp_FloatTensor:$weight, Optional<Amp_FloatTensor>:$states, Optional<Amp_FloatTensor>:$last,
    Optional<Amp_FloatTensor>:$last_cell, Variadic<Amp_FloatTensor>:$saved,
    Optional<Amp_FloatTensor>:$before, Optional<Amp_FloatTensor>:$cells_before,
    Optional<Amp_FloatTensor>:$peepholes, Optional<Amp_IndexTensor>:$lengths), []> {
  let summary = "The gradients of amp.recurrence that need its recurrence";
  let description = [{
    Goes through time the other way. From the gradients of `states`, `last` and `last_cell`, as far
    as there are any, and what the op saved: the gradients of the sums of its gates before their
    functions, as they meet `weight`, and of the initial state. Then, of an LSTM, that of the initial
    cell state; of a GRU, that of the sum of n, which `input` has and `weight` meets times r (those
    of a gru that is not linear meet it in two products, and the first result has z and r alone).
    What goes from step to step is not rounded, nor are the gradients of initial states.

    `before` has the states before each step, for a GRU, `cells_before` the cell states, for an LSTM.

    Constraints:
    - (recurrence_gradient_c1) as many are saved as the cell has, of one shape [time, batch, hidden].
    - (recurrence_gradient_c2) `before` or `cells_before` is there, where the cell reads it.
  }];
  let results = (outs Amp_FloatTensor:$sums, Amp_FloatTensor:$initial,
                      Variadic<Amp_FloatTensor>:$others);
  let assemblyFormat = [{
    $cell `(` $f (`,` $g^)? (`,` $h^)? `)` $weight (`states` $states^)? (`last` $last^)?
    (`last_cell` $last_cell^)? `saved` $saved (`before` $before^)? (`cells_before` $cells_before^)?
    (`peepholes` $peepholes^)? (`lengths` $lengths^)? attr-dict
    `:` functional-type(operands, results)
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_RECURRENT_TD
