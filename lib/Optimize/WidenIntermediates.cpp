//===- WidenIntermediates.cpp - Round values only where they are stored -===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Optimize/Passes.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_WIDENINTERMEDIATES
#include "ampc/Optimize/Passes.h.inc"

namespace {
struct WidenIntermediates : impl::WidenIntermediatesBase<WidenIntermediates> {
  void runOnOperation() override {
    getOperation().walk([&](plan::KernelOp kernel) {
      if (kernel.getKind() == plan::KernelKind::Fused)
        for (auto generic : kernel.getBodyBlock()->getOps<linalg::GenericOp>())
          if (isRoundedInBetween(generic))
            widen(generic);
    });
  }

private:
  /// The f32 value that the op rounds to its result; null where it does something else. A
  /// mere cast is what the model or the precision lists ask for, and stays.
  static Value roundedValue(linalg::GenericOp generic) {
    if (generic.getNumResults() != 1)
      return {};
    auto round = generic.getBody()->getTerminator()->getOperand(0).getDefiningOp<arith::TruncFOp>();
    if (!round || !round.getIn().getType().isF32() || isa<BlockArgument>(round.getIn()))
      return {};
    return round.getIn();
  }

  /// Whether the result is rounded, stays in the kernel, and is widened by all its readers.
  static bool isRoundedInBetween(linalg::GenericOp generic) {
    if (!roundedValue(generic) || !generic.getOutputs()[0].getDefiningOp<tensor::EmptyOp>())
      return false;
    return llvm::all_of(generic.getResult(0).getUses(), [](OpOperand &use) {
      auto reader = dyn_cast<linalg::GenericOp>(use.getOwner());
      if (!reader || reader.isDpsInit(&use))
        return false;
      return llvm::all_of(reader.getMatchingBlockArgument(&use).getUsers(), [](Operation *user) {
        auto wide = dyn_cast<arith::ExtFOp>(user);
        return wide && wide.getOut().getType().isF32();
      });
    });
  }

  static void widen(linalg::GenericOp generic) {
    OpBuilder builder(generic);
    Type f32 = builder.getF32Type();
    Operation *round = generic.getBody()->getTerminator()->getOperand(0).getDefiningOp();
    auto type = cast<RankedTensorType>(generic.getResult(0).getType()).clone(f32);
    Value empty = tensor::EmptyOp::create(builder, generic.getLoc(), type.getShape(), f32);
    generic.getOutputsMutable()[0].set(empty);
    generic.getBody()->getArguments().back().setType(f32);
    generic.getBody()->getTerminator()->setOperand(0, round->getOperand(0));
    if (round->use_empty())
      round->erase();
    generic.getResult(0).setType(type);
    for (OpOperand &use : generic.getResult(0).getUses()) {
      auto reader = cast<linalg::GenericOp>(use.getOwner());
      BlockArgument argument = reader.getMatchingBlockArgument(&use);
      for (Operation *user : llvm::make_early_inc_range(argument.getUsers())) {
        user->getResult(0).replaceAllUsesWith(argument);
        user->erase();
      }
      argument.setType(f32);
    }
  }
};
} // namespace
} // namespace ampc
