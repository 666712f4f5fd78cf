//===- Differentiate.cpp - Replace amp.gradient by the ops that compute it -===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// What is on the way from the values to the result is found where the request is defined
// (lib/Dialect/Amp/Ops/Gradient.cpp), since the import of gradient nodes asks for it as well.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Gradient.h"
#include "ampc/Training/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace ampc {
#define GEN_PASS_DEF_DIFFERENTIATE
#include "ampc/Training/Passes.h.inc"

namespace {
struct Differentiate : impl::DifferentiateBase<Differentiate> {
  void runOnOperation() override {
    // In the order they stand in: a gradient of a gradient finds the first one expanded.
    SmallVector<GradientOp> requests;
    getOperation().walk([&](GradientOp op) { requests.push_back(op); });
    for (GradientOp request : requests)
      if (failed(request.expand()))
        return signalPassFailure();
  }
};
} // namespace
} // namespace ampc
