//===- Optimizer.td - Optimizer updates ------------------ -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_OPTIMIZER_TD
#define AMPC_DIALECT_AMP_OPS_OPTIMIZER_TD

include "ampc/Dialect/Amp/AmpDialect.td"

/// Operands as OptimizerOpInterface says; states and results have the parameter's type.
class Amp_OptimizerOp<string mnemonic, list<Trait> traits, list<string> overrides = []>
    : Amp_Op<mnemonic, traits # [Pure, Kernel, ReadsGradients,
          DeclareOpInterfaceMethods<OptimizerOpInterface, overrides>]> {
  let assemblyFormat = [{
    $parameter `,` $gradient `rate` $learning_rate `step` $step (`states` $states^)?
    attr-dict `:` functional-type(operands, results)
  }];
}

def Amp_SgdOp : Amp_OptimizerOp<"sgd", [
    Onnx<[OnnxOperator<"Momentum", 1, 1, "ai.onnx.preview.training">]>],
    ["checkSettings"]> {
  let summary = "Stochastic gradient descent with momentum";
  let description = [{
    torch.optim.SGD. With g = gradient + weight_decay * parameter, and with momentum
    b = (first step ? g : momentum * b + (1 - dampening) * g),
    g = (nesterov ? g + momentum * b : b); then parameter -= learning_rate * g.
  }];
  let arguments = (ins Amp_FloatTensor:$parameter, Amp_FloatTensor:$gradient,
                   Amp_F32Scalar:$learning_rate, Amp_I64Scalar:$step,
                   Variadic<Amp_FloatTensor>:$states, F64Attr:$momentum,
                   F64Attr:$dampening, F64Attr:$weight_decay, UnitAttr:$nesterov);
  let results = (outs Variadic<Amp_FloatTensor>:$results);
}

def Amp_AdagradOp : Amp_OptimizerOp<"adagrad", [
    Onnx<[OnnxOperator<"Adagrad", 1, 1, "ai.onnx.preview.training">]>]> {
  let summary = "Adagrad";
  let description = [{
    torch.optim.Adagrad. With g = gradient + weight_decay * parameter,
    s += g * g; parameter -= learning_rate * g / (sqrt(s) + epsilon).
  }];
  let arguments = (ins Amp_FloatTensor:$parameter, Amp_FloatTensor:$gradient,
                   Amp_F32Scalar:$learning_rate, Amp_I64Scalar:$step,
                   Variadic<Amp_FloatTensor>:$states, F64Attr:$weight_decay,
                   F64Attr:$epsilon);
  let results = (outs Variadic<Amp_FloatTensor>:$results);
}

def Amp_AdamOp : Amp_OptimizerOp<"adam", [
    Onnx<[OnnxOperator<"Adam", 1, 1, "ai.onnx.preview.training">]>]> {
  let summary = "Adam and AdamW";
  let description = [{
    torch.optim.Adam, and AdamW with `decoupled`. At applied step t, counted from 1:
    decoupled: parameter *= 1 - learning_rate * weight_decay, else g += weight_decay *
    parameter; m += (1 - beta1) * (g - m); v = beta2 * v + (1 - beta2) * g * g;
    parameter -= learning_rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon).
    The bias corrections are computed in f64, as torch does, and are 1 with `uncorrected`.

    With `folded`, transformers.AdamW: the corrections are part of the rate, so that epsilon is
    added to the root of v as it is, and the decay comes last:
    parameter -= learning_rate * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon);
    parameter -= learning_rate * weight_decay * parameter.
  }];
  let arguments = (ins Amp_FloatTensor:$parameter, Amp_FloatTensor:$gradient,
                   Amp_F32Scalar:$learning_rate, Amp_I64Scalar:$step,
                   Variadic<Amp_FloatTensor>:$states, F64Attr:$beta1, F64Attr:$beta2,
                   F64Attr:$epsilon, F64Attr:$weight_decay, UnitAttr:$decoupled,
                   UnitAttr:$folded, UnitAttr:$uncorrected);
  let results = (outs Variadic<Amp_FloatTensor>:$results);
}

def Amp_RmspropOp : Amp_OptimizerOp<"rmsprop", []> {
  let summary = "RMSprop";
  let description = [{
    torch.optim.RMSprop. With g = gradient + weight_decay * parameter,
    v = alpha * v + (1 - alpha) * g * g; centered: a += (1 - alpha) * (g - a) and v - a * a in
    the place of v below, which rounding does not take below 0 here. Then
    d = g / (sqrt(v) + epsilon); with momentum b = momentum * b + d and b in the place of d;
    parameter -= learning_rate * d. States: v, then b with momentum, then a where centered.
  }];
  let arguments = (ins Amp_FloatTensor:$parameter, Amp_FloatTensor:$gradient,
                   Amp_F32Scalar:$learning_rate, Amp_I64Scalar:$step,
                   Variadic<Amp_FloatTensor>:$states, F64Attr:$alpha, F64Attr:$epsilon,
                   F64Attr:$weight_decay, F64Attr:$momentum, UnitAttr:$centered);
  let results = (outs Variadic<Amp_FloatTensor>:$results);
}

#endif // AMPC_DIALECT_AMP_OPS_OPTIMIZER_TD
