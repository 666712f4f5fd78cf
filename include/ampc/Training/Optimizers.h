//===- Optimizers.h - The optimizers that there are ----------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TRAINING_OPTIMIZERS_H
#define AMPC_TRAINING_OPTIMIZERS_H

#include "ampc/Dialect/Amp/AmpBase.h"

namespace ampc {

/// A flag that one or more of the optimizers declare (OptimizerSetting).
struct OptimizerFlag {
  std::string name; ///< without the dashes
  std::string help; ///< what it is, to whom, and the defaults
  bool isSwitch;    ///< takes no number
};

// The registered ops answer: the dialect must be loaded in `context`.

/// The names that `--optimizer` knows, sorted.
SmallVector<StringRef> getOptimizerNames(MLIRContext *context);
/// The flags of all optimizers' settings, sorted, each once.
std::vector<OptimizerFlag> getOptimizerFlags(MLIRContext *context);

/// An optimizer with the values of its settings.
struct ChosenOptimizer {
  const OptimizerOpInterface::Concept *op;
  OptimizerSettings settings;
};
/// The optimizer that `options` ask for. Where there is none of this name or a setting is wrong,
/// nullopt, and `error` says so.
std::optional<ChosenOptimizer> chooseOptimizer(MLIRContext *context,
                                               const OptimizerOptions &options, std::string &error);

/// The optimizer with a group's own settings before those of `options`. Where one is wrong,
/// nullopt, and `error` says so, beginning with the group's flag.
std::optional<ChosenOptimizer> chooseForGroup(MLIRContext *context, const OptimizerOptions &options,
                                              const ParameterGroup &group, std::string &error);

/// By what the learning rate of `options` is multiplied to give a group's: 1 where it has none.
double getRateFactor(const ChosenOptimizer &all, const ChosenOptimizer &group);

} // namespace ampc

#endif // AMPC_TRAINING_OPTIMIZERS_H
