//===- ExportOrt.cpp - ampc-run export-ort-checkpoint ---------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The file is that of ONNX Runtime 1.19's training API, by ort_training_checkpoint.fbs: parameters,
// and what its optimizers keep, which is two moments of each parameter for AdamW and nothing for
// SGD.
//
//===----------------------------------------------------------------------===//

#include "Api.h"
#include "Commands.h"
#include "Error.h"
#include "Files.h"
#include "FlatWriter.h"

#include <cstring>
#include <map>
#include <memory>

using namespace ampc::run;

namespace {

constexpr const char *identifier = "ODTC";
constexpr int32_t version = 2;
constexpr const char *groupName = "group0";
/// The kinds of state of Adam and its relatives, in ONNX Runtime's order and under its names.
constexpr std::pair<const char *, const char *> moments[] = {{"exp_avg", "momentum0"},
                                                             {"exp_avg_sq", "momentum1"}};
/// Names of ampc's own state, with the kind and the parameter behind it.
constexpr const char *ownPrefix = "ampc.";

/// The number of a type in the file, which is that of ONNX's TensorProto.
int32_t numberOf(ElementType type, const std::string &name) {
  switch (type) {
  case ElementType::F32:
    return 1;
  case ElementType::U8:
    return 2;
  case ElementType::I8:
    return 3;
  case ElementType::U16:
    return 4;
  case ElementType::I16:
    return 5;
  case ElementType::I32:
    return 6;
  case ElementType::I64:
    return 7;
  case ElementType::Bool:
    return 9;
  case ElementType::F16:
    return 10;
  case ElementType::F64:
    return 11;
  case ElementType::U32:
    return 12;
  case ElementType::U64:
    return 13;
  case ElementType::BF16:
    return 16;
  default:
    throw Error("ampc-run", quoted(name) + " has a type that no checkpoint of ONNX Runtime holds");
  }
}

/// What a session holds, and how it is written.
class Exporter {
public:
  Exporter(const Module &module, Session &session) : session(session) { collect(module); }
  std::string write(bool onlyWeights);

private:
  void collect(const Module &module);
  void collectState(const std::string &name, const TensorSpec &spec);
  template <typename T>
  T scalar(const std::string &name) const;
  void writeTensor(FlatWriter &writer, uint64_t from, const std::string &name,
                   const TensorSpec &spec);
  /// The tensor's bytes, zeros where `data` is null.
  void writeTensor(FlatWriter &writer, uint64_t from, const std::string &name,
                   const TensorSpec &spec, const char *data);
  void writeTensors(FlatWriter &writer, uint64_t from, const std::vector<TensorSpec> &specs);
  void writeGroup(FlatWriter &writer, uint64_t from);

  Session &session;
  std::vector<TensorSpec> trained, frozen;
  /// By parameter, then by kind.
  std::map<std::string, std::map<std::string, TensorSpec>> kept;
  std::map<std::string, TensorSpec> scalars;
};

} // namespace

void Exporter::collect(const Module &module) {
  for (size_t i = 0; i < ampc_module_tensor_count(module.get()); ++i) {
    ampc_tensor_info_t info = {};
    info.struct_size = sizeof info;
    check(ampc_module_tensor(module.get(), i, &info), module.path());
    bool isParameter = info.role == AMPC_TENSOR_ROLE_PARAMETER;
    bool isState = info.role == AMPC_TENSOR_ROLE_STATE;
    if (!isParameter && !isState && info.role != AMPC_TENSOR_ROLE_SCALAR)
      continue;
    TensorSpec spec;
    spec.name = info.name;
    spec.dtype = info.dtype;
    spec.shape.assign(info.shape, info.shape + info.rank);
    std::optional<ElementType> type = typeOfTensor(info.dtype);
    if (!type)
      throw Error(module.path(),
                  quoted(spec.name) + " has an element type that ampc-run does not know");
    spec.type = *type;
    if (isParameter)
      (info.trained ? trained : frozen).push_back(spec);
    else if (spec.name.rfind(ownPrefix, 0) != 0)
      frozen.push_back(spec); // running statistics
    else
      collectState(spec.name.substr(std::string(ownPrefix).size()), spec);
  }
}

void Exporter::collectState(const std::string &name, const TensorSpec &spec) {
  size_t slash = name.find('/');
  if (slash == std::string::npos)
    scalars.emplace(name, spec);
  else if (std::string kind = name.substr(0, slash);
           kind != "ema" && kind != "accumulated" && kind != "window") // none of an optimizer's
    kept[name.substr(slash + 1)].emplace(name.substr(0, slash), spec);
}

template <typename T>
T Exporter::scalar(const std::string &name) const {
  T value = {};
  const TensorSpec &spec = scalars.at(name);
  if (spec.bytes() != sizeof value)
    throw Error("ampc-run", quoted(spec.name) + " is no single number", ExitInternal);
  DLTensor tensor = spec.tensorAt(&value);
  check(ampc_session_get_tensor(session.get(), spec.name.c_str(), &tensor));
  return value;
}

void Exporter::writeTensor(FlatWriter &writer, uint64_t from, const std::string &name,
                           const TensorSpec &spec) {
  auto data = std::make_unique<char[]>(spec.bytes());
  DLTensor tensor = spec.tensorAt(data.get());
  check(ampc_session_get_tensor(session.get(), spec.name.c_str(), &tensor));
  writeTensor(writer, from, name, spec, data.get());
}

void Exporter::writeTensor(FlatWriter &writer, uint64_t from, const std::string &name,
                           const TensorSpec &spec, const char *data) {
  int32_t type = numberOf(spec.type, spec.name);
  std::vector<uint64_t> places =
      writer.table(from, {FlatWriter::offset(), FlatWriter::absent(), FlatWriter::offset(),
                          FlatWriter::number(4, uint64_t(type)), FlatWriter::offset()});
  writer.string(places[0], name);
  writer.vector(places[2], spec.shape.size(), 8, spec.shape.data());
  writer.vector(places[4], spec.bytes(), 1, data);
}

void Exporter::writeTensors(FlatWriter &writer, uint64_t from,
                            const std::vector<TensorSpec> &specs) {
  uint64_t first = writer.vector(from, specs.size(), 4);
  for (size_t i = 0; i < specs.size(); ++i)
    writeTensor(writer, first + 4 * i, specs[i].name, specs[i]);
}

void Exporter::writeGroup(FlatWriter &writer, uint64_t from) {
  for (const auto &[parameter, states] : kept)
    for (const auto &[kind, spec] : states)
      if (kind != moments[0].first && kind != moments[1].first)
        throw Error("ampc-run",
                    "the optimizer keeps " + quoted(kind) +
                        " of each parameter, which ONNX Runtime's AdamW and SGD do not: "
                        "--weights-only leaves it out");
  const char *step = scalars.count("optimizer_step") ? "optimizer_step" : "step";
  float rate = scalar<float>("learning_rate");
  uint32_t rateBits;
  static_assert(sizeof rate == sizeof rateBits);
  std::memcpy(&rateBits, &rate, sizeof rate);
  std::vector<uint64_t> group = writer.table(
      from, {FlatWriter::offset(), FlatWriter::number(8, uint64_t(scalar<int64_t>(step))),
             FlatWriter::number(4, rateBits), FlatWriter::offset()});
  writer.string(group[0], groupName);
  uint64_t first = writer.vector(group[3], trained.size(), 4);
  for (size_t i = 0; i < trained.size(); ++i) {
    std::vector<uint64_t> state =
        writer.table(first + 4 * i, {FlatWriter::offset(), FlatWriter::offset()});
    writer.string(state[0], trained[i].name);
    const std::map<std::string, TensorSpec> &own = kept[trained[i].name];
    if (own.empty()) { // ONNX Runtime's SGD has a moment that it does not use
      writeTensor(writer, writer.vector(state[1], 1, 4), moments[0].second, trained[i], nullptr);
      continue;
    }
    uint64_t tensors = writer.vector(state[1], own.size(), 4);
    for (const auto &[kind, name] : moments)
      if (auto found = own.find(kind); found != own.end()) {
        writeTensor(writer, tensors, name, found->second);
        tensors += 4;
      }
  }
}

std::string Exporter::write(bool onlyWeights) {
  FlatWriter writer(identifier);
  bool hasOptimizer = !onlyWeights && scalars.count("learning_rate") && scalars.count("step");
  std::vector<uint64_t> root = writer.table(
      0, {FlatWriter::number(4, version), FlatWriter::offset(),
          hasOptimizer ? FlatWriter::offset() : FlatWriter::absent(), FlatWriter::offset()});
  std::vector<uint64_t> module =
      writer.table(root[1], {FlatWriter::offset(), FlatWriter::offset(), FlatWriter::number(1, 0)});
  writeTensors(writer, module[0], trained);
  writeTensors(writer, module[1], frozen);
  if (hasOptimizer)
    writeGroup(writer, writer.vector(root[2], 1, 4));
  writer.table(root[3], {}); // no properties
  return writer.bytes();
}

int ampc::run::runExportOrt(const ExportOrtOptions &options) {
  std::vector<std::string> inputs{options.module};
  if (options.checkpoint)
    inputs.push_back(*options.checkpoint);
  OutputPaths(inputs).add("--output", options.output, OutputPaths::Kind::File);
  Module module(options.module);
  if (!module.trains())
    throw Error(options.module,
                "has no training step, and so no parameters that a checkpoint holds");
  Session session(module, options.device, /*seed=*/0);
  if (options.checkpoint)
    check(ampc_session_load_checkpoint(session.get(), options.checkpoint->c_str(), nullptr),
          *options.checkpoint);
  std::string bytes = Exporter(module, session).write(options.onlyWeights);
  AtomicFile file(options.output);
  file.writeAt(0, bytes.data(), bytes.size());
  file.commit();
  return ExitDone;
}
