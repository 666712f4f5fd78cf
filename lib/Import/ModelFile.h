//===- ModelFile.h - Reads and parses the model file -------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_MODELFILE_H
#define AMPC_LIB_IMPORT_MODELFILE_H

#include "OnnxProto.h"
#include "mlir/IR/Location.h"
#include "llvm/Support/LogicalResult.h"
#include <memory>

namespace ampc {

/// The model in the regular file `path`, which has a graph and a known IR version; failure
/// after an error that says what the file is instead.
llvm::FailureOr<std::shared_ptr<onnx::ModelProto>> readModelFile(llvm::StringRef path,
                                                                 mlir::Location loc);

} // namespace ampc

#endif // AMPC_LIB_IMPORT_MODELFILE_H
