//===- NpzReader.h - The arrays of a .npz file ----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_NPZREADER_H
#define AMPC_RUN_NPZREADER_H

#include "Files.h"
#include "Npy.h"

#include <memory>
#include <string>
#include <vector>

namespace ampc::run {

/// A .npz file: a zip archive, stored or deflated, with one .npy member for
/// each array. What it reads is not trusted.
class NpzReader {
public:
  struct Member {
    std::string name; ///< of the array: without ".npy"
    uint16_t flags;
    uint16_t method;
    uint32_t crc;
    uint64_t packedBytes, bytes;
    uint64_t headerOffset;
  };

  /// Reads the archive's directory. Throws Error.
  explicit NpzReader(const std::string &path);

  /// True where the file starts as a zip archive does.
  static bool isArchive(const InputFile &file);

  const std::vector<Member> &members() const { return arrays; }
  /// The bytes of a member, checked against its CRC. The reader must outlive
  /// it.
  std::unique_ptr<ByteSource> open(const Member &member) const;

private:
  struct Directory {
    uint64_t offset, bytes, count;
  };
  [[noreturn]] void fail(const std::string &message) const;
  Directory findDirectory() const;
  Directory findDirectory64(uint64_t endRecord) const;
  void readDirectory(const Directory &directory);

  InputFile file;
  uint64_t directoryOffset = 0;
  std::vector<Member> arrays;
};

} // namespace ampc::run

#endif // AMPC_RUN_NPZREADER_H
