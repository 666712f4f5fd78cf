//===- SimtCompiler.cpp - Device kernels for the CPU ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/SimtCompiler.h"
#include "ampc/Support/OutputFiles.h"
#include "ampc/Target/Passes.h"
#include "ampc/Target/SimtFormat.h"

#include "HostCodegen.h"
#include "Link.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/IRBuilder.h"

using namespace mlir;

namespace ampc {
namespace {

/// What the table says of a kernel.
struct KernelFacts {
  std::string name;
  bool fibers;
  int64_t workgroupBytes;
  SmallVector<int32_t> blockSize;
  SmallVector<int64_t> parameterBytes;
};

KernelFacts factsOf(LLVM::LLVMFuncOp op) {
  KernelFacts facts;
  facts.name = op.getName().str();
  facts.fibers = op->hasAttr(kFibersAttr);
  facts.workgroupBytes = op->getAttrOfType<IntegerAttr>(kWorkgroupBytesAttr).getInt();
  facts.blockSize.assign(3, 0);
  if (auto known = op->getAttrOfType<DenseI32ArrayAttr>(kBlockSizeAttr))
    facts.blockSize.assign(known.asArrayRef().begin(), known.asArrayRef().end());
  auto bytes = op->getAttrOfType<DenseI64ArrayAttr>(kParameterBytesAttr).asArrayRef();
  facts.parameterBytes.assign(bytes.begin(), bytes.end());
  return facts;
}

/// Writes the parts of a library that are not kernels.
class LibraryBuilder {
public:
  explicit LibraryBuilder(llvm::Module &module) : module(module), b(module.getContext()) {}

  llvm::Constant *kernel(const KernelFacts &facts);
  /// Defines the functions that kernels call: through SimtThread::calls.
  void defineCalls();
  void defineLibrary(ArrayRef<llvm::Constant *> kernels, ArrayRef<uint64_t> hashes);

private:
  llvm::Function *makeEntry(llvm::Function &body);
  llvm::Constant *array(llvm::Type *element, ArrayRef<llvm::Constant *> values);
  template <typename T>
  llvm::Constant *words(ArrayRef<T> values) {
    return global(llvm::ConstantDataArray::get(module.getContext(), values));
  }
  llvm::GlobalVariable *global(llvm::Constant *value) {
    return new llvm::GlobalVariable(module, value->getType(),
                                    /*isConstant=*/true, llvm::GlobalValue::InternalLinkage, value);
  }

  llvm::Module &module;
  llvm::IRBuilder<> b;
};

/// Unpacks SimtThread and the parameters.
llvm::Function *LibraryBuilder::makeEntry(llvm::Function &body) {
  body.setLinkage(llvm::GlobalValue::InternalLinkage);
  auto *type = llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy(), b.getPtrTy()}, false);
  auto *entry = llvm::Function::Create(type, llvm::GlobalValue::InternalLinkage,
                                       body.getName() + ".entry", module);
  b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "entry", entry));
  llvm::Value *thread = entry->getArg(0), *parameters = entry->getArg(1);
  SmallVector<llvm::Value *> args{thread};
  static_assert(offsetof(SimtThread, workgroupMemory) == 8 * (kSimtPrefixArgs - 2));
  for (unsigned i = 1; i < body.arg_size(); ++i) {
    llvm::Value *slot;
    if (i < kSimtPrefixArgs) {
      slot = b.CreateConstGEP1_64(b.getInt64Ty(), thread, i - 1);
    } else {
      slot = b.CreateConstGEP1_64(b.getPtrTy(), parameters, i - kSimtPrefixArgs);
      slot = b.CreateLoad(b.getPtrTy(), slot);
    }
    args.push_back(b.CreateLoad(body.getArg(i)->getType(), slot));
  }
  b.CreateCall(&body, args);
  b.CreateRetVoid();
  return entry;
}

void LibraryBuilder::defineCalls() {
  auto define = [&](StringRef name, size_t offset) {
    llvm::Function *function = module.getFunction(name);
    if (!function)
      return;
    function->setLinkage(llvm::GlobalValue::InternalLinkage);
    b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "entry", function));
    llvm::Value *thread = function->getArg(0);
    llvm::Value *calls = b.CreateLoad(
        b.getPtrTy(), b.CreateConstGEP1_64(b.getInt8Ty(), thread, offsetof(SimtThread, calls)));
    llvm::Value *callee =
        b.CreateLoad(b.getPtrTy(), b.CreateConstGEP1_64(b.getInt8Ty(), calls, offset));
    SmallVector<llvm::Value *> args;
    for (llvm::Argument &arg : function->args())
      args.push_back(&arg);
    llvm::CallInst *call = b.CreateCall(function->getFunctionType(), callee, args);
    if (call->getType()->isVoidTy())
      b.CreateRetVoid();
    else
      b.CreateRet(call);
  };
  define("ampc_simt_barrier", offsetof(SimtCalls, barrier));
  define("ampc_simt_shuffle", offsetof(SimtCalls, shuffle));
  define("ampc_simt_shuffle_valid", offsetof(SimtCalls, shuffleValid));
}

llvm::Constant *LibraryBuilder::array(llvm::Type *element, ArrayRef<llvm::Constant *> values) {
  return llvm::ConstantArray::get(llvm::ArrayType::get(element, values.size()), values);
}

llvm::Constant *LibraryBuilder::kernel(const KernelFacts &facts) {
  llvm::Function *entry = makeEntry(*module.getFunction(facts.name));
  SmallVector<uint64_t> bytes(facts.parameterBytes.begin(), facts.parameterBytes.end());
  llvm::Constant *name =
      global(llvm::ConstantDataArray::getString(module.getContext(), facts.name));
  // struct SimtKernel
  SmallVector<llvm::Constant *> size;
  for (int32_t n : facts.blockSize)
    size.push_back(b.getInt32(n));
  llvm::Constant *fields[] = {name,
                              entry,
                              b.getInt32(facts.fibers),
                              b.getInt32(facts.workgroupBytes),
                              array(b.getInt32Ty(), size),
                              b.getInt32(bytes.size()),
                              words(ArrayRef<uint64_t>(bytes))};
  static_assert(sizeof(SimtKernel) == 48, "the fields above, in order");
  return llvm::ConstantStruct::getAnon(fields);
}

void LibraryBuilder::defineLibrary(ArrayRef<llvm::Constant *> kernels, ArrayRef<uint64_t> hashes) {
  llvm::Constant *none = llvm::ConstantPointerNull::get(b.getPtrTy());
  llvm::Constant *table =
      kernels.empty() ? none : global(array(kernels.front()->getType(), kernels));
  // struct SimtLibrary
  llvm::Constant *fields[] = {b.getInt32(kSimtVersion), b.getInt32(hashes.size()), words(hashes),
                              b.getInt64(kernels.size()), table};
  static_assert(sizeof(SimtLibrary) == 32, "the fields above, in order");
  llvm::GlobalVariable *library = global(llvm::ConstantStruct::getAnon(fields));
  library->setName(kSimtSymbol);
  library->setLinkage(llvm::GlobalValue::ExternalLinkage);
}

} // namespace

LogicalResult writeSimtLibrary(StringRef path, gpu::GPUModuleOp kernels, ArrayRef<StringRef> images,
                               const HostOptions &options) {
  MLIRContext *context = kernels.getContext();
  DialectRegistry registry;
  registerTargetDialects(registry);
  context->appendDialectRegistry(registry);
  OwningOpRef<ModuleOp> module = ModuleOp::create(kernels.getLoc());
  module->push_back(kernels->clone());
  PassManager pm(context);
  pm.enableVerifier(false); // its last pass is the check
  HostProcessor processor = hostProcessor(options.cpu);
  buildSimtKernelLowering(pm, processor.hasF16);
  if (options.configure)
    options.configure(pm);
  if (failed(pm.run(*module)))
    return failure();

  auto failWith = [&](llvm::Error error) {
    return kernels.emitError() << llvm::toString(std::move(error));
  };
  auto machine = createHostMachine(processor);
  if (!machine)
    return failWith(machine.takeError());
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> ir = translateModuleToLLVMIR(*module, llvmContext, "simt");
  if (!ir)
    return kernels.emitError("kernels could not be translated to LLVM IR");

  LibraryBuilder builder(*ir);
  SmallVector<llvm::Constant *> entries;
  for (auto op : module->getOps<LLVM::LLVMFuncOp>()) {
    if (op->hasAttr(kKernelAttr))
      entries.push_back(builder.kernel(factsOf(op)));
    else if (!op.isExternal()) // a private func.func does not become internal
                               // by itself
      ir->getFunction(op.getName())->setLinkage(llvm::GlobalValue::InternalLinkage);
  }
  builder.defineCalls();
  SmallVector<uint64_t> hashes;
  for (StringRef image : images) {
    image.consume_back(StringRef("\0", 1)); // PTX with its closing NUL
    hashes.push_back(simtImageHash(image.data(), image.size()));
  }
  builder.defineLibrary(entries, hashes);

  optimizeForHost(*ir, **machine, processor);
  auto object = emitHostObject(*ir, **machine);
  if (!object)
    return failWith(object.takeError());
  auto linked = linkShared({*object});
  if (!linked)
    return failWith(linked.takeError());
  llvm::Error error = replaceFile(path, [&](llvm::raw_ostream &out) -> llvm::Error {
    out.write(linked->data(), linked->size());
    return llvm::Error::success();
  });
  return error ? failWith(std::move(error)) : success();
}

} // namespace ampc
