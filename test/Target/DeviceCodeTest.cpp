//===- DeviceCodeTest.cpp - PTX and cubins --------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Needs no GPU. Without ptxas (exit 77) only what needs none is checked.

#include "TargetTest.h"

#include "ampc/Target/DeviceCompiler.h"
#include "ampc/Target/SimtFormat.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <chrono>

using namespace ampc::test;

namespace {

bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

std::string compile(Kernels &kernels, const ampc::DeviceOptions &options) {
  auto ptx = compileToPtx(kernels.gpuModule(), options);
  check(succeeded(ptx), "compile to PTX", kernels.takeDiagnostics());
  return succeeded(ptx) ? *ptx : "";
}

std::string entryOf(const std::string &ptx, const std::string &name) {
  size_t at = ptx.find(".entry " + name + "(");
  return at == std::string::npos ? "" : ptx.substr(at, ptx.find("\n}", at) - at);
}

void checkPtx(const std::string &ptx, bool wide) {
  check(contains(ptx, ".target sm_80") && contains(ptx, ".version 8.0"), "target and version");
  check(!contains(ptx, ".extern .func"), "no unresolved function");
  std::string elementwise = entryOf(ptx, "elementwise_f16");
  check(contains(elementwise, "ld.global.nc.v4") || contains(elementwise, "ld.global.nc.v2.b64"),
        "loads of 16 bytes", elementwise);
  check(contains(elementwise, "st.global.v4") || contains(elementwise, "st.global.v2.b64"),
        "stores of 16 bytes", elementwise);
  // Three pointers, no memref descriptors.
  check(contains(elementwise, "_param_2") && !contains(elementwise, "_param_3"), "bare pointers",
        elementwise);
  check(contains(elementwise, "256"), "block size is known", elementwise);
  std::string functions = entryOf(ptx, "functions");
  check(contains(functions, "sqrt.rn.f32") && !contains(functions, "\tsqrt.approx"),
        "square roots are exact", functions);
  std::string reverse = entryOf(ptx, "early_exit");
  check(contains(reverse, wide ? "mul.wide" : "mad.lo.s32") || contains(reverse, "mad.lo"),
        "indices", reverse);
}

void checkCubins(const ampc::CudaToolkit &toolkit, const std::string &ptx) {
  auto start = std::chrono::steady_clock::now();
  auto job = ampc::CubinJob::start(toolkit.ptxas, ptx, {80, 90});
  if (!job) {
    check(false, "start ptxas", llvm::toString(job.takeError()));
    return;
  }
  auto cubins = job->wait();
  if (!cubins) {
    check(false, "ptxas", llvm::toString(cubins.takeError()));
    return;
  }
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  check(cubins->size() == 2 && (*cubins)[0].arch == 80 && (*cubins)[1].arch == 90, "two cubins");
  std::printf("%zu kernels for two architectures in %.0f ms\n", cubins->front().kernels.size(),
              took.count() * 1e3);
  for (const ampc::Cubin &cubin : *cubins) {
    check(ampc::simtImageBytes(cubin.bytes.data()) == cubin.bytes.size(), "size of a cubin",
          std::to_string(ampc::simtImageBytes(cubin.bytes.data())) + ", not " +
              std::to_string(cubin.bytes.size()));
    check(cubin.kernels.size() == 12, "kernels reported", std::to_string(cubin.kernels.size()));
    for (const ampc::KernelResources &k : cubin.kernels) {
      check(k.stackBytes == 0 && k.spillStoreBytes == 0 && k.spillLoadBytes == 0,
            "no stack and no spills in " + k.name);
      check(k.registers >= 4 && k.registers <= 128, "registers of " + k.name,
            std::to_string(k.registers));
      if (k.name == "layernorm_backward")
        check(k.sharedBytes == 2 * 128 * 4, "workgroup memory", std::to_string(k.sharedBytes));
    }
  }

  // A kernel that does spill is seen to: 300 live values in 255 registers.
  std::string body;
  for (int i = 0; i < 300; ++i)
    body += "ld.volatile.global.f32 %f" + std::to_string(i) + ", [%rd1+" + std::to_string(4 * i) +
            "];\n";
  for (int i = 0; i < 300; ++i)
    body += "st.volatile.global.f32 [%rd1+" + std::to_string(4 * i) + "], %f" + std::to_string(i) +
            ";\n";
  auto spilling =
      ampc::CubinJob::start(toolkit.ptxas,
                            ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry "
                            "spill(.param .u64 p) {\n"
                            ".reg .f32 %f<300>;\n.reg .b64 %rd<2>;\nld.param.u64 %rd1, [p];\n" +
                                body + "ret;\n}\n",
                            {80});
  auto spilled = spilling->wait();
  check(spilled && spilled->front().kernels.front().spillStoreBytes > 0, "spills are reported");

  auto broken = ampc::CubinJob::start(toolkit.ptxas, "no ptx", {80});
  auto none = broken->wait();
  check(!none, "ptxas refuses what is no PTX");
  if (!none)
    check(contains(llvm::toString(none.takeError()), "failed for sm_80"), "ptxas's message");
  auto absent = ampc::CubinJob::start("/nonexistent/ptxas", ptx, {80});
  check(!absent, "a ptxas that is not there");
  llvm::consumeError(absent.takeError());
  // One that does not know how to use several threads is asked again without.
  llvm::SmallString<128> old;
  check(!llvm::sys::fs::createTemporaryFile("ampc-old-ptxas", "sh", old), "a temporary file");
  {
    std::error_code code;
    llvm::raw_fd_ostream script(old, code);
    script << "#!/bin/sh\nfor a; do case $a in --split-compile) echo \"ptxas fatal   : Unknown "
              "option '-split-compile'\"; exit 255;; esac; done\nexec '"
           << toolkit.ptxas << "' \"$@\"\n";
  }
  check(!llvm::sys::fs::setPermissions(old, llvm::sys::fs::all_all), "a script");
  auto single = ampc::CubinJob::start(old, ptx, {80, 90});
  auto assembled = single->wait();
  (void)llvm::sys::fs::remove(old);
  if (!assembled) {
    check(false, "a ptxas without threads", llvm::toString(assembled.takeError()));
    return;
  }
  check(assembled->size() == 2, "a ptxas without threads");
  // Threads change neither the code nor what is read of it.
  for (const ampc::KernelResources &k : assembled->front().kernels) {
    auto same = llvm::find_if(cubins->front().kernels, [&](const ampc::KernelResources &other) {
      return other.name == k.name;
    });
    check(same != cubins->front().kernels.end() && same->registers == k.registers &&
              same->sharedBytes == k.sharedBytes,
          "registers of " + k.name + " with threads");
  }

  // Dropped without wait: ends its processes, removes its files.
  (void)ampc::CubinJob::start(toolkit.ptxas, ptx, {80, 90});
}

void missingFunctions(const ampc::CudaToolkit &toolkit) {
  Kernels sine("gpu.module @cuda_kernels { gpu.func @k(%x: memref<1xf32>) kernel {\n"
               "%c0 = arith.constant 0 : index\n%v = memref.load %x[%c0] : "
               "memref<1xf32>\n"
               "%s = math.sin %v : f32\nmemref.store %s, %x[%c0] : memref<1xf32>\n"
               "gpu.return } }");
  ampc::DeviceOptions options;
  check(failed(compileToPtx(sine.gpuModule(), options)), "sin without libdevice");
  std::string message = sine.takeDiagnostics();
  check(contains(message, "'__nv_sinf'") && contains(message, "nvidia-nvvm"), "its message",
        message);
  if (toolkit.libdevice.empty())
    return;
  options.toolkit = toolkit;
  check(succeeded(compileToPtx(sine.gpuModule(), options)), "sin with libdevice",
        sine.takeDiagnostics());
  Kernels unknown("gpu.module @cuda_kernels { func.func private @mystery(f32) -> f32\n"
                  "gpu.func @k(%x: memref<1xf32>) kernel {\n%c0 = arith.constant 0 : "
                  "index\n"
                  "%v = memref.load %x[%c0] : memref<1xf32>\n"
                  "%s = func.call @mystery(%v) : (f32) -> f32\n"
                  "memref.store %s, %x[%c0] : memref<1xf32>\ngpu.return } }");
  check(failed(compileToPtx(unknown.gpuModule(), options)), "an unknown function");
  message = unknown.takeDiagnostics();
  check(contains(message, "internal error") && contains(message, "'mystery'"), "its message",
        message);
}

/// A plan may be of library calls alone: its PTX is one that ptxas takes.
void withoutKernels() {
  Kernels none("gpu.module @cuda_kernels { }");
  check(contains(compile(none, {}), ".version 8.0"), "PTX of no kernel");
}

/// Kernels enough for several parts, which are compiled one beside the other. Each takes the same
/// function from libdevice, one that is no part of its callers.
void compilesInParts(const ampc::CudaToolkit &toolkit) {
  std::string text = "gpu.module @cuda_kernels {\n";
  constexpr int kKernels = 70;
  for (int i = 0; i != kKernels; ++i) {
    text += "gpu.func @k" + std::to_string(i) + "(%x: memref<1xf64>) kernel {\n" +
            "%c0 = arith.constant 0 : index\n%v0 = memref.load %x[%c0] : memref<1xf64>\n";
    for (int j = 0; j != 100; ++j)
      text +=
          "%v" + std::to_string(j + 1) + " = arith.mulf %v" + std::to_string(j) + ", %v0 : f64\n";
    text += "%p = math.powf %v0, %v100 : f64\nmemref.store %p, %x[%c0] : memref<1xf64>\n"
            "gpu.return }\n";
  }
  Kernels kernels(text + "}");
  ampc::DeviceOptions options;
  options.toolkit = toolkit;
  std::string ptx = compile(kernels, options);
  auto count = [&](const std::string &part) {
    int n = 0;
    for (size_t at = 0; (at = ptx.find(part, at)) != std::string::npos; ++at)
      ++n;
    return n;
  };
  check(count(".version") == 1 && count(".target") == 1, "one PTX module of all parts");
  check(count(".visible .entry k") == kKernels, "all kernels");
  check(count("\n.func  (.param .b64 func_retval0) __internal_accurate_pow(") == 1 &&
            count("\n.func  (.param .b64 func_retval0) __internal_accurate_pow_1(") == 1,
        "a function that two parts need has two names");
  check(ptx.find(".entry k0(") < ptx.find(".entry k1(") &&
            ptx.find(".entry k1(") < ptx.find(".entry k69("),
        "kernels in their order");
  check(compile(kernels, options) == ptx, "the same PTX each time");
  if (toolkit.ptxas.empty())
    return;
  auto job = ampc::CubinJob::start(toolkit.ptxas, ptx, {80});
  check(bool(job), "ptxas starts");
  if (!job)
    return llvm::consumeError(job.takeError());
  auto cubins = job->wait();
  check(bool(cubins), "ptxas takes it", cubins ? "" : llvm::toString(cubins.takeError()));
}

} // namespace

int main() {
  ampc::CudaToolkit toolkit = ampc::findCudaToolkit();
  Kernels kernels(inputText("device-kernels.mlir"));
  for (auto kernel : kernels.gpuModule().getOps<mlir::gpu::GPUFuncOp>())
    if (kernel.getName() == "layernorm_backward")
      check(*ampc::workgroupBytes(kernel) == 2 * 128 * 4, "workgroupBytes");

  ampc::DeviceOptions options;
  std::string polynomials = compile(kernels, options);
  checkPtx(polynomials, true);
  check(contains(entryOf(polynomials, "functions"), "fma.rn.f32"), "polynomials");
  options.toolkit = toolkit;
  missingFunctions(toolkit);
  withoutKernels();
  if (!toolkit.libdevice.empty()) {
    compilesInParts(toolkit);
    auto start = std::chrono::steady_clock::now();
    std::string ptx = compile(kernels, options);
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf("PTX in %.0f ms\n", took.count() * 1e3);
    checkPtx(ptx, true);
    check(contains(entryOf(ptx, "softmax_f16"), "ex2.approx"), "exp of libdevice");
    options.use32BitIndices = true;
    std::string narrow = compile(kernels, options);
    checkPtx(narrow, false);
    auto count = [](const std::string &text, const std::string &part) {
      int n = 0;
      for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at)
        ++n;
      return n;
    };
    check(count(narrow, ".s64") + count(narrow, ".u64") < count(ptx, ".s64") + count(ptx, ".u64"),
          "fewer operations on 64 bits");
    polynomials = ptx;
  }
  if (toolkit.ptxas.empty()) {
    std::printf("ptxas was not found\n");
    return failures ? 1 : 77;
  }
  checkCubins(toolkit, polynomials);
  return failures != 0;
}
