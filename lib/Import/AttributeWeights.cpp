//===- AttributeWeights.cpp - Weights among attributes --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AttributeWeights.h"

using namespace mlir;

namespace ampc {
LogicalResult moveAttributeWeights(onnx::GraphProto &graph, std::vector<GraphNode> &nodes,
                                   const OperatorTable &operators, const ImportContext &context) {
  llvm::StringSet<> names; // of initializers and values, which a new one must not have
  for (const onnx::TensorProto &tensor : graph.initializer())
    names.insert(tensor.name());
  for (const onnx::ValueInfoProto &input : graph.input())
    names.insert(input.name());
  for (const GraphNode &node : nodes)
    for (const std::string &output : node.outputs)
      names.insert(output);
  for (GraphNode &node : nodes) {
    const OperatorTable::Claim *claim =
        node.proto ? operators.find(node.domain, node.opType(), node.version) : nullptr;
    if (!claim || claim->name.weights.empty())
      continue;
    if (node.inputs.size() != 1)
      return node.emitError(context)
             << "has " << node.inputs.size() << " inputs, but " << node.opType() << " takes 1";
    for (StringRef key : llvm::split(claim->name.weights, ',')) {
      std::string &input = node.inputs.emplace_back();
      for (const onnx::AttributeProto &attribute : node.proto->attribute()) {
        if (attribute.name() != key || attribute.floats_size() == 0)
          continue;
        input = node.name + "." + key.str();
        for (unsigned i = 2; !names.insert(input).second; ++i) // nodes may share a name
          input = node.name + "." + key.str() + "." + std::to_string(i);
        onnx::TensorProto *tensor = graph.add_initializer();
        tensor->set_name(input);
        tensor->set_data_type(onnx::TensorProto::FLOAT);
        tensor->add_dims(attribute.floats_size());
        *tensor->mutable_float_data() = attribute.floats();
      }
    }
    while (!node.inputs.empty() && node.inputs.back().empty())
      node.inputs.pop_back();
  }
  return success();
}
} // namespace ampc
