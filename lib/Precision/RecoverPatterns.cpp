//===- RecoverPatterns.cpp - Ops in the place of what spells them out -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/RecoveryLog.h"
#include "ampc/Precision/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace ampc {
#define GEN_PASS_DEF_RECOVERPATTERNS
#include "ampc/Precision/Passes.h.inc"

namespace {
/// Keeps the log true to the IR.
struct ForgetErased : RewriterBase::Listener {
  explicit ForgetErased(RecoveryLog &log) : log(log) {}
  void notifyOperationErased(Operation *op) override { log.erase(op); }
  RecoveryLog &log;
};

struct RecoverPatterns : impl::RecoverPatternsBase<RecoverPatterns> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RecoveryLog log;
    RewritePatternSet set(context);
    for (RegisteredOperationName op : context->getRegisteredOperations())
      if (const auto *recovery = op.getInterface<RecoveryOpInterface>())
        recovery->getRecoveryPatterns(set, log);
    FrozenRewritePatternSet patterns(std::move(set));

    // What no pattern matches stays as it is, to the last constant.
    ForgetErased listener(log);
    GreedyRewriteConfig config;
    config.enableFolding(false)
        .enableConstantCSE(false)
        .setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled)
        .setListener(&listener);
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (failed(applyPatternsGreedily(function, patterns, config)))
        return signalPassFailure();
      remark(function, log);
    }
  }

  /// Tells what was recovered, what nearly was, and how many of each kind there are.
  void remark(func::FuncOp function, const RecoveryLog &log) {
    std::map<StringRef, unsigned> counts;
    auto named = [](StringRef name, Operation *op) {
      return remark::RemarkOpts::name(name)
          .category("amp-recover-patterns")
          .function(op->getName().getStringRef());
    };
    function.walk([&](Operation *op) {
      if (const RecoveryLog::Recovered *recovered = log.getRecovered(op)) {
        ++numRecovered;
        ++counts[recovered->kind];
        remark::passed(recovered->loc, named("recovered", op))
            << remark::metric("kind", recovered->kind)
            << remark::reason("{0}", "the nodes spell it out")
            << remark::metric("function", function.getName());
      }
      for (const auto &[kind, why] : log.getMissed(op))
        remark::missed(op->getLoc(), named("not-recovered", op))
            << remark::metric("kind", kind) << remark::reason("{0}", why)
            << remark::metric("function", function.getName());
    });
    if (counts.empty())
      return;
    auto summary = remark::analysis(function.getLoc(), named("patterns", function));
    for (auto [kind, count] : counts)
      summary << remark::metric(kind, count);
    summary << remark::metric("function", function.getName());
  }
};
} // namespace
} // namespace ampc
