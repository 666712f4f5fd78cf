//===- Options.cpp - What the commands are asked to do --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"
#include "Error.h"
#include "Flags.h"

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

} // namespace

const char *ampc::run::batchOrderName(BatchOrder order) {
  return order == BatchOrder::Shuffle ? "shuffle" : "file";
}

std::optional<TrainOptions> ampc::run::parseTrain(const std::vector<std::string> &arguments,
                                                  std::string &help) {
  TrainOptions options;
  Flags flags("ampc-run train", "TRAIN.so --data=F.npz", "Trains with a compiled step.");
  flags.addTexts("data", "F.npz", dataHelp, options.data);
  flags.addChoice(
      "batch-order", {"shuffle", "file"}, "order of the rows in an epoch (shuffle)",
      [&](size_t index) { options.order = index ? BatchOrder::File : BatchOrder::Shuffle; });
  flags.addInteger("seed", "of the order and of dropout (0)", 0, options.seed);
  flags.addInteger("epochs", "epochs in all, those before --resume too (1)", 0, options.epochs);
  flags.addInteger("steps",
                   "instead: train until this step, over as many\n"
                   "epochs as it takes",
                   0, options.steps);
  flags.addNumber("lr", "learning rate, instead of the compiled one", options.learningRate);
  addDevice(flags, options.device);
  flags.addText("checkpoint", "F.safetensors",
                "written at the end, and when SIGINT or SIGTERM ends\n"
                "the run after its current step",
                options.checkpoint);
  flags.addInteger("save-every", "and after every N steps", 1, options.saveEvery);
  flags.addText("resume", "F", "go on from this checkpoint, in mid-epoch", options.resume);
  flags.addText("log", "F.jsonl",
                "one JSON object a step; a resumed run appends; no\n"
                "other run may be writing it",
                options.log);
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
  return options;
}

std::optional<EvalOptions> ampc::run::parseEval(const std::vector<std::string> &arguments,
                                                std::string &help) {
  EvalOptions options;
  Flags flags("ampc-run eval", "TRAIN.so --data=F.npz",
              "Runs the forward graph in inference mode over all rows.");
  flags.addTexts("data", "F.npz", dataHelp, options.data);
  flags.addText("checkpoint", "F", "evaluate this state, not the initial one", options.checkpoint);
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

std::optional<InspectOptions> ampc::run::parseInspect(const std::vector<std::string> &arguments,
                                                      std::string &help) {
  InspectOptions options;
  Flags flags("ampc-run inspect", "TRAIN.so",
              "Tells what a compiled step holds: inputs, outputs, parameters, "
              "precision,\nmemory plan, steps.");
  flags.addChoice(
      "target", {"cuda", "host"}, "whose plan to show (host, where the module has it)",
      [&](size_t index) { options.target = index ? AMPC_DEVICE_HOST : AMPC_DEVICE_CUDA; });
  flags.addSwitch("json", "as one JSON object", options.json);
  if (!parseModule(flags, arguments, options.module, help))
    return std::nullopt;
  return options;
}
