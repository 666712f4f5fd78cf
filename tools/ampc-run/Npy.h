//===- Npy.h - One array of a .npy file -----------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_NPY_H
#define AMPC_RUN_NPY_H

#include "ElementType.h"
#include "Files.h"

#include <memory>
#include <string>
#include <vector>

namespace ampc::run {

/// A run of bytes that is read from its start to its end.
class ByteSource {
public:
  virtual ~ByteSource() = default;
  /// Bytes not read yet.
  virtual uint64_t remaining() const = 0;
  /// Reads exactly `count` bytes; throws Error where they are not there.
  virtual void read(void *target, size_t count) = 0;
  /// Checks what can only be checked at the end; throws Error.
  virtual void finish() = 0;
};

/// The whole of a file.
class FileSource : public ByteSource {
public:
  explicit FileSource(InputFile file) : file(std::move(file)) {}
  uint64_t remaining() const override { return file.size() - offset; }
  void read(void *target, size_t count) override;
  void finish() override {}

private:
  InputFile file;
  uint64_t offset = 0;
};

/// An array in memory, dense and row-major.
struct Array {
  ElementType type = ElementType::F32;
  std::vector<int64_t> shape;
  std::unique_ptr<char[]> data;
};

struct NpyHeader {
  ElementType type = ElementType::F32;
  bool fortranOrder = false;
  std::vector<int64_t> shape;
  uint64_t dataBytes = 0; ///< checked: of type and shape
};

/// Reads one array in numpy's format, versions 1 to 3, little-endian and
/// without pickles. What it reads is not trusted: nothing is allocated for a
/// header that the size of the source contradicts.
class NpyReader {
public:
  /// Reads the header. `file` and `array` name the array in errors; `file` is
  /// their subject. The source must outlive the reader.
  NpyReader(ByteSource &source, std::string file, std::string array);

  const NpyHeader &header() const { return parsed; }
  /// Reads the elements, converted to `type` and put into row-major order.
  /// Once.
  Array read(ElementType type);

private:
  [[noreturn]] void fail(const std::string &message) const;
  [[noreturn]] void failToFit(uint64_t position, const void *element, ElementType type) const;

  ByteSource &source;
  std::string file, array;
  NpyHeader parsed;
};

/// The header of a version 1 file for a row-major array, padded as numpy pads
/// it.
std::string formatNpyHeader(ElementType type, const std::vector<int64_t> &shape);

} // namespace ampc::run

#endif // AMPC_RUN_NPY_H
