//===- JsonReader.h - Reads JSON that nobody vouches for --------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_JSONREADER_H
#define AMPC_RUNTIME_CORE_JSONREADER_H

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace ampc {

/// Where and why a text is not the JSON that was asked for.
class JsonError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// Walks a JSON text from left to right; the caller asks for what must come
/// next. Strict (RFC 8259), allocates for strings only, and recurses nowhere
/// but in skipValue, whose depth is bounded. Every function throws JsonError.
class JsonReader {
public:
  explicit JsonReader(std::string_view text) : text(text) {}

  /// Reads an object: `member(key)` is called at each value and must consume
  /// it.
  template <class Member>
  void readObject(Member member) {
    expect('{');
    if (accept('}'))
      return;
    do {
      std::string key = readString();
      expect(':');
      member(key);
    } while (accept(','));
    expect('}');
  }
  /// Reads an array: `element()` is called at each value and must consume it.
  template <class Element>
  void readArray(Element element) {
    expect('[');
    if (accept(']'))
      return;
    do
      element();
    while (accept(','));
    expect(']');
  }
  std::string readString();
  /// A non-negative integer below 2^63, without fraction or exponent.
  int64_t readNatural();
  /// Passes over one value of any kind, nested at most 64 deep.
  void skipValue() { skipValue(0); }
  /// Requires that nothing but white space is left.
  void expectEnd();

  /// Throws a JsonError that names the present position.
  [[noreturn]] void fail(std::string_view what) const;

private:
  void skipSpace();
  void expect(char c);
  bool accept(char c);
  void skipValue(int depth);
  void skipNumber();
  uint32_t readHex4();

  std::string_view text;
  size_t position = 0;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_JSONREADER_H
