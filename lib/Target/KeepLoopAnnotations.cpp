//===- KeepLoopAnnotations.cpp - Hand LLVM what loops are annotated with --===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/Passes.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_KEEPLOOPANNOTATIONS
#include "ampc/Target/Passes.h.inc"

namespace {
struct KeepLoopAnnotations : impl::KeepLoopAnnotationsBase<KeepLoopAnnotations> {
  void runOnOperation() override {
    auto keep = [](auto branch) {
      if (Attribute annotation = branch->removeDiscardableAttr("llvm.loop_annotation"))
        branch.setLoopAnnotationAttr(cast<LLVM::LoopAnnotationAttr>(annotation));
    };
    getOperation()->walk([&](LLVM::BrOp branch) { keep(branch); });
    getOperation()->walk([&](LLVM::CondBrOp branch) { keep(branch); });
  }
};
} // namespace
} // namespace ampc
