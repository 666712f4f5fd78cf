//===- FileIdentity.cpp - Which file a path names -------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc-files/FileIdentity.h"

#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <initializer_list>
#include <optional>
#include <sys/stat.h>
#include <tuple>
#include <unistd.h>

namespace ampc::files {

namespace {

/// Device, inode and, of a file that is not there yet, its name in the folder that the two
/// stand for.
using Identity = std::tuple<dev_t, ino_t, std::string>;

std::string nameOf(const std::string &path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

/// Where the symbolic link at `path` leads; nothing where it is none.
std::optional<std::string> linkTarget(const std::string &path) {
  char target[PATH_MAX];
  ssize_t length = ::readlink(path.c_str(), target, sizeof target);
  if (length <= 0)
    return std::nullopt;
  std::string text(target, static_cast<size_t>(length));
  return text[0] == '/' ? text : folderOf(path) + "/" + text;
}

constexpr int kMostLinks = 40; // as Linux follows

std::optional<Identity> identify(std::string path) {
  struct stat status;
  if (::stat(path.c_str(), &status) == 0) {
    if (!S_ISREG(status.st_mode))
      return std::nullopt;
    return Identity(status.st_dev, status.st_ino, "");
  }
  // Opened for writing, a link into the void creates what it leads to.
  for (int i = 0; i != kMostLinks; ++i) {
    std::optional<std::string> target = linkTarget(path);
    if (!target)
      break;
    path = *target;
  }
  if (::stat(folderOf(path).c_str(), &status) != 0)
    return std::nullopt; // it cannot be written either
  return Identity(status.st_dev, status.st_ino, nameOf(path));
}

/// The standard stream that is open on this file, or -1.
int standardStreamTo(const struct stat &status) {
  struct stat open;
  for (int descriptor : {STDOUT_FILENO, STDERR_FILENO})
    if (::fstat(descriptor, &open) == 0 && open.st_dev == status.st_dev &&
        open.st_ino == status.st_ino)
      return descriptor;
  return -1;
}

} // namespace

std::string folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos)
    return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool isSameFile(const std::string &a, const std::string &b) {
  std::optional<Identity> first = identify(a);
  return first && first == identify(b);
}

bool isStream(const std::string &path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0 || S_ISDIR(status.st_mode))
    return false;
  // A file behind the names in /dev and /proc: renaming would put a file into those folders.
  return !S_ISREG(status.st_mode) || standardStreamTo(status) >= 0;
}

int openStream(const std::string &path) {
  struct stat status;
  int standard =
      ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) ? standardStreamTo(status) : -1;
  // A second opening of that file would write over what the stream has written.
  int file = standard >= 0 ? ::fcntl(standard, F_DUPFD_CLOEXEC, 0)
                           : ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (file < 0)
    return -errno;
  // Writing may wait: for a reader that is there, and slow.
  int flags = ::fcntl(file, F_GETFL);
  if (standard < 0 && flags >= 0)
    ::fcntl(file, F_SETFL, flags & ~O_NONBLOCK);
  return file;
}

} // namespace ampc::files
