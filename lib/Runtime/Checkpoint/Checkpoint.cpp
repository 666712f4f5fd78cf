//===- Checkpoint.cpp - Saves and restores a session ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Checkpoint/Checkpoint.h"

#include "Checkpoint/AtomicFile.h"
#include "Checkpoint/Safetensors.h"
#include "Core/Convert.h"
#include "Core/DType.h"
#include "Core/Error.h"
#include "Core/Scalars.h"
#include "Core/Session.h"
#include "Core/Utf8.h"

#include "ampc-files/Checksum.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>

namespace ampc {

static constexpr const char *kFormatKey = "ampc.format";
/// 1 had no checksum.
static constexpr const char *kFormatVersion = "2", *kFirstFormatVersion = "1";
static constexpr const char *kOptimizerKey = "ampc.optimizer";
static constexpr const char *kIdentityKey = "ampc.identity";
static constexpr const char *kDeviceKey = "ampc.device";
static constexpr const char *kThreadsKey = "ampc.threads";
static constexpr const char *kUserPrefix = "user.";

void setMetadata(Session &session, const char *key, const char *value) {
  if (!isUtf8(key) || (value && !isUtf8(value)))
    throw Error(AMPC_STATUS_INVALID_ARGUMENT, "a metadata key or value is no UTF-8");
  if (std::string_view(key) == kScheduleKey)
    throw Error(AMPC_STATUS_INVALID_ARGUMENT,
                concat("the metadata '", key, "' is the schedule's: ampc_session_set_schedule"));
  if (value)
    session.metadata[key] = value;
  else
    session.metadata.erase(key);
}

static bool startsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

/// Whether the tensor is in a checkpoint. What a window adds up is where it has begun.
static bool isStored(const Session &session, const ampc_tensor_entry_t &tensor, bool isInWindow) {
  std::string_view name = session.module().tables().nameOf(tensor);
  return session.isPlaced(tensor) &&
         (tensor.role == AMPC_ROLE_PARAMETER || tensor.role == AMPC_ROLE_STATE) &&
         (isInWindow ||
          (!startsWith(name, AMPC_PREFIX_ACCUMULATED) && !startsWith(name, AMPC_PREFIX_WINDOW)));
}

/// Scalars that a checkpoint of a step of one batch is without: the window is then empty.
static bool isOfWindow(std::string_view name) {
  return name == AMPC_SCALAR_MICRO_BATCH || startsWith(name, "ampc.window_");
}

/// Whether the checkpoint was written between the micro-batches of a step.
static bool isInWindow(const SafetensorsHeader &header) {
  auto count = header.metadata.find(AMPC_SCALAR_MICRO_BATCH);
  return count != header.metadata.end() && count->second != "0";
}

/// False where `data`, of `tensor`, has elements that training cannot come back
/// from: parameters that are not finite. Moments may be infinite in a good run.
static bool isSound(const ampc_tensor_entry_t &tensor, const void *data, uint64_t bytes) {
  return !(tensor.flags & AMPC_TENSOR_TRAINED) || !isFloat(tensor.dtype) ||
         isFinite(data, tensor.dtype, bytes / sizeOf(tensor.dtype));
}

/// What tells builds and devices apart.
static std::map<std::string, std::string> describeOrigin(const Session &session) {
  return {{kIdentityKey, files::toDigits(session.module().tables().header().identity)},
          {kDeviceKey, session.deviceKind() == AMPC_DEVICE_CUDA ? "cuda" : "host"},
          {kThreadsKey, concat(session.threads())}};
}

/// So many bytes are read and written at a time.
static constexpr uint64_t kChunkBytes = uint64_t(16) << 20;

//===----------------------------------------------------------------------===//
// Saving
//===----------------------------------------------------------------------===//

void saveCheckpoint(Session &session, const std::string &path) {
  const Tables &tables = session.module().tables();
  SafetensorsHeader header;
  header.metadata = describeOrigin(session);
  header.metadata[kFormatKey] = kFormatVersion;
  header.metadata[files::kChecksumKey] = std::string(files::kChecksumDigits, '0');
  if (const char *optimizer = tables.string(tables.header().optimizer); *optimizer)
    header.metadata[kOptimizerKey] = optimizer;
  for (const auto &[key, value] : session.metadata)
    header.metadata[kUserPrefix + key] = value;
  for (const ampc_tensor_entry_t &tensor : tables.tensors) {
    std::string name = tables.nameOf(tensor);
    if (isStored(session, tensor, session.microBatch() > 0)) {
      Span<int64_t> shape = tables.shape(tensor);
      header.tensors[name] = {tensor.dtype, std::vector<int64_t>(shape.begin(), shape.end()), 0, 0};
    } else if (tensor.role == AMPC_ROLE_SCALAR && session.isPlaced(tensor)) {
      char data[8];
      session.read(tensor, data);
      header.metadata[name] = writeScalar(tensor.dtype, data);
    }
  }
  layOut(header);

  AtomicFile file(path);
  std::string start = writeSafetensorsHeader(header);
  file.write(start.data(), start.size());
  files::Checksum checksum;
  checksum.add(start.data(), start.size());
  for (const std::string &name : header.namesByOffset()) {
    const ampc_tensor_entry_t &tensor = *tables.findState(name);
    for (uint64_t first = 0; first < tensor.bytes; first += kChunkBytes) {
      uint64_t bytes = std::min(kChunkBytes, tensor.bytes - first);
      const void *part = session.readPart(tensor, first, bytes);
      if (!isSound(tensor, part, bytes))
        throw Error(AMPC_STATUS_TRAINING_STOPPED,
                    concat("parameter '", name, "' is no longer finite, and '", path,
                           "' is left as it was: go on from an earlier "
                           "checkpoint, with a lower learning rate or with "
                           "clipping"),
                    name);
      file.write(part, bytes);
      checksum.add(part, bytes);
    }
  }
  std::string digits = files::toDigits(checksum.value());
  file.overwrite(files::findChecksum(start), digits.data(), digits.size());
  file.commit();
}

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

namespace {
/// What a checkpoint gives a session, complete and checked before the first
/// byte of the session changes.
struct Restored {
  std::vector<std::pair<const ampc_tensor_entry_t *, std::unique_ptr<char[]>>> values;
  std::map<std::string, std::string> user;
};
} // namespace

static void checkFormat(const File &file, const SafetensorsHeader &header) {
  auto format = header.metadata.find(kFormatKey);
  if (format == header.metadata.end())
    throw Error(AMPC_STATUS_INCOMPATIBLE, concat("'", file.path(),
                                                 "' was not written by ampc: its "
                                                 "metadata has no ",
                                                 kFormatKey));
  if (format->second != kFormatVersion && format->second != kFirstFormatVersion)
    throw Error(AMPC_STATUS_INCOMPATIBLE,
                concat("'", file.path(), "' has checkpoint format '", format->second,
                       "', this runtime reads ", kFormatVersion, ": use the ampc that wrote it"));
}

/// Throws where the file is not the bytes that were written.
static void checkBytes(const File &file, const SafetensorsHeader &header) {
  if (header.metadata.at(kFormatKey) == kFirstFormatVersion)
    return;
  auto damaged = [&](const std::string &what) {
    return Error(AMPC_STATUS_CORRUPT, concat("'", file.path(), "' is damaged: ", what,
                                             "; go on from another checkpoint, or copy it again"));
  };
  std::string start(header.dataOffset, '\0');
  file.read(0, start.data(), start.size());
  size_t at = files::findChecksum(start);
  if (at == std::string::npos)
    throw damaged("its checksum is gone");
  std::string written = start.substr(at, files::kChecksumDigits);
  start.replace(at, files::kChecksumDigits, files::kChecksumDigits, '0');
  files::Checksum checksum;
  checksum.add(start.data(), start.size());
  std::unique_ptr<char[]> chunk(new char[kChunkBytes]);
  for (uint64_t offset = start.size(), bytes; offset < file.size(); offset += bytes) {
    bytes = std::min(kChunkBytes, file.size() - offset);
    file.read(offset, chunk.get(), bytes);
    checksum.add(chunk.get(), bytes);
  }
  if (std::string found = files::toDigits(checksum.value()); found != written)
    throw damaged(
        concat("its bytes have the checksum ", found, ", and were written with ", written));
}

/// Everything in which the file and the module differ, in one error.
static void checkContents(const Session &session, const File &file,
                          const SafetensorsHeader &header) {
  const Tables &tables = session.module().tables();
  std::string problems;
  std::string first;
  auto report = [&](const std::string &name, const std::string &problem) {
    problems += concat(problems.empty() ? "" : "; ", "'", name, "' ", problem);
    if (first.empty())
      first = name;
  };
  // Moments of one optimizer are none of another, whatever their names and shapes are.
  std::string optimizer = tables.string(tables.header().optimizer);
  auto written = header.metadata.find(kOptimizerKey);
  if (written != header.metadata.end() && written->second != optimizer)
    report(kOptimizerKey, concat("is ", written->second, ", the module was compiled with ",
                                 optimizer.empty() ? "none" : "--optimizer=", optimizer));
  // One kind of state is told of once, not for each parameter.
  std::map<std::string, size_t> kinds;
  auto reportState = [&](const std::string &name, const std::string &problem) {
    size_t slash = name.find('/');
    if (slash == std::string::npos || name.compare(0, 5, "ampc.") != 0)
      return report(name, problem);
    ++kinds[concat(name.substr(0, slash), "/..' ", problem)];
  };
  for (const ampc_tensor_entry_t &tensor : tables.tensors) {
    std::string name = tables.nameOf(tensor);
    if (tensor.role == AMPC_ROLE_SCALAR && session.isPlaced(tensor)) {
      if (!header.metadata.count(name) && !isOfWindow(name))
        report(name, "is missing in the metadata");
      continue;
    }
    if (!isStored(session, tensor, isInWindow(header)))
      continue;
    auto found = header.tensors.find(name);
    if (found == header.tensors.end()) {
      if (tensor.role == AMPC_ROLE_STATE)
        reportState(name, "is missing");
      else
        report(name, concat("is missing (", tables.describe(tensor), ")"));
      continue;
    }
    const SafetensorsEntry &entry = found->second;
    Span<int64_t> shape = tables.shape(tensor);
    if (entry.dtype != tensor.dtype ||
        !std::equal(shape.begin(), shape.end(), entry.shape.begin(), entry.shape.end()))
      report(name, concat("is ", nameOf(entry.dtype), " ",
                          describeShape(entry.shape.data(), entry.shape.size()), ", the model has ",
                          tables.describe(tensor)));
  }
  for (const auto &[name, entry] : header.tensors) {
    const ampc_tensor_entry_t *tensor = tables.findState(name);
    if (!tensor || (tensor->role != AMPC_ROLE_PARAMETER && tensor->role != AMPC_ROLE_STATE))
      reportState(name, "is unknown to the model");
  }
  for (const auto &[problem, count] : kinds)
    problems += concat(problems.empty() ? "'" : "; '", problem, " (", count,
                       count == 1 ? " tensor)" : " tensors)");
  if (!problems.empty())
    throw Error(
        AMPC_STATUS_INCOMPATIBLE,
        concat("'", file.path(), "' does not fit '", session.module().path(), "': ", problems),
        first);
}

static Error unsound(const File &file, const std::string &name, const std::string &what) {
  return Error(AMPC_STATUS_CORRUPT,
               concat("'", file.path(), "' is no sound checkpoint: '", name, "' ", what), name);
}

static Restored readAll(Session &session, const File &file, const SafetensorsHeader &header) {
  const Tables &tables = session.module().tables();
  Restored restored;
  std::vector<ScalarValue> scalars;
  for (const ampc_tensor_entry_t &tensor : tables.tensors) {
    std::string name = tables.nameOf(tensor);
    bool isScalar = tensor.role == AMPC_ROLE_SCALAR && session.isPlaced(tensor);
    if (!isScalar && !isStored(session, tensor, isInWindow(header)))
      continue;
    std::unique_ptr<char[]> data(new char[tensor.bytes]);
    if (isScalar && !header.metadata.count(name)) {
      std::memset(data.get(), 0, tensor.bytes);
    } else if (isScalar) {
      const std::string &text = header.metadata.at(name);
      if (!readScalar(tensor.dtype, text, data.get()))
        throw unsound(file, name,
                      concat("is '", text, "' in its metadata, no ", nameOf(tensor.dtype)));
      scalars.push_back({&tensor, data.get()});
    } else {
      file.read(header.dataOffset + header.tensors.at(name).offset, data.get(), tensor.bytes);
      if (!isSound(tensor, data.get(), tensor.bytes))
        throw unsound(file, name,
                      "has elements that are not finite: go on from an earlier "
                      "checkpoint");
    }
    restored.values.emplace_back(&tensor, std::move(data));
  }
  auto fault =
      findScalarFault(tables, scalars, [&](const ampc_tensor_entry_t &tensor, void *current) {
        session.read(tensor, current);
      });
  if (fault)
    throw unsound(
        file, fault->name,
        concat("is '", header.metadata.at(fault->name), "' in its metadata, and ", fault->reason));

  std::string_view prefix = kUserPrefix;
  for (const auto &[key, value] : header.metadata)
    if (startsWith(key, prefix))
      restored.user[key.substr(prefix.size())] = value;
  auto schedule = restored.user.find(kScheduleKey);
  if (schedule != restored.user.end() && !Schedule::parse(schedule->second))
    throw unsound(file, concat(kUserPrefix, kScheduleKey),
                  concat("is '", schedule->second, "' in its metadata, no schedule"));
  return restored;
}

bool loadCheckpoint(Session &session, const std::string &path) {
  File file(path);
  SafetensorsHeader header = readSafetensorsHeader(file);
  checkFormat(file, header);
  checkBytes(file, header);
  checkContents(session, file, header);
  Restored restored = readAll(session, file, header);

  bool exact = true;
  for (const auto &[key, value] : describeOrigin(session)) {
    auto found = header.metadata.find(key);
    exact = exact && found != header.metadata.end() && found->second == value;
  }
  for (const auto &[tensor, data] : restored.values)
    session.write(*tensor, data.get());
  session.finishWrites();
  session.restartCount();
  session.metadata = std::move(restored.user);
  session.restoreSchedule();
  return exact;
}

} // namespace ampc
