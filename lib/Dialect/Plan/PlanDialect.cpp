//===- PlanDialect.cpp - The plan dialect ---------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Plan/Plan.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace ampc::plan;

#include "ampc/Dialect/Plan/PlanDialect.cpp.inc"
#include "ampc/Dialect/Plan/PlanEnums.cpp.inc"
#include "ampc/Dialect/Plan/PlanInterfaces.cpp.inc"

void PlanDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "ampc/Dialect/Plan/PlanOps.cpp.inc"
      >();
}
