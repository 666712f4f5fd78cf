//===- OrtArtifacts.cpp - ONNX Runtime's training artifacts ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A training model is a forward graph with its loss, behind it the nodes that ONNX Runtime's
// gradient builder wrote, and for each parameter a node that adds its gradient to a buffer.
// Parameters, buffers and the flag that empties them are inputs of the graph.
//
//===----------------------------------------------------------------------===//

#include "OrtArtifacts.h"
#include "GraphNode.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace ampc {
namespace {
constexpr StringLiteral kMicrosoft = "com.microsoft";
constexpr StringLiteral kBufferSuffix = "_grad.accumulation.buffer";
constexpr StringLiteral kGradientMark = "_Grad/", kSumPrefix = "AccumulateGrad_";

/// A form of an ONNX operator that also gives what its gradient reads.
struct TrainingForm {
  StringLiteral name, original;
  int outputs; ///< of the original; those behind are for the gradient
};
constexpr TrainingForm kTrainingForms[] = {
    {"BatchNormInternal", "BatchNormalization", 3},
    {"ConcatTraining", "Concat", 1},
    {"SplitTraining", "Split", INT_MAX},
    {"ReduceSumTraining", "ReduceSum", 1},
    {"LSTMTraining", "LSTM", 3},
    {"GRUTraining", "GRU", 2},
};

/// Whether the node adds a gradient (input 1) to a buffer (input 0).
bool isAccumulator(const onnx::NodeProto &node) {
  return normalizeDomain(node.domain()) == kMicrosoft && node.input_size() >= 2 &&
         node.output_size() >= 1 &&
         (node.op_type() == "InPlaceAccumulatorV2" || node.op_type() == "InPlaceAccumulator");
}

/// Calls `visit` with the names of all tensors that a node reads, those in its graphs too.
void forEachInput(const onnx::NodeProto &node, function_ref<void(StringRef)> visit) {
  for (const std::string &input : node.input())
    visit(input);
  for (const onnx::AttributeProto &attribute : node.attribute()) {
    if (!isGraph(attribute))
      continue;
    for (const onnx::NodeProto &inner : attribute.g().node())
      forEachInput(inner, visit);
    for (const onnx::ValueInfoProto &output : attribute.g().output())
      visit(output.name());
  }
}

/// Turns one training model into its forward graph.
class ForwardGraph {
public:
  ForwardGraph(onnx::ModelProto &model, ImportContext &context)
      : model(model), graph(*model.mutable_graph()), context(context) {}

  LogicalResult run(OrtArtifacts &artifacts);

private:
  LogicalResult findAccumulators(OrtArtifacts &artifacts);
  void findForwardNodes();
  LogicalResult checkGradients();
  LogicalResult addParameters(const OrtArtifacts &artifacts);
  void dropRest();
  void restoreForms();
  void mergeOpsets();

  onnx::ModelProto &model;
  onnx::GraphProto &graph;
  ImportContext &context;
  llvm::StringMap<int> producers; ///< of values, by name
  llvm::BitVector isForward;      ///< nodes
  llvm::StringSet<> buffers;      ///< inputs that hold gradients or empty them
  llvm::StringSet<> updated;      ///< outputs that say so
  llvm::StringSet<> gradients;    ///< what is accumulated
};
} // namespace

LogicalResult ForwardGraph::findAccumulators(OrtArtifacts &artifacts) {
  for (auto [i, node] : llvm::enumerate(graph.node())) {
    for (const std::string &output : node.output())
      if (!output.empty())
        producers[output] = int(i);
    if (!isAccumulator(node))
      continue;
    StringRef parameter = node.input(0);
    if (!parameter.consume_back(kBufferSuffix))
      return context.emitError() << "node '" << node.name() << "' (" << node.op_type()
                                 << ") accumulates in '" << node.input(0)
                                 << "': ONNX Runtime's artifacts call that PARAMETER"
                                 << kBufferSuffix;
    if (!artifacts.trained.insert(parameter).second)
      return context.emitError() << "the gradient of '" << parameter << "' is accumulated twice";
    buffers.insert(node.input(0));
    if (node.input_size() > 2)
      buffers.insert(node.input(2));
    gradients.insert(node.input(1));
    for (const std::string &output : node.output())
      updated.insert(output);
  }
  return success();
}

/// Those that outputs depend on which say nothing of gradients.
void ForwardGraph::findForwardNodes() {
  isForward.resize(graph.node_size());
  std::vector<int> worklist;
  auto need = [&](StringRef name) {
    auto it = producers.find(name);
    if (it != producers.end() && !isForward.test(it->second)) {
      isForward.set(it->second);
      worklist.push_back(it->second);
    }
  };
  for (const onnx::ValueInfoProto &output : graph.output())
    if (!updated.contains(output.name()))
      need(output.name());
  while (!worklist.empty()) {
    int node = worklist.back();
    worklist.pop_back();
    forEachInput(graph.node(node), need);
  }
}

/// The gradients are taken again from the forward graph. That loses nothing where they are what the
/// gradient builder wrote: it names its nodes after the forward node, "fc1_Grad/Gemm_0", and sums
/// of gradients after the value.
LogicalResult ForwardGraph::checkGradients() {
  llvm::StringSet<> forward;
  for (auto [i, node] : llvm::enumerate(graph.node()))
    if (isForward.test(i))
      forward.insert(node.name());
  for (auto [i, node] : llvm::enumerate(graph.node())) {
    if (isForward.test(i) || isAccumulator(node))
      continue;
    StringRef name = node.name(), of = name.take_front(name.rfind(kGradientMark));
    bool isGradient = of.size() < name.size() && forward.contains(of);
    bool isSum = name.starts_with(kSumPrefix);
    if (isGradient || isSum)
      continue;
    InFlightDiagnostic error = context.emitError()
                               << "node '" << name << "' (" << node.op_type()
                               << ") is not by ONNX Runtime's gradient builder, and no output but "
                                  "gradients depends on it";
    error.attachNote() << "ampc takes the forward graph and differentiates it itself, so that it "
                          "would leave out what was added to the gradients";
    return error;
  }
  return success();
}

/// Adds the parameters' values. Their inputs stay: an initializer of an input's name is its value.
LogicalResult ForwardGraph::addParameters(const OrtArtifacts &artifacts) {
  llvm::StringSet<> inputs, initializers;
  for (const onnx::ValueInfoProto &input : graph.input())
    inputs.insert(input.name());
  for (const onnx::TensorProto &initializer : graph.initializer())
    initializers.insert(initializer.name());
  for (const auto *tensors : {&artifacts.checkpoint.trained, &artifacts.checkpoint.frozen})
    for (const onnx::TensorProto &tensor : *tensors) {
      if (!inputs.contains(tensor.name()))
        continue; // nothing reads it
      if (!initializers.insert(tensor.name()).second)
        return context.emitError() << "--ort-checkpoint: '" << tensor.name() << "' is there twice";
      *graph.add_initializer() = tensor;
    }
  for (StringRef name : artifacts.trained.keys())
    if (!initializers.contains(name))
      return context.emitError() << "--ort-checkpoint=" << context.options.ortCheckpoint
                                 << ": has no value of the parameter '" << name
                                 << "': it is of another model";
  return success();
}

/// Drops what is not of the forward graph.
void ForwardGraph::dropRest() {
  auto &nodes = *graph.mutable_node();
  int kept = 0;
  for (int i = 0; i < nodes.size(); ++i)
    if (isForward.test(i))
      nodes.SwapElements(kept++, i);
  nodes.DeleteSubrange(kept, nodes.size() - kept);
  auto erase = [](auto &list, const llvm::StringSet<> &names) {
    for (int i = list.size() - 1; i >= 0; --i)
      if (names.contains(list[i].name()))
        list.DeleteSubrange(i, 1);
  };
  erase(*graph.mutable_input(), buffers);
  erase(*graph.mutable_output(), updated);
}

/// The gradient builder puts forms for training in the place of some forward nodes; here the
/// originals are put back.
void ForwardGraph::restoreForms() {
  int64_t opset = readOpsets(model.opset_import()).lookup("");
  for (onnx::NodeProto &node : *graph.mutable_node()) {
    const auto *form = llvm::find_if(kTrainingForms, [&](const TrainingForm &form) {
      return normalizeDomain(node.domain()) == kMicrosoft && node.op_type() == form.name;
    });
    if (form == std::end(kTrainingForms))
      continue;
    node.clear_domain();
    node.set_op_type(form->original.str());
    while (node.output_size() > form->outputs)
      node.mutable_output()->RemoveLast();
    if (form->original != "BatchNormalization")
      continue;
    // Before opset 14 it is the outputs that say that it trains.
    auto &attributes = *node.mutable_attribute();
    for (int i = attributes.size() - 1; i >= 0; --i)
      if (attributes[i].name() == "training_mode")
        attributes.DeleteSubrange(i, 1);
    if (opset >= 14) {
      onnx::AttributeProto &mode = *node.add_attribute();
      mode.set_name("training_mode");
      mode.set_type(onnx::AttributeProto::INT);
      mode.set_i(1);
    }
  }
}

/// ONNX Runtime writes every opset that it knows, some twice: of one domain the newest holds.
void ForwardGraph::mergeOpsets() {
  OpsetVersions versions = readOpsets(model.opset_import());
  model.clear_opset_import();
  for (const auto &[domain, version] : versions) {
    onnx::OperatorSetIdProto &opset = *model.add_opset_import();
    opset.set_domain(domain.str());
    opset.set_version(version);
  }
}

LogicalResult ForwardGraph::run(OrtArtifacts &artifacts) {
  if (failed(findAccumulators(artifacts)))
    return failure();
  auto loss = llvm::find_if(graph.output(), [&](const onnx::ValueInfoProto &output) {
    return !updated.contains(output.name());
  });
  if (loss == graph.output().end())
    return context.emitError() << "has no output but those of accumulated gradients, so no loss";
  artifacts.loss = loss->name();
  findForwardNodes();
  if (failed(checkGradients()))
    return failure();
  if (context.options.ortCheckpoint.empty()) {
    InFlightDiagnostic error =
        context.emitError() << "is a training model of ONNX Runtime, whose parameters are inputs";
    error.attachNote() << "--ort-checkpoint=checkpoint has their values; it was written with it";
    return error;
  }
  FailureOr<OrtCheckpoint> checkpoint = readOrtCheckpoint(context.options.ortCheckpoint, context);
  if (failed(checkpoint))
    return failure();
  artifacts.checkpoint = *std::move(checkpoint);
  for (const onnx::TensorProto &tensor : artifacts.checkpoint.trained)
    if (!artifacts.trained.contains(tensor.name()))
      artifacts.frozen.insert(tensor.name());
  for (const onnx::TensorProto &tensor : artifacts.checkpoint.frozen)
    artifacts.frozen.insert(tensor.name());
  if (failed(addParameters(artifacts)))
    return failure();
  dropRest();
  mergeOpsets();
  restoreForms();
  return success();
}

bool isOrtTrainingModel(const onnx::ModelProto &model) {
  return llvm::any_of(model.graph().node(), isAccumulator);
}

FailureOr<OrtArtifacts> readOrtArtifacts(onnx::ModelProto &model, ImportContext &context) {
  OrtArtifacts artifacts;
  if (failed(ForwardGraph(model, context).run(artifacts)))
    return failure();
  if (!context.options.optimizerModel.empty() && failed(readOrtOptimizer(artifacts, context)))
    return failure();
  return std::move(artifacts);
}
} // namespace ampc
