//===- FlatWriter.h - Writes FlatBuffers ---------------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_FLATWRITER_H
#define AMPC_RUN_FLATWRITER_H

#include <cstdint>
#include <string>
#include <vector>

namespace ampc::run {

/// Makes a FlatBuffers file from its root to its leaves: offsets lead forward, so a table leaves
/// room for what it points to, and `point` fills it in. Places are bytes from the file's begin.
class FlatWriter {
public:
  /// Begins a file with `identifier`, of four characters.
  explicit FlatWriter(const std::string &identifier);

  /// A field of a table: absent, a number of `size` bytes, or an offset.
  struct Field {
    unsigned size = 0;
    uint64_t bits = 0;
  };
  static Field absent() { return {}; }
  static Field offset() { return {4, 0}; }
  static Field number(unsigned size, uint64_t bits) { return {size, bits}; }

  /// Appends a table with these fields, in the order of the schema, and gives the fields' places.
  /// The table is that to which `from` points; 0 is the file's root.
  std::vector<uint64_t> table(uint64_t from, const std::vector<Field> &fields);
  /// Appends a vector of `count` elements of `size` bytes each; those of offsets are filled in
  /// later. Gives the place of the first.
  uint64_t vector(uint64_t from, uint64_t count, unsigned size, const void *data = nullptr);
  void string(uint64_t from, const std::string &text);

  const std::string &bytes() const { return buffer; }

private:
  void pad(uint64_t alignment, uint64_t before = 0);
  void append(uint64_t bits, unsigned size);
  /// Makes the offset at `from` lead to the end of what there is.
  void point(uint64_t from);

  std::string buffer;
};

} // namespace ampc::run

#endif // AMPC_RUN_FLATWRITER_H
