//===- FileLock.h - One writer at a time ------------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_FILES_FILELOCK_H
#define AMPC_FILES_FILELOCK_H

#include <string>

namespace ampc::files {

/// Whether another process, or another owner in this one, holds a lock on the open file.
/// Otherwise it is locked until the descriptor is closed, or, where the file system knows no
/// locks, left as it is.
bool isLockedByAnother(int descriptor);

/// Keeps a second writer from a file that is replaced again and again: a lock on the file
/// `path`.lock beside it, which the system releases when its owner ends, however it ends.
class FileLock {
public:
  FileLock() = default;
  ~FileLock();
  FileLock(const FileLock &) = delete;
  FileLock &operator=(const FileLock &) = delete;

  /// False where another owner has the lock. True as well where no lock can be had, in a
  /// folder or file system without: it is a help, no condition.
  bool acquire(const std::string &path);

private:
  std::string name;
  int descriptor = -1;
};

} // namespace ampc::files

#endif // AMPC_FILES_FILELOCK_H
