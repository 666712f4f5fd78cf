//===- NpzReader.cpp - The arrays of a .npz file --------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NpzReader.h"
#include "Error.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <zlib.h>

using namespace ampc::run;

namespace {

constexpr uint32_t localSignature = 0x04034b50;
constexpr uint32_t entrySignature = 0x02014b50;
constexpr uint32_t endSignature = 0x06054b50;
constexpr uint32_t locator64Signature = 0x07064b50;
constexpr uint32_t end64Signature = 0x06064b50;
constexpr size_t localBytes = 30, entryBytes = 46, endBytes = 22;
constexpr size_t locator64Bytes = 20, end64Bytes = 56;
constexpr uint32_t none32 = 0xffffffff; // "see the zip64 record"
constexpr uint16_t none16 = 0xffff;
constexpr uint16_t encryptedFlag = 1, stored = 0, deflated = 8;
constexpr uint16_t zip64Extra = 1;
// No deflate stream unpacks to more than this many times its bytes.
constexpr uint64_t maxDeflateRatio = 1032;

template <typename T>
T little(const char *bytes) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    value |= static_cast<T>(T(static_cast<unsigned char>(bytes[i])) << (8 * i));
  return value;
}
uint16_t u16(const char *bytes) { return little<uint16_t>(bytes); }
uint32_t u32(const char *bytes) { return little<uint32_t>(bytes); }
uint64_t u64(const char *bytes) { return little<uint64_t>(bytes); }

/// One member's bytes, unpacked while they are read.
class MemberSource : public ByteSource {
public:
  MemberSource(const InputFile &file, const NpzReader::Member &member, uint64_t offset)
      : file(file), member(member), offset(offset), packedLeft(member.packedBytes),
        left(member.bytes) {
    if (member.method == deflated && inflateInit2(&stream, -MAX_WBITS) != Z_OK)
      throw std::bad_alloc();
  }
  ~MemberSource() override {
    if (member.method == deflated)
      inflateEnd(&stream);
  }

  uint64_t remaining() const override { return left; }
  void read(void *target, size_t count) override;
  void finish() override;

private:
  [[noreturn]] void fail(const std::string &message) const {
    throw Error(file.path(), "array " + quoted(member.name) + " " + message);
  }
  void inflateInto(unsigned char *target, size_t count);

  const InputFile &file;
  const NpzReader::Member &member;
  uint64_t offset, packedLeft, left;
  uLong crc = crc32(0, nullptr, 0);
  z_stream stream = {};
  bool ended = false;
  unsigned char packed[1 << 16];
};

void MemberSource::inflateInto(unsigned char *target, size_t count) {
  stream.next_out = target;
  stream.avail_out = static_cast<uInt>(count);
  while (stream.avail_out && !ended) {
    if (stream.avail_in == 0 && packedLeft) {
      size_t part = std::min<uint64_t>(sizeof packed, packedLeft);
      file.readAt(offset, packed, part);
      offset += part;
      packedLeft -= part;
      stream.next_in = packed;
      stream.avail_in = static_cast<uInt>(part);
    }
    int result = inflate(&stream, Z_NO_FLUSH);
    ended = result == Z_STREAM_END;
    if (result == Z_MEM_ERROR)
      throw std::bad_alloc();
    if (!ended && result != Z_OK)
      fail("is damaged: its deflated data are not valid");
  }
}

void MemberSource::read(void *target, size_t count) {
  if (count > left)
    fail("ends before its data do");
  auto *to = static_cast<unsigned char *>(target);
  left -= count;
  while (count) {
    size_t part = std::min<size_t>(count, 1 << 30); // zlib counts in 32 bits
    if (member.method == deflated) {
      inflateInto(to, part);
      if (stream.avail_out)
        fail("is damaged: it unpacks to fewer bytes than the directory says");
    } else {
      file.readAt(offset, to, part);
      offset += part;
    }
    crc = crc32(crc, to, static_cast<uInt>(part));
    to += part;
    count -= part;
  }
}

void MemberSource::finish() {
  if (left)
    fail("has bytes behind its data");
  if (member.method == deflated) {
    unsigned char beyond; // what a stream that goes on would write
    if (!ended)
      inflateInto(&beyond, 1);
    bool wroteBeyond = stream.next_out == &beyond + 1;
    if (wroteBeyond || stream.avail_in || packedLeft)
      fail("is damaged: it unpacks to more bytes than the directory says");
  }
  if (crc != member.crc)
    fail("is damaged: its CRC is not the one that the directory holds");
}

} // namespace

void NpzReader::fail(const std::string &message) const {
  throw Error(file.path(), "is no readable .npz archive: " + message);
}

bool NpzReader::isArchive(const InputFile &file) {
  char start[4];
  if (file.size() < sizeof start)
    return false;
  file.readAt(0, start, sizeof start);
  uint32_t signature = u32(start);
  return signature == localSignature || signature == endSignature;
}

NpzReader::NpzReader(const std::string &path) : file(path) {
  if (!isArchive(file))
    fail("it does not start as a zip file does");
  readDirectory(findDirectory());
}

NpzReader::Directory NpzReader::findDirectory() const {
  if (file.size() < endBytes)
    fail("it is cut off");
  // The end record is the last thing in the file, but for a comment.
  size_t tailBytes = std::min<uint64_t>(file.size(), endBytes + none16);
  std::string tail(tailBytes, '\0');
  file.readAt(file.size() - tailBytes, tail.data(), tailBytes);
  for (size_t at = tailBytes - endBytes + 1; at-- > 0;) {
    const char *record = tail.data() + at;
    if (u32(record) != endSignature || u16(record + 20) != tailBytes - at - endBytes)
      continue;
    uint64_t place = file.size() - tailBytes + at;
    Directory directory{u32(record + 16), u32(record + 12), u16(record + 10)};
    bool needs64 = directory.offset == none32 || directory.bytes == none32 ||
                   directory.count == none16 || u16(record + 4) == none16;
    if (needs64)
      return findDirectory64(place);
    if (u16(record + 4) || u16(record + 6) || u16(record + 8) != u16(record + 10))
      fail("it is a part of a split archive");
    if (directory.offset > place || directory.bytes > place - directory.offset)
      fail("its directory lies outside the file");
    return directory;
  }
  fail("it has no directory at its end: the file is cut off");
}

NpzReader::Directory NpzReader::findDirectory64(uint64_t endRecord) const {
  char locator[locator64Bytes], record[end64Bytes];
  if (endRecord < locator64Bytes)
    fail("its zip64 record is missing");
  file.readAt(endRecord - locator64Bytes, locator, sizeof locator);
  uint64_t place = u64(locator + 8), last = endRecord - locator64Bytes;
  if (u32(locator) != locator64Signature || place > last || last - place < end64Bytes)
    fail("its zip64 record is missing");
  file.readAt(place, record, sizeof record);
  if (u32(record) != end64Signature)
    fail("its zip64 record is missing");
  if (u32(record + 16) || u32(record + 20) || u64(record + 24) != u64(record + 32))
    fail("it is a part of a split archive");
  Directory directory{u64(record + 48), u64(record + 40), u64(record + 32)};
  if (directory.offset > place || directory.bytes > place - directory.offset)
    fail("its directory lies outside the file");
  return directory;
}

void NpzReader::readDirectory(const Directory &directory) {
  std::string text(directory.bytes, '\0');
  file.readAt(directory.offset, text.data(), text.size());
  directoryOffset = directory.offset;
  std::set<std::string> names;
  const char *at = text.data(), *end = at + text.size();
  for (uint64_t i = 0; i < directory.count; ++i) {
    if (end - at < ptrdiff_t(entryBytes) || u32(at) != entrySignature)
      fail("entry " + std::to_string(i) + " of its directory is damaged");
    size_t nameBytes = u16(at + 28), extraBytes = u16(at + 30);
    size_t allBytes = entryBytes + nameBytes + extraBytes + u16(at + 32);
    if (end - at < ptrdiff_t(allBytes))
      fail("entry " + std::to_string(i) + " of its directory is cut off");
    Member member{std::string(at + entryBytes, nameBytes),
                  u16(at + 8),
                  u16(at + 10),
                  u32(at + 16),
                  u32(at + 20),
                  u32(at + 24),
                  u32(at + 42)};
    // Numbers that 32 bits do not hold stand in an extra field, in this order.
    const char *extra = at + entryBytes + nameBytes;
    const char *extraEnd = extra + extraBytes;
    while (extraEnd - extra >= 4) {
      size_t bytes = u16(extra + 2);
      const char *value = extra + 4;
      if (extraEnd - value < ptrdiff_t(bytes))
        fail("entry " + quoted(member.name) + " is damaged");
      const char *valueEnd = value + bytes;
      if (u16(extra) == zip64Extra)
        for (uint64_t *number : {&member.bytes, &member.packedBytes, &member.headerOffset})
          if (*number == none32 && valueEnd - value >= 8) {
            *number = u64(value);
            value += 8;
          }
      extra = valueEnd;
    }
    at += allBytes;
    if (!names.insert(member.name).second)
      fail("it holds " + quoted(member.name) + " twice");
    // Anything else in the archive is no array, and numpy skips it too.
    constexpr std::string_view suffix = ".npy";
    if (nameBytes < suffix.size() ||
        member.name.compare(nameBytes - suffix.size(), suffix.size(), suffix) != 0)
      continue;
    member.name.resize(nameBytes - suffix.size());
    arrays.push_back(std::move(member));
  }
}

std::unique_ptr<ByteSource> NpzReader::open(const Member &member) const {
  std::string name = "array " + quoted(member.name);
  if (member.flags & encryptedFlag)
    fail(name + " is encrypted");
  if (member.method != stored && member.method != deflated)
    fail(name + " is packed with method " + std::to_string(member.method) +
         "; save it with numpy.savez or numpy.savez_compressed");
  uint64_t ratio = member.method == stored ? 1 : maxDeflateRatio;
  if (member.bytes / ratio > member.packedBytes ||
      (member.method == stored && member.bytes != member.packedBytes))
    fail(name + " cannot unpack " + std::to_string(member.packedBytes) + " bytes to " +
         std::to_string(member.bytes));
  char header[localBytes];
  if (member.headerOffset > directoryOffset || directoryOffset - member.headerOffset < localBytes)
    fail(name + " lies outside the file");
  file.readAt(member.headerOffset, header, sizeof header);
  std::string localName(u16(header + 26), '\0');
  uint64_t start = member.headerOffset + localBytes + localName.size() + u16(header + 28);
  if (u32(header) != localSignature || start > directoryOffset ||
      member.packedBytes > directoryOffset - start)
    fail(name + " lies outside the file");
  file.readAt(member.headerOffset + localBytes, localName.data(), localName.size());
  if (localName != member.name + ".npy")
    fail(name + " is called " + quoted(localName) + " where its data lie");
  return std::make_unique<MemberSource>(file, member, start);
}
