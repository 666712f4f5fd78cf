//===- Error.cpp - How ampc-run fails -------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"

using namespace ampc::run;

std::string ampc::run::printable(std::string_view text) {
  constexpr size_t limit = 400;
  constexpr char hex[] = "0123456789abcdef";
  std::string result;
  for (char c : text.substr(0, limit)) {
    auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      result += c;
      continue;
    }
    result += "\\x";
    result += hex[byte >> 4];
    result += hex[byte & 15];
  }
  if (text.size() > limit)
    result += "...";
  return result;
}

std::string ampc::run::quoted(std::string_view text) { return "'" + printable(text) + "'"; }
