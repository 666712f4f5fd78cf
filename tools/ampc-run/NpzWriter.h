//===- NpzWriter.h - Writes a .npz file row by row ------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_NPZWRITER_H
#define AMPC_RUN_NPZWRITER_H

#include "ElementType.h"
#include "Files.h"

#include <string>
#include <vector>

namespace ampc::run {

/// Writes arrays whose shapes are known beforehand, all at the same time and
/// none of them held in memory: with the shapes, every place in the file is
/// known. Members are stored, not deflated, and the bytes depend on the arrays
/// alone. The file appears when it is whole.
class NpzWriter {
public:
  struct Entry {
    std::string name;
    ElementType type; ///< not bf16, which numpy lacks
    std::vector<int64_t> shape;
  };

  /// Throws Error where the file cannot be made or the arrays are too large.
  NpzWriter(const std::string &path, std::vector<Entry> entries);

  /// Appends `bytes` of row-major data to array number `entry`.
  void append(size_t entry, const void *data, size_t bytes);
  /// Ends the file and gives it its name; every array must have all its
  /// elements.
  void commit();

private:
  struct Member {
    std::string memberName;
    std::string npyHeader;
    uint64_t offset;    ///< of the local header
    uint64_t dataStart; ///< of the .npy header
    uint64_t bytes;     ///< of the .npy file
    uint64_t written = 0;
    uint32_t crc = 0;
  };

  AtomicFile file;
  std::vector<Member> members;
  uint64_t directoryOffset = 0;
};

} // namespace ampc::run

#endif // AMPC_RUN_NPZWRITER_H
