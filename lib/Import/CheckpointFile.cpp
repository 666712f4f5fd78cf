//===- CheckpointFile.cpp - Tensors of a checkpoint -----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CheckpointFile.h"
#include "ampc-files/Checksum.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Support/StateNames.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/Endian.h"
#include <cstring>

using namespace mlir;

namespace ampc {

/// Names of what training keeps beside the model's tensors begin so.
static constexpr StringLiteral kOwnPrefix = "ampc.";
/// The most bytes of a header, as the format's own reader has it.
static constexpr uint64_t kMostHeaderBytes = 100'000'000;

LogicalResult CheckpointFile::open(bool averages) {
  if (int error = file.open(path))
    return emitError() << " cannot be opened: " << strerror(error);
  auto notOne = [&](const llvm::Twine &why) {
    return emitError() << " is no safetensors file as `ampc-run train --checkpoint` writes it: "
                       << why.str();
  };
  char length[8];
  int error = 0;
  if (file.readAt(0, length, sizeof(length), error) != sizeof(length))
    return notOne("it has " + llvm::Twine(file.size()) + " bytes");
  uint64_t headerBytes = llvm::support::endian::read64le(length);
  if (headerBytes > kMostHeaderBytes || headerBytes > file.size() - sizeof(length))
    return notOne("its header would have " + llvm::Twine(headerBytes) + " bytes");
  std::string header(headerBytes, '\0');
  if (file.readAt(sizeof(length), header.data(), headerBytes, error) != headerBytes)
    return emitError() << " cannot be read: " << strerror(error);
  llvm::Expected<llvm::json::Value> json = llvm::json::parse(header);
  if (!json)
    return notOne("its header: " + llvm::toString(json.takeError()));
  const llvm::json::Object *entries = json->getAsObject();
  if (!entries)
    return notOne("its header is no object");
  for (const auto &[key, value] : *entries) {
    StringRef name = key;
    if (name == "__metadata__" || name.starts_with(kOwnPrefix))
      continue;
    const llvm::json::Object *entry = value.getAsObject();
    if (!entry || failed(readTensor(name, *entry, sizeof(length) + headerBytes)))
      return notOne("the entry of '" + name + "' has no type, shape and place in the file");
  }
  if (found.empty())
    return emitError() << " holds no tensor of a model";
  if (averages && failed(takeAverages(*entries, sizeof(length) + headerBytes)))
    return failure();
  return checkBytes(std::string(length, sizeof(length)) + header);
}

LogicalResult CheckpointFile::takeAverages(const llvm::json::Object &entries, uint64_t begin) {
  size_t count = 0;
  for (const auto &[key, value] : entries) {
    StringRef name = key;
    if (!name.consume_front(kAveragePrefix))
      continue;
    const llvm::json::Object *entry = value.getAsObject();
    if (!found.count(name.str()) || !entry || failed(readTensor(name, *entry, begin)))
      return emitError() << " has an average of '" << name << "' that is none of a parameter";
    ++count;
  }
  if (count == 0)
    return emitError() << " holds no averages of parameters: it was trained without --ema";
  const llvm::json::Object *metadata = entries.getObject("__metadata__");
  if (metadata && metadata->getString(AMPC_SCALAR_STEP) == StringRef("0"))
    return emitError() << " holds averages of no update: none has been applied yet";
  return success();
}

/// `start`: what stands before the data. A file without a checksum is of an older release.
LogicalResult CheckpointFile::checkBytes(std::string start) {
  size_t at = files::findChecksum(start);
  if (at == std::string::npos)
    return success();
  std::string written = start.substr(at, files::kChecksumDigits);
  start.replace(at, files::kChecksumDigits, files::kChecksumDigits, '0');
  files::Checksum checksum;
  checksum.add(start.data(), start.size());
  std::vector<char> chunk(16 << 20);
  int error = 0;
  for (uint64_t offset = start.size(); offset < file.size();) {
    uint64_t count = file.readAt(offset, chunk.data(), chunk.size(), error);
    if (count == 0)
      return emitError() << " cannot be read: " << strerror(error ? error : EIO);
    checksum.add(chunk.data(), count);
    offset += count;
  }
  if (std::string now = files::toDigits(checksum.value()); now != written)
    return emitError() << " is damaged: its bytes have the checksum " << now
                       << ", and were written with " << written;
  return success();
}

LogicalResult CheckpointFile::readTensor(StringRef name, const llvm::json::Object &entry,
                                         uint64_t begin) {
  std::optional<StringRef> dtype = entry.getString("dtype");
  const llvm::json::Array *shape = entry.getArray("shape");
  const llvm::json::Array *offsets = entry.getArray("data_offsets");
  if (!dtype || !shape || !offsets || offsets->size() != 2)
    return failure();
  Tensor tensor;
  tensor.dtype = dtype->str();
  for (const llvm::json::Value &value : *shape) {
    std::optional<int64_t> extent = value.getAsInteger();
    if (!extent || *extent < 0)
      return failure();
    tensor.shape.push_back(*extent);
  }
  std::optional<uint64_t> first = (*offsets)[0].getAsUINT64(), last = (*offsets)[1].getAsUINT64();
  uint64_t room = file.size() - begin;
  if (!first || !last || *first > *last || *last > room)
    return failure();
  tensor.offset = begin + *first;
  tensor.bytes = *last - *first;
  found[name.str()] = std::move(tensor);
  return success();
}

FailureOr<std::string> CheckpointFile::read(const Tensor &tensor) const {
  std::string bytes(tensor.bytes, '\0');
  int error = 0;
  if (file.readAt(tensor.offset, bytes.data(), bytes.size(), error) == bytes.size())
    return bytes;
  return emitError() << " cannot be read: "
                     << (error ? strerror(error) : "it became shorter while it was read");
}

} // namespace ampc
