//===- Trials.h - Compiles and trains, to see how far f32 is away -*- C++ -*-=//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TOOLS_AMPC_TRIALS_H
#define AMPC_TOOLS_AMPC_TRIALS_H

#include "Suggest.h"
#include "ampc/Support/OutputFiles.h"
#include "mlir/IR/DialectRegistry.h"
#include <chrono>
#include <memory>

namespace ampc {

/// An error that is on standard error already, with the exit code that it stands for.
class DiagnosedError : public llvm::ErrorInfo<DiagnosedError> {
public:
  static char ID;
  explicit DiagnosedError(int code) : code(code) {}
  void log(llvm::raw_ostream &os) const override { os << "diagnosed"; }
  std::error_code convertToErrorCode() const override { return llvm::inconvertibleErrorCode(); }
  const int code;
};

struct Trial {
  PrecisionGraph graph;
  Measurement measured;
};

/// Compiles a model with some nodes in f32, and lets `ampc-run compare` measure how far it is from
/// all nodes in f32. Modules lie in a folder that goes with this object.
class Trials {
public:
  /// An error where ampc-run is not there, or the folder cannot be made.
  static llvm::Expected<std::unique_ptr<Trials>> create(const CommandLine &line);
  ~Trials();

  /// Makes the files known that a run reads.
  llvm::Error addInputs(OutputFiles &outputs) const;
  /// Compiles with all nodes in f32. Before any trial.
  llvm::Error compileReference();
  /// Compiles with these nodes in f32, and measures.
  llvm::Expected<Trial> run(llvm::ArrayRef<llvm::StringRef> kept);
  /// As many trials as the user allows were made.
  bool isUsedUp() const { return count > line.suggest.compilations; }
  void endProgress();

  /// For each node of `graph` by how much longer its steps take at least in f32, by the model of
  /// the device; a step of several nodes counts for each with its part. Empty where there is no
  /// plan for CUDA. After the first run, which must have been of that graph.
  std::vector<double> secondsOfNodes(const PrecisionGraph &graph);
  /// What a step takes at least on the device with nothing, with `kept`, and with all in f32, as a
  /// line; "" where there is no plan for CUDA.
  llvm::Expected<std::string> leastTimes(llvm::ArrayRef<llvm::StringRef> kept);
  /// The precision lists, as the user gave them.
  llvm::StringRef lists() const { return line.options.lists; }

private:
  explicit Trials(const CommandLine &line);
  std::string path(llvm::StringRef name) const;
  llvm::Error compile(const std::string &output, llvm::StringRef regex, bool withCuda, bool isQuiet,
                      PrecisionGraph *graph);
  llvm::Expected<std::string> call(llvm::ArrayRef<std::string> arguments, bool mayStop);
  llvm::Expected<llvm::json::Object> roofline(llvm::StringRef module);
  std::string keepRegex(llvm::ArrayRef<llvm::StringRef> kept) const;

  const CommandLine &line;
  mlir::DialectRegistry registry;
  std::string program, folder;
  int64_t count = 0;
  size_t lastLength = 0;
};

} // namespace ampc

#endif // AMPC_TOOLS_AMPC_TRIALS_H
