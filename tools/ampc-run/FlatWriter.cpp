//===- FlatWriter.cpp - Writes FlatBuffers --------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FlatWriter.h"
#include "Error.h"

#include <cstring>

using namespace ampc::run;

namespace {
/// The format's limit: offsets have 31 bits.
constexpr uint64_t mostBytes = INT32_MAX;
/// Of the widest number.
constexpr uint64_t widest = 8;
} // namespace

FlatWriter::FlatWriter(const std::string &identifier) {
  append(0, 4); // the root's offset
  buffer += identifier;
}

void FlatWriter::append(uint64_t bits, unsigned size) {
  buffer.append(reinterpret_cast<const char *>(&bits), size); // little-endian, as the machine is
}

/// Pads so that what comes `before` bytes later is aligned.
void FlatWriter::pad(uint64_t alignment, uint64_t before) {
  while ((buffer.size() + before) % alignment != 0)
    buffer += '\0';
}

void FlatWriter::point(uint64_t from) {
  uint32_t offset = uint32_t(buffer.size() - from);
  std::memcpy(&buffer[from], &offset, sizeof offset);
}

std::vector<uint64_t> FlatWriter::table(uint64_t from, const std::vector<Field> &fields) {
  // The list of where fields are, then the table: its offset back to the list, and the fields.
  std::vector<uint64_t> places;
  uint64_t size = 4;
  for (const Field &field : fields) {
    if (field.size != 0)
      size = (size + field.size - 1) / field.size * field.size;
    places.push_back(field.size != 0 ? size : 0);
    size += field.size;
  }
  pad(2);
  uint64_t list = buffer.size();
  append(4 + 2 * fields.size(), 2);
  append(size, 2);
  for (uint64_t place : places)
    append(place, 2);
  pad(widest);
  point(from);
  uint64_t begin = buffer.size();
  append(begin - list, 4);
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].size == 0)
      continue;
    while (buffer.size() < begin + places[i])
      buffer += '\0';
    append(fields[i].bits, fields[i].size);
    places[i] += begin;
  }
  return places;
}

uint64_t FlatWriter::vector(uint64_t from, uint64_t count, unsigned size, const void *data) {
  uint64_t total = count * size; // of what is in memory, so that it does not overflow
  if (total > mostBytes || buffer.size() + total + 2 * widest > mostBytes)
    throw Error("ampc-run",
                "a checkpoint of ONNX Runtime has at most 2 GiB, and this state needs more");
  pad(widest, 4);
  point(from);
  append(count, 4);
  uint64_t first = buffer.size();
  if (data)
    buffer.append(static_cast<const char *>(data), total);
  else
    buffer.append(total, '\0');
  return first;
}

void FlatWriter::string(uint64_t from, const std::string &text) {
  vector(from, text.size(), 1, text.data());
  buffer += '\0'; // behind the elements, as the format has it
}
