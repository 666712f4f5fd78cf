//===- LineKernels.cpp - What kernels that go along lines share -----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LineKernels.h"
#include "ampc/Dialect/Plan/KernelBuilder.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace ampc::codegen {

Lines::Lines(RankedTensorType type, int64_t axis) : extent(type.getDimSize(axis)) {
  outer = llvm::product_of(type.getShape().take_front(axis), int64_t(1));
  inner = llvm::product_of(type.getShape().drop_front(axis + 1), int64_t(1));
}

//===----------------------------------------------------------------------===//
// LineBuilder
//===----------------------------------------------------------------------===//

Value LineBuilder::load(Value memref, Value at) {
  return memref::LoadOp::create(builder, loc, memref, at);
}

void LineBuilder::store(Value x, Value memref, Value at) {
  memref::StoreOp::create(builder, loc, x, memref, at);
}

Value LineBuilder::widen(Value stored, Type type) {
  return convert(stored, KernelBuilder::computeType(type));
}

Value LineBuilder::narrow(Value x, Type type) {
  return convert(convert(x, type), getStorageType(type));
}

void LineBuilder::loop(Value from, Value to, int64_t step, Body body) {
  scf::ForOp::create(builder, loc, from, to, number(step), ValueRange(),
                     [&](OpBuilder &nested, Location at, Value i, ValueRange) {
                       LineBuilder inner(nested, at);
                       body(inner, i);
                       scf::YieldOp::create(nested, at);
                     });
}

SmallVector<Value> LineBuilder::loop(Value from, Value to, ValueRange initial, Step step) {
  auto loop = scf::ForOp::create(builder, loc, from, to, number(1), initial,
                                 [&](OpBuilder &nested, Location at, Value i, ValueRange carried) {
                                   LineBuilder inner(nested, at);
                                   scf::YieldOp::create(nested, at, step(inner, i, carried));
                                 });
  return SmallVector<Value>(loop.getResults());
}

Value LineBuilder::apply(Region &body, ValueRange arguments) {
  IRMapping map;
  map.map(body.getArguments(), arguments);
  for (Operation &op : body.front().without_terminator())
    builder.clone(op, map);
  return map.lookupOrDefault(body.front().getTerminator()->getOperand(0));
}

//===----------------------------------------------------------------------===//
// Workers
//===----------------------------------------------------------------------===//

Workers::Workers(const EmitTarget &target, int64_t count, int64_t weight)
    : device(target.device), count(count) {
  if (!device) {
    blocks = hostBlocks(count, weight, 1, share);
    return;
  }
  threads = 256;
  blocks = llvm::divideCeil(count, threads);
}

void Workers::emit(KernelFunction &function, LineBuilder::Body body) const {
  LineBuilder s(function.b, function.loc);
  IndexBuilder index = s.index();
  if (!device) {
    HostRange own = hostRange(index, function.block, blocks, share, count);
    s.loop(own.begin, own.end, 1, body);
    return;
  }
  Value worker = index.add(index.mul(function.block, threads), function.thread);
  scf::IfOp::create(s.builder, s.loc, index.less(worker, count),
                    [&](OpBuilder &nested, Location at) {
                      LineBuilder inner(nested, at);
                      body(inner, worker);
                      scf::YieldOp::create(nested, at);
                    });
}

} // namespace ampc::codegen
