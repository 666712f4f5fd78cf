//===- UnsupportedNodes.h - Nodes that nothing stands for -------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_UNSUPPORTEDNODES_H
#define AMPC_LIB_IMPORT_UNSUPPORTEDNODES_H

#include "GraphNode.h"
#include "OperatorTable.h"
#include "llvm/ADT/StringSet.h"

namespace ampc {

/// Collects the nodes of a model that cannot be imported, to tell of all in one error.
class UnsupportedNodes {
public:
  explicit UnsupportedNodes(const OperatorTable &operators) : operators(operators) {}

  /// Tensors known at compile time, the outputs of Constant nodes apart.
  void addConstants(const onnx::GraphProto &graph);
  void add(ArrayRef<GraphNode> nodes);
  bool empty() const { return count == 0; }
  /// The error: the node where it is one, else the operators with their counts; how to export the
  /// model without them, where a flag of the exporter does that.
  InFlightDiagnostic report(const ImportContext &context) const;

private:
  /// An operator and what is wrong with its nodes.
  struct Entry {
    std::string name; ///< with its domain
    const GraphNode *first;
    std::string problem;
    unsigned count = 0;
  };

  std::string findProblem(const GraphNode &node) const;
  std::string findAdvice(const GraphNode &node) const;

  const OperatorTable &operators;
  llvm::StringSet<> constants;
  std::vector<Entry> entries;
  llvm::StringMap<size_t> entryOf; ///< by name and problem
  unsigned count = 0;
};

} // namespace ampc

#endif // AMPC_LIB_IMPORT_UNSUPPORTEDNODES_H
