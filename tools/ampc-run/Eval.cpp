//===- Eval.cpp - ampc-run eval -------------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Accuracy.h"
#include "Api.h"
#include "Commands.h"
#include "DataSet.h"
#include "Error.h"
#include "Files.h"
#include "Interrupt.h"
#include "NpzWriter.h"
#include "Progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

using namespace ampc::run;

namespace {

using Clock = Progress::Clock;

/// An output that is asked for in each batch.
struct Wanted {
  const TensorSpec *spec;
  std::unique_ptr<char[]> data;
  DLTensor tensor;
  /// Rows that belong to a sample; 0 for an output that is one value a batch.
  uint64_t rowsInSample;
};

class Evaluator {
public:
  Evaluator(const EvalOptions &options, const Module &module, Session &session, DataSet &data);
  int run();

private:
  void want(const TensorSpec &spec);
  bool isWanted(const TensorSpec &spec) const;
  void chooseOutputs();
  void dropWhatNeedsLabels();
  void evaluate(const std::vector<ampc_named_tensor_t> &inputs, uint64_t first);
  void openOutputs();
  void take(const std::vector<ampc_named_tensor_t> &inputs, uint64_t samples);
  void append(size_t index, uint64_t samples);
  const void *dataOf(const TensorSpec &spec) const;
  void printResults() const;

  const EvalOptions &options;
  const Module &module;
  Session &session;
  DataSet &data;
  Progress progress;
  std::vector<Wanted> wanted;
  std::unique_ptr<NpzWriter> writer;
  std::optional<Accuracy> accuracy;
  const TensorSpec *loss = nullptr;
  uint64_t batches;
  double lossSum = 0;
  uint64_t lossBatches = 0;
};

} // namespace

Evaluator::Evaluator(const EvalOptions &options, const Module &module, Session &session,
                     DataSet &data)
    : options(options), module(module), session(session), data(data), progress(options.quiet),
      accuracy(Accuracy::find(module, [&](const std::string &name) { return data.has(name); })),
      batches((data.samples() + data.batchSize() - 1) / data.batchSize()) {
  for (const TensorSpec &spec : module.outputs())
    if (spec.loss && spec.bytes() == elementSize(spec.type))
      loss = &spec;
  chooseOutputs();
}

void Evaluator::want(const TensorSpec &spec) {
  Wanted output{&spec, std::unique_ptr<char[]>(new char[spec.bytes()]), {}, 0};
  output.tensor = spec.tensorAt(output.data.get());
  uint64_t rows = spec.batched && !spec.shape.empty() ? static_cast<uint64_t>(spec.shape[0]) : 0;
  if (rows % data.batchSize() == 0)
    output.rowsInSample = rows / data.batchSize();
  wanted.push_back(std::move(output));
}

bool Evaluator::isWanted(const TensorSpec &spec) const {
  return std::any_of(wanted.begin(), wanted.end(),
                     [&](const Wanted &output) { return output.spec == &spec; });
}

void Evaluator::chooseOutputs() {
  for (const TensorSpec &spec : module.outputs())
    if (options.outputs || &spec == loss || (accuracy && &spec == &accuracy->scores()))
      want(spec);
  bool hasAllInputs = std::all_of(module.inputs().begin(), module.inputs().end(),
                                  [&](const TensorSpec &spec) { return data.has(spec.name); });
  if (!hasAllInputs)
    dropWhatNeedsLabels();
  if (loss && !isWanted(*loss))
    loss = nullptr;
}

/// The session knows which outputs it cannot compute without the labels that
/// are absent, and names one at a time when it is asked for them.
void Evaluator::dropWhatNeedsLabels() {
  std::string dropped;
  while (!wanted.empty()) {
    std::vector<ampc_named_tensor_t> outputs;
    for (Wanted &output : wanted)
      outputs.push_back({output.spec->name.c_str(), &output.tensor});
    const std::vector<ampc_named_tensor_t> &inputs = data.batch(0, nullptr);
    ampc_status_t status = ampc_session_evaluate(session.get(), inputs.data(), inputs.size(),
                                                 outputs.data(), outputs.size());
    auto culprit = std::find_if(wanted.begin(), wanted.end(), [&](const Wanted &output) {
      return output.spec->name == ampc_status_node(status);
    });
    if (ampc_status_code(status) != AMPC_STATUS_INVALID_ARGUMENT || culprit == wanted.end()) {
      check(status);
      break;
    }
    ampc_status_free(status);
    dropped += (dropped.empty() ? "" : ", ") + quoted(culprit->spec->name);
    wanted.erase(culprit);
  }
  if (!dropped.empty())
    note("without labels these outputs are not computed: " + dropped);
}

void Evaluator::openOutputs() {
  std::vector<NpzWriter::Entry> entries;
  for (const Wanted &output : wanted) {
    const TensorSpec &spec = *output.spec;
    std::vector<int64_t> shape = spec.shape;
    if (output.rowsInSample)
      shape[0] = static_cast<int64_t>(data.samples() * output.rowsInSample);
    else
      shape.insert(shape.begin(), static_cast<int64_t>(batches));
    entries.push_back({spec.name, arrayType(spec.type), shape});
  }
  writer = std::make_unique<NpzWriter>(*options.outputs, std::move(entries));
}

/// Evaluates the batch that begins at row `first`.
void Evaluator::evaluate(const std::vector<ampc_named_tensor_t> &inputs, uint64_t first) {
  std::vector<ampc_named_tensor_t> outputs;
  for (Wanted &output : wanted)
    outputs.push_back({output.spec->name.c_str(), &output.tensor});
  ampc_status_t status = ampc_session_evaluate(session.get(), inputs.data(), inputs.size(),
                                               outputs.data(), outputs.size());
  if (status)
    progress.leaveLine();
  bool isRefused = ampc_status_code(status) == AMPC_STATUS_DATA;
  try {
    check(status);
  } catch (const Error &error) {
    if (!isRefused)
      throw;
    uint64_t last = std::min(first + data.batchSize(), data.samples()) - 1;
    throw Error(error.subject,
                "rows " + std::to_string(first) + " to " + std::to_string(last) + ": " +
                    error.what(),
                error.exitCode);
  }
}

int Evaluator::run() {
  InterruptGuard interrupt;
  if (options.outputs)
    openOutputs();
  Clock::time_point start = Clock::now();
  for (uint64_t batch = 0; batch < batches; ++batch) {
    if (interrupt.signal()) {
      progress.leaveLine();
      note(std::string("stopped by ") + signalName(interrupt.signal()) + "; nothing was written");
      return exitCodeOfSignal(interrupt.signal());
    }
    uint64_t first = batch * data.batchSize();
    const std::vector<ampc_named_tensor_t> &inputs = data.batch(first, nullptr);
    evaluate(inputs, first);
    take(inputs, std::min(data.batchSize(), data.samples() - first));
    Clock::time_point now = Clock::now();
    if (!progress.isDue(now))
      continue;
    double seconds = std::chrono::duration<double>(now - start).count();
    double perSecond = double(batch + 1) / std::max(seconds, 1e-9);
    progress.show("batch " + std::to_string(batch + 1) + "/" + std::to_string(batches) + "  " +
                      formatRate(perSecond * double(data.batchSize())) + " samples/s  " +
                      formatDuration(double(batches - batch - 1) / perSecond) + " left",
                  now);
  }
  progress.leaveLine();
  printResults();
  // Last: where the results cannot be printed, no file is left either.
  if (writer)
    writer->commit();
  return ExitDone;
}

/// Uses a batch of which only the first `samples` samples are real.
void Evaluator::take(const std::vector<ampc_named_tensor_t> &inputs, uint64_t samples) {
  // The loss of a batch that was filled up is not that of its rows.
  if (loss && samples == data.batchSize()) {
    lossSum += elementAsDouble(loss->type, dataOf(*loss));
    ++lossBatches;
  }
  if (accuracy)
    for (const ampc_named_tensor_t &input : inputs)
      if (input.name == accuracy->label().name) {
        auto rows = static_cast<uint64_t>(accuracy->label().shape[0]);
        accuracy->add(input.tensor->data, dataOf(accuracy->scores()),
                      rows / data.batchSize() * samples);
      }
  if (writer)
    for (size_t i = 0; i < wanted.size(); ++i)
      append(i, samples);
}

void Evaluator::append(size_t index, uint64_t samples) {
  const Wanted &output = wanted[index];
  const TensorSpec &spec = *output.spec;
  uint64_t bytes = spec.bytes();
  if (output.rowsInSample)
    bytes = bytes / static_cast<uint64_t>(spec.shape[0]) * output.rowsInSample * samples;
  ElementType written = arrayType(spec.type);
  if (spec.type == written) {
    writer->append(index, output.data.get(), bytes);
    return;
  }
  size_t count = bytes / elementSize(spec.type);
  std::vector<char> wide(count * elementSize(written));
  widenElements(spec.type, output.data.get(), wide.data(), count);
  writer->append(index, wide.data(), wide.size());
}

const void *Evaluator::dataOf(const TensorSpec &spec) const {
  for (const Wanted &output : wanted)
    if (output.spec == &spec)
      return output.data.get();
  return nullptr;
}

void Evaluator::printResults() const {
  std::printf("rows      %llu\n", static_cast<unsigned long long>(data.samples()));
  uint64_t padded = data.samples() % data.batchSize();
  if (lossBatches) {
    double mean = lossSum / double(lossBatches);
    std::printf("loss      %.6g", std::isnan(mean) ? std::fabs(mean) : mean);
    std::printf(" (mean of %llu batches%s)\n", static_cast<unsigned long long>(lossBatches),
                padded ? "; the incomplete last one is left out" : "");
  } else if (loss) {
    note("no loss is printed: the rows do not make one whole batch");
  }
  if (accuracy && accuracy->counted()) {
    auto right = static_cast<unsigned long long>(accuracy->right());
    auto counted = static_cast<unsigned long long>(accuracy->counted());
    std::printf("accuracy  %.4f (%llu of %llu: %s against %s)\n", double(right) / double(counted),
                right, counted, quoted(accuracy->scores().name).c_str(),
                quoted(accuracy->label().name).c_str());
  }
  if (accuracy && accuracy->ignored())
    note(std::to_string(accuracy->ignored()) +
         " rows do not count for the accuracy: their label is no class");
  finishOutput();
}

int ampc::run::runEval(const EvalOptions &options) {
  std::vector<DataFlag> flags;
  std::vector<std::string> inputs{options.module};
  for (const std::string &text : options.data) {
    flags.push_back(DataFlag::parse(text));
    inputs.push_back(flags.back().path);
  }
  if (options.checkpoint)
    inputs.push_back(*options.checkpoint);
  if (options.outputs)
    OutputPaths(inputs).add("--outputs", *options.outputs, OutputPaths::Kind::File);
  Module module(options.module);
  DataSet data(flags, module.inputs(), DataSet::Use::Evaluate);
  for (const std::string &remark : data.notes())
    note(remark);
  Session session(module, options.device, /*seed=*/0);
  if (options.checkpoint)
    check(ampc_session_load_checkpoint(session.get(), options.checkpoint->c_str(), nullptr),
          *options.checkpoint);
  return Evaluator(options, module, session, data).run();
}
