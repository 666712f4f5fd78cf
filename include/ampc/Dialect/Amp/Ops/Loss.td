//===- Loss.td - Losses over class labels ---------------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_LOSS_TD
#define AMPC_DIALECT_AMP_OPS_LOSS_TD

include "ampc/Dialect/Amp/AmpDialect.td"
include "ampc/Dialect/Amp/BatchReduction.td"
include "mlir/IR/EnumAttr.td"

def Amp_LossReductionAttr : I32EnumAttr<"LossReduction", "What becomes of the losses of the samples", [
    I32EnumAttrCase<"None", 0, "none">,
    I32EnumAttrCase<"Sum", 1, "sum">,
    I32EnumAttrCase<"Mean", 2, "mean">]> {
  let cppNamespace = "::ampc";
}

def Amp_LabelTensor : StaticShapeTensorOf<[I32, I64]>;

class Amp_LossOp<string mnemonic, list<Trait> traits>
    : Amp_Op<mnemonic, traits # [Pure, InferTypeOpAdaptor, PartialGradient, Kernel,
          Computes<"Deny">, DeclareOpInterfaceMethods<BatchCheckOpInterface>,
          DeclareOpInterfaceMethods<BatchReductionOpInterface>]> {
  let arguments = (ins Amp_FloatTensor:$input, Amp_LabelTensor:$labels,
                   Optional<Amp_FloatTensor>:$weights, Amp_LossReductionAttr:$reduction,
                   OptionalAttr<I64Attr>:$ignore_index);
  let results = (outs Amp_FloatTensor:$loss);
  let assemblyFormat = [{
    $reduction $input `,` $labels (`weights` $weights^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned index) {
      return index == 1 ? ::ampc::OperandPrecision::Given
                        : ::ampc::OperandPrecision::Computed;
    }
  }];
}

def Amp_SoftmaxCrossEntropyOp : Amp_LossOp<"softmax_cross_entropy", [
    Recovery, Onnx<[OnnxOperator<"SoftmaxCrossEntropyLoss", 12>]>]> {
  let summary = "Cross entropy of labels with the softmax of logits";
  let description = [{
    For logits [N, C, d...] and labels [N, d...], each sample has the loss
    `-weights[label] * log_softmax(input)[label]`, 0 where the label is `ignore_index`.
    `mean` divides the sum by the sum of the weights of the labels that are not ignored
    (1 each without `weights`), which is 0 / 0 where all are.

    A label outside of [0, C) that is not ignored has loss 0 and fails the batch check.
  }];
}

def Amp_NllLossOp : Amp_LossOp<"nll_loss", [
    Onnx<[OnnxOperator<"NegativeLogLikelihoodLoss", 12>]>]> {
  let summary = "Negative log likelihood of labels";
  let description = [{
    As amp.softmax_cross_entropy, of log probabilities: the loss of a sample is
    `-weights[label] * input[label]`.
  }];
}

def Amp_SoftmaxCrossEntropyGradOp : Amp_Op<"softmax_cross_entropy_grad", [Pure,
    InferTypeOpAdaptor, Kernel, Computes<"Deny">]> {
  let summary = "Gradient of amp.softmax_cross_entropy by its logits";
  let description = [{
    `coefficient * (softmax(input) - (class == label))`, where the coefficient of a sample
    is its weight times the loss's gradient, divided as `mean` divides. The softmax is
    computed again from the same row statistics as the loss.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, Amp_FloatTensor:$input,
                   Amp_LabelTensor:$labels, Optional<Amp_FloatTensor>:$weights,
                   Amp_LossReductionAttr:$reduction, OptionalAttr<I64Attr>:$ignore_index);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $reduction $gradient `,` $input `,` $labels (`weights` $weights^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned index) {
      return index == 2 ? ::ampc::OperandPrecision::Given
                        : ::ampc::OperandPrecision::Computed;
    }
  }];
}

def Amp_NllLossGradOp : Amp_Op<"nll_loss_grad", [Pure, Kernel, Computes<"Deny">]> {
  let summary = "Gradient of amp.nll_loss by its log probabilities";
  let description = [{ `-coefficient * (class == label)`. }];
  let arguments = (ins Amp_FloatTensor:$gradient, Amp_LabelTensor:$labels,
                   Optional<Amp_FloatTensor>:$weights, Amp_LossReductionAttr:$reduction,
                   OptionalAttr<I64Attr>:$ignore_index);
  let results = (outs Amp_FloatTensor:$result);
  let hasVerifier = 1;
  let assemblyFormat = [{
    $reduction $gradient `,` $labels (`weights` $weights^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned index) {
      return index == 1 ? ::ampc::OperandPrecision::Given
                        : ::ampc::OperandPrecision::Computed;
    }
  }];
}

def Amp_BinaryCrossEntropyOp : Amp_Op<"binary_cross_entropy", [Pure, AllTypesMatch<["input", "target", "result"]>,
    PartialGradient, Kernel, Computes<"Deny">]> {
  let summary = "Cross entropy of targets with probabilities, for each element";
  let description = [{
    `-(target * log(input) + (1 - target) * log(1 - input))`, each logarithm at least -100. The
    gradient by the input is `(input - target) / max(input * (1 - input), 1e-12)`: both as PyTorch
    has them, so that an input of 0 or 1 is told the way back.
  }];
  let arguments = (ins Amp_FloatTensor:$input, Amp_FloatTensor:$target);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = "$input `,` $target attr-dict `:` type($input)";
}

#endif // AMPC_DIALECT_AMP_OPS_LOSS_TD
