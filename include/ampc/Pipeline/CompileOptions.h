//===- CompileOptions.h - What a compilation depends on ------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_PIPELINE_COMPILEOPTIONS_H
#define AMPC_PIPELINE_COMPILEOPTIONS_H

#include "ampc/Import/Import.h"
#include "ampc/Support/OptimizerOptions.h"
#include <string>
#include <vector>

namespace ampc {
struct PrecisionGraph;

/// How far to compile; the stage's text or the train.so is what comes out.
enum class Stage { Amp, Train, Kernels, Plan, Gpu, Ptx, SharedObject };

/// Everything a compilation depends on besides the model's bytes.
struct CompileOptions {
  ImportOptions import;

  // Training.
  std::string loss = "auto"; ///< auto, output:NAME, a loss by name, or none
  /// Axis of the classes, for a loss by name that has classes; negative from the end.
  std::optional<int64_t> classAxis;
  int64_t ignoreIndex = -100; ///< label that a loss by name does not count
  double labelSmoothing = 0, huberDelta = 1, smoothL1Beta = 1; ///< LossOptions
  bool softLabels = false, fromProbabilities = false;          ///< LossOptions
  std::vector<double> classWeights;                            ///< LossOptions
  /// `name` "auto" is adam; "none" is no training step.
  OptimizerOptions optimizer;
  double clipGradNorm = -1, clipGradValue = -1; ///< negative: off
  double ema = 0;                               ///< decay of parameters' averages; 0: none
  int64_t accumulate = 1;                       ///< micro-batches in a step
  std::string accumulateBy = "auto";            ///< their gradients: mean, sum or what the loss is

  // Precision.
  int64_t level = 1;         ///< 0 for O0, to 3 for O3
  std::string dtype = "f16"; ///< f16 or bf16
  std::string lists = "balanced";
  /// dynamic, none, a number, or "" for the default: dynamic for f16, else none.
  std::string lossScale;
  double lossScaleInit = 65536, lossScaleGrowth = 2, lossScaleBackoff = 0.5;
  int64_t lossScaleInterval = 2000;
  double lossScaleMin = 6.103515625e-05; ///< 2^-14; 0 turns it off
  /// Without loss scaling: a loss or gradient that is not finite ends the run.
  bool checkFinite = true;

  // Target.
  bool cuda = true, host = true;
  /// The processor that host code is for, as x86-64-v3; "" for the one ampc runs on.
  std::string hostCpu;
  std::vector<unsigned> cudaArchs = {80, 90};
  /// Where to look for ptxas and libdevice before the usual places.
  std::vector<std::string> toolkitPrefixes;
  uint64_t memoryLimit = 0; ///< bytes; 0 for none
  /// Equal runs must give equal bits: a step that cannot promise that is an error.
  bool deterministic = false;

  // Trained weights back into the model (--emit=onnx).
  bool trainedAverages = false;     ///< the parameters' averages
  std::string trainedDtype = "f32"; ///< of weights in the file: f32, f16 or bf16

  // Inspection.
  /// A folder that gets the IR of every stage; "" for none.
  std::string dumpDirectory;
  /// A file that gets what was decided, as JSON; "" for none.
  std::string reportFile;
  /// Gets the types of the forward graph; null where nobody asks.
  PrecisionGraph *precisionGraph = nullptr;
  /// Also write the device kernels, compiled for the CPU's fibers: for tests.
  std::string simtFile;
  /// Plan as if all libraries preferred images with their channels last: for tests.
  bool preferChannelsLast = false;

  /// The model's file, as the user gave it.
  std::string model;
  /// The flags that shaped this compilation, as one JSON object, kept in the train.so.
  std::string flags;

  bool trains() const { return optimizer.name != "none"; }
};

} // namespace ampc

#endif // AMPC_PIPELINE_COMPILEOPTIONS_H
