//===- InternalErrors.h - Tells our mistakes from the user's ---*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_PIPELINE_INTERNALERRORS_H
#define AMPC_LIB_PIPELINE_INTERNALERRORS_H

#include "ampc/Pipeline/Compiler.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"

namespace ampc {

/// Holds errors back until a compilation has ended, and watches the passes that run: IR that does
/// not verify after a pass is a bug of ours, whatever the phase. Once the graph is a training step,
/// so is an error about one of its ops: the user wrote none of them. What is the user's mistake is
/// handed to the handlers that were there before.
class InternalErrorWatch {
public:
  /// `model` and `flags` are what the compilation was started with.
  InternalErrorWatch(mlir::MLIRContext &context, llvm::StringRef model, llvm::StringRef flags);

  /// To be called for every pass manager before it runs.
  void watch(mlir::PassManager &pm);
  /// Runs the compilation. Where it fails by a mistake of ours, its errors are dropped and
  /// the IR is written to a temporary file.
  mlir::LogicalResult run(llvm::function_ref<mlir::LogicalResult()> compilation);
  /// The graph is a training step from here on.
  void setTrained() { isTrained = true; }

  const std::optional<InternalError> &found() const { return error; }

private:
  class Instrumentation;
  void passFailed(mlir::Pass *pass, mlir::Operation *op);
  void writeReproducer(mlir::Operation *op);

  mlir::MLIRContext &context;
  std::string model, flags;
  bool isTrained = false;
  llvm::SmallVector<std::pair<std::string, mlir::Diagnostic>> held; ///< errors and their texts
  std::optional<InternalError> error;
};

} // namespace ampc

#endif // AMPC_LIB_PIPELINE_INTERNALERRORS_H
