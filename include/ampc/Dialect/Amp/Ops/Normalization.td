//===- Normalization.td - Normalization by statistics ---- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_NORMALIZATION_TD
#define AMPC_DIALECT_AMP_OPS_NORMALIZATION_TD

include "ampc/Dialect/Amp/AmpDialect.td"

// Statistics are f32 whatever the input's type, so low precision costs one rounding of the
// result; PyTorch's list, which governs storage alone, has f32.
// ONNX has LayerNormalization from opset 17 on, ONNX Runtime writes it in older files too.
def Amp_LayerNormOp : Amp_Op<"layer_norm", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Absorbs, Computes<"Promote", "Deny">, Normalizes, Uses<["Other", "Weight"]>, Recovery,
    Onnx<[OnnxOperator<"LayerNormalization">, OnnxOperator<"InstanceNormalization">,
          OnnxOperator<"GroupNormalization", 18>, OnnxOperator<"MeanVarianceNormalization", 9>,
          OnnxOperator<"LpNormalization">, OnnxEstimator<"Normalizer">, OnnxOperator<"LRN">,
          OnnxOperator<"SkipLayerNormalization", 1, 1, "com.microsoft">,
          OnnxOperator<"EmbedLayerNormalization", 1, 1, "com.microsoft">]>]> {
  let summary = "Zero mean and unit variance over the dimensions from an axis on";
  let description = [{
    `y = (input - mean) * inv_std_dev * scale + bias`. Over the dimensions [axis, rank),
    which stay as 1 in both, `mean` is the mean and `inv_std_dev` is
    `1 / sqrt(variance + epsilon)`, where the variance is the mean square of
    `input - mean`: a second pass, which does not cancel. Statistics and what follows are
    f32 (f64 for f64); `y` is rounded once. Spelled out with means, differences and roots, it is
    recovered.

    Instances are rows of an image's channels, groups are rows of its channels taken together;
    LpNormalization and LRN, which have no mean, become quotients.

    Constraints:
    - (layer_norm_c1) `axis` is in [0, rank).
    - (layer_norm_c2) `scale` and `bias` broadcast to the input.
    - (layer_norm_c3) they have the input's element type or that of the statistics.

    ```mlir
    %y, %mean, %inv = amp.layer_norm %x, %s bias %b from 1 {epsilon = 1.0e-05 : f64}
       : (tensor<8x16xf16>, tensor<16xf32>, tensor<16xf32>)
       -> (tensor<8x16xf16>, tensor<8x1xf32>, tensor<8x1xf32>)
    ```
  }];
  let arguments = (ins Amp_FloatTensor:$input, Amp_FloatTensor:$scale,
                   Optional<Amp_FloatTensor>:$bias, I64Attr:$axis, F64Attr:$epsilon);
  let results = (outs Amp_FloatTensor:$y, Amp_FloatTensor:$mean,
                 Amp_FloatTensor:$inv_std_dev);
  let assemblyFormat = [{
    $input `,` $scale (`bias` $bias^)? `from` $axis attr-dict
    `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    /// Parameters stay f32 beside a low input.
    ::ampc::OperandPrecision getOperandPrecision(unsigned index) {
      return index == 0 || getInput().getType().getElementType().isF64()
                 ? ::ampc::OperandPrecision::Computed
                 : ::ampc::OperandPrecision::Full;
    }
  }];
}

def Amp_LayerNormGradOp : Amp_Op<"layer_norm_grad", [Pure, AttrSizedOperandSegments,
    InferTypeOpAdaptor, Kernel, Computes<"Promote", "Deny">]> {
  let summary = "Gradient of amp.layer_norm by its input";
  let description = [{
    With x' = (input - mean) * inv_std_dev, g = gradient * scale, and n elements in a row:

    `inv_std_dev * (g - (sum(g) + x' * sum(g * x')) / n)`, and for what depends on the
    statistics themselves `+ (mean_gradient - inv_std_dev_gradient * x' * inv_std_dev ^ 2) / n`.

    Computed in f32 (f64 for f64) from the statistics that the forward op saved, and
    rounded once; with `wide` not at all.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, Amp_FloatTensor:$input,
                   Amp_FloatTensor:$scale, Amp_FloatTensor:$mean,
                   Amp_FloatTensor:$inv_std_dev, Optional<Amp_FloatTensor>:$mean_gradient,
                   Optional<Amp_FloatTensor>:$inv_std_dev_gradient, I64Attr:$axis,
                   UnitAttr:$wide);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $gradient `,` $input `,` $scale `,` $mean `,` $inv_std_dev
    (`mean_gradient` $mean_gradient^)?
    (`inv_std_dev_gradient` $inv_std_dev_gradient^)? `from` $axis attr-dict
    `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned index) {
      return index < 2 || getInput().getType().getElementType().isF64()
                 ? ::ampc::OperandPrecision::Computed
                 : ::ampc::OperandPrecision::Full;
    }
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_NORMALIZATION_TD
