//===- PtxInterpreter.cpp - Runs kernels of PTX ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PtxInterpreter.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

namespace ampc::ptx {

constexpr uint32_t kWarpSize = 32, kNoPc = ~uint32_t(0);

const Operation *findOperation(const std::string &name) {
  static const std::unordered_map<std::string, const Operation *> map = [] {
    std::unordered_map<std::string, const Operation *> all;
    for (const OperationTable &table : {integerOperations(), floatOperations(), conversions()})
      for (const Operation *each = table.begin; each != table.end; ++each)
        all.emplace(each->name, each);
    return all;
  }();
  auto found = map.find(name);
  return found == map.end() ? nullptr : found->second;
}

//===----------------------------------------------------------------------===//
// A block
//===----------------------------------------------------------------------===//

BlockState::BlockState(LaunchState &launch)
    : launch(launch), kernel(launch.kernel),
      count(launch.block.x * launch.block.y * launch.block.z),
      sharedBytes(kernel.sharedBytes + launch.options.dynamicSharedBytes),
      localBytes(kernel.localBytes), parameterBlock(kernel.parameterBytes()), pcs(count),
      states(count), members(count), part(count) {
  lanes.stride = (count + 63) / 64 * 64;
  registers.resize((kernel.registerBytes + 8) * lanes.stride + 64);
  auto begin = reinterpret_cast<uintptr_t>(registers.data());
  lanes.registers = reinterpret_cast<char *>((begin + 63) / 64 * 64);
  lanes.block = this;
  if (kernel.carryRow != kNoRow)
    lanes.carry = lanes.row<uint8_t>(kernel.carryRow);
  local.resize(localBytes * count);
}

std::string BlockState::threadName(uint32_t t) const {
  auto text = [](uint64_t n) { return std::to_string(n); };
  const Dim3 &b = launch.block;
  return "thread (" + text(t % b.x) + ", " + text(t / b.x % b.y) + ", " + text(t / b.x / b.y) + ")";
}

std::string BlockState::blockName(uint64_t n) const {
  auto text = [](uint64_t n) { return std::to_string(n); };
  const Dim3 &g = launch.grid;
  return "block (" + text(n % g.x) + ", " + text(n / g.x % g.y) + ", " + text(n / g.x / g.y) + ")";
}

void BlockState::fail(const Instruction &instruction, uint32_t thread, const std::string &what) {
  if (hasFailed())
    return;
  std::string said = what;
  // Messages name another block or thread by its number: $block7$.
  auto spell = [&](const std::string &word, auto name) {
    for (size_t at; (at = said.find(word)) != said.npos;) {
      size_t number = at + word.size(), end = said.find('$', number);
      said.replace(at, end + 1 - at, name(std::stoull(said.substr(number, end - number))));
    }
  };
  spell("$block", [&](uint64_t n) { return blockName(n); });
  spell("$thread", [&](uint64_t n) { return threadName(uint32_t(n)); });
  error = "kernel " + kernel.name + ", line " + std::to_string(instruction.line) + ", `" +
          instruction.text + "`, " + threadName(thread) + " of " + blockName(blockNumber) + ": " +
          said;
}

void BlockState::fillConstants(bool ofBlock) {
  const Dim3 &b = launch.block, &g = launch.grid;
  for (const Constant &constant : kernel.constants) {
    if ((constant.kind == Constant::Block) != ofBlock)
      continue;
    for (uint32_t t = 0; t != count; ++t) {
      uint64_t value = 0;
      auto pick = [&](uint64_t x, uint64_t y, uint64_t z) {
        value = constant.value == 0 ? x : constant.value == 1 ? y : z;
      };
      switch (constant.kind) {
      case Constant::Value:
        value = constant.value;
        break;
      case Constant::Parameter:
        std::memcpy(&value, parameterBlock.data() + constant.value, constant.bytes);
        break;
      case Constant::Thread:
        pick(t % b.x, t / b.x % b.y, t / b.x / b.y);
        break;
      case Constant::ThreadCount:
        pick(b.x, b.y, b.z);
        break;
      case Constant::Block:
        pick(blockNumber % g.x, blockNumber / g.x % g.y, blockNumber / g.x / g.y);
        break;
      case Constant::BlockCount:
        pick(g.x, g.y, g.z);
        break;
      case Constant::Lane:
        value = t % kWarpSize;
        break;
      case Constant::Warp:
        value = t / kWarpSize;
        break;
      }
      std::memcpy(lanes.row<char>(constant.row) + uint64_t(t) * constant.bytes, &value,
                  constant.bytes);
    }
  }
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

void BlockState::storePc(uint32_t at) {
  for (uint32_t i = 0; i != lanes.count; ++i)
    pcs[lanes.list[i]] = at;
}

void BlockState::setGroup(uint32_t size) {
  lanes.list = members.data();
  lanes.count = size;
  lanes.isDense = size != 0 && members[size - 1] - members[0] + 1 == size;
}

/// Chooses who runs next; false at the end.
bool BlockState::schedule() {
  for (;;) {
    uint32_t least = kNoPc;
    for (uint32_t t = 0; t != count; ++t)
      if (states[t] == Runnable)
        least = std::min(least, pcs[t]);
    if (least == kNoPc) {
      if (!releaseBarrier())
        return false;
      continue;
    }
    uint32_t size = 0;
    limit = kNoPc;
    hasOthers = false;
    for (uint32_t t = 0; t != count; ++t) {
      if (states[t] != Runnable && states[t] != AtWarp)
        continue;
      if (pcs[t] == least) {
        states[t] = Runnable;
        members[size++] = t;
      } else {
        hasOthers = true;
        if (pcs[t] > least)
          limit = std::min(limit, pcs[t]);
      }
    }
    setGroup(size);
    pc = least;
    return true;
  }
}

/// Where no thread can run: lets all through the barrier they wait at. False at the end, and where
/// some wait for what does not come.
bool BlockState::releaseBarrier() {
  uint32_t first = count, done = count;
  for (uint32_t t = count; t-- != 0;) {
    if (states[t] == AtWarp) {
      fail(kernel.code[pcs[t]], t, "waits for lanes of its mask that do not come");
      return false;
    }
    (states[t] == Done ? done : first) = t;
  }
  if (first == count)
    return false;
  if (done != count) {
    fail(kernel.code[pcs[first]], first,
         "waits at a barrier that $thread" + std::to_string(done) + "$ ended without");
    return false;
  }
  for (uint32_t t = 0; t != count; ++t)
    if (pcs[t] != pcs[first]) {
      fail(kernel.code[pcs[first]], first,
           "waits at this barrier, and $thread" + std::to_string(t) + "$ at that of line " +
               std::to_string(kernel.code[pcs[t]].line));
      return false;
    }
  for (uint32_t t = 0; t != count; ++t) {
    states[t] = Runnable;
    ++pcs[t];
  }
  sharedRaces.nextEra();
  return true;
}

void BlockState::branch(const Instruction &instruction) {
  if (instruction.predicate == kNoRow) {
    if (!hasOthers) {
      pc = instruction.target;
      return;
    }
    storePc(instruction.target);
    if (!schedule())
      pc = kNoPc;
    return;
  }
  const uint8_t *predicate = lanes.row<uint8_t>(instruction.predicate);
  uint32_t taken = 0;
  lanes.each([&](uint32_t t) { taken += (predicate[t] != 0) != instruction.negated; });
  if (taken == 0) {
    ++pc;
    return;
  }
  if (taken == lanes.count && !hasOthers) {
    pc = instruction.target;
    return;
  }
  for (uint32_t i = 0; i != lanes.count; ++i) {
    const uint32_t t = lanes.list[i];
    pcs[t] = (predicate[t] != 0) != instruction.negated ? instruction.target : pc + 1;
  }
  if (!schedule())
    pc = kNoPc;
}

/// A shuffle or vote of the lanes that are all there; the others wait. Whether others were left.
bool BlockState::runWarp(const Instruction &instruction) {
  const uint32_t *masks = lanes.row<uint32_t>(instruction.operands[0]);
  uint32_t ready = 0;
  bool isWaiting = false;
  for (uint32_t i = 0; i != lanes.count;) {
    const uint32_t warp = lanes.list[i] / kWarpSize, begin = i;
    uint32_t here = 0;
    for (; i != lanes.count && lanes.list[i] / kWarpSize == warp; ++i)
      here |= uint32_t(1) << lanes.list[i] % kWarpSize;
    const uint32_t last = std::min(count - warp * kWarpSize, kWarpSize);
    const uint32_t exist = last == 32 ? ~uint32_t(0) : (uint32_t(1) << last) - 1;
    for (uint32_t j = begin; j != i; ++j) {
      const uint32_t t = lanes.list[j], mask = masks[t];
      if (!(mask >> t % kWarpSize & 1)) {
        fail(instruction, t, "the mask lacks the thread itself");
        return true;
      }
      if ((mask & exist & ~here) == 0) {
        part[ready++] = t;
      } else {
        states[t] = AtWarp;
        pcs[t] = pc;
        isWaiting = true;
      }
    }
  }
  if (!isWaiting) {
    instruction.run(lanes, instruction);
    return false;
  }
  std::copy_n(part.begin(), ready, members.begin());
  setGroup(ready);
  if (ready != 0) {
    instruction.run(lanes, instruction);
    storePc(pc + 1);
  }
  return true;
}

/// An instruction of all the threads, or of those whose predicate holds.
bool BlockState::plain(const Instruction &instruction) {
  if (instruction.predicate == kNoRow) {
    instruction.run(lanes, instruction);
    return !instruction.isMemory || !hasFailed();
  }
  const uint8_t *predicate = lanes.row<uint8_t>(instruction.predicate);
  uint32_t size = 0;
  for (uint32_t i = 0; i != lanes.count; ++i)
    if ((predicate[lanes.list[i]] != 0) != instruction.negated)
      part[size++] = lanes.list[i];
  if (size == 0)
    return true;
  Lanes some = lanes;
  some.list = part.data();
  some.count = size;
  some.isDense = part[size - 1] - part[0] + 1 == size;
  instruction.run(some, instruction);
  return !hasFailed();
}

bool BlockState::run(uint64_t number, LaunchCounts &counts) {
  blockNumber = number;
  if (!isPrepared)
    fillConstants(/*ofBlock=*/false);
  isPrepared = true;
  fillConstants(/*ofBlock=*/true);
  // What nobody wrote is no number that a kernel could rely on.
  shared.assign(sharedBytes, '\xff');
  std::fill(local.begin(), local.end(), '\xff');
  copies.reset(count);
  sharedRaces.nextEra();
  isFenced = false;
  met.clear();
  acquired.clear();
  std::fill(pcs.begin(), pcs.end(), 0);
  std::fill(states.begin(), states.end(), Runnable);
  schedule();
  while (pc != kNoPc) {
    if (pc >= limit) {
      storePc(pc);
      schedule();
    }
    const Instruction &instruction = kernel.code[pc];
    ++counts.instructions;
    counts.threadInstructions += lanes.count;
    switch (instruction.control) {
    case Instruction::Plain:
      if (!plain(instruction))
        return false;
      ++pc;
      break;
    case Instruction::Branch:
      branch(instruction);
      break;
    case Instruction::Warp:
      if (instruction.predicate != kNoRow) {
        fail(instruction, lanes.list[0], "a shuffle with a predicate is not supported");
        return false;
      }
      if (!runWarp(instruction)) {
        ++pc;
      } else if (hasFailed() || !schedule()) {
        return !hasFailed();
      }
      if (hasFailed())
        return false;
      break;
    case Instruction::Exit:
    case Instruction::Barrier:
    case Instruction::Trap: {
      const bool isExit = instruction.control == Instruction::Exit;
      const uint8_t *predicate =
          instruction.predicate == kNoRow ? nullptr : lanes.row<uint8_t>(instruction.predicate);
      for (uint32_t i = 0; i != lanes.count; ++i) {
        const uint32_t t = lanes.list[i];
        const bool isMeant = !predicate || (predicate[t] != 0) != instruction.negated;
        if (isMeant && instruction.control == Instruction::Trap) {
          fail(instruction, t, "the kernel gives up");
          return false;
        }
        pcs[t] = isMeant ? pc : pc + 1;
        states[t] = !isMeant ? Runnable : isExit ? Done : AtBarrier;
      }
      if (!schedule())
        return !hasFailed();
      break;
    }
    }
  }
  return !hasFailed();
}

//===----------------------------------------------------------------------===//
// A launch
//===----------------------------------------------------------------------===//

std::string launch(Module &module, const Kernel &kernel, Dim3 grid, Dim3 block,
                   void *const *parameters, GlobalMemory &memory, const LaunchOptions &options,
                   LaunchCounts *counts) {
  const uint32_t sizes[] = {block.x, block.y, block.z};
  for (int i = 0; i != 3; ++i)
    if (kernel.maxThreads[i] != 0 && sizes[i] > kernel.maxThreads[i])
      return "kernel " + kernel.name + " is made for blocks of " +
             std::to_string(kernel.maxThreads[i]) + " threads, not " + std::to_string(sizes[i]);
  if (uint64_t(block.x) * block.y * block.z > 1024)
    return "kernel " + kernel.name + ": a block has at most 1024 threads";
  LaunchState state{module, kernel, memory, grid, block, options, {}, {}, {}};
  BlockState run(state);
  for (size_t i = 0; i != kernel.parameters.size(); ++i)
    std::memcpy(run.parameterBlock.data() + kernel.parameters[i].offset, parameters[i],
                kernel.parameters[i].bytes);
  const uint64_t blocks = uint64_t(grid.x) * grid.y * grid.z;
  std::vector<uint64_t> order;
  if (options.seed != 0) {
    order.resize(blocks);
    std::iota(order.begin(), order.end(), uint64_t(0));
    std::mt19937_64 random(options.seed);
    for (uint64_t i = blocks; i > 1; --i)
      std::swap(order[i - 1], order[random() % i]);
  }
  LaunchCounts own;
  for (uint64_t i = 0; i != blocks; ++i)
    if (!run.run(order.empty() ? i : order[i], own))
      break;
  if (counts) {
    counts->instructions += own.instructions;
    counts->threadInstructions += own.threadInstructions;
  }
  return run.error;
}

} // namespace ampc::ptx
