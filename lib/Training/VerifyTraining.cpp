//===- VerifyTraining.cpp - Check the rules of loss scaling ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc-runtime/accumulation.h"
#include "ampc/Dialect/Amp/Ops/Gradient.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Support/StateNames.h"
#include "ampc/Training/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/TypeUtilities.h"

namespace ampc {
#define GEN_PASS_DEF_VERIFYTRAINING
#include "ampc/Training/Passes.h.inc"

namespace {
bool isLow(Type type) {
  auto element = dyn_cast<FloatType>(getElementTypeOrSelf(type));
  return element && element.getWidth() < 32;
}

struct VerifyTraining : impl::VerifyTrainingBase<VerifyTraining> {
  void runOnOperation() override {
    bool ok = verifyMasters();
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      ok &= verifyAssignments(function);
      ok &= verifyScaling(function);
      ok &= verifySums(function);
    }
    if (!ok)
      signalPassFailure();
  }

  bool verifyMasters() {
    bool ok = true;
    for (auto variable : getOperation().getOps<VariableOp>()) {
      if (!variable.getTrained() || !isLow(variable.getType()))
        continue; // master_c1
      variable.emitOpError("is a trained parameter of ")
          << variable.getType() << "; masters are f32 or f64";
      ok = false;
    }
    return ok;
  }

  bool verifyAssignments(func::FuncOp function) {
    bool ok = true;
    DenseMap<StringAttr, AssignOp> first;
    function.walk([&](AssignOp op) {
      auto [it, inserted] = first.try_emplace(op.getVariableAttr().getAttr(), op);
      if (inserted)
        return;
      op.emitOpError("is the second to variable ") << op.getVariableAttr();
      ok = false; // assign_c1
    });
    return ok;
  }

  /// Follows scaled gradients to their first reader. Values that pass an unscale are free.
  bool verifyScaling(func::FuncOp function) {
    bool ok = true;
    // What @accumulate adds up is scaled, and it does nothing else with gradients.
    if (function.getName() == kAccumulateFunction)
      return true;
    auto accumulate = getOperation().lookupSymbol<func::FuncOp>(kAccumulateFunction);
    bool areSumsScaled = accumulate && !accumulate.getOps<ScaleLossOp>().empty();
    DenseSet<Value> scaled;
    function.walk([&](Operation *op) {
      if (auto read = dyn_cast<ReadOp>(op)) {
        if (areSumsScaled && read.getVariable().starts_with(AMPC_PREFIX_ACCUMULATED))
          scaled.insert(read);
        return;
      }
      if (auto gradient = dyn_cast<GradientOp>(op)) {
        if (gradient.getOf().getDefiningOp<ScaleLossOp>())
          scaled.insert(gradient.getGradients().begin(), gradient.getGradients().end());
        return;
      }
      if (auto unscale = dyn_cast<UnscaleOp>(op)) {
        if (!unscale.getScale())
          return;
        for (Value g : unscale.getGradients()) {
          auto from = g.getDefiningOp();
          bool twice = isa_and_nonnull<UnscaleOp>(from);
          // Sums of gradients that nothing scaled are divided by their number.
          if (scaled.contains(g) || (from && !twice && !isa<GradientOp>(from)))
            continue;
          unscale.emitOpError(twice ? "unscales a gradient that is unscaled already"
                                    : "unscales a gradient of a loss that is not scaled");
          ok = false; // scaling_c2
        }
        return;
      }
      for (Value operand : op->getOperands()) {
        if (!scaled.contains(operand))
          continue;
        op->emitOpError("reads a gradient of the scaled loss before it is unscaled");
        ok = false; // scaling_c1
        return;
      }
    });
    return ok;
  }

  /// A gradient that reaches an update, a clip or an unscale through a widening cast has
  /// been summed in 16 bits where what it widens is a sum.
  bool verifySums(func::FuncOp function) {
    bool ok = true;
    function.walk([&](Operation *op) {
      if (!op->hasTrait<ReadsGradients>())
        return;
      for (Value operand : op->getOperands()) {
        auto cast = operand.getDefiningOp<CastOp>();
        if (!cast || !isLow(cast.getInput().getType()) || isLow(cast.getType()))
          continue;
        Operation *sum = cast.getInput().getDefiningOp();
        if (!sum || !sum->hasTrait<AddsOperands>())
          continue;
        InFlightDiagnostic error =
            op->emitOpError("reads a gradient that was summed in 16 bits"); // gradient_c1
        error.attachNote(sum->getLoc()) << "summed here, in " << cast.getInput().getType();
        ok = false;
      }
    });
    return ok;
  }
};
} // namespace
} // namespace ampc
