//===- Options.cpp - What the commands are asked to do --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"
#include "Error.h"
#include "Flags.h"
#include "RooflineDevices.h"
#include "Schedule.h"

using namespace ampc::run;

namespace {

constexpr const char *dataHelp = "arrays by the names of the module's inputs, a row a\n"
                                 "sample; --data=NAME=F.npy gives one array; repeatable";
constexpr const char *deviceHelp = "where to run; auto: cuda where module and machine\nhave it";

void addDevice(Flags &flags, ampc_device_t &device) {
  flags.addChoice("device", {"auto", "cuda", "host"}, deviceHelp, [&device](size_t index) {
    constexpr ampc_device_t devices[] = {AMPC_DEVICE_AUTO, AMPC_DEVICE_CUDA, AMPC_DEVICE_HOST};
    device = devices[index];
  });
}

void addOrder(Flags &flags, std::optional<BatchOrder> &order) {
  flags.addChoice("batch-order", {"shuffle", "file"}, "order of the rows in an epoch (shuffle)",
                  [&](size_t index) { order = index ? BatchOrder::File : BatchOrder::Shuffle; });
}

/// Parses, and takes the one operand. False where the help was asked for.
bool parseModule(Flags &flags, const std::vector<std::string> &arguments, std::string &module,
                 std::string &help) {
  std::optional<std::vector<std::string>> operands = flags.parse(arguments);
  if (!operands) {
    help = flags.help();
    return false;
  }
  if (operands->empty())
    flags.fail("TRAIN.so is missing");
  if (operands->size() > 1)
    flags.fail("one TRAIN.so is wanted, but " + quoted((*operands)[1]) + " is given too");
  module = operands->front();
  return true;
}

/// Refuses flags of the schedule that would have no effect, and requires those it needs.
void requireSchedule(const Flags &flags, const TrainOptions &options) {
  bool decays = options.schedule && decaysInTime(*options.schedule);
  bool steps = options.schedule == ScheduleKind::Step;
  if (options.decaySteps && !decays)
    flags.fail("--decay-steps needs --lr-schedule=linear, cosine or onecycle");
  if ((options.decayEvery || options.decayFactor) && !steps)
    flags.fail("--decay-every and --decay-factor need --lr-schedule=step");
  if (steps && !options.decayEvery)
    flags.fail("--lr-schedule=step needs --decay-every, after how many steps the rate falls");
}

} // namespace

const char *ampc::run::batchOrderName(BatchOrder order) {
  return order == BatchOrder::Shuffle ? "shuffle" : "file";
}

std::optional<TrainOptions> ampc::run::parseTrain(const std::vector<std::string> &arguments,
                                                  std::string &help) {
  TrainOptions options;
  Flags flags("ampc-run train", "TRAIN.so --data=F.npz", "Trains with a compiled step.");
  flags.addTexts("data", "F.npz", dataHelp, options.data);
  addOrder(flags, options.order);
  flags.addInteger("seed", "of the order and of dropout (0)", 0, options.seed);
  flags.addInteger("epochs", "epochs in all, those before --resume too (1)", 0, options.epochs);
  flags.addInteger("steps",
                   "instead: train until this step, over as many\n"
                   "epochs as it takes",
                   0, options.steps);
  flags.addNumber("lr", "learning rate, instead of the compiled one", options.learningRate);
  flags.addChoice("lr-schedule", {"constant", "linear", "cosine", "step", "onecycle"},
                  "how it changes: falls to 0 at the end of the run\n"
                  "(linear, cosine), or by a factor now and then (step);\n"
                  "rises and falls (onecycle)",
                  [&](size_t index) {
                    constexpr ScheduleKind kinds[] = {ScheduleKind::Constant, ScheduleKind::Linear,
                                                      ScheduleKind::Cosine, ScheduleKind::Step,
                                                      ScheduleKind::OneCycle};
                    options.schedule = kinds[index];
                  });
  flags.addInteger("warmup", "it first rises from 0 over N steps (0)", 0, options.warmup);
  flags.addInteger("decay-steps",
                   "linear, cosine, onecycle: it has fallen after step N,\n"
                   "not at the end of the run",
                   1, options.decaySteps);
  flags.addInteger("decay-every", "step: after how many steps it falls", 1, options.decayEvery);
  flags.addNumber("decay-factor", "step: to which part (0.1)", options.decayFactor);
  flags.addTexts("eval-data", "F.npz",
                 "as --data: evaluate on it in inference mode, after\n"
                 "every epoch",
                 options.evalData);
  flags.addInteger("eval-every", "instead: after every N steps", 1, options.evalEvery);
  flags.addInteger("patience",
                   "end the run when N evaluations in a row have found no\n"
                   "lower loss",
                   1, options.patience);
  addDevice(flags, options.device);
  flags.addText("checkpoint", "F.safetensors",
                "written at the end, and when SIGINT or SIGTERM ends\n"
                "the run after its current step",
                options.checkpoint);
  flags.addInteger("save-every", "and after every N steps", 1, options.saveEvery);
  flags.addInteger("keep",
                   "keep those of the latest N of these, each in a file of\n"
                   "its own, F.step-S.safetensors",
                   1, options.keep);
  flags.addSwitch("keep-best",
                  "keep the checkpoint with the least evaluation loss\n"
                  "too, in F.best.safetensors",
                  options.keepBest);
  flags.addText("resume", "F",
                "go on from this checkpoint, in mid-epoch; auto: from\n"
                "the latest that is whole of those that it has written\n"
                "so far, or begin where there is none",
                options.resume);
  flags.addText("log", "F.jsonl",
                "one JSON object a step; a resumed run appends; no\n"
                "other run may be writing it",
                options.log);
  flags.addText("plot", "F.svg",
                "draw losses, loss scale, skipped steps and learning\n"
                "rate, at the end and whenever a checkpoint is saved;\n"
                "a resumed run goes on with the curves",
                options.plot);
  flags.addChoice("check-finite", {"off", "skip", "every"},
                  "name the tensor with which a step went wrong: of those\n"
                  "that were skipped or ended the run (skip), by making\n"
                  "them again; or look at each step as it is made",
                  [&](size_t index) {
                    constexpr ampc_check_finite_t checks[] = {
                        AMPC_CHECK_FINITE_OFF, AMPC_CHECK_FINITE_SKIP, AMPC_CHECK_FINITE_EVERY};
                    options.checkFinite = checks[index];
                  });
  flags.addText("trace-values", "REGEX",
                "count the binary exponents of these tensors and of\n"
                "their gradients: a table at the end, lines in --log",
                options.traceValues);
  flags.addInteger("trace-every", "in the first step and each Nth from there (100)", 1,
                   options.traceEvery);
  flags.addSwitch("quiet", "no progress", options.quiet);
  flags.addHelp("A step is one attempted update. Progress goes to standard error.\n"
                "exit status: 0 done, 1 an error in a file or on the machine, 2 a wrong\n"
                "command line, 3 training stopped (not finite, or the loss scale fell "
                "too\n"
                "low), 70 a bug of ampc, 130 SIGINT, 143 SIGTERM\n");
  if (!parseModule(flags, arguments, options.module, help))
    return std::nullopt;
  if (options.data.empty())
    flags.fail("--data is missing");
  if (options.epochs && options.steps)
    flags.fail("--epochs and --steps both say when to end; give one");
  if (options.saveEvery && !options.checkpoint)
    flags.fail("--save-every needs --checkpoint, the file to write");
  if (options.keep && !options.saveEvery)
    flags.fail("--keep needs --save-every, after how many steps to save");
  options.resumesLatest = options.resume == "auto";
  if (options.resumesLatest && !options.checkpoint)
    flags.fail("--resume=auto needs --checkpoint, where to look (a file of that name is ./auto)");
  if (options.resumesLatest)
    options.resume.reset();
  if (options.evalEvery && options.evalData.empty())
    flags.fail("--eval-every needs --eval-data, what to evaluate on");
  if (options.patience && options.evalData.empty())
    flags.fail("--patience needs --eval-data, whose loss to watch");
  if (options.keepBest && (options.evalData.empty() || !options.checkpoint))
    flags.fail("--keep-best needs --eval-data and --checkpoint");
  if (options.traceEvery && !options.traceValues)
    flags.fail("--trace-every needs --trace-values, the tensors to look at");
  requireSchedule(flags, options);
  return options;
}

std::optional<EvalOptions> ampc::run::parseEval(const std::vector<std::string> &arguments,
                                                std::string &help) {
  EvalOptions options;
  Flags flags("ampc-run eval", "TRAIN.so --data=F.npz",
              "Runs the forward graph in inference mode over all rows.");
  flags.addTexts("data", "F.npz", dataHelp, options.data);
  flags.addText("checkpoint", "F", "evaluate this state, not the initial one", options.checkpoint);
  flags.addSwitch("ema",
                  "evaluate the moving averages of the parameters that\n"
                  "a module compiled with ampc's flag of this name keeps",
                  options.averages);
  flags.addText("outputs", "OUT.npz",
                "write every graph output: rows concatenated, one\n"
                "value a batch for scalars, bfloat16 as float32",
                options.outputs);
  addDevice(flags, options.device);
  flags.addSwitch("quiet", "no progress", options.quiet);
  flags.addHelp("Labels may be absent. On standard output: the number of rows; the loss, "
                "its\n"
                "mean over the complete batches; and the accuracy where the data has an\n"
                "integer label [batch] and the module a float output [batch, classes]: "
                "the\n"
                "share of rows whose largest element (the first of equals) is at the "
                "label.\n"
                "exit status: 0 done, 1 an error in a file or on the machine, 2 a wrong\n"
                "command line, 70 a bug of ampc, 130 SIGINT, 143 SIGTERM\n");
  if (!parseModule(flags, arguments, options.module, help))
    return std::nullopt;
  if (options.data.empty())
    flags.fail("--data is missing");
  return options;
}

std::optional<CompareOptions> ampc::run::parseCompare(const std::vector<std::string> &arguments,
                                                      std::string &help) {
  CompareOptions options;
  Flags flags("ampc-run compare", "A.so B.so --data=F.npz",
              "Trains two modules of one model side by side and tells how far the values\n"
              "and gradients of B are from those of A, the worst first.");
  flags.addTexts("data", "F.npz", dataHelp, options.data);
  flags.addInteger("steps", "how many (10)", 1, options.steps);
  flags.addInteger("every", "compare values in the first step and each Nth from\nthere (1)", 1,
                   options.every);
  flags.addSwitch("same-state",
                  "B takes A's state before each step, so that errors do\n"
                  "not add up from step to step",
                  options.sameState);
  addOrder(flags, options.order);
  flags.addInteger("seed", "of the order and of dropout (0)", 0, options.seed);
  flags.addNumber("lr", "learning rate of both, instead of the compiled ones",
                  options.learningRate);
  flags.addText("checkpoint", "F", "begin with this state, not the initial one",
                options.checkpoint);
  addDevice(flags, options.device);
  flags.addText("page", "F.html", "write losses and errors as a page", options.page);
  flags.addSwitch("json", "print everything as one JSON object", options.json);
  flags.addSwitch("quiet", "no progress", options.quiet);
  flags.addHelp("Values are matched by their ONNX names. exit status: 0 done, 1 an error in a\n"
                "file or on the machine, 2 a wrong command line, 3 training stopped on one\n"
                "side, 70 a bug of ampc, 130 SIGINT, 143 SIGTERM\n");
  std::optional<std::vector<std::string>> operands = flags.parse(arguments);
  if (!operands) {
    help = flags.help();
    return std::nullopt;
  }
  if (operands->size() != 2)
    flags.fail("two modules are wanted, A.so and B.so; " + std::to_string(operands->size()) +
               (operands->size() == 1 ? " is given" : " are given"));
  options.a = operands->front();
  options.b = operands->back();
  if (options.data.empty())
    flags.fail("--data is missing");
  return options;
}

std::optional<ExportOrtOptions> ampc::run::parseExportOrt(const std::vector<std::string> &arguments,
                                                          std::string &help) {
  ExportOrtOptions options;
  std::optional<std::string> output;
  Flags flags("ampc-run export-ort-checkpoint", "TRAIN.so --output=FILE",
              "Writes the state as a checkpoint of ONNX Runtime's training API (1.19).");
  flags.addText("checkpoint", "F.safetensors", "write this state, not the initial one",
                options.checkpoint);
  flags.addText("output", "FILE", "the checkpoint to write", output);
  flags.addSwitch("weights-only", "without what the optimizer keeps", options.onlyWeights);
  addDevice(flags, options.device);
  flags.addHelp("Goes with a TRAIN.so made of ONNX Runtime's training artifacts, whose models\n"
                "read the checkpoint.\n");
  if (!parseModule(flags, arguments, options.module, help))
    return std::nullopt;
  if (!output)
    flags.fail("--output is missing");
  options.output = *output;
  return options;
}

std::optional<ExportOptions> ampc::run::parseExport(const std::vector<std::string> &arguments,
                                                    std::string &help) {
  ExportOptions options;
  std::optional<std::string> stateDict;
  Flags flags("ampc-run export", "TRAIN.so --state-dict=F.safetensors",
              "Writes the parameters under PyTorch's names, for load_state_dict.");
  flags.addText("checkpoint", "F", "write this state, not the initial one", options.checkpoint);
  flags.addText("state-dict", "F.safetensors", "the file to write", stateDict);
  flags.addSwitch("ema",
                  "write the moving averages of the parameters that a\n"
                  "module compiled with ampc's flag of this name keeps",
                  options.averages);
  addDevice(flags, options.device);
  if (!parseModule(flags, arguments, options.module, help))
    return std::nullopt;
  if (!stateDict)
    flags.fail("--state-dict is missing");
  options.stateDict = *stateDict;
  return options;
}

std::optional<InspectOptions> ampc::run::parseInspect(const std::vector<std::string> &arguments,
                                                      std::string &help) {
  InspectOptions options;
  Flags flags("ampc-run inspect", "TRAIN.so",
              "Tells what a compiled step holds: inputs, outputs, parameters, "
              "precision,\nmemory plan, steps.");
  flags.addChoice(
      "target", {"cuda", "host"}, "whose plan to show (host, where the module has it)",
      [&](size_t index) { options.target = index ? AMPC_DEVICE_HOST : AMPC_DEVICE_CUDA; });
  std::vector<std::string> devices;
  for (const RooflineDevice &device : rooflineDevices())
    devices.push_back(device.name);
  flags.addChoice("roofline", devices,
                  "the plan for CUDA: the least time of each step and of\n"
                  "the whole by the peaks of this GPU; with --json beside\n"
                  "the rest",
                  [&](size_t index) { options.roofline = &rooflineDevices()[index]; });
  flags.addSwitch("json", "as one JSON object", options.json);
  if (!parseModule(flags, arguments, options.module, help))
    return std::nullopt;
  if (options.roofline && options.target == AMPC_DEVICE_HOST)
    flags.fail("--roofline tells of the plan for CUDA, not of --target=host");
  return options;
}
