//===- TrainingInfo.h - The training step that a file spells out -- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_TRAININGINFO_H
#define AMPC_LIB_IMPORT_TRAININGINFO_H

#include "GraphBuilder.h"

namespace ampc {

/// `ModelProto.training_info`, its rules checked: what the onnx.proto says of
/// TrainingInfoProto. None of it is checked by ONNX's own tools.
struct TrainingInfo {
  struct Initialization {
    const onnx::GraphProto *graph;
    std::vector<Binding> bindings;
  };

  /// The entry that is the training step has one, or updates, or both.
  const onnx::GraphProto *algorithm = nullptr;
  std::vector<Binding> updates;
  /// Of all entries, in order, as far as they concern variables of the model or of the
  /// chosen algorithm.
  std::vector<Initialization> initializations;
  /// Names of the initializers that any binding changes.
  llvm::StringSet<> bound;

  /// The graph is a step itself: `--update` names what it carries over.
  bool isFromFlags = false;

  bool hasStep() const { return algorithm || !updates.empty(); }
};

llvm::FailureOr<TrainingInfo> readTrainingInfo(const onnx::ModelProto &model,
                                               const ImportContext &context);

} // namespace ampc

#endif // AMPC_LIB_IMPORT_TRAININGINFO_H
