//===- ImportRoles.cpp - What each variable is ----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Importer.h"
#include "MarkParameters.h"
#include "ampc/Dialect/Amp/Ops/Gradient.h"

using namespace mlir;

namespace ampc {
/// Floats up to this size that are not trained become constants of the IR.
static constexpr int64_t kSmallFloats = 16;

/// What nodes assign is state: running statistics.
LogicalResult Importer::markAssignedState() {
  auto function = result.module->lookupSymbol<func::FuncOp>(kMainFunction);
  SmallVector<AssignOp> assignments(function.getOps<AssignOp>());
  if (assignments.empty())
    return success();
  llvm::StringSet<> reaching = variablesReaching(
      SmallVector<Value>(function.getBody().front().getTerminator()->getOperands()));
  SymbolTable symbols(*result.module);
  for (AssignOp assign : assignments) {
    if (reaching.contains(assign.getVariable()))
      return mlir::emitError(assign.getLoc())
             << "initializer '" << assign.getVariable()
             << "' would be updated as a running statistic and trained as a parameter: the "
                "exporter merged two tensors that were equal; export again without optimizing, "
                "or compile with --train-mode=off";
    symbols.lookup<VariableOp>(assign.getVariable()).setRole(VariableRole::State);
  }
  return success();
}

LogicalResult Importer::decideRoles() {
  if (failed(markAssignedState()))
    return failure();
  if (artifacts) {
    for (auto variable : result.module->getOps<VariableOp>()) {
      bool isTrained = artifacts->trained.contains(variable.getSymName());
      bool isFrozen = artifacts->frozen.contains(variable.getSymName());
      variable.setTrained(isTrained && context.options.trains);
      if (isTrained || (isFrozen && variable.getRole() != VariableRole::State))
        variable.setRole(VariableRole::Parameter);
    }
    return success();
  }
  if (!training.hasStep())
    return markParameters(*result.module, result.weights, context.options, *metadata,
                          std::move(resolution));

  // Of what the bindings change, the weights are what reaches a result or a value that is
  // differentiated; counters, moments and running statistics are state.
  llvm::StringSet<> reaching;
  auto addReaching = [&](ValueRange roots) {
    llvm::StringSet<> names = variablesReaching(SmallVector<Value>(roots));
    for (StringRef name : names.keys())
      reaching.insert(name);
  };
  auto function = result.module->lookupSymbol<func::FuncOp>(kMainFunction);
  addReaching(function.getBody().front().getTerminator()->getOperands());
  result.module->walk([&](GradientOp gradient) { addReaching(gradient.getOf()); });
  llvm::StringSet<> updated;
  for (const Binding &binding : training.updates)
    updated.insert(binding.variable);
  for (auto variable : result.module->getOps<VariableOp>())
    if (reaching.contains(variable.getSymName()) && updated.contains(variable.getSymName())) {
      variable.setRole(VariableRole::Parameter);
      variable.setTrained(true);
    }
  return success();
}

/// Drops what the import read at compile time, and turns small constants into such.
void Importer::simplify() {
  result.module->walk([](Operation *op) {
    if (isa<ReadOp, ConstantOp>(op) && op->use_empty())
      op->erase();
  });
  auto isSmall = [](VariableOp variable) {
    return variable.getFromModel() && variable.getRole() == VariableRole::Constant &&
           isa<FloatType>(variable.getTensorType().getElementType()) &&
           variable.getTensorType().getNumElements() <= kSmallFloats;
  };
  llvm::StringSet<> small;
  for (auto variable : result.module->getOps<VariableOp>())
    if (isSmall(variable))
      small.insert(variable.getSymName());
  result.module->walk([&](AssignOp assign) { small.erase(assign.getVariable()); });
  result.module->walk([&](ReadOp read) {
    if (!small.contains(read.getVariable()))
      return;
    OpBuilder builder(read);
    Value constant =
        ConstantOp::create(builder, read.getLoc(), result.weights.getAttr(read.getVariable()));
    read.replaceAllUsesWith(constant);
    read.erase();
  });

  llvm::DenseSet<StringAttr> used;
  if (auto uses = SymbolTable::getSymbolUses(&result.module->getBodyRegion()))
    for (const SymbolTable::SymbolUse &use : *uses)
      used.insert(use.getSymbolRef().getRootReference());
  llvm::StringSet<> kept;
  for (auto variable : llvm::make_early_inc_range(result.module->getOps<VariableOp>())) {
    if (!variable.getFromModel())
      continue;
    if (!used.contains(variable.getSymNameAttr())) {
      if (auto of = variable->getAttrOfType<StringAttr>(kTiedToAttr))
        ties.push_back({of.str(), variable.getSymName().str(), variable->hasAttr(kTransposedAttr)});
      variable.erase();
      continue;
    }
    kept.insert(variable.getSymName());
    FloatRange range = result.weights.getRange(variable.getSymName());
    if (!range.isOrdinary())
      variable.setRangeAttr(
          Builder(&context.mlir).getDenseF64ArrayAttr({range.lowest, range.highest}));
  }
  result.weights.filter([&](StringRef name) { return kept.contains(name); });
}
} // namespace ampc
