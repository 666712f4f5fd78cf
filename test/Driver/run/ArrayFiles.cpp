//===- ArrayFiles.cpp - Makes .npy and .npz files for tests ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ArrayFiles.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <zlib.h>

using namespace ampc::test;

namespace {

std::string little(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i)
    text += i < 8 ? static_cast<char>(value >> (8 * i)) : '\0';
  return text;
}

std::string deflated(const std::string &data) {
  z_stream stream = {};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, data.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef *>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

} // namespace

std::string ampc::test::npyWithHeader(const std::string &header, const std::string &data,
                                      int version) {
  std::string file = "\x93NUMPY";
  file += static_cast<char>(version);
  file += '\0';
  return file + little(header.size(), version == 1 ? 2 : 4) + header + data;
}

std::string ampc::test::npy(const std::string &descr, const std::string &shape,
                            const std::string &data, bool fortranOrder) {
  std::string header = "{'descr': '" + descr +
                       "', 'fortran_order': " + (fortranOrder ? "True" : "False") +
                       ", 'shape': " + shape + ", }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  return npyWithHeader(header + "\n", data);
}

std::string ampc::test::npz(const std::vector<std::pair<std::string, std::string>> &members,
                            const NpzStyle &style) {
  const uint64_t all32 = 0xffffffff;
  std::string file, directory;
  for (const auto &[name, data] : members) {
    std::string packed = style.deflates ? deflated(data) : data;
    uint64_t crc = crc32(0, reinterpret_cast<const Bytef *>(data.data()), data.size());
    uint64_t method = style.deflates ? 8 : 0, flags = style.streams ? 8 : 0;
    uint64_t offset = file.size();
    std::string sizes = little(data.size(), 8) + little(packed.size(), 8);
    std::string extra = style.zip64 ? little(1, 2) + little(16, 2) + sizes : "";
    file +=
        little(0x04034b50, 4) + little(20, 2) + little(flags, 2) + little(method, 2) + little(0, 4);
    if (style.streams)
      file += little(0, 12);
    else
      file += little(crc, 4) + little(style.zip64 ? all32 : packed.size(), 4) +
              little(style.zip64 ? all32 : data.size(), 4);
    file += little(name.size(), 2) + little(extra.size(), 2) + name + extra;
    file += packed;
    if (style.streams)
      file += little(0x08074b50, 4) + little(crc, 4) + little(packed.size(), 4) +
              little(data.size(), 4);
    extra = style.zip64 ? little(1, 2) + little(24, 2) + sizes + little(offset, 8) : "";
    directory += little(0x02014b50, 4) + little(20, 2) + little(20, 2) + little(flags, 2) +
                 little(method, 2) + little(0, 4) + little(crc, 4) +
                 little(style.zip64 ? all32 : packed.size(), 4) +
                 little(style.zip64 ? all32 : data.size(), 4) + little(name.size(), 2) +
                 little(extra.size(), 2) + little(0, 2) + little(0, 4) + little(0, 4) +
                 little(style.zip64 ? all32 : offset, 4) + name + extra;
  }
  uint64_t start = file.size(), count = members.size();
  file += directory;
  if (style.zip64) {
    uint64_t end64 = file.size();
    file += little(0x06064b50, 4) + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8) +
            little(count, 8) + little(count, 8) + little(directory.size(), 8) + little(start, 8);
    file += little(0x07064b50, 4) + little(0, 4) + little(end64, 8) + little(1, 4);
    count = 0xffff;
    start = all32;
  }
  return file + little(0x06054b50, 4) + little(0, 4) + little(count, 2) + little(count, 2) +
         little(style.zip64 ? all32 : directory.size(), 4) + little(start, 4) +
         little(style.comment.size(), 2) + style.comment;
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "ampc-run-XXXXXX").string();
  if (!mkdtemp(pattern.data()))
    throw std::runtime_error("no temporary folder");
  folder = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

std::string TemporaryFolder::write(const std::string &name, const std::string &bytes) const {
  // Some file systems wait for the disk when a file is cut and written again.
  std::filesystem::remove(path(name));
  std::ofstream(path(name), std::ios::binary) << bytes;
  return path(name);
}

std::vector<std::string> TemporaryFolder::list() const {
  std::vector<std::string> names;
  for (const auto &entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

std::string ampc::test::readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
