//===- GraphBuilder.h - Builds a function from a graph ------ -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_GRAPHBUILDER_H
#define AMPC_LIB_IMPORT_GRAPHBUILDER_H

#include "DimensionBinder.h"
#include "GraphNode.h"
#include "OperatorTable.h"
#include "PrecisionFlags.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <map>

namespace ampc {

/// An initializer and how graphs get at it.
struct Initializer {
  RankedTensorType type;
  std::string key;         ///< its name in the WeightStore, and the variable's symbol
  bool isVariable = false; ///< an amp.variable, else an amp.constant wherever it is used
  bool isBound = false;    ///< changes in training, so that its value is no constant
  bool isNumber = false;   ///< a float that is not trained
};
using Initializers = llvm::StringMap<Initializer>;

/// The initializer `variable` becomes `value` at the end of the function.
struct Binding {
  std::string variable, value;
};

/// One graph, or several that are executed as one.
struct Graph {
  std::vector<const onnx::ValueInfoProto *> inputs, outputs;
  std::vector<GraphNode> nodes;                           ///< sorted
  llvm::StringMap<const onnx::ValueInfoProto *> declared; ///< types of values, by name
  const Initializers *initializers = nullptr;
};

/// Builds one function: values by name, ops by asking those who claim the operators.
class GraphBuilder {
public:
  /// Appends the empty function `name`.
  GraphBuilder(ImportContext &context, const OperatorTable &operators,
               const DimensionBinder &dimensions, const WeightStore &weights,
               PrecisionFlags &precision, ModuleOp module, StringRef name);

  /// Adds arguments, ops and results for `graph`. Of several, each has names of its own.
  LogicalResult add(const Graph &graph);
  /// Adds assignments from values of the graph added last to variables.
  LogicalResult assign(ArrayRef<Binding> bindings, const Initializers &variables);
  /// Lets nodes assign the initializers that training updates beside the parameters.
  void letNodesAssignState() { assignsState = true; }
  /// Ends the function.
  void finish();
  /// Whether a node took the learning rate that the options give.
  bool hasReplacedRate() const { return !replacedRates.empty(); }
  /// How many nodes have a training form and took their inference form, by operator.
  const std::map<std::string, unsigned> &inferenceForms() const { return inferenceCounts; }

private:
  LogicalResult addArguments();
  Value addArgument(const std::string &name, RankedTensorType type,
                    std::optional<int64_t> batchAxis);
  LogicalResult addNode(const GraphNode &node);
  LogicalResult addGraphs(const GraphNode &node, OnnxNode &onnxNode);
  /// Adds the nodes of a graph in `node` and gives its outputs.
  FailureOr<SmallVector<Value>> addSubgraph(const GraphNode &node, const Subgraph &subgraph,
                                            ValueRange inputs);
  bool isVisible(StringRef name) const {
    return values.contains(name) || graph->initializers->contains(name);
  }
  LogicalResult addOutputs();
  LogicalResult addOutput(const std::string &name, Value value, std::optional<int64_t> batchAxis);
  Value stateAfterNodes(Value read);
  void assignAfterStep(OpBuilder &builder, Location loc, Value read, Value value);
  Value replaceRate(OpBuilder &builder, Location loc, StringRef input);
  LogicalResult defineOutputs(const GraphNode &node, ArrayRef<Value> results);
  LogicalResult checkTensor(const GraphNode &node, StringRef name, Type type);
  LogicalResult checkDeclared(const GraphNode &node, StringRef name, Type type);
  /// Tells the ops that make a node's outputs the outputs' names; the others make parts of it.
  static void nameOps(const GraphNode &node, Operation *first, ArrayRef<Value> results);
  Value lookup(StringRef name);
  DenseElementsAttr constantOf(Value value);
  void foldOp(Operation *op);

  ImportContext &context;
  const OperatorTable &operators;
  const DimensionBinder &dimensions;
  const WeightStore &weights;
  PrecisionFlags &precision;
  func::FuncOp function;
  Block *body;
  const Graph *graph = nullptr;

  /// The last of the reads and constants that initializers become, at the body's start.
  Operation *lastInitializer = nullptr;
  llvm::StringMap<Value> values;
  llvm::DenseMap<Value, const Initializer *> reads;
  llvm::DenseMap<Value, DenseElementsAttr> folded;
  llvm::StringSet<> replacedRates; ///< names of values
  bool assignsState = false;
  llvm::DenseMap<Value, AssignOp> assignments; ///< made by nodes, by the read of the variable
  std::map<std::string, unsigned> inferenceCounts;
  int64_t inlinedCount = 0;        ///< of nodes in graphs in nodes, each time that it is built
  llvm::StringSet<> outputsByName; ///< of the function
  SmallVector<Value> results;
  SmallVector<DictionaryAttr> resultAttrs;
};

} // namespace ampc

#endif // AMPC_LIB_IMPORT_GRAPHBUILDER_H
