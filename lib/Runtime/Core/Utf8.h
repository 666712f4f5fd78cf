//===- Utf8.h - Checks UTF-8 ------------------------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_UTF8_H
#define AMPC_RUNTIME_CORE_UTF8_H

#include <cstdint>
#include <string>
#include <string_view>

namespace ampc {

/// Whether `text` is UTF-8: no overlong forms, surrogates or numbers beyond
/// U+10FFFF.
bool isUtf8(std::string_view text);

/// Appends `codePoint`, at most U+10FFFF, to `text`.
void appendUtf8(std::string &text, uint32_t codePoint);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_UTF8_H
