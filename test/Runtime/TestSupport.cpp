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
  Folder() {
    std::string pattern =
        std::filesystem::temp_directory_path() / "ampc-runtime-XXXXXX";
    path = ::mkdtemp(pattern.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string path;
};
} // namespace

const std::string &scratchFolder() {
  static Folder folder;
  return folder.path;
}

} // namespace ampc::test
