//===- ConvertHostKernels.cpp - Host kernels to functions -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/Passes.h"

#include "KernelBody.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_CONVERTHOSTKERNELS
#include "ampc/Target/Passes.h.inc"

namespace {

/// A kernel's memory lies on the stack of the thread that runs it: 8 MiB as a
/// rule, and less in a thread that the caller made smaller.
constexpr int64_t kMaxStackBytes = 512 * 1024;
/// Widest vector register.
constexpr int64_t kStackAlignment = 64;

/// Rewrites one kernel.
class HostKernel {
public:
  explicit HostKernel(gpu::GPUFuncOp kernel)
      : kernel(kernel), loc(kernel.getLoc()), b(kernel.getContext()) {}

  LogicalResult run(ModuleOp module);

private:
  LogicalResult check();
  LogicalResult moveMemoryToEntry();
  LogicalResult convertGpuOp(Operation *op, Value block);
  void moveBody(scf::ForOp loop);
  Value index(int64_t v) { return arith::ConstantIndexOp::create(b, loc, v); }

  gpu::GPUFuncOp kernel;
  Location loc;
  OpBuilder b;
  func::FuncOp func;
};

LogicalResult HostKernel::check() {
  if (!kernel.isKernel())
    return kernel.emitError("is no kernel; the host schedule has no device functions");
  auto size = kernel.getKnownBlockSize();
  if (!size || llvm::any_of(*size, [](int32_t n) { return n != 1; }))
    return kernel.emitError("has no host schedule: known_block_size must be 1, 1, 1");
  for (Type type : kernel.getFunctionType().getInputs())
    if (auto memref = dyn_cast<MemRefType>(type))
      if (failed(staticBytes(kernel, memref, "a kernel argument")))
        return failure();
  return success();
}

/// An alloca in the loop over blocks would take new stack for each block.
LogicalResult HostKernel::moveMemoryToEntry() {
  b.setInsertionPointToStart(&func.getBody().front());
  int64_t total = 0;
  auto allocate = [&](Operation *op, MemRefType type) -> Value {
    auto bytes = staticBytes(op, type, "memory of a kernel");
    if (failed(bytes))
      return {};
    total += llvm::alignTo(std::min(*bytes, kMaxStackBytes + 1), kStackAlignment);
    if (total > kMaxStackBytes) {
      kernel.emitError() << "takes more than " << kMaxStackBytes
                         << " bytes of workgroup and private memory, which lie on the stack";
      return {};
    }
    return memref::AllocaOp::create(b, loc, type, b.getI64IntegerAttr(kStackAlignment));
  };

  Block &entry = kernel.getBody().front();
  const unsigned numArgs = kernel.getFunctionType().getNumInputs();
  for (BlockArgument arg : entry.getArguments().drop_front(numArgs)) {
    Value memory = allocate(kernel, cast<MemRefType>(arg.getType()));
    if (!memory)
      return failure();
    arg.replaceAllUsesWith(memory);
  }
  SmallVector<memref::AllocaOp> allocas;
  kernel.walk([&](memref::AllocaOp op) { allocas.push_back(op); });
  for (memref::AllocaOp op : allocas) {
    Value memory = allocate(op, op.getType());
    if (!memory)
      return failure();
    op.replaceAllUsesWith(memory);
    op.erase();
  }
  return success();
}

LogicalResult HostKernel::convertGpuOp(Operation *op, Value block) {
  b.setInsertionPoint(op);
  auto replace = [&](Value v) {
    op->getResult(0).replaceAllUsesWith(v);
    op->erase();
    return success();
  };
  auto blockIdIn = [&](gpu::Dimension d) { return d == gpu::Dimension::x ? block : index(0); };
  if (auto o = dyn_cast<gpu::BlockIdOp>(op))
    return replace(blockIdIn(o.getDimension()));
  if (auto o = dyn_cast<gpu::GlobalIdOp>(op))
    return replace(blockIdIn(o.getDimension()));
  if (isa<gpu::ThreadIdOp, gpu::LaneIdOp, gpu::SubgroupIdOp>(op))
    return replace(index(0));
  if (isa<gpu::BlockDimOp, gpu::NumSubgroupsOp, gpu::SubgroupSizeOp>(op))
    return replace(index(1));
  if (auto o = dyn_cast<gpu::GridDimOp>(op)) {
    auto size = kernel.getKnownGridSize();
    if (!size)
      return op->emitError("the size of the grid is known only from known_grid_size");
    return replace(index((*size)[unsigned(o.getDimension())]));
  }
  if (isa<gpu::AllReduceOp, gpu::SubgroupReduceOp>(op))
    return replace(op->getOperand(0));
  if (isa<gpu::BarrierOp>(op)) {
    op->erase();
    return success();
  }
  return op->emitError("has no meaning in a block of one thread");
}

/// A body of several blocks keeps them, in an scf.execute_region.
void HostKernel::moveBody(scf::ForOp loop) {
  Region &body = kernel.getBody();
  Block &entry = body.front();
  for (auto [from, to] : llvm::zip(entry.getArguments(), func.getArguments()))
    from.replaceAllUsesWith(to);
  entry.eraseArguments(0, entry.getNumArguments());
  Operation *yield = loop.getBody()->getTerminator();
  if (body.hasOneBlock()) {
    entry.getTerminator()->erase();
    loop.getBody()->getOperations().splice(yield->getIterator(), entry.getOperations());
    return;
  }
  b.setInsertionPoint(yield);
  auto region = scf::ExecuteRegionOp::create(b, loc, TypeRange());
  region.getRegion().takeBody(body);
  region.walk([&](gpu::ReturnOp op) {
    b.setInsertionPoint(op);
    scf::YieldOp::create(b, op.getLoc());
    op.erase();
  });
}

LogicalResult HostKernel::run(ModuleOp module) {
  if (failed(check()))
    return failure();
  const unsigned numArgs = kernel.getFunctionType().getNumInputs();
  SmallVector<Type> types =
      llvm::map_to_vector(kernel.getFunctionType().getInputs(), dropAddressSpace);
  types.append(2, b.getIndexType());
  b.setInsertionPointToEnd(module.getBody());
  func = func::FuncOp::create(b, loc, kernel.getName(), b.getFunctionType(types, {}));
  func->setAttr(kKernelAttr, b.getUnitAttr());
  for (unsigned i = 0; i < numArgs; ++i)
    if (DictionaryAttr attrs = kernel.getArgAttrDict(i))
      func.setArgAttrs(i, attrs);

  Block *entry = func.addEntryBlock();
  b.setInsertionPointToStart(entry);
  func::ReturnOp::create(b, loc);
  dropAddressSpaces(kernel.getBody());
  if (failed(moveMemoryToEntry()))
    return failure();
  b.setInsertionPoint(entry->getTerminator());
  auto loop = scf::ForOp::create(b, loc, func.getArgument(numArgs), func.getArgument(numArgs + 1),
                                 index(1));

  SmallVector<Operation *> gpuOps;
  kernel.getBody().walk([&](Operation *op) {
    if (isa<gpu::GPUDialect>(op->getDialect()) && !isa<gpu::ReturnOp, gpu::YieldOp>(op))
      gpuOps.push_back(op);
  });
  for (Operation *op : gpuOps)
    if (failed(convertGpuOp(op, loop.getInductionVar())))
      return failure();
  moveBody(loop);
  return success();
}

struct ConvertHostKernels : impl::ConvertHostKernelsBase<ConvertHostKernels> {
  void runOnOperation() final {
    ModuleOp module = getOperation();
    for (auto gpuModule : llvm::make_early_inc_range(module.getOps<gpu::GPUModuleOp>())) {
      for (Operation &op : *gpuModule.getBody()) {
        auto kernel = dyn_cast<gpu::GPUFuncOp>(op);
        if (!kernel) {
          op.emitError("has no place among host kernels");
          return signalPassFailure();
        }
        if (failed(HostKernel(kernel).run(module)))
          return signalPassFailure();
      }
      gpuModule.erase();
    }
  }
};

} // namespace
} // namespace ampc
