//===- Importer.h - The import of one model -------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_IMPORTER_H
#define AMPC_LIB_IMPORT_IMPORTER_H

#include "CheckpointFile.h"
#include "DimensionBinder.h"
#include "ExportMetadata.h"
#include "GraphBuilder.h"
#include "OrtArtifacts.h"
#include "ResolveInitializers.h"
#include "TrainingInfo.h"
#include "ampc/Import/Import.h"

namespace ampc {

/// One import. Its parts are in Import.cpp (the file as a whole), ImportInitializers.cpp,
/// ImportFunctions.cpp and ImportRoles.cpp (what variables are).
class Importer {
public:
  Importer(MLIRContext &mlir, const ImportOptions &options, StringRef path)
      : context(mlir, options, path), path(path), operators(mlir), precision(context),
        dimensions(context) {}

  FailureOr<ImportedModel> run();

  /// Writes the file again with what `values` holds of `imported`, which run() gave; see Import.h.
  LogicalResult writeTrained(ImportedModel &imported, const CheckpointFile &values,
                             const TrainedModelOutput &output);

private:
  // In this order.
  LogicalResult readModel();
  LogicalResult readArtifacts();
  LogicalResult checkOpsets();
  LogicalResult flattenGraphs();
  LogicalResult checkSupport();
  void attachOtherErrors(InFlightDiagnostic &error);
  LogicalResult readInitializers();
  void resolve();
  LogicalResult collectValues();
  LogicalResult buildFunctions();
  LogicalResult markAssignedState();
  LogicalResult decideRoles();
  void simplify();

  LogicalResult readInitializers(const onnx::GraphProto &proto, ArrayRef<GraphNode> nodes,
                                 Initializers &initializers, StringRef suffix);
  LogicalResult readInitializer(const onnx::TensorProto &tensor, StringRef name,
                                Initializers &initializers, StringRef suffix);
  void addValues(const onnx::GraphProto &proto, Graph &graph) const;
  void dropUpdates(Graph &graph) const;
  LogicalResult finishGraph(Graph &graph) const;
  LogicalResult buildFunction(StringRef name, const Graph &graph, ArrayRef<Binding> updates);
  LogicalResult checkEvaluation();
  LogicalResult buildInitialization();
  void warnAboutInference(StringRef function, const GraphBuilder &builder) const;

  ImportContext context;
  StringRef path;
  OperatorTable operators;
  PrecisionFlags precision;
  DimensionBinder dimensions;

  std::shared_ptr<onnx::ModelProto> model, evalModel;
  std::optional<ExportMetadata> metadata;
  Resolution resolution;
  TrainingInfo training;
  std::optional<OrtArtifacts> artifacts;
  std::vector<GraphNode> mainNodes, stepNodes, evalNodes;
  std::vector<std::vector<GraphNode>> initializationNodes;
  Initializers variables; ///< of the graph and the algorithm
  /// Initializers that are another one, or its transpose.
  struct Tie {
    std::string of, name;
    bool isTransposed;
  };
  std::vector<Tie> ties;
  Initializers evalVariables;
  std::vector<Initializers> initializationVariables;
  Graph main, step, evaluation;
  ImportedModel result;
};

} // namespace ampc

#endif // AMPC_LIB_IMPORT_IMPORTER_H
