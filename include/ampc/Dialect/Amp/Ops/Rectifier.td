//===- Rectifier.td - Activations with gates and thresholds -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_RECTIFIER_TD
#define AMPC_DIALECT_AMP_OPS_RECTIFIER_TD

include "ampc/Dialect/Amp/Ops/Pointwise.td"

// Derivatives at kinks are PyTorch's.

def Amp_PReluOp : Amp_BinaryOp<"prelu", [Onnx<[OnnxOperator<"PRelu">]>,
                                         Computes<"Promote", "Allow">]> {
  let summary = "lhs where it is positive, else rhs * lhs";
}

def Amp_HardSigmoidOp : Amp_UnaryOp<"hard_sigmoid", [Onnx<[OnnxOperator<"HardSigmoid">]>,
                                                     Gradient, Absorbs, Computes<"Promote">]> {
  let summary = "alpha * input + beta within [0, 1]";
  let arguments = (ins Amp_FloatTensor:$input, F32Attr:$alpha, F32Attr:$beta);
}

def Amp_HardSwishOp : Amp_UnaryOp<"hard_swish", [OnnxSimple<[OnnxOperator<"HardSwish", 14>]>,
                                                 Gradient, Computes<"Promote">]> {
  let summary = "input * (input / 6 + 0.5 within [0, 1])";
}

def Amp_MishOp : Amp_UnaryOp<"mish", [OnnxSimple<[OnnxOperator<"Mish", 18>]>, Gradient,
                                      Computes<"Promote">]> {
  let summary = "input * tanh(log(1 + e ^ input))";
}

def Amp_SwishOp : Amp_UnaryOp<"swish", [Onnx<[OnnxOperator<"Swish", 24>]>, Gradient,
                                        Computes<"Promote">]> {
  let summary = "input / (1 + e ^ (-alpha * input))";
  let arguments = (ins Amp_FloatTensor:$input, F32Attr:$alpha);
}

def Amp_SoftsignOp : Amp_UnaryOp<"softsign", [OnnxSimple<[OnnxOperator<"Softsign">]>,
                                              Gradient, Absorbs, Computes<"Promote">]> {
  let summary = "input / (1 + |input|)";
}

def Amp_ShrinkOp : Amp_UnaryOp<"shrink", [Onnx<[OnnxOperator<"Shrink", 9>]>, Gradient,
                                          Computes<"Promote">]> {
  let summary = "input moved by bias towards 0, and 0 within lambda of it";
  let description = [{
    `input + bias` where input < -lambda, `input - bias` where input > lambda, else 0.
  }];
  let arguments = (ins Amp_FloatTensor:$input, F32Attr:$lambda, F32Attr:$bias);
}

def Amp_ThresholdedReluOp : Amp_UnaryOp<"thresholded_relu", [
    Onnx<[OnnxOperator<"ThresholdedRelu", 10>]>, Gradient, Computes<"Promote">]> {
  let summary = "input where it is above alpha, else 0";
  let arguments = (ins Amp_FloatTensor:$input, F32Attr:$alpha);
}

#endif // AMPC_DIALECT_AMP_OPS_RECTIFIER_TD
