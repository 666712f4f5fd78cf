//===- ExternalData.h - Tensors beside the model file ------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_EXTERNALDATA_H
#define AMPC_LIB_IMPORT_EXTERNALDATA_H

#include "ampc/Support/MappedFile.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringMap.h"
#include <memory>
#include <string>

namespace ampc {

/// The files that hold a model's external data. Each is mapped once. A file counts only if
/// it lies in the model's folder or below it, is reached without a symbolic link, is a
/// regular file, and has no other name: a model from elsewhere must not get at anything
/// else that its reader can read.
class ExternalData {
public:
  explicit ExternalData(llvm::StringRef modelPath);

  /// The file at `location`, a path relative to the model's folder. On failure, `error`
  /// says why.
  llvm::FailureOr<std::shared_ptr<const MappedFile>> open(llvm::StringRef location,
                                                          std::string &error);

  /// The paths of the files opened so far.
  std::vector<std::string> paths() const;

private:
  std::string directory;
  llvm::StringMap<std::shared_ptr<const MappedFile>> files;
};

} // namespace ampc

#endif // AMPC_LIB_IMPORT_EXTERNALDATA_H
