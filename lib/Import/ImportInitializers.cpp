//===- ImportInitializers.cpp - Initializers become variables -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Importer.h"
#include "TensorReader.h"
#include "ampc/Support/StoredTypes.h"

using namespace mlir;

namespace ampc {
/// Integers and booleans up to this size become constants of the IR; larger ones are data.
static constexpr int64_t kSmallIntegers = 1024;

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
  result.weights.add(initializer.key, value->type, value->bytes, value->owner, value->file);
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
  // Single numbers, which MarkParameters takes for no parameters.
  bool mayBeAsked = readOpsets(model->opset_import()).contains("ai.onnx.preview.training");
  if (!metadata->isFromTorch() && !mayBeAsked && context.options.trainRegex.empty())
    for (auto &entry : variables)
      entry.second.isNumber = entry.second.type.getRank() == 0;
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
} // namespace ampc
