//===- Unary.td - Functions of one number ---------------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_UNARY_TD
#define AMPC_DIALECT_AMP_OPS_UNARY_TD

include "ampc/Dialect/Amp/Ops/Pointwise.td"

def Amp_NegOp : Amp_UnaryOp<"neg", [OnnxSimple<[OnnxOperator<"Neg">]>, Gradient,
                                    Ranged, Computes<"Follow">, LinearInAll], Amp_Tensor> {
  let summary = "-input";
  let hasFolder = 1;
}

def Amp_AbsOp : Amp_UnaryOp<"abs", [OnnxSimple<[OnnxOperator<"Abs">]>, Gradient,
                                    Ranged, Computes<"Follow">], Amp_Tensor> {
  let summary = "Absolute value; its derivative at 0 is 0";
}

def Amp_SignOp : Amp_UnaryOp<"sign", [OnnxSimple<[OnnxOperator<"Sign", 9>]>,
                                      PartialGradient, Absorbs, Computes<"Follow">], Amp_Tensor> {
  let summary = "-1, 0 or 1; NaN stays NaN";
}

def Amp_FloorOp : Amp_UnaryOp<"floor", [OnnxSimple<[OnnxOperator<"Floor">]>,
                                        PartialGradient, Computes<"Follow">]> {
  let summary = "The largest integer not above input";
  let hasFolder = 1;
}

def Amp_CeilOp : Amp_UnaryOp<"ceil", [OnnxSimple<[OnnxOperator<"Ceil">]>,
                                      PartialGradient, Computes<"Follow">]> {
  let summary = "The smallest integer not below input";
  let hasFolder = 1;
}

def Amp_RoundOp : Amp_UnaryOp<"round", [OnnxSimple<[OnnxOperator<"Round", 11>]>,
                                        PartialGradient, Computes<"Follow">]> {
  let summary = "The nearest integer, ties to even";
  let hasFolder = 1;
}

def Amp_ExpOp : Amp_UnaryOp<"exp", [OnnxSimple<[OnnxOperator<"Exp">]>, Gradient,
                                    Absorbs, Computes<"Deny", "Deny", "Promote">]> {
  let summary = "e ^ input";
  let description = [{ f16 overflows from 11.09 on. }];
}

def Amp_LogOp : Amp_UnaryOp<"log", [OnnxSimple<[OnnxOperator<"Log">]>, Gradient,
                                    Absorbs, Computes<"Deny", "Deny", "Promote">],
                            Amp_FloatTensor, "NonZero"> {
  let summary = "Natural logarithm";
}

def Amp_SqrtOp : Amp_UnaryOp<"sqrt", [OnnxSimple<[OnnxOperator<"Sqrt">]>, Gradient,
                                      Ranged, Computes<"Promote">], Amp_FloatTensor, "NonZero"> {
  let summary = "Square root";
}

def Amp_ReciprocalOp : Amp_UnaryOp<"reciprocal", [
    OnnxSimple<[OnnxOperator<"Reciprocal">]>, Gradient,
    Ranged, Computes<"Deny", "Deny", "Promote">], Amp_FloatTensor, "NonZero"> {
  let summary = "1 / input";
  let description = [{ f16 overflows below 1.53e-5. }];
}

def Amp_ErfOp : Amp_UnaryOp<"erf", [OnnxSimple<[OnnxOperator<"Erf", 9>]>, Gradient,
                                    Absorbs, Computes<"Promote">]> {
  let summary = "The error function";
}

def Amp_SinOp : Amp_UnaryOp<"sin", [OnnxSimple<[OnnxOperator<"Sin", 7>]>, Gradient,
                                    Absorbs, Computes<"Deny", "Promote", "Deny">]> {
  let summary = "Sine of an angle in radians";
  let description = [{
    Positional angles exceed the integers that are exact in f16 (2048) and bf16 (256).
  }];
}

def Amp_CosOp : Amp_UnaryOp<"cos", [OnnxSimple<[OnnxOperator<"Cos", 7>]>, Gradient,
                                    Absorbs, Computes<"Deny", "Promote", "Deny">]> {
  let summary = "Cosine of an angle in radians";
}

#endif // AMPC_DIALECT_AMP_OPS_UNARY_TD
