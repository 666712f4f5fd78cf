//===- ThreadPool.h - Threads that share out one job at a time --*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_THREADPOOL_H
#define AMPC_RUNTIME_HOST_THREADPOOL_H

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace ampc {

/// A job is a number of chunks; whoever is free takes the next one. The caller
/// works as well, so that a job never waits for a sleeping worker: those that
/// wake in time help. Workers that find nothing to do spin for a moment and
/// then sleep. Belongs to one thread at a time.
class ThreadPool {
public:
  /// Computes chunk `chunk`; `thread` is below threads(), and no two threads
  /// have the same one at a time. Must not throw.
  using Work = void (*)(void *context, int64_t chunk, int thread);

  /// `threads` counts the caller. Throws AMPC_STATUS_OUT_OF_MEMORY where the
  /// system gives no more threads.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  int threads() const { return int(workers.size()) + 1; }

  /// Runs `work` for each chunk in [0, chunks), of which there are fewer than
  /// 2^31, and returns when all are done. A job of less than some ten
  /// microseconds is not worth a `wake`: it gets the workers that are awake.
  void run(int64_t chunks, bool wake, Work work, void *context);

  /// The same for a callable `work(chunk, thread)`.
  template <class Callable>
  void run(int64_t chunks, bool wake, Callable &&work) {
    run(
        chunks, wake,
        [](void *context, int64_t chunk, int thread) {
          (*static_cast<std::remove_reference_t<Callable> *>(context))(chunk, thread);
        },
        &work);
  }

private:
  void work(int thread);
  bool takeChunk(int thread);
  void wakeWorkers();
  void stop();

  std::vector<std::thread> workers;

  // The job. Written only while no chunk of it can be taken.
  std::atomic<Work> job{nullptr};
  std::atomic<void *> context{nullptr};

  // The number of the job in the upper half, its chunks not yet taken in the
  // lower. One word, so that a worker that comes late cannot take a chunk of
  // one job for the work of another.
  alignas(64) std::atomic<uint64_t> ticket{0};
  // Chunks not yet done.
  alignas(64) std::atomic<uint32_t> pending{0};
  // What sleeping workers wait on; changes with each job that wakes them.
  alignas(64) std::atomic<uint32_t> signal{0};
  std::atomic<int32_t> sleepers{0};
  std::atomic<bool> stopping{false};
  // 1 while the caller sleeps until the last chunk is done.
  alignas(64) std::atomic<uint32_t> callerSleeps{0};
};

/// The cores that this process may use; at least 1.
int availableCores();

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_THREADPOOL_H
