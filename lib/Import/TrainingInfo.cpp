//===- TrainingInfo.cpp - The training step that a file spells out --------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TrainingInfo.h"

using namespace mlir;

namespace ampc {
namespace {
using Bindings = google::protobuf::RepeatedPtrField<onnx::StringStringEntryProto>;

/// Checks the entries one after the other.
class Reader {
public:
  Reader(const onnx::ModelProto &model, const ImportContext &context)
      : model(model), context(context) {
    for (const onnx::TensorProto &tensor : model.graph().initializer())
      modelVariables.insert(tensor.name());
    for (const onnx::ValueInfoProto &output : model.graph().output())
      modelOutputs.insert(output.name());
  }

  FailureOr<TrainingInfo> read();

private:
  FailureOr<int> chooseEntry();
  LogicalResult checkInitialization(int i);
  LogicalResult checkUpdates(int i);
  LogicalResult checkBindings(int i, StringRef kind, const Bindings &bindings,
                              const llvm::StringSet<> &results, StringRef from,
                              llvm::StringSet<> &keys);
  /// Starts "training_info[1]: ".
  InFlightDiagnostic emitError(int i) const {
    return context.emitError() << "training_info[" << i << "]: ";
  }
  llvm::StringSet<> algorithmVariables(int i) const;

  const onnx::ModelProto &model;
  const ImportContext &context;
  llvm::StringSet<> modelVariables, modelOutputs;
  llvm::StringMap<int> updatedBy; ///< entry by variable, over all entries
};
} // namespace

llvm::StringSet<> Reader::algorithmVariables(int i) const {
  llvm::StringSet<> names;
  for (const onnx::TensorProto &tensor : model.training_info(i).algorithm().initializer())
    names.insert(tensor.name());
  return names;
}

LogicalResult Reader::checkBindings(int i, StringRef kind, const Bindings &bindings,
                                    const llvm::StringSet<> &results, StringRef from,
                                    llvm::StringSet<> &keys) {
  llvm::StringSet<> ownVariables = algorithmVariables(i);
  for (const onnx::StringStringEntryProto &binding : bindings) {
    if (!modelVariables.contains(binding.key()) && !ownVariables.contains(binding.key()))
      return emitError(i) << kind << " changes '" << binding.key()
                          << "', which is no initializer of the graph or the algorithm";
    if (!results.contains(binding.value()))
      return emitError(i) << kind << " gives '" << binding.key() << "' the value of '"
                          << binding.value() << "', which is no output of " << from;
    if (!keys.insert(binding.key()).second)
      return emitError(i) << kind << " changes '" << binding.key() << "' twice";
  }
  return success();
}

LogicalResult Reader::checkInitialization(int i) {
  const onnx::TrainingInfoProto &entry = model.training_info(i);
  if (entry.initialization_binding_size() > 0 && !entry.has_initialization())
    return emitError(i) << "has an initialization_binding, but no initialization graph";
  if (entry.initialization().input_size() > 0)
    return emitError(i) << "the initialization graph has the input '"
                        << entry.initialization().input(0).name() << "', but must have none";
  llvm::StringSet<> results, keys;
  for (const onnx::ValueInfoProto &output : entry.initialization().output())
    results.insert(output.name());
  return checkBindings(i, "initialization_binding", entry.initialization_binding(), results,
                       "the initialization graph", keys);
}

LogicalResult Reader::checkUpdates(int i) {
  const onnx::TrainingInfoProto &entry = model.training_info(i);
  llvm::StringSet<> results = modelOutputs, keys;
  for (const onnx::ValueInfoProto &output : entry.algorithm().output())
    results.insert(output.name());
  if (failed(checkBindings(i, "update_binding", entry.update_binding(), results,
                           "the graph or the algorithm", keys)))
    return failure();
  for (const auto &key : keys) {
    auto [it, isNew] = updatedBy.try_emplace(key.first(), i);
    if (!isNew)
      return emitError(i) << "update_binding changes '" << key.first()
                          << "', as that of training_info[" << it->second
                          << "] does: a variable has one update in a model";
  }
  return success();
}

FailureOr<int> Reader::chooseEntry() {
  int count = model.training_info_size();
  std::optional<int64_t> chosen = context.options.trainingInfo;
  if (!chosen) {
    if (count == 1)
      return 0;
    return context.emitError() << "has " << count << " entries of training_info: choose "
                               << "one with --training-info=K, from 0 to " << count - 1;
  }
  if (*chosen < 0 || *chosen >= count)
    return context.emitError() << "--training-info=" << *chosen << ": the model has " << count
                               << (count == 1 ? " entry" : " entries") << ", counted from 0";
  return int(*chosen);
}

FailureOr<TrainingInfo> Reader::read() {
  for (int i = 0; i < model.training_info_size(); ++i)
    if (failed(checkInitialization(i)) || failed(checkUpdates(i)))
      return failure();
  FailureOr<int> chosen = chooseEntry();
  if (failed(chosen))
    return failure();

  TrainingInfo info;
  const onnx::TrainingInfoProto &step = model.training_info(*chosen);
  if (step.has_algorithm())
    info.algorithm = &step.algorithm();
  for (const onnx::StringStringEntryProto &binding : step.update_binding())
    info.updates.push_back({binding.key(), binding.value()});

  llvm::StringSet<> variables = algorithmVariables(*chosen);
  auto isPresent = [&](StringRef name) {
    return modelVariables.contains(name) || variables.contains(name);
  };
  for (const auto &[i, entry] : llvm::enumerate(model.training_info())) {
    for (const onnx::StringStringEntryProto &binding : entry.update_binding())
      info.bound.insert(binding.key());
    TrainingInfo::Initialization initialization{&entry.initialization(), {}};
    for (const onnx::StringStringEntryProto &binding : entry.initialization_binding()) {
      info.bound.insert(binding.key());
      // The variables of an algorithm that is not compiled do not exist.
      bool isOwn = int(i) == *chosen || modelVariables.contains(binding.key());
      if (isOwn && isPresent(binding.key()))
        initialization.bindings.push_back({binding.key(), binding.value()});
    }
    if (!initialization.bindings.empty())
      info.initializations.push_back(std::move(initialization));
  }
  // Initializations run in order, so the last one to set a variable holds.
  llvm::StringSet<> seen;
  for (TrainingInfo::Initialization &initialization : llvm::reverse(info.initializations))
    llvm::erase_if(initialization.bindings,
                   [&](const Binding &binding) { return !seen.insert(binding.variable).second; });
  return info;
}

/// What the flags --update say.
static FailureOr<TrainingInfo> readUpdates(const onnx::ModelProto &model,
                                           const ImportContext &context) {
  llvm::StringSet<> inputs, outputs, initializers;
  for (const onnx::ValueInfoProto &input : model.graph().input())
    inputs.insert(input.name());
  for (const onnx::ValueInfoProto &output : model.graph().output())
    outputs.insert(output.name());
  for (const onnx::TensorProto &initializer : model.graph().initializer())
    initializers.insert(initializer.name());
  TrainingInfo info;
  info.isFromFlags = true;
  for (const auto &[input, output] : context.options.updates) {
    auto emitError = [&, &input = input, &output = output] {
      return context.emitError() << "--update=" << input << "=" << output << ": ";
    };
    if (model.training_info_size() > 0)
      return emitError() << "the model has training_info, which says what is updated";
    if (!inputs.contains(input) && !initializers.contains(input))
      return emitError() << "the graph has no input '" << input << "'";
    if (!outputs.contains(output))
      return emitError() << "the graph has no output '" << output << "'";
    if (!initializers.contains(input))
      return emitError() << "the input has no value to begin with: --bind=" << input
                         << "=F.npy gives it one, and --bind=" << input
                         << "=0 a number to all its elements";
    if (!info.bound.insert(input).second)
      return emitError() << "'" << input << "' is updated twice";
    info.updates.push_back({input, output});
  }
  return info;
}

FailureOr<TrainingInfo> readTrainingInfo(const onnx::ModelProto &model,
                                         const ImportContext &context) {
  if (!context.options.updates.empty())
    return readUpdates(model, context);
  if (model.training_info_size() > 0)
    return Reader(model, context).read();
  if (context.options.trainingInfo)
    return context.emitError() << "--training-info=" << *context.options.trainingInfo
                               << ": the model has no training_info";
  return TrainingInfo();
}
} // namespace ampc
