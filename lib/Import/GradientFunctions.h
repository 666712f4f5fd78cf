//===- GradientFunctions.h - ONNX Runtime's gradients --------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_GRADIENTFUNCTIONS_H
#define AMPC_LIB_IMPORT_GRADIENTFUNCTIONS_H

#include "GraphNode.h"

namespace ampc {

/// The definition in ONNX's operators of a com.microsoft node that ONNX Runtime's gradient builder
/// writes, as `TanhGrad`; null for other nodes. It lives as long as the process.
const onnx::FunctionProto *findGradientFunction(const onnx::NodeProto &node);

} // namespace ampc

#endif // AMPC_LIB_IMPORT_GRADIENTFUNCTIONS_H
