//===- ExpandProducts.cpp - Compute small products in kernels of ours ---===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Optimize/Passes.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_EXPANDPRODUCTS
#include "ampc/Optimize/Passes.h.inc"

namespace {
struct ExpandProducts : impl::ExpandProductsBase<ExpandProducts> {
  using ExpandProductsBase::ExpandProductsBase;

  void runOnOperation() override {
    // On the host a call costs next to nothing, and a library knows the caches.
    if (target == Target::Host)
      return;
    SmallVector<plan::LibraryCallOpInterface> calls;
    getOperation().walk([&](plan::LibraryCallOpInterface call) {
      if (call.isShorterThanLaunch() && feedsOneElementwiseOp(call))
        calls.push_back(call);
    });
    IRRewriter rewriter(&getContext());
    for (plan::LibraryCallOpInterface call : calls) {
      rewriter.setInsertionPoint(call);
      rewriter.replaceOp(call, call.expand(rewriter));
    }
  }

private:
  /// Whether the result goes into one elementwise op and nowhere else: the launch that a
  /// library would save is the one that is left over.
  static bool feedsOneElementwiseOp(Operation *call) {
    if (!call->hasOneUse())
      return false;
    OpOperand &use = *call->use_begin();
    auto next = dyn_cast<linalg::GenericOp>(use.getOwner());
    return next && !next.isDpsInit(&use) && next.getNumParallelLoops() == next.getNumLoops() &&
           next.getMatchingIndexingMap(&use).isIdentity();
  }
};
} // namespace
} // namespace ampc
