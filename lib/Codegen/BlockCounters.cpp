//===- BlockCounters.cpp - Which block of several is the last -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The barrier orders what the threads of a block wrote before thread 0's fence, and the fences on
// both sides of the atomic order the blocks (PTX ISA 8.x, section 8.8: causality order goes through
// barriers and fences of the device's scope). The atomic wraps to 0 at its last block.
//
//===----------------------------------------------------------------------===//

#include "BlockCounters.h"
#include "IndexBuilder.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace ampc::codegen {

/// The scope of a fence or an atomic that all blocks of a device see.
static constexpr llvm::StringLiteral kDeviceScope = "device";

BlockCounters::BlockCounters(gpu::GPUFuncOp kernel, int64_t count) {
  OpBuilder b(kernel);
  Type type = LLVM::LLVMArrayType::get(b.getI32Type(), count);
  counters = LLVM::GlobalOp::create(b, kernel.getLoc(), type, /*isConstant=*/false,
                                    LLVM::Linkage::Internal, (kernel.getName() + "_arrived").str(),
                                    b.getZeroAttr(RankedTensorType::get({count}, b.getI32Type())),
                                    /*alignment=*/4, unsigned(NVVM::NVVMMemorySpace::Global));
}

Value BlockCounters::isLast(OpBuilder &b, Location loc, Value number, Value blocks, Value thread,
                            WorkgroupArrays &arrays) const {
  IndexBuilder index(b, loc);
  Type i32 = b.getI32Type();
  Value seen = arrays.take(loc, 1, i32), zero = index.constant(0);
  Value most = arith::IndexCastOp::create(b, loc, i32, index.sub(blocks, index.constant(1)));
  gpu::BarrierOp::create(b, loc);
  auto first = scf::IfOp::create(b, loc, index.equal(thread, 0), /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(first.thenBlock()->getTerminator());
    auto fence = [&] {
      LLVM::FenceOp::create(b, loc, LLVM::AtomicOrdering::acq_rel, kDeviceScope);
    };
    Value base = LLVM::AddressOfOp::create(b, loc, counters);
    Value at = LLVM::GEPOp::create(
        b, loc, base.getType(), i32, base,
        ArrayRef<LLVM::GEPArg>{
            arith::IndexCastOp::create(b, loc, b.getI64Type(), number).getResult()});
    fence();
    Value before = LLVM::AtomicRMWOp::create(b, loc, LLVM::AtomicBinOp::uinc_wrap, at, most,
                                             LLVM::AtomicOrdering::monotonic, kDeviceScope);
    fence();
    memref::StoreOp::create(b, loc, before, seen, zero);
  }
  gpu::BarrierOp::create(b, loc);
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                               memref::LoadOp::create(b, loc, seen, zero), most);
}

} // namespace ampc::codegen
