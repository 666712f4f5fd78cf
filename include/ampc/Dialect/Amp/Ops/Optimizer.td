//===- Optimizer.td - Optimizer updates ------------------ -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_OPTIMIZER_TD
#define AMPC_DIALECT_AMP_OPS_OPTIMIZER_TD

include "ampc/Dialect/Amp/AmpDialect.td"

/// Operands as OptimizerOpInterface says; a result has the type of what it renews.
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

def Amp_NadamOp : Amp_OptimizerOp<"nadam", []> {
  let summary = "NAdam";
  let description = [{
    torch.optim.NAdam. At applied step t, counted from 1: decoupled: parameter *= 1 -
    learning_rate * weight_decay, else g += weight_decay * parameter; m and v as Adam's;
    mu(t) = beta1 * (1 - 0.96^(t * momentum_decay) / 2); product *= mu(t);
    parameter -= learning_rate * ((1 - mu(t)) / (1 - product) * g + mu(t + 1) / (1 - product *
    mu(t + 1)) * m) / (sqrt(v) / sqrt(1 - beta2^t) + epsilon). States: m, v, and the product,
    an f32 that parameters of the same beta1 and momentum_decay have in common.
  }];
  let arguments = (ins Amp_FloatTensor:$parameter, Amp_FloatTensor:$gradient,
                   Amp_F32Scalar:$learning_rate, Amp_I64Scalar:$step,
                   Variadic<Amp_FloatTensor>:$states, F64Attr:$beta1, F64Attr:$beta2,
                   F64Attr:$epsilon, F64Attr:$weight_decay, F64Attr:$momentum_decay,
                   UnitAttr:$decoupled);
  let results = (outs Variadic<Amp_FloatTensor>:$results);
}

def Amp_LambOp : Amp_OptimizerOp<"lamb", []> {
  let summary = "LAMB";
  let description = [{
    You et al. 2019, arXiv 1904.00962v5, algorithm 2, with phi the identity. At applied step t,
    counted from 1: m and v as Adam's; u = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) +
    epsilon) + weight_decay * parameter; parameter -= learning_rate * r * u, where the trust
    ratio r is |parameter| / |u|, 2-norms of the tensor summed in f32, and 1 where either is 0.
  }];
  let arguments = (ins Amp_FloatTensor:$parameter, Amp_FloatTensor:$gradient,
                   Amp_F32Scalar:$learning_rate, Amp_I64Scalar:$step,
                   Variadic<Amp_FloatTensor>:$states, F64Attr:$beta1, F64Attr:$beta2,
                   F64Attr:$epsilon, F64Attr:$weight_decay);
  let results = (outs Variadic<Amp_FloatTensor>:$results);
}

def Amp_LionOp : Amp_OptimizerOp<"lion", []> {
  let summary = "Lion";
  let description = [{
    Chen et al. 2023, arXiv 2302.06675, algorithm 2:
    parameter -= learning_rate * (sign(beta1 * m + (1 - beta1) * g) + weight_decay * parameter);
    m = beta2 * m + (1 - beta2) * g. The sign of 0 is 0.
  }];
  let arguments = (ins Amp_FloatTensor:$parameter, Amp_FloatTensor:$gradient,
                   Amp_F32Scalar:$learning_rate, Amp_I64Scalar:$step,
                   Variadic<Amp_FloatTensor>:$states, F64Attr:$beta1, F64Attr:$beta2,
                   F64Attr:$weight_decay);
  let results = (outs Variadic<Amp_FloatTensor>:$results);
}

def Amp_AdafactorOp : Amp_OptimizerOp<"adafactor", []> {
  let summary = "Adafactor";
  let description = [{
    torch.optim.Adafactor. At applied step t, counted from 1, with w = t^beta2_decay and
    alpha = max(epsilon2, rms(parameter)) * min(learning_rate, 1 / sqrt(t)):
    parameter *= 1 - learning_rate * weight_decay; of rank 2 and more, the means of g * g along
    the last dimension, r, and the last but one, c, run with weight w, and
    v = r * c / max(mean(r), epsilon1), the mean along the last dimension but one; else v, the
    mean of g * g itself, runs so. u = g / sqrt(max(v, epsilon1^2));
    parameter -= alpha / max(1, rms(u) / clip) * u. Sums in f32. States: r and c, or v.
  }];
  let arguments = (ins Amp_FloatTensor:$parameter, Amp_FloatTensor:$gradient,
                   Amp_F32Scalar:$learning_rate, Amp_I64Scalar:$step,
                   Variadic<Amp_FloatTensor>:$states, F64Attr:$beta2_decay, F64Attr:$epsilon1,
                   F64Attr:$epsilon2, F64Attr:$clip, F64Attr:$weight_decay);
  let results = (outs Variadic<Amp_FloatTensor>:$results);
}

#endif // AMPC_DIALECT_AMP_OPS_OPTIMIZER_TD
