//===- NpzWriter.cpp - Writes a .npz file row by row ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NpzWriter.h"
#include "Error.h"
#include "Npy.h"
#include "ampc-numbers/CheckedMath.h"

#include <algorithm>
#include <zlib.h>

using namespace ampc::run;

namespace {

constexpr uint32_t none32 = 0xffffffff;
constexpr uint16_t none16 = 0xffff;
constexpr uint16_t utf8Flag = 1 << 11;
constexpr uint16_t version45 = 45;               // 4.5 brought zip64
constexpr uint16_t epochDate = 1 << 5 | 1;       // 1980-01-01: no time of ours
constexpr uint32_t regularFile = 0100600u << 16; // what numpy's members carry
constexpr uint16_t madeOnUnix = 3 << 8;

/// Little-endian bytes.
class Bytes {
public:
  Bytes &u16(uint64_t value) { return put(value, 2); }
  Bytes &u32(uint64_t value) { return put(value, 4); }
  Bytes &u64(uint64_t value) { return put(value, 8); }
  Bytes &append(const std::string &more) {
    text += more;
    return *this;
  }
  const std::string &str() const { return text; }

private:
  Bytes &put(uint64_t value, int count) {
    for (int i = 0; i < count; ++i)
      text += static_cast<char>(value >> (8 * i));
    return *this;
  }
  std::string text;
};

uint16_t flagsOf(const std::string &name) {
  bool ascii = std::all_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x80; });
  return ascii ? 0 : utf8Flag;
}

/// The sizes always stand in a zip64 field, so that the header's length does
/// not depend on them; numpy does the same.
std::string localHeader(const std::string &name, uint32_t crc, uint64_t bytes) {
  Bytes header;
  header.u32(0x04034b50).u16(version45).u16(flagsOf(name)).u16(0);
  header.u16(0).u16(epochDate).u32(crc).u32(none32).u32(none32);
  header.u16(name.size()).u16(20).append(name);
  header.u16(1).u16(16).u64(bytes).u64(bytes);
  return header.str();
}

std::string directoryEntry(const std::string &name, uint32_t crc, uint64_t bytes, uint64_t offset) {
  bool isLarge = bytes >= none32, isFar = offset >= none32;
  Bytes extra;
  if (isLarge)
    extra.u64(bytes).u64(bytes);
  if (isFar)
    extra.u64(offset);
  size_t extraBytes = extra.str().empty() ? 0 : 4 + extra.str().size();
  Bytes entry;
  entry.u32(0x02014b50).u16(madeOnUnix | version45).u16(version45);
  entry.u16(flagsOf(name)).u16(0).u16(0).u16(epochDate).u32(crc);
  entry.u32(isLarge ? none32 : bytes).u32(isLarge ? none32 : bytes);
  entry.u16(name.size()).u16(extraBytes).u16(0).u16(0).u16(0);
  entry.u32(regularFile).u32(isFar ? none32 : offset).append(name);
  if (extraBytes)
    entry.u16(1).u16(extra.str().size()).append(extra.str());
  return entry.str();
}

std::string endOfDirectory(uint64_t count, uint64_t bytes, uint64_t offset) {
  Bytes end;
  if (count >= none16 || bytes >= none32 || offset >= none32) {
    end.u32(0x06064b50).u64(44).u16(madeOnUnix | version45).u16(version45);
    end.u32(0).u32(0).u64(count).u64(count).u64(bytes).u64(offset);
    end.u32(0x07064b50).u32(0).u64(offset + bytes).u32(1);
  }
  end.u32(0x06054b50).u16(0).u16(0);
  end.u16(std::min<uint64_t>(count, none16));
  end.u16(std::min<uint64_t>(count, none16));
  end.u32(std::min<uint64_t>(bytes, none32));
  end.u32(std::min<uint64_t>(offset, none32)).u16(0);
  return end.str();
}

} // namespace

NpzWriter::NpzWriter(const std::string &path, std::vector<Entry> entries) : file(path) {
  constexpr uint64_t limit = uint64_t(1) << 62;
  uint64_t offset = 0;
  for (const Entry &entry : entries) {
    Member member;
    member.memberName = entry.name + ".npy";
    member.npyHeader = formatNpyHeader(entry.type, entry.shape);
    std::optional<uint64_t> bytes = elementCount(entry.shape);
    if (bytes)
      bytes = checkedMul(*bytes, elementSize(entry.type));
    if (!bytes || *bytes > limit - offset || member.memberName.size() > none16)
      throw Error(path, "cannot hold array " + quoted(entry.name) + " of shape " +
                            shapeText(entry.shape));
    member.offset = offset;
    member.dataStart = offset + localHeader(member.memberName, 0, 0).size();
    member.bytes = member.npyHeader.size() + *bytes;
    offset = member.dataStart + member.bytes;
    members.push_back(std::move(member));
  }
  directoryOffset = offset;
  for (size_t i = 0; i < members.size(); ++i)
    append(i, members[i].npyHeader.data(), members[i].npyHeader.size());
}

void NpzWriter::append(size_t entry, const void *data, size_t bytes) {
  Member &member = members[entry];
  if (bytes > member.bytes - member.written)
    throw Error(file.path(), quoted(member.memberName) + " got more data than it has rows",
                ExitInternal);
  file.writeAt(member.dataStart + member.written, data, bytes);
  member.written += bytes;
  for (auto *at = static_cast<const unsigned char *>(data); bytes;) {
    size_t part = std::min<size_t>(bytes, 1 << 30); // zlib counts in 32 bits
    member.crc = static_cast<uint32_t>(crc32(member.crc, at, static_cast<uInt>(part)));
    at += part;
    bytes -= part;
  }
}

void NpzWriter::commit() {
  std::string directory;
  for (const Member &member : members) {
    if (member.written != member.bytes)
      throw Error(file.path(), quoted(member.memberName) + " got less data than it has rows",
                  ExitInternal);
    std::string header = localHeader(member.memberName, member.crc, member.bytes);
    file.writeAt(member.offset, header.data(), header.size());
    directory += directoryEntry(member.memberName, member.crc, member.bytes, member.offset);
  }
  std::string end = endOfDirectory(members.size(), directory.size(), directoryOffset);
  directory += end;
  file.writeAt(directoryOffset, directory.data(), directory.size());
  file.commit();
}
