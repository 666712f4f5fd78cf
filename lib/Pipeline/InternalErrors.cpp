//===- InternalErrors.cpp - Tells our mistakes from the user's ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "InternalErrors.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;

namespace ampc {

class InternalErrorWatch::Instrumentation : public PassInstrumentation {
public:
  explicit Instrumentation(InternalErrorWatch &watch) : watch(watch) {}
  void runAfterPassFailed(Pass *pass, Operation *op) override { watch.passFailed(pass, op); }

private:
  InternalErrorWatch &watch;
};

InternalErrorWatch::InternalErrorWatch(MLIRContext &context, StringRef model, StringRef flags)
    : context(context), model(model), flags(flags) {}

void InternalErrorWatch::watch(PassManager &pm) {
  pm.addInstrumentation(std::make_unique<Instrumentation>(*this));
}

/// What the verifier says of `op`, "" where it is content.
static std::string verifierError(Operation *op) {
  std::string first;
  ScopedDiagnosticHandler silence(op->getContext(), [&](Diagnostic &diagnostic) {
    if (first.empty() && diagnostic.getSeverity() == DiagnosticSeverity::Error)
      first = diagnostic.str();
    return success();
  });
  return failed(verify(op)) ? first : "";
}

/// Whether a message begins as those of Operation::emitOpError do.
static bool isAboutOp(StringRef message) {
  return message.consume_front("'") && message.contains("' op ");
}

void InternalErrorWatch::passFailed(Pass *pass, Operation *op) {
  if (error || held.empty())
    return;
  // A pass that fails by itself may leave IR behind that it had not finished: only an error
  // that the verifier gives, and gives again, is about the IR.
  const std::string &said = held.front().first;
  bool isBroken = said == verifierError(op);
  if (!isBroken && !(isTrained && isAboutOp(said)))
    return;
  error.emplace();
  error->text = isBroken ? "the IR does not verify: " + said : said;
  error->pass = pass->getArgument().empty() ? pass->getName().str() : pass->getArgument().str();
  while (Operation *parent = op->getParentOp())
    op = parent;
  writeReproducer(op);
}

void InternalErrorWatch::writeReproducer(Operation *op) {
  SmallString<128> path;
  int file;
  if (llvm::sys::fs::createTemporaryFile("ampc-bug", "mlir", file, path))
    return;
  llvm::raw_fd_ostream os(file, /*shouldClose=*/true);
  os << "// ampc " << model << " " << flags << "\n"
     << "// after " << error->pass << ": " << error->text << "\n";
  op->print(os, OpPrintingFlags().printGenericOpForm().enableDebugInfo());
  os << "\n";
  os.close();
  if (os.has_error()) {
    os.clear_error();
    llvm::sys::fs::remove(path);
    return;
  }
  error->reproducer = path.str();
}

LogicalResult InternalErrorWatch::run(llvm::function_ref<LogicalResult()> compilation) {
  isTrained = false;
  LogicalResult result = failure();
  {
    ScopedDiagnosticHandler hold(&context, [&](Diagnostic &diagnostic) {
      if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
        return failure(); // to be printed by the handler before
      std::string text = diagnostic.str();
      held.emplace_back(std::move(text), std::move(diagnostic));
      return success();
    });
    result = compilation();
  }
  if (!error)
    for (auto &[text, diagnostic] : held)
      context.getDiagEngine().emit(std::move(diagnostic));
  held.clear();
  return result;
}

} // namespace ampc
