//===- Trials.cpp - Compiles and trains, to see how far f32 is away -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Trials.h"
#include "Inputs.h"
#include "Policy.h"
#include "ampc/Pipeline/Compiler.h"
#include "ampc/Pipeline/Pipelines.h"
#include "ampc/Support/ModelDiagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Signals.h"
#include <cmath>

using namespace mlir;
using llvm::StringRef;

namespace ampc {
char DiagnosedError::ID = 0;

Trials::Trials(const CommandLine &line) : line(line) { registerAmpcDialects(registry); }

llvm::Expected<std::unique_ptr<Trials>> Trials::create(const CommandLine &line) {
  std::unique_ptr<Trials> trials(new Trials(line));
  static int anchor; // whose address the executable is found by
  std::string own = llvm::sys::fs::getMainExecutable("ampc", &anchor);
  StringRef beside = llvm::sys::path::parent_path(own);
  llvm::ErrorOr<std::string> program = llvm::sys::findProgramByName("ampc-run", {beside});
  if (!program)
    program = llvm::sys::findProgramByName("ampc-run");
  if (!program)
    return llvm::createStringError("ampc-run is neither beside " + own +
                                   " nor on the PATH: suggest trains with it");
  trials->program = *program;
  SmallString<128> folder;
  if (std::error_code error = llvm::sys::fs::createUniqueDirectory("ampc-suggest", folder))
    return llvm::createStringError("no folder for what is tried can be made under TMPDIR: " +
                                   error.message());
  trials->folder = folder.str().str();
  // What is left where a signal ends the run; the folder itself stays then.
  for (StringRef name : {"f32.so", "trial.so", "low.so", "kept.so", "out.json", "err.txt"})
    llvm::sys::RemoveFileOnSignal(trials->path(name));
  return trials;
}

Trials::~Trials() {
  if (folder.empty())
    return;
  std::error_code ignored = llvm::sys::fs::remove_directories(folder);
  (void)ignored;
}

std::string Trials::path(StringRef name) const { return folder + "/" + name.str(); }

llvm::Error Trials::addInputs(OutputFiles &outputs) const {
  CompileOptions options = line.options;
  if (llvm::Error error = ampc::addInputs(outputs, options))
    return error;
  for (const std::string &data : line.suggest.data) {
    StringRef file = data;
    if (!llvm::sys::fs::exists(file) && file.contains('='))
      file = file.split('=').second;
    if (llvm::Error error = outputs.addInput("the data", file))
      return error;
  }
  return readLists(outputs, options);
}

std::string Trials::keepRegex(ArrayRef<StringRef> kept) const {
  const std::string &own = line.options.import.keepF32Regex;
  if (kept.empty())
    return own;
  return own.empty() ? regexOf(kept) : "(" + own + ")|" + regexOf(kept);
}

llvm::Error Trials::compile(const std::string &output, StringRef regex, bool withCuda, bool isQuiet,
                            PrecisionGraph *graph) {
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  CompileOptions options = line.options;
  options.import.keepF32Regex = regex.str();
  options.precisionGraph = graph;
  if (!withCuda && options.host)
    options.cuda = false;
  OutputFiles outputs;
  if (llvm::Error error = ampc::addInputs(outputs, options))
    return error;
  if (llvm::Error error = readLists(outputs, options))
    return error;
  llvm::Expected<raw_ostream *> stream = outputs.open("-o", output);
  if (!stream)
    return stream.takeError();
  // What is noted about the model is so for each.
  std::string text;
  llvm::raw_string_ostream notes(text);
  ModelDiagnostics diagnostics(&context, options.model, notes);
  Compiler compiler(context, options, outputs);
  bool isDone = succeeded(compiler.emitSharedObject(**stream));
  if (isDone)
    if (llvm::Error error = outputs.commit())
      return error;
  if (!isDone || !isQuiet)
    llvm::errs() << text;
  if (isDone)
    return llvm::Error::success();
  if (compiler.internalError())
    return llvm::make_error<DiagnosedError>(tellInternalError(*compiler.internalError()));
  if (diagnostics.errorCount() == 0)
    return llvm::createStringError("the compiler failed without saying why; this is a bug of ampc");
  return llvm::make_error<DiagnosedError>(ExitDiagnosed);
}

llvm::Error Trials::compileReference() {
  // The same ops as in the trials: what a file spells out is recovered at this level, not at O0.
  return compile(path("f32.so"), ".", /*withCuda=*/true, /*isQuiet=*/false, nullptr);
}

llvm::Expected<std::string> Trials::call(ArrayRef<std::string> arguments, bool mayStop) {
  std::vector<StringRef> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::string out = path("out.json"), err = path("err.txt");
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(out), StringRef(err)};
  for (const std::string &old : {out, err}) // they are not cut otherwise
    llvm::sys::fs::remove(old);
  std::string message;
  int code = llvm::sys::ExecuteAndWait(program, words, std::nullopt, redirects, 0, 0, &message);
  auto read = [](const std::string &file) -> std::string {
    llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> buffer = llvm::MemoryBuffer::getFile(file);
    return buffer ? (*buffer)->getBuffer().str() : "";
  };
  std::string text = read(out);
  if (code == 0 || (mayStop && code == 3 && !text.empty()))
    return text;
  if (code < 0)
    return llvm::createStringError("ampc-run " + arguments.front() + " ended: " + message);
  // It has said what is wrong, with the data most of all.
  llvm::errs() << read(err);
  return llvm::make_error<DiagnosedError>(code == 70 ? ExitInternal : ExitDiagnosed);
}

llvm::Expected<Trial> Trials::run(ArrayRef<StringRef> kept) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  Trial trial;
  // The first one is what the plans of devices are compared with.
  std::string module = path(count == 0 ? "low.so" : "trial.so");
  if (llvm::Error error = compile(module, keepRegex(kept), /*withCuda=*/count == 0,
                                  /*isQuiet=*/true, &trial.graph))
    return error;
  ++count;
  std::vector<std::string> arguments{"compare",
                                     path("f32.so"),
                                     module,
                                     "--json",
                                     "--quiet",
                                     "--same-state",
                                     "--steps=" + std::to_string(line.suggest.batches)};
  arguments.push_back(line.options.host ? "--device=host" : "--device=cuda");
  for (const std::string &data : line.suggest.data)
    arguments.push_back("--data=" + data);
  llvm::Expected<std::string> json = call(arguments, /*mayStop=*/true);
  if (!json)
    return json.takeError();
  llvm::Expected<Measurement> measured = readMeasurement(*json);
  if (!measured)
    return measured.takeError();
  trial.measured = std::move(*measured);
  double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  bool isNamed = !kept.empty();
  std::string text = llvm::formatv(
      "trial {0} of at most {1}: {2} in f32, {3}; {4:f1} s", count, line.suggest.compilations + 1,
      isNamed ? std::to_string(kept.size()) + (kept.size() == 1 ? " node" : " nodes") : "nothing",
      std::isinf(trial.measured.error)
          ? "not finite"
          : llvm::formatv("error {0} %", llvm::format("%.3g", 100 * trial.measured.error)).str(),
      seconds);
  if (llvm::sys::Process::StandardErrIsDisplayed()) {
    size_t length = text.size();
    text.resize(std::max(length, lastLength), ' ');
    lastLength = length;
    llvm::errs() << "\r" << text;
  } else {
    llvm::errs() << "ampc: " << text << "\n";
  }
  return trial;
}

void Trials::endProgress() {
  if (lastLength)
    llvm::errs() << "\n";
  lastLength = 0;
}

llvm::Expected<llvm::json::Object> Trials::roofline(StringRef module) {
  llvm::Expected<std::string> text =
      call({"inspect", path(module), "--json", "--roofline=" + line.suggest.roofline},
           /*mayStop=*/false);
  if (!text)
    return text.takeError();
  llvm::Expected<llvm::json::Value> parsed = llvm::json::parse(*text);
  if (!parsed)
    return parsed.takeError();
  if (!parsed->getAsObject())
    return llvm::createStringError("ampc-run inspect printed no object");
  return std::move(*parsed->getAsObject());
}

std::vector<double> Trials::secondsOfNodes(const PrecisionGraph &graph) {
  if (!line.options.cuda)
    return {};
  llvm::StringMap<double> extra;
  for (auto [module, sign] :
       {std::pair(StringRef("f32.so"), 1.0), std::pair(StringRef("low.so"), -1.0)}) {
    llvm::Expected<llvm::json::Object> plan = roofline(module);
    const llvm::json::Array *steps = plan ? plan->getArray("steps") : nullptr;
    if (!steps) { // a figure beside what was asked for
      llvm::consumeError(plan.takeError());
      return {};
    }
    for (const llvm::json::Value &entry : *steps) {
      const llvm::json::Object *step = entry.getAsObject();
      const llvm::json::Array *nodes = step ? step->getArray("nodes") : nullptr;
      if (!nodes || nodes->empty())
        continue;
      double runs = double(step->getInteger("runs").value_or(1));
      double seconds = step->getNumber("least_seconds").value_or(0) * runs / double(nodes->size());
      for (const llvm::json::Value &node : *nodes)
        extra[node.getAsString().value_or("")] += sign * seconds;
    }
  }
  std::vector<double> result;
  for (const PrecisionNode &node : graph.nodes) {
    double &seconds = result.emplace_back(0);
    for (const std::string &name : node.names)
      seconds += extra.lookup(name);
  }
  return result;
}

llvm::Expected<std::string> Trials::leastTimes(ArrayRef<StringRef> kept) {
  if (!line.options.cuda)
    return std::string();
  if (llvm::Error error = compile(path("kept.so"), keepRegex(kept), /*withCuda=*/true,
                                  /*isQuiet=*/true, nullptr))
    return error;
  double seconds[3];
  std::string title;
  const StringRef modules[3] = {"low.so", "kept.so", "f32.so"};
  for (int i = 0; i != 3; ++i) {
    llvm::Expected<llvm::json::Object> plan = roofline(modules[i]);
    if (!plan)
      return plan.takeError();
    const llvm::json::Object *total = plan->getObject("roofline");
    if (!total)
      return llvm::createStringError("ampc-run inspect told no least times");
    seconds[i] = total->getNumber("least_seconds").value_or(0) +
                 total->getNumber("launch_seconds").value_or(0);
    title = total->getString("title").value_or(line.suggest.roofline).str();
  }
  auto text = [](double value) {
    return value >= 1e-3 ? llvm::formatv("{0} ms", llvm::format("%.4g", value * 1e3)).str()
                         : llvm::formatv("{0} us", llvm::format("%.4g", value * 1e6)).str();
  };
  return "a step takes at least " + text(seconds[1]) + " on an " + title + "; " + text(seconds[0]) +
         " with nothing kept, " + text(seconds[2]) + " with all in f32\n";
}
} // namespace ampc
