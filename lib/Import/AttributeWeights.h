//===- AttributeWeights.h - Weights among attributes ------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_ATTRIBUTEWEIGHTS_H
#define AMPC_LIB_IMPORT_ATTRIBUTEWEIGHTS_H

#include "GraphNode.h"
#include "OperatorTable.h"

namespace ampc {

/// Makes initializers of `graph` of the attributes that operators have as weights
/// (OnnxName::weights), named NODE.ATTRIBUTE, so that they are trained as all others are; the nodes
/// take them as further inputs. Failure after an error where a node has further inputs of its own.
mlir::LogicalResult moveAttributeWeights(onnx::GraphProto &graph, std::vector<GraphNode> &nodes,
                                         const OperatorTable &operators,
                                         const ImportContext &context);

} // namespace ampc

#endif // AMPC_LIB_IMPORT_ATTRIBUTEWEIGHTS_H
