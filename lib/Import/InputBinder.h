//===- InputBinder.h - Graph inputs that are fixed --------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_INPUTBINDER_H
#define AMPC_LIB_IMPORT_INPUTBINDER_H

#include "ImportContext.h"
#include "OnnxProto.h"

namespace ampc {
/// Makes an initializer of each graph input that the options fix.
llvm::LogicalResult bindInputs(onnx::ModelProto &model, const ImportContext &context);
} // namespace ampc

#endif // AMPC_LIB_IMPORT_INPUTBINDER_H
