//===- FlatBuffer.h - Reads FlatBuffers files ----------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_FLATBUFFER_H
#define AMPC_LIB_IMPORT_FLATBUFFER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstring>
#include <string>
#include <vector>

namespace ampc {

/// A FlatBuffers file that nobody vouches for. Every offset is checked before it is followed; after
/// the first one that is wrong (`error`) whatever is read is empty. Fields are numbered from 0 in
/// the order of the schema.
class FlatBuffer {
public:
  /// Where a table begins; 0 where there is none.
  using Table = uint64_t;

  /// `bytes` outlive this.
  explicit FlatBuffer(llvm::ArrayRef<char> bytes) : bytes(bytes) {}

  /// The table that the file is, where the file has this identifier of four characters.
  Table root(llvm::StringRef identifier);

  /// A number; `otherwise` where the table does not have it.
  template <typename T>
  T number(Table table, unsigned field, T otherwise) {
    uint64_t at = find(table, field, sizeof(T));
    return at ? read<T>(at) : otherwise;
  }
  /// The numbers of a vector.
  template <typename T>
  std::vector<T> numbers(Table table, unsigned field) {
    llvm::ArrayRef<char> data = vector(table, field, sizeof(T));
    std::vector<T> result(data.size() / sizeof(T));
    if (!data.empty())
      std::memcpy(result.data(), data.data(), data.size());
    return result;
  }
  llvm::ArrayRef<char> data(Table table, unsigned field) { return vector(table, field, 1); }
  llvm::StringRef string(Table table, unsigned field) {
    llvm::ArrayRef<char> text = vector(table, field, 1);
    return {text.data(), text.size()};
  }
  Table table(Table table, unsigned field);
  std::vector<Table> tables(Table table, unsigned field);
  bool has(Table table, unsigned field) { return find(table, field, 1) != 0; }

  /// What is wrong, "" where nothing is.
  llvm::StringRef error() const { return message; }

private:
  /// The place of a field's `size` bytes; 0 where the table does not have it.
  uint64_t find(Table table, unsigned field, uint64_t size);
  /// The elements of a vector.
  llvm::ArrayRef<char> vector(Table table, unsigned field, uint64_t elementSize);
  /// What the offset at `at`, which is in the file, leads to: 0, after an error, where that is no
  /// place for `size` bytes.
  uint64_t follow(uint64_t at, uint64_t size);
  /// Notes a visit of the table at `at`; 0, after an error, where there can be none.
  Table enter(uint64_t at);
  bool holds(uint64_t at, uint64_t size) const {
    return at <= bytes.size() && size <= bytes.size() - at;
  }
  uint64_t fail(llvm::StringRef what);

  template <typename T>
  T read(uint64_t at) const {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof(T)); // little-endian, as the machine is
    return value;
  }

  llvm::ArrayRef<char> bytes;
  std::string message;
  uint64_t visited = 0; ///< tables; more than fit are one table many times over
};

} // namespace ampc

#endif // AMPC_LIB_IMPORT_FLATBUFFER_H
