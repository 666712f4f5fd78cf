//===- KernelsTest.cpp - Emitted kernels against f64 ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Every case is interpreted in f64, and run with the host schedule and, on fibers in two
// orders of threads and blocks, with the device schedule. Where there is a ptxas, it
// assembles the device's kernels, without spills. With an argument: only the cases whose
// name contains it.
//
//===----------------------------------------------------------------------===//

#include "KernelCases.h"
#include "PlanRunner.h"
#include "ampc/Codegen/Passes.h"
#include "ampc/Target/DeviceCompiler.h"
#include "ampc/Target/Passes.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include <cmath>

using namespace ampc;
using namespace ampc::test;

namespace ampc::test {

CaseList::CaseList(ModuleOp module) : module(module), b(module.getBodyRegion()) {}

RankedTensorType CaseList::type(const std::string &element, ArrayRef<int64_t> shape) {
  Type t = element == "f16"    ? Type(b.getF16Type())
           : element == "bf16" ? Type(b.getBF16Type())
           : element == "f32"  ? Type(b.getF32Type())
           : element == "f64"  ? Type(b.getF64Type())
                               : Type(b.getIntegerType(std::stoi(element.substr(1))));
  return RankedTensorType::get(shape, t);
}

/// In [-2, 2), multiples of 1/64, which are exact in every type; integers in [-100, 100).
static Elements randoms(RankedTensorType type, uint64_t seed) {
  Elements elements(type);
  uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
  for (size_t i = 0; i < elements.size(); ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    uint64_t bits = state >> 33;
    if (elements.isFloat())
      elements.floats[i] = double(int64_t(bits % 256) - 128) / 64;
    else if (type.getElementType().isInteger(1))
      elements.integers[i] = bits & 1;
    else
      elements.integers[i] = int64_t(bits % 200) - 100;
  }
  return elements;
}

Case &CaseList::add(const std::string &name, ArrayRef<RankedTensorType> arguments,
                    const FunctionFn &body) {
  b.setInsertionPointToEnd(module.getBody());
  SmallVector<Type> types(arguments.begin(), arguments.end());
  auto func = func::FuncOp::create(b, b.getUnknownLoc(), name, b.getFunctionType(types, {}));
  Block *entry = func.addEntryBlock();
  b.setInsertionPointToEnd(entry);
  Values results = body(b, entry->getArguments());
  func::ReturnOp::create(b, b.getUnknownLoc(), results);
  func.setFunctionType(b.getFunctionType(types, ValueRange(results).getTypes()));
  Case made;
  made.name = name;
  for (auto [i, type] : llvm::enumerate(arguments))
    made.arguments.push_back(randoms(type, i + 1));
  cases.push_back(std::move(made));
  return cases.back();
}

Case &CaseList::addFused(const std::string &name, ArrayRef<RankedTensorType> arguments,
                         const KernelFn &body, ArrayRef<int64_t> tied) {
  return add(name, arguments, [&](OpBuilder &builder, ValueRange inputs) {
    return createFused(builder, inputs, body, tied);
  });
}

Values createKernel(OpBuilder &b, plan::KernelKind kind, ValueRange inputs,
                    const std::function<Values(OpBuilder &, ValueRange)> &body,
                    ArrayRef<int64_t> tied) {
  Location loc = b.getUnknownLoc();
  auto draft = plan::KernelOp::create(b, loc, TypeRange(), inputs, kind);
  Values results;
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(draft.getBodyBlock());
    results = body(b, draft.getBodyBlock()->getArguments());
    plan::YieldOp::create(b, loc, results);
  }
  auto kernel = plan::KernelOp::create(b, loc, ValueRange(results).getTypes(), inputs, kind);
  kernel.getBody().takeBody(draft.getBody());
  draft.erase();
  if (!tied.empty())
    kernel.setTied(tied);
  return Values(kernel.getResults());
}

Values createFused(OpBuilder &b, ValueRange inputs, const KernelFn &body, ArrayRef<int64_t> tied) {
  return createKernel(
      b, plan::KernelKind::Fused, inputs,
      [&](OpBuilder &inner, ValueRange arguments) {
        KernelBuilder kernel(inner, inner.getUnknownLoc());
        return body(kernel, arguments);
      },
      tied);
}

} // namespace ampc::test

namespace {

int failures = 0;

/// Largest relative error of one rounding to the type.
double rounding(Type type) {
  return type.isF16() ? 0x1p-11 : type.isBF16() ? 0x1p-8 : type.isF32() ? 0x1p-24 : 0;
}

bool agree(const Case &c, const Elements &got, const Elements &want, std::string &detail) {
  Type type = want.type.getElementType();
  bool isF64 = type.isF64();
  size_t bad = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    if (!want.isFloat()) {
      if (got.integers[i] != want.integers[i] && bad++ == 0)
        detail = "element " + std::to_string(i) + " is " + std::to_string(got.integers[i]) +
                 ", not " + std::to_string(want.integers[i]);
      continue;
    }
    // What overflows the type is infinite.
    Elements rounded(RankedTensorType::get({1}, type));
    rounded.floats[0] = want.floats[i];
    double w = Elements::fromBytes(rounded.type, rounded.toBytes().data()).floats[0];
    double g = got.floats[i];
    double slack = isF64 ? 1e-12 * (1 + std::fabs(w))
                         : c.absolute + (c.relative + 2 * rounding(type)) * std::fabs(w);
    if (type.isF16())
      slack += 0x1p-25; // half of the smallest step
    bool ok = std::isnan(w) ? std::isnan(g) : std::isinf(w) ? g == w : std::fabs(g - w) <= slack;
    if (!ok && bad++ == 0)
      detail = "element " + std::to_string(i) + " is " + std::to_string(g) + ", not " +
               std::to_string(w);
  }
  if (bad != 0)
    detail += " (" + std::to_string(bad) + " of " + std::to_string(want.size()) + ")";
  return bad == 0;
}

void check(const Case &c, const char *how, PlanRunner &runner, ModuleOp module,
           const std::vector<Elements> &want) {
  std::string error;
  auto func = module.lookupSymbol<func::FuncOp>(c.name);
  std::vector<Elements> got = runner.run(func, c.arguments, error);
  if (error.empty())
    for (size_t r = 0; r < want.size(); ++r) {
      std::string detail;
      if (!agree(c, got[r], want[r], detail))
        error += "result " + std::to_string(r) + ": " + detail + "; ";
    }
  if (error.empty())
    return;
  ++failures;
  std::printf("FAILED %s, %s: %s\n", c.name.c_str(), how, error.c_str());
}

OwningOpRef<ModuleOp> emit(ModuleOp module, Target target) {
  OwningOpRef<ModuleOp> clone(module.clone());
  PassManager pm(module.getContext());
  pm.addPass(createEmitKernels({target, {}}));
  if (failed(pm.run(*clone))) {
    std::printf("FAILED: kernels are not emitted\n");
    std::exit(1);
  }
  return clone;
}

/// The case that launches a kernel.
std::string userOf(ModuleOp module, StringRef kernel) {
  std::string user;
  module.walk([&](plan::LaunchOp launch) {
    if (launch.getKernel().getLeafReference() == kernel)
      user = launch->getParentOfType<func::FuncOp>().getName().str();
  });
  return user;
}

/// Nothing that belongs into registers lies in memory.
void checkResources(ModuleOp device) {
  DeviceOptions options;
  options.toolkit = findCudaToolkit();
  options.use32BitIndices = true;
  if (options.toolkit.ptxas.empty()) {
    ++failures;
    std::printf("FAILED: no ptxas assembles the kernels; utils/setup installs one\n");
    return;
  }
  FailureOr<std::string> ptx = compileToPtx(*device.getOps<gpu::GPUModuleOp>().begin(), options);
  if (failed(ptx)) {
    ++failures;
    return;
  }
  auto report = [](llvm::Error error) {
    ++failures;
    std::printf("FAILED to assemble: %s\n", llvm::toString(std::move(error)).c_str());
  };
  llvm::Expected<CubinJob> job = CubinJob::start(options.toolkit.ptxas, *ptx, {80, 90});
  if (!job)
    return report(job.takeError());
  auto cubins = job->wait();
  if (!cubins)
    return report(cubins.takeError());
  for (const Cubin &cubin : *cubins) {
    unsigned most = 0;
    for (const KernelResources &kernel : cubin.kernels) {
      most = std::max(most, kernel.registers);
      if (kernel.stackBytes + kernel.spillStoreBytes + kernel.spillLoadBytes == 0)
        continue;
      ++failures;
      std::printf("FAILED sm_%u %s of %s: %lu bytes of stack, %lu and %lu of spills\n", cubin.arch,
                  kernel.name.c_str(), userOf(device, kernel.name).c_str(), kernel.stackBytes,
                  kernel.spillStoreBytes, kernel.spillLoadBytes);
    }
    std::printf("sm_%u: %zu kernels, at most %u registers\n", cubin.arch, cubin.kernels.size(),
                most);
  }
}

} // namespace

int main(int argc, char **argv) {
  DialectRegistry registry;
  registerTargetDialects(registry);
  registry.insert<plan::PlanDialect, linalg::LinalgDialect, tensor::TensorDialect,
                  func::FuncDialect, math::MathDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  OwningOpRef<ModuleOp> module(ModuleOp::create(UnknownLoc::get(&context)));
  CaseList list(*module);
  addElementwiseCases(list);
  addReductionCases(list);
  addLineCases(list);
  addRangeCases(list);
  addStructureCases(list);
  addSequenceCases(list);
  addMultiTensorCases(list);
  if (argc > 1) {
    std::string part = argv[1];
    auto isOther = [&](const Case &c) { return c.name.find(part) == std::string::npos; };
    for (const Case &c : list.cases)
      if (isOther(c))
        module->lookupSymbol(c.name)->erase();
    llvm::erase_if(list.cases, isOther);
  }
  if (failed(verify(*module)))
    return 1;

  OwningOpRef<ModuleOp> host = emit(*module, Target::Host);
  OwningOpRef<ModuleOp> device = emit(*module, Target::Cuda);
  HostRunner hostRunner(*host);
  DeviceRunner deviceRunner(*device);
  for (const Case &c : list.cases) {
    auto func = module->lookupSymbol<func::FuncOp>(c.name);
    std::vector<Elements> want = interpret(func, c.arguments);
    check(c, "host", hostRunner, *host, want);
    deviceRunner.options = {1, 0};
    check(c, "device", deviceRunner, *device, want);
    deviceRunner.options = {2, 12345};
    check(c, "device, shuffled", deviceRunner, *device, want);
  }
  checkResources(*device);
  std::printf("%zu cases, %d failures\n", list.cases.size(), failures);
  return failures != 0;
}
