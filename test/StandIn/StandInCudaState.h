//===- StandInCudaState.h - The state of the stand-in driver -----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Shared by the two stand-in libraries. All of it is guarded by one lock, which
// an Entry holds.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_STANDINCUDASTATE_H
#define AMPC_TEST_STANDIN_STANDINCUDASTATE_H

#include "Cuda/CudaApi.h"
#include "StandInCuda.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

namespace ampc::standin {

using namespace cuda;

/// Memory of the device or pinned memory of the host.
struct Allocation {
  uint64_t bytes = 0;
  std::unique_ptr<char[]> storage; ///< with a red zone at each end
  char *data = nullptr;            ///< aligned
};

/// A piece of work. `run` returns what is wrong with it, or "".
struct Work {
  std::function<std::string(Event &)> run;
  Event event;
  /// The recording of an event that it starts after, if any.
  struct EventState *awaited = nullptr;
  uint64_t recording = 0;
};

struct Graph {
  struct Node {
    Work work;
    std::vector<size_t> after; ///< earlier nodes
  };
  std::vector<Node> nodes;

  /// An order of the nodes that the graph allows: as they were recorded, or with a seed one that
  /// is drawn.
  std::vector<size_t> order(uint64_t seed) const;
  /// Whether every node is one of `last` or comes before one.
  bool endsWith(const std::vector<size_t> &last) const;
};

/// What a stream records into, and the nodes that the next one comes after.
struct Capture {
  std::shared_ptr<Graph> graph;
  std::vector<size_t> last;
  explicit operator bool() const { return graph != nullptr; }
};

struct EventState {
  uint64_t recorded = 0, reached = 0; ///< counts of recordings
  struct Stream *stream = nullptr;
  Capture capture; ///< where it was recorded into a graph
};

struct Stream {
  std::deque<Work> queue;
  Capture capture;
  bool beganCapture = false, captureFailed = false;
};

class AMPC_STANDIN_API State {
public:
  static State &get();
  void reset();

  //===--- Objects --------------------------------------------------------===//

  /// What `handle` is, until forget(). `kind` is what leaks() calls it.
  void remember(const void *handle, const std::string &kind);
  /// Whether it is alive and of this kind; else that is misuse.
  bool check(const void *handle, const std::string &kind);
  void forget(const void *handle) { objects.erase(handle); }

  //===--- Memory ---------------------------------------------------------===//

  CUresult allocate(uint64_t bytes, CUdeviceptr &address);
  bool free(CUdeviceptr address);
  void *allocateHost(uint64_t bytes);
  bool freeHost(void *address);
  bool isPinned(const void *address, uint64_t bytes) const;
  uint64_t freeBytes() const { return deviceBytes - usedBytes; }
  /// The host's address of [address, address + bytes) of the device; null where
  /// that is not in one allocation.
  char *translate(CUdeviceptr address, uint64_t bytes);
  /// Complains where the bytes around an allocation have changed, once.
  void checkRedZones(Allocation &allocation, const std::string &what);
  /// The allocation that holds the address, and where in it.
  Allocation *find(CUdeviceptr address, uint64_t &offset);

  //===--- Work -----------------------------------------------------------===//

  /// Into the stream's queue, or the graph that it records.
  CUresult enqueue(CUstream stream, Work work);
  /// Runs what is in the queue, up to the recording `until` of `event`.
  void drain(Stream &stream, const EventState *event = nullptr, uint64_t until = 0);
  void drainAll();
  std::vector<Stream *> streams() const;

  void complain(const std::string &what);
  void record(Event event);

  // The environment.
  uint64_t failAt = 0;
  int failWith = -1;
  uint64_t seed = 0;
  bool interprets = false; ///< PTX, where there are compiled kernels too
  int devices = 1, architecture = 90, driverVersion = 13000;
  uint64_t deviceBytes = uint64_t(4) << 30;

  std::recursive_mutex lock;
  bool isInitialized = false;
  /// After work has failed, what every later call returns.
  CUresult lost = CUDA_SUCCESS;
  uint64_t calls = 0;
  std::map<const void *, std::pair<std::string, uint64_t>> objects;
  std::map<CUdeviceptr, Allocation> memory;
  std::map<const char *, Allocation> pinned;
  std::vector<std::string> complaints;
  std::vector<Event> events;
  std::map<int, int> retained; ///< primary contexts, by device

private:
  State();
  ~State();
  void readEnvironment();
  std::string leakText();
  friend std::string leaks();

  CUdeviceptr nextAddress = 0;
  uint64_t usedBytes = 0;
  std::string traceFile, reportFile;
};

/// Whether the calling thread has a context.
bool hasCurrentContext();

/// At the head of every function that the stand-ins export.
class AMPC_STANDIN_API Entry {
public:
  enum Kind {
    Free,   ///< needs no context, and works after a failure
    Plain,  ///< needs an initialized driver
    Device, ///< needs a current context too
  };
  Entry(const char *name, Kind kind = Device);
  ~Entry();

  /// What the function returns at once, or CUDA_SUCCESS. `usual` is the error of
  /// AMPC_STANDIN_FAIL where it names none.
  int early(int usual = CUDA_ERROR_UNKNOWN) const;
  /// What a function that gives something back returns after doing so.
  int late(int usual = CUDA_ERROR_UNKNOWN) const { return early(usual); }

  Event event;

private:
  std::unique_lock<std::recursive_mutex> guard;
  State &state;
  Kind kind;
  bool mustFail;
};

} // namespace ampc::standin

#endif // AMPC_TEST_STANDIN_STANDINCUDASTATE_H
