//===- RmsNorm.td - Normalization by the root mean square -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_RMSNORM_TD
#define AMPC_DIALECT_AMP_OPS_RMSNORM_TD

include "ampc/Dialect/Amp/AmpDialect.td"

/// The precision of amp.layer_norm: f32 inside, and for scale and statistic.
class Amp_RmsNormBase<string mnemonic, int inputs, list<Trait> traits>
    : Amp_Op<mnemonic, traits # [Pure, InferTypeOpAdaptor, Kernel, Normalizes,
                                Computes<"Promote", "Deny">]> {
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned index) {
      return index < }] # inputs # [{ || getInput().getType().getElementType().isF64()
                 ? ::ampc::OperandPrecision::Computed
                 : ::ampc::OperandPrecision::Full;
    }
  }];
}

def Amp_RmsNormOp : Amp_RmsNormBase<"rms_norm", 1, [Gradient, Absorbs, Recovery,
    Uses<["Other", "Weight"]>, Onnx<[
      OnnxOperator<"RMSNormalization", 23>, OnnxOperator<"SimplifiedLayerNormalization">,
      OnnxOperator<"SimplifiedLayerNormalization", 1, 1, "com.microsoft">,
      OnnxOperator<"SkipSimplifiedLayerNormalization", 1, 1, "com.microsoft">]>]> {
  let summary = "Unit mean square over the dimensions from an axis on";
  let description = [{
    `y = input * inv_rms * scale` with `inv_rms = 1 / sqrt(mean(input ^ 2) + epsilon)` over the
    dimensions [axis, rank), which stay as 1 in it. It and what follows are f32 (f64 for f64); `y`
    is rounded once.

    Constraints:
    - (rms_norm_c1) `axis` is in [0, rank).
    - (rms_norm_c2) `scale` broadcasts to the input.
    - (rms_norm_c3) it has the input's element type or that of the statistic.
  }];
  let arguments = (ins Amp_FloatTensor:$input, Amp_FloatTensor:$scale, I64Attr:$axis,
                   F64Attr:$epsilon);
  let results = (outs Amp_FloatTensor:$y, Amp_FloatTensor:$inv_rms);
  let assemblyFormat = [{
    $input `,` $scale `from` $axis attr-dict `:` functional-type(operands, results)
  }];
}

def Amp_RmsNormGradOp : Amp_RmsNormBase<"rms_norm_grad", 2, []> {
  let summary = "Gradient of amp.rms_norm by its input";
  let description = [{
    With x' = input * inv_rms, g = gradient * scale, and n elements in a row:
    `inv_rms * (g - x' * sum(g * x') / n)`, and for what depends on the statistic itself
    `- inv_rms_gradient * x' * inv_rms ^ 2 / n`. Computed in f32 (f64 for f64) and rounded once; with
    `wide` not at all.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, Amp_FloatTensor:$input,
                   Amp_FloatTensor:$scale, Amp_FloatTensor:$inv_rms,
                   Optional<Amp_FloatTensor>:$inv_rms_gradient, I64Attr:$axis, UnitAttr:$wide);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $gradient `,` $input `,` $scale `,` $inv_rms (`inv_rms_gradient` $inv_rms_gradient^)?
    `from` $axis attr-dict `:` functional-type(operands, results)
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_RMSNORM_TD
