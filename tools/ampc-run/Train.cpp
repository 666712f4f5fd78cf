//===- Train.cpp - ampc-run train ---------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Api.h"
#include "Commands.h"
#include "DataSet.h"
#include "Error.h"
#include "Files.h"
#include "Metadata.h"
#include "Progress.h"
#include "Schedule.h"
#include "StepCheckpoints.h"
#include "Trainer.h"
#include "Validation.h"

#include "ampc-files/FileIdentity.h"
#include "ampc-files/FileLock.h"

#include <limits>
#include <optional>
#include <unistd.h>

using namespace ampc::run;

namespace {

/// The step that the run ends with.
int64_t endOf(const TrainOptions &options, const DataSet &data, const DataPosition &position) {
  int64_t most = std::numeric_limits<int64_t>::max(), batches = 0;
  if (options.steps)
    return *options.steps;
  auto inEpoch = int64_t(data.samples() / data.batchSize());
  bool overflows = __builtin_mul_overflow(options.epochs.value_or(1), inEpoch, &batches);
  return (overflows ? most : batches) / int64_t(position.microBatches);
}

/// Gives the session the learning rate and the schedule that the flags say; else it keeps what the
/// checkpoint has brought.
void chooseSchedule(const TrainOptions &options, Session &session, const DataSet &data,
                    const DataPosition &position) {
  std::optional<Schedule> old;
  Metadata metadata(session.get(), options.resume.value_or(""));
  if (options.resume && metadata.has(kScheduleKey)) {
    old = Schedule::parse(metadata.text(kScheduleKey));
    if (!old)
      metadata.fail(kScheduleKey, ", no schedule as ampc-run writes it");
  }
  if (!options.hasSchedule()) {
    // A learning rate that is given alone holds from here on.
    if (options.learningRate)
      check(ampc_session_set_learning_rate(session.get(), *options.learningRate));
    else if (old && decaysInTime(old->kind) && old->last < endOf(options, data, position))
      note("the learning rate of " + printable(*options.resume) + " has fallen to " +
           (old->kind == ScheduleKind::OneCycle ? "its last" : "0") + " by step " +
           std::to_string(old->last) + ", before the run ends; --lr-schedule begins another one");
    return;
  }
  Schedule schedule;
  schedule.kind = options.schedule.value_or(ScheduleKind::Constant);
  schedule.base = options.learningRate ? *options.learningRate
                  : old                ? old->base
                                       : session.learningRate();
  schedule.warmup = options.warmup.value_or(0);
  schedule.every = options.decayEvery.value_or(0);
  schedule.factor = options.decayFactor.value_or(0.1f);
  if (decaysInTime(schedule.kind))
    schedule.last = options.decaySteps ? *options.decaySteps : endOf(options, data, position);
  if (decaysInTime(schedule.kind) && schedule.last <= schedule.warmup && schedule.last > 0)
    throw Error("ampc-run", "--warmup=" + std::to_string(schedule.warmup) + " leaves no step of " +
                                std::to_string(schedule.last) +
                                " for --lr-schedule=" + scheduleName(schedule.kind) +
                                ": train longer, or warm up in fewer steps");
  ampc_schedule_t given = {sizeof given,   ampc_schedule_kind_t(schedule.kind),
                           schedule.base,  schedule.warmup,
                           schedule.last,  schedule.every,
                           schedule.factor};
  check(ampc_session_set_schedule(session.get(), &given));
}

/// Loads the latest checkpoint that is whole, and leaves its path in `options`. Nothing where there
/// is none.
std::optional<bool> resumeLatest(Session &session, TrainOptions &options) {
  std::vector<std::string> found = StepCheckpoints(*options.checkpoint).latestFirst();
  for (const std::string &path : found) {
    int isExact = 0;
    ampc_status_t status = ampc_session_load_checkpoint(session.get(), path.c_str(), &isExact);
    if (!status) {
      options.resume = path;
      note("--resume=auto: goes on from " + printable(path) + ", after step " +
           std::to_string(session.steps()));
      return isExact != 0;
    }
    ampc_status_code_t code = ampc_status_code(status);
    if (code != AMPC_STATUS_CORRUPT && code != AMPC_STATUS_IO)
      check(status, path);
    note("warning: --resume=auto: " + printable(ampc_status_message(status)));
    ampc_status_free(status);
  }
  if (!found.empty())
    throw Error(*options.checkpoint, "none of " + std::to_string(found.size()) +
                                         " checkpoints can be read; remove them to begin again");
  note("--resume=auto: there is no checkpoint " + printable(*options.checkpoint) +
       " yet: the run begins");
  return std::nullopt;
}

/// Loads the checkpoint that the run goes on from: whether it does so bit for bit; nothing where it
/// begins.
std::optional<bool> resume(Session &session, TrainOptions &options) {
  if (options.resumesLatest)
    return resumeLatest(session, options);
  if (!options.resume)
    return std::nullopt;
  int isExact = 0;
  check(ampc_session_load_checkpoint(session.get(), options.resume->c_str(), &isExact),
        *options.resume);
  return isExact != 0;
}

/// What --keep left of another run than the one that goes on must not be replaced unseen.
void checkKept(const TrainOptions &options, int64_t step) {
  if (!options.keep)
    return;
  std::vector<int64_t> steps = StepCheckpoints(*options.checkpoint).steps();
  if (steps.empty() || steps.back() <= step)
    return;
  std::string latest = printable(StepCheckpoints(*options.checkpoint).pathOf(steps.back()));
  if (!options.resume)
    throw Error(*options.checkpoint, "has checkpoints of an earlier run beside it, up to " +
                                         latest + "; go on with --resume=auto, or remove them");
  note("checkpoints of later steps, up to " + latest +
       ", are removed when the run has saved its next one");
}

/// The flags of one kind of data, whose files go to `inputs` too.
std::vector<DataFlag> parseData(const std::vector<std::string> &texts,
                                std::vector<std::string> &inputs) {
  std::vector<DataFlag> flags;
  for (const std::string &text : texts) {
    flags.push_back(DataFlag::parse(text));
    inputs.push_back(flags.back().path);
  }
  return flags;
}

} // namespace

int ampc::run::runTrain(const TrainOptions &given) {
  TrainOptions options = given;
  std::vector<std::string> inputs{options.module};
  std::vector<DataFlag> flags = parseData(options.data, inputs);
  std::vector<DataFlag> evalFlags = parseData(options.evalData, inputs);
  // A long run must not end in a folder that is not there. What it goes on from may be
  // replaced by what it ends with.
  OutputPaths outputs(inputs);
  files::FileLock checkpointLock;
  if (options.checkpoint) {
    outputs.add("--checkpoint", *options.checkpoint, OutputPaths::Kind::File);
    if (options.keepBest)
      outputs.add("--keep-best", bestPathOf(*options.checkpoint), OutputPaths::Kind::File);
    if (!checkpointLock.acquire(*options.checkpoint))
      throw Error(*options.checkpoint, "is being written by another run");
  }
  auto addOutput = [&](const char *flag, const std::optional<std::string> &file,
                       OutputPaths::Kind kind) {
    if (!file)
      return;
    if (options.resume && files::isSameFile(*file, *options.resume))
      throw Error("ampc-run", std::string(flag) + "=" + printable(*file) +
                                  " cannot be written: it is also read, as " +
                                  quoted(*options.resume));
    outputs.add(flag, *file, kind);
  };
  addOutput("--log", options.log, OutputPaths::Kind::Stream);
  addOutput("--plot", options.plot, OutputPaths::Kind::File);

  Module module(options.module);
  if (!module.trains())
    throw Error(options.module, "has no training step: it was compiled with "
                                "--optimizer=none; eval runs it");
  DataSet data(flags, module.inputs(), DataSet::Use::Train);
  for (const std::string &remark : data.notes())
    note(remark);
  std::optional<DataSet> evalData;
  if (!evalFlags.empty()) {
    evalData.emplace(evalFlags, module.inputs(), DataSet::Use::Validate);
    for (const std::string &remark : evalData->notes())
      note(remark);
  }

  Session session(module, options.device, options.seed.value_or(0), options.checkFinite);
  std::optional<Validation> validation;
  if (evalData)
    validation.emplace(options, module, session, *evalData);
  DataPosition position;
  position.samples = data.samples();
  position.batch = data.batchSize();
  position.microBatches = uint64_t(module.microBatches());
  position.seed = options.seed.value_or(0);
  position.order = options.order.value_or(BatchOrder::Shuffle);
  if (std::optional<bool> isExact = resume(session, options)) {
    if (!*isExact)
      note(printable(*options.resume) +
           " comes from another build, kind of device or number of threads: the "
           "run goes on, but not bit for bit");
    if (!position.load(session.get(), options))
      note(printable(*options.resume) + " tells no place in the data: the run "
                                        "goes on at the start of an epoch");
    position.settle(data.batchSize());
    if (validation && !validation->load(*options.resume))
      note(printable(*options.resume) + " tells of no evaluation on these data: the least loss "
                                        "is the least from here on");
    if (options.keepBest && validation->best() &&
        ::access(bestPathOf(*options.checkpoint).c_str(), F_OK) != 0)
      note(printable(bestPathOf(*options.checkpoint)) +
           " is not there: it is written when an "
           "evaluation is better than that of step " +
           std::to_string(validation->best()->step));
  }
  checkKept(options, session.steps());
  chooseSchedule(options, session, data, position);
  return Trainer(options, session, data, position, validation ? &*validation : nullptr).run();
}
