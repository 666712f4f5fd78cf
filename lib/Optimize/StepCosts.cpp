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
  SmallVector<StepArgument> arguments;
  for (Value operand : step->getOperands())
    arguments.push_back({operand, /*isRead=*/true, /*isWritten=*/false});
  auto launch = dyn_cast<plan::LaunchOp>(step.getOperation());
  unsigned outputs = launch ? launch.getNumOutputs() : step->getNumResults();
  for (OpResult result : step->getResults()) {
    unsigned index = result.getResultNumber();
    int64_t tied = step.getTiedOperand(index);
    if (tied >= 0)
      arguments[tied].isWritten = true;
    else
      arguments.push_back({result, /*isRead=*/index >= outputs, /*isWritten=*/true});
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
