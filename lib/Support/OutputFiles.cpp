//===- OutputFiles.cpp - What a compilation writes, as a whole ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Support/OutputFiles.h"
#include "ampc-files/FileIdentity.h"
#include "ampc-files/ReplacingFile.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Signals.h"
#include <csignal>
#include <unistd.h>

using namespace llvm;

namespace ampc {

namespace {
/// Holds back the signals that end a process: one between the making of a file and its
/// registration for removal would leave the file.
class SignalsHeld {
public:
  SignalsHeld() {
    sigset_t ending;
    sigemptyset(&ending);
    for (int number : {SIGHUP, SIGINT, SIGTERM, SIGQUIT})
      sigaddset(&ending, number);
    pthread_sigmask(SIG_BLOCK, &ending, &before);
  }
  SignalsHeld(const SignalsHeld &) = delete;
  ~SignalsHeld() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }

private:
  sigset_t before;
};
} // namespace

struct OutputFiles::File {
  std::string path;
  files::ReplacingFile replacing; ///< unused for a stream
  int stream = -1;
  std::optional<raw_fd_ostream> os;

  ~File() {
    if (os) {
      os->flush();
      os->clear_error(); // else the destructor ends the process
      os.reset();
    }
    if (stream >= 0)
      ::close(stream);
    if (!replacing.temporaryPath().empty())
      sys::DontRemoveFileOnSignal(replacing.temporaryPath());
  }
};

OutputFiles::OutputFiles() = default;
OutputFiles::~OutputFiles() = default;

static Error cannotWrite(StringRef path, std::error_code code) {
  return createStringError(code, "cannot write '" + path + "': " + code.message());
}

static std::error_code systemError(int number) {
  return std::error_code(number, std::generic_category());
}

Error OutputFiles::addInput(StringRef what, StringRef path) {
  for (const Known &output : outputs)
    if (files::isSameFile(output.path, path.str()))
      return createStringError(output.what + " " + output.path + ": would overwrite " + what +
                               " '" + path + "'");
  inputs.push_back({what.str(), path.str()});
  return Error::success();
}

Error OutputFiles::addOutput(StringRef flag, StringRef path) {
  for (const Known &input : inputs)
    if (files::isSameFile(path.str(), input.path))
      return createStringError(flag + " " + path + ": would overwrite " + input.what + " '" +
                               input.path + "'");
  for (const Known &output : outputs)
    if (files::isSameFile(path.str(), output.path))
      return createStringError(flag + " " + path + ": is the same file as " + output.what + " " +
                               output.path);
  outputs.push_back({flag.str(), path.str()});
  return Error::success();
}

Expected<raw_ostream *> OutputFiles::open(StringRef flag, StringRef path) {
  if (path == "-")
    return &outs();
  auto file = std::make_unique<File>();
  file->path = path.str();
  int descriptor = -1;
  if (Error error = addOutput(flag, path))
    return std::move(error);
  if (files::isStream(file->path)) {
    descriptor = file->stream = files::openStream(file->path);
    if (descriptor < 0)
      return cannotWrite(path, systemError(-descriptor));
  } else {
    SignalsHeld held;
    if (int error = file->replacing.open(file->path))
      return cannotWrite(path, systemError(error));
    sys::RemoveFileOnSignal(file->replacing.temporaryPath());
    descriptor = file->replacing.descriptor();
  }
  file->os.emplace(descriptor, /*shouldClose=*/false);
  files.push_back(std::move(file));
  return &*files.back()->os;
}

Error OutputFiles::commit() {
  if (Error error = finishStandardOutput())
    return error;
  for (auto &file : files) {
    file->os->flush();
    std::error_code code = file->os->error();
    file->os->clear_error();
    if (!code && !file->replacing.temporaryPath().empty())
      code = systemError(file->replacing.sync());
    if (code)
      return cannotWrite(file->path, code);
  }
  SmallVector<File *> placed;
  for (auto &file : files) {
    if (file->replacing.temporaryPath().empty())
      continue;
    int error = file->replacing.exchange();
    if (!error) {
      placed.push_back(file.get());
      continue;
    }
    for (File *other : placed)
      other->replacing.revert();
    return cannotWrite(file->path, systemError(error));
  }
  // Only the words of the error would differ where a name does not outlast a power cut.
  for (File *file : placed)
    (void)file->replacing.syncFolder();
  return Error::success();
}

Error replaceFile(StringRef path, function_ref<Error(raw_ostream &)> write) {
  OutputFiles outputs;
  Expected<raw_ostream *> os = outputs.open("", path);
  if (!os)
    return os.takeError();
  if (Error error = write(**os))
    return error;
  return outputs.commit();
}

Error finishStandardOutput() {
  outs().flush();
  std::error_code code = outs().error();
  outs().clear_error();
  return code ? cannotWrite("standard output", code) : Error::success();
}

} // namespace ampc
