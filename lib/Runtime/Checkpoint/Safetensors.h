//===- Safetensors.h - The file format of checkpoints -----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A safetensors file is the length of its header (8 bytes, little-endian), the
// header (JSON: name -> dtype, shape, data_offsets; and "__metadata__", strings
// by name), and the tensors' bytes without holes.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CHECKPOINT_SAFETENSORS_H
#define AMPC_RUNTIME_CHECKPOINT_SAFETENSORS_H

#include "Core/File.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ampc {

struct SafetensorsEntry {
  uint32_t dtype; ///< ampc_dtype_t
  std::vector<int64_t> shape;
  uint64_t offset; ///< from the start of the data
  uint64_t bytes;
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::map<std::string, SafetensorsEntry> tensors;
  uint64_t dataOffset = 0; ///< of the data, in the file

  /// The names in the order of their offsets.
  std::vector<std::string> namesByOffset() const;
};

/// Reads and checks the header of a file that nobody vouches for. Throws
/// AMPC_STATUS_CORRUPT.
SafetensorsHeader readSafetensorsHeader(const File &file);

/// Gives each of `header.tensors`, whose types and shapes are set, its place in
/// the data: wide types first, so that all are aligned, then by name.
void layOut(SafetensorsHeader &header);

/// The bytes before the data of a file with `header`, which has been laid out.
std::string writeSafetensorsHeader(const SafetensorsHeader &header);

} // namespace ampc

#endif // AMPC_RUNTIME_CHECKPOINT_SAFETENSORS_H
