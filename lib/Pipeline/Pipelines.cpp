//===- Pipelines.cpp - The phases, one builder function each --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Pipeline/Pipelines.h"
#include "ampc/Codegen/Passes.h"
#include "ampc/Precision/Passes.h"
#include "ampc/Precision/PrecisionGraph.h"
#include "ampc/Support/Settings.h"
#include "ampc/Target/Passes.h"
#include "ampc/Training/Passes.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

namespace ampc {

void buildTrainPipeline(OpPassManager &pm, const CompileOptions &options) {
  if (options.trains()) {
    pm.addPass(createWidenMasters());
    AttachLossOptions loss;
    loss.loss = options.loss;
    loss.classAxis = options.classAxis.value_or(0);
    loss.ignoreIndex = options.ignoreIndex;
    loss.labelSmoothing = options.labelSmoothing;
    loss.classWeights.assign(options.classWeights.begin(), options.classWeights.end());
    loss.softLabels = options.softLabels;
    loss.fromProbabilities = options.fromProbabilities;
    loss.huberDelta = options.huberDelta;
    loss.smoothL1Beta = options.smoothL1Beta;
    pm.addPass(createAttachLoss(loss));
    MakeTrainingStepOptions step;
    step.optimizer = options.optimizer.name == "auto" ? "adam" : options.optimizer.name;
    for (const auto &[flag, value] : options.optimizer.given)
      step.settings.push_back(flag + "=" + toDecimals(value));
    for (const ParameterGroup &group : options.import.groups) {
      std::string text;
      for (const auto &[flag, value] : group.given)
        text += (text.empty() ? "" : ";") + flag + "=" + toDecimals(value);
      step.groups.push_back(text + ":" + group.regex);
    }
    step.clipGradNorm = options.clipGradNorm;
    step.clipGradValue = options.clipGradValue;
    step.ema = options.ema;
    pm.addPass(createMakeTrainingStep(step));
  } else {
    pm.addPass(createKeepAsEval());
  }
  // CSE comes before autocast. Where the file transposes a weight twice, say, autocast would put a
  // cast behind each transpose; of one transpose there is one cast.
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  // Before types are decided: an op that is recovered has a precision of its own. What is
  // computed twice is one op by now. At O0 a file computes as it is written.
  if (options.level > 0)
    pm.addPass(createRecoverPatterns());
  // At O0 too: where a model is itself in 16 bits, its loss is computed in f32.
  if (options.level > 0 || options.trains())
    pm.addPass(createAutocast({options.level, options.dtype, options.lists}));
  if (options.level > 0) {
    pm.addPass(createCSEPass());
    // What PyTorch's lists say is what PyTorch does, and from O2 on the model is low because the
    // user wants it so. The newest device decides for all targets: a step computes the same on
    // each.
    if (options.level == 1 && options.lists == "balanced") {
      pm.addPass(createWeighIslands({newestGpu(options.cudaArchs)}));
      pm.addPass(createCSEPass());
    }
    pm.addPass(createVerifyPrecision({options.dtype, options.lists, options.level}));
  }
  if (options.precisionGraph)
    pm.addPass(createRecordPrecision(options.precisionGraph));
  if (options.level > 0) {
    pm.addPass(createMergeProducts());
    // Ops that read the parts read the whole where they can.
    pm.addPass(createCanonicalizerPass());
  }
  if (options.trains()) {
    // Before differentiation, while a gradient is one op: what is scaled is plain to see.
    std::string mode = options.lossScale;
    if (mode.empty())
      mode = options.level > 0 && options.dtype == "f16" ? "dynamic" : "auto";
    ScaleLossOptions scaling;
    scaling.initial = options.lossScaleInit;
    scaling.growth = options.lossScaleGrowth;
    scaling.backoff = options.lossScaleBackoff;
    scaling.interval = options.lossScaleInterval;
    scaling.mode = mode;
    scaling.checkFinite = options.checkFinite;
    // Without a scaler, what is not finite ends the run before the update.
    if (mode == "none") {
      scaling.mode = "check";
    } else if (double fixed = 0; !StringRef(mode).getAsDouble(fixed)) {
      scaling.mode = "static";
      scaling.initial = fixed;
    }
    pm.addPass(createScaleLoss(scaling));
    if (options.accumulate > 1)
      pm.addPass(createAccumulateGradients(
          {options.accumulate, options.accumulateBy, options.checkFinite}));
    pm.addPass(createGuardUpdates({options.checkFinite}));
    pm.addPass(createVerifyTraining());
    pm.addPass(createDifferentiate());
    pm.addPass(createVerifyTraining());
  } else {
    // A graph as it stands may hold Gradient nodes of its own.
    pm.addPass(createDifferentiate());
  }
  // A label or an index out of range is an error where no step is taken, too.
  pm.addPass(createCheckEvaluation());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  // After differentiation: the gradient of a cast is part of the graph by then.
  if (options.level > 0 || options.trains())
    pm.addPass(createKeepLowCopies());
  pm.addPass(createDropUnusedVariables());
}

void buildKernelPipeline(OpPassManager &pm, const OptimizeOptions &options) {
  buildOptimizePipeline(pm, options);
}

void buildPlanPipeline(OpPassManager &pm, const PlanOptions &options) {
  EmitKernelsOptions emit;
  emit.target = options.device.target;
  emit.gpu = options.device.gpu;
  emit.codeSizes.assign(options.codeSizes.begin(), options.codeSizes.end());
  pm.addPass(createEmitKernels(emit));
  buildMemoryPipeline(pm, options.memory);
}

namespace {
struct TrainPipelineOptions : PassPipelineOptions<TrainPipelineOptions> {
  Option<std::string> loss{*this, "loss", llvm::cl::init("auto")};
  Option<std::string> optimizer{*this, "optimizer", llvm::cl::init("adam")};
  Option<int64_t> level{*this, "level", llvm::cl::init(1)};
  Option<std::string> dtype{*this, "dtype", llvm::cl::init("f16")};
  Option<std::string> lists{*this, "lists", llvm::cl::init("balanced")};
  Option<std::string> lossScale{*this, "loss-scale", llvm::cl::init("")};
  Option<bool> checkFinite{*this, "check-finite", llvm::cl::init(true)};
};
struct TargetPipelineOptions : PassPipelineOptions<TargetPipelineOptions> {
  Option<Target> target{*this, "target", llvm::cl::init(Target::Cuda),
                        llvm::cl::values(clEnumValN(Target::Cuda, "cuda", "CUDA device"),
                                         clEnumValN(Target::Host, "host", "CPU"))};
  Option<Gpu> gpu{*this, "gpu", llvm::cl::init(Gpu::H100),
                  llvm::cl::values(clEnumValN(Gpu::A100, "a100", "NVIDIA A100"),
                                   clEnumValN(Gpu::H100, "h100", "NVIDIA H100"),
                                   clEnumValN(Gpu::H200, "h200", "NVIDIA H200"))};
  Option<bool> preferChannelsLast{*this, "prefer-channels-last", llvm::cl::init(false)};
  OptimizeOptions get() const {
    return {target.getValue(), gpu.getValue(), preferChannelsLast.getValue()};
  }
};
} // namespace

void registerAmpcPipelines() {
  registerTrainingPasses();
  registerPrecisionPasses();
  registerAmpcOptimizePasses();
  registerCodegenPasses();
  registerTargetPasses();
  PassPipelineRegistration<TrainPipelineOptions>(
      "ampc-train", "From the imported graph to the training step",
      [](OpPassManager &pm, const TrainPipelineOptions &o) {
        CompileOptions options;
        options.loss = o.loss;
        options.optimizer.name = o.optimizer;
        options.level = o.level;
        options.dtype = o.dtype;
        options.lists = o.lists;
        options.lossScale = o.lossScale;
        options.checkFinite = o.checkFinite;
        buildTrainPipeline(pm, options);
      });
  PassPipelineRegistration<TargetPipelineOptions>(
      "ampc-kernels", "From ops to kernels and library calls",
      [](OpPassManager &pm, const TargetPipelineOptions &o) { buildKernelPipeline(pm, o.get()); });
  PassPipelineRegistration<TargetPipelineOptions>(
      "ampc-plan", "From kernels to a planned program",
      [](OpPassManager &pm, const TargetPipelineOptions &o) {
        buildPlanPipeline(pm, {o.get(), {}, {}});
      });
}

void registerAmpcDialects(DialectRegistry &registry) {
  registry.insert<AmpDialect, plan::PlanDialect, func::FuncDialect, linalg::LinalgDialect,
                  tensor::TensorDialect>();
  registerTargetDialects(registry);
}

} // namespace ampc
