//===- HostCodegen.cpp - LLVM for this machine ----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HostCodegen.h"

#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace llvm;

namespace {

// The x86-64 levels of the psABI, beyond the baseline. A level rather than a
// list of what this machine has: it keeps the code usable on others, and out of
// extensions with a meaning of their own (vcvtneps2bf16 takes subnormal values
// for zero).
constexpr StringLiteral kLevel2[] = {"cx16", "popcnt", "sahf", "sse3", "sse4.1", "sse4.2", "ssse3"};
constexpr StringLiteral kLevel3[] = {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"};
constexpr StringLiteral kLevel4[] = {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"};

} // namespace

ampc::HostProcessor ampc::hostProcessor(StringRef cpu) {
  // Code for a processor by name is the same wherever it is compiled.
  HostProcessor processor{cpu.str(), cpu.empty() ? sys::getHostCPUName().str() : "generic", ""};
  Triple triple(sys::getProcessTriple());
  if (triple.getArch() != Triple::x86_64) {
    if (processor.cpu.empty())
      processor.cpu = "generic";
    return processor;
  }
  const StringMap<bool> has = sys::getHostCPUFeatures();
  auto all = [&](ArrayRef<StringLiteral> names) {
    return all_of(names, [&](StringRef name) { return has.lookup(name); });
  };
  unsigned level = 1;
  if (!cpu.empty()) {
    if (!cpu.consume_front("x86-64-v") || cpu.getAsInteger(10, level))
      level = 1;
  } else if (all(kLevel2)) {
    level = !all(kLevel3) ? 2 : !all(kLevel4) ? 3 : 4;
    processor.cpu = ("x86-64-v" + Twine(level)).str();
  } else {
    processor.cpu = "x86-64";
  }
  SmallVector<StringRef> needed;
  if (level >= 2)
    append_range(needed, kLevel2);
  if (level >= 3)
    append_range(needed, kLevel3);
  if (level >= 4)
    append_range(needed, kLevel4);
  sort(needed);
  processor.features = join(needed, ",");
  processor.hasF16 = level >= 3;
  return processor;
}

Expected<std::unique_ptr<TargetMachine>> ampc::createHostMachine(const HostProcessor &processor) {
  // Once: the registry takes no registration from two threads.
  static const bool initialized = !InitializeNativeTarget() && !InitializeNativeTargetAsmPrinter();
  if (!initialized)
    return createStringError("this LLVM has no back end for this machine");
  Triple triple(sys::getProcessTriple());
  std::string message;
  const Target *target = TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return createStringError(message);
  TargetOptions options;
  // a * b + c in one rounding, as ptxas does it for a device.
  options.AllowFPOpFusion = FPOpFusion::Fast;
  std::unique_ptr<TargetMachine> machine(
      target->createTargetMachine(triple, processor.cpu, /*Features=*/"", options, Reloc::PIC_,
                                  std::nullopt, CodeGenOptLevel::Aggressive));
  if (!machine)
    return createStringError("LLVM cannot compile for " + triple.str());
  return machine;
}

void ampc::optimizeForHost(Module &module, TargetMachine &machine, const HostProcessor &processor) {
  module.setTargetTriple(machine.getTargetTriple());
  module.setDataLayout(machine.createDataLayout());
  module.setPICLevel(PICLevel::BigPIC);
  for (Function &f : module) {
    f.addFnAttr(Attribute::NoUnwind);
    if (f.isDeclaration())
      continue;
    // Without these the vectorisers assume the baseline of the architecture.
    f.addFnAttr("target-cpu", processor.cpu);
    f.addFnAttr("tune-cpu", processor.tune);
  }

  PipelineTuningOptions tuning;
  tuning.SLPVectorization = true;
  PassBuilder builder(&machine, tuning);
  LoopAnalysisManager lam;
  FunctionAnalysisManager fam;
  CGSCCAnalysisManager cgam;
  ModuleAnalysisManager mam;
  // Loops that copy or fill stay loops: kernels then need nothing of the C
  // library.
  TargetLibraryInfoImpl library(machine.getTargetTriple());
  for (LibFunc f : {LibFunc_memcpy, LibFunc_memmove, LibFunc_memset})
    library.setUnavailable(f);
  fam.registerPass([&] { return TargetLibraryAnalysis(library); });
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cgam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cgam, mam);
  builder.buildPerModuleDefaultPipeline(OptimizationLevel::O3).run(module, mam);
}

Expected<SmallVector<char, 0>> ampc::emitHostObject(Module &module, TargetMachine &machine) {
  SmallVector<char, 0> object;
  raw_svector_ostream out(object);
  legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, out, nullptr, CodeGenFileType::ObjectFile))
    return createStringError("LLVM writes no objects for " + machine.getTargetTriple().str());
  passes.run(module);
  return object;
}
