//===- LowerHostMath.cpp - Calls of libm that must not be expanded --------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/Passes.h"

#include "mlir/Conversion/MathToLibm/MathToLibm.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Transforms/DialectConversion.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_LOWERHOSTMATH
#include "ampc/Target/Passes.h.inc"

namespace {
struct LowerHostMath : impl::LowerHostMathBase<LowerHostMath> {
  void runOnOperation() final {
    RewritePatternSet patterns(&getContext());
    populateMathToLibmConversionPatterns(patterns);
    ConversionTarget target(getContext());
    target.addIllegalOp<math::ExpM1Op, math::Log1pOp>();
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    if (failed(applyPartialConversion(getOperation(), target, std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
} // namespace ampc
