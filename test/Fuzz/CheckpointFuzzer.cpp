//===- CheckpointFuzzer.cpp - Safetensors that nobody vouches for ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each input is read as a safetensors file, and loaded into a session. A file that is refused
// leaves the session's state; one that is taken can be saved, and gives the same state again.
//
//===----------------------------------------------------------------------===//

#include "../Runtime/TestModules.h"
#include "FuzzInput.h"

#include "Checkpoint/Safetensors.h"
#include "Core/Error.h"
#include "ampc-runtime/ampc.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

using namespace ampc;

namespace {

/// Ends the process where `isTrue` is not.
void require(bool isTrue, const std::string &what) {
  if (isTrue)
    return;
  std::fprintf(stderr, "CheckpointFuzzer: %s\n", what.c_str());
  std::abort();
}

void requireOk(ampc_status_t status, const char *what) {
  require(!status, what + std::string(": ") + ampc_status_message(status));
}

struct Trainer {
  Trainer() {
    ampc_module_t *module;
    requireOk(ampc_module_open(test::buildTrainer().c_str(), &module), "open");
    ampc_session_options_t options = {};
    options.struct_size = sizeof(options);
    options.device = AMPC_DEVICE_HOST;
    options.threads = 1;
    requireOk(ampc_session_create(module, &options, &session), "create");
  }

  /// All of the state, as the bytes of a checkpoint.
  std::string state() {
    const std::string path = "/dev/shm/ampc-fuzz-" + std::to_string(::getpid());
    requireOk(ampc_session_save_checkpoint(session, path.c_str()), "save");
    std::ifstream file(path, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(file), {}};
    ::unlink(path.c_str());
    return bytes;
  }

  ampc_session_t *session = nullptr;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static Trainer trainer;
  static std::string state = trainer.state();
  fuzz::InputFile input(data, size);
  try {
    readSafetensorsHeader(File(input.path()));
  } catch (const Error &) {
  }
  ampc_status_t status =
      ampc_session_load_checkpoint(trainer.session, input.path().c_str(), nullptr);
  std::string loaded = trainer.state();
  if (status) {
    require(loaded == state, "a checkpoint that was refused has changed the session");
    require(ampc_status_code(status) != AMPC_STATUS_INTERNAL, ampc_status_message(status));
    ampc_status_free(status);
    return 0;
  }
  fuzz::InputFile again(reinterpret_cast<const uint8_t *>(loaded.data()), loaded.size());
  requireOk(ampc_session_load_checkpoint(trainer.session, again.path().c_str(), nullptr),
            "what was saved is refused");
  state = trainer.state();
  require(state == loaded, "what was saved and loaded is saved otherwise");
  return 0;
}

#ifdef AMPC_LIBFUZZER
extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

/// Changes the header and sets its length again, the data, or now and then anything.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize,
                                          unsigned seed) {
  uint64_t length = 0;
  if (size >= sizeof(length))
    std::memcpy(&length, data, sizeof(length));
  if (seed % 8 == 0 || size < sizeof(length) || length > size - sizeof(length))
    return LLVMFuzzerMutate(data, size, maxSize);
  std::string header(reinterpret_cast<char *>(data) + sizeof(length), length);
  std::string tensors(reinterpret_cast<char *>(data) + sizeof(length) + length,
                      size - sizeof(length) - length);
  std::string &part = seed % 8 == 1 ? tensors : header;
  size_t old = part.size();
  part.resize(old + std::min<size_t>(64, maxSize - size));
  part.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t *>(part.data()), old, part.size()));
  length = header.size();
  std::string bytes(reinterpret_cast<const char *>(&length), sizeof(length));
  bytes += header + tensors;
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}
#endif
