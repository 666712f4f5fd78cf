//===- KernelEmitter.cpp - From a plan.kernel to gpu.funcs ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelEmitter.h"
#include "BlockCounters.h"
#include "ampc-runtime/module_format.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace ampc::codegen {

Value addWorkgroupArray(gpu::GPUFuncOp kernel, MemRefType type, Location loc) {
  unsigned index = kernel.getNumWorkgroupAttributions();
  Value array = kernel.addWorkgroupAttribution(type, loc);
  kernel.setWorkgroupAttributionAttr(index, LLVM::LLVMDialect::getAlignAttrName(),
                                     Builder(kernel.getContext()).getI64IntegerAttr(16));
  return array;
}

//===----------------------------------------------------------------------===//
// KernelFunction
//===----------------------------------------------------------------------===//

KernelFunction::KernelFunction(EmitTarget target, StringRef name, Location loc)
    : b(target.module.getContext()), loc(loc), target(target), name(name) {
  b.setInsertionPointToEnd(target.module.getBody());
  func = gpu::GPUFuncOp::create(b, loc, name, b.getFunctionType({}, {}));
  func->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
}

Value KernelFunction::add(RankedTensorType type) {
  auto space = gpu::AddressSpaceAttr::get(b.getContext(), gpu::AddressSpace::Global);
  types.push_back(MemRefType::get({type.getNumElements()}, getStorageType(type.getElementType()),
                                  MemRefLayoutAttrInterface(), space));
  return func.getBody().front().addArgument(types.back(), loc);
}

Value KernelFunction::addInput(unsigned number, RankedTensorType type) {
  assert(outputs.empty() && workspaces.empty() && "inputs come first");
  inputs.push_back({number, add(type)});
  return inputs.back().memref;
}

Value KernelFunction::addOutput(unsigned number, RankedTensorType type) {
  assert(workspaces.empty() && "workspace comes last");
  outputs.push_back({number, add(type)});
  tied.push_back(-1);
  return outputs.back().memref;
}

Value KernelFunction::addWorkspace(unsigned number, RankedTensorType type, bool isShared) {
  workspaces.push_back({number, add(type), isShared});
  return workspaces.back().memref;
}

Value KernelFunction::addTiedOutput(unsigned number, unsigned inputNumber) {
  for (auto [i, input] : llvm::enumerate(inputs))
    if (input.number == inputNumber) {
      outputs.push_back({number, input.memref});
      tied.push_back(i);
      return input.memref;
    }
  llvm_unreachable("tied to an input that was not added");
}

void KernelFunction::begin() {
  func.setFunctionType(b.getFunctionType(types, {}));
  b.setInsertionPointToEnd(&func.getBody().front());
  block = gpu::BlockIdOp::create(b, loc, gpu::Dimension::x);
  thread = target.device ? gpu::ThreadIdOp::create(b, loc, gpu::Dimension::x).getResult()
                         : arith::ConstantIndexOp::create(b, loc, 0).getResult();
}

void KernelFunction::allowRegisters() {
  func->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), b.getI32IntegerAttr(1));
}

Stage KernelFunction::finish(int64_t blocks, int64_t threads) {
  gpu::ReturnOp::create(b, loc);
  auto triple = [&](int64_t x) { return b.getDenseI32ArrayAttr({int32_t(x), 1, 1}); };
  func.setKnownGridSizeAttr(triple(blocks));
  func.setKnownBlockSizeAttr(triple(threads));
  if (target.device && blocks <= target.model->processors)
    allowRegisters(); // no multiprocessor has a second block

  Stage stage;
  stage.name = name;
  stage.blocks = blocks;
  stage.threads = threads;
  stage.numOutputs = outputs.size();
  llvm::BitVector dead(func.getNumArguments());
  SmallVector<int64_t> place; // of each input among those that are left
  for (auto [i, input] : llvm::enumerate(inputs)) {
    bool isTied = llvm::is_contained(tied, int64_t(i));
    place.push_back(stage.inputs.size());
    if (!isTied && input.memref.use_empty())
      dead.set(i);
    else
      stage.inputs.push_back(input.number);
  }
  for (auto [output, t] : llvm::zip(outputs, tied)) {
    stage.outputs.push_back(output.number);
    stage.tied.push_back(t < 0 ? -1 : place[t]);
  }
  for (const Argument &workspace : workspaces) {
    stage.outputs.push_back(workspace.number);
    stage.tied.push_back(-1);
  }
  // Workgroup memory is among the block's arguments. GPUFuncOp::eraseArguments would look for
  // it in `dead`, behind its end.
  func.setFunctionType(cast<FunctionType>(func.getTypeWithoutArgs(dead)));
  llvm::BitVector deadOfBlock = dead;
  deadOfBlock.resize(func.getBody().getNumArguments());
  func.getBody().front().eraseArguments(deadOfBlock);
  // LLVM would take it that no one else writes there while the kernel runs.
  llvm::SmallPtrSet<Value, 4> shared;
  for (const Argument &workspace : workspaces)
    if (workspace.isShared)
      shared.insert(workspace.memref);
  unsigned at = 0; // of an argument among those that are left
  for (unsigned i = 0; i < dead.size(); ++i) {
    if (dead.test(i))
      continue;
    unsigned kept = at++;
    bool isInput = i < inputs.size();
    func.setArgAttr(kept, LLVM::LLVMDialect::getAlignAttrName(),
                    b.getI64IntegerAttr(AMPC_ALIGNMENT));
    if ((isInput && llvm::is_contained(tied, int64_t(i))) ||
        shared.contains(func.getArgument(kept)))
      continue;
    func.setArgAttr(kept, LLVM::LLVMDialect::getNoAliasAttrName(), b.getUnitAttr());
    if (isInput)
      func.setArgAttr(kept, LLVM::LLVMDialect::getReadonlyAttrName(), b.getUnitAttr());
  }
  return stage;
}

//===----------------------------------------------------------------------===//
// Fused kernels
//===----------------------------------------------------------------------===//

FailureOr<IterationStructure> analyzeKernel(KernelOp kernel) {
  std::string reason;
  FailureOr<IterationStructure> s = plan::analyzeIteration(kernel, &reason);
  if (failed(s))
    return kernel.emitOpError("has a body that is no kernel: ") << reason;
  return s;
}

LogicalResult checkTied(KernelOp kernel, const IterationStructure &s) {
  for (auto [r, t] : llvm::enumerate(kernel.getTied()))
    if (t >= 0 &&
        !s.mayOverwrite(kernel.getBodyBlock()->getArgument(t), kernel.getYield()->getOperand(r)))
      return kernel.emitOpError("ties result ")
             << r << " to operand " << t << ", which it reads at other places";
  return success();
}

static RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

FailureOr<EmittedKernel> emitFused(KernelOp kernel, StringRef name, const EmitTarget &target) {
  FailureOr<IterationStructure> structure = analyzeKernel(kernel);
  if (failed(structure) || failed(checkTied(kernel, *structure)))
    return failure();
  const IterationStructure &s = *structure;
  ScheduleLimits limits{*target.model};
  FusedSchedule fused;
  std::string reason;
  if (failed(scheduleFused(s, limits, fused, reason)))
    return kernel.emitOpError("cannot be scheduled: ") << reason;

  EmittedKernel emitted;
  Block *body = kernel.getBodyBlock();
  Operation *yield = kernel.getYield();
  unsigned numInputs = body->getNumArguments(), numResults = yield->getNumOperands();
  if (fused.splits != 0)
    for (const Combiner &c : fused.reductions.at(0))
      emitted.temporaries.push_back(
          RankedTensorType::get({fused.splits, s.keptPoints()}, c.getType()));
  llvm::DenseSet<Value> tied;
  for (auto [r, t] : llvm::enumerate(kernel.getTied()))
    if (t >= 0)
      tied.insert(yield->getOperand(r));

  static const char *const suffixes[] = {"_partial", "_final"};
  const bool isTwo = fused.stages.size() == 2;
  for (auto [i, schedule] : llvm::enumerate(fused.stages)) {
    bool isFirst = i == 0;
    KernelFunction function(target, (name + (isTwo ? suffixes[i] : "")).str(), kernel.getLoc());
    BufferMap buffers;
    SmallVector<Value> partials;
    for (BlockArgument a : body->getArguments())
      buffers[a] = function.addInput(a.getArgNumber(), tensorType(a));
    if (!isFirst)
      for (auto [k, type] : llvm::enumerate(emitted.temporaries))
        partials.push_back(function.addInput(numInputs + numResults + k, type));
    for (auto [r, v] : llvm::enumerate(yield->getOperands())) {
      if (isTwo && s.variesAlongReduced(v) != isFirst)
        continue;
      int64_t t = kernel.getTied()[r];
      buffers[v] = t >= 0 ? function.addTiedOutput(numInputs + r, t)
                          : function.addOutput(numInputs + r, tensorType(v));
    }
    if (isFirst)
      for (auto [k, type] : llvm::enumerate(emitted.temporaries)) {
        unsigned number = numInputs + numResults + k;
        partials.push_back(isTwo ? function.addOutput(number, type)
                                 : function.addWorkspace(number, type, /*isShared=*/true));
      }
    function.begin();
    WorkgroupArrays arrays(function.func);
    Emission at{function.b, function.loc, arrays,         buffers,
                tied,       partials,     function.block, function.thread};
    std::optional<BlockCounters> counters;
    if (schedule->counters != 0)
      at.counters = &counters.emplace(function.func, schedule->counters);
    schedule->emit(at);
    if (schedule->holdsRows)
      function.allowRegisters();
    emitted.stages.push_back(function.finish(schedule->blocks, schedule->threads));
  }
  return emitted;
}

} // namespace ampc::codegen
