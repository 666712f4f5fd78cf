//===- StandInCudaState.cpp - The state of the stand-in driver ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StandInCudaState.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <utility>

namespace ampc::standin {

constexpr uint64_t kAlignment = 256, kRedZone = 4096;
constexpr char kRedByte = '\xfb';
/// No address of the host, so that taking one for the other ends the process.
constexpr CUdeviceptr kFirstAddress = CUdeviceptr(1) << 60;
/// Long runs are not kept whole.
constexpr size_t kMostEvents = 1000000;

State &State::get() {
  static State state;
  return state;
}

State::State() { readEnvironment(); }

static std::string text(const char *name) {
  const char *value = std::getenv(name);
  return value ? value : "";
}

static uint64_t number(const char *name, uint64_t usual) {
  std::string value = text(name);
  return value.empty() ? usual : std::strtoull(value.c_str(), nullptr, 10);
}

void State::readEnvironment() {
  std::string fail = text("AMPC_STANDIN_FAIL");
  size_t colon = fail.find(':');
  failAt = std::strtoull(fail.c_str(), nullptr, 10);
  failWith = colon == fail.npos ? -1 : std::atoi(fail.c_str() + colon + 1);
  seed = number("AMPC_STANDIN_SEED", 0);
  interprets = number("AMPC_STANDIN_INTERPRET", 0) != 0;
  devices = int(number("AMPC_STANDIN_DEVICES", 1));
  architecture = int(number("AMPC_STANDIN_ARCH", 90));
  driverVersion = int(number("AMPC_STANDIN_DRIVER_VERSION", 13000));
  deviceBytes = number("AMPC_STANDIN_MEMORY", uint64_t(4) << 30);
  traceFile = text("AMPC_STANDIN_TRACE");
  reportFile = text("AMPC_STANDIN_REPORT");
}

void State::reset() {
  std::lock_guard<std::recursive_mutex> guard(lock);
  isInitialized = false;
  lost = CUDA_SUCCESS;
  calls = 0;
  objects.clear();
  memory.clear();
  pinned.clear();
  complaints.clear();
  events.clear();
  retained.clear();
  usedBytes = 0;
  readEnvironment();
}

void State::complain(const std::string &what) {
  complaints.push_back("call " + std::to_string(calls) + ": " + what);
}

void State::record(Event event) {
  if (events.size() < kMostEvents)
    events.push_back(std::move(event));
}

//===----------------------------------------------------------------------===//
// Objects
//===----------------------------------------------------------------------===//

void State::remember(const void *handle, const std::string &kind) {
  objects[handle] = {kind, calls};
}

bool State::check(const void *handle, const std::string &kind) {
  auto found = objects.find(handle);
  if (found != objects.end() && found->second.first == kind)
    return true;
  complain("not a live " + kind);
  return false;
}

std::string State::leakText() {
  std::string result;
  auto add = [&](const std::string &what) { result += what + "\n"; };
  for (const auto &[handle, object] : objects)
    add("a " + object.first + " made by call " + std::to_string(object.second));
  for (const auto &[address, allocation] : memory)
    add(std::to_string(allocation.bytes) + " bytes of the device");
  for (const auto &[address, allocation] : pinned)
    add(std::to_string(allocation.bytes) + " pinned bytes of the host");
  for (const auto &[device, count] : retained)
    if (count != 0)
      add("the context of device " + std::to_string(device) + ", retained " +
          std::to_string(count) + " times");
  return result;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

static Allocation makeAllocation(uint64_t bytes) {
  Allocation allocation;
  allocation.bytes = bytes;
  uint64_t total = bytes + 2 * kRedZone + kAlignment;
  allocation.storage = std::make_unique<char[]>(total);
  std::memset(allocation.storage.get(), kRedByte, total);
  auto start = reinterpret_cast<uintptr_t>(allocation.storage.get()) + kRedZone;
  start = (start + kAlignment - 1) / kAlignment * kAlignment;
  allocation.data = reinterpret_cast<char *>(start);
  std::memset(allocation.data, 0xff, bytes); // NaN in every float type
  return allocation;
}

void State::checkRedZones(Allocation &allocation, const std::string &what) {
  char *begin = allocation.storage.get(), *data = allocation.data,
       *end = begin + allocation.bytes + 2 * kRedZone + kAlignment;
  auto check = [&](char *from, char *to, const char *where) {
    if (std::count(from, to, kRedByte) == to - from)
      return;
    complain(std::string("bytes ") + where + what + " were overwritten");
    std::fill(from, to, kRedByte);
  };
  check(begin, data, "before ");
  check(data + allocation.bytes, end, "behind ");
}

CUresult State::allocate(uint64_t bytes, CUdeviceptr &address) {
  if (bytes == 0)
    return CUDA_ERROR_INVALID_VALUE;
  if (bytes > freeBytes())
    return CUDA_ERROR_OUT_OF_MEMORY;
  // An address is never used twice, so that a stale one is found out.
  address = std::max(nextAddress, kFirstAddress);
  nextAddress = (address + bytes + 4 * kRedZone) / kAlignment * kAlignment;
  memory.emplace(address, makeAllocation(bytes));
  usedBytes += bytes;
  return CUDA_SUCCESS;
}

bool State::free(CUdeviceptr address) {
  auto found = memory.find(address);
  if (found == memory.end()) {
    complain("memory is freed that is not allocated");
    return false;
  }
  checkRedZones(found->second, "an allocation");
  usedBytes -= found->second.bytes;
  memory.erase(found);
  return true;
}

void *State::allocateHost(uint64_t bytes) {
  Allocation allocation = makeAllocation(bytes);
  char *data = allocation.data;
  pinned.emplace(data, std::move(allocation));
  return data;
}

bool State::freeHost(void *address) {
  auto found = pinned.find(static_cast<const char *>(address));
  if (found == pinned.end()) {
    complain("pinned memory is freed that is not allocated");
    return false;
  }
  checkRedZones(found->second, "a pinned allocation");
  pinned.erase(found);
  return true;
}

bool State::isPinned(const void *address, uint64_t bytes) const {
  auto at = static_cast<const char *>(address);
  auto found = pinned.upper_bound(at);
  return found != pinned.begin() &&
         at + bytes <= std::prev(found)->first + std::prev(found)->second.bytes;
}

Allocation *State::find(CUdeviceptr address, uint64_t &offset) {
  auto found = memory.upper_bound(address);
  if (found == memory.begin())
    return nullptr;
  --found;
  offset = address - found->first;
  return offset <= found->second.bytes ? &found->second : nullptr;
}

char *State::translate(CUdeviceptr address, uint64_t bytes) {
  uint64_t offset = 0;
  Allocation *allocation = find(address, offset);
  if (!allocation || bytes > allocation->bytes - offset)
    return nullptr;
  return allocation->data + offset;
}

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

CUresult State::enqueue(CUstream handle, Work work) {
  if (!check(handle, "stream"))
    return CUDA_ERROR_INVALID_HANDLE;
  Stream &stream = *reinterpret_cast<Stream *>(handle);
  if (stream.capture) {
    work.event.captured = true;
    std::vector<Graph::Node> &nodes = stream.capture.graph->nodes;
    nodes.push_back({std::move(work), stream.capture.last});
    stream.capture.last = {nodes.size() - 1};
  } else {
    stream.queue.push_back(std::move(work));
  }
  return CUDA_SUCCESS;
}

void State::drain(Stream &stream, const EventState *event, uint64_t until) {
  while (!stream.queue.empty() && !lost) {
    if (event && event->reached >= until)
      return;
    Work work = std::move(stream.queue.front());
    stream.queue.pop_front();
    std::string problem;
    if (EventState *awaited = work.awaited) {
      if (awaited->reached < work.recording)
        drain(*awaited->stream, awaited, work.recording);
      if (awaited->reached < work.recording)
        problem = "waits for an event that nothing records";
    }
    if (problem.empty())
      problem = work.run(work.event);
    if (!problem.empty()) {
      complain(work.event.name + " " + work.event.detail + ": " + problem);
      lost = CUDA_ERROR_LAUNCH_FAILED;
    }
    if (!work.event.name.empty())
      record(std::move(work.event));
  }
  if (lost)
    stream.queue.clear();
}

std::vector<Stream *> State::streams() const {
  std::vector<Stream *> streams;
  for (const auto &[handle, object] : objects)
    if (object.first == "stream")
      streams.push_back(static_cast<Stream *>(const_cast<void *>(handle)));
  return streams;
}

void State::drainAll() {
  for (Stream *stream : streams())
    drain(*stream);
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

std::vector<size_t> Graph::order(uint64_t seed) const {
  std::vector<size_t> order;
  std::vector<bool> done(nodes.size());
  auto isReady = [&](size_t node) {
    return std::all_of(nodes[node].after.begin(), nodes[node].after.end(),
                       [&](size_t earlier) { return done[earlier]; });
  };
  std::mt19937_64 random(seed);
  while (order.size() != nodes.size()) {
    std::vector<size_t> ready;
    for (size_t node = 0; node != nodes.size(); ++node)
      if (!done[node] && isReady(node))
        ready.push_back(node);
    size_t next = ready[seed ? random() % ready.size() : 0];
    done[next] = true;
    order.push_back(next);
  }
  return order;
}

bool Graph::endsWith(const std::vector<size_t> &last) const {
  std::vector<bool> isSeen(nodes.size());
  std::vector<size_t> pending = last;
  while (!pending.empty()) {
    size_t node = pending.back();
    pending.pop_back();
    if (isSeen[node])
      continue;
    isSeen[node] = true;
    pending.insert(pending.end(), nodes[node].after.begin(), nodes[node].after.end());
  }
  return std::count(isSeen.begin(), isSeen.end(), false) == 0;
}

//===----------------------------------------------------------------------===//
// Entries
//===----------------------------------------------------------------------===//

Entry::Entry(const char *name, Kind kind)
    : guard(State::get().lock), state(State::get()), kind(kind) {
  event.name = name;
  ++state.calls;
  mustFail = state.calls == state.failAt;
}

Entry::~Entry() { state.record(std::move(event)); }

int Entry::early(int usual) const {
  if (mustFail)
    return state.failWith >= 0 ? state.failWith : usual;
  if (kind == Free)
    return CUDA_SUCCESS;
  if (state.lost)
    return usual == CUDA_ERROR_UNKNOWN ? state.lost : usual;
  if (!state.isInitialized)
    return CUDA_ERROR_NOT_INITIALIZED;
  if (kind == Device && !hasCurrentContext()) {
    state.complain(event.name + " without a current context");
    return usual == CUDA_ERROR_UNKNOWN ? CUDA_ERROR_INVALID_CONTEXT : usual;
  }
  return CUDA_SUCCESS;
}

//===----------------------------------------------------------------------===//
// For tests
//===----------------------------------------------------------------------===//

void reset() { State::get().reset(); }

std::vector<Event> takeEvents() {
  State &state = State::get();
  std::lock_guard<std::recursive_mutex> guard(state.lock);
  return std::exchange(state.events, {});
}

uint64_t callCount() { return State::get().calls; }

std::string leaks() {
  State &state = State::get();
  std::lock_guard<std::recursive_mutex> guard(state.lock);
  return state.leakText();
}

std::string misuse() {
  State &state = State::get();
  std::lock_guard<std::recursive_mutex> guard(state.lock);
  std::string result;
  for (const std::string &complaint : state.complaints)
    result += complaint + "\n";
  return result;
}

static void write(std::ostream &out, const Event &event) {
  // No name holds what JSON would have to escape: they are symbols.
  out << "{\"" << (event.isWork ? "work" : "call") << "\":\"" << event.name << '"';
  if (!event.detail.empty())
    out << ",\"detail\":\"" << event.detail << '"';
  if (event.captured)
    out << ",\"captured\":true";
  if (!event.arguments.empty()) {
    out << ",\"arguments\":[";
    for (const Event::Argument &argument : event.arguments)
      out << (&argument == &event.arguments[0] ? "" : ",") << "{\"address\":" << argument.address
          << ",\"bytes\":" << argument.bytes << ",\"changed\":" << argument.changed << '}';
    out << ']';
  }
  if (event.readBytes + event.writtenBytes > 0)
    out << ",\"read_bytes\":" << event.readBytes << ",\"written_bytes\":" << event.writtenBytes;
  out << "}\n";
}

State::~State() {
  if (!traceFile.empty()) {
    std::ofstream out(traceFile);
    for (const Event &event : events)
      write(out, event);
  }
  if (!reportFile.empty()) {
    std::string report = leakText() + misuse();
    std::ofstream(reportFile) << (report.empty() ? "ok\n" : report);
  }
}

} // namespace ampc::standin
