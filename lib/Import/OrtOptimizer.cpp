//===- OrtOptimizer.cpp - ONNX Runtime's optimizer model ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The model has lists of tensors as inputs: parameters, gradients and what the optimizer keeps. One
// node updates all of them, after another that clips the gradients, where there is one. So it is
// settings in the form of a graph, and they are what is read of it.
//
//===----------------------------------------------------------------------===//

#include "GraphNode.h"
#include "ModelFile.h"
#include "OrtArtifacts.h"
#include "TensorReader.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Support/StateNames.h"

using namespace mlir;

namespace ampc {
namespace {
constexpr StringLiteral kMicrosoft = "com.microsoft";
/// Scales all gradients so that their norm is at most `max_norm`.
constexpr StringLiteral kClip = "InplaceClipGradNorm";
/// The learning rate that ONNX Runtime's optimizers start with unless they are told.
constexpr double kDefaultRate = 1e-3;

/// Whether the node is an optimizer's of lists of tensors. If so, `settings` say as flags would
/// what it does.
bool readSettings(OnnxNode &node, OptimizerOptions &settings) {
  if (node.domain != kMicrosoft)
    return false;
  if (node.opType == "SGDOptimizerV2") {
    settings.name = "sgd";
    return true;
  }
  if (node.opType != "AdamWOptimizer")
    return false;
  int64_t mode = node.getInt("adam_mode", 0);
  if (mode != 0 && mode != 1) {
    node.emitError() << "has adam_mode " << mode << ", not 0 (torch's) or 1 (transformers')";
    node.hadError = true;
  }
  settings.name = mode == 1 ? "adamw_hf" : "adamw";
  settings.given = {{"beta1", node.getFloat("alpha", 0.9f)},
                    {"beta2", node.getFloat("beta", 0.999f)},
                    {"eps", node.getFloat("epsilon", 1e-8f)},
                    {"weight-decay", node.getFloat("weight_decay", 1e-2f)},
                    {"no-bias-correction", node.getInt("correct_bias", 1) == 0}};
  return true;
}

/// The op that stands for the optimizer of that name.
const OptimizerOpInterface::Concept *findOptimizer(StringRef name, MLIRContext &mlir) {
  for (RegisteredOperationName op : mlir.getRegisteredOperations())
    if (auto *optimizer = op.getInterface<OptimizerOpInterface>())
      if (llvm::is_contained(optimizer->getOptimizerNames(), name))
        return optimizer;
  return nullptr;
}

/// What is right for gradients that are clipped: 1e-6 beside the norm, as torch has it.
LogicalResult readClip(OnnxNode &node, OrtArtifacts &artifacts) {
  double largest = node.getFloat("max_norm", 1);
  if (node.hadError)
    return failure();
  if (!(largest > 0 && largest <= std::numeric_limits<float>::max()))
    return node.emitError() << "has max_norm " << largest << ", which must be above 0 and finite";
  if (artifacts.clipGradNorm)
    return node.emitError() << "clips gradients that are clipped already";
  artifacts.clipGradNorm = largest;
  return success();
}
} // namespace

FailureOr<std::shared_ptr<onnx::ModelProto>> readArtifact(StringRef flag, StringRef path,
                                                          const ImportContext &context) {
  // What is wrong is wrong in that file, and messages begin with the training model.
  std::string message;
  {
    ScopedDiagnosticHandler collect(&context.mlir, [&](Diagnostic &diagnostic) {
      if (message.empty())
        message = diagnostic.str();
      return success();
    });
    FailureOr<std::shared_ptr<onnx::ModelProto>> model = readModelFile(path, context.loc);
    if (succeeded(model))
      return model;
  }
  return context.emitError() << flag << "=" << path << ": " << message;
}

LogicalResult readOrtOptimizer(OrtArtifacts &artifacts, ImportContext &context) {
  StringRef path = context.options.optimizerModel;
  ImportContext own(context.mlir, context.options, path);
  FailureOr<std::shared_ptr<onnx::ModelProto>> model =
      readArtifact("--optimizer-model", path, context);
  if (failed(model))
    return failure();
  auto emitError = [&] { return context.emitError() << "--optimizer-model=" << path << ": "; };

  OpsetVersions opsets = readOpsets((*model)->opset_import());
  for (const onnx::NodeProto &proto : (*model)->graph().node()) {
    GraphNode node;
    node.proto = &proto;
    node.name = proto.name();
    node.domain = normalizeDomain(proto.domain()).str();
    node.version = opsets.lookup(node.domain);
    if (node.name.empty() && proto.output_size() > 0)
      node.name = proto.output(0);
    OnnxNode onnxNode(node.getLoc(own));
    onnxNode.name = node.name;
    onnxNode.opType = proto.op_type();
    onnxNode.domain = node.domain;
    onnxNode.version = node.version;
    if (failed(readAttributes(node, onnxNode, own)))
      return failure();
    if (node.domain == kMicrosoft && proto.op_type() == kClip) {
      if (artifacts.optimizer)
        return emitError() << "clips gradients after the update";
      if (failed(readClip(onnxNode, artifacts)))
        return failure();
      continue;
    }
    OptimizerOptions settings;
    bool isOptimizer = readSettings(onnxNode, settings);
    if (onnxNode.hadError)
      return failure();
    if (!isOptimizer)
      return emitError() << "node '" << node.name << "' (" << proto.op_type()
                         << ") is no optimizer that is known; what ONNX Runtime's artifacts have "
                            "are AdamWOptimizer, SGDOptimizerV2 and InplaceClipGradNorm";
    if (failed(onnxNode.checkAttributes()))
      return failure();
    if (artifacts.optimizer)
      return emitError() << "has more than one optimizer";
    artifacts.optimizer = findOptimizer(settings.name, context.mlir);
    artifacts.settings = settings;
  }
  if (!artifacts.optimizer)
    return emitError() << "has no optimizer: it is no optimizer_model.onnx";
  artifacts.settings.given[kLearningRateSetting.str()] =
      artifacts.checkpoint.learningRate.value_or(kDefaultRate);
  if (context.options.learningRate)
    artifacts.settings.given[kLearningRateSetting.str()] = *context.options.learningRate;
  return success();
}

/// Adds what the optimizer kept of each parameter, in the order of its kinds of state.
static LogicalResult addMomentums(const OrtArtifacts &artifacts, ModuleOp module,
                                  WeightStore &weights, ImportContext &context) {
  OptimizerSettings settings(artifacts.settings,
                             artifacts.optimizer->getSettings(artifacts.settings.name));
  for (const OrtCheckpoint::Momentums &momentums : artifacts.checkpoint.momentums) {
    auto emitError = [&] {
      return context.emitError() << "--ort-checkpoint: what the optimizer kept of '"
                                 << momentums.parameter << "': ";
    };
    auto parameter = module.lookupSymbol<VariableOp>(momentums.parameter);
    if (!parameter || !parameter.getTrained())
      continue; // nothing reads the parameter
    auto kept = artifacts.optimizer->getOptimizerStates(settings, parameter.getTensorType());
    if (kept.empty())
      continue; // of SGD it keeps what nothing reads
    if (momentums.tensors.size() != kept.size())
      return emitError() << momentums.tensors.size() << " tensors, but --optimizer-model keeps "
                         << kept.size();
    for (auto [kind, proto] : llvm::zip_equal(kept, momentums.tensors)) {
      FailureOr<TensorValue> value = readTensor(proto, nullptr, context, emitError);
      if (failed(value))
        return failure();
      auto bytes = std::make_shared<std::string>(value->bytes.data(), value->bytes.size());
      // Masters are f32 whatever the file has.
      if (value->type.getShape() != parameter.getTensorType().getShape() ||
          !value->type.getElementType().isF32())
        return emitError() << "it is " << typeText(value->type) << " for a parameter of "
                           << typeText(parameter.getTensorType());
      std::string name = "ampc." + kind.kind + "/" + momentums.parameter;
      OpBuilder builder(parameter);
      builder.setInsertionPointAfter(parameter);
      if (module.lookupSymbol(name))
        return emitError() << "it is there twice";
      VariableOp::create(builder, context.loc, VariableRole::State, name, value->type,
                         /*initial=*/nullptr, /*from_model=*/true, /*trained=*/false);
      weights.add(name, value->type, *bytes, bytes);
    }
  }
  return success();
}

LogicalResult addOrtState(const OrtArtifacts &artifacts, ModuleOp module, WeightStore &weights,
                          ImportContext &context) {
  const OrtCheckpoint &checkpoint = artifacts.checkpoint;
  if (!artifacts.optimizer) {
    if (checkpoint.step != 0 || !checkpoint.momentums.empty())
      emitWarning(context.loc) << "--ort-checkpoint: what the optimizer kept is left out: "
                                  "--optimizer-model=F.onnx has the optimizer that it belongs to";
    return success();
  }
  if (checkpoint.step != 0) {
    auto builder = OpBuilder::atBlockBegin(module.getBody());
    auto type = RankedTensorType::get({}, builder.getI64Type());
    VariableOp::create(builder, context.loc, VariableRole::State, kOptimizerStep, type,
                       DenseElementsAttr::get(type, checkpoint.step), /*from_model=*/false,
                       /*trained=*/false);
  }
  return addMomentums(artifacts, module, weights, context);
}
} // namespace ampc
