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
    bytes.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

#endif // AMPC_DIALECT_PLAN_PLANDIALECT_TD
