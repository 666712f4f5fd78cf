//===- OptimizerOptions.cpp - Optimizers and their settings ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Support/OptimizerOptions.h"
#include "ampc/Support/Settings.h"
#include <cassert>

using namespace llvm;

namespace ampc {

std::string OptimizerSetting::check(double value) const {
  auto isIn = [&](double x) { return x >= low && x < high; };
  // Updates compute in f32, which may round up to what is not allowed.
  if (isIn(value) && fitsF32(value) && isIn(float(value)))
    return "";
  std::string text = "--" + flag.str() + "=" + toDecimals(value) + ": must be ";
  if (std::isinf(low) && std::isinf(high))
    return text + "a number that f32 holds";
  if (std::isinf(low))
    return text + "at most 0 and finite";
  if (!std::isinf(low))
    text += "at least " + toDecimals(low) + " and ";
  text += std::isinf(high) ? "finite" : "below " + toDecimals(high);
  if (isIn(value))
    text += ", also as f32, which would round it to " + toDecimals(float(value));
  return text;
}

std::string readSetting(StringRef text, GivenSettings &given) {
  auto [name, digits] = text.split('=');
  double value = 0;
  if (name.empty() || digits.getAsDouble(value))
    return text.str() + ": a setting is FLAG=NUMBER";
  if (!given.try_emplace(name.str(), value).second)
    return name.str() + ": is given twice";
  return "";
}

OptimizerSettings::OptimizerSettings(const OptimizerOptions &options,
                                     ArrayRef<OptimizerSetting> declared)
    : optimizer(options.name), given(options.given) {
  for (const OptimizerSetting &setting : declared) {
    std::optional<double> given = options.find(setting.flag);
    values[setting.flag.str()] = given.value_or(setting.defaultValue);
    if (given && message.empty())
      message = setting.check(*given);
  }
  if (message.empty())
    for (const auto &[flag, value] : options.given)
      if (!values.count(flag)) {
        message = "--" + flag + ": --optimizer=" + optimizer + " has no such setting; it has ";
        for (const OptimizerSetting &setting : declared)
          message += (setting.flag == declared.front().flag ? "" : ", ") + setting.flag.str();
        break;
      }
}

double OptimizerSettings::operator[](StringRef flag) const {
  auto it = values.find(flag.str());
  assert(it != values.end() && "an optimizer reads a setting that it does not declare");
  return it->second;
}

} // namespace ampc
