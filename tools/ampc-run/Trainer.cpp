//===- Trainer.cpp - The steps of a run ---------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Trainer.h"
#include "Files.h"
#include "Plot.h"
#include "Shuffle.h"
#include "StepCheckpoints.h"

#include <algorithm>
#include <cstdio>
#include <limits>

using namespace ampc::run;

namespace {

// A session keeps the statistics of 64 steps at least. Reading them waits for
// the step: steps are read late and several at a time, so that a device always
// has some before it.
constexpr int64_t mostUnread = 48, leftUnread = 16;
// Slow steps are read by the clock, and few of them are left.
constexpr std::chrono::milliseconds readInterval(250);
constexpr int64_t leftOfSlow = 2;
constexpr std::chrono::seconds skipNoteInterval(30);
/// On CUDA a skip is seen when later steps have been made, and its cause is lost. Skips come one
/// after the other, at the start of a run most of all: so many steps are then waited for.
constexpr int64_t watchedSteps = 16;

std::string formatValue(float value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.5g", static_cast<double>(value));
  return text;
}

} // namespace

Trainer::Trainer(const TrainOptions &options, Session &session, DataSet &data,
                 DataPosition position, Validation *validation)
    : options(options), session(session), data(data), position(position), validation(validation),
      progress(options.quiet), firstStep(session.steps()), readUpTo(firstStep),
      savedStep(firstStep), watchedUpTo(firstStep + watchedSteps) {
  if (options.plot) {
    std::optional<Curve> before;
    if (options.resume)
      before = readPlot(*options.plot, firstStep);
    curve = before ? std::make_unique<Curve>(std::move(*before)) : std::make_unique<Curve>();
  }
  if (options.traceValues)
    trace = std::make_unique<ValueTrace>(*options.traceValues, options.traceEvery.value_or(100));
  if (options.log)
    log = std::make_unique<StepLog>(*options.log,
                                    options.resume ? std::optional(firstStep) : std::nullopt);
}

bool Trainer::isDone() const {
  if (validation && validation->hasStalled())
    return true;
  if (options.steps)
    return session.steps() >= *options.steps;
  return position.epoch >= static_cast<uint64_t>(options.epochs.value_or(1));
}

/// Trains until it is done, a signal comes or the log fails.
void Trainer::train(const InterruptGuard &interrupt) {
  evaluateIfDue(interrupt); // where a signal kept the run before from it
  while (!isDone() && !interrupt.signal() && !logFailure) {
    step();
    readSteps(/*all=*/false);
    evaluateIfDue(interrupt);
    savePeriodically();
  }
  readSteps(/*all=*/true);
}

int Trainer::run() {
  InterruptGuard interrupt;
  if (validation && validation->hasStalled())
    note("nothing to train: " + stallText() + "; a larger --patience goes on");
  else if (isDone())
    note("nothing to train: " + std::string(options.resume ? "the checkpoint is" : "the run ends") +
         " at step " + std::to_string(firstStep) + ", after " + std::to_string(position.epoch) +
         " epochs; --epochs and --steps are totals");
  start = lastRead = Clock::now();
  try {
    train(interrupt);
  } catch (const Error &) {
    // How it came to this is what one wants to see.
    showTrace();
    try {
      draw();
    } catch (const Error &) { // the first one is told
    }
    throw;
  }
  bool isCut = !isDone();
  if (batches && validation && validation->hasStalled())
    progress.note("the run ends after step " + std::to_string(session.steps()) + ": " +
                  stallText());
  if (batches)
    progress.finish(progressLine(Clock::now()));
  if (evaluations && validation->best())
    progress.note(
        "the least evaluation loss, " + formatValue(float(validation->best()->loss)) +
        ", is that after step " + std::to_string(validation->best()->step) +
        (options.keepBest ? "; kept in " + printable(bestPathOf(*options.checkpoint)) : ""));
  if (int64_t given = session.microBatch(); given && batches && !isCut)
    note("the run ends with " + std::to_string(given) + " of the " +
         std::to_string(position.microBatches) + " micro-batches of step " +
         std::to_string(session.steps() + 1) +
         (options.checkpoint ? "; the checkpoint keeps them for a run that goes on" : ""));
  if (options.checkpoint)
    check(save(*options.checkpoint), *options.checkpoint);
  draw();
  showTrace();
  if (logFailure)
    throw *logFailure;
  if (!isCut) {
    if (validation && batches && !validation->latest())
      note("nothing was evaluated: " +
           (options.evalEvery
                ? "the run ends before a multiple of --eval-every=" +
                      std::to_string(*options.evalEvery)
                : "no epoch ends in the run; --eval-every=N evaluates after every N steps"));
    return ExitDone;
  }
  std::string text = std::string("stopped by ") + signalName(interrupt.signal()) + " after step " +
                     std::to_string(session.steps());
  if (int64_t given = session.microBatch())
    text += " and " + std::to_string(given) + " of " + std::to_string(position.microBatches) +
            " micro-batches of the next";
  if (options.checkpoint)
    text += "; --resume=" + printable(*options.checkpoint) + " goes on from there";
  else
    text += "; without --checkpoint nothing was saved";
  note(text);
  return exitCodeOfSignal(interrupt.signal());
}

std::string Trainer::stallText() const {
  return "the last " + std::to_string(*options.patience) + " evaluations found no " +
         (validation->best()
              ? "loss below that after step " + std::to_string(validation->best()->step)
              : "finite loss");
}

void Trainer::step() {
  bool shuffles = position.order == BatchOrder::Shuffle;
  if (shuffles && orderedEpoch != position.epoch) {
    order = shuffledOrder(data.samples(), static_cast<uint64_t>(position.seed), position.epoch);
    orderedEpoch = position.epoch;
  }
  const std::vector<ampc_named_tensor_t> &batch =
      data.batch(position.sample, shuffles ? &order : nullptr);
  ampc_status_t status = makeStep(batch);
  if (!status) {
    ++batches;
    position.advance(data.batchSize());
    return;
  }
  // The steps before the one that failed belong in the log, and so does it.
  isEnding = true;
  try {
    readSteps(/*all=*/true);
  } catch (const Error &) { // says the same
  }
  progress.leaveLine();
  check(status);
}

ampc_status_t Trainer::makeStep(const std::vector<ampc_named_tensor_t> &batch) {
  const int64_t number = session.steps() + 1;
  ampc_step_info_t info = {};
  info.struct_size = sizeof info;
  if (!trace || !trace->isDue(number)) {
    bool waits =
        options.checkFinite == AMPC_CHECK_FINITE_SKIP && !session.onHost() && number <= watchedUpTo;
    return ampc_session_step(session.get(), batch.data(), batch.size(), waits ? &info : nullptr);
  }
  ampc_status_t status = ampc_session_step_visited(session.get(), batch.data(), batch.size(), &info,
                                                   ValueTrace::visit, trace.get());
  bool isMade = session.steps() == number;
  if (!isMade) // or it waits for more micro-batches
    return status;
  std::string line = trace->endStep(number, info.loss_scale);
  if (status || !log)
    return status;
  readSteps(/*all=*/true); // the step's own line comes first
  log->addLine(line);
  return nullptr;
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
  if (curve)
    curve->add(info);
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
  if (!status && curve)
    curve->add(info);
  ampc_status_free(status);
}

void Trainer::noteSkip(const ampc_step_info_t &info) {
  ++skipped;
  watchedUpTo = session.steps() + watchedSteps;
  if (isEnding) // the error says it
    return;
  Clock::time_point now = Clock::now();
  if (skipped > 1 && now - lastSkipNote < skipNoteInterval)
    return;
  std::string text = "step " + std::to_string(info.step) + " is skipped: ";
  if (info.bad_micro_batch)
    text += "in micro-batch " + std::to_string(info.bad_micro_batch) + " of " +
            std::to_string(info.micro_batches) + " ";
  bool isForward = info.failure == AMPC_FAILURE_FORWARD;
  if (isForward)
    text += "the loss";
  else if (info.culprit && *info.culprit)
    text += "the gradient of " + quoted(info.culprit);
  else
    text += "a gradient";
  text += " is not finite";
  if (!isForward)
    text += " at loss scale " + formatValue(info.loss_scale);
  if (info.bad_text && *info.bad_text)
    text += "; first " + printable(info.bad_text);
  text += isForward ? "; the scale stays " : "; the scale is now ";
  text += formatValue(info.next_loss_scale);
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

void Trainer::evaluateIfDue(const InterruptGuard &interrupt) {
  if (!validation || !validation->isDue(position))
    return;
  readSteps(/*all=*/true);
  std::optional<EvalRecord> record = evaluate(interrupt);
  if (!record)
    return; // a resumed run makes up for it
  if (log)
    log->add(*record);
  if (curve)
    curve->add(*record);
  flushLog();
  keepIfBest(*record);
}

std::optional<EvalRecord> Trainer::evaluate(const InterruptGuard &interrupt) {
  Clock::time_point begin = Clock::now();
  std::optional<EvalRecord> record;
  try {
    record = validation->run(interrupt);
  } catch (const Error &) {
    // What the data to evaluate are like must not cost the run its state.
    progress.leaveLine();
    if (options.checkpoint)
      isSaved(save(*options.checkpoint), *options.checkpoint, "checkpoint");
    throw;
  }
  evaluating += Clock::now() - begin;
  ++evaluations;
  return record;
}

void Trainer::keepIfBest(const EvalRecord &record) {
  if (!validation->isBetter(record))
    return;
  std::optional<EvalRecord> before = validation->best();
  validation->setBest(record);
  if (!options.keepBest)
    return;
  std::string path = bestPathOf(*options.checkpoint);
  if (!isSaved(save(path), path, "best checkpoint"))
    validation->setBest(before);
}

void Trainer::savePeriodically() {
  int64_t steps = session.steps();
  if (!options.saveEvery || steps % *options.saveEvery || steps == savedStep)
    return;
  readSteps(/*all=*/true);
  savedStep = steps;
  StepCheckpoints kept(*options.checkpoint);
  std::string path = options.keep ? kept.pathOf(steps) : *options.checkpoint;
  if (isSaved(save(path), path, "checkpoint") && options.keep)
    if (std::string problem = kept.prune(steps, *options.keep); !problem.empty()) {
      progress.leaveLine();
      note("warning: an old checkpoint cannot be removed: " + problem);
    }
  try {
    draw();
  } catch (const Error &error) {
    progress.leaveLine();
    note("warning: the plot of step " + std::to_string(steps) + " was not drawn: " + error.subject +
         " " + error.what() + "; training goes on");
  }
}

/// Takes the status of a save in the run; false, with a note, where it failed. The old file is
/// intact. The disk may have room by the next time; and where the last update left a parameter
/// that is not finite, the next step ends the run, unless it was compiled to go on all the same.
bool Trainer::isSaved(ampc_status_t status, const std::string &path, const std::string &what) {
  if (!status)
    return true;
  progress.leaveLine();
  if (ampc_status_code(status) != AMPC_STATUS_IO &&
      ampc_status_code(status) != AMPC_STATUS_TRAINING_STOPPED)
    check(status, path);
  note("warning: the " + what + " of step " + std::to_string(session.steps()) +
       " was not saved: " + printable(ampc_status_message(status)) + "; training goes on");
  ampc_status_free(status);
  return false;
}

/// Writes a checkpoint; all steps have been read, so that the log knows of no
/// less than it does.
ampc_status_t Trainer::save(const std::string &path) {
  position.save(session.get());
  if (validation)
    validation->save();
  return ampc_session_save_checkpoint(session.get(), path.c_str());
}

void Trainer::showTrace() const {
  if (!trace)
    return;
  std::string text = trace->table();
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Trainer::draw() {
  if (!curve || curve->isEmpty())
    return;
  std::string module = options.module.substr(options.module.rfind('/') + 1);
  writePlot(*options.plot, *curve, printable(module));
}

uint64_t Trainer::batchesLeft() const {
  if (options.steps) {
    int64_t steps = session.steps();
    uint64_t left = uint64_t(std::max<int64_t>(0, *options.steps - steps)) * position.microBatches;
    return left - std::min(left, uint64_t(session.microBatch()));
  }
  auto epochs = static_cast<uint64_t>(options.epochs.value_or(1));
  if (position.epoch >= epochs)
    return 0;
  uint64_t inEpoch = data.samples() / data.batchSize();
  uint64_t inThis = (data.samples() - position.sample) / data.batchSize();
  return (epochs - position.epoch - 1) * inEpoch + inThis;
}

ProgressLine Trainer::progressLine(Clock::time_point now) const {
  using Seconds = std::chrono::duration<double>;
  double whole = Seconds(now - start).count();
  double training = Seconds(now - start - evaluating).count();
  double perSecond = double(batches) / std::max(training, 1e-9);
  uint64_t left = batchesLeft();
  // Evaluations come as often as so far.
  double secondsLeft = double(left) / perSecond * whole / std::max(training, 1e-9);
  auto epochs = std::to_string(options.epochs.value_or(1));
  ProgressLine line;
  line.push_back({"step " + std::to_string(latest.step)});
  if (options.steps)
    line.back().text += "/" + std::to_string(*options.steps);
  else
    line.push_back({"epoch " + std::to_string(position.epoch + (left ? 1 : 0)) + "/" + epochs, 1});
  line.push_back({"loss " + formatValue(latest.loss)});
  if (validation && validation->latest()) {
    const EvalRecord &record = *validation->latest();
    line.push_back({"eval " + formatValue(float(record.loss)), 1});
    char text[32];
    if (record.accuracy)
      std::snprintf(text, sizeof text, " (%.2f %%)", 100 * *record.accuracy);
    line.back().text += record.accuracy ? text : "";
  }
  line.push_back({"scale " + formatValue(latest.loss_scale), 3});
  line.push_back({"skipped " + std::to_string(skipped), skipped ? 2 : 3});
  line.push_back({formatRate(perSecond * double(data.batchSize())) + " samples/s", 1});
  line.push_back({left ? formatDuration(secondsLeft) + " left" : "in " + formatDuration(whole)});
  return line;
}
