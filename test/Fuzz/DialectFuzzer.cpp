//===- DialectFuzzer.cpp - Text of the amp and plan dialects --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What parses and verifies is printed and parsed again, and simplified. Not made into a training
// step: the phases take what the importer makes, which the verifiers do not ask for.
//
//===----------------------------------------------------------------------===//

#include "FuzzContext.h"
#include "FuzzInput.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include <string>

using namespace mlir;
using namespace ampc;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MLIRContext &context = fuzz::nextContext();
  ScopedDiagnosticHandler silence(&context, [](Diagnostic &) { return success(); });
  std::string text(reinterpret_cast<const char *>(data), size); // the parser reads the NUL behind
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  if (!module)
    return 0;
  std::string printed;
  llvm::raw_string_ostream os(printed);
  module->print(os);
  if (!parseSourceString<ModuleOp>(printed, &context)) {
    llvm::errs() << "what was printed does not parse:\n" << printed;
    std::abort();
  }
  PassManager pm(&context);
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  if (failed(pm.run(*module))) {
    llvm::errs() << "cannot be simplified:\n" << printed;
    std::abort();
  }
  return 0;
}
