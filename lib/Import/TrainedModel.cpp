//===- TrainedModel.cpp - Trained weights back into the model file --------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The file stays what it is but for its initializers: nothing goes through the dialect, whose ops
// have lost what the file said of shapes, names and opsets. What the importer has made of the
// initializers it did to a copy of the nodes' inputs, which are compared with the file's.
//
//===----------------------------------------------------------------------===//

#include "CheckpointFile.h"
#include "Importer.h"
#include "TensorReader.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

using namespace mlir;

namespace ampc {
namespace {

/// From so many bytes on a tensor goes beside a model that is too large for one file.
constexpr size_t kLeastExternalBytes = 1024;
/// A protobuf message has less than 2 GiB; some of them for the graph.
constexpr uint64_t kMostModelBytes = uint64_t(INT32_MAX) - (64 << 20);
constexpr uint64_t kExternalAlignment = 4096;

/// Puts values into one file.
class Writer {
public:
  Writer(onnx::ModelProto &model, std::vector<GraphNode> &nodes, const OperatorTable &operators,
         const Initializers &variables, ImportContext &context, const CheckpointFile &checkpoint)
      : model(model), nodes(nodes), operators(operators), variables(variables), context(context),
        checkpoint(checkpoint) {}

  /// Gives the initializer `name` the tensor's value, or its transpose's.
  LogicalResult set(StringRef name, const CheckpointFile::Tensor &tensor, bool isTransposed);
  /// Changes what computes something else in training.
  LogicalResult makeInference();
  LogicalResult write(const TrainedModelOutput &output);

private:
  void index();
  LogicalResult addInitializer(StringRef name, const std::vector<int64_t> &shape);
  bool setAttribute(StringRef name, StringRef bytes);
  void makeInference(google::protobuf::RepeatedPtrField<onnx::NodeProto> &list,
                     const OpsetVersions &versions);
  LogicalResult dropOutputs();
  LogicalResult narrow(StringRef dtype);
  LogicalResult embedExternal(onnx::TensorProto &tensor);
  template <typename Fn>
  void forEachTensor(Fn visit);

  onnx::ModelProto &model;
  std::vector<GraphNode> &nodes;
  const OperatorTable &operators;
  const Initializers &variables;
  ImportContext &context;
  const CheckpointFile &checkpoint;
  llvm::StringMap<onnx::TensorProto *> initializers;
  llvm::StringMap<std::pair<const GraphNode *, std::string>> attributes; ///< weights among them
  llvm::DenseMap<const onnx::NodeProto *, const GraphNode *> imported;
  llvm::DenseMap<const onnx::TensorProto *, std::string> written;
  llvm::StringSet<> dropped; ///< outputs that nodes have in training only
  bool isIndexed = false;
};
} // namespace

/// Calls `visit` for each graph among the attributes of nodes, inner ones too.
static void forEachGraph(onnx::GraphProto &graph,
                         llvm::function_ref<void(onnx::GraphProto &)> visit);
static void forEachGraph(google::protobuf::RepeatedPtrField<onnx::NodeProto> &nodes,
                         llvm::function_ref<void(onnx::GraphProto &)> visit) {
  for (onnx::NodeProto &node : nodes)
    for (onnx::AttributeProto &attribute : *node.mutable_attribute()) {
      if (attribute.has_g())
        forEachGraph(*attribute.mutable_g(), visit);
      for (onnx::GraphProto &inner : *attribute.mutable_graphs())
        forEachGraph(inner, visit);
    }
}
static void forEachGraph(onnx::GraphProto &graph,
                         llvm::function_ref<void(onnx::GraphProto &)> visit) {
  visit(graph);
  forEachGraph(*graph.mutable_node(), visit);
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Of a float of 16 bits.
static const llvm::fltSemantics &semanticsOf(StringRef dtype) {
  return dtype == "F16" ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat();
}

/// A float of a checkpoint, which holds masters in f32, f64 or the file's own type.
static double readFloat(StringRef dtype, const char *at) {
  auto read = [&](auto value) {
    std::memcpy(&value, at, sizeof(value));
    return value;
  };
  if (dtype == "F64")
    return read(double());
  if (dtype == "F32")
    return read(float());
  return llvm::APFloat(semanticsOf(dtype), llvm::APInt(16, read(uint16_t()))).convertToDouble();
}

static size_t sizeOf(StringRef dtype) {
  return llvm::StringSwitch<size_t>(dtype)
      .Cases({"F64", "I64", "U64"}, 8)
      .Cases({"F32", "I32", "U32"}, 4)
      .Cases({"F16", "BF16", "I16", "U16"}, 2)
      .Cases({"BOOL", "I8", "U8"}, 1)
      .Default(0);
}

/// The name that a type of ONNX has in a checkpoint; "" where it has none.
static StringRef nameOf(int32_t dataType) {
  switch (dataType) {
  case onnx::TensorProto::FLOAT:
    return "F32";
  case onnx::TensorProto::DOUBLE:
    return "F64";
  case onnx::TensorProto::FLOAT16:
    return "F16";
  case onnx::TensorProto::BFLOAT16:
    return "BF16";
  case onnx::TensorProto::INT64:
    return "I64";
  case onnx::TensorProto::INT32:
    return "I32";
  case onnx::TensorProto::INT16:
    return "I16";
  case onnx::TensorProto::INT8:
    return "I8";
  case onnx::TensorProto::UINT64:
    return "U64";
  case onnx::TensorProto::UINT32:
    return "U32";
  case onnx::TensorProto::UINT16:
    return "U16";
  case onnx::TensorProto::UINT8:
    return "U8";
  case onnx::TensorProto::BOOL:
    return "BOOL";
  default:
    return "";
  }
}

/// `bytes` in another type of floats, rounded to nearest even; "" where one is no float.
static std::string convert(StringRef bytes, StringRef from, StringRef to) {
  if (from == to)
    return bytes.str();
  if (!from.contains('F') || !to.contains('F'))
    return "";
  size_t count = bytes.size() / sizeOf(from), size = sizeOf(to);
  std::string result(count * size, '\0');
  for (size_t i = 0; i < count; ++i) {
    double value = readFloat(from, bytes.data() + i * sizeOf(from));
    char *at = result.data() + i * size;
    auto put = [&](auto bits) { std::memcpy(at, &bits, sizeof(bits)); };
    if (to == "F64")
      put(value);
    else if (to == "F32")
      put(float(value));
    else {
      llvm::APFloat rounded(value);
      bool isInexact = false;
      rounded.convert(semanticsOf(to), llvm::APFloat::rmNearestTiesToEven, &isInexact);
      put(uint16_t(rounded.bitcastToAPInt().getZExtValue()));
    }
  }
  return result;
}

/// A matrix with its rows as columns.
static std::string transpose(StringRef bytes, size_t rows, size_t columns, size_t size) {
  std::string result(bytes.size(), '\0');
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < columns; ++j)
      std::memcpy(result.data() + (j * rows + i) * size, bytes.data() + (i * columns + j) * size,
                  size);
  return result;
}

/// Gives `tensor` these bytes in the place of those that it has in whatever form.
static void setBytes(onnx::TensorProto &tensor, std::string bytes) {
  tensor.clear_float_data();
  tensor.clear_int32_data();
  tensor.clear_int64_data();
  tensor.clear_uint64_data();
  tensor.clear_double_data();
  tensor.clear_external_data();
  tensor.clear_data_location();
  *tensor.mutable_raw_data() = std::move(bytes);
}

void Writer::index() {
  isIndexed = true;
  for (onnx::TensorProto &tensor : *model.mutable_graph()->mutable_initializer())
    initializers[tensor.name()] = &tensor;
  // Graphs are the file's own messages, which this is about to change.
  forEachSubgraph(nodes, [&](const Subgraph &subgraph) {
    auto *graph = const_cast<onnx::GraphProto *>(subgraph.proto);
    for (onnx::TensorProto &tensor : *graph->mutable_initializer())
      initializers[subgraph.names.lookup(tensor.name())] = &tensor;
  });
  for (const GraphNode &node : nodes) {
    if (node.proto)
      imported[node.proto] = &node;
    const OperatorTable::Claim *claim =
        node.proto ? operators.find(node.domain, node.opType(), node.version) : nullptr;
    if (!claim || claim->name.weights.empty())
      continue;
    size_t i = 0; // input 0 is none of them
    for (StringRef key : llvm::split(claim->name.weights, ','))
      if (++i < node.inputs.size() && !node.inputs[i].empty())
        attributes[node.inputs[i]] = {&node, key.str()};
  }
}

/// A weight that the importer took from an attribute goes back there.
bool Writer::setAttribute(StringRef name, StringRef bytes) {
  auto found = attributes.find(name);
  if (found == attributes.end())
    return false;
  auto *node = const_cast<onnx::NodeProto *>(found->second.first->proto);
  for (onnx::AttributeProto &attribute : *node->mutable_attribute()) {
    if (attribute.name() != found->second.second)
      continue;
    for (int i = 0; i < attribute.floats_size(); ++i)
      std::memcpy(&attribute.mutable_floats()->at(i), bytes.data() + i * sizeof(float),
                  sizeof(float));
  }
  return true;
}

/// Adds an initializer that the importer has made, of one that stands for several, or of one that
/// was left out since it was zero; nodes read it where they do in the import.
LogicalResult Writer::addInitializer(StringRef name, const std::vector<int64_t> &shape) {
  onnx::GraphProto &graph = *model.mutable_graph();
  bool isRead = false;
  size_t reads = 0;
  for (const GraphNode &node : nodes)
    reads += llvm::count(node.inputs, name);
  for (onnx::NodeProto &node : *graph.mutable_node()) {
    const GraphNode *known = imported.lookup(&node);
    if (!known)
      continue;
    for (auto [i, input] : llvm::enumerate(known->inputs)) {
      if (input != name)
        continue;
      while (node.input_size() <= int(i))
        node.add_input();
      node.set_input(int(i), input);
      isRead = true;
      --reads;
    }
  }
  if (!isRead || reads > 0)
    return context.emitError()
           << "--emit=onnx: the weight '" << name
           << "' has no initializer of its own in the file, which has one for several equal ones, "
              "and is read inside of a function or a graph of a node; export the model again "
              "after training has made them different, or inline its functions";
  // A second name of the one that it was.
  auto &list = *graph.mutable_node();
  for (int i = list.size(); i-- > 0;)
    if (llvm::is_contained(list[i].output(), name))
      list.DeleteSubrange(i, 1);
  onnx::TensorProto *tensor = graph.add_initializer();
  tensor->set_name(name.str());
  Type element = variables.find(name)->second.type.getElementType();
  tensor->set_data_type(element.isF16()    ? onnx::TensorProto::FLOAT16
                        : element.isBF16() ? onnx::TensorProto::BFLOAT16
                        : element.isF64()  ? onnx::TensorProto::DOUBLE
                                           : onnx::TensorProto::FLOAT);
  for (int64_t extent : shape)
    tensor->add_dims(extent);
  // Adding may have moved none of the others: the list holds pointers.
  initializers[name] = tensor;
  return success();
}

LogicalResult Writer::set(StringRef name, const CheckpointFile::Tensor &value, bool isTransposed) {
  if (!isIndexed)
    index();
  auto other = [&](const llvm::Twine &why) {
    return checkpoint.emitError() << " is of another model, or of one compiled with other flags: "
                                  << why.str();
  };
  auto variable = variables.find(name);
  if (variable == variables.end())
    return other("it holds '" + name + "', which is no initializer of this one");
  std::vector<int64_t> shape = value.shape;
  if (isTransposed)
    std::reverse(shape.begin(), shape.end());
  if (variable->second.type.getShape() != ArrayRef<int64_t>(shape) ||
      uint64_t(variable->second.type.getNumElements()) * sizeOf(value.dtype) != value.bytes)
    return other("its '" + name + "' is not " + typeText(variable->second.type));
  FailureOr<std::string> bytes = checkpoint.read(value);
  if (failed(bytes))
    return failure();
  if (isTransposed)
    bytes = transpose(*bytes, value.shape[0], value.shape[1], sizeOf(value.dtype));
  if (setAttribute(name, *bytes))
    return success();
  if (!initializers.contains(name) && failed(addInitializer(name, shape)))
    return failure();
  onnx::TensorProto &tensor = *initializers[name];
  if (auto [it, isNew] = written.try_emplace(&tensor, name.str()); !isNew)
    return context.emitError() << "--emit=onnx: '" << it->second << "' and '" << name
                               << "' are one tensor of a function that is called twice, and have "
                                  "been trained apart; inline the model's functions";
  std::string converted = convert(*bytes, value.dtype, nameOf(tensor.data_type()));
  if (converted.empty() && !bytes->empty())
    return other("its '" + name + "' is of type " + value.dtype);
  setBytes(tensor, std::move(converted));
  return success();
}

//===----------------------------------------------------------------------===//
// Inference
//===----------------------------------------------------------------------===//

void Writer::makeInference(google::protobuf::RepeatedPtrField<onnx::NodeProto> &list,
                           const OpsetVersions &versions) {
  for (onnx::NodeProto &node : list) {
    std::string domain = normalizeDomain(node.domain()).str();
    auto version = versions.find(domain);
    const OperatorTable::Claim *claim =
        version == versions.end() ? nullptr
                                  : operators.find(domain, node.op_type(), version->second);
    if (!claim)
      continue;
    if (unsigned count = claim->name.inferenceInputs)
      while (node.input_size() > int(count))
        node.mutable_input()->RemoveLast();
    if (unsigned count = claim->name.inferenceOutputs)
      while (node.output_size() > int(count)) {
        dropped.insert(node.output(node.output_size() - 1));
        node.mutable_output()->RemoveLast();
      }
    for (onnx::AttributeProto &attribute : *node.mutable_attribute())
      if (!claim->name.trainingAttribute.empty() &&
          attribute.name() == claim->name.trainingAttribute)
        attribute.set_i(0);
  }
}

/// Drops outputs of the graph that nodes have in training only.
LogicalResult Writer::dropOutputs() {
  onnx::GraphProto &graph = *model.mutable_graph();
  dropped.erase("");
  LogicalResult result = success();
  forEachGraph(graph, [&](onnx::GraphProto &inner) {
    for (const onnx::NodeProto &node : inner.node())
      for (const std::string &input : node.input())
        if (succeeded(result) && dropped.contains(input))
          result = context.emitError()
                   << "--emit=onnx: node '" << node.name() << "' (" << node.op_type() << ") reads '"
                   << input
                   << "', which is computed in training only; export the model in "
                      "inference mode";
  });
  auto &outputs = *graph.mutable_output();
  for (int i = outputs.size(); i-- > 0;)
    if (dropped.contains(outputs[i].name()))
      outputs.DeleteSubrange(i, 1);
  return result;
}

LogicalResult Writer::makeInference() {
  OpsetVersions versions = readOpsets(model.opset_import());
  forEachGraph(*model.mutable_graph(),
               [&](onnx::GraphProto &graph) { makeInference(*graph.mutable_node(), versions); });
  for (onnx::FunctionProto &function : *model.mutable_functions()) {
    OpsetVersions own = readOpsets(function.opset_import());
    makeInference(*function.mutable_node(), own);
    forEachGraph(*function.mutable_node(),
                 [&](onnx::GraphProto &graph) { makeInference(*graph.mutable_node(), own); });
  }
  model.clear_training_info();
  return dropOutputs();
}

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

template <typename Fn>
void Writer::forEachTensor(Fn visit) {
  auto visitAll = [&](onnx::GraphProto &graph) {
    for (onnx::TensorProto &tensor : *graph.mutable_initializer())
      visit(tensor);
  };
  auto visitAttributes = [&](google::protobuf::RepeatedPtrField<onnx::NodeProto> &list) {
    for (onnx::NodeProto &node : list)
      for (onnx::AttributeProto &attribute : *node.mutable_attribute())
        if (attribute.has_t())
          visit(*attribute.mutable_t());
  };
  forEachGraph(*model.mutable_graph(), [&](onnx::GraphProto &graph) {
    visitAll(graph);
    visitAttributes(*graph.mutable_node());
  });
  for (onnx::FunctionProto &function : *model.mutable_functions()) {
    visitAttributes(*function.mutable_node());
    forEachGraph(*function.mutable_node(), [&](onnx::GraphProto &graph) {
      visitAll(graph);
      visitAttributes(*graph.mutable_node());
    });
  }
}

/// Takes a tensor that lies beside the model's file into it: the new file is elsewhere.
LogicalResult Writer::embedExternal(onnx::TensorProto &tensor) {
  if (tensor.data_location() != onnx::TensorProto::EXTERNAL)
    return success();
  auto emitError = [&] { return context.emitError() << "initializer '" << tensor.name() << "': "; };
  FailureOr<TensorValue> value = readTensor(tensor, nullptr, context, emitError);
  if (failed(value))
    return failure();
  if (nameOf(tensor.data_type()).empty())
    return emitError() << "--emit=onnx: lies beside the model's file in a type that is not copied";
  setBytes(tensor, std::string(value->bytes.data(), value->bytes.size()));
  return success();
}

namespace {
/// LLVM's streams as protobuf's.
class CopyingStream : public google::protobuf::io::CopyingOutputStream {
public:
  explicit CopyingStream(llvm::raw_ostream &os) : os(os) {}
  bool Write(const void *buffer, int size) override {
    os.write(static_cast<const char *>(buffer), size_t(size));
    return true; // whether it failed, the file's commit finds out
  }

private:
  llvm::raw_ostream &os;
};
} // namespace

/// Puts the trained weights in f16 or bf16 into the file, each with a node that casts it back, so
/// that the graph computes what it did, with rounded weights. Initializers of inner graphs stay.
LogicalResult Writer::narrow(StringRef dtype) {
  if (dtype == "f32")
    return success();
  onnx::GraphProto &graph = *model.mutable_graph();
  int64_t opset = 0, least = dtype == "bf16" ? 13 : 9;
  for (const onnx::OperatorSetIdProto &set : model.opset_import())
    if (set.domain().empty() || set.domain() == "ai.onnx")
      opset = set.version();
  if (opset < least)
    return context.emitError() << "--onnx-dtype=" << dtype << ": opset " << opset
                               << " of the model does not cast from it; it takes " << least;
  llvm::StringSet<> taken;
  for (const onnx::ValueInfoProto &input : graph.input())
    taken.insert(input.name());
  llvm::StringSet<> names;
  for (const onnx::TensorProto &tensor : graph.initializer())
    names.insert(tensor.name());
  for (const onnx::NodeProto &node : graph.node())
    names.insert(node.output().begin(), node.output().end());
  int casts = 0;
  for (onnx::TensorProto &tensor : *graph.mutable_initializer()) {
    // An initializer that is an input too has that one's type.
    if (!written.count(&tensor) || tensor.data_type() != onnx::TensorProto::FLOAT ||
        taken.contains(tensor.name()))
      continue;
    StringRef target = dtype == "f16" ? "F16" : "BF16";
    std::string bytes = convert(tensor.raw_data(), "F32", target);
    for (size_t i = 0; i < bytes.size(); i += sizeof(uint16_t))
      if (!std::isfinite(readFloat(target, bytes.data() + i)))
        return context.emitError() << "--onnx-dtype=" << dtype << ": the weight '" << tensor.name()
                                   << "' has values that it does not hold";
    const std::string name = tensor.name();
    std::string narrowed = name + "." + dtype.str();
    while (!names.insert(narrowed).second)
      narrowed += "_";
    setBytes(tensor, std::move(bytes));
    tensor.set_name(narrowed);
    tensor.set_data_type(dtype == "f16" ? onnx::TensorProto::FLOAT16 : onnx::TensorProto::BFLOAT16);
    onnx::NodeProto &cast = *graph.add_node();
    ++casts;
    cast.set_op_type("Cast");
    cast.set_name(narrowed + "/Cast");
    cast.add_input(narrowed);
    cast.add_output(name);
    onnx::AttributeProto &to = *cast.add_attribute();
    to.set_name("to");
    to.set_type(onnx::AttributeProto::INT);
    to.set_i(onnx::TensorProto::FLOAT);
  }
  // Before what reads them.
  auto &list = *graph.mutable_node();
  std::rotate(list.pointer_begin(), list.pointer_end() - casts, list.pointer_end());
  return success();
}

LogicalResult Writer::write(const TrainedModelOutput &output) {
  if (failed(narrow(output.dtype)))
    return failure();
  // Attributes that are weights were made initializers of the file's graph.
  auto &list = *model.mutable_graph()->mutable_initializer();
  for (int i = list.size(); i-- > 0;)
    if (attributes.contains(list[i].name()))
      list.DeleteSubrange(i, 1);
  LogicalResult embedded = success();
  uint64_t bytes = 0;
  forEachTensor([&](onnx::TensorProto &tensor) {
    if (succeeded(embedded))
      embedded = embedExternal(tensor);
    bytes += tensor.raw_data().size();
  });
  if (failed(embedded))
    return failure();
  if (bytes > kMostModelBytes) {
    if (output.dataName.empty())
      return context.emitError() << "--emit=onnx: the tensors take " << bytes
                                 << " bytes, more than one file of ONNX holds, and there is no "
                                    "place for a second beside standard output: pass -o FILE";
    llvm::Expected<llvm::raw_ostream *> data = output.openData();
    if (!data)
      return context.emitError() << llvm::toString(data.takeError());
    uint64_t offset = 0;
    forEachTensor([&](onnx::TensorProto &tensor) {
      size_t size = tensor.raw_data().size();
      if (size < kLeastExternalBytes)
        return;
      uint64_t aligned = llvm::alignTo(offset, kExternalAlignment);
      (*data)->write_zeros(unsigned(aligned - offset));
      (*data)->write(tensor.raw_data().data(), size);
      offset = aligned + size;
      setBytes(tensor, "");
      tensor.clear_raw_data();
      tensor.set_data_location(onnx::TensorProto::EXTERNAL);
      auto entry = [&](const char *key, std::string value) {
        auto *pair = tensor.add_external_data();
        pair->set_key(key);
        pair->set_value(std::move(value));
      };
      entry("location", output.dataName);
      entry("offset", std::to_string(aligned));
      entry("length", std::to_string(size));
    });
  }
  CopyingStream copying(output.model);
  google::protobuf::io::CopyingOutputStreamAdaptor stream(&copying);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  if (!model.SerializeToCodedStream(&coded))
    return context.emitError() << "--emit=onnx: the model could not be written";
  return success();
}

LogicalResult Importer::writeTrained(ImportedModel &imported, const CheckpointFile &values,
                                     const TrainedModelOutput &output) {
  if (artifacts)
    return context.emitError() << "--emit=onnx: this is a training model of ONNX Runtime, whose "
                                  "graph is no inference model: pass the model that the artifacts "
                                  "were generated from";
  Writer writer(*model, main.nodes, operators, variables, context, values);
  for (auto variable : imported.module->getOps<VariableOp>())
    if (variable.getTrained() && !values.tensors().count(variable.getSymName().str()))
      return values.emitError() << " is of another model, or of one compiled with other flags: it "
                                   "lacks the parameter '"
                                << variable.getSymName() << "'";
  for (const auto &[name, tensor] : values.tensors())
    if (failed(writer.set(name, tensor, /*isTransposed=*/false)))
      return failure();
  for (const Tie &tie : ties)
    if (auto of = values.tensors().find(tie.of); of != values.tensors().end())
      if (failed(writer.set(tie.name, of->second, tie.isTransposed)))
        return failure();
  if (failed(writer.makeInference()))
    return failure();
  return writer.write(output);
}

LogicalResult writeTrainedModel(StringRef path, StringRef checkpoint, MLIRContext &mlir,
                                const ImportOptions &options, const TrainedModelOutput &output) {
  mlir.loadDialect<AmpDialect, func::FuncDialect>();
  Importer importer(mlir, options, path);
  ImportContext context(mlir, options, path);
  CheckpointFile values(checkpoint, context);
  if (failed(values.open(output.averages)))
    return failure();
  FailureOr<ImportedModel> imported = importer.run();
  if (failed(imported))
    return failure();
  for (const std::string &file : imported->externalFiles)
    if (llvm::Error error = output.addInput(file))
      return context.emitError() << llvm::toString(std::move(error));
  return importer.writeTrained(*imported, values, output);
}
} // namespace ampc
