//===- AttributeWeights.cpp - Weights among attributes --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AttributeWeights.h"

using namespace mlir;

namespace ampc {
void moveAttributeWeights(onnx::GraphProto &graph, std::vector<GraphNode> &nodes,
                          const OperatorTable &operators) {
  for (GraphNode &node : nodes) {
    const OperatorTable::Claim *claim =
        node.proto ? operators.find(node.domain, node.opType(), node.version) : nullptr;
    if (!claim || claim->name.weights.empty())
      continue;
    for (StringRef key : llvm::split(claim->name.weights, ',')) {
      std::string &input = node.inputs.emplace_back();
      for (const onnx::AttributeProto &attribute : node.proto->attribute()) {
        if (attribute.name() != key || attribute.floats_size() == 0)
          continue;
        input = node.name + "." + key.str();
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
}
} // namespace ampc
