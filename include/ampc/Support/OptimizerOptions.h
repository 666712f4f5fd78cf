//===- OptimizerOptions.h - Optimizers and their settings ----- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_OPTIMIZEROPTIONS_H
#define AMPC_SUPPORT_OPTIMIZEROPTIONS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <cmath>
#include <map>
#include <optional>
#include <string>

namespace ampc {

/// The setting that every optimizer declares: a training_info and a running session have it too.
constexpr llvm::StringLiteral kLearningRateSetting = "lr";

/// A setting that an optimizer declares: `--FLAG=VALUE` on the command line.
struct OptimizerSetting {
  enum Kind { Number, Switch };

  llvm::StringLiteral flag; ///< without the dashes
  double defaultValue;
  double low, high;         ///< what is allowed, as f32 too: low <= value < high
  llvm::StringLiteral help; ///< what it is, for the help page; one sentence without its end
  Kind kind = Number;       ///< optimizers that share a flag agree

  /// Any number from 0 on.
  static OptimizerSetting nonNegative(llvm::StringLiteral flag, double defaultValue,
                                      llvm::StringLiteral help) {
    return {flag, defaultValue, 0, INFINITY, help};
  }
  /// A factor from 0 to below 1, as that of a running mean.
  static OptimizerSetting fraction(llvm::StringLiteral flag, double defaultValue,
                                   llvm::StringLiteral help) {
    return {flag, defaultValue, 0, 1, help};
  }
  /// Any number that f32 holds.
  static OptimizerSetting finite(llvm::StringLiteral flag, double defaultValue,
                                 llvm::StringLiteral help) {
    return {flag, defaultValue, -INFINITY, INFINITY, help};
  }
  /// Any number from `low` on.
  static OptimizerSetting atLeast(double low, llvm::StringLiteral flag, double defaultValue,
                                  llvm::StringLiteral help) {
    return {flag, defaultValue, low, INFINITY, help};
  }
  /// Any number up to 0.
  static OptimizerSetting notPositive(llvm::StringLiteral flag, double defaultValue,
                                      llvm::StringLiteral help) {
    return {flag, defaultValue, -INFINITY, 0x1p-1074, help};
  }
  /// Off, which is 0, unless it is given.
  static OptimizerSetting onOff(llvm::StringLiteral flag, llvm::StringLiteral help) {
    return {flag, 0, 0, 2, help, Switch};
  }

  /// What is wrong with `value`, "" where nothing is. Begins with the flag.
  std::string check(double value) const;
};

/// Settings that a flag gives, by name without the dashes; a switch is 0 or 1.
using GivenSettings = std::map<std::string, double>;

/// Reads "FLAG=NUMBER" into `given`. Returns what is wrong with the text, "" where nothing is.
std::string readSetting(llvm::StringRef text, GivenSettings &given);

/// What the user asks of the optimizer.
struct OptimizerOptions {
  std::string name = "adam"; ///< as `--optimizer` takes it
  GivenSettings given;

  std::optional<double> find(llvm::StringRef flag) const {
    auto it = given.find(flag.str());
    return it == given.end() ? std::nullopt : std::optional<double>(it->second);
  }
  /// The same for parameters of a group, whose own settings come before these.
  OptimizerOptions withGroup(const GivenSettings &group) const {
    OptimizerOptions result{name, group};
    result.given.insert(given.begin(), given.end());
    return result;
  }
};

/// Parameters that settings of their own go with: `--group=REGEX:SETTINGS`.
struct ParameterGroup {
  std::string flag;  ///< as given, for messages: "--group=REGEX:SETTINGS"
  std::string regex; ///< of names; a parameter belongs to the first group that has it
  GivenSettings given;
};

/// The values of all settings that an optimizer declares.
class OptimizerSettings {
public:
  /// The values that `options` give, and the defaults of the others.
  OptimizerSettings(const OptimizerOptions &options, llvm::ArrayRef<OptimizerSetting> declared);

  llvm::StringRef name() const { return optimizer; }
  /// The value of a setting that is declared.
  double operator[](llvm::StringRef flag) const;
  /// Whether the user gave it.
  bool isGiven(llvm::StringRef flag) const { return given.count(flag.str()); }
  /// All of them, by name.
  const std::map<std::string, double> &all() const { return values; }
  /// What is wrong with the first setting that is: not declared, or not in its range; "" where
  /// none is. Begins with the flag.
  const std::string &error() const { return message; }

private:
  std::string optimizer, message;
  std::map<std::string, double> values;
  GivenSettings given;
};

/// State that an optimizer keeps, in f32, or in f64 for a parameter of f64.
struct OptimizerState {
  std::string kind; ///< checkpoint prefix, as in "ampc.exp_avg/fc1.weight"
  double initial;
  /// Where it is not that of the parameter.
  std::optional<llvm::SmallVector<int64_t>> shape = std::nullopt;
  /// Not empty: a number in f32 that all parameters have in common for which these settings agree.
  llvm::SmallVector<llvm::StringRef> common = {};
};

} // namespace ampc

#endif // AMPC_SUPPORT_OPTIMIZEROPTIONS_H
