//===- PlanDialect.td - The plan dialect ----------------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_PLAN_PLANDIALECT_TD
#define AMPC_DIALECT_PLAN_PLANDIALECT_TD

include "mlir/IR/OpBase.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let cppNamespace = "::ampc::plan";
  let summary = "What a device executes";
  let description = [{
    A function of plan ops is a program: its ops run in the order they stand in. Tensors
    are dense row-major buffers; once memory is planned, each op that makes one says at
    which byte of the arena it lies (`plan.offsets`). Reshapes are views of the same
    bytes, `plan.view` of some of them.

    Steps may be shared out among queues (`plan.queue`, 0 where a step does not say), which
    a device may run at the same time. What is given by a step of one queue (`plan.signal`)
    steps of another start after (`plan.waits`); module_format.h has the rules. The order in
    the function is one in which one queue could run them.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

#endif // AMPC_DIALECT_PLAN_PLANDIALECT_TD
