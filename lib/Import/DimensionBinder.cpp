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

/// The first dimension of that name.
static std::optional<int64_t> findDimension(const ValueInfoProto &value, StringRef name) {
  for (auto [i, dimension] : llvm::enumerate(shapeOf(value).dim()))
    if (!dimension.has_dim_value() && dimension.dim_param() == name)
      return int64_t(i);
  return std::nullopt;
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

/// A sequence is as many tensors as `--sequence` says: a file does not tell.
LogicalResult DimensionBinder::checkSequences(ArrayRef<const ValueInfoProto *> inputs) const {
  llvm::StringSet<> names;
  for (const ValueInfoProto *input : inputs) {
    if (!input->type().has_sequence_type())
      continue;
    names.insert(input->name());
    if (!context.options.sequences.contains(input->name()))
      return context.emitError()
             << "input '" << input->name()
             << "' is a sequence, of which --sequence=" << input->name()
             << "=SHAPE,.. must give the shapes of its tensors, such as 2x3,4x3";
  }
  SmallVector<StringRef> given(context.options.sequences.keys());
  llvm::sort(given);
  for (StringRef name : given)
    if (!names.contains(name))
      return context.emitError() << "--sequence=" << name
                                 << ": the graph has no input of that name that is a sequence";
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

/// Binds the dimension that `--batch-dim` names, wherever it stands.
LogicalResult DimensionBinder::bindNamedBatch(ArrayRef<const ValueInfoProto *> inputs) {
  StringRef name = context.options.batchDim;
  auto emitError = [&] { return context.emitError() << "--batch-dim=" << name << ": "; };
  std::set<std::string> symbols;
  bool isFound = false;
  for (const ValueInfoProto *input : inputs) {
    int count = 0;
    for (const Dimension &dimension : shapeOf(*input).dim())
      if (!dimension.has_dim_value() && !dimension.dim_param().empty()) {
        symbols.insert(dimension.dim_param());
        count += dimension.dim_param() == name;
      }
    if (count > 1)
      return emitError() << "input '" << input->name()
                         << "' has this dimension twice, and samples lie along one";
    isFound |= count == 1;
  }
  if (!isFound) {
    InFlightDiagnostic error = emitError() << "no input has a dimension of that name";
    if (!symbols.empty())
      error << "; they have '" << llvm::join(symbols, "', '") << "'";
    return error;
  }
  auto given = sizes.find(name);
  std::optional<int64_t> batch = context.options.batch;
  if (given != sizes.end()) {
    if (batch && *batch != given->second)
      return emitError() << "--batch=" << *batch << ", but --dim sets it to " << given->second;
    batch = given->second;
  }
  if (!batch)
    batch = context.options.defaultBatch;
  if (!batch)
    return emitError() << "has no size: pass --batch=N";
  batchSize = batch;
  batchSymbols.insert(name);
  sizes[name] = *batch;
  return success();
}

LogicalResult DimensionBinder::bindBatch(ArrayRef<const ValueInfoProto *> inputs) {
  if (!context.options.batchDim.empty())
    return bindNamedBatch(inputs);
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
    if (!batch)
      batch = context.options.defaultBatch;
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
  if (failed(checkSequences(inputs)))
    return failure();
  for (const ValueInfoProto *input : inputs) {
    if (input->type().has_sequence_type())
      continue;
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
      bool isBatch = i == 0 && !dimension.has_dim_value() && context.options.batchDim.empty();
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

/// The element type by its number, null without a word where no tensor of ours has it.
Type DimensionBinder::findElementType(int32_t number) const {
  ScopedDiagnosticHandler quiet(context.loc.getContext(), [](Diagnostic &) {});
  return readElementType(number, context.loc.getContext(), [&] { return context.emitError(); });
}

RankedTensorType DimensionBinder::declaredType(const ValueInfoProto &declared) const {
  const onnx::TypeProto::Tensor &tensor = declared.type().tensor_type();
  Type element = tensor.has_shape() ? findElementType(tensor.elem_type()) : Type();
  if (!element)
    return {};
  SmallVector<int64_t> shape;
  for (const Dimension &dimension : tensor.shape().dim())
    shape.push_back(dimension.has_dim_value() && dimension.dim_value() >= 0 ? dimension.dim_value()
                                                                            : ShapedType::kDynamic);
  return RankedTensorType::get(shape, element);
}

FailureOr<SmallVector<RankedTensorType>>
DimensionBinder::elementTypes(const ValueInfoProto &input) const {
  auto emitError = [&] { return context.emitError() << "input '" << input.name() << "': "; };
  const onnx::TypeProto &declared = input.type().sequence_type().elem_type();
  if (!declared.has_tensor_type())
    return emitError() << "is a sequence of what are no tensors, which is not supported";
  Type element =
      readElementType(declared.tensor_type().elem_type(), context.loc.getContext(), emitError);
  if (!element)
    return failure();
  SmallVector<RankedTensorType> types;
  for (ArrayRef<int64_t> shape : context.options.sequences.find(input.name())->second) {
    types.push_back(RankedTensorType::get(shape, element));
    std::optional<int64_t> size = WeightStore::byteSize(types.back());
    if (!size || *size > kMaxTensorBytes)
      return emitError() << "is too large: " << typeText(types.back());
    std::string conflict = findConflict(declared, types.back());
    if (!conflict.empty())
      return emitError() << "--sequence gives it the tensor " << typeText(types.back())
                         << ", but it is declared as a sequence of " << conflict;
  }
  return types;
}

std::string DimensionBinder::findConflict(const onnx::TypeProto &declared, Type given) const {
  if (declared.value_case() == onnx::TypeProto::VALUE_NOT_SET)
    return "";
  if (auto sequence = dyn_cast<TupleType>(given)) {
    if (!declared.has_sequence_type())
      return "no sequence";
    for (Type element : sequence.getTypes())
      if (std::string conflict = findConflict(declared.sequence_type().elem_type(), element);
          !conflict.empty())
        return "a sequence of " + conflict;
    return "";
  }
  // Columns with names (ZipMap) are a tensor here.
  if (declared.has_sequence_type() && declared.sequence_type().elem_type().has_map_type())
    return "";
  if (!declared.has_tensor_type())
    return "no tensor";
  auto type = cast<RankedTensorType>(given);
  const onnx::TypeProto::Tensor &tensor = declared.tensor_type();
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
    elementType = findElementType(tensor.elem_type());
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

std::optional<int64_t> DimensionBinder::batchAxis(const ValueInfoProto &input) const {
  if (!context.options.batchDim.empty())
    return findDimension(input, context.options.batchDim);
  const Dimension *leading = symbolicLeading(input);
  if (leading && batchSymbols.contains(leading->dim_param()))
    return 0;
  return std::nullopt;
}

std::optional<int64_t> DimensionBinder::batchAxisOfResult(const ValueInfoProto &declared,
                                                          RankedTensorType type) const {
  if (!batchSize)
    return std::nullopt;
  auto countsSamples = [&](int64_t axis) {
    return axis < type.getRank() && type.getDimSize(axis) == *batchSize;
  };
  if (context.options.batchDim.empty()) {
    if (symbolicLeading(declared) && countsSamples(0))
      return 0;
    return std::nullopt;
  }
  if (auto axis = findDimension(declared, context.options.batchDim))
    return countsSamples(*axis) ? axis : std::nullopt;
  // Exporters give results symbols of their own. One that has no size otherwise and is as large
  // as the batch can be nothing else, where there is one such.
  std::optional<int64_t> found;
  for (auto [i, dimension] : llvm::enumerate(shapeOf(declared).dim())) {
    if (sizeOf(dimension) || !countsSamples(int64_t(i)))
      continue;
    if (found)
      return std::nullopt;
    found = int64_t(i);
  }
  return found;
}
} // namespace ampc
