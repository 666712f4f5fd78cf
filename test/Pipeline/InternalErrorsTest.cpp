//===- InternalErrorsTest.cpp - Whose mistake an error is -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Passes that fail in each way: by an error of their own, and by IR that does not verify.

#include "InternalErrors.h"
#include "../Check.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/Pass.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;
using namespace ampc;
using namespace ampc::test;

namespace {

enum class Fault { BrokenIR, OpError, ModuleError };

/// Moves a use before its definition, or fails by itself.
struct FaultyPass : PassWrapper<FaultyPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FaultyPass)
  explicit FaultyPass(Fault fault) : fault(fault) {}
  StringRef getArgument() const override { return "test-faulty"; }

  void runOnOperation() override {
    auto function = *getOperation().getOps<func::FuncOp>().begin();
    Operation &sum = *std::next(function.front().begin());
    switch (fault) {
    case Fault::BrokenIR:
      sum.moveBefore(&function.front().front());
      return;
    case Fault::OpError:
      sum.emitOpError("cannot be scheduled");
      return signalPassFailure();
    case Fault::ModuleError:
      getOperation().emitError("needs more memory than --memory-limit allows");
      return signalPassFailure();
    }
  }

  Fault fault;
};

struct Outcome {
  std::optional<InternalError> internal;
  unsigned told = 0; ///< errors that reached the user's handler
};

Outcome runFaulty(MLIRContext &context, Fault fault, bool isTrained) {
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>("func.func @f(%x: f32) -> f32 {\n"
                                                             "  %one = arith.constant 1.0 : f32\n"
                                                             "  %sum = arith.addf %x, %one : f32\n"
                                                             "  return %sum : f32\n"
                                                             "}\n",
                                                             &context);
  Outcome outcome;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &) {
    ++outcome.told;
    return success();
  });
  InternalErrorWatch watch(context, "model.onnx", "--amp=O1");
  LogicalResult result = watch.run([&] {
    if (isTrained)
      watch.setTrained();
    PassManager pm(&context);
    watch.watch(pm);
    pm.addPass(std::make_unique<FaultyPass>(fault));
    return pm.run(*module);
  });
  check(failed(result), "the run fails");
  outcome.internal = watch.found();
  return outcome;
}

void testBrokenIR(MLIRContext &context, bool isTrained) {
  Outcome outcome = runFaulty(context, Fault::BrokenIR, isTrained);
  check(outcome.internal && outcome.told == 0, "broken IR is ours and is not told as an error");
  if (!outcome.internal)
    return;
  const InternalError &error = *outcome.internal;
  check(error.pass == "test-faulty", "the pass is named: " + error.pass);
  check(error.text.find("does not dominate this use") != std::string::npos,
        "the verifier's message is kept: " + error.text);
  auto file = llvm::MemoryBuffer::getFile(error.reproducer);
  check(bool(file), "there is a reproducer");
  if (!file)
    return;
  StringRef text = (*file)->getBuffer();
  check(text.starts_with("// ampc model.onnx --amp=O1\n"), "it says what was compiled");
  check(text.contains("arith.addf"), "it holds the IR");
  llvm::sys::fs::remove(error.reproducer);
}

void testOwnErrors(MLIRContext &context) {
  for (bool isTrained : {false, true}) {
    Outcome outcome = runFaulty(context, Fault::ModuleError, isTrained);
    check(!outcome.internal && outcome.told == 1, "an error about the whole is the user's");
  }
  Outcome early = runFaulty(context, Fault::OpError, false);
  check(!early.internal && early.told == 1, "an error about an op of the graph is the user's");
  Outcome late = runFaulty(context, Fault::OpError, true);
  check(late.internal && late.told == 0, "an error about an op that we made is ours");
  if (late.internal)
    llvm::sys::fs::remove(late.internal->reproducer);
}

} // namespace

int main() {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<arith::ArithDialect, func::FuncDialect>();
  testBrokenIR(context, false);
  testBrokenIR(context, true);
  testOwnErrors(context);
  return finishChecks();
}
