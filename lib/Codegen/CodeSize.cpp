//===- CodeSize.cpp - How much code a kernel becomes ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeSize.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace ampc::codegen {

/// Scalars that an operation on vectors computes.
static int64_t lanesOf(Operation *op) {
  for (Type type : llvm::concat<const Type>(op->getResultTypes(), op->getOperandTypes()))
    if (auto vector = dyn_cast<VectorType>(type))
      return vector.getNumElements();
  return 1;
}

/// Lines are counted in tenths: many operations fold into others.
using Tenths = int64_t;

/// A loop around a body. LLVM unrolls what comes out at less than kUnrolled instructions and
/// has no barrier in it, beside the loop for what is left over.
static Tenths sizeOfLoop(scf::ForOp loop, Tenths body) {
  constexpr Tenths kControl = 120, kUnrolled = 750, kFullyUnrolled = 3000;
  bool isConvergent = loop.walk([](Operation *op) {
                            return isa<gpu::BarrierOp, gpu::ShuffleOp>(op) ? WalkResult::interrupt()
                                                                           : WalkResult::advance();
                          })
                          .wasInterrupted();
  std::optional<APInt> trips = loop.getStaticTripCount();
  if (trips && trips->getActiveBits() < 16 &&
      body * int64_t(trips->getZExtValue()) <= kFullyUnrolled)
    return std::max(body * int64_t(trips->getZExtValue()), kControl);
  return kControl + body + (!isConvergent && 2 * body <= kUnrolled ? kUnrolled : 0);
}

/// Of one operation, for one lane. The numbers are fitted to the PTX of some three hundred
/// kernels, rounded up: it comes out between a half and nine tenths of the estimate.
static Tenths sizeOfLane(Operation *op) {
  bool isF64 = llvm::any_of(op->getOperandTypes(),
                            [](Type type) { return getElementTypeOrSelf(type).isF64(); });
  if (isa<math::AbsFOp, math::SqrtOp, math::FmaOp>(op))
    return 10;
  if (isa<math::ExpOp, math::Exp2Op>(op))
    return isF64 ? 600 : 50;
  if (isa<math::TanhOp>(op))
    return isF64 ? 600 : 120;
  if (isa<math::MathDialect>(op->getDialect())) // of libdevice, with their special cases
    return isF64 ? 1000 : 350;
  if (isa<memref::LoadOp, memref::StoreOp, arith::ExtFOp, arith::TruncFOp>(op))
    return 13;
  if (isa<tensor::ExtractOp>(op))
    return 40;
  if (llvm::all_of(op->getResultTypes(), [](Type type) { return type.isIndex(); }) &&
      op->getNumResults() != 0)
    return 1; // goes into addresses
  return 7;
}

static Tenths sizeOf(Operation *op) {
  Tenths inside = 0;
  for (Region &region : op->getRegions())
    for (Block &block : region)
      for (Operation &inner : block)
        inside += sizeOf(&inner);
  if (op->hasTrait<OpTrait::ConstantLike>() || op->hasTrait<OpTrait::IsTerminator>() ||
      isa<memref::CastOp, memref::DistinctObjectsOp>(op))
    return 0;
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return sizeOfLoop(loop, inside);
  if (isa<scf::IfOp>(op)) // a branch, and a move for each result
    return inside + 20 + 7 * op->getNumResults();
  if (op->getNumRegions() != 0)
    return inside;
  if (isa<gpu::ShuffleOp>(op))
    return 65;
  if (isa<gpu::BarrierOp>(op))
    return 30;
  return sizeOfLane(op) * lanesOf(op);
}

int64_t estimateLines(Operation *op) { return llvm::divideCeil(sizeOf(op), 10); }

int64_t estimateLines(const plan::IterationStructure &s) {
  Tenths size = 0;
  constexpr Tenths kGuard = 450; // of a concatenation of 32, at unaligned places
  for (linalg::GenericOp op : s.ops) {
    size += sizeOf(op);
    for (OpOperand &operand : op->getOpOperands())
      size += s.getRanges(operand) ? kGuard : 0;
  }
  return llvm::divideCeil(size + 13 * (s.inputs.size() + s.results.size()), 10);
}

int64_t limitCopies(const plan::IterationStructure &s, int64_t wanted) {
  // A fourth of the kernel finds places, merges and guards.
  return std::clamp<int64_t>(kMostLines * 3 / 4 / std::max<int64_t>(1, estimateLines(s)), 1,
                             wanted);
}

int64_t limitLanes(const plan::IterationStructure &s, int64_t lanes) {
  int64_t most = limitCopies(s, lanes);
  while (lanes > most)
    lanes /= 2;
  return lanes;
}

int64_t limitUnroll(const plan::IterationStructure &s, int64_t lanes, int64_t wanted) {
  // Steps are unrolled to have more loads under way. Longer ones have several each, and pay for
  // the code: in ptxas, and in the cache of instructions.
  constexpr int64_t kMostUnrolled = 500;
  int64_t step = lanes * std::max<int64_t>(1, estimateLines(s));
  return std::clamp<int64_t>(kMostUnrolled / step, 1, std::max<int64_t>(1, wanted));
}

} // namespace ampc::codegen
