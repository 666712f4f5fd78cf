//===- ThreadPool.cpp - Threads that share out one job at a time ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Host/ThreadPool.h"

#include "Core/Error.h"
#include "Core/FloatMode.h"

#include <algorithm>
#include <climits>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace ampc {

static void futexWait(std::atomic<uint32_t> &word, uint32_t value) {
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

static void futexWake(std::atomic<uint32_t> &word, int count) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

static void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// Waits for `done` with the core given away now and then, as another session's
/// thread may need it. Gives up after a few tens of microseconds.
template <class Condition>
static bool spinUntil(Condition done) {
  for (int round = 0; round != 40; ++round) {
    for (int i = 0; i != 32; ++i) {
      if (done())
        return true;
      relax();
    }
    ::sched_yield();
  }
  return done();
}

int availableCores() {
  // Larger than any machine's set, as a smaller one makes the call fail.
  constexpr int kMostCores = 1 << 14;
  cpu_set_t *set = CPU_ALLOC(kMostCores);
  size_t size = CPU_ALLOC_SIZE(kMostCores);
  int count = 0;
  if (set && ::sched_getaffinity(0, size, set) == 0)
    count = CPU_COUNT_S(size, set);
  if (set)
    CPU_FREE(set);
  return std::max(count, 1);
}

ThreadPool::ThreadPool(int threads) {
  try {
    for (int i = 1; i < threads; ++i)
      workers.emplace_back([this, i] { work(i); });
  } catch (const std::system_error &error) {
    size_t started = workers.size() + 1;
    stop();
    throw Error(AMPC_STATUS_OUT_OF_MEMORY, concat("the system gives ", started, " threads, not ",
                                                  threads, " (", error.what(), "): ask for fewer"));
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  stopping = true;
  wakeWorkers();
  for (std::thread &worker : workers)
    worker.join();
  workers.clear();
}

void ThreadPool::wakeWorkers() {
  ++signal;
  futexWake(signal, INT_MAX);
}

bool ThreadPool::takeChunk(int thread) {
  uint64_t current = ticket.load(std::memory_order_acquire);
  while (true) {
    uint32_t left = uint32_t(current);
    if (left == 0)
      return false;
    Work function = job.load(std::memory_order_relaxed);
    void *argument = context.load(std::memory_order_relaxed);
    // Where this succeeds, the chunk was open all along, so that `job` and
    // `context` are of this job.
    if (!ticket.compare_exchange_weak(current, current - 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire))
      continue;
    function(argument, left - 1, thread);
    // Sequentially consistent with callerSleeps: one of the two sees the other.
    if (pending.fetch_sub(1) == 1 && callerSleeps.load() == 1)
      futexWake(pending, 1);
    return true;
  }
}

void ThreadPool::run(int64_t chunks, bool wake, Work work, void *argument) {
  if (workers.empty() || chunks <= 1) {
    for (int64_t chunk = 0; chunk < chunks; ++chunk)
      work(argument, chunk, 0);
    return;
  }
  job.store(work, std::memory_order_relaxed);
  context.store(argument, std::memory_order_relaxed);
  pending.store(uint32_t(chunks), std::memory_order_relaxed);
  uint64_t number = ticket.load(std::memory_order_relaxed) >> 32;
  // Sequentially consistent with `sleepers`: a worker that falls asleep either
  // sees the job or is seen.
  ticket.store((number + 1) << 32 | uint32_t(chunks));
  if (wake && sleepers.load() > 0)
    wakeWorkers();

  while (takeChunk(0)) {
  }
  if (spinUntil([&] { return pending.load() == 0; }))
    return;
  callerSleeps = 1;
  while (uint32_t left = pending.load())
    futexWait(pending, left);
  callerSleeps = 0;
}

void ThreadPool::work(int thread) {
  // A thread starts with its maker's mode.
  FloatMode mode;
  auto hasWork = [&] { return uint32_t(ticket.load()) != 0 || stopping; };
  while (!stopping) {
    if (takeChunk(thread))
      continue;
    if (spinUntil(hasWork))
      continue;
    uint32_t seen = signal.load();
    ++sleepers;
    if (!hasWork())
      futexWait(signal, seen);
    --sleepers;
  }
}

} // namespace ampc
