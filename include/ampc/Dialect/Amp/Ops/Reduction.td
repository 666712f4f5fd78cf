//===- Reduction.td - Sums, means and extrema along axes - -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_REDUCTION_TD
#define AMPC_DIALECT_AMP_OPS_REDUCTION_TD

include "ampc/Dialect/Amp/AmpDialect.td"
include "ampc/Dialect/Amp/BatchReduction.td"

def Amp_ReducesBatch : TraitList<[DeclareOpInterfaceMethods<BatchReductionOpInterface>]>;

class Amp_ReduceOp<string mnemonic, list<Trait> traits, Type type = Amp_FloatTensor>
    : Amp_Op<mnemonic, traits # [Pure, InferTypeOpAdaptor, Gradient, Kernel, AnyOrderAlongAxes]> {
  let description = [{
    Reduces along `axes`, which are sorted, without repetition and in [0, rank). With
    `keepdims` they stay, as 1. Accumulates in f32 for f16 and bf16.
  }];
  let arguments = (ins type:$input, DenseI64ArrayAttr:$axes, UnitAttr:$keepdims);
  let results = (outs type:$result);
  let assemblyFormat = "$input $axes attr-dict `:` functional-type($input, $result)";
}

def Amp_ReduceSumOp : Amp_ReduceOp<"reduce_sum", [Onnx<[OnnxOperator<"ReduceSum">]>,
    Computes<"Deny", "Deny", "Promote">, LinearInAll, Amp_ReducesBatch], Amp_Tensor> {
  let summary = "Sum; 0 over no elements";
  let description = [{ With `wide` the result has the accumulator's type. }];
  let arguments = (ins Amp_Tensor:$input, DenseI64ArrayAttr:$axes, UnitAttr:$keepdims,
                   UnitAttr:$wide);
  let hasFolder = 1;
}

def Amp_ReduceMeanOp : Amp_ReduceOp<"reduce_mean", [Onnx<[OnnxOperator<"ReduceMean">]>,
                                                    Computes<"Promote">, LinearInAll,
                                                    Amp_ReducesBatch],
                                    Amp_Tensor> {
  let summary = "Mean";
}

def Amp_ReduceMaxOp : Amp_ReduceOp<"reduce_max", [Onnx<[OnnxOperator<"ReduceMax">]>,
                                                  Computes<"Follow">], Amp_Tensor> {
  let summary = "Maximum; NaN where an element is";
  let description = [{ Equal maxima share the gradient, as in torch.amax. }];
}

def Amp_ReduceMinOp : Amp_ReduceOp<"reduce_min", [Onnx<[OnnxOperator<"ReduceMin">]>,
                                                  Computes<"Follow">], Amp_Tensor> {
  let summary = "Minimum; NaN where an element is";
  let description = [{ Equal minima share the gradient, as in torch.amin. }];
}

def Amp_ReduceProdOp : Amp_ReduceOp<"reduce_prod", [Onnx<[OnnxOperator<"ReduceProd">]>,
    Computes<"Deny", "Deny", "Promote">], Amp_Tensor> {
  let summary = "Product; 1 over no elements";
  let hasFolder = 1;
}

def Amp_ReduceL1Op : Amp_ReduceOp<"reduce_l1", [Onnx<[OnnxOperator<"ReduceL1">]>,
    Computes<"Deny", "Deny", "Promote">, Amp_ReducesBatch], Amp_Tensor> {
  let summary = "Sum of absolute values";
}

def Amp_ReduceL2Op : Amp_ReduceOp<"reduce_l2", [Onnx<[OnnxOperator<"ReduceL2">]>,
    Computes<"Deny", "Deny", "Promote">]> {
  let summary = "Square root of the sum of squares; its derivative at 0 is 0";
}

def Amp_ReduceSumSquareOp : Amp_ReduceOp<"reduce_sum_square", [
    Onnx<[OnnxOperator<"ReduceSumSquare">]>, Computes<"Deny", "Deny", "Promote">,
    Amp_ReducesBatch],
    Amp_Tensor> {
  let summary = "Sum of squares";
}

def Amp_ReduceLogSumOp : Amp_ReduceOp<"reduce_log_sum", [
    Onnx<[OnnxOperator<"ReduceLogSum">]>, Computes<"Deny", "Deny", "Promote">]> {
  let summary = "Logarithm of the sum";
}

def Amp_ReduceLogSumExpOp : Amp_ReduceOp<"reduce_log_sum_exp", [
    Onnx<[OnnxOperator<"ReduceLogSumExp">]>, Computes<"Deny", "Deny", "Promote">]> {
  let summary = "Logarithm of the sum of exponentials, without overflow";
}

def Amp_CumSumOp : Amp_Op<"cum_sum", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Computes<"Deny", "Deny", "Promote">, AnyOrderAlongAxis, Onnx<[OnnxOperator<"CumSum", 11>]>]> {
  let summary = "Running sums along an axis";
  let description = [{
    Each element is the sum of those of its line up to its own place; of those before it, if
    `exclusive`; from the end, if `reverse`. Accumulates in f32 for f16 and bf16.

    Constraints:
    - (cum_sum_c1) `axis` is a dimension of `input`.
  }];
  let arguments = (ins Amp_Tensor:$input, I64Attr:$axis, UnitAttr:$exclusive,
                   UnitAttr:$reverse);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = [{
    $input `along` $axis attr-dict `:` functional-type($input, $result)
  }];
}

def Amp_CumProdOp : Amp_Op<"cum_prod", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Computes<"Deny", "Deny", "Promote">, Onnx<[OnnxOperator<"CumProd", 26>]>]> {
  let summary = "Running products along an axis";
  let description = [{ As amp.cum_sum, with products. }];
  let arguments = (ins Amp_Tensor:$input, I64Attr:$axis, UnitAttr:$exclusive,
                   UnitAttr:$reverse);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = [{
    $input `along` $axis attr-dict `:` functional-type($input, $result)
  }];
}

def Amp_CumProdGradOp : Amp_Op<"cum_prod_grad", [Pure, InferTypeOpAdaptor, Kernel,
    Computes<"Deny", "Deny", "Promote">]> {
  let summary = "Gradient of amp.cum_prod";
  let description = [{
    Of element i of a line, `before[i]`, the product of the elements before it, times the sum
    over all results j that it is a factor of, of gradient[j] and the elements between i and j.
    No division, so that zeros need no rule; the work grows with the square of the line.
  }];
  let arguments = (ins Amp_FloatTensor:$input, Amp_FloatTensor:$before,
                   Amp_FloatTensor:$gradient, I64Attr:$axis, UnitAttr:$exclusive,
                   UnitAttr:$reverse);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $gradient `of` $input `before` $before `along` $axis attr-dict
    `:` functional-type(operands, $result)
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_REDUCTION_TD
