//===- ReplacingFile.cpp - Replaces a file as a whole or not at all -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc-files/ReplacingFile.h"

#include "ampc-files/FileIdentity.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ampc::files {

namespace {

/// One call writes at most 2 GiB on Linux.
constexpr uint64_t kLargestWrite = uint64_t(1) << 30;

/// The process that `name` says it is the temporary file of, for the file called `base`; 0
/// where it is none. The inverse of ReplacingFile::create.
pid_t ownerOf(const std::string &name, const std::string &base) {
  constexpr const char suffix[] = ".tmp";
  constexpr size_t suffixLength = sizeof suffix - 1;
  if (name.size() <= base.size() + suffixLength || name.compare(0, base.size(), base) != 0 ||
      name.compare(name.size() - suffixLength, suffixLength, suffix) != 0)
    return 0;
  std::string numbers = name.substr(base.size(), name.size() - base.size() - suffixLength);
  int pid = 0, attempt = 0, end = 0;
  if (std::sscanf(numbers.c_str(), ".%9d.%9d%n", &pid, &attempt, &end) != 2 ||
      size_t(end) != numbers.size() || pid <= 0)
    return 0;
  return pid;
}

/// Whether nobody writes the temporary file that is open as `file` any more.
bool isAbandoned(int file, pid_t owner) {
  if (::flock(file, LOCK_EX | LOCK_NB) == 0)
    return true;
  // Where files cannot be locked, a process that is gone is all that can be told.
  return errno != EWOULDBLOCK && ::kill(owner, 0) != 0 && errno == ESRCH;
}

void removeAbandoned(const std::string &path) {
  std::string folder = folderOf(path), base = path.substr(path.rfind('/') + 1);
  DIR *entries = ::opendir(folder.c_str());
  if (!entries)
    return;
  while (dirent *entry = ::readdir(entries)) {
    pid_t owner = ownerOf(entry->d_name, base);
    if (!owner)
      continue;
    int file =
        ::openat(::dirfd(entries), entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    if (file < 0)
      continue;
    if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode) && isAbandoned(file, owner))
      ::unlinkat(::dirfd(entries), entry->d_name, 0);
    ::close(file);
  }
  ::closedir(entries);
}

bool isFolder(const std::string &path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

int exchangeNames(const std::string &a, const std::string &b) {
#ifdef RENAME_EXCHANGE
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
#else
  errno = ENOSYS;
  return -1;
#endif
}

} // namespace

int ReplacingFile::create() {
  // Not mkstemp: its file would be closed to others for good.
  constexpr int kMostAttempts = 1000;
  for (int attempt = 0; attempt != kMostAttempts; ++attempt) {
    temporary = path + "." + std::to_string(::getpid()) + "." + std::to_string(attempt) + ".tmp";
    file = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0 && errno == EEXIST)
      continue;
    if (file < 0)
      return errno;
    // Another process that took the file for abandoned has the lock until it has removed it: only
    // after that can be told whether the file is still there.
    struct stat status;
    while (::flock(file, LOCK_EX) != 0 && errno == EINTR) {
    }
    if (::fstat(file, &status) == 0 && status.st_nlink > 0)
      return 0;
    ::close(file);
    file = -1;
  }
  return EEXIST;
}

int ReplacingFile::open(std::string place) {
  path = std::move(place);
  if (isFolder(path))
    return EISDIR;
  removeAbandoned(path);
  int error = create();
  if (error)
    temporary.clear();
  return error;
}

ReplacingFile::~ReplacingFile() {
  if (!temporary.empty() && state != Settled && state != Created)
    ::unlink(temporary.c_str());
  if (file >= 0)
    ::close(file);
}

int ReplacingFile::write(const void *data, uint64_t bytes) { return writeFully(file, data, bytes); }

int ReplacingFile::writeAt(uint64_t offset, const void *data, uint64_t bytes) {
  auto *from = static_cast<const char *>(data);
  while (bytes > 0) {
    ssize_t count =
        ::pwrite(file, from, std::min(bytes, kLargestWrite), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return count < 0 ? errno : ENOSPC;
    from += count;
    offset += static_cast<uint64_t>(count);
    bytes -= static_cast<uint64_t>(count);
  }
  return 0;
}

int ReplacingFile::sync() { return ::fsync(file) == 0 ? 0 : errno; }

int ReplacingFile::commit() {
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return errno;
  state = Settled;
  return 0;
}

int ReplacingFile::exchange() {
  struct stat status;
  bool isNew = ::lstat(path.c_str(), &status) != 0;
  if (!isNew && S_ISDIR(status.st_mode))
    return EISDIR; // it would be exchanged like a file
  if (!isNew && exchangeNames(temporary, path) == 0) {
    state = Exchanged;
    return 0;
  }
  if (int error = commit())
    return error;
  if (isNew)
    state = Created;
  return 0;
}

void ReplacingFile::revert() {
  if (state == Created) {
    ::unlink(path.c_str());
    state = Settled;
  } else if (state == Exchanged && exchangeNames(temporary, path) == 0) {
    state = Growing; // the destructor removes the new file
  }
}

int ReplacingFile::syncFolder() const {
  int folder = ::open(folderOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int result = folder < 0 ? -1 : ::fsync(folder);
  int error = errno;
  if (folder >= 0)
    ::close(folder);
  return result == 0 || error == EINVAL || error == EACCES ? 0 : error;
}

int writeFully(int descriptor, const void *data, uint64_t bytes) {
  auto *from = static_cast<const char *>(data);
  while (bytes > 0) {
    ssize_t count = ::write(descriptor, from, std::min(bytes, kLargestWrite));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return count < 0 ? errno : ENOSPC;
    from += count;
    bytes -= static_cast<uint64_t>(count);
  }
  return 0;
}

} // namespace ampc::files
