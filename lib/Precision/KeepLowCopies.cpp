//===- KeepLowCopies.cpp - Keep the low-precision copy of a master --------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Precision/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/FormatVariadic.h"

namespace ampc {
#define GEN_PASS_DEF_KEEPLOWCOPIES
#include "ampc/Precision/Passes.h.inc"

namespace {
struct KeepLowCopies : impl::KeepLowCopiesBase<KeepLowCopies> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    // (variable, low type) -> the casts of it, in all functions.
    llvm::MapVector<std::pair<StringAttr, Type>, SmallVector<CastOp>> casts;
    SymbolTable symbols(module);
    module.walk([&](CastOp cast) {
      auto read = cast.getInput().getDefiningOp<ReadOp>();
      auto type = dyn_cast<FloatType>(getElementTypeOrSelf(cast.getType()));
      if (!read || !cast.getInserted() || !type || type.getWidth() > 16)
        return;
      auto variable = symbols.lookup<VariableOp>(read.getVariable());
      if (variable.getRole() == VariableRole::Parameter ||
          variable.getRole() == VariableRole::Constant)
        casts[{variable.getSymNameAttr(), cast.getType()}].push_back(cast);
    });
    if (casts.empty())
      return;

    OpBuilder b(&getContext());
    auto refresh = module.lookupSymbol<func::FuncOp>(kRefreshFunction);
    if (!refresh) {
      b.setInsertionPointToEnd(module.getBody());
      refresh =
          func::FuncOp::create(b, module.getLoc(), kRefreshFunction, b.getFunctionType({}, {}));
      b.setInsertionPointToEnd(refresh.addEntryBlock());
      func::ReturnOp::create(b, module.getLoc());
    }
    DenseMap<StringAttr, SmallVector<AssignOp>> assigns; // by variable
    module.walk(
        [&](AssignOp assign) { assigns[assign.getVariableAttr().getAttr()].push_back(assign); });
    for (auto &[key, uses] : casts) {
      StringAttr master = key.first;
      Type type = key.second;
      std::string name = "ampc.copy/" + master.str();
      if (symbols.lookup(name)) // a second low type of the same master
        name += llvm::formatv("/{0}", getElementTypeOrSelf(type)).str();
      auto variable = symbols.lookup<VariableOp>(master);
      Location loc = variable.getLoc();
      b.setInsertionPointAfter(variable);
      symbols.insert(VariableOp::create(b, loc, VariableRole::Derived, name, type, ElementsAttr(),
                                        false, false));
      for (CastOp cast : uses) {
        b.setInsertionPoint(cast);
        cast.replaceAllUsesWith(ReadOp::create(b, cast.getLoc(), type, name).getResult());
        cast.erase();
      }
      for (AssignOp assign : assigns.lookup(master)) {
        b.setInsertionPointAfter(assign);
        assignCopy(b, assign.getLoc(), name, assign.getValue(), type);
      }
      b.setInsertionPoint(refresh.getBody().front().getTerminator());
      assignCopy(b, loc, name, ReadOp::create(b, loc, variable.getTensorType(), master), type);
    }
  }

  void assignCopy(OpBuilder &b, Location loc, StringRef name, Value value, Type type) {
    auto copy = CastOp::create(b, loc, type, value);
    copy.setInserted(true);
    AssignOp::create(b, loc, name, copy);
  }
};
} // namespace
} // namespace ampc
