//===- Pooling.td - Extrema, means and norms of windows ----*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_POOLING_TD
#define AMPC_DIALECT_AMP_OPS_POOLING_TD

include "ampc/Dialect/Amp/AmpDialect.td"

def Amp_MaxPoolOp : Amp_Op<"max_pool", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Computes<"Follow">, PartialLayout,
    Onnx<[OnnxOperator<"MaxPool">, OnnxOperator<"GlobalMaxPool">]>]> {
  let summary = "The largest element of each window";
  let description = [{
    Windows of `taps` move over the dimensions behind the first two, of which there are
    `points` with `strides` in between; taps are `dilations` apart, and the first one of the
    first window lies `pads` before the input. `values` has the largest element of each window
    and `indices` its place in the row-major input: of equal ones the first, of NaN the first
    NaN. A window without elements has the lowest value, and index -1.

    With `channels_last` dimension 1 lies last in all tensors. Indices stay those of the file's
    order, so that a model that hands them out gives the same ones.

    Constraints:
    - (max_pool_c1) each list has a number for each dimension behind the first two, of which
      there is one at least.
    - (max_pool_c2) taps, strides and dilations are at least 1, pads and points at least 0.
  }];
  let arguments = (ins Amp_Tensor:$input, DenseI64ArrayAttr:$points, DenseI64ArrayAttr:$taps,
                   DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                   DenseI64ArrayAttr:$pads, UnitAttr:$channels_last);
  let results = (outs Amp_Tensor:$values, StaticShapeTensorOf<[I64]>:$indices);
  let assemblyFormat = [{
    $input `points` $points `taps` $taps `strides` $strides `dilations` $dilations
    `pads` $pads attr-dict `:` functional-type($input, results)
  }];
}

def Amp_MaxPoolGradOp : Amp_Op<"max_pool_grad", [Pure, Kernel, PartialLayout, Computes<"Deny">,
    Onnx<[OnnxOperator<"MaxPoolGrad">]>]> {
  let summary = "Gradient of amp.max_pool";
  let description = [{
    Each element of the result sums the gradients of the windows that it is the largest of, in
    their order: the same bits in every run. Summed in f32 for f16 and bf16 and rounded once to
    the result's type, which is one of its own.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, StaticShapeTensorOf<[I64]>:$indices,
                   DenseI64ArrayAttr:$taps, DenseI64ArrayAttr:$strides,
                   DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$pads,
                   UnitAttr:$channels_last);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $gradient `at` $indices `taps` $taps `strides` $strides `dilations` $dilations
    `pads` $pads attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned) {
      return ::ampc::OperandPrecision::Given;
    }
  }];
}

def Amp_AveragePoolOp : Amp_Op<"average_pool", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Computes<"Promote">, LinearInAll,
    Onnx<[OnnxOperator<"AveragePool">, OnnxOperator<"GlobalAveragePool">]>]> {
  let summary = "The mean of each window";
  let description = [{
    Windows are those of amp.max_pool. The sum of a window's elements is divided by their number,
    or, with `counted` = [before, after] for each dimension, by the number of taps that lie on the
    input or on so many places before and after it. Accumulates in f32 for f16 and bf16.

    Constraints:
    - (average_pool_c1) lists are those of amp.max_pool; `counted` is empty or has two numbers for
      each dimension, of which none is negative.
  }];
  let arguments = (ins Amp_FloatTensor:$input, DenseI64ArrayAttr:$points, DenseI64ArrayAttr:$taps,
                   DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                   DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$counted);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $input `points` $points `taps` $taps `strides` $strides `dilations` $dilations
    `pads` $pads `counted` $counted attr-dict `:` functional-type($input, $result)
  }];
}

def Amp_AveragePoolGradOp : Amp_Op<"average_pool_grad", [Pure, Kernel, Computes<"Promote">]> {
  let summary = "Gradient of amp.average_pool";
  let description = [{
    Each element of the result sums the gradients of the windows that hold it, divided as the
    windows were, in their order. Summed in f32 for f16 and bf16 and rounded once to the result's
    type, which is one of its own.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, DenseI64ArrayAttr:$taps,
                   DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                   DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$counted);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $gradient `taps` $taps `strides` $strides `dilations` $dilations `pads` $pads
    `counted` $counted attr-dict `:` functional-type(operands, results)
  }];
}

def Amp_LpPoolOp : Amp_Op<"lp_pool", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Computes<"Deny", "Deny", "Promote">,
    Onnx<[OnnxOperator<"LpPool">, OnnxOperator<"GlobalLpPool">]>]> {
  let summary = "The p-norm of each window; its derivative where the norm is 0 is 0";
  let description = [{
    Windows are those of amp.max_pool: `(sum of |x| ^ p) ^ (1 / p)` over a window's elements.

    Constraints:
    - (lp_pool_c1) lists are those of amp.max_pool; `p` is a positive number.
  }];
  let arguments = (ins Amp_FloatTensor:$input, F64Attr:$p, DenseI64ArrayAttr:$points,
                   DenseI64ArrayAttr:$taps, DenseI64ArrayAttr:$strides,
                   DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$pads);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $input `p` $p `points` $points `taps` $taps `strides` $strides `dilations` $dilations
    `pads` $pads attr-dict `:` functional-type($input, $result)
  }];
}

def Amp_LpPoolGradOp : Amp_Op<"lp_pool_grad", [Pure, Kernel, Computes<"Deny">]> {
  let summary = "Gradient of amp.lp_pool";
  let description = [{
    Each element x of the result sums `g * sign(x) * (|x| / norm) ^ (p - 1)` over the windows that
    hold it, in their order, in f32 for f16 and bf16.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, Amp_FloatTensor:$input, Amp_FloatTensor:$norms,
                   F64Attr:$p, DenseI64ArrayAttr:$taps, DenseI64ArrayAttr:$strides,
                   DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$pads);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $gradient `,` $input `,` $norms `p` $p `taps` $taps `strides` $strides `dilations` $dilations
    `pads` $pads attr-dict `:` functional-type(operands, results)
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_POOLING_TD
