//===- Eval.cpp - ampc-run eval -------------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Api.h"
#include "Commands.h"
#include "DataSet.h"
#include "Error.h"
#include "Evaluation.h"
#include "Files.h"
#include "Interrupt.h"
#include "NpzWriter.h"
#include "Progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

using namespace ampc::run;

namespace {

using Clock = Progress::Clock;

class Evaluator {
public:
  Evaluator(const EvalOptions &options, const Module &module, Session &session, DataSet &data);
  int run();

private:
  void dropWhatNeedsLabels();
  void openOutputs();
  void append(size_t index, uint64_t first, uint64_t samples);
  void write(size_t index, const char *elements, uint64_t bytes);
  void printResults() const;

  const EvalOptions &options;
  DataSet &data;
  Evaluation evaluation;
  Progress progress;
  std::unique_ptr<NpzWriter> writer;
  /// Of each output whose samples lie behind other dimensions: all of it, as its blocks
  /// end only with the last batch.
  std::vector<std::vector<char>> wholes;
};

} // namespace

Evaluator::Evaluator(const EvalOptions &options, const Module &module, Session &session,
                     DataSet &data)
    : options(options), data(data), evaluation(module, session, data), progress(options.quiet) {
  if (options.outputs)
    evaluation.wantAll();
  bool hasAllInputs = std::all_of(module.inputs().begin(), module.inputs().end(),
                                  [&](const TensorSpec &spec) { return data.has(spec.name); });
  if (!hasAllInputs)
    dropWhatNeedsLabels();
}

void Evaluator::dropWhatNeedsLabels() {
  std::string dropped;
  for (const std::string &name : evaluation.dropWhatNeedsLabels())
    dropped += (dropped.empty() ? "" : ", ") + quoted(name);
  if (!dropped.empty())
    note("without labels these outputs are not computed: " + dropped);
}

void Evaluator::openOutputs() {
  std::vector<NpzWriter::Entry> entries;
  for (const Evaluation::Wanted &output : evaluation.outputs()) {
    const TensorSpec &spec = *output.spec;
    std::vector<int64_t> shape = spec.shape;
    if (output.rowsInSample)
      shape[spec.batchAxis] = static_cast<int64_t>(data.samples() * output.rowsInSample);
    else
      shape.insert(shape.begin(), static_cast<int64_t>(evaluation.batches()));
    entries.push_back({spec.name, arrayType(spec.type), shape});
  }
  writer = std::make_unique<NpzWriter>(*options.outputs, std::move(entries));
  wholes.resize(evaluation.outputs().size());
}

int Evaluator::run() {
  InterruptGuard interrupt;
  if (options.outputs)
    openOutputs();
  Clock::time_point start = Clock::now();
  uint64_t batches = evaluation.batches();
  for (uint64_t batch = 0; batch < batches; ++batch) {
    if (interrupt.signal()) {
      progress.leaveLine();
      note(std::string("stopped by ") + signalName(interrupt.signal()) + "; nothing was written");
      return exitCodeOfSignal(interrupt.signal());
    }
    uint64_t samples = evaluation.run(batch);
    if (writer)
      for (size_t i = 0; i < evaluation.outputs().size(); ++i)
        append(i, batch * data.batchSize(), samples);
    Clock::time_point now = Clock::now();
    if (!progress.isDue(now))
      continue;
    double seconds = std::chrono::duration<double>(now - start).count();
    double perSecond = double(batch + 1) / std::max(seconds, 1e-9);
    progress.show({{"batch " + std::to_string(batch + 1) + "/" + std::to_string(batches)},
                   {formatRate(perSecond * double(data.batchSize())) + " samples/s"},
                   {formatDuration(double(batches - batch - 1) / perSecond) + " left"}},
                  now);
  }
  progress.leaveLine();
  printResults();
  // Last: where the results cannot be printed, no file is left either.
  if (writer)
    writer->commit();
  return ExitDone;
}

/// Writes output number `index` of the batch that begins at row `first`, of which the first
/// `samples` samples are real.
void Evaluator::append(size_t index, uint64_t first, uint64_t samples) {
  const Evaluation::Wanted &output = evaluation.outputs()[index];
  const TensorSpec &spec = *output.spec;
  if (!output.rowsInSample) {
    write(index, output.data.get(), spec.bytes());
    return;
  }
  uint64_t sampleBytes = spec.rowBytes() * output.rowsInSample, blocks = spec.blocks();
  if (blocks == 1) {
    write(index, output.data.get(), sampleBytes * samples);
    return;
  }
  std::vector<char> &whole = wholes[index];
  whole.resize(blocks * data.samples() * sampleBytes);
  for (uint64_t block = 0; block < blocks; ++block)
    std::memcpy(whole.data() + (block * data.samples() + first) * sampleBytes,
                output.data.get() + block * data.batchSize() * sampleBytes, samples * sampleBytes);
  if (first + samples == data.samples())
    write(index, whole.data(), whole.size());
}

/// Hands elements of an output to the file, in the type that it has there.
void Evaluator::write(size_t index, const char *elements, uint64_t bytes) {
  const TensorSpec &spec = *evaluation.outputs()[index].spec;
  ElementType written = arrayType(spec.type);
  if (spec.type == written) {
    writer->append(index, elements, bytes);
    return;
  }
  size_t count = bytes / elementSize(spec.type);
  std::vector<char> wide(count * elementSize(written));
  widenElements(spec.type, elements, wide.data(), count);
  writer->append(index, wide.data(), wide.size());
}

void Evaluator::printResults() const {
  std::printf("rows      %llu\n", static_cast<unsigned long long>(data.samples()));
  uint64_t padded = data.samples() % data.batchSize();
  if (evaluation.lossBatches()) {
    double mean = evaluation.meanLoss();
    std::printf("loss      %.6g", std::isnan(mean) ? std::fabs(mean) : mean);
    std::printf(" (mean of %llu batches%s)\n",
                static_cast<unsigned long long>(evaluation.lossBatches()),
                padded ? "; the incomplete last one is left out" : "");
  } else if (evaluation.hasLoss()) {
    note("no loss is printed: the rows do not make one whole batch");
  }
  const std::optional<Accuracy> &accuracy = evaluation.accuracy();
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

/// Puts the moving averages of the parameters in their place.
static void useAverages(const Module &module, Session &session) {
  const std::string prefix = "ampc.ema/", step = "ampc.step";
  size_t count = 0;
  for (size_t i = 0; i < ampc_module_tensor_count(module.get()); ++i) {
    ampc_tensor_info_t info = {};
    info.struct_size = sizeof info;
    check(ampc_module_tensor(module.get(), i, &info), module.path());
    if (info.role != AMPC_TENSOR_ROLE_STATE || std::string(info.name).rfind(prefix, 0) != 0)
      continue;
    TensorSpec spec;
    spec.dtype = info.dtype;
    spec.shape.assign(info.shape, info.shape + info.rank);
    spec.type = *typeOfTensor(info.dtype);
    std::unique_ptr<char[]> data(new char[spec.bytes()]);
    DLTensor tensor = spec.tensorAt(data.get());
    check(ampc_session_get_tensor(session.get(), info.name, &tensor));
    check(ampc_session_set_tensor(session.get(), info.name + prefix.size(), &tensor));
    ++count;
  }
  if (count == 0)
    throw Error(module.path(), "keeps no averages of parameters: compile it with --ema=DECAY");
  int64_t applied = 0;
  TensorSpec number;
  number.dtype = {kDLInt, 64, 1};
  DLTensor tensor = number.tensorAt(&applied);
  check(ampc_session_get_tensor(session.get(), step.c_str(), &tensor));
  if (applied == 0)
    throw Error("ampc-run", "--ema: no update has been applied, so there is no average yet; give "
                            "--checkpoint");
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
  if (options.averages)
    useAverages(module, session);
  return Evaluator(options, module, session, data).run();
}
