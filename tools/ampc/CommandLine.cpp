//===- CommandLine.cpp - The command line of ampc -------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CommandLine.h"
#include "ReadArray.h"
#include "ampc-runtime/accumulation.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Support/RegexCheck.h"
#include "ampc/Support/Settings.h"
#include "ampc/Training/Optimizers.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/Timing.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <functional>

namespace cl = llvm::cl;
using llvm::StringRef;

namespace ampc {
namespace {

/// All flags, in the groups of the help page. An instance lives while they are parsed.
struct Flags {
  /// `settings` are the flags of the optimizers, which are `names`.
  Flags(std::vector<OptimizerFlag> settings, llvm::ArrayRef<StringRef> names);

  cl::OptionCategory main{"Options"}, training{"Training"}, shapes{"Shapes"},
      precision{"Mixed precision"}, target{"Target"}, inspect{"Inspection"}, suggest{"Suggestions"};

  using Text = cl::opt<std::string>;
  using Number = cl::opt<double>;

  cl::list<std::string> positionals{cl::Positional, cl::cat(main),
                                    cl::desc("MODEL.onnx | diff-policy A B MODEL.onnx | "
                                             "suggest MODEL.onnx --data=F.npz")};
  Text output{"o",
              cl::desc("the train.so, or with --emit the text, to write; with --report "
                       "it appears whole or not at all"),
              cl::value_desc("file"), cl::cat(main)};

  Text loss{"loss", cl::init("auto"), cl::cat(training),
            cl::desc("auto, cross_entropy, nll, mse, l1, bce, bce_with_logits, kl_div, huber, "
                     "smooth_l1, hinge, output:NAME or none")};
  cl::opt<int64_t> classAxis{"class-axis", cl::init(1), cl::cat(training),
                             cl::desc("axis of the classes, for cross_entropy and nll; -1 is "
                                      "the last")};
  cl::opt<int64_t> ignoreIndex{"ignore-index", cl::init(-100), cl::cat(training),
                               cl::desc("label that --loss=cross_entropy and nll do not count")};
  Number labelSmoothing{"label-smoothing", cl::init(0), cl::cat(training),
                        cl::desc("share of a label that --loss=cross_entropy spreads over all "
                                 "classes")};
  Text classWeights{"class-weights", cl::cat(training), cl::value_desc("w,w,.."),
                    cl::desc("weight of each class, for cross_entropy and nll")};
  cl::opt<bool> softLabels{"soft-labels", cl::cat(training),
                           cl::desc("the target of --loss=cross_entropy holds a probability of "
                                    "each class")};
  cl::opt<bool> fromProbabilities{"from-probabilities", cl::cat(training),
                                  cl::desc("the output that cross_entropy or nll takes holds "
                                           "probabilities, as behind a softmax")};
  Number huberDelta{"huber-delta", cl::init(1), cl::cat(training),
                    cl::desc("distance from which --loss=huber is linear")};
  Number smoothL1Beta{"smooth-l1-beta", cl::init(1), cl::cat(training),
                      cl::desc("distance from which --loss=smooth_l1 is linear")};
  std::string optimizerHelp;
  Text optimizer{"optimizer", cl::init("auto"), cl::cat(training)};
  std::vector<OptimizerFlag> settings;
  std::vector<std::unique_ptr<Number>> numbers; ///< settings, by name
  std::vector<std::unique_ptr<cl::opt<bool>>> switches;
  cl::list<std::string> groups{"group", cl::cat(training), cl::value_desc("regex:name=x,.."),
                               cl::desc("settings of the optimizer for the parameters whose names "
                                        "match; the first that matches holds")};
  Number clipNorm{"clip-grad-norm", cl::desc("largest 2-norm of all gradients together"),
                  cl::cat(training)};
  Number clipValue{"clip-grad-value", cl::desc("largest magnitude of a gradient's element"),
                   cl::cat(training)};
  Number ema{"ema", cl::init(0), cl::cat(training),
             cl::desc("keep a moving average of each parameter, with this decay")};
  Text onnxDtype{"onnx-dtype", cl::init("f32"), cl::cat(inspect),
                 cl::desc("with --emit=onnx: the type that trained f32 weights have in the file: "
                          "f32, f16 or bf16, cast back where they are read")};
  cl::opt<bool> emaWeights{"ema-weights", cl::cat(inspect),
                           cl::desc("with --emit=onnx: the moving averages of the parameters")};
  cl::opt<int64_t> accumulate{"accumulate", cl::desc("micro-batches in a step"), cl::init(1),
                              cl::cat(training)};
  Text accumulateBy{"accumulate-by", cl::init("auto"), cl::cat(training),
                    cl::desc("gradients of the micro-batches: their mean, their sum, or auto, as "
                             "the loss is a mean or a sum over the samples")};
  Text train{"train", cl::desc("initializers to train"), cl::value_desc("regex"),
             cl::cat(training)};
  Text freeze{"freeze", cl::desc("initializers not to train"), cl::value_desc("regex"),
              cl::cat(training)};
  cl::opt<bool> allowLost{"allow-lost-parameters", cl::cat(training),
                          cl::desc("train what is left where the exporter folded parameters")};
  Text trainMode{"train-mode", cl::init("auto"), cl::cat(training),
                 cl::desc("dropout and normalization in training form: auto, on or off")};
  cl::opt<int64_t> trainingInfo{"training-info", cl::init(-1), cl::cat(training),
                                cl::desc("which entry of the model's training_info")};
  Text optimizerModel{"optimizer-model", cl::desc("ONNX Runtime's optimizer_model.onnx"),
                      cl::value_desc("file"), cl::cat(training)};
  Text ortCheckpoint{"ort-checkpoint", cl::desc("ONNX Runtime's checkpoint"),
                     cl::value_desc("file"), cl::cat(training)};
  Text evalModel{"eval-model", cl::desc("ONNX Runtime's eval_model.onnx"), cl::value_desc("file"),
                 cl::cat(training)};
  cl::list<std::string> updates{"update", cl::cat(training), cl::value_desc("input=output"),
                                cl::desc("an input that is state, and the output that is its next "
                                         "value")};

  cl::opt<int64_t> batch{"batch", cl::init(0), cl::cat(shapes),
                         cl::desc("size of the inputs' symbolic leading dimension")};
  Text batchDim{"batch-dim", cl::cat(shapes), cl::value_desc("name"),
                cl::desc("symbol of the dimension that --batch is the size of, where that is not "
                         "the leading one")};
  cl::list<std::string> dims{"dim", cl::desc("size of another symbolic dimension"),
                             cl::value_desc("name=n"), cl::cat(shapes)};
  cl::list<std::string> bindings{"bind", cl::cat(shapes), cl::value_desc("name=value|file.npy"),
                                 cl::desc("value of an input that is fixed at compile time")};
  cl::list<std::string> sequences{"sequence", cl::cat(shapes), cl::value_desc("name=shape,.."),
                                  cl::desc("shapes of the tensors of an input that is a sequence")};

  Text amp{"amp", cl::init("O1"), cl::cat(precision),
           cl::desc("O0 as written, O1 lists, O2 low-precision model, O3 all low but norms")};
  Text dtype{"amp-dtype", cl::init("f16"), cl::desc("f16 or bf16"), cl::cat(precision)};
  Text lists{"amp-lists", cl::init("balanced"), cl::cat(precision),
             cl::desc("balanced, pytorch or a JSON file")};
  cl::list<std::string> allow{"amp-allow", cl::CommaSeparated, cl::cat(precision),
                              cl::desc("operators to compute in the low type"),
                              cl::value_desc("op,..")};
  cl::list<std::string> deny{"amp-deny", cl::CommaSeparated, cl::cat(precision),
                             cl::desc("operators to compute in f32"), cl::value_desc("op,..")};
  Text keepF32{"amp-keep-fp32", cl::desc("nodes to compute in f32"), cl::value_desc("regex"),
               cl::cat(precision)};
  Text lossScale{"loss-scale", cl::cat(precision),
                 cl::desc("dynamic (default where f16 is computed), none or a number")};
  Number scaleInit{"loss-scale-init", cl::init(65536), cl::desc("where the scale starts"),
                   cl::cat(precision)};
  Number scaleGrowth{"loss-scale-growth", cl::init(2), cl::desc("factor when it grows"),
                     cl::cat(precision)};
  Number scaleBackoff{"loss-scale-backoff", cl::init(0.5), cl::cat(precision),
                      cl::desc("factor after an overflow")};
  cl::opt<int64_t> scaleInterval{"loss-scale-interval", cl::init(2000), cl::cat(precision),
                                 cl::desc("good steps before it grows")};
  Number scaleMin{"loss-scale-min", cl::init(std::ldexp(1.0, -14)), cl::cat(precision),
                  cl::desc("the run ends below it; 0 turns that off")};
  Text checkFinite{"check-finite", cl::init("on"), cl::cat(precision),
                   cl::desc("without loss scaling, a loss or gradient that is not finite ends "
                            "the run: on or off")};

  cl::list<std::string> targets{"target", cl::CommaSeparated, cl::cat(target),
                                cl::desc("cuda,host"), cl::value_desc("t,..")};
  Text hostCpu{"host-cpu", cl::init("native"), cl::cat(target),
               cl::desc("processor of the host code: native, x86-64-v2, x86-64-v3 or x86-64-v4")};
  cl::list<std::string> archs{"cuda-arch", cl::CommaSeparated, cl::cat(target),
                              cl::desc("architectures to make cubins for: sm_80,sm_90"),
                              cl::value_desc("sm_x,..")};
  cl::list<std::string> toolkit{"cuda-path", cl::cat(target), cl::value_desc("dir"),
                                cl::desc("where ptxas and libdevice are, before the usual places")};
  cl::opt<bool> deterministic{"deterministic", cl::cat(target),
                              cl::desc("equal runs give equal bits")};
  cl::opt<uint64_t> memoryLimit{"memory-limit", cl::init(0), cl::value_desc("bytes"),
                                cl::desc("most bytes a device may need"), cl::cat(target)};

  Text emit{"emit", cl::init("so"), cl::cat(inspect),
            cl::desc("amp, train, kernels, plan, gpu, ptx, onnx or so")};
  Text checkpoint{"checkpoint", cl::desc("weights for --emit=onnx"), cl::value_desc("file"),
                  cl::cat(inspect)};
  Text dumpIr{"dump-ir", cl::desc("write the IR of every stage"), cl::value_desc("dir"),
              cl::cat(inspect)};
  Text report{"report", cl::desc("write what was decided, as JSON or as a page (F.html)"),
              cl::value_desc("file"), cl::cat(inspect)};
  Text explain{"explain",
               cl::ValueOptional,
               cl::init("\x01"),
               cl::value_desc("node-regex"),
               cl::desc("print what each node computes in, and why"),
               cl::cat(inspect)};
  cl::opt<bool> listOps{"list-ops", cl::desc("list the ONNX operators that are known"),
                        cl::cat(inspect)};

  cl::list<std::string> data{"data", cl::cat(suggest), cl::value_desc("F.npz"),
                             cl::desc("what to train with, as ampc-run takes it; repeatable")};
  Number targetError{"target-error", cl::cat(suggest),
                     cl::desc("how far loss and gradients may be from f32 (16 roundoffs of the "
                              "low type)")};
  cl::opt<int64_t> batches{"batches", cl::init(5), cl::cat(suggest),
                           cl::desc("how many batches decide")};
  cl::opt<int64_t> compilations{"compilations", cl::init(40), cl::cat(suggest),
                                cl::desc("most sets of nodes to try")};
  Text roofline{"roofline", cl::init("h100"), cl::cat(suggest),
                cl::desc("h100, h200 or a100: whose least times show what a node costs")};

  // For tests: also the device kernels, compiled for the CPU.
  Text simt{"test-simt-library", cl::Hidden, cl::value_desc("file"), cl::cat(inspect)};
  // For tests: plan as if libraries preferred this layout of images.
  Text layout{"test-prefer-layout", cl::Hidden, cl::value_desc("nhwc"), cl::cat(inspect)};
};

Flags::Flags(std::vector<OptimizerFlag> declared, llvm::ArrayRef<StringRef> names)
    : optimizerHelp("auto, " + llvm::join(names, ", ") + " or none"),
      settings(std::move(declared)) {
  optimizer.setDescription(optimizerHelp);
  for (const OptimizerFlag &flag : settings)
    if (flag.isSwitch)
      switches.push_back(std::make_unique<cl::opt<bool>>(StringRef(flag.name), cl::desc(flag.help),
                                                         cl::cat(training)));
    else
      numbers.push_back(
          std::make_unique<Number>(StringRef(flag.name), cl::desc(flag.help), cl::cat(training)));
}

/// Collects the first thing that is wrong.
class Checker {
public:
  bool fail(const llvm::Twine &message) {
    if (text.empty())
      text = message.str();
    return false;
  }
  bool oneOf(StringRef flag, StringRef value, llvm::ArrayRef<StringRef> known) {
    if (llvm::is_contained(known, value))
      return true;
    return fail("--" + flag + "=" + value + ": one of " + llvm::join(known, ", "));
  }
  void number(StringRef flag, const cl::opt<double> &value, bool isGood, const llvm::Twine &rule) {
    if (!isGood)
      fail("--" + flag + "=" + toDecimals(value) + ": must be " + rule);
  }
  void positive(StringRef flag, const cl::opt<double> &value) {
    if (value.getNumOccurrences())
      number(flag, value, value > 0 && fitsF32(value), "above 0 and finite, as f32 holds it");
  }
  void regex(StringRef flag, StringRef value) {
    std::string error = findRegexError(value);
    if (!error.empty())
      fail("--" + flag + "=" + value.take_front(80) + (value.size() > 80 ? ".." : "") + ": " +
           error);
  }
  /// A flag that was given has a value.
  void filled(const cl::opt<std::string> &flag) {
    if (flag.getNumOccurrences() && flag.empty())
      fail((flag.ArgStr.size() > 1 ? "--" : "-") + flag.ArgStr + "=: a value is missing");
  }
  void filled(const cl::list<std::string> &flag) {
    if (llvm::is_contained(flag, std::string()))
      fail("--" + flag.ArgStr + "=: a value is missing");
  }
  std::string text;
};

std::optional<double> given(const cl::opt<double> &flag) {
  return flag.getNumOccurrences() ? std::optional<double>(flag) : std::nullopt;
}

/// The flags that were given, as a JSON object: a train.so says how it was made.
std::string describeFlags(int argc, char **argv) {
  llvm::json::Array list;
  for (int i = 1; i < argc; ++i) {
    StringRef text(argv[i]);
    // What is written where is no property of the module.
    if (text == "-o") {
      ++i;
      continue;
    }
    if (!text.starts_with("--") || text.starts_with("--dump-ir") || text.starts_with("--report") ||
        text.starts_with("--test-") || text.starts_with("--cuda-path"))
      continue;
    list.push_back(llvm::json::fixUTF8(text));
  }
  std::string result;
  llvm::raw_string_ostream(result) << llvm::json::Value(std::move(list));
  return result;
}

/// The shapes of `--sequence=NAME=2x3,4x3,scalar`; nothing after the second = is no tensor.
bool readShapes(StringRef text, llvm::SmallVectorImpl<llvm::SmallVector<int64_t>> &shapes) {
  llvm::SmallVector<StringRef> parts;
  if (!text.empty())
    text.split(parts, ',');
  for (StringRef part : parts) {
    llvm::SmallVector<int64_t> &shape = shapes.emplace_back();
    llvm::SmallVector<StringRef> extents;
    if (part != "scalar")
      part.split(extents, 'x');
    for (StringRef extent : extents)
      if (extent.getAsInteger(10, shape.emplace_back()) || shape.back() < 0)
        return false;
  }
  return true;
}

/// What a loss by name is built with. A flag that the loss does not look at is an error.
void fillLoss(const Flags &f, CompileOptions &o, Checker &check) {
  auto isGiven = [&](const cl::Option &flag, std::initializer_list<StringRef> losses) {
    if (flag.getNumOccurrences() == 0)
      return false;
    if (!llvm::is_contained(losses, o.loss))
      check.fail("--" + flag.ArgStr + ": goes with --loss=" + llvm::join(losses, " or --loss="));
    return true;
  };
  if (isGiven(f.classAxis, {"cross_entropy", "nll"})) {
    if (f.classAxis == 0)
      check.fail("--class-axis=0: axis 0 counts samples");
    o.classAxis = f.classAxis;
  }
  if (isGiven(f.ignoreIndex, {"cross_entropy", "nll"}) && f.softLabels)
    check.fail("--ignore-index: goes with labels, not with --soft-labels");
  o.ignoreIndex = f.ignoreIndex;
  isGiven(f.labelSmoothing, {"cross_entropy"});
  check.number("label-smoothing", f.labelSmoothing, f.labelSmoothing >= 0 && f.labelSmoothing <= 1,
               "from 0 to 1");
  o.labelSmoothing = f.labelSmoothing;
  if (isGiven(f.classWeights, {"cross_entropy", "nll"}))
    for (StringRef text : llvm::split(StringRef(f.classWeights), ',')) {
      double &weight = o.classWeights.emplace_back();
      if (text.getAsDouble(weight) || !(weight >= 0 && fitsF32(weight)))
        check.fail("--class-weights: '" + text +
                   "' must be a number, at least 0 and finite in f32");
    }
  isGiven(f.softLabels, {"cross_entropy"});
  o.softLabels = f.softLabels;
  isGiven(f.fromProbabilities, {"cross_entropy", "nll"});
  o.fromProbabilities = f.fromProbabilities;
  isGiven(f.huberDelta, {"huber"});
  check.positive("huber-delta", f.huberDelta);
  o.huberDelta = f.huberDelta;
  isGiven(f.smoothL1Beta, {"smooth_l1"});
  check.number("smooth-l1-beta", f.smoothL1Beta, f.smoothL1Beta >= 0 && fitsF32(f.smoothL1Beta),
               "at least 0 and finite in f32");
  o.smoothL1Beta = f.smoothL1Beta;
}

/// `--group=REGEX:NAME=NUMBER,..`; a colon in the regex is no end of it.
void fillGroups(const Flags &f, CompileOptions &o, Checker &check) {
  for (StringRef text : f.groups) {
    auto [regex, settings] = text.rsplit(':');
    ParameterGroup group{("--group=" + text).str(), regex.str(), {}};
    if (regex.empty() || settings.empty() || !text.contains(':'))
      check.fail(group.flag + ": takes REGEX:NAME=NUMBER,.., as 'bias|norm:weight-decay=0'");
    check.regex("group", regex);
    for (StringRef setting : llvm::split(settings, ','))
      if (std::string wrong = readSetting(setting, group.given); !wrong.empty())
        check.fail(group.flag + ": " + wrong);
    if (o.optimizer.name == "none")
      check.fail(group.flag + ": nothing is trained with --optimizer=none");
    o.import.groups.push_back(std::move(group));
  }
}

/// What `ampc suggest` takes beside the flags of a compilation.
void fillSuggest(const Flags &f, CommandLine &line, Checker &check) {
  const std::initializer_list<const cl::Option *> own{std::addressof(f.data), &f.targetError,
                                                      &f.batches, &f.compilations, &f.roofline};
  check.oneOf("roofline", f.roofline, {"h100", "h200", "a100"});
  if (!line.suggests) {
    for (const cl::Option *flag : own)
      if (flag->getNumOccurrences() && !f.listOps)
        check.fail("--" + flag->ArgStr + ": goes with ampc suggest");
    return;
  }
  for (const cl::Option *flag : std::initializer_list<const cl::Option *>{
           &f.emit, &f.report, &f.explain, &f.dumpIr, &f.simt, &f.listOps, &f.checkpoint})
    if (flag->getNumOccurrences())
      check.fail("--" + flag->ArgStr + ": does not go with suggest");
  check.filled(f.data);
  if (f.data.empty())
    check.fail("suggest: --data=F.npz is missing, what to train with");
  line.suggest.data.assign(f.data.begin(), f.data.end());
  if (f.targetError.getNumOccurrences()) {
    check.number("target-error", f.targetError, f.targetError >= 0 && std::isfinite(f.targetError),
                 "at least 0 and finite; 0.01 is one percent");
    line.suggest.targetError = f.targetError;
  }
  if (f.batches < 1 || f.batches > 1000000)
    check.fail("--batches=" + llvm::Twine(f.batches.getValue()) + ": must be at least 1");
  if (f.compilations < 1 || f.compilations > 1000000)
    check.fail("--compilations=" + llvm::Twine(f.compilations.getValue()) + ": must be at least 1");
  line.suggest.batches = f.batches;
  line.suggest.compilations = f.compilations;
  line.suggest.roofline = f.roofline;
  if (f.amp == "O0")
    check.fail("suggest: at --amp=O0 nothing is computed in a type that the model does not name");
}

/// The model, and for `diff-policy` the policies before it.
void fillModel(const Flags &f, CommandLine &line, Checker &check) {
  llvm::ArrayRef<std::string> words(f.positionals);
  if (!words.empty() && words.front() == "suggest") {
    if (words.size() != 2)
      return (void)check.fail("suggest takes one model: ampc suggest MODEL.onnx --data=F.npz");
    line.suggests = true;
    line.options.model = words[1];
    return;
  }
  if (words.empty() || words.front() != "diff-policy") {
    if (words.size() > 1)
      check.fail("one model is compiled at a time, and these are " + llvm::join(words, ", "));
    if (!words.empty())
      line.options.model = words.front();
    return;
  }
  if (words.size() != 4)
    return (void)check.fail("diff-policy takes two policies and a model: "
                            "ampc diff-policy balanced LISTS.json MODEL.onnx");
  line.policies = {words[1], words[2]};
  line.options.model = words[3];
  for (const std::string &policy : line.policies)
    if (policy.empty())
      check.fail("diff-policy: the name of a policy is empty");
  for (const cl::Option *flag : std::initializer_list<const cl::Option *>{
           &f.output, &f.lists, &f.emit, &f.report, &f.explain, &f.dumpIr, &f.simt, &f.listOps})
    if (flag->getNumOccurrences())
      check.fail((flag->ArgStr.size() > 1 ? "--" : "-") + flag->ArgStr +
                 ": does not go with diff-policy, which prints what two policies decide");
}

void fill(const Flags &f, CommandLine &line, Checker &check) {
  CompileOptions &o = line.options;
  for (const Flags::Text *flag :
       {&f.output,    &f.loss,           &f.optimizer,     &f.train,   &f.freeze,     &f.trainMode,
        &f.evalModel, &f.optimizerModel, &f.ortCheckpoint, &f.amp,     &f.dtype,      &f.lists,
        &f.keepF32,   &f.lossScale,      &f.hostCpu,       &f.emit,    &f.checkpoint, &f.dumpIr,
        &f.report,    &f.simt,           &f.layout,        &f.batchDim})
    check.filled(*flag);
  for (const cl::list<std::string> &flag :
       {std::cref(f.dims), std::cref(f.bindings), std::cref(f.updates), std::cref(f.sequences),
        std::cref(f.allow), std::cref(f.deny), std::cref(f.targets), std::cref(f.archs),
        std::cref(f.toolkit), std::cref(f.groups)})
    check.filled(flag);
  fillModel(f, line, check);
  fillSuggest(f, line, check);
  line.output = f.output;
  line.listOps = f.listOps;
  line.explain = f.explain.getNumOccurrences();
  line.explainRegex = line.explain ? f.explain.getValue() : "";
  if (line.explainRegex == "\x01")
    line.explainRegex.clear();
  check.regex("explain", line.explainRegex);

  o.loss = f.loss;
  o.optimizer.name = f.optimizer;
  if (line.suggests && (o.loss == "none" || o.optimizer.name == "none"))
    check.fail("suggest: compares training steps, and --loss=none or --optimizer=none has none");
  if (o.loss == "none" || o.optimizer.name == "none") {
    if (o.optimizer.name != "none" && f.optimizer.getNumOccurrences())
      check.fail("--loss=none: takes --optimizer=none");
    if (o.loss != "none" && f.loss.getNumOccurrences())
      check.fail("--optimizer=none: takes --loss=none");
    o.loss = o.optimizer.name = "none";
  }
  fillLoss(f, o, check);
  for (const auto &number : f.numbers)
    if (number->getNumOccurrences())
      o.optimizer.given[number->ArgStr.str()] = *number;
  for (const auto &flag : f.switches)
    if (flag->getNumOccurrences())
      o.optimizer.given[flag->ArgStr.str()] = *flag;
  o.import.learningRate = o.optimizer.find(kLearningRateSetting);
  fillGroups(f, o, check);
  check.positive("clip-grad-norm", f.clipNorm);
  check.positive("clip-grad-value", f.clipValue);
  o.clipGradNorm = given(f.clipNorm).value_or(-1);
  o.clipGradValue = given(f.clipValue).value_or(-1);
  if (f.accumulate < 1 || f.accumulate > AMPC_MOST_MICRO_BATCHES)
    check.fail("--accumulate=" + llvm::Twine(f.accumulate.getValue()) + ": must be from 1 to " +
               llvm::Twine(AMPC_MOST_MICRO_BATCHES));
  check.oneOf("accumulate-by", f.accumulateBy, {"auto", "mean", "sum"});
  if (f.accumulate > 1 && o.loss == "none")
    check.fail("--accumulate: nothing is trained with --loss=none");
  check.number("ema", f.ema, !f.ema.getNumOccurrences() || (f.ema > 0 && f.ema < 1),
               "between 0 and 1");
  if (f.ema.getNumOccurrences() && o.loss == "none")
    check.fail("--ema: nothing is trained with --loss=none");
  o.ema = f.ema;
  o.accumulate = f.accumulate;
  o.accumulateBy = f.accumulateBy;
  check.regex("train", f.train);
  check.regex("freeze", f.freeze);
  o.import.trainRegex = f.train;
  o.import.freezeRegex = f.freeze;
  o.import.allowLostParameters = f.allowLost;
  if (check.oneOf("train-mode", f.trainMode, {"auto", "on", "off"}) && f.trainMode != "auto")
    o.import.trainMode = f.trainMode == "on";
  if (f.trainingInfo.getNumOccurrences()) {
    if (f.trainingInfo < 0)
      check.fail("--training-info=" + llvm::Twine(f.trainingInfo.getValue()) + ": counted from 0");
    o.import.trainingInfo = f.trainingInfo;
  }
  o.import.optimizerModel = f.optimizerModel;
  o.import.ortCheckpoint = f.ortCheckpoint;
  o.import.evalModel = f.evalModel;
  for (StringRef update : f.updates) {
    auto [input, output] = update.split('=');
    if (input.empty() || output.empty())
      check.fail("--update=" + update + ": takes INPUT=OUTPUT, an input and its next value");
    o.import.updates.emplace_back(input.str(), output.str());
  }
  if (!f.updates.empty() && o.optimizer.name == "none")
    check.fail("--update: goes with a training step, not with --loss=none");

  if (f.batch.getNumOccurrences()) {
    if (f.batch < 1)
      check.fail("--batch=" + llvm::Twine(f.batch.getValue()) + ": must be at least 1");
    o.import.batch = f.batch;
  }
  o.import.batchDim = f.batchDim;
  for (StringRef dim : f.dims) {
    auto [name, size] = dim.split('=');
    int64_t n = 0;
    if (name.empty() || size.getAsInteger(10, n) || n < 1)
      check.fail("--dim=" + dim + ": takes NAME=N with N at least 1");
    o.import.dims[name] = n;
  }

  for (StringRef binding : f.bindings) {
    auto [name, value] = binding.split('=');
    if (name.empty() || value.empty())
      check.fail("--bind=" + binding +
                 ": takes NAME=VALUE, numbers with commas between them or an "
                 "array F.npy");
    if (!o.import.bindings.try_emplace(name, value.str()).second)
      check.fail("--bind=" + binding + ": '" + name + "' is fixed twice");
  }
  o.import.readArray = readArray;
  for (StringRef sequence : f.sequences) {
    auto [name, shapes] = sequence.split('=');
    auto [it, isNew] = o.import.sequences.try_emplace(name);
    if (name.empty() || !sequence.contains('=') || !readShapes(shapes, it->second))
      check.fail("--sequence=" + sequence +
                 ": takes NAME=SHAPE,.., each shape as 2x3 or scalar; none after the = for a "
                 "sequence without a tensor");
    if (!isNew)
      check.fail("--sequence=" + sequence + ": '" + name + "' is given twice");
  }

  if (check.oneOf("amp", f.amp, {"O0", "O1", "O2", "O3"}))
    o.level = f.amp[1] - '0';
  check.oneOf("amp-dtype", f.dtype, {"f16", "bf16"});
  o.dtype = f.dtype;
  o.lists = f.lists;
  o.import.allowOps.append(f.allow.begin(), f.allow.end());
  o.import.denyOps.append(f.deny.begin(), f.deny.end());
  for (StringRef op : f.allow)
    if (llvm::is_contained(f.deny, op))
      check.fail("--amp-allow and --amp-deny both name " + op);
  check.regex("amp-keep-fp32", f.keepF32);
  o.import.keepF32Regex = f.keepF32;
  o.import.dtype = f.dtype;
  o.lossScale = f.lossScale;
  // The runtime holds the state of a session to the same rule.
  const StringRef scaleRule = "from 1.1754944e-38 to 3.4028235e+38, so that f32 holds it and its "
                              "reciprocal";
  double number = 0;
  if (!o.lossScale.empty() && o.lossScale != "dynamic" && o.lossScale != "none" &&
      (StringRef(o.lossScale).getAsDouble(number) || !ampc_is_loss_scale(float(number))))
    check.fail("--loss-scale=" + o.lossScale + ": must be dynamic, none or a number " + scaleRule);
  check.number("loss-scale-init", f.scaleInit, ampc_is_loss_scale(float(f.scaleInit)), scaleRule);
  check.number("loss-scale-growth", f.scaleGrowth, f.scaleGrowth > 1 && fitsF32(f.scaleGrowth),
               "above 1 and finite, as f32 holds it");
  check.number("loss-scale-backoff", f.scaleBackoff,
               f.scaleBackoff > 0 && f.scaleBackoff < 1 && fitsF32(f.scaleBackoff) &&
                   float(f.scaleBackoff) < 1,
               "between 0 and 1, also as f32");
  if (f.scaleInterval < 1 || f.scaleInterval > INT32_MAX)
    check.fail("--loss-scale-interval=" + llvm::Twine(f.scaleInterval.getValue()) +
               ": must be at least 1 and below 2^31");
  check.number("loss-scale-min", f.scaleMin,
               f.scaleMin == 0 || ampc_is_loss_scale(float(f.scaleMin)), "0 or " + scaleRule);
  check.oneOf("check-finite", f.checkFinite, {"on", "off"});
  o.checkFinite = f.checkFinite != "off";
  o.lossScaleInit = f.scaleInit;
  o.lossScaleGrowth = f.scaleGrowth;
  o.lossScaleBackoff = f.scaleBackoff;
  o.lossScaleInterval = f.scaleInterval;
  o.lossScaleMin = f.scaleMin;

  if (!f.targets.empty()) {
    o.cuda = o.host = false;
    for (StringRef t : f.targets)
      if (check.oneOf("target", t, {"cuda", "host"}))
        (t == "cuda" ? o.cuda : o.host) = true;
  }
  if (check.oneOf("host-cpu", f.hostCpu, {"native", "x86-64-v2", "x86-64-v3", "x86-64-v4"}) &&
      f.hostCpu != "native")
    o.hostCpu = f.hostCpu;
  if (!f.archs.empty()) {
    o.cudaArchs.clear();
    for (StringRef arch : f.archs) {
      unsigned n = 0;
      if (!arch.starts_with("sm_") || arch.drop_front(3).getAsInteger(10, n) || n < 80)
        check.fail("--cuda-arch=" + arch + ": takes sm_80 or newer");
      o.cudaArchs.push_back(n);
    }
  }
  o.toolkitPrefixes.assign(f.toolkit.begin(), f.toolkit.end());
  o.toolkitPrefixes.push_back(AMPC_WHEELS);
  o.memoryLimit = f.memoryLimit;
  o.deterministic = f.deterministic;

  static const std::pair<StringRef, Stage> stages[] = {
      {"amp", Stage::Amp},        {"train", Stage::Train}, {"kernels", Stage::Kernels},
      {"plan", Stage::Plan},      {"gpu", Stage::Gpu},     {"ptx", Stage::Ptx},
      {"so", Stage::SharedObject}};
  line.checkpoint = f.checkpoint;
  if (f.emit == "onnx") {
    if (f.checkpoint.empty() && !f.listOps)
      check.fail("--emit=onnx: needs the trained weights: --checkpoint=FILE");
    if (line.explain || f.report.getNumOccurrences() || f.dumpIr.getNumOccurrences())
      check.fail("--emit=onnx: compiles nothing that --explain, --report or --dump-ir could show");
    o.import.defaultBatch = 1; // what is written keeps its symbols
    o.trainedAverages = f.emaWeights;
    o.trainedDtype = f.onnxDtype;
  } else if (f.checkpoint.getNumOccurrences()) {
    check.fail(
        "--checkpoint: goes with --emit=onnx; ampc-run loads one with --resume, or for eval");
  }
  check.oneOf("onnx-dtype", f.onnxDtype, {"f32", "f16", "bf16"});
  if (f.emit != "onnx" && !f.listOps && (f.emaWeights || f.onnxDtype.getNumOccurrences()))
    check.fail((f.emaWeights ? "--ema-weights" : "--onnx-dtype") +
               llvm::Twine(": goes with --emit=onnx"));
  if (f.emit != "onnx") {
    auto known = llvm::find_if(stages, [&](auto &s) { return s.first == f.emit; });
    if (known == std::end(stages))
      check.fail("--emit=" + f.emit + ": one of amp, train, kernels, plan, gpu, ptx, onnx, so");
    else
      line.stage = known->second;
  }
  o.dumpDirectory = f.dumpIr;
  o.reportFile = f.report;
  o.simtFile = f.simt;
  if (f.layout.getNumOccurrences())
    o.preferChannelsLast = check.oneOf("test-prefer-layout", f.layout, {"nhwc"});
  if (!f.listOps && o.model.empty())
    check.fail("no model given: ampc MODEL.onnx -o TRAIN.so");
  if (line.stage == Stage::SharedObject && f.emit == "so" && !f.listOps && !line.explain &&
      line.policies.empty() && !line.suggests && f.output.empty())
    check.fail("no output given: -o TRAIN.so");
}
} // namespace

std::optional<CommandLine> parseCommandLine(int argc, char **argv) {
  // Every library that is linked has flags of its own; a user of ampc sees ampc's.
  // The optimizers are asked in a context of their own: that of the compilation needs MLIR's flags.
  static Flags flags = [] {
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    context.loadDialect<AmpDialect>();
    return Flags(getOptimizerFlags(&context), getOptimizerNames(&context));
  }();
  mlir::registerAsmPrinterCLOptions();
  mlir::registerMLIRContextCLOptions();
  mlir::registerPassManagerCLOptions();
  mlir::registerDefaultTimingManagerCLOptions();
  const cl::OptionCategory *shown[] = {&flags.main,      &flags.training, &flags.shapes,
                                       &flags.precision, &flags.target,   &flags.inspect,
                                       &flags.suggest};
  cl::HideUnrelatedOptions(shown);
  cl::SetVersionPrinter([](llvm::raw_ostream &os) { os << "ampc " AMPC_VERSION "\n"; });

  std::string errors;
  llvm::raw_string_ostream errorStream(errors);
  CommandLine line;
  // llvm::cl would read flags from the file, which no message nor train.so would show.
  for (int i = 1; i < argc; ++i)
    if (argv[i][0] == '@') {
      llvm::errs() << "ampc: error: " << argv[i]
                   << ": files of flags are not read; a file of this name is ./" << argv[i] << "\n";
      return std::nullopt;
    }
  if (!cl::ParseCommandLineOptions(
          argc, argv,
          "Compiles an ONNX training graph into a library that runs a whole "
          "mixed-precision training step\n",
          &errorStream)) {
    llvm::errs() << errors;
    return std::nullopt;
  }
  Checker check;
  fill(flags, line, check);
  line.options.flags = describeFlags(argc, argv);
  if (check.text.empty())
    return line;
  llvm::errs() << "ampc: error: " << check.text << "\n";
  return std::nullopt;
}
} // namespace ampc
