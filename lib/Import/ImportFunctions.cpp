//===- ImportFunctions.cpp - Graphs become functions ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Importer.h"
#include "NodeOrder.h"

using namespace mlir;

namespace ampc {
/// Adds the inputs, outputs and declared types of a graph. An input that has an initializer
/// is that initializer: a default that nobody overrides, or, before IR version 4, the only
/// way to write an initializer.
void Importer::addValues(const onnx::GraphProto &proto, Graph &graph) const {
  for (const onnx::ValueInfoProto &input : proto.input())
    if (!variables.contains(input.name()))
      graph.inputs.push_back(&input);
  for (const onnx::ValueInfoProto &value : proto.value_info())
    graph.declared[value.name()] = &value;
  for (const onnx::ValueInfoProto &output : proto.output()) {
    graph.outputs.push_back(&output);
    graph.declared[output.name()] = &output;
  }
}

/// Whether a size of the value is declared as a number.
static bool declaresSize(const onnx::ValueInfoProto &value) {
  return llvm::any_of(value.type().tensor_type().shape().dim(), [](const auto &dimension) {
    return dimension.has_dim_value() && dimension.dim_value() >= 0;
  });
}

/// Takes what graphs in nodes declare, and sorts the nodes. Sizes by name alone say no more
/// than the number of dimensions, and TorchScript's exporter writes that of one branch of an
/// If at both.
LogicalResult Importer::finishGraph(Graph &graph) const {
  forEachSubgraph(graph.nodes, [&](const Subgraph &subgraph) {
    for (const auto *values : {&subgraph.proto->value_info(), &subgraph.proto->output()})
      for (const onnx::ValueInfoProto &value : *values)
        if (auto it = subgraph.names.find(value.name());
            it != subgraph.names.end() &&
            (!value.type().tensor_type().has_shape() || declaresSize(value)))
          graph.declared[it->second] = &value;
  });

  llvm::StringSet<> given, outputs;
  for (const onnx::ValueInfoProto *input : graph.inputs) {
    if (input->name().empty())
      return context.emitError() << "has an input without a name";
    if (!given.insert(input->name()).second)
      return context.emitError() << "input '" << input->name() << "' is there twice";
  }
  for (const onnx::ValueInfoProto *output : graph.outputs)
    if (!outputs.insert(output->name()).second)
      return context.emitError() << "output '" << output->name() << "' is there twice";
  for (StringRef name : graph.initializers->keys())
    given.insert(name);
  return sortNodes(graph.nodes, given, context);
}

/// What is carried over is no result, unless it is all that the graph gives.
void Importer::dropUpdates(Graph &graph) const {
  llvm::StringSet<> updates;
  for (const Binding &binding : training.updates)
    updates.insert(binding.value);
  auto isUpdate = [&](const onnx::ValueInfoProto *output) {
    return updates.contains(output->name());
  };
  if (!llvm::all_of(graph.outputs, isUpdate))
    llvm::erase_if(graph.outputs, isUpdate);
}

LogicalResult Importer::collectValues() {
  if (model->graph().output_size() == 0)
    return context.emitError() << "the graph has no output";
  for (const onnx::ValueInfoProto &input : model->graph().input())
    if (auto it = variables.find(input.name()); it != variables.end()) {
      std::string conflict = dimensions.findConflict(input.type(), it->second.type);
      if (!conflict.empty())
        return context.emitError()
               << "initializer '" << input.name() << "' is " << typeText(it->second.type)
               << ", but the input of its name is " << conflict;
    }

  main.initializers = step.initializers = &variables;
  addValues(model->graph(), main);
  if (training.isFromFlags)
    dropUpdates(main);
  main.nodes = std::move(mainNodes);
  if (failed(finishGraph(main)))
    return failure();
  if (training.hasStep()) {
    addValues(model->graph(), step);
    if (training.isFromFlags)
      dropUpdates(step);
    if (training.algorithm)
      addValues(*training.algorithm, step);
    step.nodes = main.nodes;
    llvm::append_range(step.nodes, stepNodes);
    if (failed(finishGraph(step)))
      return failure();
  }
  const Graph &all = training.hasStep() ? step : main;
  SmallVector<const onnx::ValueInfoProto *> inputs(all.inputs.begin(), all.inputs.end()), others;
  for (const auto &entry : all.declared)
    others.push_back(entry.second);
  if (evalModel) {
    evaluation.initializers = &evalVariables;
    addValues(evalModel->graph(), evaluation);
    evaluation.nodes = std::move(evalNodes);
    if (failed(finishGraph(evaluation)))
      return failure();
    llvm::append_range(inputs, evaluation.inputs);
    for (const auto &entry : evaluation.declared)
      others.push_back(entry.second);
  }
  return dimensions.bind(inputs, others);
}

/// A network that is trained while its layers stand in inference form learns something else.
void Importer::warnAboutInference(StringRef function, const GraphBuilder &builder) const {
  if (function != kMainFunction || builder.inferenceForms().empty() || training.hasStep() ||
      artifacts || !context.options.trains || context.options.trainMode)
    return;
  std::string counts;
  for (auto &[opType, count] : builder.inferenceForms())
    counts += (counts.empty() ? "" : ", ") + std::to_string(count) + " " + opType;
  emitWarning(context.loc) << "nodes stand in their inference form (" << counts
                           << "): --train-mode=on trains them as training does, "
                              "--train-mode=off as they are, without this warning";
}

LogicalResult Importer::buildFunction(StringRef name, const Graph &graph,
                                      ArrayRef<Binding> updates) {
  GraphBuilder builder(context, operators, dimensions, result.weights, precision, *result.module,
                       name);
  if (name == kMainFunction && !training.hasStep() && context.options.trains)
    builder.letNodesAssignState();
  if (failed(builder.add(graph)) || failed(builder.assign(updates, variables)))
    return failure();
  builder.finish();
  warnAboutInference(name, builder);
  if (name == kTrainFunction && context.options.learningRate && !builder.hasReplacedRate())
    return context.emitError() << "--lr: "
                               << (training.isFromFlags ? "the step that --update names"
                                                        : "the model's training_info")
                               << " has no optimizer whose learning rate it could replace";
  return success();
}

/// An input has one type in training and in evaluation.
LogicalResult Importer::checkEvaluation() {
  auto given = result.module->lookupSymbol<func::FuncOp>(kMainFunction);
  auto function = result.module->lookupSymbol<func::FuncOp>(kEvalFunction);
  for (BlockArgument argument : function.getArguments())
    for (BlockArgument other : given.getArguments()) {
      Attribute name = function.getArgAttr(argument.getArgNumber(), kNameAttr);
      if (name == given.getArgAttr(other.getArgNumber(), kNameAttr) &&
          argument.getType() != other.getType())
        return context.emitError()
               << "--eval-model: input " << name << " is " << typeText(argument.getType())
               << ", but the model's is " << typeText(other.getType());
    }
  return success();
}

LogicalResult Importer::buildInitialization() {
  GraphBuilder builder(context, operators, dimensions, result.weights, precision, *result.module,
                       kInitFunction);
  for (auto [initialization, nodes, initializers] :
       llvm::zip_equal(training.initializations, initializationNodes, initializationVariables)) {
    Graph graph;
    addValues(*initialization.graph, graph);
    graph.outputs.clear(); // they are assigned, not returned
    graph.nodes = nodes;
    graph.initializers = &initializers;
    if (failed(finishGraph(graph)) || failed(builder.add(graph)) ||
        failed(builder.assign(initialization.bindings, variables)))
      return failure();
  }
  builder.finish();
  return success();
}

LogicalResult Importer::buildFunctions() {
  if (failed(buildFunction(kMainFunction, main, {})))
    return failure();
  if (evalModel &&
      (failed(buildFunction(kEvalFunction, evaluation, {})) || failed(checkEvaluation())))
    return failure();
  if (failed(precision.checkMatched()))
    return failure();
  if (training.hasStep()) {
    // What only serves an update is no result.
    llvm::StringSet<> updates, modelOutputs;
    for (const Binding &binding : training.updates)
      updates.insert(binding.value);
    for (const onnx::ValueInfoProto &output : model->graph().output())
      modelOutputs.insert(output.name());
    llvm::erase_if(step.outputs, [&](const onnx::ValueInfoProto *output) {
      return updates.contains(output->name()) && !modelOutputs.contains(output->name());
    });
    if (failed(buildFunction(kTrainFunction, step, training.updates)))
      return failure();
  }
  if (!training.initializations.empty())
    return buildInitialization();
  return success();
}
} // namespace ampc
