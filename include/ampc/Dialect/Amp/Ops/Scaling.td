//===- Scaling.td - Casts, loss scaling, clipping, statistics - -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_SCALING_TD
#define AMPC_DIALECT_AMP_OPS_SCALING_TD

include "ampc/Dialect/Amp/AmpDialect.td"
include "mlir/Interfaces/CastInterfaces.td"

def Amp_CastOp : Amp_Op<"cast", [Pure, SameOperandsAndResultShape, PartialGradient, Kernel,
    Ranged, LinearInAll, AnyOrder, Uses<["Moved"]>, TakesStoredTypes,
    Onnx<[OnnxOperator<"Cast", 1>, OnnxOperator<"CastLike", 15>]>,
    DeclareOpInterfaceMethods<CastOpInterface>]> {
  let summary = "Change of element type";
  let description = [{
    As ONNX Cast: floats round to nearest even, float to integer truncates. A cast that
    the model itself asks for has no `inserted`: it is an anchor that no pass moves.

    Types that are only stored (StoredTypes.h) are i8, and `from` and `to` name what the bytes
    are. `saturating` and `round_mode` are ONNX's, for casts to 8-bit floats.

    Constraints:
    - (cast_c1) `from` and `to` name a stored type, and what they name is of i8.
    - (cast_c2) with either of them, the types of input and result differ.
    - (cast_c3) `round_mode` is up, down or nearest.
  }];
  let arguments = (ins Amp_Tensor:$input, UnitAttr:$inserted, OptionalAttr<StrAttr>:$from,
                   OptionalAttr<StrAttr>:$to,
                   DefaultValuedAttr<BoolAttr, "true">:$saturating,
                   DefaultValuedStrAttr<StrAttr, "up">:$round_mode);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `to` type($result)";
  let builders = [OpBuilder<(ins "::mlir::Type":$type, "::mlir::Value":$input,
                                 CArg<"bool", "false">:$inserted)>];
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Amp_ScaleLossOp : Amp_Op<"scale_loss", [Pure, AllTypesMatch<["loss", "result"]>,
                                            PartialGradient, Kernel]> {
  let summary = "The loss times the loss scale";
  let description = [{
    `result = loss * scale`. In f32 or wider: an f16 loss of 1 would be infinite at the
    initial scale (scale_loss_c1).
  }];
  let arguments = (ins StaticShapeTensorOf<[F32, F64]>:$loss, Amp_F32Scalar:$scale);
  let results = (outs StaticShapeTensorOf<[F32, F64]>:$result);
  let assemblyFormat = "$loss `by` $scale attr-dict `:` type($loss)";
}

def Amp_SeedOp : Amp_Op<"seed", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "Where the backward pass begins that the model file spells out";
  let description = [{
    Gives `input`, the gradient of `loss` by itself. In a step that arrives differentiated it says
    where a loss scale can enter: all gradients that `amp.parameter_gradient` names are multiples
    of it, and nothing else that the step gives is. `amp-scale-loss` takes it away.
  }];
  let arguments = (ins StaticShapeTensorOf<[F32, F64]>:$input, Amp_FloatTensor:$loss);
  let results = (outs StaticShapeTensorOf<[F32, F64]>:$result);
  let assemblyFormat = "$input `of` $loss attr-dict `:` type($input) `,` type($loss)";
}

def Amp_ParameterGradientOp : Amp_Op<"parameter_gradient", [Pure, ReadsGradients,
    AllTypesMatch<["gradient", "parameter", "result"]>]> {
  let summary = "What a model file updates a parameter with is its gradient";
  let description = [{
    Gives `gradient`, that of the loss by `parameter`, as an optimizer node reads it. In a step
    that arrives differentiated it says what a loss scale is taken out of and what must be finite.
    `amp-scale-loss` takes it away.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, Amp_FloatTensor:$parameter);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = "$gradient `by` $parameter attr-dict `:` type($gradient)";
}

def Amp_UnscaleOp : Amp_Op<"unscale", [Pure, AttrSizedOperandSegments, ReadsGradients, Kernel]> {
  let summary = "Divides gradients by the loss scale and checks them for non-finite values";
  let description = [{
    Result i is `gradients[i] * (1 / scale)`, computed in f32 (unchanged without a
    `scale`). `found` is 1 where any element of any result is infinite or NaN, else 0: a
    product may overflow where the gradient does not. `culprit` is the position of the
    first such result, -1 where there is none.
  }];
  let arguments = (ins Variadic<Amp_FloatTensor>:$gradients, Optional<Amp_F32Scalar>:$scale);
  let results = (outs Variadic<Amp_FloatTensor>:$results, Amp_F32Scalar:$found,
                      Amp_F32Scalar:$culprit);
  let assemblyFormat = [{
    `(` $gradients `)` (`by` $scale^)? attr-dict
    `:` functional-type($gradients, $results)
  }];
  let hasVerifier = 1;
}

def Amp_UpdateScaleOp : Amp_Op<"update_scale", [Pure, AllTypesMatch<["tracker", "new_tracker"]>,
                                                Kernel]> {
  let summary = "The state machine of dynamic loss scaling";
  let description = [{
    GradScaler's (torch/amp/grad_scaler.py): where `found` is not 0, the scale is
    multiplied by `backoff` and the tracker starts again; else the tracker counts, and at
    `interval` (or beyond) the scale is multiplied by `growth` and the tracker starts
    again. The scale stays as it is where a product is infinite, as GradScaler's does, or
    below the least normal f32: its reciprocal must be one as well.
  }];
  let arguments = (ins Amp_F32Scalar:$scale, StaticShapeTensorOf<[I32]>:$tracker,
                   Amp_F32Scalar:$found, F64Attr:$growth, F64Attr:$backoff,
                   I32Attr:$interval);
  let results = (outs Amp_F32Scalar:$new_scale, StaticShapeTensorOf<[I32]>:$new_tracker);
  let assemblyFormat = [{
    $scale `,` $tracker `,` $found attr-dict `:` type($tracker)
  }];
}

def Amp_ClipGradNormOp : Amp_Op<"clip_grad_norm", [Pure, ReadsGradients, Kernel]> {
  let summary = "Clips gradients by their global norm";
  let description = [{
    `norm` is the 2-norm of all gradients taken as one vector, summed in f32. Each result
    is its gradient times `min(1, max_norm / (norm + 1e-6))`, as torch's clip_grad_norm_.
  }];
  let arguments = (ins Variadic<Amp_FloatTensor>:$gradients, F32Attr:$max_norm);
  let results = (outs Variadic<Amp_FloatTensor>:$results, Amp_F32Scalar:$norm);
  let assemblyFormat = [{
    `(` $gradients `)` attr-dict `:` functional-type($gradients, $results)
  }];
  let hasVerifier = 1;
}

def Amp_ClipGradValueOp : Amp_Op<"clip_grad_value", [Pure, SameOperandsAndResultType,
                                                     ReadsGradients, Kernel]> {
  let summary = "Clamps each element of a gradient to [-limit, limit]";
  let arguments = (ins Amp_FloatTensor:$gradient, F32Attr:$limit);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = "$gradient attr-dict `:` type($gradient)";
}

def Amp_GroupRateOp : Amp_Op<"group_rate", [Pure, Kernel]> {
  let summary = "The learning rate of a group of parameters";
  let description = [{
    `result = learning_rate * factor`, multiplied in f64 and rounded once: at the rate that the
    module was compiled with it is the group's own, and follows it where a session sets another.
  }];
  let arguments = (ins Amp_F32Scalar:$learning_rate, F64Attr:$factor);
  let results = (outs Amp_F32Scalar:$result);
  let assemblyFormat = "$learning_rate `times` $factor attr-dict";
}

def Amp_RecordStatsOp : Amp_Op<"record_stats", [Pure, AllTypesMatch<["ring", "result"]>,
                                                Kernel]> {
  let summary = "Writes what a step did into the statistics ring";
  let description = [{
    Slot `attempt % slots` of the ring gets the fields, in the order of `AMPC_STAT_*`.
  }];
  let arguments = (ins StaticShapeTensorOf<[F32]>:$ring, Amp_I64Scalar:$attempt,
                   Variadic<Amp_F32Scalar>:$fields);
  let results = (outs StaticShapeTensorOf<[F32]>:$result);
  let assemblyFormat = [{
    $ring `at` $attempt `(` $fields `)` attr-dict `:` type($ring)
  }];
  let hasVerifier = 1;
}

#endif // AMPC_DIALECT_AMP_OPS_SCALING_TD
