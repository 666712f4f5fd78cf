//===- Flags.h - A command line's flags -----------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_FLAGS_H
#define AMPC_RUN_FLAGS_H

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace ampc::run {

/// The flags that a command takes: what they set, and their help. Errors in the
/// command line are thrown as Error with ExitUsage.
class Flags {
public:
  /// `command` is how the user calls it, "ampc-run train"; `operands` what it
  /// takes beside flags, "TRAIN.so"; `summary` one sentence.
  Flags(std::string command, std::string operands, std::string summary);
  Flags(const Flags &) = delete; // the setters hold its address
  Flags &operator=(const Flags &) = delete;

  /// A flag without a value.
  void addSwitch(const char *name, const char *help, bool &value);
  /// --name=TEXT; any number of times.
  void addTexts(const char *name, const char *metavar, const char *help,
                std::vector<std::string> &values);
  /// --name=TEXT, not empty.
  void addText(const char *name, const char *metavar, const char *help,
               std::optional<std::string> &value);
  /// --name=one of `words`, whose index goes to `choose`.
  void addChoice(const char *name, std::vector<std::string> words, const char *help,
                 std::function<void(size_t)> choose);
  /// --name=N, a whole number from `least` on.
  void addInteger(const char *name, const char *help, int64_t least, std::optional<int64_t> &value);
  /// --name=X, a finite number from 0 on.
  void addNumber(const char *name, const char *help, std::optional<float> &value);
  /// A paragraph for the end of the help.
  void addHelp(const char *text) { closing += text; }

  /// Takes --name=value and --name value; what is left, or stands behind --, is
  /// returned. Nothing where the help was asked for.
  std::optional<std::vector<std::string>> parse(const std::vector<std::string> &arguments);

  std::string help() const;
  /// Throws a usage error.
  [[noreturn]] void fail(const std::string &message) const;

private:
  struct Flag {
    std::string name, metavar, help;
    bool repeats = false, seen = false;
    std::function<void(const std::string &)> set;
  };
  Flag &add(const char *name, const char *metavar, const char *help,
            std::function<void(const std::string &)> set);
  Flag &find(const std::string &name);

  std::string command, operands, summary, closing;
  std::vector<Flag> flags;
};

/// The one of `words` that `word` is likely to stand for; "" where none is
/// close.
std::string nearest(const std::string &word, const std::vector<std::string> &words);

} // namespace ampc::run

#endif // AMPC_RUN_FLAGS_H
