//===- ConvertGpuToHost.cpp - Device kernels to functions -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/Passes.h"
#include "ampc/Target/SimtFormat.h"

#include "KernelBody.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_CONVERTGPUTOHOST
#include "ampc/Target/Passes.h.inc"

namespace {

constexpr StringLiteral kBarrierFn = "ampc_simt_barrier";
constexpr StringLiteral kShuffleFn = "ampc_simt_shuffle";
constexpr StringLiteral kShuffleValidFn = "ampc_simt_shuffle_valid";
/// Slices of workgroup memory start at multiples of this, as vector accesses
/// ask for.
constexpr int64_t kSliceAlignment = 16;

// Kernels number the shuffle modes as the runtime does.
static_assert(int32_t(gpu::ShuffleMode::XOR) == int32_t(SimtShuffle::Xor) &&
              int32_t(gpu::ShuffleMode::DOWN) == int32_t(SimtShuffle::Down) &&
              int32_t(gpu::ShuffleMode::UP) == int32_t(SimtShuffle::Up) &&
              int32_t(gpu::ShuffleMode::IDX) == int32_t(SimtShuffle::Index));

/// Rewrites one kernel in place, then moves its body out as functions.
class DeviceKernel {
public:
  DeviceKernel(gpu::GPUFuncOp kernel, ModuleOp module)
      : kernel(kernel), module(module), loc(kernel.getLoc()), b(kernel.getContext()) {}

  LogicalResult run();

private:
  Value prefix(unsigned i) { return kernel.getBody().getArgument(i); }
  Value context() { return prefix(0); }
  Value threadId(gpu::Dimension d) { return prefix(1 + unsigned(d)); }
  Value blockId(gpu::Dimension d) { return prefix(4 + unsigned(d)); }
  Value gridSize(gpu::Dimension d) { return prefix(10 + unsigned(d)); }
  Value workgroupMemory() { return prefix(13); }
  Value blockSize(gpu::Dimension d) {
    if (auto known = kernel.getKnownBlockSize())
      return index((*known)[unsigned(d)]);
    return prefix(7 + unsigned(d));
  }
  Value index(int64_t v) { return arith::ConstantIndexOp::create(b, loc, v); }
  Value i32(int32_t v) { return arith::ConstantIntOp::create(b, loc, v, 32); }
  template <typename OpTy>
  Value op(Value x, Value y) {
    return OpTy::create(b, loc, x, y);
  }

  LogicalResult describeParameters();
  LogicalResult convertMemory();
  LogicalResult convertGpuOp(Operation *op);
  LogicalResult convertShuffle(gpu::ShuffleOp op);
  Value linearThreadId();
  func::CallOp callRuntime(Location at, StringRef name, TypeRange results, ValueRange args);
  void outline();

  gpu::GPUFuncOp kernel;
  ModuleOp module;
  Location loc;
  OpBuilder b;
  SmallVector<int64_t> parameterBytes;
  int64_t workgroupBytes = 0;
  int32_t nextSite = 0;
};

func::CallOp DeviceKernel::callRuntime(Location at, StringRef name, TypeRange results,
                                       ValueRange args) {
  if (!module.lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    func::FuncOp::create(b, loc, name, b.getFunctionType(args.getTypes(), results)).setPrivate();
  }
  return func::CallOp::create(b, at, name, results, args);
}

Value DeviceKernel::linearThreadId() {
  using D = gpu::Dimension;
  Value rows =
      op<arith::AddIOp>(op<arith::MulIOp>(threadId(D::z), blockSize(D::y)), threadId(D::y));
  return op<arith::AddIOp>(op<arith::MulIOp>(rows, blockSize(D::x)), threadId(D::x));
}

LogicalResult DeviceKernel::describeParameters() {
  if (!kernel.isKernel())
    return kernel.emitError("is no kernel; device functions are not supported");
  for (Type type : kernel.getFunctionType().getInputs()) {
    auto memref = dyn_cast<MemRefType>(type);
    if (!memref) {
      parameterBytes.push_back(0);
      continue;
    }
    auto bytes = staticBytes(kernel, memref, "a kernel argument");
    if (failed(bytes))
      return failure();
    parameterBytes.push_back(*bytes);
  }
  return success();
}

/// Workgroup attributions become slices of the block's buffer, private ones
/// stack slots.
LogicalResult DeviceKernel::convertMemory() {
  Block &entry = kernel.getBody().front();
  struct Slice {
    BlockArgument arg;
    int64_t offset;
  };
  SmallVector<Slice> slices;
  for (BlockArgument arg : kernel.getWorkgroupAttributions()) {
    auto bytes = staticBytes(kernel, cast<MemRefType>(arg.getType()), "workgroup memory");
    if (failed(bytes))
      return failure();
    workgroupBytes = llvm::alignTo(workgroupBytes, kSliceAlignment);
    slices.push_back({arg, workgroupBytes});
    workgroupBytes += *bytes;
  }
  SmallVector<BlockArgument> privates(kernel.getPrivateAttributions());
  for (BlockArgument arg : privates)
    if (failed(staticBytes(kernel, cast<MemRefType>(arg.getType()), "private memory")))
      return failure();

  // The new arguments go in front; the attributions behind them are held by
  // value.
  const unsigned numArgs = kernel.getFunctionType().getNumInputs();
  SmallVector<Type> types(kSimtPrefixArgs, b.getIndexType());
  types.front() = LLVM::LLVMPointerType::get(b.getContext());
  types.back() = MemRefType::get({workgroupBytes}, b.getI8Type());
  for (auto [i, type] : llvm::enumerate(types))
    entry.insertArgument(unsigned(i), type, loc);

  b.setInsertionPointToStart(&entry);
  for (Slice &slice : slices) {
    Value view = memref::ViewOp::create(b, loc, cast<MemRefType>(slice.arg.getType()),
                                        workgroupMemory(), index(slice.offset), ValueRange{});
    slice.arg.replaceAllUsesWith(view);
  }
  for (BlockArgument arg : privates)
    arg.replaceAllUsesWith(memref::AllocaOp::create(b, loc, cast<MemRefType>(arg.getType())));
  entry.eraseArguments(kSimtPrefixArgs + numArgs,
                       entry.getNumArguments() - kSimtPrefixArgs - numArgs);
  return success();
}

/// The runtime moves 64 bits; any narrower scalar or vector travels in them.
LogicalResult DeviceKernel::convertShuffle(gpu::ShuffleOp shuffle) {
  const Location at = shuffle.getLoc();
  Type type = shuffle.getValue().getType();
  auto vector = dyn_cast<VectorType>(type);
  Type element = vector ? vector.getElementType() : type;
  const unsigned bits = element.getIntOrFloatBitWidth() * (vector ? vector.getNumElements() : 1);
  if (bits > 64)
    return shuffle.emitError() << "a shuffle moves at most 64 bits, not " << bits;
  Type carrier = b.getIntegerType(bits);
  auto one = VectorType::get({1}, carrier);

  Value value = shuffle.getValue();
  if (vector)
    value = vector::ExtractOp::create(b, at, vector::BitCastOp::create(b, at, one, value),
                                      ArrayRef<int64_t>{0});
  else if (isa<FloatType>(type))
    value = arith::BitcastOp::create(b, at, carrier, value);
  if (bits < 64)
    value = arith::ExtUIOp::create(b, at, b.getI64Type(), value);

  Value mode = i32(int32_t(shuffle.getMode())), site = i32(nextSite++);
  Value result =
      callRuntime(at, kShuffleFn, b.getI64Type(),
                  {context(), value, shuffle.getOffset(), shuffle.getWidth(), mode, site})
          .getResult(0);
  if (!shuffle.getValid().use_empty()) {
    Value flag = callRuntime(at, kShuffleValidFn, b.getI32Type(), context()).getResult(0);
    shuffle.getValid().replaceAllUsesWith(
        arith::CmpIOp::create(b, at, arith::CmpIPredicate::ne, flag, i32(0)));
  }

  if (bits < 64)
    result = arith::TruncIOp::create(b, at, carrier, result);
  if (vector)
    result =
        vector::BitCastOp::create(b, at, type, vector::BroadcastOp::create(b, at, one, result));
  else if (isa<FloatType>(type))
    result = arith::BitcastOp::create(b, at, type, result);
  shuffle.getShuffleResult().replaceAllUsesWith(result);
  shuffle.erase();
  return success();
}

LogicalResult DeviceKernel::convertGpuOp(Operation *gpuOp) {
  b.setInsertionPoint(gpuOp);
  auto replace = [&](Value v) {
    gpuOp->getResult(0).replaceAllUsesWith(v);
    gpuOp->erase();
    return success();
  };
  if (auto o = dyn_cast<gpu::ThreadIdOp>(gpuOp))
    return replace(threadId(o.getDimension()));
  if (auto o = dyn_cast<gpu::BlockIdOp>(gpuOp))
    return replace(blockId(o.getDimension()));
  if (auto o = dyn_cast<gpu::BlockDimOp>(gpuOp))
    return replace(blockSize(o.getDimension()));
  if (auto o = dyn_cast<gpu::GridDimOp>(gpuOp))
    return replace(gridSize(o.getDimension()));
  if (auto o = dyn_cast<gpu::GlobalIdOp>(gpuOp)) {
    gpu::Dimension d = o.getDimension();
    return replace(op<arith::AddIOp>(op<arith::MulIOp>(blockId(d), blockSize(d)), threadId(d)));
  }
  if (isa<gpu::LaneIdOp>(gpuOp))
    return replace(op<arith::RemUIOp>(linearThreadId(), index(kSimtWarpSize)));
  if (isa<gpu::SubgroupIdOp>(gpuOp))
    return replace(op<arith::DivUIOp>(linearThreadId(), index(kSimtWarpSize)));
  if (isa<gpu::NumSubgroupsOp>(gpuOp)) {
    using D = gpu::Dimension;
    Value threads =
        op<arith::MulIOp>(blockSize(D::x), op<arith::MulIOp>(blockSize(D::y), blockSize(D::z)));
    return replace(op<arith::CeilDivUIOp>(threads, index(kSimtWarpSize)));
  }
  if (isa<gpu::SubgroupSizeOp>(gpuOp))
    return replace(index(kSimtWarpSize));
  if (isa<gpu::BarrierOp>(gpuOp)) {
    callRuntime(gpuOp->getLoc(), kBarrierFn, {}, {context(), i32(nextSite++)});
    gpuOp->erase();
    return success();
  }
  if (auto shuffle = dyn_cast<gpu::ShuffleOp>(gpuOp))
    return convertShuffle(shuffle);
  if (isa<gpu::ReturnOp>(gpuOp)) {
    func::ReturnOp::create(b, gpuOp->getLoc());
    gpuOp->erase();
    return success();
  }
  return gpuOp->emitError("has no form on the host");
}

/// Makes func.func @k (and @k.thread where @k loops over the block) of the
/// body.
void DeviceKernel::outline() {
  const std::string name = kernel.getName().str();
  Region &body = kernel.getBody();
  FunctionType type = b.getFunctionType(body.front().getArgumentTypes(), TypeRange());

  b.setInsertionPointToEnd(module.getBody());
  auto entry = func::FuncOp::create(b, loc, name, type);
  entry->setAttr(kKernelAttr, b.getUnitAttr());
  entry->setAttr(kWorkgroupBytesAttr, b.getI64IntegerAttr(workgroupBytes));
  entry->setAttr(kParameterBytesAttr, b.getDenseI64ArrayAttr(parameterBytes));
  if (auto known = kernel.getKnownBlockSizeAttr())
    entry->setAttr(kBlockSizeAttr, known);
  if (nextSite > 0) {
    entry->setAttr(kFibersAttr, b.getUnitAttr());
    entry.getBody().takeBody(body);
    return;
  }

  auto thread = func::FuncOp::create(b, loc, name + ".thread", type);
  thread.setPrivate();
  thread->setAttr("passthrough", b.getStrArrayAttr({"alwaysinline"}));
  thread.getBody().takeBody(body);

  Block *block = entry.addEntryBlock();
  b.setInsertionPointToStart(block);
  func::ReturnOp::create(b, loc);
  b.setInsertionPointToStart(block);
  SmallVector<Value> args(block->getArguments());
  auto known = kernel.getKnownBlockSize();
  Value zero = index(0), one = index(1);
  for (int d : {2, 1, 0}) {
    Value size = known ? index((*known)[d]) : args[7 + d];
    auto loop = scf::ForOp::create(b, loc, zero, size, one);
    args[1 + d] = loop.getInductionVar();
    b.setInsertionPointToStart(loop.getBody());
  }
  func::CallOp::create(b, loc, thread, args);
}

LogicalResult DeviceKernel::run() {
  if (failed(describeParameters()) || failed(convertMemory()))
    return failure();
  dropAddressSpaces(kernel.getBody());
  SmallVector<Operation *> gpuOps;
  kernel.getBody().walk([&](Operation *op) {
    if (isa<gpu::GPUDialect>(op->getDialect()))
      gpuOps.push_back(op);
  });
  for (Operation *op : gpuOps)
    if (failed(convertGpuOp(op)))
      return failure();
  outline();
  return success();
}

struct ConvertGpuToHost : impl::ConvertGpuToHostBase<ConvertGpuToHost> {
  void runOnOperation() final {
    ModuleOp module = getOperation();
    for (auto gpuModule : llvm::make_early_inc_range(module.getOps<gpu::GPUModuleOp>())) {
      for (Operation &op : llvm::make_early_inc_range(*gpuModule.getBody())) {
        if (auto counters = dyn_cast<LLVM::GlobalOp>(op)) {
          counters.setAddrSpace(0); // as dropAddressSpaces does in kernels
          op.moveBefore(gpuModule);
          continue;
        }
        auto kernel = dyn_cast<gpu::GPUFuncOp>(op);
        if (!kernel) {
          op.emitError("has no place among kernels");
          return signalPassFailure();
        }
        if (failed(DeviceKernel(kernel, module).run()))
          return signalPassFailure();
      }
      gpuModule.erase();
    }
  }
};

} // namespace
} // namespace ampc
