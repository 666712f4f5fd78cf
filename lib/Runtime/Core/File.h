//===- File.h - A file that is read by offset -------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_FILE_H
#define AMPC_RUNTIME_CORE_FILE_H

#include "ampc-files/RegularFile.h"

#include <cstdint>
#include <string>

namespace ampc {

/// A regular file, open for reading; what files::RegularFile says as exceptions.
class File {
public:
  /// Opens `path`. Throws AMPC_STATUS_NOT_FOUND where there is none, and
  /// AMPC_STATUS_IO where it cannot be read or is no regular file.
  explicit File(const std::string &path);

  const std::string &path() const { return name; }
  uint64_t size() const { return file.size(); }
  /// Whether `path()` still names the file that is open here.
  bool isCurrent() const { return file.isAt(name); }
  /// Reads exactly `count` bytes at `offset`; throws AMPC_STATUS_IO.
  void read(uint64_t offset, void *data, uint64_t count) const;

private:
  std::string name;
  files::RegularFile file;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_FILE_H
