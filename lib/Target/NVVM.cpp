//===- NVVM.cpp - Device kernels to PTX -----------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/DeviceCompiler.h"
#include "ampc/Target/Passes.h"

#include "KernelBody.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/IPO/Internalize.h"

using namespace mlir;

namespace ampc {
namespace {

llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createDeviceMachine(const DeviceOptions &options) {
  static const bool initialized = [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    return true;
  }();
  (void)initialized;
  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string message;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return llvm::createStringError("this LLVM has no NVPTX back end: " + message);
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, "sm_" + std::to_string(options.baseArch), "+ptx" + std::to_string(options.ptxVersion),
      {}, std::nullopt, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

/// Takes from libdevice what `module` calls.
llvm::Error linkLibdevice(llvm::Module &module, StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return llvm::createFileError(path, buffer.getError());
  auto library = llvm::getOwningLazyBitcodeModule(std::move(*buffer), module.getContext());
  if (!library)
    return llvm::createFileError(path, library.takeError());
  (*library)->setTargetTriple(module.getTargetTriple());
  (*library)->setDataLayout(module.getDataLayout());
  auto internalize = [](llvm::Module &linked, const llvm::StringSet<> &names) {
    llvm::internalizeModule(linked, [&](const llvm::GlobalValue &value) {
      return !value.hasName() || !names.count(value.getName());
    });
  };
  if (llvm::Linker::linkModules(module, std::move(*library), llvm::Linker::Flags::LinkOnlyNeeded,
                                internalize))
    return llvm::createStringError("'" + path + "' could not be linked");
  return llvm::Error::success();
}

/// PTX with an unresolved function would be refused by the driver at run time
/// only.
LogicalResult checkResolved(gpu::GPUModuleOp kernels, llvm::Module &module, bool hasLibdevice) {
  for (llvm::Function &f : module) {
    if (!f.isDeclaration() || f.isIntrinsic() || f.use_empty())
      continue;
    InFlightDiagnostic error = kernels.emitError();
    if (hasLibdevice || !f.getName().starts_with("__nv_"))
      return error << "internal error: the kernels call '" << f.getName()
                   << "', which no library defines";
    return error << "the kernels call '" << f.getName()
                 << "' of libdevice, which was not found; install the CUDA "
                    "toolkit or the "
                    "Python wheel nvidia-nvvm";
  }
  return success();
}

void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PassBuilder builder(&machine);
  llvm::LoopAnalysisManager lam;
  llvm::FunctionAnalysisManager fam;
  llvm::CGSCCAnalysisManager cgam;
  llvm::ModuleAnalysisManager mam;
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cgam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cgam, mam);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, mam);
}

FailureOr<std::string> emitPtx(llvm::Module &module, llvm::TargetMachine &machine,
                               gpu::GPUModuleOp kernels) {
  SmallString<0> ptx;
  llvm::raw_svector_ostream out(ptx);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return kernels.emitError("this LLVM writes no PTX");
  passes.run(module);
  return std::string(ptx);
}

} // namespace

FailureOr<std::string> compileToPtx(gpu::GPUModuleOp kernels, const DeviceOptions &options) {
  MLIRContext *context = kernels.getContext();
  DialectRegistry registry;
  registerTargetDialects(registry);
  context->appendDialectRegistry(registry);
  OwningOpRef<ModuleOp> module = ModuleOp::create(kernels.getLoc());
  module->push_back(kernels->clone());
  const bool hasLibdevice = !options.toolkit.libdevice.empty();
  DeviceLoweringOptions lowering;
  lowering.use32BitIndices = options.use32BitIndices;
  lowering.approximateMath = !hasLibdevice;
  PassManager pm(context);
  buildDeviceKernelLowering(pm, lowering);
  if (options.configure)
    options.configure(pm);
  if (failed(pm.run(*module)))
    return failure();

  auto failWith = [&](llvm::Error error) {
    return kernels.emitError() << "device kernels: " << llvm::toString(std::move(error));
  };
  auto machine = createDeviceMachine(options);
  if (!machine)
    return failWith(machine.takeError());
  llvm::LLVMContext llvmContext;
  auto lowered = *module->getOps<gpu::GPUModuleOp>().begin();
  std::unique_ptr<llvm::Module> ir = translateModuleToLLVMIR(lowered, llvmContext, "cuda_kernels");
  if (!ir)
    return kernels.emitError("device kernels could not be translated to LLVM IR");
  ir->setTargetTriple((*machine)->getTargetTriple());
  ir->setDataLayout((*machine)->createDataLayout());
  if (hasLibdevice)
    if (llvm::Error error = linkLibdevice(*ir, options.toolkit.libdevice))
      return failWith(std::move(error));
  optimize(*ir, **machine);
  if (failed(checkResolved(kernels, *ir, hasLibdevice)))
    return failure();
  return emitPtx(*ir, **machine, kernels);
}

llvm::StringMap<int64_t> countLines(StringRef ptx) {
  llvm::StringMap<int64_t> lines;
  int64_t *entry = nullptr;
  for (StringRef line : llvm::split(ptx, '\n')) {
    if (size_t at = line.find(".entry "); at != StringRef::npos)
      entry = &lines[line.substr(at + 7).take_until([](char c) { return c == '('; })];
    if (entry)
      ++*entry;
    if (line.starts_with("}"))
      entry = nullptr;
  }
  return lines;
}

FailureOr<int64_t> workgroupBytes(gpu::GPUFuncOp kernel) {
  int64_t total = 0;
  for (BlockArgument arg : kernel.getWorkgroupAttributions()) {
    auto bytes = staticBytes(kernel, cast<MemRefType>(arg.getType()), "workgroup memory");
    if (failed(bytes))
      return failure();
    total = llvm::alignTo(total, 16) + *bytes;
  }
  return total;
}

} // namespace ampc
