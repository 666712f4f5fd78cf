//===- ModelFile.cpp - Reads and parses the model file --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ModelFile.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include <fcntl.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <limits>
#include <sys/stat.h>
#include <unistd.h>

using namespace mlir;

namespace ampc {
/// Messages within messages; a graph in a node is three deeper than the node's. Enough for the
/// import to say itself which node is too deep.
constexpr int kMaxNesting = 1000;

/// What a file that is no ONNX model looks like, from its first bytes; "" if like nothing.
static StringRef guessKind(StringRef head) {
  static constexpr std::pair<StringRef, StringRef> magics[] = {
      {"\x1f\x8b", "a gzip archive"},
      {"PK\x03\x04", "a zip archive, such as a PyTorch checkpoint or an npz file"},
      {"\x7f"
       "ELF",
       "an ELF object"},
      {"\x89PNG", "a PNG image"},
      {"\x93NUMPY", "a numpy array"},
      {"\x80\x02", "a Python pickle, such as a PyTorch checkpoint"},
      {"\x80\x04", "a Python pickle, such as a PyTorch checkpoint"},
      {"ir_version", "protobuf text; ampc reads the binary format"},
  };
  for (auto [magic, kind] : magics)
    if (head.starts_with(magic))
      return kind;
  if (head.size() > 8 && head.substr(4, 4) == "ORTM")
    return "an ONNX Runtime model (.ort); ampc reads .onnx";
  bool isText = llvm::all_of(
      head, [](char c) { return llvm::isPrint(c) || c == '\n' || c == '\t' || c == '\r'; });
  return isText ? "a text file" : "";
}

static StringRef fileKind(mode_t mode) {
  if (S_ISDIR(mode))
    return "a directory";
  if (S_ISFIFO(mode))
    return "a pipe";
  if (S_ISSOCK(mode))
    return "a socket";
  return "a device";
}

FailureOr<std::shared_ptr<onnx::ModelProto>> readModelFile(StringRef path, Location loc) {
  // Without O_NONBLOCK, opening a pipe would wait for its writer.
  int file = open(path.str().c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0)
    return emitError(loc) << "cannot open the model: " << strerror(errno);
  llvm::scope_exit closer([&] { close(file); });

  struct stat info;
  if (fstat(file, &info) != 0)
    return emitError(loc) << "cannot read the model: " << strerror(errno);
  if (!S_ISREG(info.st_mode))
    return emitError(loc) << "is " << fileKind(info.st_mode) << ", not an ONNX model";
  if (info.st_size == 0)
    return emitError(loc) << "is empty, not an ONNX model";
  if (info.st_size > std::numeric_limits<int>::max())
    return emitError(loc) << "has " << int64_t(info.st_size)
                          << " bytes, but protobuf's limit is 2 GiB: save the model with "
                             "its weights as external data";

  auto model = std::make_shared<onnx::ModelProto>();
  google::protobuf::io::FileInputStream stream(file);
  google::protobuf::io::CodedInputStream coded(&stream);
  coded.SetTotalBytesLimit(std::numeric_limits<int>::max());
  coded.SetRecursionLimit(kMaxNesting);
  bool parsed = model->ParseFromCodedStream(&coded) && coded.ConsumedEntireMessage();
  if (int error = stream.GetErrno())
    return emitError(loc) << "cannot read the model: " << strerror(error);
  if (!parsed || !model->has_graph() || model->ir_version() <= 0) {
    char head[256];
    ssize_t size = pread(file, head, sizeof head, 0);
    StringRef kind = guessKind(StringRef(head, std::max<ssize_t>(size, 0)));
    if (!kind.empty())
      return emitError(loc) << "is not an ONNX model: it looks like " << kind;
    if (!parsed)
      return emitError(loc) << "cannot be parsed: the file is truncated, damaged or not an "
                               "ONNX model";
    if (!model->has_graph())
      return emitError(loc) << "is not an ONNX model: it has no graph";
    return emitError(loc) << "is not an ONNX model: its ir_version is " << model->ir_version();
  }
  if (model->ir_version() > kNewestIrVersion)
    return emitError(loc) << "has ir_version " << model->ir_version()
                          << ", but the newest known is " << kNewestIrVersion;
  return model;
}
} // namespace ampc
