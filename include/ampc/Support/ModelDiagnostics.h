//===- ModelDiagnostics.h - Errors as the user reads them -- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_MODELDIAGNOSTICS_H
#define AMPC_SUPPORT_MODELDIAGNOSTICS_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include <string>

namespace ampc {

/// While it lives, prints the diagnostics of `context` as
///
///   MODEL.onnx: error: node 'fc1' (Gemm): inner dimensions differ: ...
///   MODEL.onnx: note: ...
///
/// The node is that of the diagnostic's location. Only the first error is printed, with
/// its notes: what follows it is its echo. Names come from untrusted files, so characters
/// that are not printable are escaped.
class ModelDiagnostics : public mlir::ScopedDiagnosticHandler {
public:
  /// `model` is the file's name as the user gave it.
  ModelDiagnostics(mlir::MLIRContext *context, llvm::StringRef model, llvm::raw_ostream &os);

  /// Errors seen so far, printed or not.
  unsigned errorCount() const { return errors; }

private:
  void print(mlir::Diagnostic &diagnostic);

  std::string model;
  llvm::raw_ostream &os;
  unsigned errors = 0;
};

/// Text from an untrusted file, made safe to print: control characters, marks that turn
/// the direction of writing, and bytes that are not UTF-8 become `\xNN`; long text is cut.
std::string escapeForTerminal(llvm::StringRef text, size_t limit = 4096);

} // namespace ampc

#endif // AMPC_SUPPORT_MODELDIAGNOSTICS_H
