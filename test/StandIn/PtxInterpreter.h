//===- PtxInterpreter.h - Runs kernels of PTX --------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A block's threads run together: of those that can, the ones with the least program
// counter, all of them through one instruction at a time. Where paths part, the others
// wait until the first ones come to where they are. A barrier holds a thread until all
// have come to it, and a shuffle until the lanes that its mask names have. Blocks run one
// after another, so that results depend on nothing but the order asked for.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_PTXINTERPRETER_H
#define AMPC_TEST_STANDIN_PTXINTERPRETER_H

#include "PtxLanes.h"

#include <unordered_map>
#include <unordered_set>

namespace ampc::ptx {

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
};

/// Memory that kernels may touch.
struct Range {
  uint64_t address = 0, bytes = 0;
  char *data = nullptr; ///< where the host has it
  bool isConstant = false;
};

/// Who knows the allocations.
class GlobalMemory {
public:
  virtual ~GlobalMemory() = default;
  /// The allocation that holds the address, or else the one before it, or none.
  virtual Range find(uint64_t address) = 0;
};

struct LaunchOptions {
  /// 0: blocks in their natural order. Else shuffled by this number.
  uint64_t seed = 0;
  uint64_t dynamicSharedBytes = 0;
  /// Look for words that several blocks touch and one of them writes.
  bool findsRacesOfBlocks = true;
};

struct LaunchCounts {
  uint64_t instructions = 0;       ///< as the block runs them
  uint64_t threadInstructions = 0; ///< the sum of their threads
};

/// Runs a grid. `parameters` are what cuLaunchKernel takes. Returns "", or what is wrong: kernel,
/// line, instruction, thread, and what was touched.
std::string launch(Module &module, const Kernel &kernel, Dim3 grid, Dim3 block,
                   void *const *parameters, GlobalMemory &memory, const LaunchOptions &options = {},
                   LaunchCounts *counts = nullptr);

//===--- What the decoder puts into instructions --------------------------===//

void packVector(Lanes &lanes, const Instruction &instruction);
void unpackVector(Lanes &lanes, const Instruction &instruction);
void loadMemory(Lanes &lanes, const Instruction &instruction);
void storeMemory(Lanes &lanes, const Instruction &instruction);
/// By operation and type ("add.f32"), or null.
Handler findAtomic(const std::string &name);
/// "shfl.bfly.b32", "vote.ballot.b32", or null.
Handler findWarpOperation(const std::string &name);

//===--- A block that runs ------------------------------------------------===//

/// Who touched each unit of some memory, in an era: between two barriers, or in a launch. Who
/// touches is a thread or a block. A unit is of 4 bytes, and of one byte for accesses below 4:
/// neighbours in a word may belong to two. A word also knows who touched a part of it.
class AccessShadow {
public:
  static constexpr uint32_t kNobody = ~uint32_t(0), kSeveral = kNobody - 1;

  /// Notes an access by `who` to `bytes` bytes at `address`; who made the other access of a race,
  /// or kNobody. `wasWrite`: whether that one wrote.
  uint32_t touch(uint64_t address, uint32_t bytes, bool isWrite, uint32_t who, bool &wasWrite);
  void nextEra() { ++era; }

private:
  static constexpr uint64_t kPageUnits = 1024;
  struct Unit {
    uint32_t era = 0;
    uint32_t writer = kNobody, reader = kNobody;
    uint32_t partWriter = kNobody, partReader = kNobody; ///< of parts of a word
  };
  Unit *page(uint64_t number);
  Unit &unit(uint64_t at);

  uint32_t era = 1;
  std::unordered_map<uint64_t, std::vector<Unit>> pages;
  uint64_t lastNumber = ~uint64_t(0);
  Unit *lastPage = nullptr;
};

/// Copies to shared memory that threads have begun and not waited for.
class PendingCopies {
public:
  void reset(uint32_t threads);
  /// `bytes` of `data` are to be at `to`.
  void begin(uint32_t thread, char *to, const char *data, uint8_t bytes);
  /// What the thread began since the last time is a group.
  void commit(uint32_t thread);
  /// Makes the copies of all groups but the last `left`; ~0: also of what is in none.
  void wait(uint32_t thread, uint32_t left);

private:
  struct Copy {
    char *to;
    char data[16];
    uint8_t bytes;
    uint32_t group;
  };
  struct Thread {
    std::vector<Copy> copies;
    uint32_t group = 0; ///< that of the next copy
  };
  std::vector<Thread> threads;
};

/// What all blocks of a launch share.
struct LaunchState {
  Module &module;
  const Kernel &kernel;
  GlobalMemory &memory;
  Dim3 grid, block;
  const LaunchOptions &options;
  AccessShadow races;
  /// By the address of an atomic: the blocks that changed it after a fence.
  std::unordered_map<uint64_t, std::vector<uint32_t>> released;
  Range last = {}; ///< the allocation that was touched last
};

class BlockState {
public:
  explicit BlockState(LaunchState &launch);

  uint32_t threads() const { return count; }
  /// Runs the block; false where it failed.
  bool run(uint64_t block, LaunchCounts &counts);

  //===--- For instructions -----------------------------------------------===//

  /// Where the host has [address, address + bytes), or null after fail().
  char *access(const Instruction &instruction, uint32_t thread, uint64_t address, uint32_t bytes,
               bool isWrite, bool isAtomic = false);
  /// A fence that blocks see: what this one wrote is released by its next atomics, and what others
  /// released is acquired where this one's atomics met theirs before.
  void fence();
  void fail(const Instruction &instruction, uint32_t thread, const std::string &what);
  bool hasFailed() const { return !error.empty(); }

  std::string error;
  PendingCopies copies;

private:
  enum State : uint8_t { Runnable, AtBarrier, AtWarp, Done };

  void fillConstants(bool ofBlock);
  bool schedule();
  bool releaseBarrier();
  void branch(const Instruction &instruction);
  bool runWarp(const Instruction &instruction);
  void storePc(uint32_t pc);
  void setGroup(uint32_t size);
  bool plain(const Instruction &instruction);
  void meet(uint64_t address); ///< an atomic
  std::string threadName(uint32_t thread) const;
  std::string blockName(uint64_t number) const;

  LaunchState &launch;
  const Kernel &kernel;
  uint32_t count;
  uint64_t blockNumber = 0;
  std::vector<char> registers, shared, local;
  uint64_t sharedBytes, localBytes;

public:
  std::vector<char> parameterBlock; ///< filled by launch()

private:
  AccessShadow sharedRaces;
  bool isFenced = false;
  std::vector<uint32_t> met;             ///< blocks that released what an atomic saw
  std::unordered_set<uint32_t> acquired; ///< those of them that a fence came after

  std::vector<uint32_t> pcs;
  std::vector<State> states;
  std::vector<uint32_t> members, part; ///< the threads that run, and some of them
  Lanes lanes;
  uint32_t pc = 0;
  uint32_t limit = 0; ///< where others wait
  bool hasOthers = false, isPrepared = false;
};

} // namespace ampc::ptx

#endif // AMPC_TEST_STANDIN_PTXINTERPRETER_H
