//===- StandInCuda.cpp - The functions of the stand-in driver -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Devices, contexts, memory, streams, events and graphs. Modules and kernels are
// in StandInCudaKernels.cpp.
//
//===----------------------------------------------------------------------===//

#include "StandInCudaState.h"

#include <cstring>

using namespace ampc::standin;
using namespace ampc::cuda;

namespace {

/// A context is the number of its device, plus one.
thread_local std::vector<CUcontext> contexts;

State &state() { return State::get(); }

Stream &streamOf(CUstream handle) { return *reinterpret_cast<Stream *>(handle); }
EventState &eventOf(CUevent handle) { return *reinterpret_cast<EventState *>(handle); }
Graph &graphOf(const void *handle) { return *static_cast<Graph *>(const_cast<void *>(handle)); }

template <class Object, class Handle>
Handle make(const char *kind) {
  auto *object = new Object;
  state().remember(object, kind);
  return reinterpret_cast<Handle>(object);
}

template <class Object>
CUresult destroy(const void *handle, const char *kind) {
  if (!state().check(handle, kind))
    return CUDA_ERROR_INVALID_HANDLE;
  state().forget(handle);
  delete static_cast<Object *>(const_cast<void *>(handle));
  return CUDA_SUCCESS;
}

Work makeWork(const char *name, std::vector<Event::Argument> arguments, uint64_t readBytes,
              uint64_t writtenBytes) {
  Work work;
  work.event.name = name;
  work.event.isWork = true;
  work.event.arguments = std::move(arguments);
  work.event.readBytes = readBytes;
  work.event.writtenBytes = writtenBytes;
  return work;
}

/// A range that a call names must be there when it is called, and again when the
/// work runs.
CUresult checkRange(CUdeviceptr address, uint64_t bytes) {
  if (state().translate(address, bytes))
    return CUDA_SUCCESS;
  state().complain("a range of " + std::to_string(bytes) +
                   " bytes is not in one allocation of the device");
  return CUDA_ERROR_INVALID_VALUE;
}

/// Waiting for a stream that records a graph makes the recording worthless.
CUresult checkNotCapturing(CUstream handle) {
  if (!streamOf(handle).capture)
    return CUDA_SUCCESS;
  streamOf(handle).captureFailed = true;
  state().complain("a wait while the stream records a graph");
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

} // namespace

bool ampc::standin::hasCurrentContext() { return !contexts.empty(); }

#define EXPORT extern "C" __attribute__((visibility("default"))) CUresult
#define BEGIN(...)                                                                                 \
  Entry entry(__VA_ARGS__);                                                                        \
  if (CUresult result = entry.early())                                                             \
  return result

//===----------------------------------------------------------------------===//
// Driver and devices
//===----------------------------------------------------------------------===//

EXPORT cuInit(unsigned) {
  BEGIN("cuInit", Entry::Free);
  if (state().devices == 0)
    return CUDA_ERROR_NO_DEVICE;
  state().isInitialized = true;
  return CUDA_SUCCESS;
}

EXPORT cuDriverGetVersion(int *version) {
  BEGIN("cuDriverGetVersion", Entry::Free);
  *version = state().driverVersion;
  return CUDA_SUCCESS;
}

// These two cannot fail in a way that matters, and are not counted.
EXPORT cuGetErrorName(CUresult error, const char **text) {
  *text = nullptr;
#define AMPC_CUDA_CASE(name, value)                                                                \
  if (std::strncmp(#name, "CU_", 3) != 0 && error == value)                                        \
    *text = #name;
  AMPC_CUDA_CONSTANTS(AMPC_CUDA_CASE)
#undef AMPC_CUDA_CASE
  return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

EXPORT cuGetErrorString(CUresult error, const char **text) {
  if (cuGetErrorName(error, text))
    return CUDA_ERROR_INVALID_VALUE;
  *text = "as the stand-in driver says";
  return CUDA_SUCCESS;
}

EXPORT cuDeviceGetCount(int *count) {
  BEGIN("cuDeviceGetCount", Entry::Plain);
  *count = state().devices;
  return CUDA_SUCCESS;
}

EXPORT cuDeviceGet(CUdevice *device, int ordinal) {
  BEGIN("cuDeviceGet", Entry::Plain);
  if (ordinal < 0 || ordinal >= state().devices)
    return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

EXPORT cuDeviceGetName(char *name, int length, CUdevice) {
  BEGIN("cuDeviceGetName", Entry::Plain);
  std::strncpy(name, "Stand-in", length);
  return CUDA_SUCCESS;
}

EXPORT cuDeviceGetAttribute(int *value, int attribute, CUdevice) {
  BEGIN("cuDeviceGetAttribute", Entry::Plain);
  if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
    *value = state().architecture / 10;
  else if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)
    *value = state().architecture % 10;
  else
    return CUDA_ERROR_INVALID_VALUE;
  return CUDA_SUCCESS;
}

//===----------------------------------------------------------------------===//
// Contexts
//===----------------------------------------------------------------------===//

EXPORT cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  BEGIN("cuDevicePrimaryCtxRetain", Entry::Plain);
  ++state().retained[device];
  *context = reinterpret_cast<CUcontext>(uintptr_t(device) + 1);
  return CUDA_SUCCESS;
}

EXPORT cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  Entry entry("cuDevicePrimaryCtxRelease", Entry::Plain);
  if (--state().retained[device] < 0)
    state().complain("a context is released that is not retained");
  return entry.late();
}

EXPORT cuCtxPushCurrent_v2(CUcontext context) {
  BEGIN("cuCtxPushCurrent", Entry::Plain);
  if (state().retained[int(reinterpret_cast<uintptr_t>(context)) - 1] <= 0) {
    state().complain("a context is made current that is not retained");
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  contexts.push_back(context);
  return CUDA_SUCCESS;
}

EXPORT cuCtxPopCurrent_v2(CUcontext *context) {
  Entry entry("cuCtxPopCurrent", Entry::Plain);
  if (contexts.empty()) {
    state().complain("no context to pop");
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  *context = contexts.back();
  contexts.pop_back();
  return entry.late();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

EXPORT cuMemGetInfo_v2(size_t *free, size_t *total) {
  BEGIN("cuMemGetInfo");
  *free = state().freeBytes();
  *total = state().deviceBytes;
  return CUDA_SUCCESS;
}

EXPORT cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  BEGIN("cuMemAlloc");
  return state().allocate(bytes, *address);
}

EXPORT cuMemFree_v2(CUdeviceptr address) {
  Entry entry("cuMemFree");
  state().drainAll(); // as the real one waits
  if (!state().free(address))
    return CUDA_ERROR_INVALID_VALUE;
  return entry.late();
}

EXPORT cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  BEGIN("cuMemHostAlloc");
  *address = state().allocateHost(bytes);
  return CUDA_SUCCESS;
}

EXPORT cuMemFreeHost(void *address) {
  Entry entry("cuMemFreeHost");
  state().drainAll();
  if (!state().freeHost(address))
    return CUDA_ERROR_INVALID_VALUE;
  return entry.late();
}

EXPORT cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  BEGIN("cuMemcpyHtoDAsync");
  if (CUresult result = checkRange(to, bytes))
    return result;
  Work work = makeWork("upload", {{to, bytes, 0}}, 0, bytes);
  if (state().isPinned(from, bytes)) {
    // Read when its turn comes: the caller must leave it alone until then.
    work.run = [=](Event &) -> std::string {
      char *memory = state().translate(to, bytes);
      if (!memory || !state().isPinned(from, bytes))
        return "memory was freed before it was copied";
      std::memcpy(memory, from, bytes);
      return "";
    };
  } else {
    auto at = static_cast<const char *>(from);
    work.run = [=, copy = std::vector<char>(at, at + bytes)](Event &) {
      char *memory = state().translate(to, bytes);
      if (!memory)
        return "memory was freed before it was copied";
      std::memcpy(memory, copy.data(), bytes);
      return "";
    };
  }
  return state().enqueue(stream, std::move(work));
}

EXPORT cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  BEGIN("cuMemcpyDtoHAsync");
  if (CUresult result = checkRange(from, bytes))
    return result;
  bool pinned = state().isPinned(to, bytes);
  Work work = makeWork("download", {{from, bytes, 0}}, bytes, 0);
  work.run = [=](Event &) -> std::string {
    char *memory = state().translate(from, bytes);
    if (!memory || (pinned && !state().isPinned(to, bytes)))
      return "memory was freed before it was copied";
    std::memcpy(to, memory, bytes);
    return "";
  };
  CUresult result = state().enqueue(stream, std::move(work));
  // Ordinary memory may be gone when the call is back.
  if (!result && !pinned)
    state().drain(streamOf(stream));
  return result ? result : state().lost;
}

EXPORT cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  BEGIN("cuMemcpyDtoDAsync");
  CUresult result = checkRange(to, bytes);
  if (!result)
    result = checkRange(from, bytes);
  if (result)
    return result;
  if (to != from && to < from + bytes && from < to + bytes)
    state().complain("a copy whose ranges overlap");
  Work work = makeWork("copy", {{from, bytes, 0}, {to, bytes, 0}}, bytes, bytes);
  work.run = [=](Event &) -> std::string {
    char *target = state().translate(to, bytes);
    char *source = state().translate(from, bytes);
    if (!target || !source)
      return "memory was freed before it was copied";
    std::memmove(target, source, bytes);
    return "";
  };
  return state().enqueue(stream, std::move(work));
}

template <class T>
static CUresult fill(CUdeviceptr to, T value, size_t count, CUstream stream) {
  size_t bytes = count * sizeof(T);
  if (CUresult result = checkRange(to, bytes))
    return result;
  Work work = makeWork("fill", {{to, bytes, 0}}, 0, bytes);
  work.run = [=](Event &) -> std::string {
    char *memory = state().translate(to, bytes);
    if (!memory)
      return "memory was freed before it was filled";
    for (size_t i = 0; i != count; ++i)
      std::memcpy(memory + i * sizeof(T), &value, sizeof(T));
    return "";
  };
  return state().enqueue(stream, std::move(work));
}

EXPORT cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  BEGIN("cuMemsetD8Async");
  return fill(to, value, count, stream);
}

EXPORT cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t count, CUstream stream) {
  BEGIN("cuMemsetD16Async");
  if (to % sizeof(value) != 0)
    return CUDA_ERROR_INVALID_VALUE;
  return fill(to, value, count, stream);
}

//===----------------------------------------------------------------------===//
// Streams and events
//===----------------------------------------------------------------------===//

EXPORT cuStreamCreate(CUstream *stream, unsigned) {
  BEGIN("cuStreamCreate");
  *stream = make<Stream, CUstream>("stream");
  return CUDA_SUCCESS;
}

EXPORT cuStreamDestroy_v2(CUstream stream) {
  Entry entry("cuStreamDestroy");
  if (state().check(stream, "stream")) {
    if (streamOf(stream).capture)
      state().complain("a stream is destroyed while it records a graph");
    state().drain(streamOf(stream));
  }
  if (CUresult result = destroy<Stream>(stream, "stream"))
    return result;
  return entry.late();
}

EXPORT cuStreamSynchronize(CUstream stream) {
  BEGIN("cuStreamSynchronize");
  if (!state().check(stream, "stream"))
    return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult result = checkNotCapturing(stream))
    return result;
  state().drain(streamOf(stream));
  return state().lost;
}

EXPORT cuEventCreate(CUevent *event, unsigned) {
  BEGIN("cuEventCreate");
  *event = make<EventState, CUevent>("event");
  return CUDA_SUCCESS;
}

EXPORT cuEventDestroy_v2(CUevent event) {
  Entry entry("cuEventDestroy");
  if (state().check(event, "event") && eventOf(event).stream)
    state().drainAll(); // what is in a queue refers to it
  if (CUresult result = destroy<EventState>(event, "event"))
    return result;
  return entry.late();
}

EXPORT cuEventRecord(CUevent event, CUstream stream) {
  BEGIN("cuEventRecord");
  if (!state().check(event, "event"))
    return CUDA_ERROR_INVALID_HANDLE;
  EventState &target = eventOf(event);
  target.capture = streamOf(stream).capture;
  if (target.capture)
    return CUDA_SUCCESS;
  uint64_t count = ++target.recorded;
  target.stream = &streamOf(stream);
  Work work; // without a name: no event of the trace
  work.run = [&target, count](Event &) {
    target.reached = count;
    return "";
  };
  return state().enqueue(stream, std::move(work));
}

EXPORT cuStreamWaitEvent(CUstream handle, CUevent event, unsigned) {
  BEGIN("cuStreamWaitEvent");
  if (!state().check(handle, "stream") || !state().check(event, "event"))
    return CUDA_ERROR_INVALID_HANDLE;
  Stream &stream = streamOf(handle);
  EventState &awaited = eventOf(event);
  if (awaited.capture) {
    // The stream takes part in the recording, if it does not yet.
    if (stream.capture && stream.capture.graph != awaited.capture.graph)
      return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    stream.capture.graph = awaited.capture.graph;
    stream.capture.last.insert(stream.capture.last.end(), awaited.capture.last.begin(),
                               awaited.capture.last.end());
    return CUDA_SUCCESS;
  }
  if (stream.capture) {
    stream.captureFailed = true;
    state().complain("a graph waits for an event from outside of it");
    return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
  }
  if (awaited.recorded == 0)
    return CUDA_SUCCESS;
  Work work; // without a name: no event of the trace
  work.run = [](Event &) { return ""; };
  work.awaited = &awaited;
  work.recording = awaited.recorded;
  return state().enqueue(handle, std::move(work));
}

EXPORT cuEventQuery(CUevent event) {
  BEGIN("cuEventQuery");
  if (!state().check(event, "event"))
    return CUDA_ERROR_INVALID_HANDLE;
  bool done = eventOf(event).reached == eventOf(event).recorded;
  return done ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

EXPORT cuEventSynchronize(CUevent handle) {
  BEGIN("cuEventSynchronize");
  if (!state().check(handle, "event"))
    return CUDA_ERROR_INVALID_HANDLE;
  EventState &event = eventOf(handle);
  if (event.stream)
    state().drain(*event.stream, &event, event.recorded);
  return state().lost;
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

EXPORT cuStreamBeginCapture_v2(CUstream stream, int) {
  BEGIN("cuStreamBeginCapture");
  if (!state().check(stream, "stream") || streamOf(stream).capture)
    return CUDA_ERROR_INVALID_VALUE;
  streamOf(stream).capture = {std::make_shared<Graph>(), {}};
  streamOf(stream).beganCapture = true;
  streamOf(stream).captureFailed = false;
  return CUDA_SUCCESS;
}

EXPORT cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  Entry entry("cuStreamEndCapture");
  *graph = nullptr;
  if (!state().check(stream, "stream") || !streamOf(stream).capture)
    return CUDA_ERROR_INVALID_VALUE;
  if (!streamOf(stream).beganCapture)
    return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  // An error ends the capture too, in all streams that take part.
  Capture recorded = streamOf(stream).capture;
  bool failed = false;
  for (Stream *other : state().streams())
    if (other->capture.graph == recorded.graph) {
      failed |= other->captureFailed;
      other->capture = {};
      other->beganCapture = other->captureFailed = false;
    }
  if (failed)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!recorded.graph->endsWith(recorded.last)) {
    state().complain("a graph with work that the recording stream does not wait for");
    return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  }
  if (CUresult result = entry.late())
    return result;
  *graph = make<Graph, CUgraph>("graph");
  graphOf(*graph).nodes = recorded.graph->nodes;
  return CUDA_SUCCESS;
}

EXPORT cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long) {
  BEGIN("cuGraphInstantiate");
  if (!state().check(graph, "graph"))
    return CUDA_ERROR_INVALID_HANDLE;
  *exec = make<Graph, CUgraphExec>("executable graph");
  graphOf(*exec).nodes = graphOf(graph).nodes;
  return CUDA_SUCCESS;
}

EXPORT cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  BEGIN("cuGraphLaunch");
  if (!state().check(exec, "executable graph"))
    return CUDA_ERROR_INVALID_HANDLE;
  for (size_t node : graphOf(exec).order(state().seed))
    if (CUresult result = state().enqueue(stream, graphOf(exec).nodes[node].work))
      return result;
  return CUDA_SUCCESS;
}

EXPORT cuGraphDestroy(CUgraph graph) {
  Entry entry("cuGraphDestroy");
  if (CUresult result = destroy<Graph>(graph, "graph"))
    return result;
  return entry.late();
}

EXPORT cuGraphExecDestroy(CUgraphExec exec) {
  Entry entry("cuGraphExecDestroy");
  if (CUresult result = destroy<Graph>(exec, "executable graph"))
    return result;
  return entry.late();
}
