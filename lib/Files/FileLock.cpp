//===- FileLock.cpp - One writer at a time --------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc-files/FileLock.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ampc::files {

bool isLockedByAnother(int descriptor) {
  return ::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

bool FileLock::acquire(const std::string &path) {
  name = path + ".lock";
  for (;;) {
    descriptor = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (descriptor < 0)
      return true;
    if (isLockedByAnother(descriptor)) {
      ::close(descriptor);
      descriptor = -1;
      return false;
    }
    // The last owner removes the file while it holds the lock: then this lock is on nothing.
    struct stat opened, named;
    if (::fstat(descriptor, &opened) == 0 && ::stat(name.c_str(), &named) == 0 &&
        opened.st_dev == named.st_dev && opened.st_ino == named.st_ino)
      return true;
    ::close(descriptor);
  }
}

FileLock::~FileLock() {
  if (descriptor < 0)
    return;
  struct stat status;
  // Only what this made: an empty file.
  if (::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0)
    ::unlink(name.c_str());
  ::close(descriptor);
}

} // namespace ampc::files
