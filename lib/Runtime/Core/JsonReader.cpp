//===- JsonReader.cpp - Reads JSON that nobody vouches for ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/JsonReader.h"

#include "Core/Error.h"
#include "Core/Utf8.h"

namespace ampc {

static bool isDigit(char c) { return c >= '0' && c <= '9'; }

void JsonReader::fail(std::string_view what) const {
  throw JsonError(concat(what, " at byte ", position));
}

void JsonReader::skipSpace() {
  while (position < text.size() && (text[position] == ' ' || text[position] == '\n' ||
                                    text[position] == '\r' || text[position] == '\t'))
    ++position;
}

bool JsonReader::accept(char c) {
  skipSpace();
  if (position == text.size() || text[position] != c)
    return false;
  ++position;
  return true;
}

void JsonReader::expect(char c) {
  if (!accept(c))
    fail(concat("no '", std::string_view(&c, 1), "'"));
}

void JsonReader::expectEnd() {
  skipSpace();
  if (position != text.size())
    fail("something after the end");
}

uint32_t JsonReader::readHex4() {
  uint32_t value = 0;
  for (int i = 0; i != 4; ++i, ++position) {
    char c = position < text.size() ? text[position] : '\0';
    int digit = isDigit(c)               ? c - '0'
                : (c >= 'a' && c <= 'f') ? c - 'a' + 10
                : (c >= 'A' && c <= 'F') ? c - 'A' + 10
                                         : -1;
    if (digit < 0)
      fail("no four hexadecimal digits");
    value = value << 4 | digit;
  }
  return value;
}

std::string JsonReader::readString() {
  expect('"');
  std::string result;
  while (true) {
    if (position == text.size())
      fail("no end of a string");
    unsigned char c = text[position];
    if (c < 0x20)
      fail("a control character in a string");
    ++position;
    if (c == '"')
      break;
    if (c != '\\') {
      result += char(c);
      continue;
    }
    char escape = position < text.size() ? text[position++] : '\0';
    constexpr std::string_view kEscapes = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    size_t known = kEscapes.find(escape);
    if (escape != 'u') {
      if (known == std::string_view::npos)
        fail("an unknown escape");
      result += kMeanings[known];
      continue;
    }
    uint32_t point = readHex4();
    if (point >= 0xd800 && point < 0xdc00) {
      if (text.substr(position, 2) != "\\u")
        fail("half a surrogate pair");
      position += 2;
      uint32_t low = readHex4();
      if (low < 0xdc00 || low > 0xdfff)
        fail("half a surrogate pair");
      point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    } else if (point >= 0xdc00 && point <= 0xdfff) {
      fail("half a surrogate pair");
    }
    appendUtf8(result, point);
  }
  if (!isUtf8(result))
    fail("a string that is no UTF-8");
  return result;
}

int64_t JsonReader::readNatural() {
  skipSpace();
  size_t start = position;
  int64_t value = 0;
  for (; position < text.size() && isDigit(text[position]); ++position)
    if (__builtin_mul_overflow(value, int64_t(10), &value) ||
        __builtin_add_overflow(value, int64_t(text[position] - '0'), &value))
      fail("a number beyond 2^63");
  if (position == start)
    fail("no number from 0 on");
  if (text[start] == '0' && position - start > 1)
    fail("a number with a leading 0");
  if (position < text.size() &&
      (text[position] == '.' || text[position] == 'e' || text[position] == 'E'))
    fail("a number that is no plain integer");
  return value;
}

void JsonReader::skipNumber() {
  auto digits = [&] {
    size_t start = position;
    while (position < text.size() && isDigit(text[position]))
      ++position;
    if (position == start)
      fail("no value");
    return position - start;
  };
  if (position < text.size() && text[position] == '-')
    ++position;
  bool zero = position < text.size() && text[position] == '0';
  if (digits() > 1 && zero)
    fail("a number with a leading 0");
  if (position < text.size() && text[position] == '.') {
    ++position;
    digits();
  }
  if (position < text.size() && (text[position] == 'e' || text[position] == 'E')) {
    ++position;
    if (position < text.size() && (text[position] == '+' || text[position] == '-'))
      ++position;
    digits();
  }
}

void JsonReader::skipValue(int depth) {
  if (depth == 64)
    fail("too deep a nesting");
  skipSpace();
  char c = position < text.size() ? text[position] : '\0';
  if (c == '{')
    return readObject([&](const std::string &) { skipValue(depth + 1); });
  if (c == '[')
    return readArray([&] { skipValue(depth + 1); });
  if (c == '"') {
    readString();
    return;
  }
  for (std::string_view word : {"true", "false", "null"})
    if (text.substr(position, word.size()) == word) {
      position += word.size();
      return;
    }
  skipNumber();
}

} // namespace ampc
