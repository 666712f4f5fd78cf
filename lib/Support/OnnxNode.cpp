//===- OnnxNode.cpp - An ONNX node as an op's importer sees it ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Support/OnnxNode.h"
#include "mlir/IR/BuiltinTypes.h"
#include <cmath>

using namespace mlir;

namespace ampc {
/// ONNX's name for the type of an attribute.
static StringRef attributeTypeName(const OnnxNode::Attribute &attribute) {
  static constexpr StringRef names[] = {"INT",    "FLOAT",   "STRING", "INTS",
                                        "FLOATS", "STRINGS", "TENSOR", "GRAPH"};
  return names[attribute.index()];
}

/// Attribute `key` as a `T`; null where the node does not have it, or, after an error,
/// where it is of another type.
template <typename T>
const T *OnnxNode::getAttribute(StringRef key) {
  known.insert(key);
  auto it = attributes.find(key);
  if (it == attributes.end())
    return nullptr;
  if (const T *value = std::get_if<T>(&it->second))
    return value;
  if (!hadError)
    emitError() << "attribute '" << key << "' is of type " << attributeTypeName(it->second)
                << ", but should be " << attributeTypeName(Attribute(T()));
  return nullptr;
}

int64_t OnnxNode::getInt(StringRef key, int64_t otherwise) {
  auto *value = getAttribute<int64_t>(key);
  return value ? *value : otherwise;
}

double OnnxNode::getFloat(StringRef key, double otherwise) {
  auto *value = getAttribute<float>(key);
  return value ? *value : otherwise;
}

double OnnxNode::getEpsilon(double otherwise) {
  double epsilon = getFloat("epsilon", otherwise);
  if (!hadError && !(epsilon >= 0 && std::isfinite(epsilon)))
    emitError() << "attribute 'epsilon' is " << epsilon << ", but should be at least 0 and finite";
  return epsilon;
}

std::string OnnxNode::getString(StringRef key, StringRef otherwise) {
  auto *value = getAttribute<std::string>(key);
  return value ? *value : otherwise.str();
}

std::optional<std::vector<int64_t>> OnnxNode::getInts(StringRef key) {
  auto *value = getAttribute<std::vector<int64_t>>(key);
  return value ? std::optional(*value) : std::nullopt;
}

std::optional<std::vector<float>> OnnxNode::getFloats(StringRef key) {
  auto *value = getAttribute<std::vector<float>>(key);
  return value ? std::optional(*value) : std::nullopt;
}

std::optional<std::vector<std::string>> OnnxNode::getStrings(StringRef key) {
  auto *value = getAttribute<std::vector<std::string>>(key);
  return value ? std::optional(*value) : std::nullopt;
}

DenseElementsAttr OnnxNode::getTensor(StringRef key) {
  auto *value = getAttribute<DenseElementsAttr>(key);
  return value ? *value : DenseElementsAttr();
}

LogicalResult OnnxNode::checkAttributes() {
  // Before opset 6 any operator could say which inputs it may overwrite.
  if (domain.empty() && version < 6)
    known.insert("consumed_inputs");
  SmallVector<StringRef> unknown;
  for (StringRef key : attributes.keys())
    if (!known.contains(key) && !key.starts_with("__")) // which ONNX leaves to tools
      unknown.push_back(key);
  if (unknown.empty())
    return success();
  llvm::sort(unknown);
  InFlightDiagnostic error = emitError();
  error << "has the attribute" << (unknown.size() > 1 ? "s '" : " '");
  llvm::interleave(unknown, error, "', '");
  return error << "', which " << opType << " does not have in opset " << version
               << (domain.empty() ? "" : " of ") << domain;
}

const OnnxGraph *OnnxNode::getGraph(StringRef key) { return getAttribute<OnnxGraph>(key); }

DenseElementsAttr OnnxNode::constant(unsigned i) const {
  Value value = input(i);
  return value && constantOf ? constantOf(value) : DenseElementsAttr();
}

/// The value of operand `i`, which `what` names; failure after an error where it is absent
/// or not known at compile time.
static FailureOr<DenseElementsAttr> requireConstant(OnnxNode &node, unsigned i, StringRef what) {
  if (!node.input(i))
    return node.emitError() << "input " << i << " (" << what << ") is missing";
  if (DenseElementsAttr value = node.constant(i))
    return value;
  return node.emitUnknown(i, what);
}

FailureOr<SmallVector<int64_t>> OnnxNode::constantInts(unsigned i, StringRef what) {
  FailureOr<DenseElementsAttr> value = requireConstant(*this, i, what);
  if (failed(value))
    return failure();
  if (!value->getElementType().isSignlessInteger() || value->getType().getRank() > 1)
    return emitError() << "input " << i << " (" << what << ") must be a list of integers, but is "
                       << value->getType();
  SmallVector<int64_t> ints;
  for (const APInt &element : value->getValues<APInt>())
    ints.push_back(element.getSExtValue());
  return ints;
}

FailureOr<double> OnnxNode::constantFloat(unsigned i, StringRef what) {
  FailureOr<DenseElementsAttr> value = requireConstant(*this, i, what);
  if (failed(value))
    return failure();
  if (!isa<FloatType>(value->getElementType()) || value->getNumElements() != 1)
    return emitError() << "input " << i << " (" << what << ") must be one float, but is "
                       << value->getType();
  return (*value->getValues<APFloat>().begin()).convertToDouble();
}

InFlightDiagnostic OnnxNode::emitUnknown(unsigned i, StringRef what) {
  InFlightDiagnostic error = emitError();
  error << "input " << i << " (" << what << "), '" << inputNames[i]
        << "', must be known at compile time: a constant or an initializer that no training step "
           "changes";
  if (isa<BlockArgument>(input(i)))
    error << ", or an input that --bind=" << inputNames[i] << "=VALUE fixes";
  return error;
}

LogicalResult OnnxNode::expectInputs(unsigned atLeast, unsigned atMost) {
  if (inputs.size() < atLeast || inputs.size() > atMost) {
    InFlightDiagnostic error = emitError();
    error << "has " << inputs.size() << " inputs, but " << opType << " takes ";
    if (atLeast == atMost)
      return error << atLeast;
    return error << atLeast << " to " << atMost;
  }
  for (unsigned i = 0; i < atLeast; ++i)
    if (!inputs[i])
      return emitError() << "input " << i << " of " << opType << " must not be left out";
  return success();
}

InFlightDiagnostic OnnxNode::emitError() {
  hadError = true;
  return mlir::emitError(loc) << "node '" << name << "' (" << opType << "): ";
}

FailureOr<int64_t> normalizeAxis(OnnxNode &node, int64_t axis, int64_t rank) {
  if (axis >= -rank && axis < rank)
    return axis < 0 ? axis + rank : axis;
  if (rank == 0)
    return node.emitError() << "axis " << axis << " does not exist: the input is a scalar";
  return node.emitError() << "axis " << axis << " is out of range: the input has rank " << rank
                          << ", so that it must be from " << -rank << " to " << rank - 1;
}
} // namespace ampc
