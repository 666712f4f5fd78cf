//===- KernelCases.h - Kernels to compile and run ---------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_CODEGEN_KERNELCASES_H
#define AMPC_TEST_CODEGEN_KERNELCASES_H

#include "Reference.h"
#include "ampc/Dialect/Plan/KernelBuilder.h"
#include "ampc/Dialect/Plan/Plan.h"
#include "mlir/IR/BuiltinOps.h"
#include <functional>

namespace ampc::test {
using namespace mlir;

/// What a test function is run on.
struct Case {
  std::string name;
  std::vector<Elements> arguments;
  /// Elements may differ by this, absolutely and relatively, besides one rounding.
  double absolute = 2e-5, relative = 2e-6;
};

using Values = llvm::SmallVector<Value>;
using KernelFn = std::function<Values(KernelBuilder &, ValueRange)>;
using FunctionFn = std::function<Values(OpBuilder &, ValueRange)>;

/// Collects functions of plan.kernel ops in one module.
class CaseList {
public:
  explicit CaseList(ModuleOp module);

  /// A function of any ops.
  Case &add(const std::string &name, ArrayRef<RankedTensorType> arguments, const FunctionFn &body);
  /// A function of one fused kernel. `tied`: for each result an argument or -1.
  Case &addFused(const std::string &name, ArrayRef<RankedTensorType> arguments,
                 const KernelFn &body, ArrayRef<int64_t> tied = {});

  RankedTensorType type(const std::string &element, ArrayRef<int64_t> shape = {});

  std::vector<Case> cases;

private:
  ModuleOp module;
  OpBuilder b;
};

/// A plan.kernel with the body that `body` builds.
Values createKernel(OpBuilder &b, plan::KernelKind kind, ValueRange inputs,
                    const std::function<Values(OpBuilder &, ValueRange)> &body,
                    ArrayRef<int64_t> tied = {});
Values createFused(OpBuilder &b, ValueRange inputs, const KernelFn &body,
                   ArrayRef<int64_t> tied = {});

void addElementwiseCases(CaseList &list);
void addReductionCases(CaseList &list);
void addLineCases(CaseList &list);
void addRangeCases(CaseList &list);
void addStructureCases(CaseList &list);
void addSequenceCases(CaseList &list);
void addMultiTensorCases(CaseList &list);

} // namespace ampc::test

#endif // AMPC_TEST_CODEGEN_KERNELCASES_H
