//===- File.cpp - A file that is read by offset ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/File.h"

#include "Core/Error.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ampc {

File::File(const std::string &path) : name(path) {
  // Without O_NONBLOCK, opening a named pipe would wait for a writer.
  descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    throw Error(errno == ENOENT || errno == ENOTDIR ? AMPC_STATUS_NOT_FOUND : AMPC_STATUS_IO,
                concat("cannot open '", path, "': ", systemMessage(errno)));
  struct stat status;
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    throw Error(AMPC_STATUS_IO, concat("cannot read '", path, "': it is no regular file"));
  }
  bytes = status.st_size;
}

File::~File() { ::close(descriptor); }

bool File::isCurrent() const {
  struct stat opened, named;
  return ::fstat(descriptor, &opened) == 0 && ::stat(name.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

void File::read(uint64_t offset, void *data, uint64_t count) const {
  // Linux reads at most 2 GiB a call.
  constexpr uint64_t kLargestRead = uint64_t(1) << 30;
  char *to = static_cast<char *>(data);
  while (count > 0) {
    ssize_t got = ::pread(descriptor, to, std::min(count, kLargestRead), offset);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      throw Error(AMPC_STATUS_IO, concat("reading '", name, "' failed: ", systemMessage(errno)));
    if (got == 0)
      throw Error(AMPC_STATUS_IO, concat("reading '", name, "' failed: the file ends at byte ",
                                         offset, ", ", count, " bytes early"));
    to += got;
    offset += got;
    count -= got;
  }
}

} // namespace ampc
