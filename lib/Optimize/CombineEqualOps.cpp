//===- CombineEqualOps.cpp - CSE of ops that differ in their bodies -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// MLIR's hash of an op leaves its regions out: among many tensor ops with the same operands,
// whose bodies differ in a constant, CSE would compare all with all. While it runs, ops carry
// a hash of their bodies as an attribute.
//
//===----------------------------------------------------------------------===//

#include "ampc/Optimize/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/CSE.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_COMBINEEQUALOPS
#include "ampc/Optimize/Passes.h.inc"

namespace {
struct CombineEqualOps : impl::CombineEqualOpsBase<CombineEqualOps> {
  void runOnOperation() override {
    constexpr StringLiteral kBody = "ampc.body_hash";
    Builder builder(&getContext());
    getOperation().walk([&](linalg::GenericOp generic) {
      generic->setAttr(kBody, builder.getI64IntegerAttr(int64_t(hashOfBody(generic))));
    });
    DominanceInfo dominance(getOperation());
    IRRewriter rewriter(&getContext());
    eliminateCommonSubExpressions(rewriter, dominance, getOperation());
    getOperation().walk([&](linalg::GenericOp generic) { generic->removeAttr(kBody); });
  }

private:
  /// Bodies that are equivalent have equal hashes.
  static size_t hashOfBody(linalg::GenericOp generic) {
    llvm::hash_code hash = 0;
    generic.getRegion().walk([&](Operation *op) {
      hash = llvm::hash_combine(
          hash, size_t(OperationEquivalence::computeHash(op, OperationEquivalence::ignoreHashValue,
                                                         OperationEquivalence::ignoreHashValue,
                                                         OperationEquivalence::IgnoreLocations)));
    });
    return hash;
  }
};
} // namespace
} // namespace ampc
