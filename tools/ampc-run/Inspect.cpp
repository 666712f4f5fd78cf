//===- Inspect.cpp - ampc-run inspect -------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The runtime tells what a module holds as JSON. Here it becomes text: numbers
// and words first, lists of objects as tables, with the columns that the
// objects have.
//
//===----------------------------------------------------------------------===//

#include "Api.h"
#include "Commands.h"
#include "Error.h"
#include "Json.h"
#include "Table.h"

#include <algorithm>
#include <cstdio>
#include <map>

using namespace ampc::run;

namespace {

bool endsWith(const std::string &text, const std::string &end) {
  return text.size() >= end.size() &&
         text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool isBytes(const std::string &key) {
  return key == "bytes" || endsWith(key, "_bytes");
}

/// "read_bytes" is "read": the cells have their units.
std::string titleOf(std::string key) {
  if (endsWith(key, "_bytes"))
    key.resize(key.size() - 6);
  std::replace(key.begin(), key.end(), '_', ' ');
  return key;
}

std::string cellOf(const std::string &key, const Json &value) {
  std::string text;
  switch (value.kind) {
  case Json::Null:
    return "-";
  case Json::Bool:
    return value.text == "true" ? "yes" : "no";
  case Json::Number:
    if (isBytes(key))
      return formatBytes(value.number());
    return key == "flops" ? formatCount(value.number()) : value.text;
  case Json::String:
    return value.text.empty() ? "-" : printable(value.text);
  case Json::List:
    for (const Json &item : value.items)
      text += (text.empty() ? "" : ", ") + cellOf("", item);
    return key == "shape" ? "[" + text + "]" : text;
  case Json::Object:
    for (const auto &[name, member] : value.members)
      text += (text.empty() ? "" : ", ") + name + "=" + cellOf(name, member);
    return text;
  }
  return text;
}

bool isTable(const Json &value) {
  return value.kind == Json::List &&
         std::all_of(
             value.items.begin(), value.items.end(),
             [](const Json &item) { return item.kind == Json::Object; });
}

std::string tableOf(const Json &list) {
  std::vector<std::string> keys;
  for (const Json &row : list.items)
    for (const auto &member : row.members)
      if (std::find(keys.begin(), keys.end(), member.first) == keys.end())
        keys.push_back(member.first);
  Table table;
  table.addColumn("", /*isNumber=*/true);
  for (const std::string &key : keys) {
    bool isNumber =
        std::any_of(list.items.begin(), list.items.end(), [&](const Json &row) {
          const Json *value = row.find(key);
          return value && value->kind == Json::Number;
        });
    table.addColumn(titleOf(key), isNumber);
  }
  for (size_t i = 0; i < list.items.size(); ++i) {
    std::vector<std::string> cells{std::to_string(i)};
    for (const std::string &key : keys) {
      const Json *value = list.items[i].find(key);
      cells.push_back(value ? cellOf(key, *value) : "");
    }
    table.addRow(std::move(cells));
  }
  return table.text();
}

/// "4 launch, 2 matmul; 1.2 MiB read, 640 KiB written, 3.1 M flops"
std::string totalOf(const Json &steps) {
  std::vector<std::string> kinds;
  std::map<std::string, size_t> counts;
  double read = 0, written = 0, flops = 0;
  auto number = [](const Json &step, const char *key) {
    const Json *value = step.find(key);
    return value ? value->number() : 0;
  };
  for (const Json &step : steps.items) {
    const Json *kind = step.find("kind");
    std::string name = kind ? printable(kind->text) : "?";
    if (counts[name]++ == 0)
      kinds.push_back(name);
    read += number(step, "read_bytes");
    written += number(step, "written_bytes");
    flops += number(step, "flops");
  }
  std::string text;
  for (const std::string &kind : kinds)
    text +=
        (text.empty() ? "" : ", ") + std::to_string(counts[kind]) + " " + kind;
  return text + "; " + formatBytes(read) + " read, " + formatBytes(written) +
         " written, " + formatCount(flops) + " flops";
}

std::string linesOf(const Json &object, const std::string &indent) {
  size_t width = 0;
  auto isLine = [](const Json &value) {
    return value.kind != Json::Object && !isTable(value);
  };
  for (const auto &[key, value] : object.members)
    if (isLine(value))
      width = std::max(width, titleOf(key).size());
  std::string text;
  for (const auto &[key, value] : object.members) {
    if (!isLine(value))
      continue;
    std::string title = titleOf(key);
    title.resize(width, ' ');
    text += indent + title + "  " + cellOf(key, value) + "\n";
  }
  return text;
}

std::string describe(const Json &module) {
  std::string text = linesOf(module, "");
  const Json *trains = module.find("trains");
  bool onlyEvaluates = trains && trains->text == "false";
  for (const auto &[key, value] : module.members) {
    if (value.kind == Json::Object && !value.members.empty()) {
      text += "\n" + titleOf(key) + "\n" + linesOf(value, "  ");
    } else if (isTable(value) && !value.items.empty()) {
      // Without a training step, the steps are those of the evaluation.
      if (onlyEvaluates && key == "eval_steps")
        continue;
      std::string total = endsWith(key, "steps") ? ": " + totalOf(value) : "";
      text += "\n" + titleOf(key) + " (" + std::to_string(value.items.size()) +
              ")" + total + "\n" + tableOf(value);
    }
  }
  return text;
}

} // namespace

int ampc::run::runInspect(const InspectOptions &options) {
  Module module(options.module);
  std::string text = module.inspect(options.target);
  if (!options.json) {
    std::optional<Json> parsed = Json::parse(text);
    if (!parsed || parsed->kind != Json::Object)
      throw Error(options.module, "the runtime's description of it is not JSON",
                  ExitInternal);
    text = describe(*parsed);
  } else if (text.empty() || text.back() != '\n') {
    text += '\n';
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  finishOutput();
  return ExitDone;
}
