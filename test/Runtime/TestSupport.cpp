//===- TestSupport.cpp - Tensors, statuses and files for tests ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"

#include <filesystem>

namespace ampc::test {

namespace {
struct Folder {
  explicit Folder(const std::filesystem::path &parent) {
    std::string pattern = parent / "ampc-runtime-XXXXXX";
    if (::mkdtemp(pattern.data()))
      path = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    if (!path.empty())
      std::filesystem::remove_all(path, ignored);
  }
  std::string path;
};
} // namespace

const std::string &scratchFolder() {
  static Folder folder(std::filesystem::temp_directory_path());
  return folder.path;
}

const std::string &memoryFolder() {
  static Folder folder("/dev/shm");
  return folder.path.empty() ? scratchFolder() : folder.path;
}

} // namespace ampc::test
