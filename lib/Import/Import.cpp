//===- Import.cpp - From an ONNX file to the amp dialect ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Import/Import.h"
#include "AttributeWeights.h"
#include "EraseStoredTypes.h"
#include "FunctionInliner.h"
#include "Importer.h"
#include "InputBinder.h"
#include "ModelFile.h"
#include "UnsupportedNodes.h"
#include "ampc/Support/NodeLocation.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;

namespace ampc {
LogicalResult Importer::readModel() {
  auto file = readModelFile(path, context.loc);
  if (failed(file))
    return failure();
  model = *file;
  if (failed(readArtifacts()) || failed(bindInputs(*model, context)))
    return failure();
  FailureOr<TrainingInfo> info = readTrainingInfo(*model, context);
  if (failed(info))
    return failure();
  training = *std::move(info);
  bool hasRegex = !context.options.trainRegex.empty() || !context.options.freezeRegex.empty();
  if (hasRegex && (training.hasStep() || artifacts))
    return context.emitError() << "--train and --freeze do not apply: "
                               << (artifacts                         ? "the artifacts"
                                   : context.options.updates.empty() ? "the update bindings of "
                                                                       "training_info"
                                                                     : "the flags --update")
                               << " say what is trained";
  return precision.check(operators);
}

/// The files that ONNX Runtime's artifacts are beside the model.
LogicalResult Importer::readArtifacts() {
  const ImportOptions &options = context.options;
  if (isOrtTrainingModel(*model)) {
    FailureOr<OrtArtifacts> read = readOrtArtifacts(*model, context);
    if (failed(read))
      return failure();
    artifacts = *std::move(read);
    if (options.evalModel.empty())
      return success();
    if (!options.trains)
      return context.emitError() << "--eval-model: goes with a training step, not with --loss=none";
    auto evaluation = readArtifact("--eval-model", options.evalModel, context);
    if (failed(evaluation))
      return failure();
    evalModel = *std::move(evaluation);
    return success();
  }
  for (auto [flag, file] : {std::pair("--optimizer-model", &options.optimizerModel),
                            std::pair("--ort-checkpoint", &options.ortCheckpoint),
                            std::pair("--eval-model", &options.evalModel)})
    if (!file->empty())
      return context.emitError() << flag
                                 << ": goes with a training_model.onnx of ONNX Runtime, "
                                    "and this model accumulates no gradients";
  return success();
}

LogicalResult Importer::checkOpsets() {
  llvm::StringMap<int64_t> versions;
  for (const auto &import : model->opset_import()) {
    std::string domain = domainText(normalizeDomain(import.domain())).str();
    auto [other, isNew] = versions.try_emplace(domain, import.version());
    if (!isNew && other->second != import.version())
      return context.emitError() << "imports versions " << other->second << " and "
                                 << import.version() << " of the opset " << domain
                                 << ": operators have one meaning in a model";
    if (import.version() <= 0)
      return context.emitError() << "imports version " << import.version() << " of the opset "
                                 << domain;
    if (domain == "ai.onnx" && import.version() > kNewestOnnxOpset)
      return context.emitError() << "imports version " << import.version() << " of the opset "
                                 << domain << ", but the newest known is " << kNewestOnnxOpset;
  }
  llvm::StringSet<> functions;
  for (const onnx::FunctionProto &function : model->functions()) {
    std::string domain = normalizeDomain(function.domain()).str();
    if (!functions.insert(domain + ":" + function.name() + ":" + function.overload()).second)
      return context.emitError() << "function '" << function.name() << "' of the domain "
                                 << domainText(domain) << " is there twice";
  }
  return success();
}

LogicalResult Importer::flattenGraphs() {
  FunctionInliner inliner(context, operators, *model);
  if (failed(inliner.flatten(model->graph(), mainNodes)))
    return failure();
  if (failed(moveAttributeWeights(*model->mutable_graph(), mainNodes, operators, context)))
    return failure();
  if (evalModel &&
      failed(
          FunctionInliner(context, operators, *evalModel).flatten(evalModel->graph(), evalNodes)))
    return failure();
  if (training.algorithm && failed(inliner.flatten(*training.algorithm, stepNodes)))
    return failure();
  forEachNode(stepNodes, [](GraphNode &node) { node.isTraining = true; });
  for (const auto &initialization : training.initializations)
    if (failed(inliner.flatten(*initialization.graph, initializationNodes.emplace_back())))
      return failure();
  return success();
}

/// Reports all nodes that nothing stands for, in one error.
LogicalResult Importer::checkSupport() {
  UnsupportedNodes unsupported(operators);
  unsupported.addConstants(model->graph());
  unsupported.add(mainNodes);
  unsupported.add(stepNodes);
  if (evalModel)
    unsupported.addConstants(evalModel->graph());
  unsupported.add(evalNodes);
  for (const std::vector<GraphNode> &nodes : initializationNodes)
    unsupported.add(nodes);
  if (unsupported.empty())
    return success();
  InFlightDiagnostic error = unsupported.report(context);
  attachOtherErrors(error);
  return error;
}

/// What else is wrong with the file, as far as that shows without its operators, so that
/// whoever mends them does not meet it next.
void Importer::attachOtherErrors(InFlightDiagnostic &error) {
  std::vector<std::string> others;
  {
    ScopedDiagnosticHandler collect(&context.mlir, [&](Diagnostic &other) {
      if (other.getSeverity() != DiagnosticSeverity::Error)
        return failure();
      SmallVector<StringRef> names = getNodeNames(other.getLocation());
      others.push_back((names.empty() ? "" : ("node '" + names.front() + "': ").str()) +
                       other.str());
      return success();
    });
    if (succeeded(readInitializers()))
      (void)collectValues();
  }
  for (const std::string &other : others)
    error.attachNote() << "and another error: " << other;
}

FailureOr<ImportedModel> Importer::run() {
  result.module = ModuleOp::create(context.loc);
  result.module.get()->setAttr(kModelAttr, StringAttr::get(&context.mlir, context.model));
  if (failed(readModel()) || failed(checkOpsets()) || failed(flattenGraphs()) ||
      failed(checkSupport()) || failed(readInitializers()))
    return failure();
  resolve();
  if (failed(collectValues()) || failed(buildFunctions()))
    return failure();
  if (DictionaryAttr asked = precision.operatorPrecisions())
    result.module.get()->setAttr(kOperatorPrecisionsAttr, asked);
  eraseStoredTypes(*result.module, result.weights);
  if (failed(decideRoles()))
    return failure();
  simplify();
  if (artifacts) {
    result.artifacts = ArtifactStep{artifacts->loss, {}, artifacts->clipGradNorm};
    if (artifacts->optimizer)
      result.artifacts->optimizer = artifacts->settings;
    if (context.options.trains &&
        failed(addOrtState(*artifacts, *result.module, result.weights, context)))
      return failure();
  }
  if (failed(verify(*result.module)))
    return failure();
  result.hasStep = training.hasStep();
  result.batch = dimensions.batch();
  result.externalFiles = context.externalData.paths();
  return std::move(result);
}

FailureOr<ImportedModel> importOnnx(StringRef path, MLIRContext &context,
                                    const ImportOptions &options) {
  context.loadDialect<AmpDialect, func::FuncDialect>();
  return Importer(context, options, path).run();
}
} // namespace ampc
