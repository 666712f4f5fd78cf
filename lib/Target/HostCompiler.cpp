//===- HostCompiler.cpp - Host kernels to machine code --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/HostCompiler.h"
#include "ampc/Target/Passes.h"

#include "HostCodegen.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Support/ThreadPool.h"

using namespace mlir;

namespace ampc {
namespace {

/// Gives `body`, a function (pointer..., begin, end), the entry that the
/// runtime calls.
void addEntry(llvm::Function &body) {
  const std::string name = body.getName().str();
  body.setName(name + ".blocks");
  body.setLinkage(llvm::GlobalValue::InternalLinkage);
  // Arguments that do not alias say so for the whole loop only as arguments.
  body.addFnAttr(llvm::Attribute::NoInline);

  llvm::IRBuilder<> b(body.getContext());
  auto *type =
      llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy(), b.getInt64Ty(), b.getInt64Ty()},
                              /*isVarArg=*/false);
  auto *entry =
      llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, name, *body.getParent());
  entry->setVisibility(llvm::GlobalValue::HiddenVisibility);
  b.SetInsertPoint(llvm::BasicBlock::Create(body.getContext(), "entry", entry));
  llvm::SmallVector<llvm::Value *> args;
  for (unsigned i = 0; i + 2 < body.arg_size(); ++i) {
    llvm::Value *slot = b.CreateConstGEP1_64(b.getPtrTy(), entry->getArg(0), i);
    args.push_back(b.CreateLoad(b.getPtrTy(), slot));
  }
  args.push_back(entry->getArg(1));
  args.push_back(entry->getArg(2));
  b.CreateCall(&body, args);
  b.CreateRetVoid();
}

/// The entry passes addresses only.
LogicalResult checkKernels(gpu::GPUModuleOp kernels) {
  for (Operation &op : *kernels.getBody()) {
    auto kernel = dyn_cast<gpu::GPUFuncOp>(op);
    if (!kernel)
      return op.emitError("has no place among host kernels");
    for (Type type : kernel.getFunctionType().getInputs())
      if (!isa<MemRefType>(type))
        return kernel.emitError() << "a host kernel takes memrefs only, not " << type;
  }
  return success();
}

/// So many kernels go through LLVM together. Fixed, so that the code does not
/// depend on the machine's number of cores.
constexpr size_t kKernelsPerPart = 4;

/// Some of the kernels on their way through LLVM, by themselves in an
/// LLVMContext.
struct Part {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> ir;
  SmallVector<char, 0> object;
  std::string error;
};

/// Lowers `functions` of `kernels` to LLVM IR.
LogicalResult lower(gpu::GPUModuleOp kernels, ArrayRef<gpu::GPUFuncOp> functions,
                    const HostProcessor &processor, const HostOptions &options, Part &part) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(kernels.getLoc());
  auto clone = cast<gpu::GPUModuleOp>(kernels->cloneWithoutRegions());
  module->push_back(clone);
  clone.getBodyRegion().emplaceBlock();
  for (gpu::GPUFuncOp function : functions)
    clone.getBody()->push_back(function->clone());
  PassManager pm(kernels.getContext());
  pm.enableVerifier(false); // its last pass is the check
  buildHostKernelLowering(pm, processor.hasF16);
  if (options.configure)
    options.configure(pm);
  if (failed(pm.run(*module)))
    return failure();
  part.ir = translateModuleToLLVMIR(*module, part.context, "host_kernels");
  if (!part.ir)
    return kernels.emitError("host kernels could not be translated to LLVM IR");
  for (gpu::GPUFuncOp function : functions)
    addEntry(*part.ir->getFunction(function.getName()));
  return success();
}

void generate(Part &part, const HostProcessor &processor) {
  auto object = [&]() -> llvm::Expected<SmallVector<char, 0>> {
    auto machine = createHostMachine(processor);
    if (!machine)
      return machine.takeError();
    optimizeForHost(*part.ir, **machine, processor);
    return emitHostObject(*part.ir, **machine);
  }();
  if (object)
    part.object = std::move(*object);
  else
    part.error = llvm::toString(object.takeError());
}

} // namespace

FailureOr<HostCode> compileHostKernels(gpu::GPUModuleOp kernels, const HostOptions &options) {
  DialectRegistry registry;
  registerTargetDialects(registry);
  kernels.getContext()->appendDialectRegistry(registry);
  HostProcessor processor = hostProcessor(options.cpu);
  if (failed(checkKernels(kernels)))
    return failure();

  HostCode code;
  code.features = processor.features;
  SmallVector<gpu::GPUFuncOp> functions(kernels.getOps<gpu::GPUFuncOp>());
  std::vector<std::unique_ptr<Part>> parts;
  for (ArrayRef<gpu::GPUFuncOp> rest = functions; !rest.empty();
       rest = rest.drop_front(std::min(rest.size(), kKernelsPerPart))) {
    parts.push_back(std::make_unique<Part>());
    if (failed(lower(kernels, rest.take_front(kKernelsPerPart), processor, options, *parts.back())))
      return failure();
  }
  llvm::DefaultThreadPool threads(llvm::hardware_concurrency(parts.size()));
  for (auto &part : parts)
    threads.async([&part, &processor] { generate(*part, processor); });
  threads.wait();
  for (auto &part : parts) {
    if (!part->error.empty())
      return kernels.emitError() << "host kernels: " << part->error;
    code.objects.push_back(std::move(part->object));
  }
  for (gpu::GPUFuncOp function : functions)
    code.symbols.push_back(function.getName().str());
  return code;
}

} // namespace ampc
