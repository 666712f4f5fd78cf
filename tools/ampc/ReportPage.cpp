//===- ReportPage.cpp - What was decided, as a page -----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Report.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace ampc {
/// tools/ampc/ReportPage.html, in pieces: a string literal has a greatest length.
static constexpr StringLiteral kPage[] = {
#include "ReportPage.inc"
};

void writeReportPage(llvm::raw_ostream &os, StringRef model, StringRef flags,
                     llvm::json::Array report) {
  llvm::Expected<llvm::json::Value> list = llvm::json::parse(flags);
  llvm::json::Object data{{"model", llvm::json::fixUTF8(llvm::sys::path::filename(model))},
                          {"report", std::move(report)},
                          {"flags", llvm::json::Array()}};
  if (list)
    data["flags"] = std::move(*list);
  else
    llvm::consumeError(list.takeError());
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(data));
  std::string page;
  for (StringRef piece : kPage)
    page += piece;
  constexpr StringLiteral kPlace = "{{DATA}}";
  auto [before, after] = StringRef(page).split(kPlace);
  os << before;
  // No name may end the element that holds it: "<" stands in strings alone, where JSON has another
  // spelling for it.
  for (char c : text)
    if (c == '<')
      os << "\\u003c";
    else
      os << c;
  os << after;
}
} // namespace ampc
