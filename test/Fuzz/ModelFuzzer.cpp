//===- ModelFuzzer.cpp - ONNX models that nobody vouches for --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A model is imported and made into a training step. It is refused with an error, or gives IR
// that verifies: the pass manager checks that after every pass.
//
//===----------------------------------------------------------------------===//

#include "FuzzContext.h"
#include "FuzzInput.h"
#include "WireMutator.h"

#include "ampc/Pipeline/Compiler.h"
#include "ampc/Support/ModelDiagnostics.h"
#include "ampc/Support/OutputFiles.h"

#include <cstring>
#include <numeric>

using namespace mlir;
using namespace ampc;

/// Some of the ways to compile, chosen by the bytes.
static CompileOptions optionsFor(unsigned choice) {
  CompileOptions options;
  options.import.batch = 2;
  if (choice & 1) {
    options.level = 2;
    options.dtype = "bf16";
    options.loss = "mse";
    options.clipGradNorm = 1;
  }
  if (choice & 2) {
    options.optimizer.name = "none";
    options.loss = "none";
  }
  return options;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MLIRContext &context = fuzz::nextContext();
  ampc::fuzz::InputFile file(data, size);
  CompileOptions options = optionsFor(std::accumulate(data, data + size, 0u));
  options.model = file.path();
  std::string messages, text;
  llvm::raw_string_ostream messageStream(messages), textStream(text);
  ModelDiagnostics diagnostics(&context, options.model, messageStream);
  OutputFiles outputs;
  bool isRefused = failed(Compiler(context, options, outputs).emit(Stage::Train, textStream));
  if (isRefused != (diagnostics.errorCount() > 0)) {
    llvm::errs() << (isRefused ? "failed without an error\n" : "an error without failure\n")
                 << messages;
    std::abort();
  }
  return 0;
}

#ifdef AMPC_LIBFUZZER
extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize,
                                          unsigned seed) {
  if (seed % 8 == 0) // now and then without regard to the format
    return LLVMFuzzerMutate(data, size, maxSize);
  std::string message(reinterpret_cast<const char *>(data), size);
  std::string mutated = fuzz::mutateMessage(message, seed, LLVMFuzzerMutate);
  if (mutated.size() > maxSize)
    return size;
  std::memcpy(data, mutated.data(), mutated.size());
  return mutated.size();
}
#endif
