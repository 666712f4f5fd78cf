//===- Binary.td - Arithmetic on two tensors ------------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_BINARY_TD
#define AMPC_DIALECT_AMP_OPS_BINARY_TD

include "ampc/Dialect/Amp/Ops/Pointwise.td"

def Amp_AddOp : Amp_BinaryOp<"add", [Onnx<[OnnxOperator<"Add">, OnnxOperator<"Sum">]>,
                                     Ranged, Computes<"Promote">, Commutative, AddsOperands,
                                     LinearInAll],
                             Amp_Tensor, UsesByOp> {
  let summary = "lhs + rhs";
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def Amp_SubOp : Amp_BinaryOp<"sub", [Onnx<[OnnxOperator<"Sub">]>, Ranged,
                                     Computes<"Promote">, LinearInAll]> {
  let summary = "lhs - rhs";
  let hasFolder = 1;
}

def Amp_MulOp : Amp_BinaryOp<"mul", [Onnx<[OnnxOperator<"Mul">, OnnxEstimator<"Scaler">]>, Ranged,
                                     Computes<"Promote">, Commutative, LinearInFactors]> {
  let summary = "lhs * rhs, element by element";
  let hasFolder = 1;
}

def Amp_DivOp : Amp_BinaryOp<"div", [Onnx<[OnnxOperator<"Div">, OnnxOperator<"Mean">]>,
                                     Ranged, Computes<"Promote">, LinearInFirst],
                             Amp_Tensor, Uses<["Elementwise", "NonZero"]>> {
  let summary = "lhs / rhs; integers truncate";
  let hasFolder = 1;
}

def Amp_PowOp : Amp_BinaryOp<"pow", [Onnx<[OnnxOperator<"Pow">]>,
    Computes<"Deny", "Deny", "Promote">], Amp_FloatTensor, UsesByOp> {
  let summary = "lhs ^ rhs";
  let description = [{
    f16 overflows at a square of 256. The constant exponents -1, -0.5, 0.5, 1, 2 and 3
    become products and roots. The derivative by the exponent is 0 where lhs = 0 and
    rhs >= 0.
  }];
}

def Amp_MaxOp : Amp_BinaryOp<"max", [Onnx<[OnnxOperator<"Max">]>, Ranged, Computes<"Promote">,
                                     Commutative],
                             Amp_Tensor, UsesByOp> {
  let summary = "The larger of two; NaN where either is";
  let description = [{ Equal elements get half of the gradient each. }];
  let hasFolder = 1;
}

def Amp_MinOp : Amp_BinaryOp<"min", [Onnx<[OnnxOperator<"Min">]>, Ranged, Computes<"Promote">,
                                     Commutative],
                             Amp_Tensor, UsesByOp> {
  let summary = "The smaller of two; NaN where either is";
  let description = [{ Equal elements get half of the gradient each. }];
  let hasFolder = 1;
}

#endif // AMPC_DIALECT_AMP_OPS_BINARY_TD
