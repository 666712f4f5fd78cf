//===- Compiler.h - From a model file to a train.so ----------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_PIPELINE_COMPILER_H
#define AMPC_PIPELINE_COMPILER_H

#include "ampc/Pipeline/Pipelines.h"
#include "ampc/Support/OutputFiles.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/raw_ostream.h"
#include <functional>
#include <memory>
#include <optional>

namespace ampc {

/// A bug of ampc that a compilation ran into.
struct InternalError {
  std::string text;       ///< what is wrong with the IR
  std::string pass;       ///< after which it is
  std::string reproducer; ///< a file with that IR, "" where none could be written
};
class InternalErrorWatch;

/// One compilation. Diagnostics go to the context's handlers.
class Compiler {
public:
  /// Files that are read or written besides are made known to `outputs`, so that none is
  /// overwritten. `configure`, if given, is called with every pass manager before it runs.
  Compiler(mlir::MLIRContext &context, const CompileOptions &options, OutputFiles &outputs,
           std::function<void(mlir::PassManager &)> configure = {});
  ~Compiler();

  /// Compiles up to `stage` and writes its text to `os`. Not for Stage::SharedObject.
  mlir::LogicalResult emit(Stage stage, llvm::raw_ostream &os);
  /// Compiles to a train.so, written to `os`.
  mlir::LogicalResult emitSharedObject(llvm::raw_ostream &os);

  /// Writes the model again, with the weights of a checkpoint, to `os`, which is the file `path`:
  /// tensors that it is too small for go to a file of its name with `.data` behind it.
  mlir::LogicalResult emitTrained(llvm::StringRef checkpoint, llvm::StringRef path,
                                  llvm::raw_ostream &os);

  /// What compilation did, in one line: parameters trained, kernels and so on. Valid after
  /// emitSharedObject.
  std::string summary() const { return summaryText; }
  /// What failed where that is a bug of ours: no diagnostic told of it.
  const std::optional<InternalError> &internalError() const;

private:
  mlir::LogicalResult import();
  void adopt(const ArtifactStep &step);
  mlir::LogicalResult train();
  mlir::LogicalResult compile(llvm::raw_ostream &os);
  OptimizeOptions optimizeOptions(Target target) const;
  PlanOptions planOptions(Target target) const;
  mlir::LogicalResult planCuda(mlir::OwningOpRef<mlir::ModuleOp> &module, std::string &ptx);
  mlir::LogicalResult print(Stage stage, llvm::raw_ostream &os);
  mlir::LogicalResult checkFiles();
  mlir::LogicalResult run(mlir::ModuleOp module,
                          llvm::function_ref<void(mlir::OpPassManager &)> build);
  mlir::LogicalResult dump(mlir::Operation *op, llvm::StringRef name);

  mlir::MLIRContext &context;
  CompileOptions options; ///< as given; after the import, with what the file says
  OutputFiles &outputs;
  std::function<void(mlir::PassManager &)> configure;
  ImportedModel model;
  std::unique_ptr<InternalErrorWatch> watch;
  std::string summaryText;
};

} // namespace ampc

#endif // AMPC_PIPELINE_COMPILER_H
