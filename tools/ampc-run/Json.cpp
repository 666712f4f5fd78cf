//===- Json.cpp - Reads JSON ----------------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Json.h"

#include <charconv>
#include <cstdint>

using namespace ampc::run;

namespace {

class Parser {
public:
  explicit Parser(std::string_view text) : text(text) {}

  bool parseWhole(Json &value) {
    return parseValue(value, 0) && (skipSpace(), text.empty());
  }

private:
  void skipSpace() {
    size_t start = text.find_first_not_of(" \t\r\n");
    text.remove_prefix(start == text.npos ? text.size() : start);
  }
  bool take(std::string_view token) {
    skipSpace();
    if (text.substr(0, token.size()) != token)
      return false;
    text.remove_prefix(token.size());
    return true;
  }
  bool parseValue(Json &value, int depth);
  bool parseList(Json &value, int depth);
  bool parseObject(Json &value, int depth);
  bool parseString(std::string &result);
  bool parseNumber(std::string &result);
  bool parseEscape(std::string &result);
  bool parseUnit(uint32_t &unit);

  std::string_view text;
};

void appendUtf8(std::string &to, uint32_t code) {
  auto put = [&](uint32_t byte) { to += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
    return;
  }
  if (code < 0x800) {
    put(0xc0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xe0 | code >> 12);
    } else {
      put(0xf0 | code >> 18);
      put(0x80 | (code >> 12 & 63));
    }
    put(0x80 | (code >> 6 & 63));
  }
  put(0x80 | (code & 63));
}

bool Parser::parseValue(Json &value, int depth) {
  constexpr int maxDepth = 100;
  skipSpace();
  if (text.empty() || depth > maxDepth)
    return false;
  switch (text[0]) {
  case '{':
    return parseObject(value, depth);
  case '[':
    return parseList(value, depth);
  case '"':
    value.kind = Json::String;
    return parseString(value.text);
  case 't':
  case 'f':
    value.kind = Json::Bool;
    value.text = text[0] == 't' ? "true" : "false";
    return take(value.text);
  case 'n':
    return take("null");
  default:
    value.kind = Json::Number;
    return parseNumber(value.text);
  }
}

bool Parser::parseList(Json &value, int depth) {
  value.kind = Json::List;
  take("[");
  if (take("]"))
    return true;
  do {
    value.items.emplace_back();
    if (!parseValue(value.items.back(), depth + 1))
      return false;
  } while (take(","));
  return take("]");
}

bool Parser::parseObject(Json &value, int depth) {
  value.kind = Json::Object;
  take("{");
  if (take("}"))
    return true;
  do {
    value.members.emplace_back();
    auto &[name, member] = value.members.back();
    skipSpace();
    if (!parseString(name) || !take(":") || !parseValue(member, depth + 1))
      return false;
  } while (take(","));
  return take("}");
}

bool Parser::parseNumber(std::string &result) {
  size_t length = text.find_first_not_of("+-.0123456789eE");
  std::string_view number = text.substr(0, length);
  double value;
  auto end = number.data() + number.size();
  auto [at, error] = std::from_chars(number.data(), end, value);
  // A number too large for a double is still a number.
  if (at != end || number.empty() || error == std::errc::invalid_argument)
    return false;
  result = number;
  text.remove_prefix(number.size());
  return true;
}

bool Parser::parseString(std::string &result) {
  if (text.empty() || text[0] != '"')
    return false;
  text.remove_prefix(1);
  while (!text.empty()) {
    char c = text[0];
    text.remove_prefix(1);
    if (c == '"')
      return true;
    if (static_cast<unsigned char>(c) < 0x20)
      return false;
    if (c != '\\')
      result += c;
    else if (!parseEscape(result))
      return false;
  }
  return false;
}

bool Parser::parseUnit(uint32_t &unit) {
  if (text.size() < 4)
    return false;
  auto end = text.data() + 4;
  auto [at, error] = std::from_chars(text.data(), end, unit, 16);
  text.remove_prefix(4);
  return error == std::errc() && at == end;
}

bool Parser::parseEscape(std::string &result) {
  if (text.empty())
    return false;
  char c = text[0];
  text.remove_prefix(1);
  constexpr std::string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
  if (size_t i = letters.find(c); i != letters.npos) {
    result += meant[i];
    return true;
  }
  uint32_t code, low;
  if (c != 'u' || !parseUnit(code))
    return false;
  if (code >= 0xd800 && code < 0xdc00) { // the first half of a pair
    if (text.substr(0, 2) != "\\u")
      return false;
    text.remove_prefix(2);
    if (!parseUnit(low) || low < 0xdc00 || low >= 0xe000)
      return false;
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  appendUtf8(result, code);
  return true;
}

} // namespace

const Json *Json::find(std::string_view name) const {
  for (const auto &[key, value] : members)
    if (key == name)
      return &value;
  return nullptr;
}

double Json::number() const {
  double value = 0;
  if (kind == Number)
    std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::optional<Json> Json::parse(std::string_view text) {
  Json value;
  if (!Parser(text).parseWhole(value))
    return std::nullopt;
  return value;
}
