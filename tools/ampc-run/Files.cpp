//===- Files.cpp - Files that are read and written ------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Files.h"
#include "Error.h"

#include "ampc-files/FileIdentity.h"

#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

using namespace ampc::run;

std::string ampc::run::errorText(int number) { return std::strerror(number); }
std::string ampc::run::lastError() { return errorText(errno); }

InputFile::InputFile(std::string path) : name(std::move(path)) {
  int error = file.open(name);
  if (error == EISDIR)
    throw Error(name, "is a folder, not a file");
  if (error == ENOTSUP)
    throw Error(name, "is not a regular file");
  if (error)
    throw Error(name, "cannot be opened: " + errorText(error));
}

void InputFile::readAt(uint64_t offset, void *target, size_t count) const {
  if (offset > size() || count > size() - offset)
    throw Error(name, "is cut off: " + std::to_string(count) + " bytes are wanted at byte " +
                          std::to_string(offset) + " of " + std::to_string(size()));
  int error;
  uint64_t done = file.readAt(offset, target, count, error);
  if (error)
    throw Error(name, "cannot be read: " + errorText(error));
  if (done < count)
    throw Error(name, "became shorter while it was read");
}

AtomicFile::AtomicFile(std::string path) : name(std::move(path)) {
  if (int error = file.open(name))
    throw Error(name, "cannot be written: " + errorText(error));
}

void AtomicFile::writeAt(uint64_t offset, const void *data, size_t count) {
  if (int error = file.writeAt(offset, data, count))
    throw Error(name, "cannot be written: " + errorText(error));
}

void AtomicFile::commit() {
  int error = file.sync();
  if (!error)
    error = file.commit();
  if (error)
    throw Error(name, "cannot be written: " + errorText(error));
  // A file system that cannot make the name durable has done what it can.
  (void)file.syncFolder();
}

OutputPaths::OutputPaths(std::vector<std::string> inputs) : inputs(std::move(inputs)) {}

void OutputPaths::add(const std::string &flag, const std::string &path, Kind kind) {
  auto fail = [&](const std::string &problem) {
    throw Error("ampc-run", flag + "=" + printable(path) + " cannot be written: " + problem);
  };
  for (const std::string &input : inputs)
    if (files::isSameFile(path, input))
      fail("it is also read, as " + quoted(input));
  for (const auto &[other, name] : outputs)
    if (files::isSameFile(path, name))
      fail("it is the same file as " + other + "=" + printable(name));
  outputs.emplace_back(flag, path);

  struct stat output;
  if (::stat(path.c_str(), &output) == 0) {
    if (S_ISDIR(output.st_mode))
      fail("it is a folder");
    bool isStream = files::isStream(path);
    if (kind == Kind::Stream && (isStream || S_ISREG(output.st_mode))) {
      if (::access(path.c_str(), W_OK) != 0)
        fail(lastError());
      return; // it is opened as it stands; its folder does not matter
    }
    if (isStream)
      fail("it is not a regular file");
  }
  std::string folder = files::folderOf(path);
  struct stat status;
  if (::stat(folder.c_str(), &status) != 0)
    fail("folder " + quoted(folder) + ": " + lastError());
  if (!S_ISDIR(status.st_mode))
    fail(quoted(folder) + " is not a folder");
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    fail("folder " + quoted(folder) + ": " + lastError());
}
