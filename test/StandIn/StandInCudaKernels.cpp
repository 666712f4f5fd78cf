//===- StandInCudaKernels.cpp - Modules and launches of the stand-in ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PtxInterpreter.h"
#include "PtxParser.h"
#include "SimtRuntime.h"
#include "StandInCudaState.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

using namespace ampc::standin;
using namespace ampc::cuda;

namespace {

/// Up to here a launch is checked for writes beside its parameters.
constexpr uint64_t kMostChecked = uint64_t(32) << 20;

struct Module;

/// A kernel as PTX, or compiled for the host, or both: then the PTX runs, and the other tells how
/// many bytes its parameters have.
struct Function {
  Module *module;
  std::string name;
  const ampc::SimtKernel *compiled;
  const ampc::ptx::Kernel *ptx;
};

struct Module {
  std::shared_ptr<ampc::simt::Library> library;
  std::shared_ptr<ampc::ptx::Module> program;
  std::map<std::string, Function> functions;
};

State &state() { return State::get(); }

/// The allocations, for a kernel of PTX.
class Allocations : public ampc::ptx::GlobalMemory {
public:
  ampc::ptx::Range find(uint64_t address) override {
    auto found = state().memory.upper_bound(address);
    if (found == state().memory.begin())
      return {};
    --found;
    return {found->first, found->second.bytes, found->second.data, false};
  }
};

/// A parameter that points to memory: its address on the device and on the host.
struct Pointer {
  uint64_t index;
  CUdeviceptr address;
  uint64_t bytes;
};

/// One allocation before a launch, to tell what the launch changed.
struct Snapshot {
  Snapshot(Allocation &allocation)
      : allocation(allocation), before(allocation.data, allocation.data + allocation.bytes),
        allowed(allocation.bytes, false) {}

  uint64_t countChanges(uint64_t offset, uint64_t bytes) const {
    uint64_t count = 0;
    for (uint64_t i = offset; i != offset + bytes; ++i)
      count += before[i] != allocation.data[i];
    return count;
  }

  Allocation &allocation;
  std::vector<char> before;
  std::vector<bool> allowed;
};

/// A launch with its parameters copied, as cuLaunchKernel does.
class Launch {
public:
  Launch(const Function &function, ampc::simt::Dim3 grid, ampc::simt::Dim3 block, void **parameters)
      : library(function.module->library), program(function.module->program), name(function.name),
        kernel(function.compiled), ptx(function.ptx), grid(grid), block(block) {
    const uint64_t count = ptx ? ptx->parameters.size() : kernel->parameterCount;
    for (uint32_t i = 0; i != count; ++i) {
      const uint64_t bytes = ptx ? ptx->parameters[i].bytes : sizeof(uint64_t);
      std::memcpy(&values.emplace_back(), parameters[i], std::min(bytes, sizeof(uint64_t)));
      if (kernel && kernel->parameterBytes[i] > 0)
        pointers.push_back({i, values[i], kernel->parameterBytes[i]});
    }
  }

  /// What is wrong with the parameters, or "".
  std::string check() const {
    for (const Pointer &pointer : pointers)
      if (!state().translate(pointer.address, pointer.bytes))
        return "the " + std::to_string(pointer.bytes) + " bytes of parameter " +
               std::to_string(pointer.index) + " are not in one allocation of the device";
    return "";
  }

  std::string run(Event &event);
  const std::vector<Pointer> &getPointers() const { return pointers; }

private:
  std::map<Allocation *, Snapshot> takeSnapshots() const;
  std::string runCompiled();
  std::string runPtx();

  std::shared_ptr<ampc::simt::Library> library;
  std::shared_ptr<ampc::ptx::Module> program;
  const std::string name;
  const ampc::SimtKernel *kernel;
  const ampc::ptx::Kernel *ptx;
  ampc::simt::Dim3 grid, block;
  std::vector<uint64_t> values;
  std::vector<Pointer> pointers;
};

std::map<Allocation *, Snapshot> Launch::takeSnapshots() const {
  std::map<Allocation *, Snapshot> snapshots;
  for (const Pointer &pointer : pointers) {
    uint64_t offset = 0;
    Allocation *allocation = state().find(pointer.address, offset);
    if (allocation->bytes > kMostChecked)
      continue;
    Snapshot &snapshot = snapshots.try_emplace(allocation, *allocation).first->second;
    std::fill_n(snapshot.allowed.begin() + offset, pointer.bytes, true);
  }
  return snapshots;
}

std::string Launch::runPtx() {
  std::vector<void *> parameters;
  for (uint64_t &value : values)
    parameters.push_back(&value);
  auto size = [](ampc::simt::Dim3 d) {
    return ampc::ptx::Dim3{uint32_t(d.x), uint32_t(d.y), uint32_t(d.z)};
  };
  Allocations memory;
  ampc::ptx::LaunchOptions options;
  options.seed = state().seed;
  return ampc::ptx::launch(*program, *ptx, size(grid), size(block), parameters.data(), memory,
                           options);
}

std::string Launch::runCompiled() {
  std::vector<uint64_t> translated = values;
  for (const Pointer &pointer : pointers)
    translated[pointer.index] =
        reinterpret_cast<uintptr_t>(state().translate(pointer.address, pointer.bytes));
  std::vector<void *> parameters;
  for (uint64_t &value : translated)
    parameters.push_back(&value);
  return ampc::simt::launch(*kernel, grid, block, parameters.data(), {/*workers=*/1, state().seed});
}

std::string Launch::run(Event &event) {
  std::string problem = check();
  if (!problem.empty())
    return problem;
  std::map<Allocation *, Snapshot> snapshots = takeSnapshots();
  problem = ptx ? runPtx() : runCompiled();
  if (!problem.empty())
    return problem;
  for (const Pointer &pointer : pointers) {
    uint64_t offset = 0;
    state().checkRedZones(*state().find(pointer.address, offset), "an allocation by " + name);
  }
  for (const auto &[allocation, snapshot] : snapshots)
    for (uint64_t i = 0; i != allocation->bytes; ++i)
      if (!snapshot.allowed[i] && snapshot.before[i] != allocation->data[i])
        return "byte " + std::to_string(i) +
               " of an allocation was written, which is in no parameter";
  for (size_t i = 0; i != pointers.size(); ++i) {
    uint64_t offset = 0;
    auto found = snapshots.find(state().find(pointers[i].address, offset));
    if (found != snapshots.end())
      event.arguments[i].changed = found->second.countChanges(offset, pointers[i].bytes);
  }
  return "";
}

std::string describeImage(const void *image) {
  char text[32];
  std::snprintf(
      text, sizeof(text), "%s %016llx", std::memcmp(image, "\177ELF", 4) == 0 ? "cubin" : "ptx",
      static_cast<unsigned long long>(ampc::simtImageHash(image, ampc::simtImageBytes(image))));
  return text;
}

/// Writes `text` where the caller asked for the compiler's errors.
void writeLog(unsigned count, const int *options, void **values, const std::string &text) {
  char *buffer = nullptr;
  size_t size = 0;
  for (unsigned i = 0; i != count; ++i) {
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER)
      buffer = static_cast<char *>(values[i]);
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
      size = reinterpret_cast<uintptr_t>(values[i]);
  }
  if (buffer && size > 0)
    std::snprintf(buffer, size, "%s", text.c_str());
}

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default"))) CUresult
#define BEGIN(name)                                                                                \
  Entry entry(name);                                                                               \
  if (CUresult result = entry.early())                                                             \
  return result

EXPORT cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count, int *options,
                          void **values) {
  BEGIN("cuModuleLoadDataEx");
  entry.event.detail = describeImage(image);
  std::string error;
  auto libraries = ampc::simt::loadLibraries(error);
  Module made;
  for (auto &library : libraries)
    if (library->belongsTo(image))
      made.library = std::move(library);
  // A cubin cannot be run: whoever has the PTX too gives it next, as with an old driver.
  const char *text = static_cast<const char *>(image);
  const bool isPtx = std::memcmp(image, "\177ELF", 4) != 0 && std::strstr(text, ".version");
  if (isPtx && (!made.library || state().interprets)) {
    try {
      made.program = std::make_shared<ampc::ptx::Module>(ampc::ptx::load(text));
    } catch (const ampc::ptx::TextError &problem) {
      state().complain(std::string("PTX: ") + problem.what());
      writeLog(count, options, values, std::string("stand-in: ") + problem.what() + "\n");
      return CUDA_ERROR_INVALID_PTX;
    }
  }
  if (made.program || (made.library && !state().interprets)) {
    auto *loaded = new Module{std::move(made)};
    state().remember(loaded, "module");
    *module = reinterpret_cast<CUmodule>(loaded);
    return CUDA_SUCCESS;
  }
  writeLog(count, options, values,
           "stand-in: no library of " + std::string(ampc::kSimtEnvironment) +
               " belongs to this image\n" + error + "\n");
  return CUDA_ERROR_INVALID_IMAGE;
}

EXPORT cuModuleUnload(CUmodule module) {
  Entry entry("cuModuleUnload");
  if (!state().check(module, "module"))
    return CUDA_ERROR_INVALID_HANDLE;
  auto *loaded = reinterpret_cast<Module *>(module);
  state().drainAll();
  state().forget(module);
  delete loaded;
  return entry.late();
}

EXPORT cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  BEGIN("cuModuleGetFunction");
  if (!state().check(module, "module"))
    return CUDA_ERROR_INVALID_HANDLE;
  auto *loaded = reinterpret_cast<Module *>(module);
  const ampc::SimtKernel *kernel = loaded->library ? loaded->library->find(name) : nullptr;
  const ampc::ptx::Kernel *ptx = nullptr;
  if (loaded->program) {
    auto found = loaded->program->kernels.find(name);
    ptx = found == loaded->program->kernels.end() ? nullptr : &found->second;
  }
  if (loaded->program ? !ptx : !kernel)
    return CUDA_ERROR_NOT_FOUND;
  auto [place, isNew] = loaded->functions.try_emplace(name);
  place->second = {loaded, name, kernel, ptx};
  *function = reinterpret_cast<CUfunction>(&place->second);
  return CUDA_SUCCESS;
}

EXPORT cuLaunchKernel(CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ,
                      unsigned blockX, unsigned blockY, unsigned blockZ, unsigned sharedBytes,
                      CUstream stream, void **parameters, void **extra) {
  BEGIN("cuLaunchKernel");
  if (uint64_t(gridX) * gridY * gridZ * blockX * blockY * blockZ == 0 || sharedBytes != 0 || extra)
    return CUDA_ERROR_INVALID_VALUE;
  auto *target = reinterpret_cast<Function *>(function);
  auto launch = std::make_shared<Launch>(*target, ampc::simt::Dim3{gridX, gridY, gridZ},
                                         ampc::simt::Dim3{blockX, blockY, blockZ}, parameters);
  std::string problem = launch->check();
  if (!problem.empty()) {
    state().complain(std::string("launch of ") + target->name + ": " + problem);
    return CUDA_ERROR_INVALID_VALUE;
  }
  Work work;
  work.event.name = "launch";
  work.event.isWork = true;
  work.event.detail = entry.event.detail = target->name;
  for (const Pointer &pointer : launch->getPointers())
    work.event.arguments.push_back({pointer.address, pointer.bytes, 0});
  work.run = [launch](Event &event) { return launch->run(event); };
  return state().enqueue(stream, std::move(work));
}
