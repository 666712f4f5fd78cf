//===- JsonWriter.h - Writes JSON -------------------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_JSONWRITER_H
#define AMPC_RUNTIME_CORE_JSONWRITER_H

#include <cstdint>
#include <string>
#include <string_view>

namespace ampc {

/// Writes one JSON value without spaces. The caller nests begin and end
/// rightly.
class JsonWriter {
public:
  void beginObject() { open('{'); }
  void endObject() { close('}'); }
  void beginArray() { open('['); }
  void endArray() { close(']'); }
  /// Names the value that comes next. `name` is UTF-8.
  void key(std::string_view name);

  void value(std::string_view text);
  void value(const char *text) { value(std::string_view(text)); }
  void value(bool flag);
  void value(int64_t number);
  void value(uint64_t number);
  void value(uint32_t number) { value(uint64_t(number)); }
  /// The shortest decimals that round-trip; null where not finite.
  void value(float number);
  void null();
  /// `json` as it stands.
  void raw(std::string_view json);

  template <class T>
  void member(std::string_view name, const T &content) {
    key(name);
    value(content);
  }

  std::string take() { return std::move(text); }

private:
  void open(char bracket);
  void close(char bracket);
  void separate();
  void quote(std::string_view content);

  std::string text;
  bool needsComma = false;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_JSONWRITER_H
