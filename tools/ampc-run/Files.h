//===- Files.h - Files that are read and written --------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_FILES_H
#define AMPC_RUN_FILES_H

#include "ampc-files/RegularFile.h"
#include "ampc-files/ReplacingFile.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ampc::run {

/// A regular file that is read at any place; what files::RegularFile says as exceptions.
class InputFile {
public:
  /// Throws Error where `path` is no readable regular file.
  explicit InputFile(std::string path);

  const std::string &path() const { return name; }
  uint64_t size() const { return file.size(); }
  /// Reads exactly `count` bytes from `offset` on; throws Error where they are
  /// not there.
  void readAt(uint64_t offset, void *target, size_t count) const;

private:
  std::string name;
  files::RegularFile file;
};

/// A file that appears under its name only when it is whole: it grows under a
/// temporary name in the same folder, which is gone when this is destroyed.
class AtomicFile {
public:
  explicit AtomicFile(std::string path);

  const std::string &path() const { return name; }
  void writeAt(uint64_t offset, const void *data, size_t count);
  /// Makes the file durable and gives it its name.
  void commit();

private:
  std::string name;
  files::ReplacingFile file;
};

/// The error of the last failed call on a file, in words; or that of a number.
std::string lastError();
std::string errorText(int number);

/// The files that a run writes, checked before it begins.
class OutputPaths {
public:
  enum class Kind {
    File,  ///< replaced as a whole: no device or pipe
    Stream ///< written as it goes, whatever it is
  };

  explicit OutputPaths(std::vector<std::string> inputs);
  /// Finds out early what would stop `flag`'s file from being written: throws
  /// Error where its folder is missing or not writable, where it is a folder,
  /// and where it is an input or another flag's output under whatever name.
  void add(const std::string &flag, const std::string &path, Kind kind);

private:
  std::vector<std::string> inputs;
  std::vector<std::pair<std::string, std::string>> outputs; ///< flag and path
};

} // namespace ampc::run

#endif // AMPC_RUN_FILES_H
