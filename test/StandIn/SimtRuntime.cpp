//===- SimtRuntime.cpp - Runs device kernels on the CPU -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SimtRuntime.h"
#include "SimtFiber.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <mutex>
#include <numeric>
#include <random>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

AMPC_SIMT_FIBER_ASM

namespace ampc::simt {
namespace {

constexpr int kWarp = kSimtWarpSize;
constexpr int kMaxThreads = 1024;
constexpr size_t kStackBytes = 64 * 1024; // mapped on first touch
constexpr size_t kWorkgroupAlignment = 128;

enum class State : uint8_t { Ready, AtBarrier, AtShuffle, Done };

struct Block;

struct Fiber : SimtThread {
  Block *block;
  Context context;
  int index;
  State state;
  // The barrier or shuffle in progress, and the shuffle's outcome.
  int32_t offset, width, mode, site;
  int64_t value, result;
  bool valid;
};

/// Stacks of a worker, each with a page below it that ends the process when
/// touched.
class Stacks {
public:
  ~Stacks() {
    if (memory)
      munmap(memory, mapped);
  }
  bool reserve(int threads) {
    const size_t page = size_t(sysconf(_SC_PAGESIZE));
    const size_t needed = threads * (page + kStackBytes);
    if (mapped >= needed)
      return true;
    if (memory)
      munmap(memory, mapped);
    mapped = 0;
    void *fresh = mmap(nullptr, needed, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    memory = fresh == MAP_FAILED ? nullptr : static_cast<char *>(fresh);
    if (!memory)
      return false;
    mapped = needed;
    stride = page + kStackBytes;
    for (int i = 0; i < threads; ++i)
      if (mprotect(memory + i * stride, page, PROT_NONE))
        return false;
    return true;
  }
  char *bottom(int i) const { return memory + (i + 1) * stride - kStackBytes; }
  /// Tops of stacks a page apart would share one set of each cache.
  static size_t size(int i) { return kStackBytes - size_t(i * 5 % 64) * 64; }

private:
  char *memory = nullptr;
  size_t mapped = 0, stride = 0;
};

/// The block that a worker is running; reused from block to block.
struct Block {
  const SimtKernel *kernel = nullptr;
  void **parameters = nullptr;
  std::vector<Fiber> fibers;
  /// The turn of each thread, and the thread of each turn.
  std::vector<int> turn, threadAt;
  Stacks stacks;
  Context scheduler;
  int live = 0, atBarrier = 0;
  /// Lanes of each warp that have left or wait at a shuffle.
  int stopped[kMaxThreads / kWarp];
  std::string error;

  bool run(const SimtThread &prototype, int threads, std::mt19937_64 *shuffle);
  void suspend(Fiber &self);
  int nextReady(const Fiber &from) const;
  void tryReleaseBarrier();
  void tryResolveShuffle(int warp);
  void fail(const std::string &what);
};

void fiberMain(void *arg) {
  auto *self = static_cast<Fiber *>(arg);
  Block &block = *self->block;
  entered(block.scheduler);
  block.kernel->run(self, block.parameters);
  self->state = State::Done;
  --block.live;
  ++block.stopped[self->index / kWarp];
  // A thread that has left no longer holds the others back.
  block.tryResolveShuffle(self->index / kWarp);
  block.tryReleaseBarrier();
  block.suspend(*self);
  std::abort(); // a finished fiber is never entered again
}

void Block::fail(const std::string &what) {
  if (!error.empty())
    return;
  const int64_t *id = fibers[0].blockId;
  error = "kernel '" + std::string(kernel->name) + "', block (" + std::to_string(id[0]) + ", " +
          std::to_string(id[1]) + ", " + std::to_string(id[2]) + "): " + what;
}

/// The next thread to run after `from`, -1 if there is none. In natural order a
/// warp's lanes follow one another, so that shuffles finish early.
int Block::nextReady(const Fiber &from) const {
  const int n = int(fibers.size()), at = turn[from.index];
  const int warp = at / kWarp * kWarp, end = std::min(warp + kWarp, n);
  auto search = [&](int first, int last) {
    for (int i = first; i < last; ++i)
      if (fibers[threadAt[i]].state == State::Ready)
        return threadAt[i];
    return -1;
  };
  int next = search(at + 1, end);
  if (next < 0)
    next = search(warp, at + 1);
  if (next < 0)
    next = search(end, n);
  return next < 0 ? search(0, warp) : next;
}

/// Leaves `self` until its state is Ready again.
void Block::suspend(Fiber &self) {
  if (self.state == State::Ready && error.empty())
    return;
  int next = error.empty() ? nextReady(self) : -1;
  if (next < 0 && live && error.empty()) {
    const Fiber &waiting = *std::find_if(fibers.begin(), fibers.end(), [](const Fiber &f) {
      return f.state == State::AtBarrier || f.state == State::AtShuffle;
    });
    fail("deadlock: thread " + std::to_string(waiting.index) + " and others wait at a " +
         (waiting.state == State::AtBarrier ? "barrier" : "shuffle") +
         " that not all threads reach");
  }
  switchTo(self.context, next < 0 ? scheduler : fibers[next].context,
           /*last=*/self.state == State::Done);
}

/// Returns false where there is no memory for stacks.
bool Block::run(const SimtThread &prototype, int threads, std::mt19937_64 *shuffle) {
  if (!stacks.reserve(threads))
    return false;
  fibers.resize(threads);
  threadAt.resize(threads);
  turn.resize(threads);
  std::iota(threadAt.begin(), threadAt.end(), 0);
  if (shuffle)
    std::shuffle(threadAt.begin(), threadAt.end(), *shuffle);
  for (int i = 0; i < threads; ++i)
    turn[threadAt[i]] = i;
  int64_t id[3] = {0, 0, 0};
  for (int i = 0; i < threads; ++i) {
    Fiber &f = fibers[i];
    static_cast<SimtThread &>(f) = prototype;
    std::copy(id, id + 3, f.threadId);
    for (int d = 0; d < 3 && ++id[d] == prototype.blockSize[d]; ++d)
      id[d] = 0;
    f.block = this;
    f.index = i;
    f.state = State::Ready;
    start(f.context, stacks.bottom(i), Stacks::size(i), fiberMain, &f);
  }
  live = threads;
  atBarrier = 0;
  std::fill(std::begin(stopped), std::end(stopped), 0);
  // Comes back when all threads are done, or on an error (the other stacks are
  // then dropped: kernels own nothing).
  switchTo(scheduler, fibers[threadAt[0]].context);
  return true;
}

void Block::tryReleaseBarrier() {
  if (!live || atBarrier != live)
    return;
  const Fiber *first = nullptr;
  for (Fiber &f : fibers) {
    if (f.state != State::AtBarrier)
      continue;
    if (first && f.site != first->site)
      fail("divergent barrier: threads " + std::to_string(first->index) + " and " +
           std::to_string(f.index) + " wait at different ones");
    first = first ? first : &f;
    f.state = State::Ready;
  }
  atBarrier = 0;
}

/// Once all live lanes [0, width) have arrived, gives each its value: the
/// member mask that MLIR gives to shfl.sync. Lanes from `width` on may wait at
/// another shuffle meanwhile.
void Block::tryResolveShuffle(int warp) {
  Fiber *lanes = &fibers[warp * kWarp];
  int width = std::min<int>(kWarp, int(fibers.size()) - warp * kWarp);
  Fiber *first = std::find_if(lanes, lanes + width,
                              [](const Fiber &f) { return f.state == State::AtShuffle; });
  if (first == lanes + width)
    return;
  width = std::min(width, first->width);
  if (stopped[warp] < width)
    return;
  for (int i = 0; i < width; ++i)
    if (lanes[i].state != State::AtShuffle && lanes[i].state != State::Done)
      return;
  for (int i = 0; i < width; ++i) {
    Fiber &f = lanes[i];
    if (f.state != State::AtShuffle)
      continue;
    if (f.site != first->site || f.width != first->width)
      fail("divergent shuffle: threads " + std::to_string(first->index) + " and " +
           std::to_string(f.index) + " wait at different ones");
    int source = f.offset;
    switch (SimtShuffle(f.mode)) {
    case SimtShuffle::Xor:
      source = i ^ f.offset;
      break;
    case SimtShuffle::Down:
      source = i + f.offset;
      break;
    case SimtShuffle::Up:
      source = i - f.offset;
      break;
    case SimtShuffle::Index:
      break;
    }
    f.valid = source >= 0 && source < width && lanes[source].state != State::Done;
    f.result = f.valid ? lanes[source].value : f.value;
  }
  for (int i = 0; i < width; ++i)
    if (lanes[i].state == State::AtShuffle) {
      lanes[i].state = State::Ready;
      --stopped[warp];
    }
}

void barrier(SimtThread *thread, int32_t site) {
  Fiber &self = *static_cast<Fiber *>(thread);
  Block &block = *self.block;
  self.site = site;
  self.state = State::AtBarrier;
  ++block.atBarrier;
  block.tryReleaseBarrier();
  block.suspend(self);
}

int64_t shuffle(SimtThread *thread, int64_t value, int32_t offset, int32_t width, int32_t mode,
                int32_t site) {
  Fiber &self = *static_cast<Fiber *>(thread);
  Block &block = *self.block;
  if (self.index % kWarp >= width) { // takes no part
    self.valid = false;
    return value;
  }
  self.value = value;
  self.offset = offset;
  self.width = width;
  self.mode = mode;
  self.site = site;
  self.state = State::AtShuffle;
  ++block.stopped[self.index / kWarp];
  block.tryResolveShuffle(self.index / kWarp);
  block.suspend(self);
  return self.result;
}

int32_t shuffleValid(SimtThread *thread) { return static_cast<Fiber *>(thread)->valid; }

constexpr SimtCalls kCalls = {barrier, shuffle, shuffleValid};

/// The blocks of one launch, handed out to workers.
class Launch {
public:
  Launch(const SimtKernel &kernel, Dim3 grid, Dim3 block, void **parameters,
         const LaunchOptions &options)
      : kernel(kernel), grid(grid), block(block), parameters(parameters), options(options),
        blocks(grid.x * grid.y * grid.z) {
    if (!options.seed)
      return;
    // Block (i * step + first) % blocks is the i-th to run.
    std::mt19937_64 random(options.seed);
    first = int64_t(random() % uint64_t(blocks));
    do
      step = 1 + int64_t(random() % uint64_t(blocks));
    while (std::gcd(step, blocks) != 1);
  }

  std::string run() {
    std::vector<std::thread> pool;
    for (int i = 1; i < options.workers; ++i)
      pool.emplace_back([this] { work(); });
    work();
    for (std::thread &t : pool)
      t.join();
    return error;
  }

private:
  void work();
  void fail(const std::string &what) {
    std::lock_guard<std::mutex> lock(mutex);
    if (error.empty())
      error = what;
    failed = true;
  }

  const SimtKernel &kernel;
  Dim3 grid, block;
  void **parameters;
  LaunchOptions options;
  int64_t blocks, first = 0, step = 1;
  std::atomic<int64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::string error;
};

void Launch::work() {
  SimtThread prototype{};
  prototype.blockSize[0] = block.x, prototype.blockSize[1] = block.y,
  prototype.blockSize[2] = block.z;
  prototype.gridSize[0] = grid.x, prototype.gridSize[1] = grid.y, prototype.gridSize[2] = grid.z;
  prototype.calls = &kCalls;
  const size_t bytes = (size_t(kernel.workgroupBytes) + kWorkgroupAlignment - 1) /
                       kWorkgroupAlignment * kWorkgroupAlignment;
  std::unique_ptr<void, decltype(&std::free)> memory(
      bytes ? std::aligned_alloc(kWorkgroupAlignment, bytes) : nullptr, std::free);
  prototype.workgroupMemory = memory.get();
  Block state;
  state.kernel = &kernel;
  state.parameters = parameters;
  std::mt19937_64 random(options.seed);
  const int threads = int(block.x * block.y * block.z);

  for (int64_t i; !failed && (i = next++) < blocks;) {
    const int64_t b = int64_t((__int128(i) * step + first) % blocks);
    prototype.blockId[0] = b % grid.x;
    prototype.blockId[1] = b / grid.x % grid.y;
    prototype.blockId[2] = b / (grid.x * grid.y);
    if (bytes) // a NaN, so that what is read before it is written shows
      std::memset(memory.get(), 0xff, bytes);
    if (!kernel.usesFibers) {
      kernel.run(&prototype, parameters);
    } else if (!state.run(prototype, threads, options.seed ? &random : nullptr)) {
      fail("no memory for the stacks of " + std::to_string(threads) + " threads");
    } else if (!state.error.empty()) {
      fail(state.error);
    }
  }
}

} // namespace

std::string launch(const SimtKernel &kernel, Dim3 grid, Dim3 block, void **parameters,
                   const LaunchOptions &options) {
  auto text = [](int64_t x, int64_t y, int64_t z) {
    return "(" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
  };
  const std::string name = "kernel '" + std::string(kernel.name) + "': ";
  const int64_t dims[3] = {block.x, block.y, block.z};
  for (int d = 0; d < 3; ++d)
    if (kernel.blockSize[d] && kernel.blockSize[d] != dims[d])
      return name + "launched with blocks of " + text(block.x, block.y, block.z) +
             ", compiled for " +
             text(kernel.blockSize[0], kernel.blockSize[1], kernel.blockSize[2]);
  if (block.x < 1 || block.y < 1 || block.z < 1 || block.x > kMaxThreads || block.y > kMaxThreads ||
      block.z > 64 || block.x * block.y * block.z > kMaxThreads)
    return name + "a block of " + text(block.x, block.y, block.z) + " has not 1 to 1024 threads";
  if (grid.x < 1 || grid.y < 1 || grid.z < 1 || grid.x > 0x7fffffff || grid.y > 0xffff ||
      grid.z > 0xffff)
    return name + "a grid cannot be " + text(grid.x, grid.y, grid.z);
  return Launch(kernel, grid, block, parameters, options).run();
}

std::unique_ptr<Library> Library::load(const std::string &path, std::string &error) {
  std::unique_ptr<Library> library(new Library);
  library->handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library->handle) {
    error = dlerror();
    return nullptr;
  }
  library->table = static_cast<const SimtLibrary *>(dlsym(library->handle, kSimtSymbol));
  if (!library->table || library->table->version != kSimtVersion) {
    error = path + ": no library of device kernels for the CPU of version " +
            std::to_string(kSimtVersion);
    return nullptr;
  }
  return library;
}

Library::~Library() {
  if (handle)
    dlclose(handle);
}

bool Library::belongsTo(const void *image) const {
  const uint64_t hash = simtImageHash(image, simtImageBytes(image));
  const uint64_t *hashes = table->imageHashes, *end = hashes + table->imageCount;
  return std::find(hashes, end, hash) != end;
}

const SimtKernel *Library::find(const std::string &name) const {
  for (uint64_t i = 0; i < table->kernelCount; ++i)
    if (name == table->kernels[i].name)
      return &table->kernels[i];
  return nullptr;
}

std::vector<std::unique_ptr<Library>> loadLibraries(std::string &error) {
  std::vector<std::unique_ptr<Library>> libraries;
  const char *value = std::getenv(kSimtEnvironment);
  std::string paths = value ? value : "";
  for (size_t at = 0; at < paths.size();) {
    size_t end = std::min(paths.find(':', at), paths.size());
    if (end > at) {
      libraries.push_back(Library::load(paths.substr(at, end - at), error));
      if (!libraries.back()) {
        error = std::string(kSimtEnvironment) + ": " + error;
        return {};
      }
    }
    at = end + 1;
  }
  return libraries;
}

} // namespace ampc::simt
