//===- FlatBuffer.cpp - Reads FlatBuffers files ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FlatBuffer.h"

using namespace llvm;

namespace ampc {
/// Bytes before a table's fields and before those of its list of fields.
constexpr uint64_t kTableHead = sizeof(int32_t), kListHead = 2 * sizeof(uint16_t);

uint64_t FlatBuffer::fail(StringRef what) {
  if (message.empty())
    message = what.str();
  return 0;
}

uint64_t FlatBuffer::follow(uint64_t at, uint64_t size) {
  uint64_t target = at + read<uint32_t>(at);
  return holds(target, size) ? target : fail("an offset leads out of the file");
}

FlatBuffer::Table FlatBuffer::enter(uint64_t at) {
  // A table takes its head at least; offsets may lead to one table again and again.
  if (!at || ++visited > bytes.size() / kTableHead)
    return at ? fail("its tables overlap") : 0;
  int64_t list = int64_t(at) - read<int32_t>(at);
  if (list < 0 || !holds(list, kListHead) || read<uint16_t>(list) < kListHead ||
      !holds(list, read<uint16_t>(list)) || !holds(at, read<uint16_t>(list + sizeof(uint16_t))))
    return fail("a table is cut off");
  return at;
}

FlatBuffer::Table FlatBuffer::root(StringRef identifier) {
  if (!holds(0, sizeof(uint32_t) + identifier.size()) ||
      StringRef(bytes.data() + sizeof(uint32_t), identifier.size()) != identifier)
    return fail("it does not begin as one");
  return enter(follow(0, kTableHead));
}

uint64_t FlatBuffer::find(Table table, unsigned field, uint64_t size) {
  if (!table || !message.empty())
    return 0;
  uint64_t list = table - read<int32_t>(table);
  uint64_t entry = kListHead + field * sizeof(uint16_t);
  if (entry + sizeof(uint16_t) > read<uint16_t>(list))
    return 0;
  uint64_t offset = read<uint16_t>(list + entry);
  if (offset == 0)
    return 0;
  if (offset + size > read<uint16_t>(list + sizeof(uint16_t)))
    return fail("a field lies outside of its table");
  return table + offset;
}

ArrayRef<char> FlatBuffer::vector(Table table, unsigned field, uint64_t elementSize) {
  uint64_t at = find(table, field, sizeof(uint32_t));
  at = at ? follow(at, sizeof(uint32_t)) : 0;
  if (!at)
    return {};
  uint64_t size = uint64_t(read<uint32_t>(at)) * elementSize;
  at += sizeof(uint32_t);
  if (!holds(at, size)) {
    fail("a vector is cut off");
    return {};
  }
  return bytes.slice(at, size);
}

FlatBuffer::Table FlatBuffer::table(Table table, unsigned field) {
  uint64_t at = find(table, field, sizeof(uint32_t));
  return enter(at ? follow(at, kTableHead) : 0);
}

std::vector<FlatBuffer::Table> FlatBuffer::tables(Table table, unsigned field) {
  std::vector<Table> result;
  ArrayRef<char> offsets = vector(table, field, sizeof(uint32_t));
  for (; !offsets.empty() && message.empty(); offsets = offsets.drop_front(sizeof(uint32_t)))
    result.push_back(enter(follow(offsets.data() - bytes.data(), kTableHead)));
  if (!message.empty())
    result.clear();
  return result;
}
} // namespace ampc
