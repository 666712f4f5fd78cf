//===- StepCosts.cpp - What a step of a program moves -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Optimize/StepCosts.h"
#include "ampc/Optimize/Buffers.h"

namespace ampc {

SmallVector<StepArgument> getStepArguments(plan::StepOpInterface step) {
  using Role = plan::OperandRole;
  SmallVector<StepArgument> arguments;
  auto launch = dyn_cast<plan::LaunchOp>(step.getOperation());
  auto call = dyn_cast<plan::LibraryCallOpInterface>(step.getOperation());
  for (OpOperand &operand : step->getOpOperands())
    arguments.push_back({operand.get(), /*isRead=*/true, /*isWritten=*/false,
                         call ? call.getOperandRole(operand.getOperandNumber()) : Role::In});
  auto roleOf = [&](unsigned index) {
    if (call)
      return call.getResultRole(index);
    return launch && index >= launch.getNumOutputs() ? Role::Scratch : Role::Out;
  };
  for (OpResult result : step->getResults()) {
    unsigned index = result.getResultNumber();
    int64_t tied = step.getTiedOperand(index);
    if (tied >= 0)
      arguments[tied].isWritten = true;
    else
      arguments.push_back(
          {result, /*isRead=*/roleOf(index) == Role::Scratch, /*isWritten=*/true, roleOf(index)});
  }
  return arguments;
}

StepCosts getStepCosts(plan::StepOpInterface step) {
  StepCosts costs;
  costs.flops = step.getFlops();
  for (const StepArgument &argument : getStepArguments(step)) {
    uint64_t bytes = getByteSize(argument.value.getType()).value_or(0);
    costs.readBytes += argument.isRead ? bytes : 0;
    costs.writtenBytes += argument.isWritten ? bytes : 0;
  }
  return costs;
}

} // namespace ampc
