//===- NodeLocation.h - Locations that carry ONNX nodes -- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_NODELOCATION_H
#define AMPC_SUPPORT_NODELOCATION_H

#include "mlir/IR/Location.h"

namespace ampc {

/// The location of an ONNX node: a NameLoc of the node's name over the model's file, with
/// the node's number, from 1, as the line:
/// `loc("fc1"(fused<"Gemm">["mlp.onnx":3:0]))`.
mlir::Location getNodeLocation(mlir::MLIRContext *context, llvm::StringRef model, unsigned number,
                               llvm::StringRef name, llvm::StringRef opType);

/// The names of the ONNX nodes that a location stands for, each once: several where nodes
/// were merged, none outside of the model's nodes.
llvm::SmallVector<llvm::StringRef> getNodeNames(mlir::Location loc);

/// The ONNX operator of the first node of a location, "" where there is none.
llvm::StringRef getNodeType(mlir::Location loc);

} // namespace ampc

#endif // AMPC_SUPPORT_NODELOCATION_H
