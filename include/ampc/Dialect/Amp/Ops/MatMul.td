//===- MatMul.td - Matrix products ----------------------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_MATMUL_TD
#define AMPC_DIALECT_AMP_OPS_MATMUL_TD

include "ampc/Dialect/Amp/AmpDialect.td"
include "ampc/Dialect/Amp/Product.td"

def Amp_MatMulOp : Amp_Op<"matmul", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Ranged, Recovery, Computes<"Allow">, LinearInFactors, Uses<["Weight"]>,
    DeclareOpInterfaceMethods<MergeOpInterface>, DeclareOpInterfaceMethods<ProductOpInterface>,
    Onnx<[OnnxOperator<"MatMul">, OnnxOperator<"Gemm">, OnnxOperator<"Einsum", 12>,
          OnnxOperator<"DeformConv", 19>,
          OnnxOperator<"FusedMatMul", 1, 1, "com.microsoft">, OnnxOperator<"Attention", 23>,
          OnnxOperator<"FlexAttention", 1, 1, "ai.onnx.preview">,
          OnnxOperator<"Attention", 1, 1, "com.microsoft">,
          OnnxOperator<"MultiHeadAttention", 1, 1, "com.microsoft">,
          OnnxEstimator<"LinearClassifier", "coefficients,intercepts">,
          OnnxEstimator<"LinearRegressor", "coefficients,intercepts">]>]> {
  let summary = "Matrix product, accumulated in f32";
  let description = [{
    `result = alpha * op(lhs) * op(rhs) + bias`, where op transposes the last two
    dimensions of an operand that says `transpose_`. The leading dimensions are batches
    and broadcast, as numpy's do; `bias` has rank 1 and is added to each row.

    Products are summed in f32 (f64 for f64) and rounded once, after the bias. A `wide`
    product is not rounded: its result has the accumulator's type.

    Attention imports as two products with a softmax between them.

    Constraints:
    - (matmul_c1) all operands have one element type; `bias` that of the result.
    - (matmul_c2) `lhs` and `rhs` have rank 2 or more.
    - (matmul_c3) the inner dimensions are equal.
    - (matmul_c4) the batch dimensions broadcast.
    - (matmul_c5) `bias` has as many elements as the result has columns.

    ```mlir
    %y = amp.matmul %x, %w bias %b {transpose_rhs}
       : (tensor<8x16xf16>, tensor<4x16xf16>, tensor<4xf16>) -> tensor<8x4xf16>
    ```
  }];
  let arguments = (ins Amp_FloatTensor:$lhs, Amp_FloatTensor:$rhs,
                   Optional<Amp_FloatTensor>:$bias, UnitAttr:$transpose_lhs,
                   UnitAttr:$transpose_rhs,
                   DefaultValuedAttr<F64Attr, "1.0">:$alpha, UnitAttr:$wide);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasCanonicalizer = 1;
  let extraClassDeclaration = [{ bool takesBias() { return true; } }];
}

#endif // AMPC_DIALECT_AMP_OPS_MATMUL_TD
