//===- NodeOrder.h - Brings nodes into the order of evaluation -- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_NODEORDER_H
#define AMPC_LIB_IMPORT_NODEORDER_H

#include "GraphNode.h"
#include "llvm/ADT/StringSet.h"

namespace ampc {

/// Sorts nodes so that each comes after those that make its inputs, otherwise in the order
/// of the file, as ONNX demands but not every tool delivers. `given` are the tensors there
/// from the start: inputs and initializers. Errors: a tensor made twice, one made by
/// nothing, a cycle, which is spelled out.
LogicalResult sortNodes(std::vector<GraphNode> &nodes, const llvm::StringSet<> &given,
                        const ImportContext &context);

} // namespace ampc

#endif // AMPC_LIB_IMPORT_NODEORDER_H
