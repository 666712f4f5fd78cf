//===- Optimizers.cpp - The optimizers that there are ---------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Training/Optimizers.h"
#include "ampc/Support/Settings.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include <map>

namespace ampc {
namespace {
using Concept = OptimizerOpInterface::Concept;

/// Each registered optimizer by each of its names, sorted.
std::vector<std::pair<StringRef, const Concept *>> listOptimizers(MLIRContext *context) {
  std::vector<std::pair<StringRef, const Concept *>> list;
  for (RegisteredOperationName op : context->getRegisteredOperations())
    if (auto *optimizer = op.getInterface<OptimizerOpInterface>())
      for (StringRef name : optimizer->getOptimizerNames())
        list.push_back({name, optimizer});
  llvm::sort(list, llvm::less_first());
  return list;
}

/// What optimizers say of one flag: by help text and by default, who says it.
struct Declarations {
  bool isSwitch = false;
  llvm::MapVector<StringRef, std::map<double, SmallVector<StringRef>>> texts;

  /// "learning rate (adagrad: 0.01; adam, adamw: 0.001)"
  std::string describe() const {
    std::string result;
    for (const auto &[text, defaults] : texts) {
      result += (result.empty() ? "" : "; ") + text.str() + " (";
      StringRef separator;
      for (const auto &[value, names] : defaults) {
        result +=
            separator.str() + llvm::join(names, ", ") + (isSwitch ? "" : ": " + toDecimals(value));
        separator = "; ";
      }
      result += ")";
    }
    return result;
  }
};
} // namespace

SmallVector<StringRef> getOptimizerNames(MLIRContext *context) {
  return llvm::map_to_vector(listOptimizers(context), [](auto entry) { return entry.first; });
}

std::vector<OptimizerFlag> getOptimizerFlags(MLIRContext *context) {
  std::map<StringRef, Declarations> flags;
  for (auto [name, optimizer] : listOptimizers(context))
    for (const OptimizerSetting &setting : optimizer->getSettings(name)) {
      auto [it, isNew] = flags.try_emplace(setting.flag);
      bool isSwitch = setting.kind == OptimizerSetting::Switch;
      assert((isNew || it->second.isSwitch == isSwitch) &&
             "optimizers that share a flag agree on what it takes");
      it->second.isSwitch = isSwitch;
      it->second.texts[setting.help][setting.defaultValue].push_back(name);
    }
  std::vector<OptimizerFlag> result;
  for (const auto &[flag, declarations] : flags)
    result.push_back({flag.str(), declarations.describe(), declarations.isSwitch});
  return result;
}

std::optional<ChosenOptimizer>
chooseOptimizer(MLIRContext *context, const OptimizerOptions &options, std::string &error) {
  auto list = listOptimizers(context);
  auto found = llvm::find_if(list, [&](auto &entry) { return entry.first == options.name; });
  if (found == list.end()) {
    error = "--optimizer=" + options.name + ": no such optimizer; there are " +
            llvm::join(llvm::make_first_range(list), ", ");
    return std::nullopt;
  }
  const Concept *optimizer = found->second;
  OptimizerSettings settings(options, optimizer->getSettings(options.name));
  error = settings.error();
  if (error.empty())
    error = optimizer->checkSettings(settings);
  if (!error.empty())
    return std::nullopt;
  return ChosenOptimizer{optimizer, std::move(settings)};
}

std::optional<ChosenOptimizer> chooseForGroup(MLIRContext *context, const OptimizerOptions &options,
                                              const ParameterGroup &group, std::string &error) {
  std::optional<ChosenOptimizer> chosen =
      chooseOptimizer(context, options.withGroup(group.given), error);
  if (!chosen) {
    error = group.flag + ": " + StringRef(error).ltrim('-').str();
    return std::nullopt;
  }
  std::optional<ChosenOptimizer> all = chooseOptimizer(context, options, error);
  if (!all)
    return std::nullopt;
  if (group.given.count(kLearningRateSetting.str()) && all->settings[kLearningRateSetting] == 0) {
    error = group.flag + ": lr: is kept as a multiple of --lr, which is 0";
    return std::nullopt;
  }
  return chosen;
}

double getRateFactor(const ChosenOptimizer &all, const ChosenOptimizer &group) {
  double rate = all.settings[kLearningRateSetting], own = group.settings[kLearningRateSetting];
  // The session holds the rate as f32: of that it is a multiple.
  return rate == own ? 1 : own / double(float(rate));
}
} // namespace ampc
