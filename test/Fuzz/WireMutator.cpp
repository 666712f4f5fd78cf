//===- WireMutator.cpp - Changes protobuf messages by fields --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WireMutator.h"

#include <algorithm>
#include <optional>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

using namespace ampc::fuzz;

namespace {

struct Field;
using Message = std::vector<Field>;

struct Field {
  uint64_t number = 0;
  unsigned wireType = 0; ///< 0 varint, 1 eight bytes, 2 bytes or a message, 5 four bytes
  uint64_t varint = 0;   ///< of wire type 0
  std::string bytes;     ///< of the others
  std::optional<Message> message;
};

std::optional<uint64_t> readVarint(std::string_view &text) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !text.empty(); shift += 7) {
    uint8_t byte = uint8_t(text[0]);
    text.remove_prefix(1);
    value |= uint64_t(byte & 0x7f) << shift;
    if (byte < 0x80)
      return value;
  }
  return std::nullopt;
}

std::optional<Message> readMessage(std::string_view text, int depth) {
  Message message;
  while (!text.empty()) {
    std::optional<uint64_t> key = readVarint(text);
    if (!key || *key >> 3 == 0)
      return std::nullopt;
    Field field;
    field.number = *key >> 3;
    field.wireType = unsigned(*key & 7);
    uint64_t length = 0;
    switch (field.wireType) {
    case 0:
    case 2: {
      std::optional<uint64_t> value = readVarint(text);
      if (!value)
        return std::nullopt;
      (field.wireType == 0 ? field.varint : length) = *value;
      break;
    }
    case 1:
      length = 8;
      break;
    case 5:
      length = 4;
      break;
    default:
      return std::nullopt;
    }
    if (length > text.size())
      return std::nullopt;
    field.bytes = text.substr(0, length);
    text.remove_prefix(length);
    if (field.wireType == 2 && !field.bytes.empty() && depth > 0)
      field.message = readMessage(field.bytes, depth - 1);
    message.push_back(std::move(field));
  }
  return message;
}

void writeVarint(std::string &to, uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    to += char(value | 0x80);
  to += char(value);
}

std::string writeMessage(const Message &message) {
  std::string text;
  for (const Field &field : message) {
    writeVarint(text, field.number << 3 | field.wireType);
    std::string bytes = field.message ? writeMessage(*field.message) : field.bytes;
    if (field.wireType == 0)
      writeVarint(text, field.varint);
    if (field.wireType == 2)
      writeVarint(text, bytes.size());
    text += bytes;
  }
  return text;
}

/// A field of a message, to be changed.
struct Place {
  Message *message;
  size_t index;
  Field &operator*() const { return (*message)[index]; }
};

void collect(Message &message, std::vector<Place> &places) {
  for (size_t i = 0; i < message.size(); ++i) {
    places.push_back({&message, i});
    if (message[i].message)
      collect(*message[i].message, places);
  }
}

} // namespace

std::string ampc::fuzz::mutateMessage(const std::string &text, uint32_t seed,
                                      const MutateBytes &mutate) {
  std::minstd_rand random(seed);
  auto below = [&](size_t bound) { return size_t(random() % bound); };
  std::optional<Message> message = readMessage(text, /*depth=*/12);
  std::vector<Place> places;
  if (message)
    collect(*message, places);
  if (places.empty())
    return text;
  Place place = places[below(places.size())], other = places[below(places.size())];
  auto at = place.message->begin() + long(place.index);
  switch (below(8)) {
  case 0:
    place.message->erase(at);
    break;
  case 1: {
    Field copy = *place;
    place.message->insert(at, std::move(copy));
    break;
  }
  case 2:
    std::swap((*place.message)[below(place.message->size())], *place);
    break;
  case 3: { // A value of the same kind from elsewhere: a name, a type, a shape, a node.
    std::vector<Place> alike;
    std::copy_if(places.begin(), places.end(), std::back_inserter(alike), [&](Place candidate) {
      return (*candidate).wireType == (*place).wireType &&
             (*candidate).message.has_value() == (*place).message.has_value();
    });
    Field copy = *alike[below(alike.size())];
    copy.number = (*place).number;
    *place = std::move(copy);
    break;
  }
  case 4: { // A field from elsewhere is added.
    Field copy = *other;
    place.message->insert(at, std::move(copy));
    break;
  }
  default: {
    Field &field = *place;
    if (field.wireType == 0) {
      const uint64_t values[] = {0,
                                 1,
                                 2,
                                 field.varint + 1,
                                 field.varint - 1,
                                 ~uint64_t(0),
                                 uint64_t(1) << 31,
                                 uint64_t(1) << below(64),
                                 random()};
      field.varint = values[below(std::size(values))];
      break;
    }
    std::string bytes = field.message ? writeMessage(*field.message) : field.bytes;
    size_t size = bytes.size();
    bytes.resize(field.wireType == 2 ? size + 64 : size);
    bytes.resize(mutate(reinterpret_cast<uint8_t *>(bytes.data()), size, bytes.size()));
    if (field.wireType == 2 || bytes.size() == size) {
      field.message.reset();
      field.bytes = std::move(bytes);
    }
  }
  }
  return writeMessage(*message);
}
