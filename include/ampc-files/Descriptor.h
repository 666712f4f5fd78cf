//===- Descriptor.h - Owns an open file -------------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_FILES_DESCRIPTOR_H
#define AMPC_FILES_DESCRIPTOR_H

#include <unistd.h>
#include <utility>

namespace ampc::files {

/// Closes a file descriptor; negative where there is none.
class Descriptor {
public:
  explicit Descriptor(int file = -1) : file(file) {}
  Descriptor(Descriptor &&other) noexcept : file(std::exchange(other.file, -1)) {}
  ~Descriptor() { reset(); }
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;

  int get() const { return file; }
  void reset(int other = -1) {
    if (file >= 0)
      ::close(file);
    file = other;
  }

private:
  int file;
};

} // namespace ampc::files

#endif // AMPC_FILES_DESCRIPTOR_H
