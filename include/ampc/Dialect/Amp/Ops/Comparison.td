//===- Comparison.td - Comparisons, logic and selection -- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_COMPARISON_TD
#define AMPC_DIALECT_AMP_OPS_COMPARISON_TD

include "ampc/Dialect/Amp/Ops/Pointwise.td"

class Amp_CompareOp<string mnemonic, list<Trait> traits, Type type = Amp_Tensor>
    : Amp_Op<mnemonic, traits # [Pure, InferTypeOpAdaptor, Kernel, AnyOrder]> {
  let description = [{
    Operands of one element type broadcast to a common shape, as numpy's do. Comparisons
    with NaN are false.
  }];
  let arguments = (ins type:$lhs, type:$rhs);
  let results = (outs Amp_BoolTensor:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs attr-dict `:` functional-type(operands, results)
  }];
  let hasFolder = 1;
}

def Amp_EqualOp : Amp_CompareOp<"equal", [Onnx<[OnnxOperator<"Equal">]>,
                                          Computes<"Promote">, Commutative]> {
  let summary = "lhs == rhs";
}
def Amp_LessOp : Amp_CompareOp<"less", [Onnx<[OnnxOperator<"Less">]>,
                                        Computes<"Promote">]> {
  let summary = "lhs < rhs";
}
def Amp_LessOrEqualOp : Amp_CompareOp<"less_or_equal", [
    Onnx<[OnnxOperator<"LessOrEqual", 12>]>, Computes<"Promote">]> {
  let summary = "lhs <= rhs";
}
def Amp_GreaterOp : Amp_CompareOp<"greater", [Onnx<[OnnxOperator<"Greater">, OnnxEstimator<"Binarizer">]>,
                                              Computes<"Promote">]> {
  let summary = "lhs > rhs";
}
def Amp_GreaterOrEqualOp : Amp_CompareOp<"greater_or_equal", [
    Onnx<[OnnxOperator<"GreaterOrEqual", 12>]>, Computes<"Promote">]> {
  let summary = "lhs >= rhs";
}

def Amp_AndOp : Amp_CompareOp<"and", [Onnx<[OnnxOperator<"And">]>, Commutative],
                              Amp_BoolTensor> {
  let summary = "Whether both are true";
}
def Amp_OrOp : Amp_CompareOp<"or", [Onnx<[OnnxOperator<"Or">]>, Commutative],
                             Amp_BoolTensor> {
  let summary = "Whether either is true";
}
def Amp_XorOp : Amp_CompareOp<"xor", [Onnx<[OnnxOperator<"Xor">]>, Commutative],
                              Amp_BoolTensor> {
  let summary = "Whether exactly one is true";
}
def Amp_NotOp : Amp_UnaryOp<"not", [OnnxSimple<[OnnxOperator<"Not">]>], Amp_BoolTensor> {
  let summary = "Whether input is false";
  let hasFolder = 1;
}

class Amp_TestOp<string mnemonic, list<Trait> traits>
    : Amp_Op<mnemonic, traits # [Pure, InferTypeOpAdaptor, Kernel, AnyOrder, Computes<"Follow">]> {
  let arguments = (ins Amp_FloatTensor:$input);
  let results = (outs Amp_BoolTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}

def Amp_IsNaNOp : Amp_TestOp<"is_nan", [OnnxSimple<[OnnxOperator<"IsNaN", 9>]>]> {
  let summary = "Whether input is not a number";
}
def Amp_IsInfOp : Amp_TestOp<"is_inf", [Onnx<[OnnxOperator<"IsInf", 10>]>]> {
  let summary = "Whether input is infinite, of the signs asked for";
  let arguments = (ins Amp_FloatTensor:$input, UnitAttr:$negative, UnitAttr:$positive);
}

def Amp_WhereOp : Amp_Op<"where", [Pure, InferTypeOpAdaptor, PartialGradient, Kernel,
    Computes<"Promote">, LinearInAll, AnyOrder, Uses<["Other", "Elementwise"]>, TakesStoredTypes,
    Onnx<[OnnxOperator<"Where", 9>, OnnxOperator<"If">, OnnxOperator<"Trilu", 14>,
          OnnxOperator<"OneHot", 9>]>]> {
  let summary = "condition ? lhs : rhs";
  let description = [{
    The three broadcast to a common shape, as numpy's do. ONNX's choice between two graphs, `If`,
    imports as the nodes of the graph that is taken where its condition is known by then, else as
    both and a choice between what they give.
    `Trilu` and `OneHot` choose by places.
  }];
  let arguments = (ins Amp_BoolTensor:$condition, Amp_Tensor:$lhs, Amp_Tensor:$rhs);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = [{
    $condition `,` $lhs `,` $rhs attr-dict `:` functional-type(operands, results)
  }];
  let hasFolder = 1;
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned index) {
      return index == 0 ? ::ampc::OperandPrecision::Given
                        : ::ampc::OperandPrecision::Computed;
    }
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_COMPARISON_TD
