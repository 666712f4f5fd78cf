//===- Slice.td - Slices, pads and concatenation --------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_SLICE_TD
#define AMPC_DIALECT_AMP_OPS_SLICE_TD

include "ampc/Dialect/Amp/AmpDialect.td"

def Amp_ConcatOp : Amp_Op<"concat", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Computes<"Promote">, LinearInAll, AnyOrderAlongAxis, Uses<["Moved"]>, TakesStoredTypes,
    DeclareOpInterfaceMethods<JoinOpInterface>, Recovery,
    Onnx<[OnnxOperator<"Concat">, OnnxOperator<"RotaryEmbedding", 23>,
          OnnxOperator<"RotaryEmbedding", 1, 1, "com.microsoft">]>]> {
  let summary = "Tensors one behind the other along an axis";
  let description = [{
    RotaryEmbedding puts the halves that it has rotated together again.

    Constraints:
    - (concat_c1) element types, ranks, and all extents but that of `axis` are equal.
  }];
  let arguments = (ins Variadic<Amp_Tensor>:$inputs, I64Attr:$axis);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = [{
    $inputs `along` $axis attr-dict `:` functional-type($inputs, $result)
  }];
  let hasCanonicalizer = 1;
  let hasFolder = 1;
}

def Amp_SliceOp : Amp_Op<"slice", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Computes<"Follow">, LinearInAll, AnyOrderOfSteps, Uses<["Moved"]>, TakesStoredTypes,
    Onnx<[OnnxOperator<"Slice">, OnnxOperator<"Split">]>]> {
  let summary = "Elements at regular places";
  let description = [{
    `result[i] = input[starts + i * steps]` for i in [0, sizes), with one number for each
    dimension; steps may be negative, but not 0.

    Constraints:
    - (slice_c1) all places lie within the input.
  }];
  let arguments = (ins Amp_Tensor:$input, DenseI64ArrayAttr:$starts,
                   DenseI64ArrayAttr:$sizes, DenseI64ArrayAttr:$steps);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = [{
    $input `from` $starts `size` $sizes `step` $steps attr-dict
    `:` functional-type($input, $result)
  }];
  let hasFolder = 1;
}

def Amp_PadOp : Amp_Op<"pad", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Computes<"Follow">, LinearByOp, AnyOrderOfSteps, Uses<["Moved"]>,
    Onnx<[OnnxOperator<"Pad">, OnnxOperator<"CenterCropPad", 18>]>]> {
  let summary = "Spreads elements over a larger tensor: the adjoint of amp.slice";
  let description = [{
    `result[starts + i * steps] = input[i]`, and `value` elsewhere; the result has the
    extents `sizes`.

    Constraints:
    - (pad_c1) all places lie within the result.
  }];
  let arguments = (ins Amp_Tensor:$input, DenseI64ArrayAttr:$starts,
                   DenseI64ArrayAttr:$sizes, DenseI64ArrayAttr:$steps,
                   DefaultValuedAttr<F64Attr, "0.0">:$value);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = [{
    $input `at` $starts `in` $sizes `step` $steps attr-dict
    `:` functional-type($input, $result)
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_SLICE_TD
