//===- ImportContext.h - What all parts of one import share -- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_IMPORTCONTEXT_H
#define AMPC_LIB_IMPORT_IMPORTCONTEXT_H

#include "ExternalData.h"
#include "ampc/Import/Import.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/Path.h"

namespace ampc {

struct ImportContext {
  mlir::MLIRContext &mlir;
  const ImportOptions &options;
  std::string model;  ///< the file's name without its folder
  mlir::Location loc; ///< of what belongs to no node
  ExternalData externalData;

  ImportContext(mlir::MLIRContext &mlir, const ImportOptions &options, llvm::StringRef path)
      : mlir(mlir), options(options), model(llvm::sys::path::filename(path)),
        loc(mlir::FileLineColLoc::get(&mlir, model, 0, 0)), externalData(path) {}

  mlir::InFlightDiagnostic emitError() const { return mlir::emitError(loc); }
};

/// A limit on one tensor, far above any memory: what is larger is a mistake in the file.
constexpr int64_t kMaxTensorBytes = int64_t(1) << 40;

/// "8x64xf32" for messages; dynamic sizes are "?". Of a sequence how many tensors it has.
std::string typeText(mlir::Type type);

} // namespace ampc

#endif // AMPC_LIB_IMPORT_IMPORTCONTEXT_H
