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
/// preferred: it knows its gradient.
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
  /// The body that is being inlined.
  struct Scope {
    const Scope *parent = nullptr;
    const onnx::FunctionProto *function = nullptr;
    std::string prefix;                 ///< of names in the body
    llvm::StringMap<std::string> names; ///< what the body's tensors are called outside
    const OpsetVersions *opsets = nullptr;
    std::shared_ptr<const AttributeBindings> bindings;
  };

  LogicalResult append(const NodeList &list, Scope &scope, std::vector<GraphNode> &nodes);
  LogicalResult appendCall(const GraphNode &call, const onnx::FunctionProto &function,
                           const Scope &caller, std::vector<GraphNode> &nodes);
  const onnx::FunctionProto *findFunction(const GraphNode &node) const;
  void takeNames(const onnx::GraphProto &graph);
  std::string makeUnique(const std::string &name);

  ImportContext &context;
  const OperatorTable &operators;
  OpsetVersions modelOpsets;
  llvm::StringMap<const onnx::FunctionProto *> functions;
  /// Tensor names of a model with functions, each with the last number appended to it.
  llvm::StringMap<unsigned> taken;
  unsigned number = 0;
};

} // namespace ampc

#endif // AMPC_LIB_IMPORT_FUNCTIONINLINER_H
