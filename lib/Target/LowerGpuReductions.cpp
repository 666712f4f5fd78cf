//===- LowerGpuReductions.cpp - Reductions to shuffles --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/Passes.h"

#include "KernelBody.h"
#include "ampc/Target/SimtFormat.h"

#include "mlir/Dialect/GPU/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_LOWERGPUREDUCTIONS
#include "ampc/Target/Passes.h.inc"

namespace {
struct LowerGpuReductions : impl::LowerGpuReductionsBase<LowerGpuReductions> {
  void runOnOperation() final {
    RewritePatternSet patterns(&getContext());
    populateGpuAllReducePatterns(patterns);
    // Vectors are broken down first: a shuffle moves one register.
    populateGpuBreakDownSubgroupReducePatterns(patterns, /*maxShuffleBitwidth=*/32,
                                               PatternBenefit(2));
    populateGpuLowerSubgroupReduceToShufflePatterns(patterns, kSimtWarpSize,
                                                    /*shuffleBitwidth=*/32);
    populateGpuLowerClusteredSubgroupReduceToShufflePatterns(patterns, kSimtWarpSize,
                                                             /*shuffleBitwidth=*/32);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns), kernelRewriteConfig())))
      signalPassFailure();
  }
};
} // namespace
} // namespace ampc
