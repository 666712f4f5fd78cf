//===- Train.cpp - ampc-run train -----------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Api.h"
#include "Commands.h"
#include "DataPosition.h"
#include "DataSet.h"
#include "Error.h"
#include "Files.h"
#include "Interrupt.h"
#include "Progress.h"
#include "Shuffle.h"
#include "StepLog.h"

#include "ampc-files/FileIdentity.h"
#include "ampc-files/FileLock.h"

#include <cstdio>
#include <limits>
#include <memory>

using namespace ampc::run;

namespace {

using Clock = Progress::Clock;

// A session keeps the statistics of 64 steps at least. Reading them waits for
// the step: steps are read late and several at a time, so that a device always
// has some before it.
constexpr int64_t mostUnread = 48, leftUnread = 16;
// Slow steps are read by the clock, and few of them are left.
constexpr std::chrono::milliseconds readInterval(250);
constexpr int64_t leftOfSlow = 2;
constexpr std::chrono::seconds skipNoteInterval(30);

std::string formatValue(float value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.5g", static_cast<double>(value));
  return text;
}

class Trainer {
public:
  Trainer(const TrainOptions &options, Session &session, DataSet &data, DataPosition position);
  /// Trains to the end or a signal. Returns the exit code.
  int run();

private:
  bool isDone() const;
  void step();
  void readSteps(bool all);
  void readStep(const ampc_step_info_t &info);
  void readFailed(ampc_status_t failure, ampc_status_t status, ampc_step_info_t info);
  void noteSkip(const ampc_step_info_t &info);
  void flushLog();
  void savePeriodically();
  ampc_status_t save();
  std::string progressLine(Clock::time_point now) const;
  uint64_t batchesLeft() const;

  const TrainOptions &options;
  Session &session;
  DataSet &data;
  DataPosition position;
  std::vector<uint64_t> order;
  std::optional<uint64_t> orderedEpoch; ///< the one that `order` is of
  std::unique_ptr<StepLog> log;
  std::optional<Error> logFailure;
  Progress progress;

  const int64_t firstStep; ///< before this run
  int64_t readUpTo, savedStep;
  uint64_t batches = 0; ///< fed in this run
  int64_t skipped = 0, notedSkips = 0;
  ampc_step_info_t latest = {};
  Clock::time_point start, lastRead, lastSkipNote;
};

} // namespace

Trainer::Trainer(const TrainOptions &options, Session &session, DataSet &data,
                 DataPosition position)
    : options(options), session(session), data(data), position(position), progress(options.quiet),
      firstStep(session.steps()), readUpTo(firstStep), savedStep(firstStep) {
  if (options.log)
    log = std::make_unique<StepLog>(*options.log,
                                    options.resume ? std::optional(firstStep) : std::nullopt);
}

bool Trainer::isDone() const {
  if (options.steps)
    return session.steps() >= *options.steps;
  return position.epoch >= static_cast<uint64_t>(options.epochs.value_or(1));
}

int Trainer::run() {
  InterruptGuard interrupt;
  if (isDone())
    note("nothing to train: " + std::string(options.resume ? "the checkpoint is" : "the run ends") +
         " at step " + std::to_string(firstStep) + ", after " + std::to_string(position.epoch) +
         " epochs; --epochs and --steps are totals");
  start = lastRead = Clock::now();
  while (!isDone() && !interrupt.signal() && !logFailure) {
    step();
    readSteps(/*all=*/false);
    savePeriodically();
  }
  bool isCut = !isDone();
  readSteps(/*all=*/true);
  if (batches)
    progress.finish(progressLine(Clock::now()));
  if (options.checkpoint)
    check(save(), *options.checkpoint);
  if (logFailure)
    throw *logFailure;
  if (!isCut)
    return ExitDone;
  std::string text = std::string("stopped by ") + signalName(interrupt.signal()) + " after step " +
                     std::to_string(session.steps());
  if (options.checkpoint)
    text += "; --resume=" + printable(*options.checkpoint) + " goes on from there";
  else
    text += "; without --checkpoint nothing was saved";
  note(text);
  return exitCodeOfSignal(interrupt.signal());
}

void Trainer::step() {
  bool shuffles = position.order == BatchOrder::Shuffle;
  if (shuffles && orderedEpoch != position.epoch) {
    order = shuffledOrder(data.samples(), static_cast<uint64_t>(position.seed), position.epoch);
    orderedEpoch = position.epoch;
  }
  const std::vector<ampc_named_tensor_t> &batch =
      data.batch(position.sample, shuffles ? &order : nullptr);
  ampc_status_t status = ampc_session_step(session.get(), batch.data(), batch.size(), nullptr);
  if (!status) {
    ++batches;
    position.advance(data.batchSize());
    return;
  }
  // The steps before the one that failed belong in the log.
  try {
    readSteps(/*all=*/true);
  } catch (const Error &) { // says the same
  }
  progress.leaveLine();
  check(status);
}

void Trainer::readSteps(bool all) {
  Clock::time_point now = Clock::now();
  int64_t enqueued = session.steps();
  int64_t left = 0;
  if (!all) {
    bool isFull = enqueued - readUpTo >= mostUnread;
    if (!isFull && now - lastRead < readInterval)
      return;
    left = session.onHost() ? 0 : isFull ? leftUnread : leftOfSlow;
  }
  lastRead = now;
  ampc_status_t failure = nullptr;
  while (!failure && readUpTo < enqueued - left) {
    ampc_step_info_t info = {};
    info.struct_size = sizeof info;
    auto read = [&] { return ampc_session_get_step_info(session.get(), readUpTo + 1, &info); };
    failure = read();
    if (!failure)
      readStep(info);
    else // an enqueued step reports its failure once
      readFailed(failure, read(), info);
  }
  if (!failure && all)
    failure = ampc_session_synchronize(session.get());
  flushLog();
  if (failure) {
    progress.leaveLine();
    check(failure);
  }
  now = Clock::now();
  if (readUpTo > firstStep && progress.isDue(now))
    progress.show(progressLine(now), now);
}

void Trainer::readStep(const ampc_step_info_t &info) {
  ++readUpTo;
  latest = info;
  if (log)
    log->add(info);
  if (!info.applied)
    noteSkip(info);
}

/// The step that ends the run is the last one in the log, where it has
/// statistics. What it computed from data out of range is no loss.
void Trainer::readFailed(ampc_status_t failure, ampc_status_t status, ampc_step_info_t info) {
  if (ampc_status_code(failure) == AMPC_STATUS_DATA)
    info.loss = info.grad_norm = std::numeric_limits<float>::quiet_NaN();
  if (!status && log)
    log->add(info);
  ampc_status_free(status);
}

void Trainer::noteSkip(const ampc_step_info_t &info) {
  ++skipped;
  Clock::time_point now = Clock::now();
  if (skipped > 1 && now - lastSkipNote < skipNoteInterval)
    return;
  std::string text = "step " + std::to_string(info.step) + " is skipped: ";
  text += info.culprit && *info.culprit
              ? "the gradient of " + quoted(info.culprit) + " is not finite"
              : "a gradient is not finite";
  text += " at loss scale " + formatValue(info.loss_scale) + "; the scale is now " +
          formatValue(info.next_loss_scale);
  if (int64_t unnoted = skipped - notedSkips - 1)
    text += " (" + std::to_string(unnoted) + " more skipped since the last note)";
  progress.note(text);
  lastSkipNote = now;
  notedSkips = skipped;
}

void Trainer::flushLog() {
  if (!log || logFailure)
    return;
  try {
    log->flush();
  } catch (const Error &error) {
    // A full disk must not cost the run its state: it ends in order, and says
    // why.
    logFailure.emplace(error);
  }
}

void Trainer::savePeriodically() {
  int64_t steps = session.steps();
  if (!options.saveEvery || steps % *options.saveEvery || steps == savedStep)
    return;
  readSteps(/*all=*/true);
  savedStep = steps;
  ampc_status_t status = save();
  if (!status)
    return;
  progress.leaveLine();
  // The old file is intact. The disk may have room by the next time; and where
  // the last update left a parameter that is not finite, the next step ends the
  // run, unless it was compiled to go on all the same.
  if (ampc_status_code(status) != AMPC_STATUS_IO &&
      ampc_status_code(status) != AMPC_STATUS_TRAINING_STOPPED)
    check(status, *options.checkpoint);
  note("warning: the checkpoint of step " + std::to_string(steps) +
       " was not saved: " + printable(ampc_status_message(status)) + "; training goes on");
  ampc_status_free(status);
}

/// Writes a checkpoint; all steps have been read, so that the log knows of no
/// less than it does.
ampc_status_t Trainer::save() {
  position.save(session.get());
  return ampc_session_save_checkpoint(session.get(), options.checkpoint->c_str());
}

uint64_t Trainer::batchesLeft() const {
  if (options.steps) {
    int64_t steps = session.steps();
    // As many batches a step as so far.
    double perStep = double(batches) / double(std::max<int64_t>(1, steps - firstStep));
    return static_cast<uint64_t>(double(std::max<int64_t>(0, *options.steps - steps)) * perStep);
  }
  auto epochs = static_cast<uint64_t>(options.epochs.value_or(1));
  if (position.epoch >= epochs)
    return 0;
  uint64_t inEpoch = data.samples() / data.batchSize();
  uint64_t inThis = (data.samples() - position.sample) / data.batchSize();
  return (epochs - position.epoch - 1) * inEpoch + inThis;
}

std::string Trainer::progressLine(Clock::time_point now) const {
  double seconds = std::chrono::duration<double>(now - start).count();
  double perSecond = double(batches) / std::max(seconds, 1e-9);
  uint64_t left = batchesLeft();
  std::string line = "step " + std::to_string(latest.step);
  if (options.steps)
    line += "/" + std::to_string(*options.steps);
  else
    line += "  epoch " + std::to_string(position.epoch + (left ? 1 : 0)) + "/" +
            std::to_string(options.epochs.value_or(1));
  line += "  loss " + formatValue(latest.loss);
  line += "  scale " + formatValue(latest.loss_scale);
  line += "  skipped " + std::to_string(skipped);
  line += "  " + formatRate(perSecond * double(data.batchSize())) + " samples/s";
  line += "  " + (left ? formatDuration(double(left) / perSecond) + " left"
                       : "in " + formatDuration(seconds));
  return line;
}

int ampc::run::runTrain(const TrainOptions &options) {
  std::vector<DataFlag> flags;
  std::vector<std::string> inputs{options.module};
  for (const std::string &text : options.data) {
    flags.push_back(DataFlag::parse(text));
    inputs.push_back(flags.back().path);
  }
  // A long run must not end in a folder that is not there. What it goes on from may be
  // replaced by what it ends with.
  OutputPaths outputs(inputs);
  files::FileLock checkpointLock;
  if (options.checkpoint) {
    outputs.add("--checkpoint", *options.checkpoint, OutputPaths::Kind::File);
    if (!checkpointLock.acquire(*options.checkpoint))
      throw Error(*options.checkpoint, "is being written by another run");
  }
  if (options.log) {
    if (options.resume && files::isSameFile(*options.log, *options.resume))
      throw Error("ampc-run", "--log=" + printable(*options.log) +
                                  " cannot be written: it is also read, as " +
                                  quoted(*options.resume));
    outputs.add("--log", *options.log, OutputPaths::Kind::Stream);
  }

  Module module(options.module);
  if (!module.trains())
    throw Error(options.module, "has no training step: it was compiled with "
                                "--optimizer=none; eval runs it");
  DataSet data(flags, module.inputs(), DataSet::Use::Train);
  for (const std::string &remark : data.notes())
    note(remark);

  Session session(module, options.device, options.seed.value_or(0));
  DataPosition position;
  position.samples = data.samples();
  position.seed = options.seed.value_or(0);
  position.order = options.order.value_or(BatchOrder::Shuffle);
  if (options.resume) {
    int isExact = 0;
    check(ampc_session_load_checkpoint(session.get(), options.resume->c_str(), &isExact),
          *options.resume);
    if (!isExact)
      note(printable(*options.resume) +
           " comes from another build, kind of device or number of threads: the "
           "run goes on, but not bit for bit");
    if (!position.load(session.get(), options))
      note(printable(*options.resume) + " tells no place in the data: the run "
                                        "goes on at the start of an epoch");
    position.settle(data.batchSize());
  }
  if (options.learningRate)
    check(ampc_session_set_learning_rate(session.get(), *options.learningRate));
  return Trainer(options, session, data, position).run();
}
