//===- ExportState.cpp - ampc-run export --------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Parameters and buffers by PyTorch's names, for load_state_dict. Exporters keep most names; of
// what they folded the compiler has noted which tensor it is ("state_dict" in the settings of a
// tensor), and in which form.
//
//===----------------------------------------------------------------------===//

#include "Api.h"
#include "Commands.h"
#include "Error.h"
#include "Files.h"
#include "Json.h"
#include "Progress.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <map>
#include <memory>

using namespace ampc::run;

namespace {

/// A tensor of the file.
struct Entry {
  std::string source; ///< in the session
  TensorSpec spec;
  bool isTransposed = false;
};

const char *typeName(ElementType type, const std::string &name) {
  switch (type) {
  case ElementType::F16:
    return "F16";
  case ElementType::BF16:
    return "BF16";
  case ElementType::F32:
    return "F32";
  case ElementType::F64:
    return "F64";
  default:
    throw Error("ampc-run",
                ampc::run::quoted(name) + " has a type that no parameter of PyTorch has");
  }
}

/// Whether PyTorch's modules could name a tensor so: identifiers and numbers with dots between
/// them, and no name that its exporters make up.
bool isTorchName(const std::string &name) {
  bool isStart = true;
  for (char c : name) {
    bool isDot = c == '.';
    if ((isDot && isStart) || (!isDot && !std::isalnum(static_cast<unsigned char>(c)) && c != '_'))
      return false;
    isStart = isDot;
  }
  bool isMadeUp =
      name.rfind("val_", 0) == 0 &&
      std::all_of(name.begin() + 4, name.end(), [](unsigned char c) { return std::isdigit(c); });
  return !isStart && !isMadeUp;
}

class StateDict {
public:
  StateDict(const Module &module, Session &session, bool averages);
  void write(const std::string &path);

private:
  void add(const Json &settings, Entry entry);
  std::unique_ptr<char[]> read(const Entry &entry) const;

  const Module &module;
  Session &session;
  std::map<std::string, Entry> entries; ///< by PyTorch's name
  std::string unknown;
};

} // namespace

StateDict::StateDict(const Module &module, Session &session, bool averages)
    : module(module), session(session) {
  const Json described = parseJson(module.inspect(ampc_session_device(session.get())));
  std::map<std::string, Json> settings;
  for (const char *list : {"parameters", "constants"})
    for (const Json &tensor : described.at(list))
      if (tensor.contains("settings"))
        settings[tensor.at("name").get<std::string>()] = tensor.at("settings");
  const std::string own = "ampc.", average = "ampc.ema/";
  bool hasAverages = false;
  for (size_t i = 0; i < ampc_module_tensor_count(module.get()); ++i) {
    ampc_tensor_info_t info = {};
    info.struct_size = sizeof info;
    check(ampc_module_tensor(module.get(), i, &info), module.path());
    hasAverages |= std::string(info.name).rfind(average, 0) == 0;
  }
  if (averages && !hasAverages)
    throw Error(module.path(), "keeps no averages of parameters: compile it with --ema=DECAY");
  for (size_t i = 0; i < ampc_module_tensor_count(module.get()); ++i) {
    ampc_tensor_info_t info = {};
    info.struct_size = sizeof info;
    check(ampc_module_tensor(module.get(), i, &info), module.path());
    Entry entry;
    entry.source = info.name;
    bool isParameter = info.role == AMPC_TENSOR_ROLE_PARAMETER;
    bool isKept = info.role == AMPC_TENSOR_ROLE_STATE && entry.source.rfind(own, 0) != 0;
    bool isBuffer = info.role == AMPC_TENSOR_ROLE_CONSTANT && settings.count(entry.source) != 0 &&
                    settings.at(entry.source).contains("state_dict");
    std::optional<ElementType> type = typeOfTensor(info.dtype);
    if ((!isParameter && !isKept && !isBuffer) || !type)
      continue;
    entry.spec.name = info.name;
    entry.spec.dtype = info.dtype;
    entry.spec.type = *type;
    entry.spec.shape.assign(info.shape, info.shape + info.rank);
    auto known = settings.find(entry.source);
    if (averages && info.trained)
      entry.source = average + entry.source;
    add(known == settings.end() ? Json::object() : known->second, std::move(entry));
  }
  if (!unknown.empty())
    throw Error(module.path(),
                "does not tell which tensors of PyTorch's module these are, which its exporter "
                "has folded: " +
                    unknown +
                    "; export the model again, with dynamo=True or do_constant_folding=False");
}

void StateDict::add(const Json &settings, Entry entry) {
  std::string name = entry.spec.name, form;
  if (settings.contains("state_dict"))
    name = settings.at("state_dict").get<std::string>();
  if (settings.contains("state_dict_form"))
    form = settings.at("state_dict_form").get<std::string>();
  const bool isByNode = form == "transposed, by node";
  entry.isTransposed = (form == "transposed" || isByNode) && entry.spec.shape.size() == 2;
  if (!isTorchName(name) || (!form.empty() && !entry.isTransposed)) {
    unknown += (unknown.empty() ? "" : ", ") + ampc::run::quoted(entry.spec.name);
    return;
  }
  if (isByNode)
    note(printable(entry.spec.name) + " is taken for " + printable(name) +
         ", by the nodes that read it");
  std::string source = entry.spec.name;
  auto [other, isNew] = entries.emplace(name, std::move(entry));
  if (!isNew)
    throw Error(module.path(),
                "has two tensors for " + ampc::run::quoted(name) +
                    " of PyTorch's module: " + ampc::run::quoted(other->second.spec.name) +
                    " and " + ampc::run::quoted(source));
}

/// The bytes as they stand in the file.
std::unique_ptr<char[]> StateDict::read(const Entry &entry) const {
  const TensorSpec &spec = entry.spec;
  std::unique_ptr<char[]> data(new char[spec.bytes()]);
  DLTensor tensor = spec.tensorAt(data.get());
  check(ampc_session_get_tensor(session.get(), entry.source.c_str(), &tensor));
  if (!entry.isTransposed)
    return data;
  const size_t size = elementSize(spec.type);
  const auto rows = size_t(spec.shape[0]), columns = size_t(spec.shape[1]);
  std::unique_ptr<char[]> turned(new char[spec.bytes()]);
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < columns; ++j)
      std::memcpy(turned.get() + (j * rows + i) * size, data.get() + (i * columns + j) * size,
                  size);
  return turned;
}

void StateDict::write(const std::string &path) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t offset = 0;
  for (const auto &[name, entry] : entries) {
    std::vector<int64_t> shape = entry.spec.shape;
    if (entry.isTransposed)
      std::reverse(shape.begin(), shape.end());
    uint64_t end = offset + entry.spec.bytes();
    header[name] = {{"dtype", typeName(entry.spec.type, name)},
                    {"shape", shape},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' '); // tensors are aligned
  uint64_t length = text.size();
  AtomicFile file(path);
  file.writeAt(0, &length, sizeof length);
  file.writeAt(sizeof length, text.data(), text.size());
  offset = sizeof length + text.size();
  for (const auto &[name, entry] : entries) {
    file.writeAt(offset, read(entry).get(), entry.spec.bytes());
    offset += entry.spec.bytes();
  }
  file.commit();
}

int ampc::run::runExport(const ExportOptions &options) {
  std::vector<std::string> inputs{options.module};
  if (options.checkpoint)
    inputs.push_back(*options.checkpoint);
  OutputPaths(inputs).add("--state-dict", options.stateDict, OutputPaths::Kind::File);
  Module module(options.module);
  Session session(module, options.device, /*seed=*/0);
  if (options.checkpoint)
    check(ampc_session_load_checkpoint(session.get(), options.checkpoint->c_str(), nullptr),
          *options.checkpoint);
  StateDict(module, session, options.averages).write(options.stateDict);
  return ExitDone;
}
