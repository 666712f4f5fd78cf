//===- WidenMasters.cpp - Keep the masters of 16-bit weights in f32 -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Training/Passes.h"

namespace ampc {
#define GEN_PASS_DEF_WIDENMASTERS
#include "ampc/Training/Passes.h.inc"

namespace {
bool isLow(RankedTensorType type) {
  auto element = dyn_cast<FloatType>(type.getElementType());
  return element && element.getWidth() < 32;
}

struct WidenMasters : impl::WidenMastersBase<WidenMasters> {
  void runOnOperation() override {
    OpBuilder b(&getContext());
    llvm::StringMap<RankedTensorType> masters; // by name; the type in f32
    for (auto variable : getOperation().getOps<VariableOp>()) {
      RankedTensorType type = variable.getTensorType();
      if (!variable.getTrained() || !isLow(type))
        continue;
      variable.setFileType(type.getElementType());
      variable.setType(type.clone(b.getF32Type()));
      masters[variable.getSymName()] = variable.getTensorType();
    }
    if (masters.empty())
      return;
    getOperation().walk([&](Operation *op) {
      if (auto read = dyn_cast<ReadOp>(op)) {
        RankedTensorType master = masters.lookup(read.getVariable());
        if (!master)
          return;
        Type low = read.getType();
        read.getResult().setType(master);
        b.setInsertionPointAfter(read);
        auto copy = CastOp::create(b, read.getLoc(), low, read);
        copy.setInserted(true);
        read.getResult().replaceAllUsesExcept(copy, copy);
      } else if (auto assign = dyn_cast<AssignOp>(op)) {
        // An update that the model spells out computes as it is written.
        if (!masters.contains(assign.getVariable()))
          return;
        b.setInsertionPoint(assign);
        assign.setOperand(castTo(b, assign.getLoc(), assign.getValue(), b.getF32Type()));
      }
    });
  }
};
} // namespace
} // namespace ampc
