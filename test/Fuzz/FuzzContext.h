//===- FuzzContext.h - A context for fuzzers of the compiler ----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_FUZZ_FUZZCONTEXT_H
#define AMPC_TEST_FUZZ_FUZZCONTEXT_H

#include "ampc/Pipeline/Pipelines.h"
#include "mlir/IR/MLIRContext.h"
#include <memory>

namespace ampc::fuzz {

/// A context with all dialects. It keeps what it has made unique, so a new one is made now and
/// then: the reference is good until the next call.
inline mlir::MLIRContext &nextContext() {
  static std::unique_ptr<mlir::MLIRContext> context;
  static unsigned uses = 0;
  if (!context || ++uses % 512 == 0) {
    mlir::DialectRegistry registry;
    registerAmpcDialects(registry);
    context = std::make_unique<mlir::MLIRContext>(registry, mlir::MLIRContext::Threading::DISABLED);
    context->loadAllAvailableDialects();
  }
  return *context;
}

} // namespace ampc::fuzz

#endif // AMPC_TEST_FUZZ_FUZZCONTEXT_H
