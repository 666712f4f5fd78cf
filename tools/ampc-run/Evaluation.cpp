//===- Evaluation.cpp - The forward graph over a data set -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Evaluation.h"
#include "Error.h"

#include <algorithm>

using namespace ampc::run;

Evaluation::Evaluation(const Module &module, Session &session, DataSet &data)
    : module(module), session(session), data(data),
      counter(Accuracy::find(module, [&](const std::string &name) { return data.has(name); })),
      batchCount((data.samples() + data.batchSize() - 1) / data.batchSize()) {
  for (const TensorSpec &spec : module.outputs())
    if (spec.loss && spec.bytes() == elementSize(spec.type))
      loss = &spec;
  for (const TensorSpec &spec : module.outputs())
    if (&spec == loss || (counter && &spec == &counter->scores()))
      want(spec);
}

void Evaluation::want(const TensorSpec &spec) {
  Wanted output{&spec, std::unique_ptr<char[]>(new char[spec.bytes()]), {}, 0};
  output.tensor = spec.tensorAt(output.data.get());
  uint64_t rows =
      spec.batched && !spec.shape.empty() ? static_cast<uint64_t>(spec.shape[spec.batchAxis]) : 0;
  if (rows % data.batchSize() == 0)
    output.rowsInSample = rows / data.batchSize();
  wanted.push_back(std::move(output));
}

void Evaluation::wantAll() {
  wanted.clear(); // in the module's order
  for (const TensorSpec &spec : module.outputs())
    want(spec);
}

bool Evaluation::isWanted(const TensorSpec &spec) const {
  return std::any_of(wanted.begin(), wanted.end(),
                     [&](const Wanted &output) { return output.spec == &spec; });
}

ampc_status_t Evaluation::evaluate(const std::vector<ampc_named_tensor_t> &inputs) {
  std::vector<ampc_named_tensor_t> outputs;
  for (Wanted &output : wanted)
    outputs.push_back({output.spec->name.c_str(), &output.tensor});
  return ampc_session_evaluate(session.get(), inputs.data(), inputs.size(), outputs.data(),
                               outputs.size());
}

/// The session knows which outputs it cannot compute without the labels that
/// are absent, and names one at a time when it is asked for them.
std::vector<std::string> Evaluation::dropWhatNeedsLabels() {
  std::vector<std::string> dropped;
  while (!wanted.empty()) {
    ampc_status_t status = evaluate(data.batch(0, nullptr));
    auto culprit = std::find_if(wanted.begin(), wanted.end(), [&](const Wanted &output) {
      return output.spec->name == ampc_status_node(status);
    });
    if (ampc_status_code(status) != AMPC_STATUS_INVALID_ARGUMENT || culprit == wanted.end()) {
      check(status);
      break;
    }
    ampc_status_free(status);
    dropped.push_back(culprit->spec->name);
    wanted.erase(culprit);
  }
  if (loss && !isWanted(*loss))
    loss = nullptr;
  return dropped;
}

void Evaluation::restart() {
  countedBatches = 0;
  lossSum = 0;
  if (counter)
    counter->restart();
}

uint64_t Evaluation::run(uint64_t batch) {
  uint64_t first = batch * data.batchSize();
  uint64_t samples = std::min(data.batchSize(), data.samples() - first);
  const std::vector<ampc_named_tensor_t> &inputs = data.batch(first, nullptr);
  ampc_status_t status = evaluate(inputs);
  bool isRefused = ampc_status_code(status) == AMPC_STATUS_DATA;
  try {
    check(status);
  } catch (const Error &error) {
    if (!isRefused)
      throw;
    throw Error(error.subject,
                "rows " + std::to_string(first) + " to " + std::to_string(first + samples - 1) +
                    ": " + error.what(),
                error.exitCode);
  }
  // The loss of a batch that was filled up is not that of its rows.
  if (loss && samples == data.batchSize()) {
    lossSum += elementAsDouble(loss->type, dataOf(*loss));
    ++countedBatches;
  }
  if (counter)
    for (const ampc_named_tensor_t &input : inputs)
      if (input.name == counter->label().name) {
        auto rows = static_cast<uint64_t>(counter->label().shape[0]);
        counter->add(input.tensor->data, dataOf(counter->scores()),
                     rows / data.batchSize() * samples);
      }
  return samples;
}

double Evaluation::meanLoss() const { return lossSum / double(countedBatches); }

const void *Evaluation::dataOf(const TensorSpec &spec) const {
  for (const Wanted &output : wanted)
    if (output.spec == &spec)
      return output.data.get();
  return nullptr;
}
