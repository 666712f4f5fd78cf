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
  /// Off, which is 0, unless it is given.
  static OptimizerSetting onOff(llvm::StringLiteral flag, llvm::StringLiteral help) {
    return {flag, 0, 0, 2, help, Switch};
  }

  /// What is wrong with `value`, "" where nothing is. Begins with the flag.
  std::string check(double value) const;
};

/// What the user asks of the optimizer.
struct OptimizerOptions {
  std::string name = "adam";           ///< as `--optimizer` takes it
  std::map<std::string, double> given; ///< by flag, without the dashes; a switch is 0 or 1

  std::optional<double> find(llvm::StringRef flag) const {
    auto it = given.find(flag.str());
    return it == given.end() ? std::nullopt : std::optional<double>(it->second);
  }
  /// Adds "FLAG=VALUE". Returns what is wrong with the text, "" where nothing is.
  std::string add(llvm::StringRef text);
};

/// The values of all settings that an optimizer declares.
class OptimizerSettings {
public:
  /// The values that `options` give, and the defaults of the others.
  OptimizerSettings(const OptimizerOptions &options, llvm::ArrayRef<OptimizerSetting> declared);

  llvm::StringRef name() const { return optimizer; }
  /// The value of a setting that is declared.
  double operator[](llvm::StringRef flag) const;
  /// What is wrong with the first setting that is: not declared, or not in its range; "" where
  /// none is. Begins with the flag.
  const std::string &error() const { return message; }

private:
  std::string optimizer, message;
  std::map<std::string, double> values;
};

/// State that an optimizer keeps for each parameter, of the parameter's shape, in f32.
struct OptimizerState {
  std::string kind; ///< checkpoint prefix, as in "ampc.exp_avg/fc1.weight"
  double initial;
};

} // namespace ampc

#endif // AMPC_SUPPORT_OPTIMIZEROPTIONS_H
