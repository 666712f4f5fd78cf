//===- HostElementwise.cpp - Elementwise kernels on the host --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HostLoops.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"

namespace ampc::codegen {

Value allocate(Evaluator &e, int64_t count, Type type) {
  return memref::AllocaOp::create(e.b, e.loc, MemRefType::get({count}, getStorageType(type)));
}

void allowReassociation(Evaluator &e, const Reductions &reductions) {
  for (ArrayRef<Combiner> level : reductions.levels)
    for (const Combiner &c : level)
      e.allowReassociation(c.op);
}

namespace {

/// A loop over the innermost dimension, without a guard in it, in one over the others.
/// A block does a range of the others, or a part of one line where lines are long.
class HostElementwise : public Schedule {
public:
  explicit HostElementwise(const IterationStructure &s) : Schedule(s) {
    outer = s.keptDims();
    if (!outer.empty())
      inner.push_back(outer.pop_back_val());
    for (unsigned d : outer)
      lines *= s.dims[d].extent;
    for (unsigned d : inner)
      length = s.dims[d].extent;
    if (length > kHostChunk) {
      lineParts = hostBlocks(length, 1, 64, partLength);
      blocks = lines * lineParts;
    } else {
      partLength = length;
      blocks = hostBlocks(lines, length, 1, blockLines);
    }
    blocks = std::max<int64_t>(1, blocks);
  }

  void emit(Emission &at) const override {
    if (s.points() == 0)
      return;
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    e.setAxes({outer, inner}, 1, 1);
    auto doLine = [&](Value line, HostRange columns) {
      e.loop(columns.begin, columns.end, 1, {},
             [&](Value i, MutableArrayRef<Value>) { storeAll(e, s.results, {line, i}); });
    };
    if (length > kHostChunk) {
      HostRange columns =
          hostRange(index, index.rem(at.block, lineParts), lineParts, partLength, length);
      doLine(index.div(at.block, lineParts), columns);
      return;
    }
    HostRange own = hostRange(index, at.block, blocks, blockLines, lines);
    e.loop(own.begin, own.end, 1, {}, [&](Value line, MutableArrayRef<Value>) {
      doLine(line, {index.constant(0), index.constant(length)});
    });
  }

private:
  SmallVector<unsigned> outer, inner;
  int64_t lines = 1, length = 1;
  int64_t lineParts = 1, partLength = 1, blockLines = 1;
};

} // namespace

std::unique_ptr<Schedule> hostElementwise(const IterationStructure &s) {
  return std::make_unique<HostElementwise>(s);
}

} // namespace ampc::codegen
