//===- FunctionInliner.cpp - Flattens calls of a model's functions --------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FunctionInliner.h"
#include "GradientFunctions.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace ampc {
/// Functions may call functions, which makes a short file a long list of nodes.
constexpr size_t kMaxNodes = 300'000;
constexpr unsigned kMaxDepth = 100;

static std::string functionKey(StringRef domain, StringRef name, StringRef overload) {
  return (normalizeDomain(domain) + ":" + name + ":" + overload).str();
}

FunctionInliner::FunctionInliner(ImportContext &context, const OperatorTable &operators,
                                 const onnx::ModelProto &model)
    : context(context), operators(operators), modelOpsets(readOpsets(model.opset_import())) {
  // Before version 3 there were no opsets; what is now ai.onnx 1 was all there was.
  if (model.ir_version() < 3)
    modelOpsets.try_emplace("", 1);
  for (const onnx::FunctionProto &function : model.functions())
    functions.try_emplace(functionKey(function.domain(), function.name(), function.overload()),
                          &function);
  takeNames(model.graph());
  for (const onnx::TrainingInfoProto &entry : model.training_info())
    takeNames(entry.algorithm());
}

void FunctionInliner::takeNames(const onnx::GraphProto &graph) {
  for (const onnx::ValueInfoProto &input : graph.input())
    taken[input.name()] = 0;
  for (const onnx::TensorProto &initializer : graph.initializer())
    taken[initializer.name()] = 0;
  for (const onnx::NodeProto &node : graph.node())
    for (const std::string &output : node.output())
      taken[output] = 0;
}

LogicalResult FunctionInliner::flatten(const onnx::GraphProto &graph,
                                       std::vector<GraphNode> &nodes) {
  Scope scope;
  scope.opsets = &modelOpsets;
  return append(graph.node(), scope, nodes);
}

const onnx::FunctionProto *FunctionInliner::findFunction(const GraphNode &node) const {
  if (operators.find(node.domain, node.opType(), node.version))
    return nullptr;
  if (const onnx::FunctionProto *function =
          functions.lookup(functionKey(node.domain, node.opType(), node.proto->overload())))
    return function;
  return findGradientFunction(*node.proto);
}

std::string FunctionInliner::makeUnique(const std::string &name) {
  std::string unique = name;
  while (!taken.try_emplace(unique, 0).second)
    unique = name + "#" + std::to_string(++taken[name]);
  return unique;
}

/// What a tensor of the body is called outside. A function's get their names where they are first
/// mentioned; a graph sees the tensors around it.
std::string FunctionInliner::rename(const std::string &name, Scope &scope) {
  if (name.empty())
    return name;
  if (auto it = scope.names.find(name); it != scope.names.end())
    return it->second;
  if (scope.function)
    return scope.names[name] = makeUnique(scope.prefix + name);
  return scope.parent ? rename(name, *scope.parent) : name;
}

LogicalResult FunctionInliner::append(const NodeList &list, Scope &scope,
                                      std::vector<GraphNode> &nodes) {
  for (const onnx::NodeProto &proto : list) {
    GraphNode node;
    node.proto = &proto;
    node.domain = normalizeDomain(proto.domain()).str();
    node.version = scope.opsets->lookup(node.domain);
    node.bindings = scope.bindings;
    if (!scope.parent)
      ++number;
    node.number = number;
    for (const std::string &input : proto.input())
      node.inputs.push_back(rename(input, scope));
    for (const std::string &output : proto.output())
      node.outputs.push_back(rename(output, scope));
    for (auto *names : {&node.inputs, &node.outputs})
      while (!names->empty() && names->back().empty())
        names->pop_back();
    if (!proto.name().empty())
      node.name = scope.prefix + proto.name();
    else if (!node.outputs.empty())
      node.name = node.outputs.front();
    else
      node.name = scope.prefix + "#" + std::to_string(number);

    if (const onnx::FunctionProto *function = findFunction(node)) {
      if (failed(appendCall(node, *function, scope, nodes)))
        return failure();
      continue;
    }
    if (failed(addGraphs(node, scope)))
      return failure();
    nodes.push_back(std::move(node));
    if (++count > kMaxNodes)
      return context.emitError() << "has more than " << kMaxNodes
                                 << " nodes once its functions are inlined";
  }
  return success();
}

LogicalResult FunctionInliner::checkDepth(const GraphNode &node, const Scope &scope) const {
  unsigned depth = 0;
  for (const Scope *outer = &scope; outer; outer = outer->parent)
    ++depth;
  if (depth > kMaxDepth)
    return node.emitError(context)
           << "calls of functions and graphs in nodes are nested deeper than " << kMaxDepth;
  return success();
}

LogicalResult FunctionInliner::addGraphs(GraphNode &node, Scope &scope) {
  for (const onnx::AttributeProto &attribute : node.proto->attribute())
    if (isGraph(attribute) && failed(addGraph(node, attribute, scope)))
      return failure();
  return success();
}

/// Gives all that `graph` defines a name, at once: what has the name of a value around the graph
/// hides it, also in nodes that stand before.
void FunctionInliner::defineNames(Subgraph &graph, const std::string &prefix) {
  auto define = [&](const std::string &name) {
    if (auto [it, isNew] = graph.names.try_emplace(name); isNew)
      it->second = name.empty() ? "" : makeUnique(prefix + name);
  };
  for (const onnx::TensorProto &initializer : graph.proto->initializer())
    define(initializer.name());
  for (const onnx::ValueInfoProto &input : graph.proto->input()) {
    bool isInitialized = graph.names.contains(input.name());
    define(input.name());
    if (isInitialized)
      continue;
    graph.inputs.push_back(graph.names.lookup(input.name()));
    graph.inputProtos.push_back(&input);
  }
  for (const onnx::NodeProto &node : graph.proto->node())
    for (const std::string &output : node.output())
      define(output);
}

/// Adds to `node` what `graph`, one of its graphs, reads from around it.
static void addCaptured(GraphNode &node, const Subgraph &graph) {
  llvm::StringSet<> known;
  for (const auto &entry : graph.names)
    known.insert(entry.second);
  for (const GraphNode &inside : graph.nodes) // functions that are called have values as well
    known.insert_range(inside.outputs);
  known.insert_range(node.captured);
  auto capture = [&](const std::string &name) {
    if (!name.empty() && known.insert(name).second)
      node.captured.push_back(name);
  };
  for (const GraphNode &inside : graph.nodes) {
    llvm::for_each(inside.inputs, capture);
    llvm::for_each(inside.captured, capture);
  }
  llvm::for_each(graph.outputs, capture);
}

LogicalResult FunctionInliner::addGraph(GraphNode &node, const onnx::AttributeProto &attribute,
                                        Scope &outer) {
  if (failed(checkDepth(node, outer)))
    return failure();
  auto graph = std::make_shared<Subgraph>();
  if (!node.graphs.try_emplace(attribute.name(), graph).second)
    return node.emitError(context) << "attribute '" << attribute.name() << "' is given twice";
  graph->proto = &attribute.g();
  defineNames(*graph, outer.prefix);

  Scope scope;
  scope.parent = &outer;
  scope.prefix = outer.prefix;
  scope.names = graph->names;
  scope.opsets = outer.opsets;
  scope.bindings = outer.bindings;
  size_t before = count;
  if (failed(append(graph->proto->node(), scope, graph->nodes)))
    return failure();
  graph->nodeCount = count - before;
  for (const onnx::ValueInfoProto &output : graph->proto->output())
    graph->outputs.push_back(rename(output.name(), scope));
  addCaptured(node, *graph);
  return success();
}

/// The attributes that the body sees: the call's, else the function's defaults.
static AttributeBindings bindAttributes(const GraphNode &call,
                                        const onnx::FunctionProto &function) {
  AttributeBindings bindings;
  for (const onnx::AttributeProto &attribute : function.attribute_proto())
    bindings[attribute.name()] = &attribute;
  for (const onnx::AttributeProto &attribute : call.proto->attribute()) {
    const onnx::AttributeProto *value = &attribute;
    if (!attribute.ref_attr_name().empty())
      value = call.bindings ? call.bindings->lookup(attribute.ref_attr_name()) : nullptr;
    if (value)
      bindings[attribute.name()] = value;
  }
  return bindings;
}

LogicalResult FunctionInliner::appendCall(const GraphNode &call,
                                          const onnx::FunctionProto &function, Scope &caller,
                                          std::vector<GraphNode> &nodes) {
  for (const Scope *scope = &caller; scope; scope = scope->parent)
    if (scope->function == &function)
      return call.emitError(context) << "function '" << function.name() << "' calls itself";
  if (failed(checkDepth(call, caller)))
    return failure();
  if (int(call.inputs.size()) > function.input_size() ||
      int(call.outputs.size()) > function.output_size())
    return call.emitError(context)
           << "has " << call.inputs.size() << " inputs and " << call.outputs.size()
           << " outputs, but function '" << function.name() << "' has " << function.input_size()
           << " and " << function.output_size();

  OpsetVersions opsets = readOpsets(function.opset_import());
  Scope scope;
  scope.parent = &caller;
  scope.function = &function;
  scope.prefix = call.name + "/";
  scope.opsets = &opsets;
  scope.bindings = std::make_shared<AttributeBindings>(bindAttributes(call, function));
  for (int i = 0; i < function.input_size(); ++i)
    scope.names[function.input(i)] = i < int(call.inputs.size()) ? call.inputs[i] : "";

  // An output that the body hands through from an input becomes a second name of it.
  std::vector<GraphNode> aliases;
  for (auto [i, output] : llvm::enumerate(call.outputs)) {
    if (output.empty())
      continue;
    auto [it, isNew] = scope.names.try_emplace(function.output(i), output);
    if (isNew)
      continue;
    GraphNode alias;
    alias.proto = nullptr;
    alias.name = call.name;
    alias.number = call.number;
    alias.inputs = {it->second};
    alias.outputs = {output};
    aliases.push_back(std::move(alias));
  }
  if (failed(append(function.node(), scope, nodes)))
    return failure();
  llvm::move(aliases, std::back_inserter(nodes));
  return success();
}
} // namespace ampc
