//===- RegularFile.h - A file that is read by offset ------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_FILES_REGULARFILE_H
#define AMPC_FILES_REGULARFILE_H

#include "ampc-files/Descriptor.h"

#include <cstdint>
#include <string>

namespace ampc::files {

/// A regular file, open for reading at any place. Never mapped: a file that another process
/// cuts must end in an error, not in a signal.
class RegularFile {
public:
  /// Returns 0 or the number of the error (errno): EISDIR for a folder, ENOTSUP for a device or
  /// a pipe, whose writer it does not wait for.
  int open(const std::string &path);

  /// In bytes, when it was opened.
  uint64_t size() const { return bytes; }
  /// Whether `path` names this file.
  bool isAt(const std::string &path) const;
  /// Reads `count` bytes at `offset` and returns how many there were: fewer where the file ends
  /// before, and where reading failed. `error` is then the number of the error, else 0.
  uint64_t readAt(uint64_t offset, void *data, uint64_t count, int &error) const;

private:
  Descriptor file;
  uint64_t bytes = 0;
};

} // namespace ampc::files

#endif // AMPC_FILES_REGULARFILE_H
