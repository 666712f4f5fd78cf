//===- PlanRunner.cpp - Compiles and runs emitted kernels -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PlanRunner.h"
#include "ampc/Target/HostCompiler.h"
#include "ampc/Target/SharedObject.h"
#include "ampc/Target/SimtCompiler.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace mlir;

namespace ampc::test {
namespace {

/// The bytes of a tensor between two pages that cannot be touched; what is left of its own pages,
/// before it and to the next multiple of the alignment, is a guard.
class Storage {
public:
  explicit Storage(size_t bytes) : bytes(bytes), page(sysconf(_SC_PAGESIZE)) {
    inner = llvm::alignTo(std::max<size_t>(bytes, 1), page);
    before = inner - llvm::alignTo(bytes, AMPC_ALIGNMENT);
    void *all = mmap(nullptr, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED ||
        mprotect(static_cast<char *>(all) + page, inner, PROT_READ | PROT_WRITE))
      std::abort();
    memory = static_cast<char *>(all) + page;
    std::memset(memory, 0x5a, inner); // also what is never written
  }
  ~Storage() { munmap(memory - page, inner + 2 * page); }
  Storage(const Storage &) = delete;
  Storage &operator=(const Storage &) = delete;
  char *data() { return memory + before; }
  bool isIntact() const {
    auto isGuard = [](char byte) { return byte == 0x5a; };
    return std::all_of(memory, memory + before, isGuard) &&
           std::all_of(memory + before + bytes, memory + inner, isGuard);
  }

private:
  size_t bytes, page, inner, before;
  char *memory;
};

std::string temporaryFile() {
  llvm::SmallString<128> path;
  if (llvm::sys::fs::createTemporaryFile("ampc-codegen-test", "so", path))
    std::abort();
  return path.str().str();
}

[[noreturn]] void fail(const std::string &what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

} // namespace

std::vector<Elements> PlanRunner::run(func::FuncOp func, const std::vector<Elements> &arguments,
                                      std::string &error) {
  llvm::DenseMap<Value, std::shared_ptr<Storage>> buffers;
  std::vector<std::shared_ptr<Storage>> all;
  auto make = [&](Value v) {
    size_t bytes = Elements(cast<RankedTensorType>(v.getType())).toBytes().size();
    all.push_back(std::make_shared<Storage>(bytes));
    return buffers[v] = all.back();
  };
  for (auto [argument, elements] : llvm::zip(func.getArguments(), arguments)) {
    std::vector<char> bytes = elements.toBytes();
    std::memcpy(make(argument)->data(), bytes.data(), bytes.size());
  }
  for (Operation &op : func.front().without_terminator()) {
    if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
      buffers[op.getResult(0)] = buffers.lookup(op.getOperand(0));
      continue;
    }
    if (isa<plan::CopyOp>(op)) {
      std::vector<char> bytes =
          Elements(cast<RankedTensorType>(op.getResult(0).getType())).toBytes();
      std::memcpy(make(op.getResult(0))->data(), buffers.lookup(op.getOperand(0))->data(),
                  bytes.size());
      continue;
    }
    auto step = cast<plan::LaunchOp>(op);
    std::vector<void *> pointers;
    for (Value v : step.getInputs())
      pointers.push_back(buffers.lookup(v)->data());
    for (OpResult r : step.getResults()) {
      int64_t t = step.getTiedOperand(r.getResultNumber());
      if (t >= 0)
        buffers[r] = buffers.lookup(step.getInputs()[t]);
      else
        pointers.push_back(make(r)->data());
    }
    error = launch(step, pointers);
    if (!error.empty())
      return {};
  }
  for (const auto &storage : all)
    if (!storage->isIntact()) {
      error = "a kernel wrote outside of its buffers";
      return {};
    }
  std::vector<Elements> results;
  for (Value v : func.front().getTerminator()->getOperands())
    results.push_back(
        Elements::fromBytes(cast<RankedTensorType>(v.getType()), buffers.lookup(v)->data()));
  return results;
}

HostRunner::HostRunner(ModuleOp module) {
  auto gpuModule = *module.getOps<gpu::GPUModuleOp>().begin();
  FailureOr<HostCode> code = compileHostKernels(gpuModule);
  if (failed(code))
    fail("host kernels do not compile");
  std::string path = temporaryFile();
  if (llvm::Error error = writeSharedObject(path, *code, {}, {}))
    fail(llvm::toString(std::move(error)));
  library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  llvm::sys::fs::remove(path);
  if (!library)
    fail(dlerror());
  auto *table = static_cast<const ampc_module_v1_t *>(dlsym(library, AMPC_MODULE_SYMBOL));
  for (auto [i, name] : llvm::enumerate(code->symbols))
    kernels[name] = table->host_kernels[i];
}

HostRunner::~HostRunner() { dlclose(library); }

std::string HostRunner::launch(plan::LaunchOp launch, std::vector<void *> arguments) {
  ampc_host_kernel_t kernel = kernels.lookup(launch.getKernel().getLeafReference().getValue());
  int64_t blocks = launch.getGrid()[0];
  if (!kernel || launch.getGrid()[1] != 1 || launch.getBlock()[0] != 1)
    return "not a launch on the host";
  int64_t a = blocks / 3, b = blocks - blocks / 4;
  kernel(arguments.data(), b, blocks);
  kernel(arguments.data(), 0, a);
  kernel(arguments.data(), a, b);
  return "";
}

DeviceRunner::DeviceRunner(ModuleOp module) {
  auto gpuModule = *module.getOps<gpu::GPUModuleOp>().begin();
  std::string path = temporaryFile(), error;
  if (failed(writeSimtLibrary(path, gpuModule, {"image"})))
    fail("device kernels do not compile for the CPU");
  library = simt::Library::load(path, error);
  llvm::sys::fs::remove(path);
  if (!library)
    fail(error);
}

std::string DeviceRunner::launch(plan::LaunchOp launch, std::vector<void *> arguments) {
  const SimtKernel *kernel = library->find(launch.getKernel().getLeafReference().str());
  if (!kernel)
    return "the kernel is not there";
  if (kernel->parameterCount != arguments.size())
    return "the kernel takes other arguments";
  std::vector<void *> parameters;
  for (void *&argument : arguments)
    parameters.push_back(&argument);
  return simt::launch(*kernel, {launch.getGrid()[0]}, {launch.getBlock()[0]}, parameters.data(),
                      options);
}

} // namespace ampc::test
