//===- main.cpp - Trains, evaluates and inspects compiled steps -----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Commands.h"
#include "Error.h"
#include "Files.h"
#include "Flags.h"

#include "ampc-files/Process.h"
#include "ampc-files/ReplacingFile.h"

#include <ampc-runtime/ampc.h>

#include <cstdio>
#include <new>

using namespace ampc::run;

namespace {

constexpr const char *usage =
    "usage: ampc-run train    TRAIN.so --data=F.npz [flags]   trains\n"
    "       ampc-run eval     TRAIN.so --data=F.npz [flags]   runs forward "
    "only\n"
    "       ampc-run inspect  TRAIN.so [flags]                tells what it "
    "holds\n"
    "       ampc-run compare  A.so B.so --data=F.npz [flags]  how far B's values are\n"
    "                                                         from A's\n"
    "       ampc-run export   TRAIN.so --state-dict=F.safetensors [flags]\n"
    "                                                         for PyTorch\n"
    "       ampc-run export-ort-checkpoint TRAIN.so --output=FILE [flags]\n"
    "                                                         for ONNX Runtime\n"
    "\n"
    "TRAIN.so comes from: ampc MODEL.onnx -o TRAIN.so\n"
    "ampc-run COMMAND --help lists a command's flags; ampc-run --version.\n";

int printHelp(const std::string &text) {
  std::fputs(text.c_str(), stdout);
  finishOutput();
  return ExitDone;
}

int run(const std::vector<std::string> &arguments) {
  const std::vector<std::string> commands{"train",   "eval",   "inspect",
                                          "compare", "export", "export-ort-checkpoint"};
  std::string command = arguments.empty() ? "" : arguments[0];
  std::vector<std::string> rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  std::string help;
  if (command == "train") {
    if (auto options = parseTrain(rest, help))
      return runTrain(*options);
    return printHelp(help);
  }
  if (command == "eval") {
    if (auto options = parseEval(rest, help))
      return runEval(*options);
    return printHelp(help);
  }
  if (command == "compare") {
    if (auto options = parseCompare(rest, help))
      return runCompare(*options);
    return printHelp(help);
  }
  if (command == "export-ort-checkpoint") {
    if (auto options = parseExportOrt(rest, help))
      return runExportOrt(*options);
    return printHelp(help);
  }
  if (command == "export") {
    if (auto options = parseExport(rest, help))
      return runExport(*options);
    return printHelp(help);
  }
  if (command == "inspect") {
    if (auto options = parseInspect(rest, help))
      return runInspect(*options);
    return printHelp(help);
  }
  if (command == "--help" || command == "-h")
    return printHelp(usage);
  if (command == "--version")
    return printHelp(std::string("ampc-run ") + ampc_version() + "\n");
  if (command.empty()) {
    std::fputs(usage, stderr);
    return ExitUsage;
  }
  std::string guess = nearest(command, commands);
  throw Error("ampc-run",
              "unknown command " + quoted(command) +
                  (guess.empty() ? "; the commands are train, eval, inspect, compare, export and "
                                   "export-ort-checkpoint"
                                 : ", did you mean " + quoted(guess) + "?"),
              ExitUsage);
}

/// `text` as a shell reads it back.
std::string shellQuoted(const std::string &text) {
  std::string result = "'";
  for (char c : text)
    if (c == '\'')
      result += "'\\''";
    else
      result += c;
  return result + "'";
}

int report(const std::string &subject, const std::string &message, int exitCode,
           const std::vector<std::string> &arguments) {
  std::string text = printable(subject) + ": error: " + message + "\n";
  if (exitCode == ExitInternal) {
    text += "ampc-run: note: this is a bug of ampc; it comes back with\n  ampc-run";
    for (const std::string &argument : arguments)
      text += " " + shellQuoted(argument);
    text += "\n";
  }
  (void)ampc::files::writeFully(2, text.data(), text.size());
  return exitCode;
}

} // namespace

void ampc::run::finishOutput() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    throw Error("ampc-run", "standard output cannot be written: " + lastError());
}

int main(int argc, char **argv) {
  ampc::files::prepareProcess();
  std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  try {
    return run(arguments);
  } catch (const Error &error) {
    return report(error.subject, error.what(), error.exitCode, arguments);
  } catch (const std::bad_alloc &) {
    return report("ampc-run", "out of memory", ExitDiagnosed, arguments);
  } catch (const std::exception &error) {
    return report("ampc-run", error.what(), ExitInternal, arguments);
  }
}
