//===- Convolution.td - Convolutions --------------------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_CONVOLUTION_TD
#define AMPC_DIALECT_AMP_OPS_CONVOLUTION_TD

include "ampc/Dialect/Amp/AmpDialect.td"
include "ampc/Dialect/Amp/Product.td"

def Amp_ConvOp : Amp_Op<"conv", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Ranged, Computes<"Allow">, LinearInFactors, PartialLayout, Uses<["Other", "Weight"]>,
    DeclareOpInterfaceMethods<ProductOpInterface>,
    Onnx<[OnnxOperator<"Conv">, OnnxOperator<"CausalConvWithState", 27>,
          OnnxOperator<"FusedConv", 1, 1, "com.microsoft">,
          OnnxOperator<"NhwcConv", 1, 1, "com.microsoft">]>]> {
  let summary = "Two-dimensional convolution, accumulated in f32";
  let description = [{
    `result[n, k, p, q] = bias[k] + sum over c, r, s of
    input[n, c, p * stride + r * dilation - pad, ..] * filter[k, c, r, s]`: what ONNX and
    the frameworks call a convolution, with zeros outside of the input. With `groups`,
    the channels of input and result fall into so many parts of equal size, and each part
    of the result sees its own part of the input.

    `pads` are those before the first row and column, then those behind the last;
    `strides` and `dilations` are those of rows and columns. A convolution along one
    dimension is one whose images have one row; of one along three, the planes that a filter
    spans are further channels of an image (amp.resample puts them side by side).

    With `channels_last` images lie as [n, h, w, c] and [n, p, q, k]; a filter stays.
    `plan-choose-layouts` writes it, after gradients are taken.

    Constraints:
    - (conv_c1) `input` [n, c, h, w], `filter` [k, c / groups, r, s] and `bias` [k] have one
      element type.
    - (conv_c2) `groups` divides c and k.
    - (conv_c3) strides and dilations are positive, pads not negative.
    - (conv_c4) the filter is no larger than the input with its pads.

    ```mlir
    %y = amp.conv %x, %w bias %b strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1
       : (tensor<8x3x28x28xf16>, tensor<16x3x3x3xf16>, tensor<16xf16>)
       -> tensor<8x16x28x28xf16>
    ```
  }];
  let arguments = (ins Amp_FloatTensor:$input, Amp_FloatTensor:$filter,
                   Optional<Amp_FloatTensor>:$bias, DenseI64ArrayAttr:$strides,
                   DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, I64Attr:$groups,
                   UnitAttr:$channels_last);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $filter (`bias` $bias^)? `strides` $strides `pads` $pads
    `dilations` $dilations `groups` $groups attr-dict
    `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{ bool takesBias() { return true; } }];
}

def Amp_ConvTransposeOp : Amp_Op<"conv_transpose", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Ranged, Computes<"Allow">, LinearInFactors, PartialLayout, Uses<["Other", "Weight"]>,
    DeclareOpInterfaceMethods<ProductOpInterface>,
    Onnx<[OnnxOperator<"ConvTranspose">]>]> {
  let summary = "The adjoint of a convolution, accumulated in f32";
  let description = [{
    What amp.conv_input_grad computes, as an op of the forward graph: a result of `sizes` rows and
    columns, whose convolution with `filter` [k, c / groups, r, s] has the shape of `input`
    [n, k, p, q]; `bias` [c] is added. Of one along three dimensions, the planes that reach a plane
    of the result are further channels of an image. `channels_last` is as amp.conv has it.

    Constraints:
    - (conv_transpose_c1) a convolution of the result [n, c, ..sizes] is as amp.conv has it, and
      gives the shape of `input`.
    - (conv_transpose_c2) `input`, `filter` and `bias` have one element type.
  }];
  let arguments = (ins Amp_FloatTensor:$input, Amp_FloatTensor:$filter,
                   Optional<Amp_FloatTensor>:$bias, DenseI64ArrayAttr:$sizes, DenseI64ArrayAttr:$strides,
                   DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, I64Attr:$groups,
                   UnitAttr:$channels_last);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $filter (`bias` $bias^)? `size` $sizes `strides` $strides `pads` $pads
    `dilations` $dilations `groups` $groups attr-dict
    `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{ bool takesBias() { return true; } }];
}

class Amp_ConvGradientOp<string mnemonic, string operand>
    : Amp_Op<mnemonic, [Pure, Kernel, PartialLayout, Computes<"Allow">]> {
  let description = [{
    The result has the shape of what it is the gradient of, and a type of its own: sums are
    rounded to it once. `channels_last` is that of the convolution.
  }];
  let arguments = !con((ins Amp_FloatTensor:$gradient),
                       !dag(ins, [Amp_FloatTensor], [operand]),
                       (ins DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads,
                        DenseI64ArrayAttr:$dilations, I64Attr:$groups,
                        UnitAttr:$channels_last));
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = "$gradient `,` $" # operand # [{
    `strides` $strides `pads` $pads `dilations` $dilations `groups` $groups attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Amp_ConvInputGradOp : Amp_ConvGradientOp<"conv_input_grad", "filter"> {
  let summary = "Gradient of amp.conv by its input";
}

def Amp_ConvFilterGradOp : Amp_ConvGradientOp<"conv_filter_grad", "input"> {
  let summary = "Gradient of amp.conv by its filter";
}

#endif // AMPC_DIALECT_AMP_OPS_CONVOLUTION_TD
