//===- Json.h - Reads JSON ------------------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_JSON_H
#define AMPC_RUN_JSON_H

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace ampc::run {

/// A JSON value whose members keep their order.
using Json = nlohmann::ordered_json;

/// Reads `text`, which is one JSON value and nothing else (RFC 8259). Throws std::exception
/// that says where and why it is not: besides bad syntax, bytes that are not UTF-8, numbers that
/// a double cannot hold, a name that an object has twice, and more than 100 levels of nesting.
Json parseJson(std::string_view text);

} // namespace ampc::run

#endif // AMPC_RUN_JSON_H
