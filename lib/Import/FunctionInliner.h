//===- FunctionInliner.h - Flattens calls of a model's functions -- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_FUNCTIONINLINER_H
#define AMPC_LIB_IMPORT_FUNCTIONINLINER_H

#include "GraphNode.h"
#include "OperatorTable.h"

namespace ampc {

/// Turns the nodes of a graph into a flat list, the bodies of the functions that the model
/// brings along in the place of their calls. Where an op of ours claims the operator, it is
/// preferred: it knows its gradient. Graphs in nodes are flattened as well, each a list of its
/// own.
class FunctionInliner {
public:
  FunctionInliner(ImportContext &context, const OperatorTable &operators,
                  const onnx::ModelProto &model);

  /// The opset versions that the model imports.
  const OpsetVersions &opsets() const { return modelOpsets; }

  /// Appends the nodes of `graph` to `nodes`.
  LogicalResult flatten(const onnx::GraphProto &graph, std::vector<GraphNode> &nodes);

private:
  using NodeList = google::protobuf::RepeatedPtrField<onnx::NodeProto>;
  /// The body of a function that is being inlined, or a graph in a node.
  struct Scope {
    Scope *parent = nullptr;
    const onnx::FunctionProto *function = nullptr; ///< null for a graph
    std::string prefix;                            ///< of names in the body
    llvm::StringMap<std::string> names;            ///< what tensors of the body are called outside
    const OpsetVersions *opsets = nullptr;
    std::shared_ptr<const AttributeBindings> bindings;
  };

  LogicalResult append(const NodeList &list, Scope &scope, std::vector<GraphNode> &nodes);
  LogicalResult appendCall(const GraphNode &call, const onnx::FunctionProto &function,
                           Scope &caller, std::vector<GraphNode> &nodes);
  LogicalResult addGraphs(GraphNode &node, Scope &scope);
  LogicalResult addGraph(GraphNode &node, const onnx::AttributeProto &attribute, Scope &outer);
  void defineNames(Subgraph &graph, const std::string &prefix);
  LogicalResult checkDepth(const GraphNode &node, const Scope &scope) const;
  std::string rename(const std::string &name, Scope &scope);
  const onnx::FunctionProto *findFunction(const GraphNode &node) const;
  void takeNames(const onnx::GraphProto &graph);
  std::string makeUnique(const std::string &name);

  ImportContext &context;
  const OperatorTable &operators;
  OpsetVersions modelOpsets;
  llvm::StringMap<const onnx::FunctionProto *> functions;
  /// Tensor names of the model, each with the last number appended to it.
  llvm::StringMap<unsigned> taken;
  unsigned number = 0;
  size_t count = 0; ///< of nodes, those in graphs of nodes too
};

} // namespace ampc

#endif // AMPC_LIB_IMPORT_FUNCTIONINLINER_H
