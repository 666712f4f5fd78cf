//===- Pooling.td - Extrema of windows ---------------------*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_POOLING_TD
#define AMPC_DIALECT_AMP_OPS_POOLING_TD

include "ampc/Dialect/Amp/AmpDialect.td"

def Amp_MaxPoolOp : Amp_Op<"max_pool", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Computes<"Follow">, PartialLayout, Onnx<[OnnxOperator<"MaxPool">]>]> {
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

def Amp_MaxPoolGradOp : Amp_Op<"max_pool_grad", [Pure, Kernel, PartialLayout, Computes<"Deny">]> {
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

#endif // AMPC_DIALECT_AMP_OPS_POOLING_TD
