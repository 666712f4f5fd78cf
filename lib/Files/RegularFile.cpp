//===- RegularFile.cpp - A file that is read by offset --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc-files/RegularFile.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

namespace ampc::files {

/// One call reads at most 2 GiB on Linux.
static constexpr uint64_t kLargestRead = uint64_t(1) << 30;

int RegularFile::open(const std::string &path) {
  file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status;
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0)
    return errno;
  bytes = static_cast<uint64_t>(status.st_size);
  if (S_ISREG(status.st_mode))
    return 0;
  return S_ISDIR(status.st_mode) ? EISDIR : ENOTSUP;
}

bool RegularFile::isAt(const std::string &path) const {
  struct stat opened, named;
  return ::fstat(file.get(), &opened) == 0 && ::stat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

uint64_t RegularFile::readAt(uint64_t offset, void *data, uint64_t count, int &error) const {
  auto *to = static_cast<char *>(data);
  uint64_t done = 0;
  error = 0;
  while (done < count) {
    ssize_t got = ::pread(file.get(), to + done, std::min(count - done, kLargestRead),
                          static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      error = errno;
    if (got <= 0)
      break;
    done += static_cast<uint64_t>(got);
  }
  return done;
}

} // namespace ampc::files
