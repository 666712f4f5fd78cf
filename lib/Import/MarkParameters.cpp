//===- MarkParameters.cpp - Which variables are trained -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Amp.h"
#include "ampc/Import/Import.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/Regex.h"

using namespace mlir;

namespace ampc {
static bool isFloat(Value value) {
  return isa<FloatType>(getElementTypeOrSelf(value.getType()));
}

llvm::StringSet<> variablesReaching(ArrayRef<Value> roots) {
  llvm::StringSet<> names;
  llvm::DenseSet<Value> seen;
  SmallVector<Value> worklist(llvm::make_filter_range(roots, isFloat));
  while (!worklist.empty()) {
    Value value = worklist.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    Operation *op = value.getDefiningOp();
    if (auto read = dyn_cast_or_null<ReadOp>(op))
      names.insert(read.getVariable());
    auto gradient = dyn_cast_or_null<GradientOpInterface>(op);
    if (!gradient)
      continue;
    for (OpOperand &operand : op->getOpOperands())
      if (isFloat(operand.get()) && gradient.isDifferentiable(operand.getOperandNumber()))
        worklist.push_back(operand.get());
  }
  return names;
}

/// The flag's regex, not valid where the flag is not given.
static FailureOr<llvm::Regex> compile(ModuleOp module, StringRef flag, StringRef pattern) {
  if (pattern.empty())
    return llvm::Regex();
  llvm::Regex regex(pattern);
  std::string reason;
  if (!regex.isValid(reason))
    return module.emitError() << flag << "=" << pattern << ": " << reason;
  return regex;
}

LogicalResult markParameters(ModuleOp module, const ImportOptions &options,
                             const llvm::StringSet<> &declared) {
  FailureOr<llvm::Regex> train = compile(module, "--train", options.trainRegex);
  if (failed(train))
    return failure();
  FailureOr<llvm::Regex> freeze = compile(module, "--freeze", options.freezeRegex);
  if (failed(freeze))
    return failure();

  auto main = module.lookupSymbol<func::FuncOp>(kMainFunction);
  llvm::StringSet<> reaching = variablesReaching(
      SmallVector<Value>(main.getBody().front().getTerminator()->getOperands()));
  auto variables = llvm::make_filter_range(
      module.getOps<VariableOp>(), [](VariableOp variable) {
        return variable.getFromModel() && variable.getRole() != VariableRole::State &&
               isa<FloatType>(variable.getTensorType().getElementType());
      });
  bool isDeclared = llvm::any_of(variables, [&](VariableOp variable) {
    return declared.contains(variable.getSymName());
  });

  bool trainMatched = false, freezeMatched = false;
  for (VariableOp variable : variables) {
    StringRef name = variable.getSymName();
    bool canTrain = reaching.contains(name);
    bool isParameter = canTrain && (!isDeclared || declared.contains(name));
    bool isTrained = isParameter;
    if (!options.trainRegex.empty()) {
      isTrained = canTrain && train->match(name);
      isParameter |= isTrained;
      trainMatched |= isTrained;
    }
    if (isParameter && !options.freezeRegex.empty() && freeze->match(name)) {
      isTrained = false;
      freezeMatched = true;
    }
    variable.setRole(isParameter ? VariableRole::Parameter : VariableRole::Constant);
    variable.setTrained(isTrained);
  }
  if (!options.trainRegex.empty() && !trainMatched)
    return module.emitError() << "--train=" << options.trainRegex
                              << " matches no float initializer that a gradient can reach";
  if (!options.freezeRegex.empty() && !freezeMatched)
    return module.emitError() << "--freeze=" << options.freezeRegex
                              << " matches no parameter";
  return success();
}
} // namespace ampc
