//===- Flags.cpp - A command line's flags ---------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Flags.h"
#include "Error.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

using namespace ampc::run;

namespace {

/// Levenshtein's distance.
size_t editDistance(const std::string &a, const std::string &b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t(0));
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

/// True where all of `text` is a number.
template <typename T>
bool parseNumber(const std::string &text, T &value) {
  const char *end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && at == end;
}

} // namespace

std::string ampc::run::nearest(const std::string &word, const std::vector<std::string> &words) {
  std::string best;
  size_t bestDistance = std::max<size_t>(1, (word.size() + 1) / 3) + 1;
  for (const std::string &candidate : words) {
    size_t distance = editDistance(word, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

Flags::Flags(std::string command, std::string operands, std::string summary)
    : command(std::move(command)), operands(std::move(operands)), summary(std::move(summary)) {}

void Flags::fail(const std::string &message) const {
  throw Error(command, message + " (" + command + " --help tells more)", ExitUsage);
}

Flags::Flag &Flags::add(const char *name, const char *metavar, const char *help,
                        std::function<void(const std::string &)> set) {
  flags.push_back({std::string("--") + name, metavar, help, false, false, std::move(set)});
  return flags.back();
}

void Flags::addSwitch(const char *name, const char *help, bool &value) {
  add(name, "", help, [&value](const std::string &) { value = true; });
}

void Flags::addTexts(const char *name, const char *metavar, const char *help,
                     std::vector<std::string> &values) {
  add(name, metavar, help, [=, &values](const std::string &text) {
    if (text.empty())
      fail(std::string("--") + name + " is empty");
    values.push_back(text);
  }).repeats = true;
}

void Flags::addText(const char *name, const char *metavar, const char *help,
                    std::optional<std::string> &value) {
  add(name, metavar, help, [=, &value](const std::string &text) {
    if (text.empty())
      fail(std::string("--") + name + " is empty");
    value = text;
  });
}

void Flags::addChoice(const char *name, std::vector<std::string> words, const char *help,
                      std::function<void(size_t)> choose) {
  std::string joined;
  for (const std::string &word : words)
    joined += (joined.empty() ? "" : "|") + word;
  auto set = [=](const std::string &text) {
    auto found = std::find(words.begin(), words.end(), text);
    if (found == words.end())
      fail("--" + std::string(name) + "=" + printable(text) + " is none of " + joined);
    choose(static_cast<size_t>(found - words.begin()));
  };
  add(name, joined.c_str(), help, set);
}

void Flags::addInteger(const char *name, const char *help, int64_t least,
                       std::optional<int64_t> &value) {
  add(name, "N", help, [=, &value](const std::string &text) {
    int64_t number = 0;
    if (!parseNumber(text, number) || number < least)
      fail("--" + std::string(name) + "=" + printable(text) + " is no whole number from " +
           std::to_string(least) + " to 9223372036854775807");
    value = number;
  });
}

void Flags::addNumber(const char *name, const char *help, std::optional<float> &value) {
  add(name, "X", help, [=, &value](const std::string &text) {
    float number = 0;
    if (!parseNumber(text, number) || !std::isfinite(number) || number < 0)
      fail("--" + std::string(name) + "=" + printable(text) + " is no finite number from 0 on");
    value = number;
  });
}

Flags::Flag &Flags::find(const std::string &name) {
  std::vector<std::string> names{"--help"};
  for (Flag &flag : flags) {
    if (flag.name == name)
      return flag;
    names.push_back(flag.name);
  }
  std::string guess = nearest(name, names);
  fail("unknown flag " + quoted(name) +
       (guess.empty() ? "" : ", did you mean " + quoted(guess) + "?"));
}

std::optional<std::vector<std::string>> Flags::parse(const std::vector<std::string> &arguments) {
  std::vector<std::string> rest;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string &argument = arguments[i];
    if (argument == "--") {
      rest.insert(rest.end(), arguments.begin() + ptrdiff_t(i) + 1, arguments.end());
      break;
    }
    if (argument == "--help" || argument == "-h")
      return std::nullopt;
    if (argument.size() < 2 || argument[0] != '-') {
      rest.push_back(argument);
      continue;
    }
    size_t sign = argument.find('=');
    Flag &flag = find(argument.substr(0, sign));
    if (flag.seen && !flag.repeats)
      fail(quoted(flag.name) + " is given twice");
    flag.seen = true;
    bool hasValue = sign != std::string::npos;
    if (flag.metavar.empty()) {
      if (hasValue)
        fail(quoted(flag.name) + " takes no value");
      flag.set("");
    } else if (hasValue) {
      flag.set(argument.substr(sign + 1));
    } else if (i + 1 < arguments.size() && arguments[i + 1].compare(0, 2, "--") != 0) {
      flag.set(arguments[++i]);
    } else {
      fail(quoted(flag.name) + " needs a value, as " + flag.name + "=" + flag.metavar);
    }
  }
  return rest;
}

std::string Flags::help() const {
  constexpr size_t column = 30;
  std::string text =
      "usage: " + command + " " + operands + " [flags]\n\n" + summary + "\n\nflags:\n";
  for (const Flag &flag : flags) {
    std::string line = "  " + flag.name;
    if (!flag.metavar.empty())
      line += "=" + flag.metavar;
    if (line.size() + 2 > column)
      line += "\n" + std::string(column, ' ');
    else
      line.resize(column, ' ');
    for (char c : flag.help) {
      line += c;
      if (c == '\n')
        line.append(column, ' ');
    }
    text += line + "\n";
  }
  if (!closing.empty())
    text += "\n" + closing;
  return text;
}
