//===- ScaleLoss.cpp - Scale the loss, unscale the gradients --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Precision/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/TypeUtilities.h"

namespace ampc {
#define GEN_PASS_DEF_SCALELOSS
#include "ampc/Precision/Passes.h.inc"

namespace {
struct ScaleLoss : impl::ScaleLossBase<ScaleLoss> {
  using ScaleLossBase::ScaleLossBase;

  /// The mode that the types ask for in which the step computes.
  static const char *chooseMode(func::FuncOp train) {
    auto result = train.walk([](Operation *op) {
      // What is only read in f16 and computed with in another type needs no scale.
      bool isF16 = isa<PrecisionOpInterface, CastOp>(op) &&
                   llvm::any_of(op->getResultTypes(),
                                [](Type type) { return getElementTypeOrSelf(type).isF16(); });
      return isF16 ? WalkResult::interrupt() : WalkResult::advance();
    });
    return result.wasInterrupted() ? "dynamic" : "check";
  }

  void runOnOperation() override {
    auto train = getOperation().lookupSymbol<func::FuncOp>(kTrainFunction);
    if (!train)
      return;
    if (mode == "auto")
      mode = chooseMode(train);
    if (mode == "check" && !checkFinite)
      return;
    SmallVector<GradientOp> gradients(train.getOps<GradientOp>());
    if (gradients.empty()) {
      if (mode == "check")
        return;
      emitError(train.getLoc())
          << "the training step holds no Gradient whose seed a loss scale could enter; f16 "
             "needs --loss-scale=none here";
      return signalPassFailure();
    }
    OpBuilder b(&train.getBody().front(), train.getBody().front().begin());
    Location loc = NameLoc::get(b.getStringAttr("loss_scale"));
    auto f32 = RankedTensorType::get({}, b.getF32Type());
    Value scale;
    if (mode == "dynamic")
      scale =
          readScalar(b, loc, AMPC_SCALAR_LOSS_SCALE, DenseElementsAttr::get(f32, float(initial)));
    else if (mode == "static")
      scale = splat(b, loc, f32, initial);

    Value found;
    SmallVector<Attribute> names;
    for (GradientOp gradient : gradients) {
      b.setInsertionPoint(gradient);
      if (scale) {
        Value of = gradient.getOf();
        if (getElementTypeOrSelf(of.getType()).getIntOrFloatBitWidth() < 32) {
          gradient.emitOpError("differentiates a value of ") << of.getType(); // scale_loss_c1
          return signalPassFailure();
        }
        gradient.getOfMutable().set(ScaleLossOp::create(b, loc, of.getType(), of, scale));
      }
      b.setInsertionPointAfter(gradient);
      SmallVector<Value> raw(gradient.getGradients());
      auto unscale = UnscaleOp::create(b, loc, TypeRange(ValueRange(raw)), f32, f32, raw, scale);
      for (auto [from, to] : llvm::zip(raw, unscale.getResults()))
        from.replaceAllUsesExcept(to, unscale);
      for (Value x : gradient.getWrt()) {
        auto read = x.getDefiningOp<ReadOp>();
        names.push_back(b.getStringAttr(read ? read.getVariable() : ""));
      }
      found =
          found ? MaxOp::create(b, loc, found, unscale.getFound()).getResult() : unscale.getFound();
    }
    train->setAttr(kGradientsAttr, b.getArrayAttr(names));

    Value newScale = scale;
    b.setInsertionPoint(train.getBody().front().getTerminator());
    if (mode == "dynamic") {
      auto i32 = RankedTensorType::get({}, b.getI32Type());
      Value tracker =
          readScalar(b, loc, AMPC_SCALAR_GROWTH_TRACKER, DenseElementsAttr::get(i32, int32_t(0)));
      auto update =
          UpdateScaleOp::create(b, loc, f32, i32, scale, tracker, found, b.getF64FloatAttr(growth),
                                b.getF64FloatAttr(backoff), b.getI32IntegerAttr(int32_t(interval)));
      newScale = update.getNewScale();
      AssignOp::create(b, loc, AMPC_SCALAR_LOSS_SCALE, newScale);
      AssignOp::create(b, loc, AMPC_SCALAR_GROWTH_TRACKER, update.getNewTracker());
    }
    if (!scale)
      return;
    train.walk([&](RecordStatsOp op) {
      op->moveBefore(train.getBody().front().getTerminator());
      for (Operation *user : op->getUsers())
        user->moveBefore(train.getBody().front().getTerminator());
      op.getFieldsMutable()[AMPC_STAT_LOSS_SCALE].set(scale);
      op.getFieldsMutable()[AMPC_STAT_NEW_SCALE].set(newScale);
    });
  }
};
} // namespace
} // namespace ampc
