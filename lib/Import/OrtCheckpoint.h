//===- OrtCheckpoint.h - ONNX Runtime's training checkpoints -- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_ORTCHECKPOINT_H
#define AMPC_LIB_IMPORT_ORTCHECKPOINT_H

#include "ImportContext.h"
#include "OnnxProto.h"

namespace ampc {

/// What a checkpoint of ONNX Runtime's training API holds, a FlatBuffers file by
/// ort_training_checkpoint.fbs of ONNX Runtime 1.19.
struct OrtCheckpoint {
  /// Parameters that are trained, and those that are not with the buffers.
  std::vector<onnx::TensorProto> trained, frozen;
  struct Momentums {
    std::string parameter;
    std::vector<onnx::TensorProto> tensors;
  };
  std::vector<Momentums> momentums;
  int64_t step = 0; ///< updates applied before
  std::optional<double> learningRate;
};

/// Reads and checks the file of `--ort-checkpoint`; failure after an error.
llvm::FailureOr<OrtCheckpoint> readOrtCheckpoint(llvm::StringRef path,
                                                 const ImportContext &context);

} // namespace ampc

#endif // AMPC_LIB_IMPORT_ORTCHECKPOINT_H
