//===- ThreadPoolTest.cpp - Jobs, chunks and threads ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Host/ThreadPool.h"

#include <chrono>
#include <gtest/gtest.h>
#include <memory>
#include <numeric>
#include <unistd.h>

using namespace ampc;

TEST(ThreadPool, RunsEachChunkOnce) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int job = 0; job != 20000; ++job) {
      int64_t chunks = job % 9;
      int counts[9] = {};
      std::atomic<int> inUse[5] = {};
      pool.run(chunks, job % 2, [&](int64_t chunk, int thread) {
        EXPECT_EQ(inUse[thread]++, 0) << "two chunks share a thread number";
        ++counts[chunk];
        --inUse[thread];
      });
      for (int64_t i = 0; i != 9; ++i)
        ASSERT_EQ(counts[i], i < chunks);
    }
  }
}

TEST(ThreadPool, WorkersHelpAfterTheySlept) {
  ThreadPool pool(3);
  for (int round = 0; round != 20; ++round) {
    ::usleep(2000); // longer than they spin
    std::atomic<int> started{0};
    // Ends only once all three are in it.
    pool.run(3, true, [&](int64_t, int) {
      ++started;
      while (started != 3)
        std::this_thread::yield();
    });
    EXPECT_EQ(started, 3);
  }
}

TEST(ThreadPool, SleepingWorkersTakeNoTime) {
  ThreadPool pool(4);
  pool.run(4, true, [](int64_t, int) {});
  ::usleep(20000);
  std::clock_t before = std::clock();
  ::usleep(100000);
  EXPECT_LT(double(std::clock() - before) / CLOCKS_PER_SEC, 0.02);
}

TEST(ThreadPool, ManyPoolsAtOnce) {
  std::vector<std::thread> owners;
  std::atomic<int64_t> total{0};
  for (int i = 0; i != 4; ++i)
    owners.emplace_back([&] {
      ThreadPool pool(3);
      for (int job = 0; job != 2000; ++job)
        pool.run(7, true, [&](int64_t chunk, int) { total += chunk; });
    });
  for (std::thread &owner : owners)
    owner.join();
  EXPECT_EQ(total, 4 * 2000 * 21);
}
