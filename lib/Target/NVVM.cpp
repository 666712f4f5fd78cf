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
#include "mlir/IR/Threading.h"
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

/// Takes from libdevice what `module` calls, under its names with `suffix` behind them.
llvm::Error linkLibdevice(llvm::Module &module, StringRef path, StringRef suffix) {
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
  llvm::StringSet<> own;
  for (llvm::GlobalValue &value : module.global_values())
    if (value.hasLocalLinkage())
      own.insert(value.getName());
  if (llvm::Linker::linkModules(module, std::move(*library), llvm::Linker::Flags::LinkOnlyNeeded,
                                internalize))
    return llvm::createStringError("'" + path + "' could not be linked");
  for (llvm::GlobalValue &value : module.global_values())
    if (value.hasLocalLinkage() && !own.contains(value.getName()))
      value.setName(value.getName() + suffix);
  return llvm::Error::success();
}

/// PTX with an unresolved function would be refused by the driver at run time
/// only.
llvm::Error checkResolved(llvm::Module &module, bool hasLibdevice) {
  for (llvm::Function &f : module) {
    if (!f.isDeclaration() || f.isIntrinsic() || f.use_empty())
      continue;
    if (hasLibdevice || !f.getName().starts_with("__nv_"))
      return llvm::createStringError("internal error: the kernels call '" + f.getName() +
                                     "', which no library defines");
    return llvm::createStringError("the kernels call '" + f.getName() +
                                   "' of libdevice, which was not found; install the CUDA toolkit "
                                   "or the Python wheel nvidia-nvvm");
  }
  return llvm::Error::success();
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

llvm::Expected<std::string> emitPtx(llvm::Module &module, llvm::TargetMachine &machine) {
  SmallString<0> ptx;
  llvm::raw_svector_ostream out(ptx);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return llvm::createStringError("this LLVM writes no PTX");
  passes.run(module);
  return std::string(ptx);
}

/// Compiles the lowered kernels of one part.
llvm::Expected<std::string> compilePart(gpu::GPUModuleOp lowered, unsigned part,
                                        const DeviceOptions &options) {
  auto machine = createDeviceMachine(options);
  if (!machine)
    return machine.takeError();
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> ir = translateModuleToLLVMIR(lowered, llvmContext, "cuda_kernels");
  if (!ir)
    return llvm::createStringError("the kernels could not be translated to LLVM IR");
  ir->setTargetTriple((*machine)->getTargetTriple());
  ir->setDataLayout((*machine)->createDataLayout());
  const bool hasLibdevice = !options.toolkit.libdevice.empty();
  std::string suffix = part == 0 ? "" : ("_" + Twine(part)).str();
  if (hasLibdevice)
    if (llvm::Error error = linkLibdevice(*ir, options.toolkit.libdevice, suffix))
      return error;
  optimize(*ir, **machine);
  if (llvm::Error error = checkResolved(*ir, hasLibdevice))
    return error;
  return emitPtx(*ir, **machine);
}

int64_t countOps(Operation *op) {
  int64_t count = 0;
  op->walk([&](Operation *) { ++count; });
  return count;
}

/// So many ops are worth a part, which takes libdevice, a back end and a thread of its own.
constexpr int64_t kOpsOfPart = 3000;
constexpr int64_t kMostParts = 8;

/// Copies `kernels` into `module`, as several modules of consecutive kernels where there are many.
/// How many depends on the kernels alone, not on the machine, as the PTX does on them.
void copyInParts(gpu::GPUModuleOp kernels, ModuleOp module) {
  int64_t total = countOps(kernels);
  int64_t count = std::clamp<int64_t>(total / kOpsOfPart, 1, kMostParts);
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  if (count == 1) {
    builder.clone(*kernels);
    return;
  }
  int64_t size = llvm::divideCeil(total, count);
  gpu::GPUModuleOp part;
  int64_t parts = 0, before = 0;
  for (auto function : kernels.getOps<gpu::GPUFuncOp>()) {
    if (before / size >= parts) {
      part = cast<gpu::GPUModuleOp>(builder.cloneWithoutRegions(*kernels.getOperation()));
      part.getBodyRegion().emplaceBlock();
      part.setName((kernels.getName() + "_" + Twine(parts++)).str());
      // What kernels may refer to.
      OpBuilder body = OpBuilder::atBlockEnd(part.getBody());
      for (Operation &op : *kernels.getBody())
        if (!isa<gpu::GPUFuncOp>(op))
          body.clone(op);
    }
    OpBuilder::atBlockEnd(part.getBody()).clone(*function);
    before += countOps(function);
  }
}

/// One PTX module of those of all parts: what follows their headers.
std::string joinParts(ArrayRef<std::string> parts) {
  std::string ptx = parts.front();
  for (StringRef part : parts.drop_front())
    ptx += part.split(".address_size").second.split('\n').second;
  return ptx;
}

} // namespace

FailureOr<std::string> compileToPtx(gpu::GPUModuleOp kernels, const DeviceOptions &options) {
  MLIRContext *context = kernels.getContext();
  DialectRegistry registry;
  registerTargetDialects(registry);
  context->appendDialectRegistry(registry);
  OwningOpRef<ModuleOp> module = ModuleOp::create(kernels.getLoc());
  copyInParts(kernels, *module);
  DeviceLoweringOptions lowering;
  lowering.use32BitIndices = options.use32BitIndices;
  lowering.approximateMath = options.toolkit.libdevice.empty();
  PassManager pm(context);
  pm.enableVerifier(false); // its last pass is the check
  buildDeviceKernelLowering(pm, lowering);
  if (options.configure)
    options.configure(pm);
  if (failed(pm.run(*module)))
    return failure();

  SmallVector<gpu::GPUModuleOp> parts(module->getOps<gpu::GPUModuleOp>());
  SmallVector<std::string> ptx(parts.size()), errors(parts.size());
  parallelFor(context, 0, parts.size(), [&](size_t i) {
    llvm::Expected<std::string> part = compilePart(parts[i], i, options);
    if (part)
      ptx[i] = std::move(*part);
    else
      errors[i] = llvm::toString(part.takeError());
  });
  for (const std::string &error : errors)
    if (!error.empty())
      return kernels.emitError() << "device kernels: " << error;
  return joinParts(ptx);
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
