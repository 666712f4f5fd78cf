//===- Trigonometry.td - Functions of angles and hyperbolas -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_TRIGONOMETRY_TD
#define AMPC_DIALECT_AMP_OPS_TRIGONOMETRY_TD

include "ampc/Dialect/Amp/Ops/Pointwise.td"

// amp.sin, amp.cos and amp.tanh are in the families Unary and Activation.

// They grow fast, or lose digits near 1: f32 with f16.
class Amp_TrigonometricOp<string mnemonic, OnnxOperator operator, string pytorch>
    : Amp_UnaryOp<mnemonic, [OnnxSimple<[operator]>, Gradient, Absorbs,
                             Computes<"Deny", pytorch, "Promote">]>;

def Amp_TanOp : Amp_TrigonometricOp<"tan", OnnxOperator<"Tan", 7>, "Deny"> {
  let summary = "Tangent of an angle in radians";
}
def Amp_AsinOp : Amp_TrigonometricOp<"asin", OnnxOperator<"Asin", 7>, "Deny"> {
  let summary = "Arc sine; NaN outside of [-1, 1]";
}
def Amp_AcosOp : Amp_TrigonometricOp<"acos", OnnxOperator<"Acos", 7>, "Deny"> {
  let summary = "Arc cosine; NaN outside of [-1, 1]";
}
def Amp_AtanOp : Amp_TrigonometricOp<"atan", OnnxOperator<"Atan", 7>, "Promote"> {
  let summary = "Arc tangent";
}
def Amp_SinhOp : Amp_TrigonometricOp<"sinh", OnnxOperator<"Sinh", 9>, "Deny"> {
  let summary = "Hyperbolic sine";
}
def Amp_CoshOp : Amp_TrigonometricOp<"cosh", OnnxOperator<"Cosh", 9>, "Deny"> {
  let summary = "Hyperbolic cosine";
}
def Amp_AsinhOp : Amp_TrigonometricOp<"asinh", OnnxOperator<"Asinh", 9>, "Promote"> {
  let summary = "Inverse of the hyperbolic sine";
}
def Amp_AcoshOp : Amp_TrigonometricOp<"acosh", OnnxOperator<"Acosh", 9>, "Promote"> {
  let summary = "Inverse of the hyperbolic cosine; NaN below 1";
}
def Amp_AtanhOp : Amp_TrigonometricOp<"atanh", OnnxOperator<"Atanh", 9>, "Promote"> {
  let summary = "Inverse of the hyperbolic tangent; NaN outside of [-1, 1]";
}

#endif // AMPC_DIALECT_AMP_OPS_TRIGONOMETRY_TD
