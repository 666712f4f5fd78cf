//===- AtomicFile.h - Replaces a file as a whole or not at all --*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CHECKPOINT_ATOMICFILE_H
#define AMPC_RUNTIME_CHECKPOINT_ATOMICFILE_H

#include "ampc-files/ReplacingFile.h"

#include <cstdint>
#include <string>

namespace ampc {

/// Writes beside `path` into a file of its own (files::ReplacingFile), and puts
/// it in the place of `path` once all is on the disk. Until then, and
/// where anything fails, `path` is as it was. Throws AMPC_STATUS_IO.
class AtomicFile {
public:
  explicit AtomicFile(const std::string &path);

  void write(const void *data, uint64_t bytes);
  /// Writes over bytes that have been written.
  void overwrite(uint64_t offset, const void *data, uint64_t bytes);
  /// Makes what was written durable and names it `path`.
  void commit();

private:
  [[noreturn]] void fail(const char *what, int errorNumber) const;

  std::string path;
  files::ReplacingFile file;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CHECKPOINT_ATOMICFILE_H
