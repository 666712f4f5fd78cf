//===- Cubin.cpp - Runs ptxas ---------------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/DeviceCompiler.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace ampc {
namespace {

/// The number in front of `unit` in "..., 40 bytes spill stores, ...", else 0.
uint64_t numberBefore(StringRef line, StringRef unit) {
  size_t at = line.find(unit);
  if (at == StringRef::npos)
    return 0;
  StringRef before = line.take_front(at).rtrim();
  uint64_t value = 0;
  StringRef digits = before.take_back(before.size() - (before.find_last_not_of("0123456789") + 1));
  (void)digits.getAsInteger(10, value);
  return value;
}

/// What `ptxas -v` wrote:
///   ptxas info    : Compiling entry function 'k' for 'sm_90'
///       0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
///   ptxas info    : Used 24 registers, used 1 barriers, 1024 bytes smem
SmallVector<KernelResources, 0> parseResources(StringRef log) {
  SmallVector<KernelResources, 0> kernels;
  for (StringRef line : split(log, '\n')) {
    auto [before, after] = line.split("Compiling entry function '");
    if (!after.empty()) {
      kernels.emplace_back().name = after.split('\'').first.str();
    } else if (!kernels.empty()) {
      KernelResources &kernel = kernels.back();
      kernel.stackBytes += numberBefore(line, " bytes stack frame");
      kernel.spillStoreBytes += numberBefore(line, " bytes spill stores");
      kernel.spillLoadBytes += numberBefore(line, " bytes spill loads");
      kernel.registers += numberBefore(line, " registers");
      kernel.sharedBytes += numberBefore(line, " bytes smem");
    }
  }
  return kernels;
}

/// Lets each kernel that spills have as many registers as one block a multiprocessor
/// leaves it; ptxas stays below that of its own accord, so that more blocks fit, and then
/// spills a few bytes. Returns whether there is one.
bool allowRegisters(std::string &ptx, ArrayRef<KernelResources> kernels) {
  bool changed = false;
  for (const KernelResources &kernel : kernels) {
    if (kernel.spillStoreBytes + kernel.spillLoadBytes == 0)
      continue;
    size_t entry = ptx.find(".entry " + kernel.name + "(");
    size_t body = entry == std::string::npos ? entry : ptx.find('{', entry);
    size_t limit = ptx.find(".maxntid", entry);
    if (body == std::string::npos || limit > body || ptx.find(".minnctapersm", entry) < body)
      continue;
    ptx.insert(ptx.find('\n', limit), "\n.minnctapersm 1");
    changed = true;
  }
  return changed;
}

/// ptxas shares the entries of a file among so many threads, whatever the machine: the order of
/// a cubin's symbols depends on the number, and not on who takes which entry. Those of CUDA
/// before 12 do not know the flag.
constexpr StringLiteral kThreadsFlag = "--split-compile";
constexpr StringLiteral kThreads = "8";

} // namespace

struct CubinJob::State {
  struct Process {
    unsigned arch;
    SmallString<128> source;
    bool hasThreads; ///< was started with the flag
    sys::ProcessInfo info;
    SmallString<128> output, log;
  };
  std::string ptxas, ptx;
  bool hasThreads = true; ///< until this ptxas says that it does not know them
  SmallString<128> directory;
  SmallVector<Process, 0> processes;

  SmallString<128> file(const Twine &name) const {
    SmallString<128> path(directory);
    sys::path::append(path, name);
    return path;
  }
  Error write(StringRef path, StringRef text) const;
  Error start(Process &process, StringRef source) const;
  Expected<Cubin> wait(Process &process);
  ~State() {
    for (Process &process : processes)
      if (process.info.Pid)
        sys::Wait(process.info, /*SecondsToWait=*/0); // ends the process
    if (!directory.empty())
      (void)sys::fs::remove_directories(directory);
  }
};

Error CubinJob::State::write(StringRef path, StringRef text) const {
  std::error_code code;
  raw_fd_ostream out(path, code);
  if (!code) {
    out << text;
    out.close();
    code = out.error();
    out.clear_error();
  }
  return code ? createFileError(path, code) : Error::success();
}

Error CubinJob::State::start(Process &process, StringRef source) const {
  const std::string name = "sm_" + std::to_string(process.arch);
  process.source = source;
  process.hasThreads = hasThreads;
  process.output = file(name + ".cubin");
  process.log = file(name + ".log");
  const std::string arch = "-arch=" + name;
  SmallVector<StringRef> arguments = {ptxas,          "-v", "-O3",         arch,
                                      process.source, "-o", process.output};
  if (hasThreads)
    arguments.append({kThreadsFlag, kThreads});
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(process.log),
                                          StringRef(process.log)};
  std::string message;
  process.info = sys::ExecuteNoWait(ptxas, arguments, std::nullopt, redirects,
                                    /*MemoryLimit=*/0, &message);
  if (!process.info.Pid)
    return createStringError("'" + ptxas + "' does not start: " + message);
  return Error::success();
}

Expected<Cubin> CubinJob::State::wait(Process &process) {
  std::string message;
  sys::ProcessInfo ended = sys::Wait(process.info, std::nullopt, &message);
  process.info = {};
  auto log = MemoryBuffer::getFile(process.log);
  StringRef text = log ? (*log)->getBuffer() : StringRef();
  if (ended.ReturnCode != 0 && process.hasThreads && text.contains(kThreadsFlag.drop_front(2))) {
    hasThreads = false;
    if (Error error = start(process, SmallString<128>(process.source)))
      return error;
    return wait(process);
  }
  if (ended.ReturnCode != 0)
    return createStringError("'" + ptxas + "' failed for sm_" + Twine(process.arch) + ": " +
                             message + text.trim());
  auto code = MemoryBuffer::getFile(process.output, /*IsText=*/false,
                                    /*RequiresNullTerminator=*/false);
  if (!code)
    return createFileError(process.output, code.getError());
  Cubin cubin;
  cubin.arch = process.arch;
  StringRef bytes = (*code)->getBuffer();
  cubin.bytes.assign(bytes.begin(), bytes.end());
  cubin.kernels = parseResources(text);
  return cubin;
}

CubinJob::CubinJob(std::unique_ptr<State> state) : state(std::move(state)) {}
CubinJob::CubinJob(CubinJob &&) = default;
CubinJob &CubinJob::operator=(CubinJob &&) = default;
CubinJob::~CubinJob() = default;

Expected<CubinJob> CubinJob::start(StringRef ptxas, StringRef ptx, ArrayRef<unsigned> archs) {
  auto state = std::make_unique<State>();
  state->ptxas = ptxas.str();
  state->ptx = ptx.take_until([](char c) { return c == '\0'; }).str();
  if (std::error_code code = sys::fs::createUniqueDirectory("ampc-ptxas", state->directory))
    return createStringError(code, "no temporary directory: " + code.message());
  SmallString<128> source = state->file("kernels.ptx");
  if (Error error = state->write(source, state->ptx))
    return error;
  for (unsigned arch : archs) {
    State::Process &process = state->processes.emplace_back();
    process.arch = arch;
    if (Error error = state->start(process, source))
      return error;
  }
  return CubinJob(std::move(state));
}

Expected<SmallVector<Cubin, 0>> CubinJob::wait() {
  SmallVector<Cubin, 0> cubins;
  for (State::Process &process : state->processes) {
    Expected<Cubin> cubin = state->wait(process);
    if (!cubin)
      return cubin.takeError();
    std::string relaxed = state->ptx;
    if (allowRegisters(relaxed, cubin->kernels)) {
      SmallString<128> source = state->file("relaxed_" + Twine(process.arch) + ".ptx");
      if (Error error = state->write(source, relaxed))
        return error;
      if (Error error = state->start(process, source))
        return error;
      cubin = state->wait(process);
      if (!cubin)
        return cubin.takeError();
    }
    cubins.push_back(std::move(*cubin));
  }
  return cubins;
}

} // namespace ampc
