//===- Integer.td - Remainders, shifts and bits -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_INTEGER_TD
#define AMPC_DIALECT_AMP_OPS_INTEGER_TD

include "ampc/Dialect/Amp/Ops/Pointwise.td"

def Amp_ModOp : Amp_BinaryOp<"mod", [Onnx<[OnnxOperator<"Mod", 10>]>, Computes<"Promote">],
                             Amp_Tensor, Uses<["Elementwise", "NonZero"]>> {
  let summary = "The remainder of lhs / rhs";
  let description = [{
    Of the sign of rhs, or with `truncated` of that of lhs, as C's fmod. Integers by 0 give 0.
  }];
  let arguments = (ins Amp_Tensor:$lhs, Amp_Tensor:$rhs, UnitAttr:$truncated);
  let hasFolder = 1;
}

class Amp_BitsOp<string mnemonic, list<Trait> traits>
    : Amp_Op<mnemonic, traits # [Pure, InferTypeOpAdaptor, Kernel]> {
  let description = [{
    Operands of one element type broadcast to a common shape, as numpy's do.
  }];
  let arguments = (ins Amp_IntegerTensor:$lhs, Amp_IntegerTensor:$rhs);
  let results = (outs Amp_IntegerTensor:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs attr-dict `:` functional-type(operands, results)
  }];
}

def Amp_BitwiseAndOp : Amp_BitsOp<"bitwise_and", [Onnx<[OnnxOperator<"BitwiseAnd", 18>]>,
                                                  Commutative]> {
  let summary = "Bits set in both";
}
def Amp_BitwiseOrOp : Amp_BitsOp<"bitwise_or", [Onnx<[OnnxOperator<"BitwiseOr", 18>]>,
                                                Commutative]> {
  let summary = "Bits set in either";
}
def Amp_BitwiseXorOp : Amp_BitsOp<"bitwise_xor", [Onnx<[OnnxOperator<"BitwiseXor", 18>]>,
                                                  Commutative]> {
  let summary = "Bits set in exactly one";
}
def Amp_BitwiseNotOp : Amp_UnaryOp<"bitwise_not", [
    OnnxSimple<[OnnxOperator<"BitwiseNot", 18>]>], Amp_IntegerTensor> {
  let summary = "Bits that input has not set";
}
def Amp_ShiftOp : Amp_BitsOp<"shift", [Onnx<[OnnxOperator<"BitShift", 11>]>]> {
  let summary = "Bits of lhs moved by rhs places, up or with `right` down";
  let description = [{ Zeros come in; by as many places as there are bits, or more, 0 is left. }];
  let arguments = (ins Amp_IntegerTensor:$lhs, Amp_IntegerTensor:$rhs, UnitAttr:$right);
}

def Amp_BitCastOp : Amp_Op<"bit_cast", [Pure, SameOperandsAndResultShape, Kernel,
                                        Onnx<[OnnxOperator<"BitCast", 26>]>]> {
  let summary = "The same bits as another type of as many bits";
  let arguments = (ins Amp_Tensor:$input);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `to` type($result)";
  let hasVerifier = 1;
}

#endif // AMPC_DIALECT_AMP_OPS_INTEGER_TD
