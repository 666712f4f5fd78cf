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

/// What a result of an op is to the model.
struct ResultName {
  llvm::StringRef node; ///< the ONNX node that it comes from; "" where that is none
  llvm::StringRef type; ///< the node's operator, or ""
  llvm::StringRef
      value; ///< the ONNX value that it is, or is a gradient of; "" where it has no name
  bool isGradient = false; ///< of `value`, or a step on the way back through `node`
};

/// `loc` with the names of an op's results ("" where one has none), as the last node of `loc` gives
/// them: beside the node's place stands `fused<["value", "h1"]>`. Where `loc` has no node it stays.
mlir::Location nameResults(mlir::Location loc, llvm::ArrayRef<llvm::StringRef> values,
                           bool isGradient);

/// `loc` for an op that computes a part of a node: it keeps the node and whether that is on the way
/// back, and no name.
mlir::Location nameNoResult(mlir::Location loc);

/// `loc` with the name of result `result` alone, now that of result 0.
mlir::Location pickResult(mlir::Location loc, unsigned result);

/// `loc` for an op whose results come from several: result i is result 0 of `results[i]`.
mlir::Location joinResults(mlir::Location loc, llvm::ArrayRef<mlir::Location> results);

/// What result `result` of an op at `loc` is.
ResultName getResultName(mlir::Location loc, unsigned result);

} // namespace ampc

#endif // AMPC_SUPPORT_NODELOCATION_H
