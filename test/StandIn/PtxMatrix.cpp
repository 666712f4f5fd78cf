//===- PtxMatrix.cpp - Tensor cores and what feeds them --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// mma.sync.m16n8k16 of f16 and bf16 with f32 accumulators, ldmatrix, and copies from global to
// shared memory that a thread waits for later. Until it has, the destination holds no number that a
// kernel could rely on.
//
//===----------------------------------------------------------------------===//

#include "PtxDecoder.h"
#include "PtxInterpreter.h"
#include "PtxOperationsCommon.h"

#include <algorithm>

namespace ampc::ptx {

/// Calls `f` with the first thread of each warp; fails where lanes are missing.
template <class F>
static void eachWholeWarp(Lanes &l, const Instruction &i, F &&f) {
  for (uint32_t n = 0; n != l.count; n += 32) {
    const uint32_t first = l.list[n];
    if (first % 32 != 0 || n + 32 > l.count || l.list[n + 31] != first + 31) {
      l.block->fail(i, first, "is for all lanes of a warp");
      return;
    }
    f(first);
  }
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

// Rows of `matrix`: 4 of the result, 4 of A, 2 of B, 4 of C (PTX ISA 9.7.14.5.8).
template <class H>
static void multiply(Lanes &l, const Instruction &i) {
  auto row = [&](unsigned k) { return l.row<uint32_t>(i.matrix[k]); };
  eachWholeWarp(l, i, [&](uint32_t first) {
    float a[16][16], b[8][16], c[16][8];
    for (uint32_t lane = 0; lane != 32; ++lane) {
      const uint32_t t = first + lane, group = lane / 4, pair = lane % 4;
      for (uint32_t k = 0; k != 4; ++k) {
        const uint32_t two = row(4 + k)[t], at = 2 * pair + (k / 2) * 8;
        float *to = a[group + k % 2 * 8] + at;
        to[0] = H::widen(uint16_t(two));
        to[1] = H::widen(uint16_t(two >> 16));
        c[group + k / 2 * 8][2 * pair + k % 2] = bits<float>(row(10 + k)[t]);
      }
      for (uint32_t k = 0; k != 2; ++k) {
        const uint32_t two = row(8 + k)[t];
        b[group][2 * pair + 8 * k] = H::widen(uint16_t(two));
        b[group][2 * pair + 8 * k + 1] = H::widen(uint16_t(two >> 16));
      }
    }
    for (unsigned y = 0; y != 16; ++y)
      for (unsigned x = 0; x != 8; ++x) {
        // Products of 16-bit floats are exact in f32; how a device rounds their sum is not said.
        float sum = 0;
        for (unsigned k = 0; k != 16; ++k)
          sum += a[y][k] * b[x][k];
        c[y][x] += sum;
      }
    for (uint32_t lane = 0; lane != 32; ++lane)
      for (uint32_t k = 0; k != 4; ++k)
        row(k)[first + lane] = bits<uint32_t>(c[lane / 4 + k / 2 * 8][lane % 4 * 2 + k % 2]);
  });
}

/// mma.sync.aligned.m16n8k16.row.col.f32.T.T.f32 d, a, b, c
void Decoder::decodeProduct() {
  static const std::string prefix = "mma.sync.aligned.m16n8k16.row.col.f32.";
  const std::vector<Operand> &operands = statement->operands;
  Instruction instruction = emit();
  kernel.code.pop_back();
  if (statement->name == prefix + "bf16.bf16.f32")
    instruction.run = multiply<Bf16>;
  else if (statement->name == prefix + "f16.f16.f32")
    instruction.run = multiply<F16>;
  static const size_t sizes[] = {4, 4, 2, 4};
  bool fits = instruction.run && operands.size() == 4;
  for (size_t i = 0; fits && i != 4; ++i)
    fits = operands[i].kind == Operand::Vector && operands[i].items.size() == sizes[i];
  if (!fits)
    fail("the instruction '" + statement->name + "' is not supported");
  instruction.control = Instruction::Warp;
  instruction.operands[0] = constant(Constant::Value, 0xffffffff, 4);
  for (size_t i = 0; i != 4; ++i)
    for (const Operand &item : operands[i].items)
      instruction.matrix.push_back(i == 0 ? written(item, 4) : read(item, 4));
  kernel.code.push_back(std::move(instruction));
}

//===----------------------------------------------------------------------===//
// Matrices of 8 by 8
//===----------------------------------------------------------------------===//

template <bool IsTransposed>
static void loadMatrices(Lanes &l, const Instruction &i) {
  const uint64_t *base = l.row<uint64_t>(i.operands[1]);
  eachWholeWarp(l, i, [&](uint32_t first) {
    // Lane 8 m + r has the address of row r of matrix m, and reads all 16 bytes of it.
    uint16_t rows[4][8][8];
    for (uint32_t lane = 0; lane != 8u * i.count; ++lane) {
      const uint32_t t = first + lane;
      const char *from = l.block->access(i, t, base[t] + uint64_t(i.offset), 16, false);
      if (!from)
        return;
      std::memcpy(rows[lane / 8][lane % 8], from, 16);
    }
    for (uint32_t m = 0; m != i.count; ++m) {
      uint32_t *to = l.row<uint32_t>(i.matrix[m]);
      for (uint32_t lane = 0; lane != 32; ++lane) {
        const uint32_t y = lane / 4, x = lane % 4 * 2;
        const uint16_t low = IsTransposed ? rows[m][x][y] : rows[m][y][x];
        const uint16_t high = IsTransposed ? rows[m][x + 1][y] : rows[m][y][x + 1];
        to[first + lane] = uint32_t(high) << 16 | low;
      }
    }
  });
}

/// ldmatrix.sync.aligned.m8n8.xN{.trans}.shared.b16 d, [a]
void Decoder::decodeMatrixLoad(const std::vector<std::string> &parts) {
  const std::vector<Operand> &operands = statement->operands;
  Instruction instruction = emit();
  kernel.code.pop_back();
  bool isTransposed = false, isKnown = parts.back() == "b16" && operands.size() == 2;
  for (size_t i = 1; i + 1 < parts.size(); ++i) {
    const std::string &part = parts[i];
    if (part == "x1" || part == "x2" || part == "x4")
      instruction.count = uint8_t(part[1] - '0');
    else if (part == "trans")
      isTransposed = true;
    else
      isKnown &= part == "sync" || part == "aligned" || part == "m8n8" || part == "shared";
  }
  const std::vector<Operand> single{operands[0]};
  const std::vector<Operand> &to = operands[0].kind == Operand::Vector ? operands[0].items : single;
  if (!isKnown || operands[1].kind != Operand::Address || to.size() != instruction.count)
    fail("the instruction '" + statement->name + "' is not supported");
  instruction.run = isTransposed ? loadMatrices<true> : loadMatrices<false>;
  instruction.control = Instruction::Warp;
  instruction.space = Instruction::Shared;
  instruction.isMemory = true;
  instruction.offset = int64_t(operands[1].value);
  instruction.operands[0] = constant(Constant::Value, 0xffffffff, 4);
  instruction.operands[1] = readAddress(operands[1]);
  for (const Operand &item : to)
    instruction.matrix.push_back(written(item, 4));
  kernel.code.push_back(std::move(instruction));
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

void PendingCopies::reset(uint32_t count) { threads.assign(count, {}); }

void PendingCopies::begin(uint32_t thread, char *to, const char *data, uint8_t bytes) {
  Copy copy{to, {}, bytes, threads[thread].group};
  std::memcpy(copy.data, data, bytes);
  threads[thread].copies.push_back(copy);
}

void PendingCopies::commit(uint32_t thread) { ++threads[thread].group; }

void PendingCopies::wait(uint32_t thread, uint32_t left) {
  Thread &own = threads[thread];
  const bool isAll = left == ~uint32_t(0);
  auto isDone = [&](const Copy &copy) { return isAll || copy.group + left < own.group; };
  for (const Copy &copy : own.copies)
    if (isDone(copy))
      std::memcpy(copy.to, copy.data, copy.bytes);
  own.copies.erase(std::remove_if(own.copies.begin(), own.copies.end(), isDone), own.copies.end());
}

static void beginCopy(Lanes &l, const Instruction &i) {
  const uint64_t *to = l.row<uint64_t>(i.operands[0]), *from = l.row<uint64_t>(i.operands[1]);
  const uint32_t *size = l.row<uint32_t>(i.operands[2]);
  for (uint32_t n = 0; n != l.count; ++n) {
    const uint32_t t = l.list[n];
    if (size[t] > i.bytes) {
      l.block->fail(
          i, t, "copies " + std::to_string(size[t]) + " of " + std::to_string(i.bytes) + " bytes");
      return;
    }
    char data[16] = {};
    if (size[t] != 0) {
      const char *source =
          l.block->access(i, t, from[t] + uint64_t(i.sourceOffset), size[t], false);
      if (!source)
        return;
      std::memcpy(data, source, size[t]);
    }
    char *goal = l.block->access(i, t, to[t] + uint64_t(i.offset) + kSharedWindow, i.bytes, true);
    if (!goal)
      return;
    std::memset(goal, 0xff, i.bytes);
    l.block->copies.begin(t, goal, data, i.bytes);
  }
}
static void commitCopies(Lanes &l, const Instruction &) {
  for (uint32_t n = 0; n != l.count; ++n)
    l.block->copies.commit(l.list[n]);
}
static void waitForCopies(Lanes &l, const Instruction &i) {
  for (uint32_t n = 0; n != l.count; ++n)
    l.block->copies.wait(l.list[n], uint32_t(i.offset));
}

/// cp.async.cg.shared.global [to], [from], 16 {, bytes}; commit_group, wait_group and wait_all.
void Decoder::decodeAsyncCopy(const std::vector<std::string> &parts) {
  const std::vector<Operand> &operands = statement->operands;
  Instruction instruction = emit();
  kernel.code.pop_back();
  auto refuse = [&] { fail("the instruction '" + statement->name + "' is not supported"); };
  const std::string &what = parts.size() > 2 ? parts[2] : parts[0];
  if (what == "commit_group" && operands.empty()) {
    instruction.run = commitCopies;
  } else if (what == "wait_group" || what == "wait_all") {
    instruction.run = waitForCopies;
    if (operands.size() != (what == "wait_all" ? 0 : 1))
      refuse();
    // `wait_all` waits for what is not committed too.
    instruction.offset = what == "wait_all" ? -1 : int64_t(operands[0].value);
  } else {
    const bool isKnown = (what == "cg" || what == "ca") && parts.size() >= 5 &&
                         parts[3] == "shared" && parts[4] == "global";
    if (!isKnown || operands.size() < 3 || operands.size() > 4 ||
        operands[0].kind != Operand::Address || operands[1].kind != Operand::Address ||
        operands[2].kind != Operand::Integer)
      refuse();
    const uint64_t bytes = operands[2].value;
    if (bytes != 16 && (what == "cg" || (bytes != 4 && bytes != 8)))
      refuse();
    instruction.run = beginCopy;
    instruction.isMemory = true;
    instruction.bytes = uint8_t(bytes);
    instruction.offset = int64_t(operands[0].value);
    instruction.sourceOffset = int64_t(operands[1].value);
    instruction.operands[0] = readAddress(operands[0]);
    instruction.operands[1] = readAddress(operands[1]);
    instruction.operands[2] =
        operands.size() == 4 ? read(operands[3], 4) : constant(Constant::Value, bytes, 4);
  }
  kernel.code.push_back(std::move(instruction));
}

} // namespace ampc::ptx
