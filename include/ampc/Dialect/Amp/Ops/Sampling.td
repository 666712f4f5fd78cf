//===- Sampling.td - Tensors read between their elements ---*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_SAMPLING_TD
#define AMPC_DIALECT_AMP_OPS_SAMPLING_TD

include "ampc/Dialect/Amp/AmpDialect.td"
include "mlir/IR/EnumAttr.td"

def Amp_SamplingModeAttr : I32EnumAttr<"SamplingMode", "What is read between elements", [
    I32EnumAttrCase<"Nearest", 0, "nearest">,
    I32EnumAttrCase<"Linear", 1, "linear">,
    I32EnumAttrCase<"Cubic", 2, "cubic">]> {
  let cppNamespace = "::ampc";
}

def Amp_SamplingPaddingAttr : I32EnumAttr<"SamplingPadding", "What is read outside of a tensor", [
    I32EnumAttrCase<"Zeros", 0, "zeros">,
    I32EnumAttrCase<"Border", 1, "border">,
    I32EnumAttrCase<"Reflection", 2, "reflection">]> {
  let cppNamespace = "::ampc";
}

class Amp_OfCoordinates<string mnemonic, list<Trait> traits = []>
    : Amp_Op<mnemonic, traits # [Pure, InferTypeOpAdaptor, Kernel, Computes<"Deny">]>;

def Amp_SampleTapsOp : Amp_OfCoordinates<"sample_taps", [PartialGradient, Absorbs,
    Onnx<[OnnxOperator<"AffineGrid", 20>]>]> {
  let summary = "Which elements are read at coordinates, and with which weights";
  let description = [{
    `coordinates` [n, points, axes] are places in a tensor of `extents`, in which element i lies at
    i; `base` [points, axes] is added to them, where there is one. `normalized` coordinates go from
    -1 to 1: from the first element to the last with `align_corners`, from half an element before
    to half a one behind them without. With `last_first` those of a point begin with the last axis.

    Results are [n, points, taps]: row-major places in the tensor, or -1 for an element outside of
    it, and their weights. Each axis has 1 tap (nearest, of two the even one), 2 (linear) or 4
    (cubic, Keys with a = -0.75); the last axis varies fastest. A coordinate outside is moved to the
    border, or reflected at the first and last element with `align_corners` and half an element
    beyond them without. The gradient goes to the coordinates, as PyTorch's grid_sample has it: 0
    for one that was moved to the border.

    Constraints:
    - (sample_taps_c1) `coordinates` has 3 dimensions, the last as long as `extents`; there are 1 to
      3 axes, of 1 element at least.
    - (sample_taps_c2) `base` has the shape [points, axes] and the element type of `coordinates`.
  }];
  let arguments = (ins Amp_SamplingModeAttr:$mode, Amp_SamplingPaddingAttr:$padding,
                   Amp_FloatTensor:$coordinates, Optional<Amp_FloatTensor>:$base,
                   DenseI64ArrayAttr:$extents, UnitAttr:$normalized,
                   UnitAttr:$align_corners, UnitAttr:$last_first);
  let results = (outs Amp_IndexTensor:$places, Amp_FloatTensor:$weights);
  let assemblyFormat = [{
    $mode $padding $coordinates (`from` $base^)? `in` $extents attr-dict
    `:` functional-type(operands, results)
  }];
}

def Amp_SampleTapsGradOp : Amp_OfCoordinates<"sample_taps_grad"> {
  let summary = "Gradient of amp.sample_taps by its coordinates";
  let arguments = (ins Amp_SamplingModeAttr:$mode, Amp_SamplingPaddingAttr:$padding,
                   Amp_FloatTensor:$gradient, Amp_FloatTensor:$coordinates,
                   Optional<Amp_FloatTensor>:$base, DenseI64ArrayAttr:$extents,
                   UnitAttr:$normalized, UnitAttr:$align_corners, UnitAttr:$last_first);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $mode $padding $gradient `at` $coordinates (`from` $base^)? `in` $extents attr-dict
    `:` functional-type(operands, results)
  }];
}

def Amp_SampleOp : Amp_Op<"sample", [
    Pure, InferTypeOpAdaptor, PartialGradient, Kernel, Computes<"Promote">,
    LinearByOp, Onnx<[OnnxOperator<"GridSample", 16>,
    OnnxOperator<"GridSample", 1, 1, "com.microsoft">]>]> {
  let summary = "Weighted sums of elements chosen by places";
  let description = [{
    `result[n, c, p]` is the sum over the taps t of `input[n, c, places[n, p, t]]` times
    `weights[n, p, t]`, without those whose place is none of the input's. Accumulates in f32 for
    f16 and bf16.

    Constraints:
    - (sample_c1) `input` is [n, channels, elements], `places` and `weights` are [n, points, taps].
  }];
  let arguments = (ins Amp_FloatTensor:$input, Amp_IndexTensor:$places, Amp_FloatTensor:$weights);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $input `[` $places `]` `weights` $weights attr-dict `:` functional-type(operands, results)
  }];
  // Weights are in f32 whatever the elements are in.
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned index) {
      return index == 0 ? ::ampc::OperandPrecision::Computed : ::ampc::OperandPrecision::Given;
    }
  }];
}

def Amp_SampleInputGradOp : Amp_Op<"sample_input_grad", [Pure, Kernel, Computes<"Deny">]> {
  let summary = "Gradient of amp.sample by its input";
  let description = [{
    What each element of the result gets from the points that read it is added up in their order:
    the same bits in every run. Summed in f32 for f16 and bf16 and rounded once. The shapes are
    those of amp.sample.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, Amp_IndexTensor:$places,
                   Amp_FloatTensor:$weights);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $gradient `[` $places `]` `weights` $weights attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned) {
      return ::ampc::OperandPrecision::Given;
    }
  }];
}

def Amp_SampleWeightsGradOp : Amp_Op<"sample_weights_grad", [Pure, Kernel, Computes<"Deny">]> {
  let summary = "Gradient of amp.sample by its weights";
  let description = [{
    Sums over the channels, in f32 for f16 and bf16; 0 where no element was read. The
    shapes are those of amp.sample.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, Amp_FloatTensor:$input, Amp_IndexTensor:$places);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $gradient `,` $input `[` $places `]` attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned) {
      return ::ampc::OperandPrecision::Given;
    }
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_SAMPLING_TD
