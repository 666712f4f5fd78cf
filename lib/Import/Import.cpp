//===- Import.cpp - From an ONNX file to the amp dialect ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Import/Import.h"
#include "EraseStoredTypes.h"
#include "FunctionInliner.h"
#include "GraphBuilder.h"
#include "InputBinder.h"
#include "MarkParameters.h"
#include "ModelFile.h"
#include "NodeOrder.h"
#include "OrtArtifacts.h"
#include "TensorReader.h"
#include "TrainingInfo.h"
#include "UnsupportedNodes.h"
#include "ampc/Dialect/Amp/Ops/Gradient.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Support/NodeLocation.h"
#include "ampc/Support/StoredTypes.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace ampc {
namespace {
/// Floats up to this size that are not trained become constants of the IR.
constexpr int64_t kSmallFloats = 16;
/// Integers and booleans up to this size do; larger ones are data.
constexpr int64_t kSmallIntegers = 1024;

class Importer {
public:
  Importer(MLIRContext &mlir, const ImportOptions &options, StringRef path)
      : context(mlir, options, path), path(path), operators(mlir), precision(context),
        dimensions(context) {}

  FailureOr<ImportedModel> run();

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
  Initializers evalVariables;
  std::vector<Initializers> initializationVariables;
  Graph main, step, evaluation;
  ImportedModel result;
};
} // namespace

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

/// Names that functions and ampc's own variables have in the module, and the key that no
/// tensor of a safetensors file can have.
static bool isReserved(StringRef name) {
  return name.starts_with("ampc.") || name == "__metadata__" ||
         llvm::is_contained(
             {kMainFunction, kTrainFunction, kEvalFunction, kRefreshFunction, kInitFunction}, name);
}

LogicalResult Importer::readInitializer(const onnx::TensorProto &tensor, StringRef name,
                                        Initializers &initializers, StringRef suffix) {
  auto emitError = [&] { return context.emitError() << "initializer '" << tensor.name() << "': "; };
  if (tensor.name().empty())
    return context.emitError() << "has an initializer without a name";
  if (isReserved(tensor.name()))
    return emitError() << "ampc uses this name itself; rename the initializer";
  auto [it, isNew] = initializers.try_emplace(name);
  if (!isNew)
    return emitError() << "there are two of this name";
  FailureOr<TensorValue> value = readTensor(tensor, model, context, emitError);
  if (failed(value))
    return failure();

  Initializer &initializer = it->second;
  initializer.type = value->type;
  initializer.key = name.str();
  if (!suffix.empty())
    while (result.weights.find(initializer.key))
      initializer.key += suffix;
  initializer.isBound = suffix.empty() && training.bound.contains(name);
  bool isFloat = isa<FloatType>(value->type.getElementType()) && !findStoredType(value->type);
  // What a checkpoint holds is written back.
  bool isInCheckpoint = artifacts && artifacts->frozen.contains(name);
  initializer.isVariable = initializer.isBound || isFloat || isInCheckpoint ||
                           value->type.getNumElements() > kSmallIntegers;
  result.weights.add(initializer.key, value->type, value->bytes, value->owner);
  if (!initializer.isVariable)
    return success();
  auto builder = OpBuilder::atBlockEnd(result.module->getBody());
  bool isState = initializer.isBound && training.hasStep();
  VariableOp::create(builder, context.loc, isState ? VariableRole::State : VariableRole::Constant,
                     initializer.key, value->type, /*initial=*/nullptr,
                     /*from_model=*/true, /*trained=*/false);
  return success();
}

/// Reads the initializers of a graph and of the graphs in its nodes.
LogicalResult Importer::readInitializers(const onnx::GraphProto &proto, ArrayRef<GraphNode> nodes,
                                         Initializers &initializers, StringRef suffix) {
  auto read = [&](const onnx::GraphProto &graph, const Subgraph *subgraph) -> LogicalResult {
    if (graph.sparse_initializer_size() > 0)
      return context.emitError() << "initializer '" << graph.sparse_initializer(0).values().name()
                                 << "' is sparse, which is not supported";
    for (const onnx::TensorProto &tensor : graph.initializer()) {
      std::string name = subgraph ? subgraph->names.lookup(tensor.name()) : tensor.name();
      if (failed(readInitializer(tensor, name, initializers, suffix)))
        return failure();
    }
    return success();
  };
  if (failed(read(proto, nullptr)))
    return failure();
  LogicalResult all = success();
  forEachSubgraph(nodes, [&](const Subgraph &subgraph) {
    if (succeeded(all))
      all = read(*subgraph.proto, &subgraph);
  });
  return all;
}

LogicalResult Importer::readInitializers() {
  if (failed(readInitializers(model->graph(), mainNodes, variables, "")))
    return failure();
  if (training.algorithm && failed(readInitializers(*training.algorithm, stepNodes, variables, "")))
    return failure();
  for (auto [initialization, nodes] :
       llvm::zip_equal(training.initializations, initializationNodes))
    if (failed(readInitializers(*initialization.graph, nodes,
                                initializationVariables.emplace_back(), ".init")))
      return failure();
  if (!evalModel)
    return success();
  if (failed(readInitializers(evalModel->graph(), evalNodes, evalVariables, ".eval")))
    return failure();
  for (const onnx::ValueInfoProto &input : evalModel->graph().input())
    if (auto it = variables.find(input.name()); it != variables.end()) // a parameter
      evalVariables.try_emplace(input.name(), it->second);
  return success();
}

/// Gives each tensor of the network that was exported an initializer of its own.
void Importer::resolve() {
  metadata.emplace(*model);
  if (training.hasStep() || artifacts || !context.options.trains)
    return;
  llvm::StringMap<Operation *> symbols;
  for (auto variable : result.module->getOps<VariableOp>())
    symbols[variable.getSymName()] = variable;
  auto split = [&](StringRef from, StringRef to) {
    Initializer copy = variables[from];
    Operation *original = symbols[copy.key];
    result.weights.addAgain(copy.key, to);
    copy.key = to.str();
    OpBuilder builder(original);
    builder.setInsertionPointAfter(original);
    symbols[to] =
        VariableOp::create(builder, context.loc, VariableRole::Constant, copy.key, copy.type,
                           /*initial=*/nullptr, /*from_model=*/true, /*trained=*/false);
    variables[to] = std::move(copy);
  };
  auto addZeros = [&](StringRef name, int32_t elementType, int64_t size) -> LogicalResult {
    ScopedDiagnosticHandler quiet(&context.mlir, [](Diagnostic &) { return success(); });
    auto element = dyn_cast_or_null<FloatType>(
        readElementType(elementType, &context.mlir, [&] { return context.emitError(); }));
    if (!element || findStoredType(element) || size > kMaxTensorBytes / 8 || isReserved(name))
      return failure();
    auto type = RankedTensorType::get(size, element);
    auto zeros = std::make_shared<std::vector<char>>(*WeightStore::byteSize(type));
    result.weights.add(name, type, *zeros, zeros);
    Initializer &initializer = variables[name];
    initializer.type = type;
    initializer.key = name.str();
    initializer.isVariable = true;
    auto builder = OpBuilder::atBlockEnd(result.module->getBody());
    symbols[name] = VariableOp::create(builder, context.loc, VariableRole::Constant, name, type,
                                       /*initial=*/nullptr, /*from_model=*/true,
                                       /*trained=*/false);
    return success();
  };
  resolution = resolveInitializers(*metadata, mainNodes, model->graph(), variables, result.weights,
                                   {split, addZeros});
}

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

/// What nodes assign is state: running statistics.
LogicalResult Importer::markAssignedState() {
  auto function = result.module->lookupSymbol<func::FuncOp>(kMainFunction);
  SmallVector<AssignOp> assignments(function.getOps<AssignOp>());
  if (assignments.empty())
    return success();
  llvm::StringSet<> reaching = variablesReaching(
      SmallVector<Value>(function.getBody().front().getTerminator()->getOperands()));
  SymbolTable symbols(*result.module);
  for (AssignOp assign : assignments) {
    if (reaching.contains(assign.getVariable()))
      return mlir::emitError(assign.getLoc())
             << "initializer '" << assign.getVariable()
             << "' would be updated as a running statistic and trained as a parameter: the "
                "exporter merged two tensors that were equal; export again without optimizing, "
                "or compile with --train-mode=off";
    symbols.lookup<VariableOp>(assign.getVariable()).setRole(VariableRole::State);
  }
  return success();
}

LogicalResult Importer::decideRoles() {
  if (failed(markAssignedState()))
    return failure();
  if (artifacts) {
    for (auto variable : result.module->getOps<VariableOp>()) {
      bool isTrained = artifacts->trained.contains(variable.getSymName());
      bool isFrozen = artifacts->frozen.contains(variable.getSymName());
      variable.setTrained(isTrained && context.options.trains);
      if (isTrained || (isFrozen && variable.getRole() != VariableRole::State))
        variable.setRole(VariableRole::Parameter);
    }
    return success();
  }
  if (!training.hasStep())
    return markParameters(*result.module, result.weights, context.options, *metadata,
                          std::move(resolution));

  // Of what the bindings change, the weights are what reaches a result or a value that is
  // differentiated; counters, moments and running statistics are state.
  llvm::StringSet<> reaching;
  auto addReaching = [&](ValueRange roots) {
    llvm::StringSet<> names = variablesReaching(SmallVector<Value>(roots));
    for (StringRef name : names.keys())
      reaching.insert(name);
  };
  auto function = result.module->lookupSymbol<func::FuncOp>(kMainFunction);
  addReaching(function.getBody().front().getTerminator()->getOperands());
  result.module->walk([&](GradientOp gradient) { addReaching(gradient.getOf()); });
  llvm::StringSet<> updated;
  for (const Binding &binding : training.updates)
    updated.insert(binding.variable);
  for (auto variable : result.module->getOps<VariableOp>())
    if (reaching.contains(variable.getSymName()) && updated.contains(variable.getSymName())) {
      variable.setRole(VariableRole::Parameter);
      variable.setTrained(true);
    }
  return success();
}

/// Drops what the import read at compile time, and turns small constants into such.
void Importer::simplify() {
  result.module->walk([](Operation *op) {
    if (isa<ReadOp, ConstantOp>(op) && op->use_empty())
      op->erase();
  });
  auto isSmall = [](VariableOp variable) {
    return variable.getFromModel() && variable.getRole() == VariableRole::Constant &&
           isa<FloatType>(variable.getTensorType().getElementType()) &&
           variable.getTensorType().getNumElements() <= kSmallFloats;
  };
  llvm::StringSet<> small;
  for (auto variable : result.module->getOps<VariableOp>())
    if (isSmall(variable))
      small.insert(variable.getSymName());
  result.module->walk([&](AssignOp assign) { small.erase(assign.getVariable()); });
  result.module->walk([&](ReadOp read) {
    if (!small.contains(read.getVariable()))
      return;
    OpBuilder builder(read);
    Value constant =
        ConstantOp::create(builder, read.getLoc(), result.weights.getAttr(read.getVariable()));
    read.replaceAllUsesWith(constant);
    read.erase();
  });

  llvm::DenseSet<StringAttr> used;
  if (auto uses = SymbolTable::getSymbolUses(&result.module->getBodyRegion()))
    for (const SymbolTable::SymbolUse &use : *uses)
      used.insert(use.getSymbolRef().getRootReference());
  llvm::StringSet<> kept;
  for (auto variable : llvm::make_early_inc_range(result.module->getOps<VariableOp>())) {
    if (!variable.getFromModel())
      continue;
    if (!used.contains(variable.getSymNameAttr())) {
      variable.erase();
      continue;
    }
    kept.insert(variable.getSymName());
    FloatRange range = result.weights.getRange(variable.getSymName());
    if (!range.isOrdinary())
      variable.setRangeAttr(
          Builder(&context.mlir).getDenseF64ArrayAttr({range.lowest, range.highest}));
  }
  result.weights.filter([&](StringRef name) { return kept.contains(name); });
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
