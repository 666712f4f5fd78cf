//===- Error.cpp - What a failed call tells its caller --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/Error.h"

#include <charconv>
#include <system_error>

namespace ampc {

template <class T>
static void appendShortest(std::string &to, T value) {
  char digits[64];
  auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  to.append(digits, end);
}

void detail::append(std::string &to, float value) { appendShortest(to, value); }
void detail::append(std::string &to, double value) { appendShortest(to, value); }

std::string systemMessage(int errorNumber) { return std::generic_category().message(errorNumber); }

} // namespace ampc
