//===- Utf8.cpp - Checks UTF-8 --------------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/Utf8.h"

namespace ampc {

bool isUtf8(std::string_view text) {
  for (size_t i = 0; i != text.size();) {
    unsigned char lead = text[i++];
    if (lead < 0x80)
      continue;
    int length = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc0 || lead > 0xf7)
      return false;
    uint32_t point = lead & (0x3f >> length);
    for (int j = 0; j != length; ++j) {
      if (i == text.size() || (text[i] & 0xc0) != 0x80)
        return false;
      point = point << 6 | (text[i++] & 0x3f);
    }
    constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
    if (point < kLeast[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
      return false;
  }
  return true;
}

void appendUtf8(std::string &text, uint32_t point) {
  if (point < 0x80) {
    text += char(point);
  } else if (point < 0x800) {
    text += char(0xc0 | point >> 6);
    text += char(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    text += char(0xe0 | point >> 12);
    text += char(0x80 | (point >> 6 & 0x3f));
    text += char(0x80 | (point & 0x3f));
  } else {
    text += char(0xf0 | point >> 18);
    text += char(0x80 | (point >> 12 & 0x3f));
    text += char(0x80 | (point >> 6 & 0x3f));
    text += char(0x80 | (point & 0x3f));
  }
}

} // namespace ampc
