//===- GraphNode.h - A node of a graph, functions inlined --- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_GRAPHNODE_H
#define AMPC_LIB_IMPORT_GRAPHNODE_H

#include "ImportContext.h"
#include "OnnxProto.h"
#include "ampc/Support/OnnxNode.h"

namespace ampc {
using namespace mlir;

/// Attributes that the call of a function gives to the nodes of its body.
using AttributeBindings = llvm::StringMap<const onnx::AttributeProto *>;

/// The opset version of each domain; "" is ai.onnx.
using OpsetVersions = llvm::StringMap<int64_t>;

struct Subgraph;

struct GraphNode {
  /// Operator and attributes. Null for a value that only gets a second name:
  /// outputs[0] is inputs[0].
  const onnx::NodeProto *proto;
  /// The node's name, or one made from its first output; inside of a function, after that
  /// of the call and a slash.
  std::string name;
  std::string domain; ///< "" for ai.onnx
  /// Of the domain's opset, 0 where the model does not import it.
  int64_t version = 0;
  unsigned number = 0; ///< position in the file, from 1
  /// Tensors by name, "" for those left out; none trail.
  std::vector<std::string> inputs, outputs;
  /// What attributes that refer to the function's stand for; null outside of functions.
  std::shared_ptr<const AttributeBindings> bindings;
  /// The graphs among the attributes, by the attribute's name.
  llvm::StringMap<std::shared_ptr<Subgraph>> graphs;
  /// Values from around the node that its graphs read, however deep inside.
  std::vector<std::string> captured;
  /// A node of a training algorithm: computes in f32.
  bool isTraining = false;

  StringRef opType() const { return proto ? StringRef(proto->op_type()) : "Identity"; }
  Location getLoc(const ImportContext &context) const;
  /// Starts "node 'NAME' (OPTYPE): ".
  InFlightDiagnostic emitError(const ImportContext &context) const;
};

/// A graph that a node has as an attribute. Its values have names that no other value of the
/// model has, so that inside and outside are one name space.
struct Subgraph {
  const onnx::GraphProto *proto = nullptr;
  llvm::StringMap<std::string> names; ///< of what the graph defines, by the file's names
  std::vector<std::string> inputs, outputs;
  std::vector<const onnx::ValueInfoProto *> inputProtos;
  std::vector<GraphNode> nodes; ///< functions inlined, not sorted
  size_t nodeCount = 0;         ///< with those of graphs in nodes
};

/// Calls `visit` for each node, those of graphs in nodes after the node.
void forEachNode(std::vector<GraphNode> &nodes, llvm::function_ref<void(GraphNode &)> visit);
/// Calls `visit` for each graph in a node, outer ones first.
void forEachSubgraph(const std::vector<GraphNode> &nodes,
                     llvm::function_ref<void(const Subgraph &)> visit);

/// "ai.onnx" is written as "".
StringRef normalizeDomain(StringRef domain);
/// The domain as messages name it.
StringRef domainText(StringRef domain);

/// Reads the opset imports of the model or of a function. Of two for one domain, which ONNX
/// Runtime's tools write, the newer holds.
OpsetVersions
readOpsets(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto> &imports);

/// Whether the attribute itself is a graph, not a reference to one.
bool isGraph(const onnx::AttributeProto &attribute);

/// Fills in the node's attributes but for its graphs.
LogicalResult readAttributes(const GraphNode &node, OnnxNode &result, ImportContext &context);

} // namespace ampc

#endif // AMPC_LIB_IMPORT_GRAPHNODE_H
