//===- CheckpointFile.h - Tensors of a checkpoint ----------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_CHECKPOINTFILE_H
#define AMPC_LIB_IMPORT_CHECKPOINTFILE_H

#include "ImportContext.h"
#include "ampc-files/RegularFile.h"
#include "llvm/Support/JSON.h"
#include <map>
#include <vector>

namespace ampc {

/// A checkpoint that training has written, a safetensors file: an 8-byte length, a header of that
/// many bytes of JSON, the tensors' bytes. Nobody vouches for it.
class CheckpointFile {
public:
  struct Tensor {
    std::string dtype; ///< "F32" and so on
    std::vector<int64_t> shape;
    uint64_t offset, bytes; ///< in the file
  };

  CheckpointFile(llvm::StringRef path, const ImportContext &context)
      : path(path.str()), context(context) {}

  /// Reads and checks the header; failure after an error. With `averages` the parameters are their
  /// moving averages.
  mlir::LogicalResult open(bool averages);
  /// What belongs to the model by name: no optimizer state, no scalars of training.
  const std::map<std::string, Tensor> &tensors() const { return found; }
  /// A tensor's bytes; failure after an error.
  llvm::FailureOr<std::string> read(const Tensor &tensor) const;

  /// Starts "the checkpoint 'PATH'".
  mlir::InFlightDiagnostic emitError() const {
    return context.emitError() << "the checkpoint '" << path << "'";
  }

private:
  mlir::LogicalResult takeAverages(const llvm::json::Object &entries, uint64_t begin);
  mlir::LogicalResult checkBytes(std::string start);
  mlir::LogicalResult readTensor(llvm::StringRef name, const llvm::json::Object &entry,
                                 uint64_t begin);

  std::string path;
  const ImportContext &context;
  files::RegularFile file;
  std::map<std::string, Tensor> found;
};

} // namespace ampc

#endif // AMPC_LIB_IMPORT_CHECKPOINTFILE_H
