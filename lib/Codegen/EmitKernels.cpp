//===- EmitKernels.cpp - Replace kernels by launches of gpu.funcs ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Kernels that are equal but for their operands are emitted once: the layers of a network
// mostly are. A plan.scan, plan.sort, plan.scatter, plan.attention or plan.attention_grad is a
// kernel as it stands.
//
//===----------------------------------------------------------------------===//

#include "Members.h"
#include "ampc/Codegen/Passes.h"
#include "ampc/Support/NodeLocation.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/TypeSwitch.h"

namespace ampc {
#define GEN_PASS_DEF_EMITKERNELS
#include "ampc/Codegen/Passes.h.inc"

namespace {
using namespace codegen;

/// The longest name taken from the model.
constexpr size_t kLongestName = 48;

/// What a kernel is called: the first ONNX node it computes, in the letters of PTX.
std::string makeName(Operation *kernel) {
  std::string name;
  kernel->walk<WalkOrder::PreOrder>([&](Operation *op) {
    SmallVector<StringRef> nodes = getNodeNames(op->getLoc());
    if (nodes.empty())
      return WalkResult::advance();
    name = nodes.front().str();
    return WalkResult::interrupt();
  });
  for (char &c : name)
    if (!llvm::isAlnum(c))
      c = '_';
  name = StringRef(name).ltrim('_').take_front(kLongestName).str();
  if (name.empty()) {
    auto ofOps = dyn_cast<KernelOp>(kernel);
    name = ofOps ? plan::stringifyKernelKind(ofOps.getKind()).str()
                 : kernel->getName().stripDialect().str();
  }
  if (llvm::isDigit(name.front()))
    name = "k" + name;
  return name;
}

/// Equal kernels have equal hashes.
llvm::hash_code hashOf(Operation *kernel) {
  llvm::hash_code hash =
      llvm::hash_combine(kernel->getName(), llvm::hash_combine_range(kernel->getOperandTypes()),
                         llvm::hash_combine_range(kernel->getResultTypes()));
  if (auto ofOps = dyn_cast<KernelOp>(kernel))
    hash = llvm::hash_combine(hash, ofOps.getKind(), llvm::hash_combine_range(ofOps.getTied()));
  // With their attributes: what a loop repeats may differ in a constant or a map alone.
  kernel->walk([&](Operation *op) {
    if (op == kernel)
      return;
    hash = llvm::hash_combine(
        hash, size_t(OperationEquivalence::computeHash(op, OperationEquivalence::ignoreHashValue,
                                                       OperationEquivalence::ignoreHashValue,
                                                       OperationEquivalence::IgnoreLocations)));
  });
  return hash;
}

/// Whether two kernels differ in nothing but their operands.
bool areEqualKernels(Operation *a, Operation *b) {
  if (a->getName() != b->getName())
    return false;
  if (auto kernel = dyn_cast<KernelOp>(a))
    return areEqual(kernel, cast<KernelOp>(b));
  return a->getOperandTypes() == b->getOperandTypes() &&
         a->getResultTypes() == b->getResultTypes() &&
         a->getAttrDictionary() == b->getAttrDictionary() &&
         (a->getNumRegions() == 0 ||
          OperationEquivalence::isRegionEquivalentTo(&a->getRegion(0), &b->getRegion(0),
                                                     OperationEquivalence::IgnoreLocations));
}

FailureOr<EmittedKernel> emitKernel(Operation *op, StringRef name, const EmitTarget &target) {
  return llvm::TypeSwitch<Operation *, FailureOr<EmittedKernel>>(op)
      .Case([&](KernelOp kernel) {
        auto emit = kernel.getKind() == plan::KernelKind::Fused      ? emitFused
                    : kernel.getKind() == plan::KernelKind::Sequence ? emitSequence
                                                                     : emitMultiTensor;
        return emit(kernel, name, target);
      })
      .Case([&](plan::ScanOp scan) { return emitScan(scan, name, target); })
      .Case([&](plan::SortOp sort) { return emitSort(sort, name, target); })
      .Case([&](plan::ScatterOp scatter) { return emitScatter(scatter, name, target); })
      .Case([&](plan::AttentionOp attention) { return emitAttention(attention, name, target); })
      .Case([&](plan::AttentionGradOp gradient) {
        return emitAttentionGrad(gradient, name, target);
      });
}

/// Where result `result` of a kernel comes from: the op that gives it.
Location findResultLocation(Operation *kernel, unsigned result) {
  auto ofOps = dyn_cast<KernelOp>(kernel);
  if (!ofOps)
    return pickResult(kernel->getLoc(), result);
  auto given = dyn_cast<OpResult>(getViewed(ofOps.getYield()->getOperand(result)));
  return given && kernel->isAncestor(given.getOwner())
             ? findResultLocation(given.getOwner(), given.getResultNumber())
             : nameNoResult(kernel->getLoc());
}

struct EmitKernels : impl::EmitKernelsBase<EmitKernels> {
  using EmitKernelsBase::EmitKernelsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    const DeviceModel &model = getDeviceModel(target, gpu);
    bool device = model.isDevice;
    OpBuilder b(&getContext());
    module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(), b.getUnitAttr());
    SymbolTable symbols(module);
    kernels = {
        gpu::GPUModuleOp::create(b, module.getLoc(), device ? "cuda_kernels" : "host_kernels"),
        device, &model};
    for (StringRef size : codeSizes) {
      auto [name, percent] = size.rsplit('=');
      int64_t value;
      if (percent.getAsInteger(10, value) || value < 1) {
        module.emitError("code-sizes: '") << size << "' is not NAME=PERCENT";
        return signalPassFailure();
      }
      sizes[name] = value;
    }
    symbols.insert(kernels.module); // renames it where a tensor has its name
    SmallVector<Operation *> all, legal;
    module.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (!isa<KernelOp, plan::ScanOp, plan::SortOp, plan::ScatterOp, plan::AttentionOp,
               plan::AttentionGradOp>(op))
        return WalkResult::advance();
      all.push_back(op);
      return WalkResult::skip(); // nested kernels belong to it
    });
    for (Operation *op : all) {
      auto kernel = dyn_cast<KernelOp>(op);
      SmallVector<KernelOp> parts;
      if (kernel && failed(legalizeKernel(kernel, device, parts)))
        return signalPassFailure();
      kernel ? legal.append(parts.begin(), parts.end()) : legal.push_back(op);
    }
    for (Operation *kernel : legal) {
      FailureOr<const EmittedKernel *> emitted = emitOnce(kernel);
      if (failed(emitted))
        return signalPassFailure();
      replaceByLaunches(kernel, **emitted);
    }
    for (Operation *kernel : legal) // until here, they are what others are compared with
      kernel->erase();
    remark::analysis(module.getLoc(),
                     remark::RemarkOpts::name("emit-kernels").category("plan-work"))
        << remark::metric("comparisons", comparisons);
  }

private:
  /// The code of a kernel, from an equal one if there was one.
  FailureOr<const EmittedKernel *> emitOnce(Operation *kernel) {
    SmallVector<size_t> &candidates = byHash[hashOf(kernel)];
    for (size_t i : candidates) {
      ++comparisons;
      if (areEqualKernels(kernel, done[i].first))
        return &done[i].second;
    }
    std::string name = makeName(kernel) + "_" + std::to_string(done.size());
    EmitTarget own = kernels;
    if (auto known = sizes.find(name); known != sizes.end())
      own.codeSize = known->second;
    FailureOr<EmittedKernel> emitted = emitKernel(kernel, name, own);
    if (failed(emitted))
      return failure();
    candidates.push_back(done.size());
    done.push_back({kernel, std::move(*emitted)});
    return &done.back().second;
  }

  /// Launches the stages of `emitted` on the operands of `kernel`.
  void replaceByLaunches(Operation *kernel, const EmittedKernel &emitted) {
    OpBuilder b(kernel);
    SmallVector<Value> buffers(kernel->getOperands());
    buffers.resize(buffers.size() + kernel->getNumResults() + emitted.temporaries.size());
    unsigned firstResult = kernel->getNumOperands();
    unsigned firstTemporary = firstResult + kernel->getNumResults();
    SmallVector<Location> origins;
    for (unsigned i = 0; i != kernel->getNumResults(); ++i)
      origins.push_back(findResultLocation(kernel, i));
    for (auto [i, stage] : llvm::enumerate(emitted.stages)) {
      SmallVector<Value> inputs;
      SmallVector<Type> types;
      for (unsigned number : stage.inputs)
        inputs.push_back(buffers[number]);
      for (unsigned number : stage.outputs)
        if (number < firstTemporary)
          types.push_back(kernel->getResult(number - firstResult).getType());
        else
          types.push_back(emitted.temporaries[number - firstTemporary]);
      // What the first stage leaves to the second is next to nothing.
      int64_t flops = i == 0 ? cast<plan::StepOpInterface>(kernel).getFlops() : 0;
      auto symbol = SymbolRefAttr::get(kernels.module.getSymNameAttr(),
                                       FlatSymbolRefAttr::get(b.getContext(), stage.name));
      SmallVector<Location> locations;
      for (unsigned number : stage.outputs)
        locations.push_back(number < firstTemporary ? origins[number - firstResult]
                                                    : nameNoResult(kernel->getLoc()));
      auto launch = plan::LaunchOp::create(
          b, joinResults(kernel->getLoc(), locations), types, symbol, inputs, {stage.blocks, 1, 1},
          {stage.threads, 1, 1}, stage.tied, stage.numOutputs, flops);
      if (stage.usesTensorCores)
        launch->setAttr(plan::kTensorCoresAttr, b.getUnitAttr());
      for (auto [number, result] : llvm::zip(stage.outputs, launch.getResults()))
        buffers[number] = result;
    }
    for (auto [r, result] : llvm::enumerate(kernel->getResults()))
      result.replaceAllUsesWith(buffers[firstResult + r]);
  }

  EmitTarget kernels;
  llvm::StringMap<int64_t> sizes;
  std::vector<std::pair<Operation *, EmittedKernel>> done;
  llvm::DenseMap<size_t, SmallVector<size_t>> byHash;
  uint64_t comparisons = 0; ///< of kernels with others, which tests count
};

} // namespace
} // namespace ampc
