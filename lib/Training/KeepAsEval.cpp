//===- KeepAsEval.cpp - Make the graph as it stands the only program ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Training/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace ampc {
#define GEN_PASS_DEF_KEEPASEVAL
#include "ampc/Training/Passes.h.inc"

namespace {
struct KeepAsEval : impl::KeepAsEvalBase<KeepAsEval> {
  void runOnOperation() override {
    for (StringRef name : {kTrainFunction, kInitFunction})
      if (Operation *function = getOperation().lookupSymbol(name))
        function->erase();
    if (auto function = getOperation().lookupSymbol<func::FuncOp>(kMainFunction))
      function.setName(kEvalFunction);
    for (auto variable : getOperation().getOps<VariableOp>())
      variable.setTrained(false);
  }
};
} // namespace
} // namespace ampc
