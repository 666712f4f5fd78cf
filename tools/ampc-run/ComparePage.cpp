//===- ComparePage.cpp - A comparison as a page ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Comparison.h"
#include "Files.h"

#include <string_view>

using namespace ampc::run;

/// tools/ampc-run/ComparePage.html, in pieces: a string literal has a greatest length.
static constexpr std::string_view pieces[] = {
#include "ComparePage.inc"
};

void ampc::run::writeComparePage(const std::string &path, const Json &comparison) {
  std::string page;
  for (std::string_view piece : pieces)
    page += piece;
  // No name may end the element that holds it: "<" stands in strings alone, where JSON has another
  // spelling for it.
  std::string data;
  for (char c : comparison.dump(-1, ' ', false, Json::error_handler_t::replace))
    if (c == '<')
      data += "\\u003c";
    else
      data += c;
  constexpr std::string_view place = "{{DATA}}";
  page.replace(page.find(place), place.size(), data);
  AtomicFile file(path);
  file.writeAt(0, page.data(), page.size());
  file.commit();
}
