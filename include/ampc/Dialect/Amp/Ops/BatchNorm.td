//===- BatchNorm.td - Normalization by statistics of a batch -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_BATCHNORM_TD
#define AMPC_DIALECT_AMP_OPS_BATCHNORM_TD

include "ampc/Dialect/Amp/AmpDialect.td"

/// Parameters and statistics stay f32 beside a low input. Statistics are f32 whatever the input's
/// type, so low precision costs one rounding of the result; PyTorch's list says the same.
class Amp_BatchNormBase<string mnemonic, int inputs, list<Trait> traits>
    : Amp_Op<mnemonic, traits # [Pure, InferTypeOpAdaptor, Kernel, LayoutByOp, Normalizes,
                                 Computes<"Promote">]> {
  let extraClassDeclaration = [{
    // Inputs, and the result of their shape, lie in any order.
    static constexpr unsigned kInputs = }] # inputs # [{;
    ::ampc::OperandPrecision getOperandPrecision(unsigned index) {
      return index < }] # inputs # [{ || getInput().getType().getElementType().isF64()
                 ? ::ampc::OperandPrecision::Computed
                 : ::ampc::OperandPrecision::Full;
    }
  }];
}

def Amp_BatchNormOp : Amp_BatchNormBase<"batch_norm", 1, [PartialGradient, Absorbs, Recovery,
    Uses<["Other", "Weight", "Weight", "Other"]>,
    DeclareOpInterfaceMethods<TrainingModeOpInterface>,
    Onnx<[OnnxTrainingOperator<"BatchNormalization", 0, 1, "training_mode">]>]> {
  let summary = "Zero mean and unit variance of each channel, over the batch";
  let description = [{
    `y = (input - mean) * inv_std_dev * scale + bias`, where `mean` and
    `inv_std_dev = 1 / sqrt(variance + epsilon)` are of the elements that have one index along
    `axis`, and the variance is the mean square of `input - mean`. One pass over the input sums
    what a channel's elements are above its first one, and their squares: that does not
    cancel where the mean is far from 0.

    `new_running_mean = running_mean * momentum + mean * (1 - momentum)`, and the same for the
    variance. Nothing else depends on the running statistics, and gradients flow through `y`
    alone. In inference the running statistics are those that normalize, and stay as they are.

    Constraints:
    - (batch_norm_c1) `axis` is in [0, rank).
    - (batch_norm_c2) `scale`, `bias` and the running statistics have one element a channel.
    - (batch_norm_c3) they have the input's element type or that of the statistics.

    ```mlir
    %y, %mean, %inv, %new_mean, %new_var = amp.batch_norm %x, %s, %b running %m, %v along 1
       {epsilon = 1.0e-05 : f64, momentum = 0.9 : f64}
       : (tensor<8x3x4xf16>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
       -> (tensor<8x3x4xf16>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
    ```
  }];
  let arguments = (ins Amp_FloatTensor:$input, Amp_FloatTensor:$scale, Amp_FloatTensor:$bias,
                   Amp_FloatTensor:$running_mean, Amp_FloatTensor:$running_variance,
                   I64Attr:$axis, F64Attr:$epsilon, F64Attr:$momentum);
  let results = (outs Amp_FloatTensor:$y, Amp_FloatTensor:$mean, Amp_FloatTensor:$inv_std_dev,
                 Amp_FloatTensor:$new_running_mean, Amp_FloatTensor:$new_running_variance);
  let assemblyFormat = [{
    $input `,` $scale `,` $bias `running` $running_mean `,` $running_variance `along` $axis
    attr-dict `:` functional-type(operands, results)
  }];
}

def Amp_BatchNormInferenceOp : Amp_BatchNormBase<"batch_norm_inference", 1, [PartialGradient,
    Absorbs, Uses<["Other", "Weight", "Weight", "Other"]>]> {
  let summary = "Normalization of each channel by statistics that are given";
  let description = [{
    `y = (input - mean) / sqrt(variance + epsilon) * scale + bias`. No gradient flows to the
    statistics. The constraints are those of amp.batch_norm.
  }];
  let arguments = (ins Amp_FloatTensor:$input, Amp_FloatTensor:$scale, Amp_FloatTensor:$bias,
                   Amp_FloatTensor:$mean, Amp_FloatTensor:$variance, I64Attr:$axis,
                   F64Attr:$epsilon);
  let results = (outs Amp_FloatTensor:$y);
  let assemblyFormat = [{
    $input `,` $scale `,` $bias `by` $mean `,` $variance `along` $axis attr-dict
    `:` functional-type(operands, results)
  }];
}

def Amp_BatchNormGradOp : Amp_BatchNormBase<"batch_norm_grad", 2, []> {
  let summary = "Gradients of amp.batch_norm by its input, scale and bias";
  let description = [{
    With x' = (input - mean) * inv_std_dev, and n elements in a channel:

    - `bias_gradient = sum(gradient)`
    - `scale_gradient = sum(gradient * x')`
    - `input_gradient = scale * inv_std_dev * (gradient - (bias_gradient + x' * scale_gradient) / n)`

    Sums are over a channel, in f32 (f64 for f64), in one pass; `input_gradient` is rounded once,
    and with `wide` not at all.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, Amp_FloatTensor:$input, Amp_FloatTensor:$scale,
                   Amp_FloatTensor:$mean, Amp_FloatTensor:$inv_std_dev, I64Attr:$axis,
                   UnitAttr:$wide);
  let results = (outs Amp_FloatTensor:$input_gradient, Amp_FloatTensor:$scale_gradient,
                 Amp_FloatTensor:$bias_gradient);
  let assemblyFormat = [{
    $gradient `,` $input `,` $scale `,` $mean `,` $inv_std_dev `along` $axis attr-dict
    `:` functional-type(operands, results)
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_BATCHNORM_TD
