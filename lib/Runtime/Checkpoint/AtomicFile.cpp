//===- AtomicFile.cpp - Replaces a file as a whole or not at all ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Checkpoint/AtomicFile.h"

#include "Core/Error.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

namespace ampc {

AtomicFile::AtomicFile(const std::string &path) : path(path) {
  // Not mkstemp: its file would be closed to others for good. In a name of this
  // process's own, O_EXCL steps over what a killed run has left.
  for (int attempt = 0; descriptor < 0; ++attempt) {
    temporary = concat(path, ".", ::getpid(), ".", attempt, ".tmp");
    descriptor = ::open(temporary.c_str(),
                        O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0 && (errno != EEXIST || attempt == 1000))
      fail("cannot create a file beside", errno);
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor >= 0)
    ::close(descriptor);
  if (!committed)
    ::unlink(temporary.c_str());
}

void AtomicFile::fail(const char *what, int errorNumber) const {
  throw Error(AMPC_STATUS_IO,
              concat(what, " '", path, "': ", systemMessage(errorNumber),
                     "; the file is as it was"));
}

void AtomicFile::write(const void *data, uint64_t bytes) {
  constexpr uint64_t kLargestWrite = uint64_t(1) << 30;
  const char *from = static_cast<const char *>(data);
  while (bytes > 0) {
    ssize_t count = ::write(descriptor, from, std::min(bytes, kLargestWrite));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      fail("cannot write", count < 0 ? errno : ENOSPC);
    from += count;
    bytes -= count;
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor) != 0)
    fail("cannot write", errno);
  int closed = ::close(descriptor);
  descriptor = -1;
  if (closed != 0)
    fail("cannot write", errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    fail("cannot replace", errno);
  committed = true;
  syncDirectory();
}

// Without it, a power cut may bring the old file back.
void AtomicFile::syncDirectory() const {
  size_t slash = path.rfind('/');
  std::string directory = slash == std::string::npos ? "."
                          : slash == 0               ? "/"
                                                     : path.substr(0, slash);
  int handle = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int result = handle < 0 ? -1 : ::fsync(handle);
  int errorNumber = errno;
  if (handle >= 0)
    ::close(handle);
  // Some file systems cannot sync a directory; they need no such thing.
  if (result != 0 && errorNumber != EINVAL && errorNumber != EACCES)
    throw Error(AMPC_STATUS_IO,
                concat("'", path,
                       "' is written, but may not outlast a power "
                       "cut: ",
                       systemMessage(errorNumber)));
}

} // namespace ampc
