//===- Inputs.cpp - What a run of ampc reads, and how it may fail ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Inputs.h"
#include "CommandLine.h"
#include "ampc/Support/ModelDiagnostics.h"

using llvm::StringRef;

namespace ampc {
llvm::Error addInputs(OutputFiles &outputs, const CompileOptions &options,
                      const std::string &checkpoint) {
  if (llvm::Error error = outputs.addInput("the model", options.model))
    return error;
  for (const auto &binding : options.import.bindings)
    if (StringRef(binding.second).ends_with(".npy"))
      if (llvm::Error error =
              outputs.addInput(("the array of --bind=" + binding.first()).str(), binding.second))
        return error;
  for (auto [what, file] :
       {std::pair("the model of --optimizer-model", options.import.optimizerModel),
        std::pair("the checkpoint", options.import.ortCheckpoint),
        std::pair("the model of --eval-model", options.import.evalModel),
        std::pair("the checkpoint of --checkpoint", checkpoint)})
    if (!file.empty())
      if (llvm::Error error = outputs.addInput(what, file))
        return error;
  return llvm::Error::success();
}

int tellInternalError(const InternalError &error) {
  llvm::errs() << "ampc: error: internal error after " << escapeForTerminal(error.pass) << ": "
               << escapeForTerminal(error.text) << "\n"
               << "ampc: note: this is a bug of ampc, not a mistake in the model";
  if (!error.reproducer.empty())
    llvm::errs() << "; please report it with the model and " << error.reproducer;
  llvm::errs() << "\n";
  return ExitInternal;
}
} // namespace ampc
