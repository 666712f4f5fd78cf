//===- Determinant.td - Determinants of matrices -----------*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_DETERMINANT_TD
#define AMPC_DIALECT_AMP_OPS_DETERMINANT_TD

include "ampc/Dialect/Amp/AmpDialect.td"

def Amp_DetOp : Amp_Op<"det", [Pure, InferTypeOpAdaptor, Gradient, Kernel, Computes<"Deny">,
                               Onnx<[OnnxOperator<"Det", 11>]>]> {
  let summary = "The determinants of the matrices in the last two dimensions";
  let description = [{
    By elimination with the largest element of each column as its pivot. The gradient by an element
    is its cofactor, the determinant of the matrix with that element's row replaced by 0 and itself
    by 1: nothing is divided by the determinant, so that a singular matrix has a gradient too. Of n
    by n elements that takes the elimination of as many matrices, so n is at most 64.

    Constraints:
    - (det_c1) the last two dimensions are equal, and at most 64.
  }];
  let arguments = (ins Amp_FloatTensor:$input);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, $result)";
}

#endif // AMPC_DIALECT_AMP_OPS_DETERMINANT_TD
