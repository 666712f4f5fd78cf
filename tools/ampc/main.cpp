//===- main.cpp - The compiler driver -------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CommandLine.h"
#include "Report.h"
#include "ampc/Pipeline/Compiler.h"
#include "ampc/Pipeline/Pipelines.h"
#include "ampc/Support/ModelDiagnostics.h"
#include "ampc/Training/Passes.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/ToolOutputFile.h"
#include <fcntl.h>
#include <unistd.h>
#include <utility>

using namespace mlir;
using namespace ampc;

namespace {
/// Prints one of our own errors and gives the exit code.
int fail(const Twine &message, int code = ExitDiagnosed) {
  llvm::errs() << "ampc: error: " << message << "\n";
  return code;
}

/// Tells of a bug of ours, and how to make it known.
int failInternally(const InternalError &error) {
  int code = fail("internal error after " + escapeForTerminal(error.pass) + ": " +
                      escapeForTerminal(error.text),
                  ExitInternal);
  llvm::errs() << "ampc: note: this is a bug of ampc, not a mistake in the model";
  if (!error.reproducer.empty())
    llvm::errs() << "; please report it with the model and " << error.reproducer;
  llvm::errs() << "\n";
  return code;
}

/// Writes the text of a stage; nothing is left of it on failure.
int emitText(Compiler &compiler, Stage stage, StringRef output) {
  std::string text;
  llvm::raw_string_ostream buffer(text);
  if (failed(compiler.emit(stage, buffer)))
    return ExitDiagnosed;
  std::error_code error;
  llvm::ToolOutputFile file(output.empty() ? "-" : output, error, llvm::sys::fs::OF_Text);
  if (error)
    return fail("cannot write " + output + ": " + error.message());
  file.os() << text;
  file.os().flush();
  if (file.os().has_error())
    return fail("cannot write " + output + ": " + file.os().error().message());
  file.keep();
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
  if (!line.notBuilt.empty())
    return fail(line.notBuilt + ": documented, but not built in this version");

  CompileOptions &options = line.options;
  bool ownOptimizer = options.optimizer.name == "auto";
  if (options.trains()) {
    OptimizerOptions settings = options.optimizer;
    if (ownOptimizer)
      settings.name = "adam";
    std::string wrong = checkOptimizerOptions(&context, settings);
    if (!wrong.empty())
      return fail(wrong, ExitUsage);
  }
  ModelDiagnostics diagnostics(&context, options.model, llvm::errs());
  std::unique_ptr<DecisionLog> log;
  if (line.explain || !options.reportFile.empty())
    log = std::make_unique<DecisionLog>(context);

  Compiler compiler(context, options, [](PassManager &pm) {
    (void)applyPassManagerCLOptions(pm);
    applyDefaultTimingPassManagerCLOptions(pm);
  });
  int code = ExitDone;
  if (line.stage != Stage::SharedObject) {
    code = emitText(compiler, line.stage, line.output);
  } else if (line.output.empty()) { // --explain alone
    std::string ignored;
    llvm::raw_string_ostream buffer(ignored);
    code = failed(compiler.emit(Stage::Train, buffer)) ? ExitDiagnosed : ExitDone;
  } else if (failed(compiler.emitSharedObject(line.output))) {
    code = ExitDiagnosed;
  } else if (!compiler.summary().empty()) {
    llvm::errs() << options.model << ": " << compiler.summary() << "\n";
  }
  if (code != ExitDone) {
    if (compiler.internalError())
      return failInternally(*compiler.internalError());
    if (diagnostics.errorCount() == 0)
      return fail("the compiler failed without saying why; this is a bug of ampc", ExitInternal);
    return code;
  }
  if (log && line.explain && log->explain(llvm::outs(), line.explainRegex) == 0) {
    std::string nothing = "--explain=" + line.explainRegex + ": no node's name matches";
    if (line.output.empty())
      return fail(nothing);
    llvm::errs() << "ampc: warning: " << nothing << "\n"; // what was asked for is written
  }
  if (log && !options.reportFile.empty())
    if (llvm::Error error = log->write(options.reportFile))
      return fail(llvm::toString(std::move(error)));
  return code;
}
} // namespace

/// Takes the numbers of standard streams that are closed, as the next file opened would get them,
/// and be written into. Messages then go nowhere; output that is asked for still fails.
static void occupyStandardStreams() {
  for (auto [number, mode] : {std::pair(STDIN_FILENO, O_RDONLY), std::pair(STDOUT_FILENO, O_RDONLY),
                              std::pair(STDERR_FILENO, O_WRONLY)})
    if (::fcntl(number, F_GETFD) < 0)
      (void)::open("/dev/null", mode); // the lowest number that is free
}

int main(int argc, char **argv) {
  occupyStandardStreams();
  llvm::InitLLVM init(argc, argv);
  std::optional<CommandLine> line = parseCommandLine(argc, argv);
  int code = line ? run(*line) : ExitUsage;
  llvm::outs().flush();
  if (std::error_code error = llvm::outs().error()) {
    llvm::outs().clear_error();
    return fail("cannot write to standard output: " + error.message());
  }
  return code;
}
