//===- Json.cpp - Reads JSON ----------------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Json.h"
#include "Error.h"

#include <set>
#include <stdexcept>
#include <vector>

using namespace ampc::run;

Json ampc::run::parseJson(std::string_view text) {
  constexpr int maxDepth = 100;
  // The parser takes the last of several members of one name, and nests as deep as memory
  // lets it: both are refused here, where it tells what it meets.
  std::vector<std::set<std::string>> names; // of each object that is open
  auto meet = [&](int depth, Json::parse_event_t event, Json &value) {
    switch (event) {
    case Json::parse_event_t::object_start:
    case Json::parse_event_t::array_start:
      if (depth >= maxDepth)
        throw std::runtime_error("JSON is nested deeper than " + std::to_string(maxDepth) +
                                 " levels");
      if (event == Json::parse_event_t::object_start)
        names.emplace_back();
      break;
    case Json::parse_event_t::key: {
      const auto &name = value.get_ref<const std::string &>();
      if (!names.back().insert(name).second)
        throw std::runtime_error("a JSON object has the name " + ampc::run::quoted(name) +
                                 " twice");
      break;
    }
    case Json::parse_event_t::object_end:
      names.pop_back();
      break;
    default:
      break;
    }
    return true; // keep the value
  };
  return Json::parse(text, meet);
}
