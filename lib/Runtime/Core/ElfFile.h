//===- ElfFile.h - Finds a section of a shared library ----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_ELFFILE_H
#define AMPC_RUNTIME_CORE_ELFFILE_H

#include "Core/File.h"

#include <cstdint>
#include <optional>

namespace ampc {

/// A part of a file.
struct FileRange {
  uint64_t offset;
  uint64_t bytes;
};

/// Checks that `file` is an ELF shared library for this machine's architecture.
/// Throws AMPC_STATUS_CORRUPT where it is no such file, or is cut short, and
/// AMPC_STATUS_INCOMPATIBLE where it is for another architecture.
void checkElfHeader(const File &file);

/// Finds the section `name` of an ELF64 file, whose header has been checked.
/// Everything read is checked against the file's size.
std::optional<FileRange> findElfSection(const File &file, const char *name);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_ELFFILE_H
