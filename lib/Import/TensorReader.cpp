//===- TensorReader.cpp - The value of a TensorProto ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TensorReader.h"
#include "ampc/Support/StoredTypes.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

namespace ampc {
std::string typeText(Type type) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (auto sequence = dyn_cast<TupleType>(type)) {
    os << "a sequence of " << sequence.size() << (sequence.size() == 1 ? " tensor" : " tensors");
    return text;
  }
  auto shaped = cast<ShapedType>(type);
  for (int64_t dim : shaped.getShape())
    (ShapedType::isDynamic(dim) ? os << "?" : os << dim) << "x";
  os << shaped.getElementType();
  return text;
}

/// ONNX's name for an element type: "UINT8", or "99" where there is none.
static std::string dataTypeText(int32_t dataType) {
  if (onnx::TensorProto::DataType_IsValid(dataType))
    return onnx::TensorProto::DataType_Name(onnx::TensorProto::DataType(dataType));
  return std::to_string(dataType);
}

Type readElementType(int32_t dataType, MLIRContext *context, EmitError emitError) {
  Builder builder(context);
  switch (dataType) {
  case onnx::TensorProto::FLOAT:
    return builder.getF32Type();
  case onnx::TensorProto::DOUBLE:
    return builder.getF64Type();
  case onnx::TensorProto::FLOAT16:
    return builder.getF16Type();
  case onnx::TensorProto::BFLOAT16:
    return builder.getBF16Type();
  case onnx::TensorProto::BOOL:
    return builder.getI1Type();
  case onnx::TensorProto::INT8:
    return builder.getI8Type();
  case onnx::TensorProto::INT16:
    return builder.getI16Type();
  case onnx::TensorProto::INT32:
    return builder.getI32Type();
  case onnx::TensorProto::INT64:
    return builder.getI64Type();
  case onnx::TensorProto::UINT8:
    return IntegerType::get(context, 8, IntegerType::Unsigned);
  case onnx::TensorProto::UINT16:
    return IntegerType::get(context, 16, IntegerType::Unsigned);
  case onnx::TensorProto::UINT32:
    return IntegerType::get(context, 32, IntegerType::Unsigned);
  case onnx::TensorProto::UINT64:
    return IntegerType::get(context, 64, IntegerType::Unsigned);
  default:
    if (const StoredType *stored = findStoredType(dataType))
      return stored->get(context);
    emitError() << "element type " << dataTypeText(dataType)
                << " is not supported; FLOAT, DOUBLE, FLOAT16, BFLOAT16, BOOL, INT8, "
                   "INT16, INT32, INT64, UINT8, UINT16, UINT32 and UINT64 are, and those that "
                   "are stored and cast: FLOAT8*, FLOAT4E2M1, INT4, UINT4, INT2 and UINT2";
    return nullptr;
  }
}

/// The tensor's type with its size checked.
static FailureOr<RankedTensorType> readType(const onnx::TensorProto &proto, ImportContext &context,
                                            EmitError emitError) {
  Type elementType = readElementType(proto.data_type(), &context.mlir, emitError);
  if (!elementType)
    return failure();
  SmallVector<int64_t> shape(proto.dims().begin(), proto.dims().end());
  for (int64_t dim : shape)
    if (dim < 0)
      return emitError() << "has the negative dimension " << dim;
  auto type = RankedTensorType::get(shape, elementType);
  std::optional<int64_t> size = WeightStore::byteSize(type);
  if (!size || *size > kMaxTensorBytes)
    return emitError() << "is too large: " << typeText(type);
  return type;
}

/// Elements that the file has in a byte: of those below 8 bits, as many as fit.
static int64_t packedCount(Type elementType) {
  const StoredType *stored = findStoredType(elementType);
  return stored ? 8 / stored->width : 1;
}

/// How many numbers a typed field has.
static int64_t fieldCount(RankedTensorType type) {
  return llvm::divideCeil(type.getNumElements(), packedCount(type.getElementType()));
}

/// Bytes of the tensor in the file.
static int64_t fileSize(RankedTensorType type) {
  return packedCount(type.getElementType()) > 1 ? fieldCount(type) : *WeightStore::byteSize(type);
}

/// Gives each element a byte, the first being in the lowest bits of the file's.
static void unpack(TensorValue &value) {
  int64_t packed = packedCount(value.type.getElementType());
  if (packed == 1)
    return;
  unsigned width = 8 / packed;
  auto buffer = std::make_shared<std::vector<char>>(value.type.getNumElements());
  for (auto [i, byte] : llvm::enumerate(*buffer))
    byte = char(uint8_t(value.bytes[i / packed]) >> (i % packed * width) & ((1u << width) - 1));
  value.bytes = *buffer;
  value.owner = buffer;
}

namespace {
/// The entries of `external_data`.
struct ExternalEntries {
  std::optional<std::string> location;
  std::optional<int64_t> offset, length;
};
} // namespace

static FailureOr<ExternalEntries> readEntries(const onnx::TensorProto &proto, EmitError emitError) {
  ExternalEntries entries;
  for (const onnx::StringStringEntryProto &entry : proto.external_data()) {
    if (entry.key() == "location") {
      if (entries.location)
        return emitError() << "external data has two entries 'location'";
      entries.location = entry.value();
    } else if (entry.key() == "offset" || entry.key() == "length") {
      std::optional<int64_t> &number = entry.key() == "offset" ? entries.offset : entries.length;
      int64_t value;
      if (number)
        return emitError() << "external data has two entries '" << entry.key() << "'";
      if (StringRef(entry.value()).getAsInteger(10, value) || value < 0)
        return emitError() << "external data has the " << entry.key() << " '" << entry.value()
                           << "', which is no size";
      number = value;
    }
  }
  if (!entries.location)
    return emitError() << "external data has no 'location'";
  return entries;
}

static FailureOr<TensorValue> readExternal(const onnx::TensorProto &proto, RankedTensorType type,
                                           ImportContext &context, EmitError emitError) {
  FailureOr<ExternalEntries> entries = readEntries(proto, emitError);
  if (failed(entries))
    return failure();
  std::string reason;
  auto file = context.externalData.open(*entries->location, reason);
  if (failed(file))
    return emitError() << "external data '" << *entries->location << "' " << reason;

  int64_t size = fileSize(type);
  int64_t offset = entries->offset.value_or(0);
  int64_t available = (*file)->bytes().size();
  if (entries->length.value_or(size) != size)
    return emitError() << "external data has the length " << *entries->length << ", but "
                       << typeText(type) << " needs " << size << " bytes";
  if (offset > available || size > available - offset)
    return emitError() << "external data '" << *entries->location << "' has " << available
                       << " bytes, too few for " << size << " from " << offset << " on";
  return TensorValue{type, (*file)->bytes().slice(offset, size), *file, file->get()};
}

/// Values of a typed field, each converted to `T`; those that `T` cannot hold are errors.
template <typename T, typename Field>
static FailureOr<TensorValue> readField(const Field &field, RankedTensorType type, StringRef name,
                                        EmitError emitError) {
  if (field.size() != fieldCount(type))
    return emitError() << name << " has " << int64_t(field.size()) << " values, but "
                       << typeText(type) << " needs " << fieldCount(type);
  auto buffer = std::make_shared<std::vector<T>>();
  buffer->reserve(field.size());
  for (auto value : field) {
    if constexpr (std::is_integral_v<T>)
      if (int64_t(T(value)) != int64_t(value))
        return emitError() << name << " holds " << int64_t(value) << ", which is out of range for "
                           << type.getElementType();
    buffer->push_back(T(value));
  }
  ArrayRef<char> bytes(reinterpret_cast<const char *>(buffer->data()), buffer->size() * sizeof(T));
  return TensorValue{type, bytes, buffer};
}

static FailureOr<TensorValue> readFields(const onnx::TensorProto &proto, RankedTensorType type,
                                         EmitError emitError) {
  switch (proto.data_type()) {
  case onnx::TensorProto::FLOAT:
    return readField<float>(proto.float_data(), type, "float_data", emitError);
  case onnx::TensorProto::DOUBLE:
    return readField<double>(proto.double_data(), type, "double_data", emitError);
  case onnx::TensorProto::INT64:
    return readField<int64_t>(proto.int64_data(), type, "int64_data", emitError);
  case onnx::TensorProto::INT32:
    return readField<int32_t>(proto.int32_data(), type, "int32_data", emitError);
  case onnx::TensorProto::INT16:
    return readField<int16_t>(proto.int32_data(), type, "int32_data", emitError);
  case onnx::TensorProto::INT8:
    return readField<int8_t>(proto.int32_data(), type, "int32_data", emitError);
  case onnx::TensorProto::UINT16:
    return readField<uint16_t>(proto.int32_data(), type, "int32_data", emitError);
  case onnx::TensorProto::UINT32:
    return readField<uint32_t>(proto.uint64_data(), type, "uint64_data", emitError);
  case onnx::TensorProto::UINT64:
    return readField<uint64_t>(proto.uint64_data(), type, "uint64_data", emitError);
  case onnx::TensorProto::UINT8:
  case onnx::TensorProto::BOOL:
    return readField<uint8_t>(proto.int32_data(), type, "int32_data", emitError);
  default:
    if (findStoredType(type)) // by their bits, and packed as in raw_data
      return readField<uint8_t>(proto.int32_data(), type, "int32_data", emitError);
    // FLOAT16 and BFLOAT16, by their bits
    return readField<uint16_t>(proto.int32_data(), type, "int32_data", emitError);
  }
}

/// Bytes of booleans may hold any value; from here on they are 0 or 1.
static void normalizeBooleans(TensorValue &value) {
  auto isNormal = [](char byte) { return byte == 0 || byte == 1; };
  if (!value.type.getElementType().isInteger(1) || llvm::all_of(value.bytes, isNormal))
    return;
  auto buffer = std::make_shared<std::vector<char>>();
  for (char byte : value.bytes)
    buffer->push_back(byte != 0);
  value.bytes = *buffer;
  value.owner = buffer;
}

FailureOr<TensorValue> readTensor(const onnx::TensorProto &proto, std::shared_ptr<const void> owner,
                                  ImportContext &context, EmitError emitError) {
  FailureOr<RankedTensorType> type = readType(proto, context, emitError);
  if (failed(type))
    return failure();
  if (proto.has_segment())
    return emitError() << "is a segment of a tensor, which is not supported";

  bool hasFields = proto.float_data_size() || proto.double_data_size() || proto.int32_data_size() ||
                   proto.int64_data_size() || proto.uint64_data_size() || proto.string_data_size();
  FailureOr<TensorValue> value = failure();
  if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
    if (proto.has_raw_data() || hasFields)
      return emitError() << "has external data and data in the file as well";
    value = readExternal(proto, *type, context, emitError);
  } else if (proto.has_raw_data()) {
    if (hasFields)
      return emitError() << "has both raw_data and a typed data field";
    int64_t size = fileSize(*type);
    const std::string &raw = proto.raw_data();
    if (int64_t(raw.size()) != size)
      return emitError() << "raw_data has " << int64_t(raw.size()) << " bytes, but "
                         << typeText(*type) << " needs " << size;
    value = TensorValue{*type, ArrayRef(raw.data(), raw.size()), std::move(owner)};
  } else {
    value = readFields(proto, *type, emitError);
  }
  if (succeeded(value)) {
    normalizeBooleans(*value);
    unpack(*value);
  }
  return value;
}
} // namespace ampc
