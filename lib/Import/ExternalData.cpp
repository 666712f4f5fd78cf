//===- ExternalData.cpp - Tensors beside the model file -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The path is walked one component at a time, each opened relative to the last and never
// through a link. That holds what openat2's RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS promises,
// races included, on any kernel and inside containers that filter openat2.
//
//===----------------------------------------------------------------------===//

#include "ExternalData.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Path.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

using namespace mlir;

namespace ampc {
namespace {
struct Descriptor {
  int fd = -1;

  explicit Descriptor(int fd) : fd(fd) {}
  Descriptor(Descriptor &&other) : fd(std::exchange(other.fd, -1)) {}
  Descriptor &operator=(Descriptor &&other) {
    std::swap(fd, other.fd);
    return *this;
  }
  ~Descriptor() {
    if (fd >= 0)
      close(fd);
  }
};
} // namespace

ExternalData::ExternalData(StringRef modelPath)
    : directory(llvm::sys::path::parent_path(modelPath)) {
  if (directory.empty())
    directory = ".";
}

/// The path's components; empty where the path is not a plain relative one.
static SmallVector<StringRef> splitLocation(StringRef location) {
  SmallVector<StringRef> parts;
  if (location.starts_with("/") || location.contains('\0'))
    return {};
  location.split(parts, '/', -1, /*KeepEmpty=*/false);
  if (llvm::is_contained(parts, ".."))
    return {};
  llvm::erase(parts, ".");
  return parts;
}

FailureOr<std::shared_ptr<const MappedFile>> ExternalData::open(StringRef location,
                                                                std::string &error) {
  if (auto it = files.find(location); it != files.end())
    return it->second;

  auto fail = [&](const llvm::Twine &reason) {
    error = reason.str();
    return failure();
  };
  SmallVector<StringRef> parts = splitLocation(location);
  if (parts.empty())
    return fail("is not a path inside of the model's folder");

  Descriptor at(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  int code = errno;
  for (auto [i, part] : llvm::enumerate(parts)) {
    if (at.fd < 0)
      break;
    bool isLast = i + 1 == parts.size();
    int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
    int next = openat(at.fd, part.str().c_str(), flags | (isLast ? 0 : O_DIRECTORY));
    code = errno;
    at = Descriptor(next);
  }
  if (at.fd < 0) {
    // A link where a folder is asked for gives ENOTDIR.
    if (code == ELOOP || code == ENOTDIR)
      return fail("is reached through a symbolic link or a file that is no folder");
    return fail(llvm::Twine("cannot be opened: ") + strerror(code));
  }

  struct stat info;
  if (fstat(at.fd, &info) != 0)
    return fail(llvm::Twine("cannot be read: ") + strerror(errno));
  if (!S_ISREG(info.st_mode))
    return fail("is not a regular file");
  if (info.st_nlink != 1)
    return fail("has other names (hard links), which may lie outside of the model's folder");

  auto file = std::make_shared<const MappedFile>();
  if (info.st_size > 0) {
    void *data = mmap(nullptr, info.st_size, PROT_READ, MAP_PRIVATE, at.fd, 0);
    if (data == MAP_FAILED)
      return fail(llvm::Twine("cannot be mapped: ") + strerror(errno));
    file = std::make_shared<const MappedFile>(data, size_t(info.st_size));
  }
  files[location] = file;
  return file;
}

std::vector<std::string> ExternalData::paths() const {
  std::vector<std::string> paths;
  for (StringRef location : files.keys())
    paths.push_back(directory + "/" + location.str());
  llvm::sort(paths);
  return paths;
}
} // namespace ampc
