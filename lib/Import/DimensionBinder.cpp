//===- DimensionBinder.cpp - Gives symbolic dimensions their sizes --------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DimensionBinder.h"
#include "TensorReader.h"
#include "llvm/ADT/StringExtras.h"
#include <set>

using namespace mlir;

namespace ampc {
using onnx::ValueInfoProto;

static const onnx::TensorShapeProto &shapeOf(const ValueInfoProto &value) {
  return value.type().tensor_type().shape();
}

/// The first dimension where it has no number, else null.
static const onnx::TensorShapeProto::Dimension *symbolicLeading(const ValueInfoProto &value) {
  const onnx::TensorShapeProto &shape = shapeOf(value);
  if (shape.dim_size() == 0 || shape.dim(0).has_dim_value())
    return nullptr;
  return &shape.dim(0);
}

std::optional<int64_t> DimensionBinder::sizeOf(const Dimension &dimension) const {
  if (dimension.has_dim_value())
    return dimension.dim_value();
  auto it = sizes.find(dimension.dim_param());
  return it == sizes.end() ? std::nullopt : std::optional(it->second);
}

LogicalResult DimensionBinder::checkFlags(ArrayRef<const ValueInfoProto *> inputs,
                                          ArrayRef<const ValueInfoProto *> others) const {
  std::set<std::string> symbols;
  for (auto values : {inputs, others})
    for (const ValueInfoProto *value : values)
      for (const Dimension &dimension : shapeOf(*value).dim())
        if (!dimension.dim_param().empty())
          symbols.insert(dimension.dim_param());
  for (const auto &entry : context.options.dims) {
    if (entry.second <= 0)
      return context.emitError() << "--dim=" << entry.first() << "=" << entry.second
                                 << ": the size must be positive";
    if (symbols.count(entry.first().str()))
      continue;
    InFlightDiagnostic error = context.emitError();
    error << "--dim=" << entry.first() << "=" << entry.second
          << ": the model has no dimension of that name";
    if (!symbols.empty())
      error << "; it has '" << llvm::join(symbols, "', '") << "'";
    return error;
  }
  if (context.options.batch && *context.options.batch <= 0)
    return context.emitError() << "--batch=" << *context.options.batch
                               << ": the size must be positive";
  return success();
}

LogicalResult DimensionBinder::checkFixedBatch(ArrayRef<const ValueInfoProto *> inputs) const {
  int64_t batch = *context.options.batch;
  const ValueInfoProto *first = nullptr;
  for (const ValueInfoProto *input : inputs) {
    if (shapeOf(*input).dim_size() == 0)
      continue;
    if (sizeOf(shapeOf(*input).dim(0)) == batch)
      return success();
    if (!first)
      first = input;
  }
  if (!first)
    return context.emitError() << "--batch=" << batch << ": no input has a dimension";
  const Dimension &leading = shapeOf(*first).dim(0);
  InFlightDiagnostic error = context.emitError();
  error << "--batch=" << batch << ": input '" << first->name() << "' has the leading dimension ";
  if (leading.has_dim_value())
    return error << int64_t(leading.dim_value()) << ", which is fixed in the model";
  return error << "'" << leading.dim_param() << "', which --dim sets to " << *sizeOf(leading);
}

LogicalResult DimensionBinder::bindBatch(ArrayRef<const ValueInfoProto *> inputs) {
  std::optional<int64_t> batch = context.options.batch;
  const Dimension *firstSymbolic = nullptr;
  for (const ValueInfoProto *input : inputs) {
    const Dimension *leading = symbolicLeading(*input);
    if (!leading)
      continue;
    if (!firstSymbolic)
      firstSymbolic = leading;
    if (sizes.contains(leading->dim_param()))
      continue;
    if (!batch) {
      InFlightDiagnostic error = context.emitError();
      error << "input '" << input->name() << "' has a leading dimension without a size";
      if (!leading->dim_param().empty())
        error << ", '" << leading->dim_param() << "'";
      return error << ": pass --batch=N";
    }
    batchSymbols.insert(leading->dim_param()); // "" where it has no name
  }
  if (!batchSymbols.empty()) {
    batchSize = batch;
    for (StringRef symbol : batchSymbols.keys())
      if (!symbol.empty())
        sizes[symbol] = *batch;
    return success();
  }
  if (batch && failed(checkFixedBatch(inputs)))
    return failure();
  // All symbols are bound by name. The first input says which one counts samples.
  if (firstSymbolic) {
    batchSymbols.insert(firstSymbolic->dim_param());
    batchSize = sizes[firstSymbolic->dim_param()];
  }
  return success();
}

LogicalResult DimensionBinder::bind(ArrayRef<const ValueInfoProto *> inputs,
                                    ArrayRef<const ValueInfoProto *> others) {
  for (const ValueInfoProto *input : inputs) {
    if (!input->type().has_tensor_type())
      return context.emitError() << "input '" << input->name()
                                 << "' is no tensor, which is not supported";
    if (!input->type().tensor_type().has_shape())
      return context.emitError() << "input '" << input->name()
                                 << "' has no shape in the model: its rank must be known";
  }
  if (failed(checkFlags(inputs, others)))
    return failure();
  sizes = context.options.dims;
  if (failed(bindBatch(inputs)))
    return failure();

  std::vector<std::string> open;
  for (const ValueInfoProto *input : inputs)
    for (auto [i, dimension] : llvm::enumerate(shapeOf(*input).dim())) {
      bool isBatch = i == 0 && !dimension.has_dim_value();
      if (isBatch || sizeOf(dimension))
        continue;
      std::string name =
          dimension.dim_param().empty() ? "which has no name" : "'" + dimension.dim_param() + "'";
      open.push_back("dimension " + std::to_string(i) + " of input '" + input->name() + "', " +
                     name);
    }
  if (!open.empty())
    return context.emitError() << "has dimensions without a size: " << llvm::join(open, "; ")
                               << ": pass --dim=NAME=N for each name";
  return success();
}

FailureOr<RankedTensorType> DimensionBinder::inputType(const ValueInfoProto &input) const {
  auto emitError = [&] { return context.emitError() << "input '" << input.name() << "': "; };
  Type elementType =
      readElementType(input.type().tensor_type().elem_type(), context.loc.getContext(), emitError);
  if (!elementType)
    return failure();
  SmallVector<int64_t> shape;
  for (const Dimension &dimension : shapeOf(input).dim()) {
    shape.push_back(sizeOf(dimension).value_or(batchSize.value_or(0)));
    if (shape.back() < 0)
      return emitError() << "has the negative dimension " << shape.back();
  }
  auto type = RankedTensorType::get(shape, elementType);
  std::optional<int64_t> size = WeightStore::byteSize(type);
  if (!size || *size > kMaxTensorBytes)
    return emitError() << "is too large: " << typeText(type);
  return type;
}

std::optional<SmallVector<int64_t>>
DimensionBinder::declaredShape(const ValueInfoProto &declared) const {
  if (!declared.type().has_tensor_type() || !declared.type().tensor_type().has_shape())
    return std::nullopt;
  SmallVector<int64_t> shape;
  for (const Dimension &dimension : declared.type().tensor_type().shape().dim()) {
    std::optional<int64_t> size = sizeOf(dimension);
    if (!size || *size < 0)
      return std::nullopt;
    shape.push_back(*size);
  }
  return shape;
}

std::string DimensionBinder::findConflict(const ValueInfoProto &declared,
                                          RankedTensorType type) const {
  if (!declared.type().has_tensor_type())
    return declared.type().value_case() == onnx::TypeProto::VALUE_NOT_SET ? "" : "no tensor";
  const onnx::TypeProto::Tensor &tensor = declared.type().tensor_type();
  std::string text;
  bool agrees = !tensor.has_shape() || tensor.shape().dim_size() == type.getRank();
  for (auto [i, dimension] : llvm::enumerate(tensor.shape().dim())) {
    // A negative size is some tools' way to say that they do not know it.
    bool isKnown = dimension.has_dim_value() && dimension.dim_value() >= 0;
    text += isKnown                         ? std::to_string(dimension.dim_value())
            : dimension.dim_param().empty() ? "?"
                                            : dimension.dim_param();
    text += "x";
    if (isKnown && agrees && dimension.dim_value() != type.getDimSize(i))
      agrees = false;
  }
  Type elementType = type.getElementType();
  if (tensor.elem_type() != onnx::TensorProto::UNDEFINED) {
    // A type that no tensor of ours has cannot be the right one.
    ScopedDiagnosticHandler quiet(type.getContext(), [](Diagnostic &) {});
    elementType =
        readElementType(tensor.elem_type(), type.getContext(), [&] { return context.emitError(); });
    agrees &= elementType == type.getElementType();
  }
  if (agrees)
    return "";
  llvm::raw_string_ostream os(text);
  if (elementType)
    os << elementType;
  else
    os << "element type " << tensor.elem_type();
  return text;
}

bool DimensionBinder::isBatchedInput(const ValueInfoProto &input) const {
  const Dimension *leading = symbolicLeading(input);
  return leading && batchSymbols.contains(leading->dim_param());
}

bool DimensionBinder::isBatchedResult(const ValueInfoProto &declared, RankedTensorType type) const {
  return batchSize && symbolicLeading(declared) && type.getRank() > 0 &&
         type.getDimSize(0) == *batchSize;
}
} // namespace ampc
