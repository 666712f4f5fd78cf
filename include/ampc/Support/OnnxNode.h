//===- OnnxNode.h - An ONNX node as an op's importer sees it -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The importer fills one of these for each node and hands it to the op that
// claims the node's name. It holds no protobuf, so ops do not depend on it.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_ONNXNODE_H
#define AMPC_SUPPORT_ONNXNODE_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace ampc {

/// An ONNX operator that an op of the dialect stands for: `name` in `domain`, as
/// defined by the opset versions [since, until]. Importing it in a model of another
/// version is an error that names the range.
struct OnnxName {
  llvm::StringRef name;
  llvm::StringRef domain; ///< "" is ai.onnx
  int64_t since;
  int64_t until;
  /// Inputs may be sequences, whose values have a tuple type (amp.sequence). What claims other
  /// operators never meets one.
  bool takesSequences = false;
  /// Attributes of floats that are weights, with commas between: the importer makes initializers of
  /// them, which a node has as further inputs.
  llvm::StringRef weights = {};
  /// Of what computes something else in training: how many inputs and outputs a node has in
  /// inference (0: as many as in training), and the attribute that is 0 there.
  unsigned inferenceInputs = 0, inferenceOutputs = 0;
  llvm::StringRef trainingAttribute = {};
};

/// The newest ai.onnx opset whose operators are known.
constexpr int64_t kNewestOnnxOpset = 28;

/// How many nodes of graphs in nodes are built in a function, each counted as often as it is: what
/// a loop repeats is written out.
constexpr int64_t kMaxInlinedNodes = 10'000;

/// A graph that a node has as an attribute: a branch, a loop's body.
struct OnnxGraph {
  size_t inputCount = 0, outputCount = 0;
  /// Nodes of the graph, and of the graphs in them.
  size_t nodeCount = 0;
  /// What inputs and outputs are declared as: extents that are not are dynamic; null where the
  /// rank is not either, or it is no tensor.
  llvm::SmallVector<mlir::RankedTensorType> inputTypes, outputTypes;
  /// Builds the graph's nodes on `inputs`, one for each of its inputs, at the builder's
  /// insertion point, the end of the function that is being imported, and gives a value for each
  /// output. What the graph names and does not make is taken from the graphs around it. Failure
  /// after an error. Until it is called, nothing in the graph is looked at.
  std::function<llvm::FailureOr<llvm::SmallVector<mlir::Value>>(mlir::OpBuilder &builder,
                                                                mlir::ValueRange inputs)>
      importInline;
};

class OnnxNode {
public:
  using Attribute =
      std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>,
                   std::vector<std::string>, mlir::DenseElementsAttr, OnnxGraph>;

  std::string name; ///< the node's name, or one made from its first output
  std::string opType;
  std::string domain; ///< "" for ai.onnx
  int64_t version;    ///< of the domain's opset, as the model imports it
  mlir::Location loc; ///< carries `name`
  /// Operands; null where the model leaves an optional input out.
  llvm::SmallVector<mlir::Value> inputs;
  /// Names of the operands' tensors, "" for those left out.
  std::vector<std::string> inputNames;
  /// Names of the results' tensors, "" for those left out.
  std::vector<std::string> outputNames;
  llvm::StringMap<Attribute> attributes;
  /// The node is of a training_info's algorithm.
  bool isTraining = false;
  /// Dropout and normalization take their training form where the model does not say
  /// (`--train-mode`): on, off, or as the file says.
  std::optional<bool> trainMode;
  /// Set by an op that has a training form and took its inference form, because the file or
  /// `--train-mode=off` says so.
  bool isInference = false;
  /// Gives the value of a tensor known at compile time, null for others. Set by the
  /// importer, which knows the initializers.
  std::function<mlir::DenseElementsAttr(mlir::Value)> constantOf;

  /// The shape that the model declares for result `i`; nullopt where it lacks one or not all of it
  /// is known. Set by the importer. For operators whose shape the values decide: what the file
  /// says is all that can be known of it at compile time.
  std::function<std::optional<llvm::SmallVector<int64_t>>(unsigned i)> declaredShape;

  /// The value of the tensor of that name in the node's graph, null where there is none
  /// before this node. Set by the importer.
  std::function<mlir::Value(llvm::StringRef)> valueOf;

  /// The value of input `i` after the nodes before this one that update it (`assignState`).
  mlir::Value stateOf(unsigned i) const {
    return stateAfterNodes && input(i) ? stateAfterNodes(i) : input(i);
  }
  /// Makes `value`, of input `i`'s type, the value of the initializer at input `i` after the step:
  /// a training step updates it, as batch norm does its running statistics. Without effect where
  /// nothing is trained, where the file itself says what it assigns, and where the input is no
  /// initializer.
  void assignState(mlir::OpBuilder &builder, unsigned i, mlir::Value value) const {
    if (assignAfterStep && input(i))
      assignAfterStep(builder, i, value);
  }
  /// What these two do. Set by the importer.
  std::function<mlir::Value(unsigned i)> stateAfterNodes;
  std::function<void(mlir::OpBuilder &, unsigned i, mlir::Value value)> assignAfterStep;

  /// Gives the learning rate that `--lr` sets, f32 of rank 0, in place of input `i`. Set by
  /// the importer for nodes of training_info, where the flag is given.
  std::function<mlir::Value(mlir::OpBuilder &, unsigned i)> learningRate;

  explicit OnnxNode(mlir::Location loc) : version(0), loc(loc) {}

  /// Operand `i`, null where it is absent.
  mlir::Value input(unsigned i) const { return i < inputs.size() ? inputs[i] : mlir::Value(); }
  bool hasOutput(unsigned i) const { return i < outputNames.size() && !outputNames[i].empty(); }
  bool hasAttribute(llvm::StringRef key) {
    known.insert(key);
    return attributes.contains(key);
  }
  /// The operator has these attributes too, though an import need not ask for them: they change
  /// nothing here, or only in some cases. Those asked for are known.
  void knowAttributes(std::initializer_list<llvm::StringRef> keys) {
    known.insert(keys.begin(), keys.end());
  }
  /// After the import: reports an attribute that the operator of this version does not have.
  mlir::LogicalResult checkAttributes();

  /// Attribute `key`, or the default where the node does not have it. An attribute of
  /// another type is reported once and makes the import fail (`hadError`).
  int64_t getInt(llvm::StringRef key, int64_t otherwise);
  double getFloat(llvm::StringRef key, double otherwise);
  /// Attribute `epsilon` of a norm, which a variance is added to: a negative one or one that is not
  /// finite, from which gradients are no numbers, is reported as well.
  double getEpsilon(double otherwise);
  std::string getString(llvm::StringRef key, llvm::StringRef otherwise);
  std::optional<std::vector<int64_t>> getInts(llvm::StringRef key);
  std::optional<std::vector<float>> getFloats(llvm::StringRef key);
  std::optional<std::vector<std::string>> getStrings(llvm::StringRef key);
  mlir::DenseElementsAttr getTensor(llvm::StringRef key);
  const OnnxGraph *getGraph(llvm::StringRef key);

  /// The value of operand `i` where it is known at compile time, else null.
  mlir::DenseElementsAttr constant(unsigned i) const;
  /// The integers of operand `i`, which `what` names ("axes", "shape"). Where the value is
  /// not known at compile time: an error that says so.
  mlir::FailureOr<llvm::SmallVector<int64_t>> constantInts(unsigned i, llvm::StringRef what);
  /// The one float of operand `i`, as for constantInts.
  mlir::FailureOr<double> constantFloat(unsigned i, llvm::StringRef what);

  /// Checks the number of inputs and that the first `atLeast` are present.
  mlir::LogicalResult expectInputs(unsigned atLeast, unsigned atMost);

  /// Starts the error that operand `i`, which `what` names, is not known at compile time.
  mlir::InFlightDiagnostic emitUnknown(unsigned i, llvm::StringRef what);

  /// Starts "node 'NAME' (OPTYPE): ..." at the node's location.
  mlir::InFlightDiagnostic emitError();
  bool hadError = false;

private:
  template <typename T>
  const T *getAttribute(llvm::StringRef key);

  llvm::StringSet<> known; ///< names of attributes
};

/// Wraps an axis in [-rank, rank) into [0, rank); failure after an error on `node` that
/// names the axis and the rank.
mlir::FailureOr<int64_t> normalizeAxis(OnnxNode &node, int64_t axis, int64_t rank);

} // namespace ampc

#endif // AMPC_SUPPORT_ONNXNODE_H
