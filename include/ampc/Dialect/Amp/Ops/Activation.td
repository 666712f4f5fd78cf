//===- Activation.td - Activation functions -------------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_ACTIVATION_TD
#define AMPC_DIALECT_AMP_OPS_ACTIVATION_TD

include "ampc/Dialect/Amp/Ops/Pointwise.td"

def Amp_ReluOp : Amp_UnaryOp<"relu", [OnnxSimple<[OnnxOperator<"Relu">]>, Gradient,
                                      Ranged, Computes<"Follow">], Amp_Tensor> {
  let summary = "max(input, 0); NaN stays NaN, the derivative at 0 is 0";
  let hasFolder = 1;
}

def Amp_LeakyReluOp : Amp_UnaryOp<"leaky_relu", [Onnx<[OnnxOperator<"LeakyRelu">]>,
                                                 Gradient, Computes<"Promote">]> {
  let summary = "input where it is positive, else alpha * input";
  let arguments = (ins Amp_FloatTensor:$input, F32Attr:$alpha);
}

def Amp_EluOp : Amp_UnaryOp<"elu", [
    Onnx<[OnnxOperator<"Elu">, OnnxOperator<"Selu">, OnnxOperator<"Celu", 12>]>, Gradient,
    Computes<"Promote">]> {
  let summary = "gamma * (input where it is positive, else alpha * (e ^ (beta * input) - 1))";
  let description = [{ ONNX's Selu has a gamma, Celu a beta of 1 / alpha. }];
  let arguments = (ins Amp_FloatTensor:$input, F32Attr:$alpha,
                   DefaultValuedAttr<F32Attr, "1.0f">:$gamma,
                   DefaultValuedAttr<F32Attr, "1.0f">:$beta);
}

def Amp_SigmoidOp : Amp_UnaryOp<"sigmoid", [OnnxSimple<[OnnxOperator<"Sigmoid">]>,
                                            Gradient, Absorbs, Recovery, GivesProbabilities,
                                            Computes<"Promote">]> {
  let summary = "1 / (1 + e ^ -input)";
}

def Amp_TanhOp : Amp_UnaryOp<"tanh", [OnnxSimple<[OnnxOperator<"Tanh">]>, Gradient,
                                      Absorbs, Computes<"Promote">]> {
  let summary = "Hyperbolic tangent";
}

def Amp_SoftplusOp : Amp_UnaryOp<"softplus", [OnnxSimple<[OnnxOperator<"Softplus">]>,
                                              Gradient, Computes<"Promote", "Deny">]> {
  let summary = "log(1 + e ^ input)";
}

def Amp_GeluOp : Amp_UnaryOp<"gelu", [Onnx<[OnnxOperator<"Gelu", 20>,
    OnnxOperator<"Gelu", 1, 1, "com.microsoft">, OnnxOperator<"BiasGelu", 1, 1, "com.microsoft">,
    OnnxOperator<"FastGelu", 1, 1, "com.microsoft">,
    OnnxOperator<"QuickGelu", 1, 1, "com.microsoft">]>, Gradient, Recovery,
                                      Computes<"Promote">]> {
  let summary = "input * P(normal variable <= input)";
  let description = [{
    `input / 2 * (1 + erf(input / sqrt(2)))`, or with `tanh` the approximation
    `input / 2 * (1 + tanh(sqrt(2 / pi) * (input + 0.044715 * input ^ 3)))`.
  }];
  let arguments = (ins Amp_FloatTensor:$input, UnitAttr:$tanh);
}

def Amp_ClipOp : Amp_Op<"clip", [Pure, AttrSizedOperandSegments, InferTypeOpAdaptor,
    PartialGradient, Kernel, AnyOrder, Ranged, Computes<"Promote">, Uses<["Elementwise", "Setting"]>,
    Onnx<[OnnxOperator<"Clip">]>]> {
  let summary = "min(max(input, min), max); NaN stays NaN";
  let description = [{
    The bounds have rank 0 and the input's element type; without one, that side is open.
    The gradient passes where min <= input <= max.
  }];
  let arguments = (ins Amp_Tensor:$input, Optional<Amp_Tensor>:$min,
                   Optional<Amp_Tensor>:$max);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = [{
    $input (`min` $min^)? (`max` $max^)? attr-dict `:` functional-type(operands, results)
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_ACTIVATION_TD
