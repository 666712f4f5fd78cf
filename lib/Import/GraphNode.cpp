//===- GraphNode.cpp - A node of a graph, functions inlined ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GraphNode.h"
#include "TensorReader.h"
#include "ampc/Support/NodeLocation.h"

using namespace mlir;

namespace ampc {
Location GraphNode::getLoc(const ImportContext &context) const {
  return getNodeLocation(&context.mlir, context.model, number, name, opType());
}

InFlightDiagnostic GraphNode::emitError(const ImportContext &context) const {
  return mlir::emitError(getLoc(context)) << "node '" << name << "' (" << opType() << "): ";
}

StringRef normalizeDomain(StringRef domain) { return domain == "ai.onnx" ? "" : domain; }

StringRef domainText(StringRef domain) { return domain.empty() ? "ai.onnx" : domain; }

OpsetVersions
readOpsets(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto> &imports) {
  OpsetVersions versions;
  for (const onnx::OperatorSetIdProto &import : imports) {
    auto [it, isNew] = versions.try_emplace(normalizeDomain(import.domain()), import.version());
    if (!isNew)
      it->second = std::max<int64_t>(it->second, import.version());
  }
  return versions;
}

/// The attribute's type. Files before IR version 2 do not have it.
static onnx::AttributeProto::AttributeType attributeType(const onnx::AttributeProto &proto) {
  using Proto = onnx::AttributeProto;
  if (proto.type() != Proto::UNDEFINED)
    return proto.type();
  if (proto.has_f())
    return Proto::FLOAT;
  if (proto.has_i())
    return Proto::INT;
  if (proto.has_s())
    return Proto::STRING;
  if (proto.has_t())
    return Proto::TENSOR;
  if (proto.floats_size())
    return Proto::FLOATS;
  if (proto.ints_size())
    return Proto::INTS;
  if (proto.strings_size())
    return Proto::STRINGS;
  if (proto.has_g())
    return Proto::GRAPH;
  return Proto::UNDEFINED;
}

bool isGraph(const onnx::AttributeProto &attribute) {
  return attribute.ref_attr_name().empty() &&
         attributeType(attribute) == onnx::AttributeProto::GRAPH;
}

void forEachNode(std::vector<GraphNode> &nodes, function_ref<void(GraphNode &)> visit) {
  for (GraphNode &node : nodes) {
    visit(node);
    for (auto &entry : node.graphs)
      forEachNode(entry.second->nodes, visit);
  }
}

void forEachSubgraph(const std::vector<GraphNode> &nodes,
                     function_ref<void(const Subgraph &)> visit) {
  for (const GraphNode &node : nodes)
    for (const auto &entry : node.graphs) {
      visit(*entry.second);
      forEachSubgraph(entry.second->nodes, visit);
    }
}

/// Whether the one value that a type calls for is there.
static bool hasValue(const onnx::AttributeProto &proto, onnx::AttributeProto::AttributeType type) {
  using Proto = onnx::AttributeProto;
  switch (type) {
  case Proto::FLOAT:
    return proto.has_f();
  case Proto::INT:
    return proto.has_i();
  case Proto::STRING:
    return proto.has_s();
  case Proto::TENSOR:
    return proto.has_t();
  default:
    return true; // a list may be empty
  }
}

/// The value of one attribute; nullopt after an error.
static std::optional<OnnxNode::Attribute>
readAttribute(const onnx::AttributeProto &proto, ImportContext &context, EmitError emitError) {
  using Proto = onnx::AttributeProto;
  Proto::AttributeType type = attributeType(proto);
  if (!hasValue(proto, type)) {
    emitError() << "is of type " << Proto::AttributeType_Name(type) << " but has no value";
    return std::nullopt;
  }
  switch (type) {
  case Proto::FLOAT:
    return proto.f();
  case Proto::INT:
    return int64_t(proto.i());
  case Proto::STRING:
    return proto.s();
  case Proto::FLOATS:
    return std::vector<float>(proto.floats().begin(), proto.floats().end());
  case Proto::INTS:
    return std::vector<int64_t>(proto.ints().begin(), proto.ints().end());
  case Proto::STRINGS:
    return std::vector<std::string>(proto.strings().begin(), proto.strings().end());
  case Proto::TENSOR: {
    FailureOr<TensorValue> value = readTensor(proto.t(), nullptr, context, emitError);
    if (failed(value))
      return std::nullopt;
    return WeightStore::toAttr(value->type, value->bytes);
  }
  case Proto::UNDEFINED:
    emitError() << "has no type and no value";
    return std::nullopt;
  default:
    emitError() << "is of type " << Proto::AttributeType_Name(type) << ", which is not supported";
    return std::nullopt;
  }
}

LogicalResult readAttributes(const GraphNode &node, OnnxNode &result, ImportContext &context) {
  for (const onnx::AttributeProto &attribute : node.proto->attribute()) {
    if (isGraph(attribute))
      continue;
    const onnx::AttributeProto *value = &attribute;
    if (!attribute.ref_attr_name().empty()) {
      if (!node.bindings)
        return node.emitError(context)
               << "attribute '" << attribute.name() << "' refers to attribute '"
               << attribute.ref_attr_name() << "' of a function, but is in none";
      value = node.bindings->lookup(attribute.ref_attr_name());
      if (!value) // the call leaves it out, and so does the node
        continue;
    }
    auto emitError = [&] {
      return node.emitError(context) << "attribute '" << attribute.name() << "' ";
    };
    std::optional<OnnxNode::Attribute> read = readAttribute(*value, context, emitError);
    if (!read)
      return failure();
    if (!result.attributes.try_emplace(attribute.name(), *std::move(read)).second)
      return emitError() << "is given twice";
  }
  return success();
}
} // namespace ampc
