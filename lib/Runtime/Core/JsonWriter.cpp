//===- JsonWriter.cpp - Writes JSON ---------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/JsonWriter.h"

#include "Core/Error.h"

#include <cmath>

namespace ampc {

void JsonWriter::separate() {
  if (needsComma)
    text += ',';
  needsComma = true;
}

void JsonWriter::open(char bracket) {
  separate();
  text += bracket;
  needsComma = false;
}

void JsonWriter::close(char bracket) {
  text += bracket;
  needsComma = true;
}

void JsonWriter::quote(std::string_view content) {
  text += '"';
  for (char c : content) {
    constexpr char kHex[] = "0123456789abcdef";
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      text += "\\u00";
      text += kHex[c >> 4];
      text += kHex[c & 15];
    } else {
      text += c;
    }
  }
  text += '"';
}

void JsonWriter::key(std::string_view name) {
  separate();
  quote(name);
  text += ':';
  needsComma = false;
}

void JsonWriter::value(std::string_view content) {
  separate();
  quote(content);
}

void JsonWriter::value(bool flag) { raw(flag ? "true" : "false"); }
void JsonWriter::value(int64_t number) { raw(std::to_string(number)); }
void JsonWriter::value(uint64_t number) { raw(std::to_string(number)); }

void JsonWriter::value(float number) { raw(std::isfinite(number) ? concat(number) : "null"); }

void JsonWriter::null() { raw("null"); }

void JsonWriter::raw(std::string_view json) {
  separate();
  text += json;
}

} // namespace ampc
