//===- TensorReader.h - The value of a TensorProto ---------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_TENSORREADER_H
#define AMPC_LIB_IMPORT_TENSORREADER_H

#include "ImportContext.h"
#include "OnnxProto.h"

namespace ampc {

/// Starts the error of whatever a tensor belongs to: "initializer 'w': ".
using EmitError = llvm::function_ref<mlir::InFlightDiagnostic()>;

/// The element type for ONNX's TensorProto.DataType; null, after an error, for one that
/// has no counterpart in the dialect.
mlir::Type readElementType(int32_t dataType, mlir::MLIRContext *context, EmitError emitError);

struct TensorValue {
  mlir::RankedTensorType type;
  llvm::ArrayRef<char> bytes; ///< as in WeightStore
  std::shared_ptr<const void> owner;
  const MappedFile *file = nullptr; ///< as in WeightStore
};

/// The tensor's value, without a copy where the file has it in this form. `owner` keeps
/// `proto` alive.
llvm::FailureOr<TensorValue> readTensor(const onnx::TensorProto &proto,
                                        std::shared_ptr<const void> owner, ImportContext &context,
                                        EmitError emitError);

} // namespace ampc

#endif // AMPC_LIB_IMPORT_TENSORREADER_H
