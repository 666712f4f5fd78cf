//===- StageInputs.cpp - Take inputs in the type they are computed in ---===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/AmpBase.h"
#include "ampc/Optimize/Passes.h"
#include "mlir/Interfaces/CastInterfaces.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_STAGEINPUTS
#include "ampc/Optimize/Passes.h.inc"

namespace {
struct StageInputs : impl::StageInputsBase<StageInputs> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal())
      return;
    for (BlockArgument argument : function.getArguments())
      if (RankedTensorType staged = stagedType(argument))
        stage(function, argument, staged);
    function.setType(FunctionType::get(&getContext(), function.front().getArgumentTypes(),
                                       function.getResultTypes()));
  }

  /// The type of all uses where they are casts to one narrower float type, else null.
  /// Rounding to it is what the runtime does when it stages an array; integers would have
  /// to be checked against the narrower range.
  static RankedTensorType stagedType(BlockArgument argument) {
    RankedTensorType staged;
    for (Operation *user : argument.getUsers()) {
      if (!isa<CastOpInterface>(user))
        return {};
      auto type = dyn_cast<RankedTensorType>(user->getResult(0).getType());
      if (!type || (staged && staged != type))
        return {};
      staged = type;
    }
    auto declared = dyn_cast<RankedTensorType>(argument.getType());
    if (!staged || !declared || staged.getShape() != declared.getShape())
      return {};
    auto from = dyn_cast<FloatType>(declared.getElementType());
    auto to = dyn_cast<FloatType>(staged.getElementType());
    return from && to && to.getWidth() < from.getWidth() ? staged : RankedTensorType();
  }

  static void stage(func::FuncOp function, BlockArgument argument, RankedTensorType staged) {
    unsigned index = argument.getArgNumber();
    if (!function.getArgAttr(index, kDeclaredTypeAttr))
      function.setArgAttr(index, kDeclaredTypeAttr, TypeAttr::get(argument.getType()));
    for (Operation *user : llvm::make_early_inc_range(argument.getUsers())) {
      user->getResult(0).replaceAllUsesWith(argument);
      user->erase();
    }
    argument.setType(staged);
  }
};
} // namespace
} // namespace ampc
