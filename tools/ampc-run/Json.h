//===- Json.h - Reads JSON ------------------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_JSON_H
#define AMPC_RUN_JSON_H

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ampc::run {

/// A JSON value. Members keep their order; numbers keep their text.
struct Json {
  enum Kind { Null, Bool, Number, String, List, Object } kind = Null;
  std::string text; ///< of a String, unescaped; of a Number or Bool, as written
  std::vector<Json> items;
  std::vector<std::pair<std::string, Json>> members;

  /// The member called `name`, or null.
  const Json *find(std::string_view name) const;
  /// Of a Number; 0 for anything else.
  double number() const;

  /// Nothing where `text` is not one JSON value.
  static std::optional<Json> parse(std::string_view text);
};

} // namespace ampc::run

#endif // AMPC_RUN_JSON_H
