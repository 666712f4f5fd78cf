//===- OrtArtifacts.h - ONNX Runtime's training artifacts ----- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_ORTARTIFACTS_H
#define AMPC_LIB_IMPORT_ORTARTIFACTS_H

#include "OrtCheckpoint.h"
#include "ampc/Dialect/Amp/AmpBase.h"
#include "llvm/ADT/StringSet.h"

namespace ampc {

/// What `onnxruntime.training.artifacts.generate_artifacts` wrote, beside the graph.
struct OrtArtifacts {
  /// The output that is minimised.
  std::string loss;
  /// Names of the parameters: the others in the checkpoint are buffers or frozen.
  llvm::StringSet<> trained, frozen;
  OrtCheckpoint checkpoint;
  /// What the optimizer model says; null where none is given.
  const OptimizerOpInterface::Concept *optimizer = nullptr;
  OptimizerOptions settings;
  std::optional<double> clipGradNorm;
};

/// Whether the model accumulates gradients in place, as a training_model.onnx does.
bool isOrtTrainingModel(const onnx::ModelProto &model);

/// Makes the forward graph of a training model, with the parameters of the checkpoint as
/// initializers, and reads the other files. The gradients that the model spells out are dropped:
/// they must be what ONNX Runtime's gradient builder writes, so that nothing is lost.
llvm::FailureOr<OrtArtifacts> readOrtArtifacts(onnx::ModelProto &model, ImportContext &context);

/// Reads one of the other models, which `flag` names.
llvm::FailureOr<std::shared_ptr<onnx::ModelProto>>
readArtifact(llvm::StringRef flag, llvm::StringRef path, const ImportContext &context);

/// Reads the model of `--optimizer-model` into `artifacts`.
llvm::LogicalResult readOrtOptimizer(OrtArtifacts &artifacts, ImportContext &context);

/// Gives the variables of `module` their roles, and adds those that hold what the optimizer of the
/// checkpoint kept.
llvm::LogicalResult addOrtState(const OrtArtifacts &artifacts, ModuleOp module,
                                WeightStore &weights, ImportContext &context);

} // namespace ampc

#endif // AMPC_LIB_IMPORT_ORTARTIFACTS_H
