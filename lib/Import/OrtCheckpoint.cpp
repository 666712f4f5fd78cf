//===- OrtCheckpoint.cpp - ONNX Runtime's training checkpoints ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OrtCheckpoint.h"
#include "FlatBuffer.h"
#include "ampc-files/RegularFile.h"

using namespace mlir;

namespace ampc {
namespace {
// Fields by the order of the schema.
enum CheckpointField { ModuleStateField = 1, OptimizerGroupsField = 2 };
enum ModuleField { TrainedField, FrozenField, IsNominalField, HasExternalDataField };
enum GroupField { GroupNameField, StepField, LearningRateField, StatesField };
enum StateField { ParameterField, MomentumsField };
enum TensorField { NameField, DimsField = 2, DataTypeField = 3, RawDataField = 4 };

constexpr StringLiteral kIdentifier = "ODTC";

/// Reads one file.
class Reader {
public:
  Reader(StringRef path, const ImportContext &context) : path(path), context(context) {}
  FailureOr<OrtCheckpoint> read();

private:
  InFlightDiagnostic emitError() { return context.emitError() << "--ort-checkpoint=" << path; }
  LogicalResult load();
  LogicalResult readTensors(FlatBuffer &buffer, FlatBuffer::Table table, unsigned field,
                            std::vector<onnx::TensorProto> &tensors);
  LogicalResult readGroup(FlatBuffer &buffer, FlatBuffer::Table group);

  StringRef path;
  const ImportContext &context;
  std::vector<char> bytes;
  uint64_t copied = 0; ///< bytes of tensors
  OrtCheckpoint result;
};
} // namespace

LogicalResult Reader::load() {
  files::RegularFile file;
  if (int error = file.open(path.str()))
    return emitError() << ": cannot be opened: " << strerror(error);
  // Offsets have 32 bits, of which FlatBuffers uses 31.
  if (file.size() > uint64_t(INT32_MAX))
    return emitError() << " has " << file.size() << " bytes, and a checkpoint at most 2 GiB";
  bytes.resize(file.size());
  int error = 0;
  uint64_t count = file.readAt(0, bytes.data(), bytes.size(), error);
  if (error)
    return emitError() << ": cannot be read: " << strerror(error);
  if (count != bytes.size())
    return emitError() << ": became shorter while it was read";
  return success();
}

LogicalResult Reader::readTensors(FlatBuffer &buffer, FlatBuffer::Table table, unsigned field,
                                  std::vector<onnx::TensorProto> &tensors) {
  for (FlatBuffer::Table tensor : buffer.tables(table, field)) {
    onnx::TensorProto &proto = tensors.emplace_back();
    proto.set_name(buffer.string(tensor, NameField).str());
    // The numbers of the types are ONNX's.
    proto.set_data_type(buffer.number<int32_t>(tensor, DataTypeField, 0));
    for (int64_t extent : buffer.numbers<int64_t>(tensor, DimsField))
      proto.add_dims(extent);
    ArrayRef<char> data = buffer.data(tensor, RawDataField);
    copied += data.size();
    if (copied > bytes.size())
      return emitError() << " is damaged: its tensors overlap";
    proto.set_raw_data(data.data(), data.size());
    if (proto.name().empty() && buffer.error().empty())
      return emitError() << " holds a tensor without a name";
  }
  return success();
}

LogicalResult Reader::readGroup(FlatBuffer &buffer, FlatBuffer::Table group) {
  result.step = buffer.number<int64_t>(group, StepField, 0);
  result.learningRate = buffer.number<float>(group, LearningRateField, 0);
  for (FlatBuffer::Table state : buffer.tables(group, StatesField)) {
    OrtCheckpoint::Momentums &momentums = result.momentums.emplace_back();
    momentums.parameter = buffer.string(state, ParameterField).str();
    if (failed(readTensors(buffer, state, MomentumsField, momentums.tensors)))
      return failure();
  }
  if (result.step < 0 || result.step >= int64_t(1) << 53)
    return emitError() << " says that " << result.step << " steps were taken";
  if (!(*result.learningRate >= 0 && *result.learningRate <= std::numeric_limits<float>::max()))
    return emitError() << " has a learning rate of " << *result.learningRate;
  return success();
}

FailureOr<OrtCheckpoint> Reader::read() {
  if (failed(load()))
    return failure();
  FlatBuffer buffer(bytes);
  FlatBuffer::Table root = buffer.root(kIdentifier);
  if (!root)
    return emitError() << " is no checkpoint of ONNX Runtime's training API: " << buffer.error();
  FlatBuffer::Table module = buffer.table(root, ModuleStateField);
  if (!module && buffer.error().empty())
    return emitError() << " holds no parameters";
  if (buffer.number<uint8_t>(module, IsNominalField, 0))
    return emitError() << " is a nominal checkpoint, which has names and shapes but no values: "
                          "generate the artifacts without nominal_checkpoint=True";
  if (buffer.number<uint8_t>(module, HasExternalDataField, 0))
    return emitError() << " keeps its tensors in a second file, which is not supported: ONNX "
                          "Runtime does so where they take more than 1.8 GB";
  if (failed(readTensors(buffer, module, TrainedField, result.trained)) ||
      failed(readTensors(buffer, module, FrozenField, result.frozen)))
    return failure();
  std::vector<FlatBuffer::Table> groups = buffer.tables(root, OptimizerGroupsField);
  if (groups.size() > 1)
    return emitError() << " has " << groups.size()
                       << " groups of parameters, and an optimizer model one";
  if (!groups.empty() && failed(readGroup(buffer, groups.front())))
    return failure();
  if (!buffer.error().empty())
    return emitError() << " is damaged: " << buffer.error();
  return std::move(result);
}

FailureOr<OrtCheckpoint> readOrtCheckpoint(StringRef path, const ImportContext &context) {
  return Reader(path, context).read();
}
} // namespace ampc
