//===- ScaleLoss.cpp - Scale the loss, unscale the gradients --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Gradient.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Precision/Passes.h"
#include "ampc/Support/NodeLocation.h"
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include <limits>

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

  /// The variable that `x` is the value of; "" where it is of none.
  static StringAttr nameOf(OpBuilder &b, Value x) {
    auto read = x.getDefiningOp<ReadOp>();
    return b.getStringAttr(read ? read.getVariable() : "");
  }

  /// Says whose gradients the results are.
  static void nameResultsOf(UnscaleOp op, ArrayRef<Attribute> names) {
    auto values = llvm::map_to_vector(
        names, [](Attribute name) -> StringRef { return cast<StringAttr>(name).getValue(); });
    op->setLoc(nameResults(op.getLoc(), values, /*isGradient=*/true));
  }

  /// Whether the step says anything of the scale: its gradients are finite, or its loss is. Null
  /// where it records no loss.
  static Value buildHelps(func::FuncOp train, OpBuilder &b, Location loc, Value found) {
    Value loss;
    train.walk([&](RecordStatsOp op) { loss = op.getFields()[AMPC_STAT_LOSS]; });
    if (!loss || matchPattern(loss, m_Constant()))
      return {};
    auto f32 = RankedTensorType::get({}, b.getF32Type());
    Value infinity = splat(b, loc, f32, std::numeric_limits<double>::infinity());
    Value isFinite = LessOp::create(b, loc, AbsOp::create(b, loc, loss), infinity);
    Value isGood = EqualOp::create(b, loc, found, splat(b, loc, f32, 0));
    return OrOp::create(b, loc, isGood, isFinite);
  }

  /// Takes away what only marks roles.
  static void dropRoles(func::FuncOp train) {
    for (Operation &op : llvm::make_early_inc_range(train.getBody().front()))
      if (isa<SeedOp, ParameterGradientOp>(op)) {
        op.getResult(0).replaceAllUsesWith(op.getOperand(0));
        op.erase();
      }
    train->removeAttr(kUnscalableAttr);
  }

  void runOnOperation() override {
    if (!llvm::is_contained({"dynamic", "static", "check", "auto"}, mode)) {
      getOperation().emitError("--loss-scale=") << mode << ": dynamic, none or a number";
      return signalPassFailure();
    }
    auto train = getOperation().lookupSymbol<func::FuncOp>(kTrainFunction);
    if (!train)
      return;
    if (mode == "auto")
      mode = chooseMode(train);
    if (mode == "check" && !checkFinite)
      return dropRoles(train);
    SmallVector<GradientOp> gradients(train.getOps<GradientOp>());
    SmallVector<ParameterGradientOp> given(train.getOps<ParameterGradientOp>());
    SmallVector<SeedOp> seeds(train.getOps<SeedOp>());
    if (gradients.empty() && seeds.empty() && mode != "check") {
      InFlightDiagnostic error =
          emitError(train.getLoc())
          << "the training step holds no Gradient whose seed a loss scale could enter; f16 "
             "needs --loss-scale=none here";
      if (auto reason = train->getAttrOfType<StringAttr>(kUnscalableAttr))
        error.attachNote() << "nor is its own backward pass known well enough: "
                           << reason.getValue();
      return signalPassFailure();
    }
    if (gradients.empty() && given.empty())
      return;
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
    for (SeedOp seed : seeds) {
      if (!scale)
        continue;
      b.setInsertionPoint(seed);
      seed.getInputMutable().set(
          ScaleLossOp::create(b, loc, seed.getType(), seed.getInput(), scale));
    }
    if (!given.empty()) {
      b.setInsertionPointAfter(given.back());
      auto raw = llvm::map_to_vector(given, [](auto op) -> Value { return op.getGradient(); });
      auto unscale = UnscaleOp::create(b, loc, TypeRange(ValueRange(raw)), f32, f32, raw, scale);
      for (auto [gradient, result] : llvm::zip(given, unscale.getResults())) {
        gradient.replaceAllUsesWith(result);
        names.push_back(nameOf(b, gradient.getParameter()));
      }
      nameResultsOf(unscale, names);
      found = unscale.getFound();
      dropRoles(train);
      // The updates of the first gradients may stand before the last one.
      sortTopologically(&train.getBody().front());
    }
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
      size_t first = names.size();
      for (Value x : gradient.getWrt())
        names.push_back(nameOf(b, x));
      nameResultsOf(unscale, ArrayRef(names).drop_front(first));
      found = found ? buildMaximum(b, loc, found, unscale.getFound()) : unscale.getFound();
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
      Value newTracker = update.getNewTracker();
      // A smaller scale would not help a loss that is not finite itself, which is not scaled.
      if (Value helps = buildHelps(train, b, loc, found)) {
        newScale = WhereOp::create(b, loc, helps, newScale, scale);
        newTracker = WhereOp::create(b, loc, helps, newTracker, tracker);
      }
      AssignOp::create(b, loc, AMPC_SCALAR_LOSS_SCALE, newScale);
      AssignOp::create(b, loc, AMPC_SCALAR_GROWTH_TRACKER, newTracker);
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
