//===- ExpandDivisions.cpp - Integer divisions that round up or down ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/Passes.h"

#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_EXPANDDIVISIONS
#include "ampc/Target/Passes.h.inc"

namespace {
struct ExpandDivisions : impl::ExpandDivisionsBase<ExpandDivisions> {
  void runOnOperation() final {
    RewritePatternSet patterns(&getContext());
    arith::populateCeilFloorDivExpandOpsPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
} // namespace ampc
