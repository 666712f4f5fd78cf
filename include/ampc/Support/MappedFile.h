//===- MappedFile.h - A file in memory --------------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_MAPPEDFILE_H
#define AMPC_SUPPORT_MAPPEDFILE_H

#include "llvm/ADT/ArrayRef.h"

namespace ampc {

/// The bytes of a file, read from it where they are first looked at.
class MappedFile {
public:
  MappedFile() = default; // an empty file
  /// `size` bytes at `data`, which mmap gave for reading alone; unmapped with this object.
  MappedFile(const void *data, size_t size) : data(static_cast<const char *>(data), size) {}
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;
  ~MappedFile();

  llvm::ArrayRef<char> bytes() const { return data; }

  /// Gives back the memory that holds `part`, a part of the bytes; looked at again, they are read
  /// again. Nothing happens to bytes that are none of this file's.
  void dropPages(llvm::ArrayRef<char> part) const;

private:
  llvm::ArrayRef<char> data;
};

} // namespace ampc

#endif // AMPC_SUPPORT_MAPPEDFILE_H
