//===- InputBinder.cpp - Graph inputs that are fixed --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "InputBinder.h"
#include "TensorReader.h"
#include "ampc/Support/StoredTypes.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace ampc {
namespace {
/// One `--bind=NAME=VALUE`.
class InputBinder {
public:
  InputBinder(onnx::ModelProto &model, const ImportContext &context, StringRef name, StringRef text)
      : graph(*model.mutable_graph()), context(context), name(name), text(text) {}

  LogicalResult run();

private:
  InFlightDiagnostic emitError() {
    return context.emitError() << "--bind=" << name << "=" << text << ": ";
  }
  const onnx::ValueInfoProto *findInput();
  LogicalResult readNumbers(const onnx::TensorShapeProto &declared);
  LogicalResult appendNumber(StringRef number);
  LogicalResult checkShape(const onnx::TensorShapeProto &declared);

  onnx::GraphProto &graph;
  const ImportContext &context;
  StringRef name, text;
  Type element;
  std::vector<int64_t> shape;
  std::string bytes;
};
} // namespace

const onnx::ValueInfoProto *InputBinder::findInput() {
  std::vector<std::string> names;
  for (const onnx::ValueInfoProto &input : graph.input()) {
    if (input.name() == name)
      return &input;
    names.push_back(input.name());
  }
  InFlightDiagnostic error = emitError();
  error << "the graph has no input of that name";
  if (!names.empty())
    error << "; it has '" << llvm::join(names, "', '") << "'";
  return nullptr;
}

/// Appends the bytes of one number in the input's type.
LogicalResult InputBinder::appendNumber(StringRef number) {
  auto isWrong = [&] { return emitError() << "'" << number << "' is no " << element; };
  APInt bits;
  const StoredType *stored = findStoredType(element);
  if (stored && stored->isFloat())
    return emitError() << "numbers of " << stored->name << " are read from an array, F.npy";
  if (auto type = dyn_cast<FloatType>(element)) {
    double value = 0;
    if (number.getAsDouble(value))
      return isWrong();
    APFloat rounded(value);
    bool inexact = false;
    rounded.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven, &inexact);
    bits = rounded.bitcastToAPInt();
  } else if (element.isInteger(1)) {
    bool isTrue = number == "true" || number == "1";
    if (!isTrue && number != "false" && number != "0")
      return isWrong();
    bits = APInt(8, isTrue);
  } else {
    unsigned width = element.getIntOrFloatBitWidth();
    bool isUnsigned = element.isUnsignedInteger();
    uint64_t positive = 0;
    int64_t value = 0;
    if (isUnsigned ? number.getAsInteger(10, positive) : number.getAsInteger(10, value))
      return isWrong();
    if (isUnsigned ? !llvm::isUIntN(width, positive) : !llvm::isIntN(width, value))
      return isWrong();
    bits = APInt(64, isUnsigned ? positive : uint64_t(value)).trunc(width);
  }
  uint64_t word = bits.getZExtValue(); // the machine is little-endian, as ONNX is
  bytes.append(reinterpret_cast<const char *>(&word), llvm::divideCeil(bits.getBitWidth(), 8));
  return success();
}

LogicalResult InputBinder::readNumbers(const onnx::TensorShapeProto &declared) {
  SmallVector<StringRef> numbers;
  text.split(numbers, ',');
  // The shape is the declared one; the extent of a list may be left open.
  for (const auto &dimension : declared.dim()) {
    bool isOpen = !dimension.has_dim_value();
    if (isOpen && declared.dim_size() != 1)
      return emitError() << "the input's shape is not known; give an array, F.npy";
    shape.push_back(isOpen ? int64_t(numbers.size()) : int64_t(dimension.dim_value()));
  }
  int64_t count = 1;
  for (int64_t extent : shape)
    if (extent < 0 || llvm::MulOverflow(count, extent, count))
      return emitError() << "the input's declared shape is none";
  // One number for all elements.
  bool isSplat = numbers.size() == 1 && count > 1 && context.options.carriesOver(name);
  if (count != int64_t(numbers.size()) && !isSplat)
    return emitError() << "has " << numbers.size() << (numbers.size() == 1 ? " number" : " numbers")
                       << ", but the input has " << count << " elements";
  for (StringRef number : numbers)
    if (failed(appendNumber(number.trim())))
      return failure();
  if (isSplat) {
    std::string element = bytes;
    if (element.size() > uint64_t(kMaxTensorBytes) / uint64_t(count))
      return emitError() << "the input's declared shape is none";
    bytes.reserve(element.size() * count);
    while (int64_t(bytes.size()) < int64_t(element.size()) * count)
      bytes += element;
  }
  return success();
}

LogicalResult InputBinder::checkShape(const onnx::TensorShapeProto &declared) {
  bool fits = int64_t(shape.size()) == declared.dim_size();
  std::string declaredText;
  for (auto [i, dimension] : llvm::enumerate(declared.dim())) {
    bool isKnown = dimension.has_dim_value();
    fits = fits && (!isKnown || dimension.dim_value() == shape[i]);
    declaredText += (i ? "x" : "") + (isKnown ? std::to_string(dimension.dim_value()) : "?");
  }
  if (fits)
    return success();
  InFlightDiagnostic error = emitError();
  error << "the array has the shape [";
  llvm::interleaveComma(shape, error);
  return error << "], but the input is "
               << (declaredText.empty() ? "a single number" : declaredText);
}

/// Elements of a byte each as ONNX packs those of `width` bits: the first in the lowest ones.
static std::string pack(StringRef bytes, unsigned width) {
  unsigned count = 8 / width;
  std::string packed(llvm::divideCeil(bytes.size(), count), '\0');
  for (auto [i, byte] : llvm::enumerate(bytes))
    packed[i / count] |= char((uint8_t(byte) & ((1u << width) - 1)) << (i % count * width));
  return packed;
}

LogicalResult InputBinder::run() {
  const onnx::ValueInfoProto *input = findInput();
  if (!input)
    return failure();
  if (!input->type().has_tensor_type() || !input->type().tensor_type().has_shape())
    return emitError() << "the input is no tensor of known rank";
  const onnx::TypeProto::Tensor &declared = input->type().tensor_type();
  element = readElementType(declared.elem_type(), &context.mlir, [&] { return emitError(); });
  if (!element)
    return failure();
  if (text.ends_with(".npy")) {
    assert(context.options.readArray && "who allows files sets it");
    std::string problem = context.options.readArray(text.str(), declared.elem_type(), shape, bytes);
    if (!problem.empty())
      return emitError() << problem;
    if (failed(checkShape(declared.shape())))
      return failure();
  } else if (failed(readNumbers(declared.shape()))) {
    return failure();
  }
  auto &initializers = *graph.mutable_initializer();
  for (int i = 0; i < initializers.size(); ++i) // a default, which is replaced
    if (initializers[i].name() == name)
      initializers.DeleteSubrange(i--, 1);
  onnx::TensorProto &tensor = *graph.add_initializer();
  tensor.set_name(name.str());
  tensor.set_data_type(declared.elem_type());
  for (int64_t extent : shape)
    tensor.add_dims(extent);
  if (const StoredType *stored = findStoredType(element))
    bytes = pack(bytes, stored->width);
  tensor.set_raw_data(std::move(bytes));
  return success();
}

LogicalResult bindInputs(onnx::ModelProto &model, const ImportContext &context) {
  // Sorted, so that of several errors the same one is told.
  SmallVector<StringRef> names(context.options.bindings.keys());
  llvm::sort(names);
  for (StringRef name : names)
    if (failed(InputBinder(model, context, name, context.options.bindings.lookup(name)).run()))
      return failure();
  return success();
}
} // namespace ampc
