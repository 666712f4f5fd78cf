//===- Iota.td - Numbers counted along a dimension -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_IOTA_TD
#define AMPC_DIALECT_AMP_OPS_IOTA_TD

include "ampc/Dialect/Amp/AmpDialect.td"

def Amp_IotaOp : Amp_Op<"iota", [Pure, Kernel,
    Onnx<[OnnxOperator<"Range", 11>, OnnxOperator<"EyeLike", 9>, OnnxOperator<"ArgMax">,
          OnnxOperator<"ArgMin">, OnnxOperator<"NonZero", 9>, OnnxOperator<"HannWindow", 17>,
          OnnxOperator<"HammingWindow", 17>, OnnxOperator<"BlackmanWindow", 17>,
          OnnxOperator<"MelWeightMatrix", 17>]>]> {
  let summary = "Each element's index along a dimension";
  let description = [{
    ONNX operators about places import as a choice among these: `ArgMax` is the least index
    whose element equals the maximum.

    Constraints:
    - (iota_c1) `axis` is a dimension of the result.
  }];
  let arguments = (ins I64Attr:$axis);
  let results = (outs Amp_I64Tensor:$result);
  let assemblyFormat = "`along` $axis attr-dict `:` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

#endif // AMPC_DIALECT_AMP_OPS_IOTA_TD
