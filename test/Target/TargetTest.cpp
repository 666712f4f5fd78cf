//===- TargetTest.cpp - Shared by the unit tests of Target ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TargetTest.h"

#include "ampc/Target/Passes.h"
#include "ampc/Target/SharedObject.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include <dlfcn.h>
#include <unistd.h>

using namespace mlir;

namespace ampc::test {

bool check(bool holds, const std::string &what, const std::string &detail) {
  if (!holds) {
    ++failures;
    std::printf("FAILED %s: %s\n", what.c_str(), detail.c_str());
  }
  return holds;
}

std::string temporaryPath(const std::string &name) {
  struct Folder {
    llvm::SmallString<128> path;
    pid_t owner = getpid();
    Folder() {
      if (llvm::sys::fs::createUniqueDirectory("ampc-target-test", path))
        std::abort();
    }
    ~Folder() {
      if (owner == getpid())
        (void)llvm::sys::fs::remove_directories(path);
    }
  };
  static Folder folder;
  return std::string(folder.path) + "/" + name;
}

std::string readFile(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, false, false);
  return buffer ? (*buffer)->getBuffer().str() : "";
}

std::string inputText(const std::string &name) {
  std::string text = readFile(std::string(AMPC_TEST_INPUTS) + "/" + name);
  check(!text.empty(), "read " + name);
  return text;
}

Kernels::Kernels(const std::string &text) : context(MLIRContext::Threading::DISABLED) {
  DialectRegistry registry;
  registerTargetDialects(registry);
  context.appendDialectRegistry(registry);
  context.getDiagEngine().registerHandler([this](Diagnostic &d) {
    diagnostics += d.str() + "\n";
    return success();
  });
  module = parseSourceString<ModuleOp>(text, &context);
  check(bool(module), "parse kernels", diagnostics);
  if (!module)
    std::exit(1);
}

gpu::GPUModuleOp Kernels::gpuModule() { return *module->getOps<gpu::GPUModuleOp>().begin(); }

std::string Kernels::takeDiagnostics() { return std::exchange(diagnostics, ""); }

HostModule::HostModule(const std::string &text, const HostOptions &options) {
  Kernels kernels(text);
  auto compiled = compileHostKernels(kernels.gpuModule(), options);
  if (!check(succeeded(compiled), "compile host kernels", kernels.takeDiagnostics()))
    std::exit(1);
  code = std::move(*compiled);
  static int count = 0;
  std::string path = temporaryPath("host" + std::to_string(count++) + ".so");
  llvm::Error error = writeSharedObject(path, code, {}, {});
  if (error) {
    check(false, "link host kernels", llvm::toString(std::move(error)));
    std::exit(1);
  }
  library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!check(library, "load host kernels", library ? "" : dlerror()))
    std::exit(1);
  module = static_cast<const ampc_module_v1_t *>(dlsym(library, AMPC_MODULE_SYMBOL));
  if (!check(module && module->host_kernel_count == code.symbols.size(), "kernel table"))
    std::exit(1);
}

HostModule::~HostModule() { dlclose(library); }

void HostModule::run(const std::string &kernel, int64_t blocks, std::vector<void *> args) {
  for (size_t i = 0; i < code.symbols.size(); ++i) {
    if (code.symbols[i] != kernel)
      continue;
    module->host_kernels[i](args.data(), 0, blocks / 3);
    module->host_kernels[i](args.data(), blocks / 3, blocks);
    return;
  }
  check(false, "find " + kernel);
}

} // namespace ampc::test
