//===- PlanRunner.h - Compiles and runs emitted kernels ---------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_CODEGEN_PLANRUNNER_H
#define AMPC_TEST_CODEGEN_PLANRUNNER_H

#include "../StandIn/SimtRuntime.h"
#include "Reference.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Plan/Plan.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace ampc::test {

/// Loaded code of one module of kernels, made by ampc-emit-kernels.
class PlanRunner {
public:
  virtual ~PlanRunner() = default;

  /// Runs a function of launches. Buffers are at multiples of 64 bytes, with a guard
  /// around each. An empty result: `error` says what went wrong.
  std::vector<Elements> run(mlir::func::FuncOp func, const std::vector<Elements> &arguments,
                            std::string &error);

protected:
  virtual std::string launch(plan::LaunchOp launch, std::vector<void *> arguments) = 0;
};

/// Kernels with the host schedule. `begin..end` of a launch is cut in three, in the wrong
/// order, as threads might.
class HostRunner : public PlanRunner {
public:
  explicit HostRunner(mlir::ModuleOp module);
  ~HostRunner() override;

protected:
  std::string launch(plan::LaunchOp launch, std::vector<void *> arguments) override;

private:
  llvm::StringMap<ampc_host_kernel_t> kernels;
  void *library = nullptr;
};

/// Kernels with the device schedule, their threads as fibers.
class DeviceRunner : public PlanRunner {
public:
  explicit DeviceRunner(mlir::ModuleOp module);
  simt::LaunchOptions options;

protected:
  std::string launch(plan::LaunchOp launch, std::vector<void *> arguments) override;

private:
  std::unique_ptr<simt::Library> library;
};

} // namespace ampc::test

#endif // AMPC_TEST_CODEGEN_PLANRUNNER_H
