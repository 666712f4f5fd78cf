//===- Files.cpp - Files that are read and written ------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Files.h"
#include "Error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace ampc::run;

std::string ampc::run::lastError() { return std::strerror(errno); }

namespace {

std::string folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos)
    return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool isSameFile(const struct stat &a, const struct stat &b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

} // namespace

InputFile::InputFile(std::string path) : name(std::move(path)) {
  // Without O_NONBLOCK the opening of a pipe waits for its writer.
  descriptor = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    throw Error(name, "cannot be opened: " + lastError());
  struct stat status;
  std::string problem;
  if (::fstat(descriptor, &status) != 0)
    problem = "cannot be read: " + lastError();
  else if (S_ISDIR(status.st_mode))
    problem = "is a folder, not a file";
  else if (!S_ISREG(status.st_mode))
    problem = "is not a regular file";
  if (!problem.empty()) {
    ::close(descriptor);
    throw Error(name, problem);
  }
  bytes = static_cast<uint64_t>(status.st_size);
}

InputFile::InputFile(InputFile &&other) noexcept
    : name(std::move(other.name)), descriptor(other.descriptor),
      bytes(other.bytes) {
  other.descriptor = -1;
}

InputFile::~InputFile() {
  if (descriptor >= 0)
    ::close(descriptor);
}

void InputFile::readAt(uint64_t offset, void *target, size_t count) const {
  auto *to = static_cast<char *>(target);
  if (offset > bytes || count > bytes - offset)
    throw Error(name, "is cut off: " + std::to_string(count) +
                          " bytes are wanted at byte " +
                          std::to_string(offset) + " of " +
                          std::to_string(bytes));
  while (count) {
    ssize_t got = ::pread(descriptor, to, count, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      throw Error(name, "cannot be read: " + lastError());
    if (got == 0)
      throw Error(name, "became shorter while it was read");
    to += got;
    offset += static_cast<uint64_t>(got);
    count -= static_cast<size_t>(got);
  }
}

AtomicFile::AtomicFile(std::string path) : name(std::move(path)) {
  std::string pattern = name + ".tmp-XXXXXX";
  descriptor = ::mkostemp(pattern.data(), O_CLOEXEC);
  if (descriptor < 0)
    throw Error(name, "cannot be written: " + lastError());
  temporary = pattern;
  // mkostemp made it private; give it what any new file has.
  mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(descriptor, 0666 & ~mask);
}

AtomicFile::~AtomicFile() {
  if (descriptor >= 0)
    ::close(descriptor);
  if (!temporary.empty())
    ::unlink(temporary.c_str());
}

void AtomicFile::writeAt(uint64_t offset, const void *data, size_t count) {
  auto *from = static_cast<const char *>(data);
  while (count) {
    ssize_t put = ::pwrite(descriptor, from, count, static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      throw Error(name, "cannot be written: " + lastError());
    from += put;
    offset += static_cast<uint64_t>(put);
    count -= static_cast<size_t>(put);
  }
}

void AtomicFile::commit() {
  int file = descriptor;
  descriptor = -1;
  bool synced = ::fsync(file) == 0;
  if (::close(file) != 0 || !synced ||
      ::rename(temporary.c_str(), name.c_str()) != 0)
    throw Error(name, "cannot be written: " + lastError());
  temporary.clear();
  // The new name itself must outlive a power cut. A file system without this
  // call has done what it can.
  int folder = ::open(folderOf(name).c_str(), O_RDONLY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
}

bool ampc::run::writeFully(int descriptor, const void *data, size_t count) {
  auto *from = static_cast<const char *>(data);
  while (count) {
    ssize_t put = ::write(descriptor, from, count);
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      return false;
    from += put;
    count -= static_cast<size_t>(put);
  }
  return true;
}

void ampc::run::checkOutputPath(const std::string &flag,
                                const std::string &path,
                                const std::vector<std::string> &inputs,
                                bool isStream) {
  auto fail = [&](const std::string &problem) {
    throw Error("ampc-run", flag + "=" + printable(path) +
                                " cannot be written: " + problem);
  };
  struct stat output;
  if (::stat(path.c_str(), &output) == 0) {
    if (S_ISDIR(output.st_mode))
      fail("it is a folder");
    for (const std::string &input : inputs) {
      struct stat status;
      if (::stat(input.c_str(), &status) == 0 && isSameFile(output, status))
        fail("it is also read, as " + quoted(input));
    }
    if (isStream) {
      if (::access(path.c_str(), W_OK) != 0)
        fail(lastError());
      return; // it is opened as it stands; its folder does not matter
    }
    if (!S_ISREG(output.st_mode))
      fail("it is not a regular file");
  }
  std::string folder = folderOf(path);
  struct stat status;
  if (::stat(folder.c_str(), &status) != 0)
    fail("folder " + quoted(folder) + ": " + lastError());
  if (!S_ISDIR(status.st_mode))
    fail(quoted(folder) + " is not a folder");
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    fail("folder " + quoted(folder) + ": " + lastError());
}
