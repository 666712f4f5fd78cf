//===- OnnxProto.h - ONNX's messages ------------------------ -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_ONNXPROTO_H
#define AMPC_LIB_IMPORT_ONNXPROTO_H

#include "ampc_onnx.pb.h"

namespace ampc {
namespace onnx = ::ampc_onnx; // the build renames the package

/// The pinned schema is that of IR version 13; 14 adds only element types that no op has.
constexpr int64_t kNewestIrVersion = 14;
} // namespace ampc

#endif // AMPC_LIB_IMPORT_ONNXPROTO_H
