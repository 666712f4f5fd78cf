//===- PrecisionGraph.h - The types of a graph, as decided ----- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_PRECISION_PRECISIONGRAPH_H
#define AMPC_PRECISION_PRECISIONGRAPH_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "llvm/Support/raw_ostream.h"
#include <optional>
#include <string>
#include <vector>

namespace ampc {

/// A tensor of the graph, or the operand that reads one.
struct PrecisionValue {
  std::string name; ///< the ONNX value's; "" for what has none, "constant" for a constant
  std::string type; ///< "100x10xf32"
  int64_t bytes = 0;
  int64_t bytesInF32 = 0; ///< as it would have without mixed precision
  /// Of an operand: the cast that it passes, an index of `casts`.
  std::optional<size_t> cast;
};

/// An op of the forward graph, and the ONNX nodes that it stands for.
struct PrecisionNode {
  std::vector<std::string> names;
  std::string operatorName; ///< of the first of the nodes
  std::string op;           ///< "amp.matmul"
  std::string computesIn;   ///< "f16"; "" where it computes no floats
  std::vector<PrecisionValue> reads, gives;
};

/// A cast that mixed precision asks for.
struct PrecisionCast {
  std::string value, from, to; ///< element types
  int64_t readBytes = 0, writtenBytes = 0;
  /// Of a parameter: the update keeps the copy, and no step casts.
  bool isOfParameter = false;
  std::optional<size_t> source; ///< an index of `nodes`
  std::vector<size_t> users;
};

/// What autocast made of the forward graph: of @train, where there is one, else of @eval.
struct PrecisionGraph {
  std::string function;
  std::vector<PrecisionNode> nodes; ///< in the order of the graph
  std::vector<PrecisionCast> casts;

  /// One line a node: what it reads and gives, and the casts around it with their bytes. Without
  /// the names of the nodes.
  std::string describe(size_t node) const;
};

/// Reads a module behind `amp-autocast`.
PrecisionGraph readPrecisionGraph(mlir::ModuleOp module);

/// A pass that puts readPrecisionGraph into `graph`.
std::unique_ptr<mlir::Pass> createRecordPrecision(PrecisionGraph *graph);

} // namespace ampc

#endif // AMPC_PRECISION_PRECISIONGRAPH_H
