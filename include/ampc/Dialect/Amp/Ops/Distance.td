//===- Distance.td - Distances of rows ---------------------*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_DISTANCE_TD
#define AMPC_DIALECT_AMP_OPS_DISTANCE_TD

include "ampc/Dialect/Amp/AmpDialect.td"
include "mlir/IR/EnumAttr.td"

def Amp_DistanceMetricAttr : I32EnumAttr<"DistanceMetric", "What a distance of two rows is", [
    I32EnumAttrCase<"SquaredEuclidean", 0, "sqeuclidean">,
    I32EnumAttrCase<"Euclidean", 1, "euclidean">]> {
  let cppNamespace = "::ampc";
}

def Amp_CDistOp : Amp_Op<"cdist", [Pure, InferTypeOpAdaptor, Gradient, Kernel, Computes<"Deny">,
    Onnx<[OnnxOperator<"CDist", 1, 1, "com.microsoft">]>]> {
  let summary = "The distance of each row of one matrix from each row of another";
  let description = [{
    `result[i, j] = sum((lhs[i] - rhs[j])^2)`, and the square root of that where the metric is
    `euclidean`. Differences are taken before they are squared, so that rows which are near each
    other do not cancel. Where a euclidean distance is 0 it has the gradient 0, as in PyTorch.

    Constraints:
    - (cdist_c1) both operands have one element type.
    - (cdist_c2) both are matrices with as many columns.

    ```mlir
    %y = amp.cdist euclidean %a, %b : (tensor<3x4xf32>, tensor<2x4xf32>) -> tensor<3x2xf32>
    ```
  }];
  let arguments = (ins Amp_DistanceMetricAttr:$metric, Amp_FloatTensor:$lhs,
                   Amp_FloatTensor:$rhs);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $metric $lhs `,` $rhs attr-dict `:` functional-type(operands, $result)
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_DISTANCE_TD
