//===- KernelBody.cpp - What the ways to the host share -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelBody.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/CheckedArithmetic.h"

using namespace mlir;

Type ampc::dropAddressSpace(Type type) {
  if (auto memref = dyn_cast<MemRefType>(type);
      memref && isa_and_nonnull<gpu::AddressSpaceAttr>(memref.getMemorySpace()))
    return MemRefType::get(memref.getShape(), memref.getElementType(), memref.getLayout());
  if (auto pointer = dyn_cast<LLVM::LLVMPointerType>(type); pointer && pointer.getAddressSpace())
    return LLVM::LLVMPointerType::get(pointer.getContext());
  return type;
}

// An operation outside the gpu dialect is generic over the address space, so
// that changing its types in place is enough.
void ampc::dropAddressSpaces(Region &body) {
  auto retype = [](ValueRange values) {
    for (Value v : values)
      v.setType(dropAddressSpace(v.getType()));
  };
  for (Block &block : body)
    retype(block.getArguments());
  SmallVector<Operation *> casts;
  body.walk([&](Operation *op) {
    retype(op->getResults());
    for (Region &region : op->getRegions())
      for (Block &block : region)
        retype(block.getArguments());
    if (isa<memref::MemorySpaceCastOp, LLVM::AddrSpaceCastOp>(op))
      casts.push_back(op);
  });
  for (Operation *op : casts) {
    op->getResult(0).replaceAllUsesWith(op->getOperand(0));
    op->erase();
  }
}

FailureOr<int64_t> ampc::staticBytes(Operation *op, MemRefType type, StringRef what) {
  Type element = type.getElementType();
  int64_t elementBits = 0;
  if (auto vector = dyn_cast<VectorType>(element))
    elementBits = vector.getNumElements() * vector.getElementTypeBitWidth();
  else if (element.isIntOrFloat())
    elementBits = element.getIntOrFloatBitWidth();
  else if (element.isIndex())
    elementBits = 64;
  if (!type.hasStaticShape() || !type.getLayout().isIdentity() || !elementBits)
    return op->emitError() << what << " must be a dense memref of static shape, not " << type;
  int64_t bytes = int64_t(llvm::divideCeil(elementBits, 8));
  for (int64_t dim : type.getShape()) {
    std::optional<int64_t> product = llvm::checkedMul(bytes, dim);
    if (!product)
      return op->emitError() << what << " is too large: " << type;
    bytes = *product;
  }
  return bytes;
}

GreedyRewriteConfig ampc::kernelRewriteConfig() {
  return GreedyRewriteConfig().setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
}
