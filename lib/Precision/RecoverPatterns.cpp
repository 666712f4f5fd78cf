//===- RecoverPatterns.cpp - Ops in the place of what spells them out -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Precision/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/SetVector.h"

namespace ampc {
#define GEN_PASS_DEF_RECOVERPATTERNS
#include "ampc/Precision/Passes.h.inc"

namespace {
/// Remembers the ops that patterns add.
struct RecoveredOps : RewriterBase::Listener {
  llvm::SetVector<Operation *> ops;

  void notifyOperationInserted(Operation *op, OpBuilder::InsertPoint) override {
    if (isa<RecoveryOpInterface>(op))
      ops.insert(op);
  }
  void notifyOperationErased(Operation *op) override { ops.remove(op); }
};

struct RecoverPatterns : impl::RecoverPatternsBase<RecoverPatterns> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet set(context);
    for (RegisteredOperationName op : context->getRegisteredOperations())
      if (const auto *recovery = op.getInterface<RecoveryOpInterface>())
        recovery->getRecoveryPatterns(set);
    FrozenRewritePatternSet patterns(std::move(set));

    // What no pattern matches stays as it is, to the last constant.
    RecoveredOps recovered;
    GreedyRewriteConfig config;
    config.enableFolding(false)
        .enableConstantCSE(false)
        .setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled)
        .setListener(&recovered);
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (failed(applyPatternsGreedily(function, patterns, config)))
        return signalPassFailure();
    for (Operation *op : recovered.ops)
      remark(op);
  }

  void remark(Operation *op) {
    ++numRecovered;
    remark::passed(op->getLoc(), remark::RemarkOpts::name("recovered")
                                     .category("amp-recover-patterns")
                                     .function(op->getName().getStringRef()))
        << remark::reason("{0}", "the nodes spell it out")
        << remark::metric("function", op->getParentOfType<func::FuncOp>().getName());
  }
};
} // namespace
} // namespace ampc
