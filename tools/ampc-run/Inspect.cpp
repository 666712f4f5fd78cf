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
#include "Roofline.h"
#include "Table.h"

#include <algorithm>
#include <cstdio>
#include <map>

using namespace ampc::run;

namespace {

bool endsWith(const std::string &text, const std::string &end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool isBytes(const std::string &key) { return key == "bytes" || endsWith(key, "_bytes"); }

/// "read_bytes" is "read": the cells have their units.
std::string titleOf(std::string key) {
  if (endsWith(key, "_bytes"))
    key.resize(key.size() - 6);
  std::replace(key.begin(), key.end(), '_', ' ');
  return key;
}

/// The member called `key`, or null.
const Json *find(const Json &object, const char *key) {
  auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::string cellOf(const std::string &key, const Json &value) {
  if (value.is_null())
    return "-";
  if (value.is_boolean())
    return value.get<bool>() ? "yes" : "no";
  if (value.is_string()) {
    const auto &content = value.get_ref<const std::string &>();
    return content.empty() ? "-" : printable(content);
  }
  if (value.is_number()) {
    if (isBytes(key))
      return formatBytes(value.get<double>());
    return key == "flops" ? formatCount(value.get<double>()) : value.dump();
  }
  std::string text;
  for (const auto &[name, member] : value.items()) {
    text += text.empty() ? "" : ", ";
    text += value.is_object() ? name + "=" + cellOf(name, member) : cellOf("", member);
  }
  return key == "shape" ? "[" + text + "]" : text;
}

bool isTable(const Json &value) {
  return value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const Json &item) { return item.is_object(); });
}

std::string tableOf(const Json &list) {
  std::vector<std::string> keys;
  for (const Json &row : list)
    for (const auto &member : row.items())
      if (std::find(keys.begin(), keys.end(), member.key()) == keys.end())
        keys.push_back(member.key());
  Table table;
  table.addColumn("", /*isNumber=*/true);
  for (const std::string &key : keys) {
    bool isNumber = std::any_of(list.begin(), list.end(), [&](const Json &row) {
      const Json *value = find(row, key.c_str());
      return value && value->is_number();
    });
    table.addColumn(titleOf(key), isNumber);
  }
  for (size_t i = 0; i < list.size(); ++i) {
    std::vector<std::string> cells{std::to_string(i)};
    for (const std::string &key : keys) {
      const Json *value = find(list[i], key.c_str());
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
    const Json *value = find(step, key);
    return value && value->is_number() ? value->get<double>() : 0;
  };
  for (const Json &step : steps) {
    const Json *kind = find(step, "kind");
    std::string name = kind ? cellOf("kind", *kind) : "?";
    double runs = std::max(number(step, "runs"), 1.0); // a loop's steps run more than once
    if (counts[name] == 0)
      kinds.push_back(name);
    counts[name] += size_t(runs);
    read += runs * number(step, "read_bytes");
    written += runs * number(step, "written_bytes");
    flops += runs * number(step, "flops");
  }
  std::string text;
  for (const std::string &kind : kinds)
    text += (text.empty() ? "" : ", ") + std::to_string(counts[kind]) + " " + kind;
  return text + "; " + formatBytes(read) + " read, " + formatBytes(written) + " written, " +
         formatCount(flops) + " flops";
}

std::string linesOf(const Json &object, const std::string &indent) {
  size_t width = 0;
  auto isLine = [](const Json &value) { return !value.is_object() && !isTable(value); };
  for (const auto &[key, value] : object.items())
    if (isLine(value))
      width = std::max(width, titleOf(key).size());
  std::string text;
  for (const auto &[key, value] : object.items()) {
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
  const Json *trains = find(module, "trains");
  bool onlyEvaluates = trains && *trains == false;
  for (const auto &[key, value] : module.items()) {
    if (value.is_object() && !value.empty()) {
      text += "\n" + titleOf(key) + "\n" + linesOf(value, "  ");
    } else if (isTable(value) && !value.empty()) {
      // Without a training step, the steps are those of the evaluation.
      if (onlyEvaluates && key == "eval_steps")
        continue;
      std::string total = endsWith(key, "steps") ? ": " + totalOf(value) : "";
      text += "\n" + titleOf(key) + " (" + std::to_string(value.size()) + ")" + total + "\n" +
              tableOf(value);
    }
  }
  return text;
}

/// What `use` makes of the runtime's description of a module.
template <class Use>
std::string withParsed(const std::string &json, const std::string &module, Use use) {
  try {
    Json parsed = parseJson(json);
    if (parsed.is_object())
      return use(parsed);
    throw std::runtime_error("it is no object");
  } catch (const std::exception &error) {
    throw Error(module,
                "the runtime's description of it is not the JSON it should be: " +
                    std::string(error.what()),
                ExitInternal);
  }
}

} // namespace

int ampc::run::runInspect(const InspectOptions &options) {
  Module module(options.module);
  std::string text = module.inspect(options.roofline ? AMPC_DEVICE_CUDA : options.target);
  if (options.roofline)
    text = withParsed(text, options.module, [&](Json &parsed) {
      addRoofline(parsed, *options.roofline);
      return options.json ? parsed.dump() : rooflineText(parsed);
    });
  else if (!options.json)
    text = withParsed(text, options.module, [](const Json &parsed) { return describe(parsed); });
  if (text.empty() || text.back() != '\n')
    text += '\n';
  std::fwrite(text.data(), 1, text.size(), stdout);
  finishOutput();
  return ExitDone;
}
