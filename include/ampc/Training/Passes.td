//===- Passes.td - Passes that make a training step ------ -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TRAINING_PASSES_TD
#define AMPC_TRAINING_PASSES_TD

include "mlir/Pass/PassBase.td"

def AttachLoss : Pass<"amp-attach-loss", "::mlir::ModuleOp"> {
  let summary = "Decide which value is minimised, adding a loss where the graph has none";
  let description = [{
    Marks a result of @main with `amp.loss`. `auto` takes the only float result of one
    element; `output:NAME` takes that result; a loss by name takes the first result of floats that has dimensions as the
    prediction and adds the argument `target` and the loss as a result. Where its classes
    do not lie along axis 1, as the losses have it, `class-axis` says so.
  }];
  let options = [
    Option<"loss", "loss", "std::string", "\"auto\"", "auto, output:NAME or a loss">,
    Option<"classAxis", "class-axis", "int64_t", "0",
           "axis of the classes, negative from the end; 0: axis 1, with a warning where "
           "that is not plain">,
    Option<"ignoreIndex", "ignore-index", "int64_t", "-100",
           "label that an added loss over classes does not count">,
    Option<"labelSmoothing", "label-smoothing", "double", "0",
           "share of a label that cross_entropy spreads over all classes">,
    ListOption<"classWeights", "class-weights", "double", "weights of the classes">,
    Option<"softLabels", "soft-labels", "bool", "false",
           "the target of cross_entropy holds probabilities of the classes">,
    Option<"fromProbabilities", "from-probabilities", "bool", "false",
           "the prediction of a loss over classes holds probabilities">,
    Option<"huberDelta", "huber-delta", "double", "1", "where huber becomes linear">,
    Option<"smoothL1Beta", "smooth-l1-beta", "double", "1", "where smooth_l1 becomes linear">
  ];
  let dependentDialects = ["::ampc::AmpDialect"];
}

def WidenMasters : Pass<"amp-widen-masters", "::mlir::ModuleOp"> {
  let summary = "Keep the masters of weights that the file has in 16 bits in f32";
  let description = [{
    A trained variable of f16 or bf16 becomes one of f32 that remembers its `file_type`;
    who reads it reads a copy in that type, so that the graph computes as it is written.
    The initial values are widened, exactly, where the module's tables are written.

    ```mlir
    %w = amp.read @w : tensor<3x4xf16>
    // becomes
    %m = amp.read @w : tensor<3x4xf32>
    %w = amp.cast %m {inserted} : tensor<3x4xf32> to tensor<3x4xf16>
    ```
  }];
}

def MakeTrainingStep : Pass<"amp-make-training-step", "::mlir::ModuleOp"> {
  let summary = "Build @train and @eval from @main";
  let description = [{
    @train computes the loss that @main marks, asks for the gradient of each trained
    parameter (`amp.gradient`), clips, updates and counts the step. @eval is @main in
    inference mode. @main is erased. A @train that the model gives keeps its update; where it arrives
    differentiated, `amp.seed` and `amp.parameter_gradient` tell what is known of its backward pass.
    A group's learning rate is kept as a multiple of that of all (`amp.group_rate`).
  }];
  let options = [
    Option<"optimizer", "optimizer", "std::string", "\"adam\"", "the optimizer's name">,
    ListOption<"settings", "settings", "std::string",
               "the optimizer's settings, FLAG=NUMBER; the others have its defaults">,
    ListOption<"groups", "groups", "std::string",
               "for each group of parameters (`update_group` of amp.variable), its own settings and a name "
               "for messages: FLAG=NUMBER;..:NAME">,
    Option<"clipGradNorm", "clip-grad-norm", "double", "-1.0", "negative: off">,
    Option<"clipGradValue", "clip-grad-value", "double", "-1.0", "negative: off">,
    Option<"ema", "ema", "double", "0.0",
           "decay of the moving averages that are kept of parameters; 0: off">
  ];
}

def AccumulateGradients : Pass<"amp-accumulate-gradients", "::mlir::ModuleOp"> {
  let summary = "Divide a step into micro-batches and their update";
  let description = [{
    Runs behind `amp-scale-loss`. @train becomes @accumulate, the forward and backward pass of one
    micro-batch, and @apply, the update with what `count` of them added up: in f32, as gradients of
    parameters are, and still times the loss scale, which @apply alone moves. With `by=mean` the
    sums are divided by `count`, with `sum` they are not; `auto` finds out what the loss is over the
    samples (BatchReductionOpInterface). State that the forward pass assigns goes on from one
    micro-batch to the next in a variable beside it, and takes its place where the step is applied.
    The flags of the first bad micro-batch are kept with its number (accumulation.h). Nothing
    happens with a `count` of 1.

    ```mlir
    func.func @train(%x: tensor<8x4xf32>) {
      %w = amp.read @w : tensor<4xf32>
      ..
      %g = amp.gradient %loss wrt(%w) : tensor<f32>, (tensor<4xf32>) -> tensor<4xf32>
      %u, %found, %culprit = amp.unscale(%g) by %scale ..
      ..
    // becomes
    func.func @accumulate(%x: tensor<8x4xf32>) {
      ..
      %g = amp.gradient %loss wrt(%w) : tensor<f32>, (tensor<4xf32>) -> tensor<4xf32>
      %old = amp.read @"ampc.accumulated/w" : tensor<4xf32>
      %sum = amp.add %old, %g : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
      %new = amp.where %first, %g, %sum ..
      amp.assign @"ampc.accumulated/w", %new : tensor<4xf32>
      ..
    func.func @apply() {
      %g = amp.read @"ampc.accumulated/w" : tensor<4xf32>
      %u, %found, %culprit = amp.unscale(%g) by %scale_times_count ..
      ..
    ```
  }];
  let options = [
    Option<"count", "count", "int64_t", "1", "micro-batches in a step">,
    Option<"by", "by", "std::string", "\"auto\"", "auto, mean or sum">,
    Option<"checkFinite", "check-finite", "bool", "true", "Where nothing scales the loss">
  ];
}

def KeepAsEval : Pass<"amp-keep-as-eval", "::mlir::ModuleOp"> {
  let summary = "Make the graph as it stands the only program";
  let description = [{ @main becomes @eval, and nothing is trained. }];
}

def DropUnusedVariables : Pass<"amp-drop-unused-variables", "::mlir::ModuleOp"> {
  let summary = "Drop constants and copies that no function reads";
}

def GuardUpdates : Pass<"amp-guard-updates", "::mlir::ModuleOp"> {
  let summary = "Apply updates only where the step is good, and record what it did";
  let description = [{
    Every assignment of @train that is not of the scaler or a counter takes place only
    where no `amp.unscale` found a non-finite gradient, the norm that clips is finite and no
    op refused the batch (BatchCheckOpInterface). With `check-finite` the loss must be finite
    too; and in a step without `amp.unscale`, what is assigned to parameters. The
    statistics ring gets the flags and the culprit.
  }];
  let options = [
    Option<"checkFinite", "check-finite", "bool", "false", "Where nothing scales the loss">
  ];
}

def CheckEvaluation : Pass<"amp-check-evaluation", "::mlir::ModuleOp"> {
  let summary = "Let evaluation refuse a batch";
  let description = [{
    @eval assigns the flags of its ops' batch checks (BatchCheckOpInterface) to the derived
    variable `ampc.eval_flags`, which the runtime reads after each run.
  }];
}

def Differentiate : Pass<"amp-differentiate", "::mlir::ModuleOp"> {
  let summary = "Replace amp.gradient by the ops that compute it";
  let description = [{
    Reverse mode on the graph: each op between the values and the result writes its own
    gradient (GradientOpInterface). Gradients of a value that is used more than once are
    summed: in f32 for parameters and for what only carries their bits, however low the
    type that the forward op reads.
  }];
}

def VerifyTraining : Pass<"amp-verify-training", "::mlir::ModuleOp"> {
  let summary = "Check the rules of loss scaling and master weights";
  let description = [{
    Fails on: a trained parameter that is not f32 or f64 (master_c1); a gradient of a
    scaled loss that is clipped or applied without unscaling (scaling_c1); a gradient that
    is unscaled twice, or was never scaled (scaling_c2); a parameter's gradient that is
    summed in 16 bits (gradient_c1); a variable assigned twice (assign_c1).
  }];
}

#endif // AMPC_TRAINING_PASSES_TD
