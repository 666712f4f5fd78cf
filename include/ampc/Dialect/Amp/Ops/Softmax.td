//===- Softmax.td - Softmax, its logarithm and limit ----- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_SOFTMAX_TD
#define AMPC_DIALECT_AMP_OPS_SOFTMAX_TD

include "ampc/Dialect/Amp/AmpDialect.td"

class Amp_SoftmaxLikeOp<string mnemonic, list<Trait> traits>
    : Amp_Op<mnemonic, traits # [Pure, SameOperandsAndResultType, Kernel, AnyOrderAlongAxis]> {
  let arguments = (ins Amp_FloatTensor:$input, I64Attr:$axis);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = "$input `along` $axis attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Amp_SoftmaxOp : Amp_SoftmaxLikeOp<"softmax", [
    Onnx<[OnnxOperator<"Softmax">, OnnxOperator<"BiasSoftmax", 1, 1, "com.microsoft">]>,
    Absorbs, Gradient, Recovery, GivesProbabilities, Computes<"Promote", "Deny">]> {
  let summary = "e ^ input, divided by its sum along an axis";
  let description = [{
    The maximum is subtracted first and the sum is f32, so no f16 input overflows.
  }];
}

def Amp_LogSoftmaxOp : Amp_SoftmaxLikeOp<"log_softmax", [
    Onnx<[OnnxOperator<"LogSoftmax">]>, Gradient, Recovery, Computes<"Deny">]> {
  let summary = "Logarithm of the softmax along an axis";
}

// Narrowing makes equal what is not: the input keeps its type.
def Amp_HardmaxOp : Amp_SoftmaxLikeOp<"hardmax", [Onnx<[OnnxOperator<"Hardmax">]>, Absorbs,
                                                  Computes<"Follow">]> {
  let summary = "1 at the first maximum along an axis, 0 elsewhere; a NaN counts as the maximum";
}

#endif // AMPC_DIALECT_AMP_OPS_SOFTMAX_TD
