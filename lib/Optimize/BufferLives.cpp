//===- BufferLives.cpp - When steps' results take memory --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BufferLives.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Optimize/Buffers.h"
#include "llvm/Support/MathExtras.h"

namespace ampc {

std::optional<int64_t> BufferLives::Life::nextUse(int64_t position) const {
  const int64_t *next = llvm::upper_bound(uses, position);
  return next == uses.end() ? std::nullopt : std::optional(*next);
}

BufferLives::BufferLives(Block &block) {
  auto add = [&](Value value, int64_t first) {
    Life &life = lives[value];
    // What has no size that 64 bits hold is plan-memory's error.
    life.bytes = getPaddedSize(value.getType()).value_or(0);
    life.first = first;
  };
  for (BlockArgument argument : block.getArguments())
    add(argument, -1);
  for (Operation &op : block) {
    int64_t position = ops.size();
    ops.push_back(&op);
    positions[&op] = position;
    if (isAlias(&op))
      continue;
    for (Value operand : op.getOperands()) {
      auto life = lives.find(getBufferOwner(operand));
      if (life == lives.end())
        continue;
      if (isa<AssignOp>(op))
        life->second.isAssigned = true;
      else if (life->second.last() != position)
        life->second.uses.push_back(position);
    }
    if (!isa<ReadOp>(op))
      for (Value result : op.getResults())
        if (getBufferOwner(result) == result)
          add(result, position);
  }
  SmallVector<int64_t> changes(ops.size() + 1);
  for (const auto &[value, life] : lives) {
    if (life.isAssigned)
      continue;
    changes[std::max<int64_t>(life.first, 0)] += int64_t(life.bytes);
    changes[life.last() + 1] -= int64_t(life.bytes);
  }
  int64_t bytes = 0;
  for (int64_t change : ArrayRef(changes).drop_back())
    alive.push_back(uint64_t(bytes += change));
}

const BufferLives::Life *BufferLives::find(Value owner) const {
  auto life = lives.find(owner);
  return life == lives.end() ? nullptr : &life->second;
}

int64_t BufferLives::findPeak() const { return llvm::max_element(alive) - alive.begin(); }

} // namespace ampc
