//===- Safetensors.cpp - The file format of checkpoints -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Checkpoint/Safetensors.h"

#include "Core/DType.h"
#include "Core/Error.h"
#include "Core/JsonReader.h"
#include "Core/JsonWriter.h"
#include "Core/Tables.h"
#include "ampc-numbers/CheckedMath.h"

#include <algorithm>
#include <tuple>

namespace ampc {

namespace {
struct TypeName {
  const char *name;
  uint32_t dtype;
};
} // namespace

static constexpr TypeName kTypeNames[] = {
    {"F32", AMPC_DTYPE_F32},   {"F16", AMPC_DTYPE_F16}, {"BF16", AMPC_DTYPE_BF16},
    {"F64", AMPC_DTYPE_F64},   {"I64", AMPC_DTYPE_I64}, {"I32", AMPC_DTYPE_I32},
    {"I16", AMPC_DTYPE_I16},   {"I8", AMPC_DTYPE_I8},   {"U8", AMPC_DTYPE_U8},
    {"U16", AMPC_DTYPE_U16},   {"U32", AMPC_DTYPE_U32}, {"U64", AMPC_DTYPE_U64},
    {"BOOL", AMPC_DTYPE_BOOL},
};

/// The limit of the format's own implementation.
static constexpr uint64_t kLargestHeader = 100'000'000;
static constexpr const char *kMetadataKey = "__metadata__";

std::vector<std::string> SafetensorsHeader::namesByOffset() const {
  std::vector<std::string> names;
  for (const auto &[name, entry] : tensors)
    names.push_back(name);
  std::sort(names.begin(), names.end(), [&](const std::string &a, const std::string &b) {
    const SafetensorsEntry &x = tensors.at(a), &y = tensors.at(b);
    return std::tie(x.offset, x.bytes, a) < std::tie(y.offset, y.bytes, b);
  });
  return names;
}

static Error corrupt(const File &file, const std::string &what) {
  return Error(AMPC_STATUS_CORRUPT, concat("'", file.path(), "' is no sound checkpoint: ", what));
}

static SafetensorsEntry readEntry(JsonReader &json, const std::string &name) {
  SafetensorsEntry entry = {};
  std::vector<int64_t> offsets;
  bool hasShape = false;
  json.readObject([&](const std::string &key) {
    if (key == "dtype" && entry.dtype == 0) {
      std::string type = json.readString();
      for (const TypeName &known : kTypeNames)
        if (type == known.name)
          entry.dtype = known.dtype;
      if (entry.dtype == 0)
        json.fail(concat("tensor '", name, "' has the unknown type '", type, "'"));
    } else if (key == "shape" && !hasShape) {
      hasShape = true;
      json.readArray([&] { entry.shape.push_back(json.readNatural()); });
    } else if (key == "data_offsets" && offsets.empty()) {
      json.readArray([&] { offsets.push_back(json.readNatural()); });
    } else {
      json.fail(concat("tensor '", name, "' has the field '", key, "' twice, or it is unknown"));
    }
  });
  if (entry.dtype == 0 || !hasShape || offsets.size() != 2)
    json.fail(concat("tensor '", name, "' lacks its dtype, shape or two data_offsets"));
  if (offsets[1] < offsets[0])
    json.fail(concat("tensor '", name, "' ends before it starts"));
  entry.offset = offsets[0];
  entry.bytes = offsets[1] - offsets[0];

  std::optional<uint64_t> bytes = sizeOf(entry.dtype);
  for (int64_t dim : entry.shape)
    bytes = bytes ? checkedMul(*bytes, dim) : bytes;
  if (!bytes || *bytes != entry.bytes)
    json.fail(concat("tensor '", name, "' has ", entry.bytes, " bytes for ", nameOf(entry.dtype),
                     " ", describeShape(entry.shape.data(), entry.shape.size())));
  return entry;
}

static void readHeaderText(const std::string &text, SafetensorsHeader &header) {
  JsonReader json(text);
  bool hasMetadata = false;
  json.readObject([&](const std::string &name) {
    if (name == kMetadataKey) {
      if (hasMetadata)
        json.fail("a second __metadata__");
      hasMetadata = true;
      json.readObject([&](const std::string &key) {
        if (!header.metadata.emplace(key, json.readString()).second)
          json.fail(concat("a second entry '", key, "' in __metadata__"));
      });
      return;
    }
    if (!header.tensors.emplace(name, readEntry(json, name)).second)
      json.fail(concat("a second tensor '", name, "'"));
  });
  json.expectEnd();
}

SafetensorsHeader readSafetensorsHeader(const File &file) {
  unsigned char start[8] = {};
  file.read(0, start, std::min<uint64_t>(file.size(), sizeof(start)));
  if (start[0] == 'P' && start[1] == 'K')
    throw corrupt(file, "it looks like a zip or PyTorch file; a checkpoint is "
                        "a safetensors file");
  if (file.size() < sizeof(start))
    throw corrupt(file, concat("it has ", file.size(),
                               " bytes, less than the "
                               "length of a header"));
  uint64_t length = 0;
  for (int i = 8; i-- > 0;)
    length = length << 8 | start[i];
  if (length > kLargestHeader || length > file.size() - sizeof(start))
    throw corrupt(file, concat("its header should have ", length,
                               " bytes, the "
                               "file has ",
                               file.size()));

  std::string text(length, '\0');
  file.read(sizeof(start), text.data(), length);
  SafetensorsHeader header;
  header.dataOffset = sizeof(start) + length;
  if (text.empty() || text[0] != '{')
    throw corrupt(file, "its header is no JSON object");
  try {
    readHeaderText(text, header);
  } catch (const JsonError &error) {
    throw corrupt(file, concat("its header has ", error.what()));
  }

  uint64_t end = 0;
  for (const std::string &name : header.namesByOffset()) {
    const SafetensorsEntry &entry = header.tensors.at(name);
    if (entry.offset != end)
      throw corrupt(file, concat("tensor '", name, "' starts at byte ", entry.offset,
                                 " of the data, not at ", end));
    end += entry.bytes; // Below 2^63, as data_offsets are.
  }
  if (end != file.size() - header.dataOffset)
    throw corrupt(file, concat("its tensors take ", end,
                               " bytes, the file "
                               "holds ",
                               file.size() - header.dataOffset, " for them"));
  return header;
}

void layOut(SafetensorsHeader &header) {
  uint64_t offset = 0;
  for (uint64_t size : {8, 4, 2, 1})
    for (auto &[name, entry] : header.tensors) {
      if (sizeOf(entry.dtype) != size)
        continue;
      entry.bytes = size;
      for (int64_t dim : entry.shape)
        entry.bytes *= dim;
      entry.offset = offset;
      offset += entry.bytes;
    }
}

std::string writeSafetensorsHeader(const SafetensorsHeader &header) {
  JsonWriter json;
  json.beginObject();
  json.key(kMetadataKey);
  json.beginObject();
  for (const auto &[key, value] : header.metadata)
    json.member(key, value);
  json.endObject();
  for (const auto &[name, entry] : header.tensors) {
    json.key(name);
    json.beginObject();
    for (const TypeName &known : kTypeNames)
      if (entry.dtype == known.dtype)
        json.member("dtype", known.name);
    json.key("shape");
    json.beginArray();
    for (int64_t dim : entry.shape)
      json.value(dim);
    json.endArray();
    json.key("data_offsets");
    json.beginArray();
    json.value(entry.offset);
    json.value(entry.offset + entry.bytes);
    json.endArray();
    json.endObject();
  }
  json.endObject();

  std::string text = json.take();
  text.resize((text.size() + 7) / 8 * 8, ' '); // aligns the data
  std::string bytes;
  for (int i = 0; i != 8; ++i)
    bytes += char(uint64_t(text.size()) >> (8 * i) & 0xff);
  return bytes + text;
}

} // namespace ampc
