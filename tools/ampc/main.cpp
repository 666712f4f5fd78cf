//===- main.cpp - The compiler driver -------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CommandLine.h"
#include "Inputs.h"
#include "Policy.h"
#include "Report.h"
#include "Suggest.h"
#include "ampc-files/Process.h"
#include "ampc/Pipeline/Compiler.h"
#include "ampc/Pipeline/Pipelines.h"
#include "ampc/Support/ModelDiagnostics.h"
#include "ampc/Support/OutputFiles.h"
#include "ampc/Training/Optimizers.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include <cstdlib>

using namespace mlir;
using namespace ampc;

namespace {
/// Prints one of our own errors and gives the exit code.
int fail(const Twine &message, int code = ExitDiagnosed) {
  llvm::errs() << "ampc: error: " << message << "\n";
  return code;
}

int fail(llvm::Error error) { return fail(llvm::toString(std::move(error))); }

/// Compiles as far as types are final, once with each policy.
int diffPolicy(const CommandLine &line) {
  struct Side {
    MLIRContext context;
    DecisionLog log;
    explicit Side(const DialectRegistry &registry)
        : context(registry, MLIRContext::Threading::DISABLED), log(context) {}
  };
  DialectRegistry registry;
  registerAmpcDialects(registry);
  std::vector<std::unique_ptr<Side>> sides;
  for (const std::string &lists : line.policies) {
    Side &side = *sides.emplace_back(std::make_unique<Side>(registry));
    side.context.loadAllAvailableDialects();
    CompileOptions options = line.options;
    options.lists = lists;
    options.precisionGraph = &side.log.graph;
    OutputFiles outputs;
    if (llvm::Error error = addInputs(outputs, options))
      return fail(std::move(error));
    if (llvm::Error error = readLists(outputs, options))
      return fail(std::move(error));
    // What is noted about the model is so for both.
    std::string text;
    llvm::raw_string_ostream notes(text);
    ModelDiagnostics diagnostics(&side.context, options.model, notes);
    Compiler compiler(side.context, options, outputs);
    llvm::raw_null_ostream ignored;
    bool failed = mlir::failed(compiler.emit(Stage::Train, ignored));
    if (failed || sides.size() == 1)
      llvm::errs() << text;
    if (!failed)
      continue;
    if (compiler.internalError())
      return tellInternalError(*compiler.internalError());
    if (diagnostics.errorCount() == 0)
      return fail("the compiler failed without saying why; this is a bug of ampc", ExitInternal);
    return ExitDiagnosed;
  }
  auto sideOf = [&](size_t i) {
    DecisionLog &log = sides[i]->log;
    return PolicySide{line.policies[i], log.graph, log.decisionsOfNodes()};
  };
  printDifference(llvm::outs(), sideOf(0), sideOf(1));
  return ExitDone;
}

/// Whether there is such an optimizer, with these settings; else tells, and gives the exit code.
int checkOptimizer(MLIRContext &context, const CompileOptions &options) {
  if (options.trains()) {
    OptimizerOptions settings = options.optimizer;
    if (settings.name == "auto")
      settings.name = "adam";
    std::string wrong;
    if (!chooseOptimizer(&context, settings, wrong))
      return fail(wrong, ExitUsage);
    for (const ParameterGroup &group : options.import.groups)
      if (!chooseForGroup(&context, settings, group, wrong))
        return fail(wrong, ExitUsage);
  }
  return ExitDone;
}

int run(CommandLine &line) {
  DialectRegistry registry;
  registerAmpcDialects(registry);
  // Functions are few and small: threads cost more than they bring.
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  if (line.listOps) {
    listOperators(context, llvm::outs());
    return ExitDone;
  }
  if (!line.policies.empty())
    return diffPolicy(line);
  if (line.suggests) {
    if (int code = checkOptimizer(context, line.options))
      return code;
    return suggest(line);
  }

  CompileOptions &options = line.options;
  if (int code = checkOptimizer(context, options))
    return code;
  ModelDiagnostics diagnostics(&context, options.model, llvm::errs());
  std::unique_ptr<DecisionLog> log;
  if (line.explain || !options.reportFile.empty())
    log = std::make_unique<DecisionLog>(context);
  if (log)
    options.precisionGraph = &log->graph;

  // Opened first: a mistake in a path shows at once, and nothing is in its place before
  // everything is written.
  OutputFiles outputs;
  if (llvm::Error error = addInputs(outputs, options, line.checkpoint))
    return fail(std::move(error));
  if (llvm::Error error = readLists(outputs, options))
    return fail(std::move(error));
  bool isText = line.stage != Stage::SharedObject || !line.checkpoint.empty();
  llvm::raw_ostream *output = nullptr, *report = nullptr;
  auto open = [&](StringRef flag, StringRef path, llvm::raw_ostream *&os) -> llvm::Error {
    llvm::Expected<llvm::raw_ostream *> opened = outputs.open(flag, path);
    if (!opened)
      return opened.takeError();
    os = *opened;
    return llvm::Error::success();
  };
  if (isText || !line.output.empty())
    if (llvm::Error error = open("-o", line.output.empty() ? "-" : line.output, output))
      return fail(std::move(error));
  if (!options.reportFile.empty())
    if (llvm::Error error = open("--report", options.reportFile, report))
      return fail(std::move(error));
  if (!options.simtFile.empty())
    if (llvm::Error error = outputs.addOutput("--test-simt-library", options.simtFile))
      return fail(std::move(error));

  Compiler compiler(context, options, outputs, [](PassManager &pm) {
    (void)applyPassManagerCLOptions(pm);
    applyDefaultTimingPassManagerCLOptions(pm);
  });
  LogicalResult compiled = failure();
  if (!line.checkpoint.empty()) {
    compiled = compiler.emitTrained(line.checkpoint, line.output, *output);
  } else if (isText) {
    compiled = compiler.emit(line.stage, *output);
  } else if (output) {
    compiled = compiler.emitSharedObject(*output);
  } else { // --explain alone
    llvm::raw_null_ostream ignored;
    compiled = compiler.emit(Stage::Train, ignored);
  }
  if (failed(compiled)) {
    if (compiler.internalError())
      return tellInternalError(*compiler.internalError());
    if (diagnostics.errorCount() == 0)
      return fail("the compiler failed without saying why; this is a bug of ampc", ExitInternal);
    return ExitDiagnosed;
  }
  if (log && line.explain && log->explain(llvm::outs(), line.explainRegex) == 0) {
    std::string nothing = "--explain=" + line.explainRegex + ": no node's name matches";
    if (line.output.empty())
      return fail(nothing);
    llvm::errs() << "ampc: warning: " << nothing << "\n"; // what was asked for is written
  }
  if (report && StringRef(options.reportFile).ends_with(".html"))
    writeReportPage(*report, options.model, options.flags, log->toJson());
  else if (report)
    *report << llvm::formatv("{0:2}", llvm::json::Value(log->toJson())) << "\n";
  if (llvm::Error error = outputs.commit())
    return fail(std::move(error));
  if (!compiler.summary().empty())
    llvm::errs() << options.model << ": " << compiler.summary() << "\n";
  return ExitDone;
}
} // namespace

/// Standard output is checked at the very end: --help and --version leave by exit() from inside of
/// llvm::cl, and the stream's destructor would take what cannot be written for a crash.
static void checkStandardOutputAtExit() {
  (void)llvm::outs(); // destructors and handlers run in reverse order
  std::atexit([] {
    if (llvm::Error error = finishStandardOutput())
      std::_Exit(fail(std::move(error)));
  });
}

int main(int argc, char **argv) {
  files::prepareProcess(); // before InitLLVM, which opens what it likes for closed streams
  llvm::InitLLVM init(argc, argv, /*InstallPipeSignalExitHandler=*/false);
  files::prepareProcess(); // and after it, as it takes SIGXFSZ for a crash
  checkStandardOutputAtExit();
  std::optional<CommandLine> line = parseCommandLine(argc, argv);
  return line ? run(*line) : ExitUsage;
}
