//===- DropUnusedVariables.cpp - Drop what no function reads --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Training/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace ampc {
#define GEN_PASS_DEF_DROPUNUSEDVARIABLES
#include "ampc/Training/Passes.h.inc"

namespace {
struct DropUnusedVariables : impl::DropUnusedVariablesBase<DropUnusedVariables> {
  void runOnOperation() override {
    DenseSet<StringAttr> used;
    getOperation().walk([&](ReadOp op) { used.insert(op.getVariableAttr().getAttr()); });
    getOperation().walk([&](AssignOp op) { used.insert(op.getVariableAttr().getAttr()); });
    for (auto variable : llvm::make_early_inc_range(getOperation().getOps<VariableOp>())) {
      // A parameter is the user's to save and load even where nothing reads it.
      bool dispensable = variable.getRole() == VariableRole::Constant ||
                         variable.getRole() == VariableRole::Derived;
      if (dispensable && !used.contains(variable.getSymNameAttr()))
        variable.erase();
    }
  }
};
} // namespace
} // namespace ampc
