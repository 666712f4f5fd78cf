//===- PtxMemory.cpp - What kernels of PTX do to memory and to lanes ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PtxInterpreter.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace ampc::ptx {

//===----------------------------------------------------------------------===//
// Races
//===----------------------------------------------------------------------===//

AccessShadow::Unit *AccessShadow::page(uint64_t number) {
  if (number != lastNumber) {
    std::vector<Unit> &words = pages[number];
    if (words.empty())
      words.resize(kPageUnits);
    lastNumber = number;
    lastPage = words.data();
  }
  return lastPage;
}

AccessShadow::Unit &AccessShadow::unit(uint64_t at) {
  Unit &found = page(at / kPageUnits)[at % kPageUnits];
  if (found.era != era) {
    found = Unit();
    found.era = era;
  }
  return found;
}

uint32_t AccessShadow::touch(uint64_t address, uint32_t bytes, bool isWrite, uint32_t who,
                             bool &wasWrite) {
  uint32_t other = kNobody;
  auto meet = [&](uint32_t writer, uint32_t reader) {
    if (writer != who && writer != kNobody) {
      other = writer;
      wasWrite = true;
    } else if (isWrite && reader != who && reader != kNobody) {
      other = reader;
      wasWrite = false;
    }
  };
  auto note = [&](uint32_t &writer, uint32_t &reader) {
    uint32_t &holder = isWrite ? writer : reader;
    holder = holder == kNobody || holder == who ? who : kSeveral;
  };
  if (bytes < 4) {
    Unit &word = unit(address / 4);
    meet(word.writer, word.reader);
    note(word.partWriter, word.partReader);
    constexpr uint64_t kOfBytes = uint64_t(1) << 62;
    for (uint64_t at = address; at != address + bytes; ++at) {
      Unit &byte = unit(at | kOfBytes);
      meet(byte.writer, byte.reader);
      note(byte.writer, byte.reader);
    }
    return other;
  }
  for (uint64_t at = address / 4; at != (address + bytes) / 4; ++at) {
    Unit &word = unit(at);
    meet(word.partWriter, word.partReader);
    meet(word.writer, word.reader);
    note(word.writer, word.reader);
  }
  return other;
}

//===----------------------------------------------------------------------===//
// Accesses
//===----------------------------------------------------------------------===//

static std::string hex(uint64_t n) {
  char text[32];
  std::snprintf(text, sizeof(text), "0x%llx", static_cast<unsigned long long>(n));
  return text;
}

/// How [address, address + bytes) lies to a range that does not hold it.
static std::string relation(uint64_t address, const Range &range) {
  std::string size = std::to_string(range.bytes) + " bytes at " + hex(range.address);
  if (address < range.address + range.bytes)
    return "beyond the end of the allocation of " + size;
  return std::to_string(address - range.address - range.bytes) +
         " bytes behind the allocation of " + size;
}

// Blocks run one after another, so that what another block released is what it did before it
// ended; writes that follow its release in its code are taken for released, too.

void BlockState::meet(uint64_t address) {
  std::vector<uint32_t> &others = launch.released[address];
  met.insert(met.end(), others.begin(), others.end());
  if (isFenced)
    others.push_back(uint32_t(blockNumber));
}

void BlockState::fence() {
  isFenced = true;
  acquired.insert(met.begin(), met.end());
  met.clear();
}

char *BlockState::access(const Instruction &instruction, uint32_t thread, uint64_t address,
                         uint32_t bytes, bool isWrite, bool isAtomic) {
  auto say = [&](const std::string &what) {
    fail(instruction, thread,
         std::string(isAtomic  ? "changes "
                     : isWrite ? "writes "
                               : "reads ") +
             std::to_string(bytes) + " bytes at " + hex(address) + ", " + what);
    return nullptr;
  };
  if (address % bytes != 0)
    return say("which is not a multiple of " + std::to_string(bytes));
  Instruction::Space space = instruction.space;
  if (space == Instruction::Generic) {
    space = Instruction::Global;
    if (address - kSharedWindow < kWindowBytes) {
      space = Instruction::Shared;
      address -= kSharedWindow;
    } else if (address - kLocalWindow < kWindowBytes) {
      space = Instruction::Local;
      address -= kLocalWindow;
    }
  }
  if (space == Instruction::Parameters) {
    if (address > parameterBlock.size() || bytes > parameterBlock.size() - address)
      return say("and the parameters have " + std::to_string(parameterBlock.size()) + " bytes");
    return parameterBlock.data() + address;
  }
  if (space == Instruction::Local) {
    if (address > localBytes || bytes > localBytes - address)
      return say("and a thread has " + std::to_string(localBytes) + " bytes of local memory");
    return local.data() + thread * localBytes + address;
  }
  if (space == Instruction::Shared) {
    if (address > sharedBytes || bytes > sharedBytes - address)
      return say("and the block has " + std::to_string(sharedBytes) + " bytes of shared memory");
    bool wasWrite = false;
    uint32_t other = isAtomic ? AccessShadow::kNobody
                              : sharedRaces.touch(address, bytes, isWrite, thread, wasWrite);
    if (other != AccessShadow::kNobody)
      return say(std::string("which ") +
                 (other == AccessShadow::kSeveral ? "other threads "
                                                  : "$thread" + std::to_string(other) + "$ ") +
                 (wasWrite ? "wrote" : "read") + " with no barrier between");
    return shared.data() + address;
  }
  Range &range = launch.last;
  if (address < range.address || address - range.address > range.bytes ||
      bytes > range.bytes - (address - range.address)) {
    range = {};
    for (ModuleVariable &variable : launch.module.variables)
      if (address >= variable.address && address - variable.address < variable.bytes.size())
        range = {variable.address, variable.bytes.size(), variable.bytes.data(),
                 variable.isConstant};
    if (!range.data)
      range = launch.memory.find(address);
    if (!range.data)
      return say("where nothing is allocated");
    if (address - range.address > range.bytes || bytes > range.bytes - (address - range.address)) {
      std::string where = relation(address, range);
      range = {};
      return say(where);
    }
  }
  if (isWrite && range.isConstant)
    return say("which is constant");
  if (launch.options.findsRacesOfBlocks && isAtomic)
    meet(address);
  if (launch.options.findsRacesOfBlocks && !isAtomic) {
    bool wasWrite = false;
    uint32_t other = launch.races.touch(address, bytes, isWrite, uint32_t(blockNumber), wasWrite);
    if (other != AccessShadow::kNobody && acquired.count(other) == 0)
      return say(std::string("which ") +
                 (other == AccessShadow::kSeveral ? "other blocks "
                                                  : "$block" + std::to_string(other) + "$ ") +
                 (wasWrite ? "wrote" : "read") + " in this launch; byte " +
                 std::to_string(address - range.address) + " of the allocation at " +
                 hex(range.address));
  }
  return range.data + (address - range.address);
}

template <unsigned Bytes>
static void loadElements(Lanes &l, const Instruction &i) {
  const uint64_t *base = l.row<uint64_t>(i.operands[0]);
  char *rows[4];
  for (unsigned k = 0; k != i.count; ++k)
    rows[k] = l.row<char>(i.operands[1 + k]);
  for (uint32_t n = 0; n != l.count; ++n) {
    const uint32_t t = l.list[n];
    const char *from =
        l.block->access(i, t, base[t] + uint64_t(i.offset), Bytes * i.count, /*isWrite=*/false);
    if (!from)
      return;
    // The base may be a register that is loaded, of this thread only.
    for (unsigned k = 0; k != i.count; ++k, from += Bytes) {
      const uint8_t width = i.widths[1 + k];
      uint64_t value = 0;
      std::memcpy(&value, from, Bytes);
      if (i.isSigned && Bytes < 8)
        value = uint64_t(int64_t(value << (64 - 8 * Bytes)) >> (64 - 8 * Bytes));
      std::memcpy(rows[k] + uint64_t(t) * width, &value, width);
    }
  }
}

template <unsigned Bytes>
static void storeElements(Lanes &l, const Instruction &i) {
  const uint64_t *base = l.row<uint64_t>(i.operands[0]);
  const char *rows[4];
  for (unsigned k = 0; k != i.count; ++k)
    rows[k] = l.row<char>(i.operands[1 + k]);
  for (uint32_t n = 0; n != l.count; ++n) {
    const uint32_t t = l.list[n];
    char *to =
        l.block->access(i, t, base[t] + uint64_t(i.offset), Bytes * i.count, /*isWrite=*/true);
    if (!to)
      return;
    for (unsigned k = 0; k != i.count; ++k, to += Bytes)
      std::memcpy(to, rows[k] + uint64_t(t) * i.widths[1 + k], Bytes);
  }
}

#define BY_BYTES(function)                                                                         \
  switch (i.bytes) {                                                                               \
  case 1:                                                                                          \
    return function<1>(l, i);                                                                      \
  case 2:                                                                                          \
    return function<2>(l, i);                                                                      \
  case 4:                                                                                          \
    return function<4>(l, i);                                                                      \
  default:                                                                                         \
    return function<8>(l, i);                                                                      \
  }
void loadMemory(Lanes &l, const Instruction &i) { BY_BYTES(loadElements) }
void storeMemory(Lanes &l, const Instruction &i) { BY_BYTES(storeElements) }

//===----------------------------------------------------------------------===//
// Vectors in registers
//===----------------------------------------------------------------------===//

void packVector(Lanes &l, const Instruction &i) {
  const unsigned total = i.bytes * i.count;
  char *to = l.row<char>(i.operands[0]);
  for (unsigned k = 0; k != i.count; ++k) {
    const char *from = l.row<char>(i.operands[1 + k]);
    if (i.bytes == 4) {
      auto *wide = reinterpret_cast<uint32_t *>(to) + k;
      auto *narrow = reinterpret_cast<const uint32_t *>(from);
      l.each([=](uint32_t t) { wide[2 * t] = narrow[t]; });
    } else {
      for (uint32_t n = 0; n != l.count; ++n) {
        const uint64_t t = l.list[n];
        std::memcpy(to + t * total + k * i.bytes, from + t * i.bytes, i.bytes);
      }
    }
  }
}

void unpackVector(Lanes &l, const Instruction &i) {
  const unsigned total = i.bytes * i.count;
  const char *from = l.row<char>(i.operands[0]);
  for (unsigned k = 0; k != i.count; ++k) {
    if (i.operands[1 + k] == kNoRow)
      continue;
    char *to = l.row<char>(i.operands[1 + k]);
    if (i.bytes == 4) {
      auto *narrow = reinterpret_cast<uint32_t *>(to);
      auto *wide = reinterpret_cast<const uint32_t *>(from) + k;
      l.each([=](uint32_t t) { narrow[t] = wide[2 * t]; });
    } else {
      for (uint32_t n = 0; n != l.count; ++n) {
        const uint64_t t = l.list[n];
        std::memcpy(to + t * i.bytes, from + t * total + k * i.bytes, i.bytes);
      }
    }
  }
}

//===----------------------------------------------------------------------===//
// Atomics
//===----------------------------------------------------------------------===//

// Lane by lane, so that sums of floats come in one order.
template <class T, class F>
static void atomic(Lanes &l, const Instruction &i) {
  const uint64_t *base = l.row<uint64_t>(i.operands[0]);
  T *old = l.row<T>(i.operands[1]);
  const T *b = l.row<T>(i.operands[2]);
  const T *c = i.operands[3] == kNoRow ? b : l.row<T>(i.operands[3]);
  for (uint32_t n = 0; n != l.count; ++n) {
    const uint32_t t = l.list[n];
    char *at = l.block->access(i, t, base[t] + uint64_t(i.offset), sizeof(T), true, true);
    if (!at)
      return;
    T before;
    std::memcpy(&before, at, sizeof(T));
    const T after = F::of(before, b[t], c[t]);
    std::memcpy(at, &after, sizeof(T));
    old[t] = before;
  }
}

namespace {
// clang-format off
struct AtomicAdd { template <class T> static T of(T a, T b, T) { return a + b; } };
struct AtomicMin { template <class T> static T of(T a, T b, T) { return std::min(a, b); } };
struct AtomicMax { template <class T> static T of(T a, T b, T) { return std::max(a, b); } };
struct AtomicInc { template <class T> static T of(T a, T b, T) { return a >= b ? 0 : a + 1; } };
struct AtomicAnd { template <class T> static T of(T a, T b, T) { return a & b; } };
struct AtomicOr { template <class T> static T of(T a, T b, T) { return a | b; } };
struct AtomicXor { template <class T> static T of(T a, T b, T) { return a ^ b; } };
struct AtomicExchange { template <class T> static T of(T, T b, T) { return b; } };
struct AtomicCas { template <class T> static T of(T a, T b, T c) { return a == b ? c : a; } };
// clang-format on
} // namespace

Handler findAtomic(const std::string &name) {
  static const std::map<std::string, Handler> map = {
      {"add.u32", atomic<uint32_t, AtomicAdd>},
      {"add.s32", atomic<uint32_t, AtomicAdd>},
      {"add.u64", atomic<uint64_t, AtomicAdd>},
      {"add.f32", atomic<float, AtomicAdd>},
      {"add.f64", atomic<double, AtomicAdd>},
      {"min.u32", atomic<uint32_t, AtomicMin>},
      {"min.s32", atomic<int32_t, AtomicMin>},
      {"min.u64", atomic<uint64_t, AtomicMin>},
      {"min.s64", atomic<int64_t, AtomicMin>},
      {"max.u32", atomic<uint32_t, AtomicMax>},
      {"max.s32", atomic<int32_t, AtomicMax>},
      {"max.u64", atomic<uint64_t, AtomicMax>},
      {"max.s64", atomic<int64_t, AtomicMax>},
      {"inc.u32", atomic<uint32_t, AtomicInc>},
      {"and.b32", atomic<uint32_t, AtomicAnd>},
      {"or.b32", atomic<uint32_t, AtomicOr>},
      {"xor.b32", atomic<uint32_t, AtomicXor>},
      {"and.b64", atomic<uint64_t, AtomicAnd>},
      {"or.b64", atomic<uint64_t, AtomicOr>},
      {"xor.b64", atomic<uint64_t, AtomicXor>},
      {"exch.b32", atomic<uint32_t, AtomicExchange>},
      {"exch.b64", atomic<uint64_t, AtomicExchange>},
      {"cas.b32", atomic<uint32_t, AtomicCas>},
      {"cas.b64", atomic<uint64_t, AtomicCas>},
      {"cas.b16", atomic<uint16_t, AtomicCas>},
  };
  auto found = map.find(name);
  return found == map.end() ? nullptr : found->second;
}

//===----------------------------------------------------------------------===//
// Lanes of a warp
//===----------------------------------------------------------------------===//

namespace {
enum class Mode { Up, Down, Butterfly, Index };
} // namespace

/// Calls `f` for each warp with its first thread and the lanes that take part.
template <class F>
static void eachWarp(Lanes &l, F &&f) {
  for (uint32_t n = 0; n != l.count;) {
    const uint32_t first = l.list[n] / 32 * 32, begin = n;
    uint32_t here = 0;
    for (; n != l.count && l.list[n] / 32 * 32 == first; ++n)
      here |= uint32_t(1) << (l.list[n] - first);
    f(first, here, begin, n);
  }
}

template <Mode M>
static void shuffle(Lanes &l, const Instruction &i) {
  uint32_t *d = l.row<uint32_t>(i.operands[1]);
  const uint32_t *a = l.row<uint32_t>(i.operands[2]), *b = l.row<uint32_t>(i.operands[3]),
                 *c = l.row<uint32_t>(i.operands[4]);
  uint8_t *valid = i.operands[5] == kNoRow ? nullptr : l.row<uint8_t>(i.operands[5]);
  eachWarp(l, [&](uint32_t first, uint32_t here, uint32_t begin, uint32_t end) {
    uint32_t results[32];
    for (uint32_t n = begin; n != end; ++n) {
      const uint32_t t = l.list[n], lane = t - first, by = b[t] & 31, clamp = c[t] & 31,
                     segment = (c[t] >> 8) & 31;
      const uint32_t most = (lane & segment) | (clamp & ~segment), least = lane & segment;
      int32_t from = 0;
      bool isValid = false;
      switch (M) {
      case Mode::Up:
        from = int32_t(lane) - int32_t(by);
        isValid = from >= int32_t(most);
        break;
      case Mode::Down:
        from = int32_t(lane + by);
        isValid = from <= int32_t(most);
        break;
      case Mode::Butterfly:
        from = int32_t(lane ^ by);
        isValid = from <= int32_t(most);
        break;
      case Mode::Index:
        from = int32_t(least | (by & ~segment));
        isValid = from <= int32_t(most);
        break;
      }
      if (!isValid)
        from = int32_t(lane);
      if (!(here >> from & 1)) {
        l.block->fail(i, t, "reads lane " + std::to_string(from) + ", which takes no part");
        return;
      }
      results[lane] = a[first + uint32_t(from)];
      if (valid)
        valid[t] = isValid;
    }
    for (uint32_t n = begin; n != end; ++n)
      d[l.list[n]] = results[l.list[n] - first];
  });
}

namespace {
enum class Vote { Ballot, Any, All, Uniform };
} // namespace

template <Vote V>
static void vote(Lanes &l, const Instruction &i) {
  const uint8_t *p = l.row<uint8_t>(i.operands[2]);
  eachWarp(l, [&](uint32_t first, uint32_t here, uint32_t begin, uint32_t end) {
    uint32_t ballot = 0;
    for (uint32_t n = begin; n != end; ++n)
      ballot |= uint32_t(p[l.list[n]] != 0) << (l.list[n] - first);
    for (uint32_t n = begin; n != end; ++n) {
      const uint32_t t = l.list[n];
      if (V == Vote::Ballot)
        l.row<uint32_t>(i.operands[1])[t] = ballot;
      else
        l.row<uint8_t>(i.operands[1])[t] = V == Vote::Any   ? ballot != 0
                                           : V == Vote::All ? ballot == here
                                                            : ballot == 0 || ballot == here;
    }
  });
}

Handler findWarpOperation(const std::string &name) {
  static const std::map<std::string, Handler> map = {
      {"shfl.up.b32", shuffle<Mode::Up>},          {"shfl.down.b32", shuffle<Mode::Down>},
      {"shfl.bfly.b32", shuffle<Mode::Butterfly>}, {"shfl.idx.b32", shuffle<Mode::Index>},
      {"vote.ballot.b32", vote<Vote::Ballot>},     {"vote.any.pred", vote<Vote::Any>},
      {"vote.all.pred", vote<Vote::All>},          {"vote.uni.pred", vote<Vote::Uniform>},
  };
  auto found = map.find(name);
  return found == map.end() ? nullptr : found->second;
}

} // namespace ampc::ptx
