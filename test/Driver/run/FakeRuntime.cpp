//===- FakeRuntime.cpp - A runtime that trains one line -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Implements ampc.h without a compiler: a module is a text file, the model
// y = w x + b with a mean squared loss, on the host. What the file says makes
// it skip, stop, fail, be slow or be interrupted at a step, so that ampc-run
// can be tested to its ends. Like the real runtime it reports the failure of an
// enqueued step when that step is asked about, once, and forgets statistics
// after 64 steps.
//
// The file: a first line "fake-module", then lines of a key and its values.
//   batch N, features N, classes N (0: the target is f32, else i64 with scores)
//   type NAME           of x and y: f32, f64, f16, bf16
//   extra NAME DIM..    one more f32 input, not used
//   evalonly            no training step
//   fixedrate           no learning rate that can be set
//   norm, inexact, slow MICROSECONDS, trace FILE (first column of x of each
//   batch) skip N.., stop N, refuse N, break N, signal N SIGNAL
//
//===----------------------------------------------------------------------===//

#include "ampc-numbers/Schedule.h"

#include <ampc-runtime/ampc.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <deque>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

struct ampc_status_s {
  ampc_status_code_t code;
  std::string message, node;
};

namespace {

constexpr int64_t slots = 64;
constexpr DLDataType f32{kDLFloat, 32, 1}, f64{kDLFloat, 64, 1};
constexpr DLDataType f16{kDLFloat, 16, 1}, bf16{kDLBfloat, 16, 1}, i64{kDLInt, 64, 1};

struct Tensor {
  std::string name;
  ampc_tensor_role_t role;
  DLDataType type;
  std::vector<int64_t> shape;
  bool trained = false, label = false, batched = false, loss = false;
};

ampc_status_t fail(ampc_status_code_t code, std::string message, std::string node = "") {
  return new ampc_status_s{code, std::move(message), std::move(node)};
}

float floatOf(const DLTensor &tensor, int64_t index) {
  if (tensor.dtype.code == kDLInt)
    return float(static_cast<const int64_t *>(tensor.data)[index]);
  if (tensor.dtype.bits == 64)
    return float(static_cast<const double *>(tensor.data)[index]);
  if (tensor.dtype.bits == 32)
    return static_cast<const float *>(tensor.data)[index];
  uint32_t bits = uint32_t(static_cast<const uint16_t *>(tensor.data)[index]) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

void store(const DLTensor &tensor, int64_t index, float value) {
  if (tensor.dtype.bits == 64) {
    static_cast<double *>(tensor.data)[index] = value;
  } else if (tensor.dtype.bits == 32) {
    static_cast<float *>(tensor.data)[index] = value;
  } else {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    static_cast<uint16_t *>(tensor.data)[index] = uint16_t(bits >> 16);
  }
}

} // namespace

struct ampc_module_s {
  std::string path, trace;
  int64_t batch = 4, features = 3, classes = 0;
  bool evalOnly = false, fixedRate = false, norm = false, exact = true;
  useconds_t slow = 0;
  std::set<int64_t> skip;
  int64_t stop = 0, refuse = 0, broken = 0, signalAt = 0;
  int signal = 0;
  std::vector<Tensor> tensors;

  const Tensor *find(const char *name, ampc_tensor_role_t role) const {
    for (const Tensor &tensor : tensors)
      if (tensor.name == name && tensor.role == role)
        return &tensor;
    return nullptr;
  }
};

struct ampc_session_s {
  ampc_module_s *module;
  std::vector<float> weights; ///< the last one is the bias
  int64_t attempts = 0, seed = 0;
  float rate = 0.05f, scale = 65536;
  std::map<std::string, std::string> metadata;
  std::deque<ampc_step_info_t> ring;
  std::map<int64_t, ampc_status_t> unreported;
  int64_t before = 0;

  ampc_status_t bind(const ampc_named_tensor_t *inputs, size_t count, bool labelsOptional,
                     std::map<std::string, const DLTensor *> &bound);
  float predict(const DLTensor &x, int64_t row) const;
};

ampc_status_t ampc_session_s::bind(const ampc_named_tensor_t *inputs, size_t count,
                                   bool labelsOptional,
                                   std::map<std::string, const DLTensor *> &bound) {
  for (size_t i = 0; i < count; ++i) {
    const Tensor *spec = module->find(inputs[i].name, AMPC_TENSOR_ROLE_INPUT);
    const DLTensor *tensor = inputs[i].tensor;
    if (!spec || tensor->ndim != int(spec->shape.size()) ||
        std::memcmp(tensor->shape, spec->shape.data(), spec->shape.size() * sizeof(int64_t)) != 0 ||
        std::memcmp(&tensor->dtype, &spec->type, sizeof spec->type) != 0 || tensor->strides ||
        tensor->device.device_type != kDLCPU)
      return fail(AMPC_STATUS_INVALID_ARGUMENT, "input does not fit", inputs[i].name);
    bound[spec->name] = tensor;
  }
  for (const Tensor &spec : module->tensors)
    if (spec.role == AMPC_TENSOR_ROLE_INPUT && !bound.count(spec.name) &&
        !(spec.label && labelsOptional))
      return fail(AMPC_STATUS_INVALID_ARGUMENT, "an input is missing", spec.name);
  return nullptr;
}

float ampc_session_s::predict(const DLTensor &x, int64_t row) const {
  float y = weights.back();
  for (int64_t i = 0; i < module->features; ++i)
    y += weights[size_t(i)] * floatOf(x, row * module->features + i);
  return y;
}

ampc_status_code_t ampc_status_code(ampc_status_t status) {
  return status ? status->code : AMPC_STATUS_OK;
}
const char *ampc_status_message(ampc_status_t status) {
  return status ? status->message.c_str() : "";
}
const char *ampc_status_node(ampc_status_t status) { return status ? status->node.c_str() : ""; }
void ampc_status_free(ampc_status_t status) { delete status; }
const char *ampc_version(void) { return "0.0.1"; }

ampc_status_t ampc_module_open(const char *path, ampc_module_t **out_module) {
  std::ifstream file(path);
  std::string line, type = "f32";
  if (!file)
    return fail(AMPC_STATUS_NOT_FOUND, "there is no such file");
  if (!std::getline(file, line) || line != "fake-module")
    return fail(AMPC_STATUS_CORRUPT, std::string(path) + " was not made by the compiler");
  auto module = std::make_unique<ampc_module_s>();
  module->path = path;
  std::vector<Tensor> extras;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string key;
    words >> key;
    int64_t number;
    if (key == "batch")
      words >> module->batch;
    else if (key == "features")
      words >> module->features;
    else if (key == "classes")
      words >> module->classes;
    else if (key == "type")
      words >> type;
    else if (key == "evalonly")
      module->evalOnly = true;
    else if (key == "fixedrate")
      module->fixedRate = true;
    else if (key == "norm")
      module->norm = true;
    else if (key == "inexact")
      module->exact = false;
    else if (key == "slow")
      words >> module->slow;
    else if (key == "trace")
      words >> module->trace;
    else if (key == "stop")
      words >> module->stop;
    else if (key == "refuse")
      words >> module->refuse;
    else if (key == "break")
      words >> module->broken;
    else if (key == "signal")
      words >> module->signalAt >> module->signal;
    else if (key == "skip")
      while (words >> number)
        module->skip.insert(number);
    else if (key == "extra") {
      Tensor extra{"", AMPC_TENSOR_ROLE_INPUT, f32, {}};
      words >> extra.name;
      while (words >> number)
        extra.shape.push_back(number);
      extras.push_back(extra);
    }
  }
  DLDataType real = type == "f64" ? f64 : type == "bf16" ? bf16 : type == "f16" ? f16 : f32;
  int64_t batch = module->batch;
  auto add = [&](const char *name, ampc_tensor_role_t role, DLDataType type,
                 std::vector<int64_t> shape) -> Tensor & {
    module->tensors.push_back({name, role, type, std::move(shape)});
    return module->tensors.back();
  };
  add("x", AMPC_TENSOR_ROLE_INPUT, real, {batch, module->features}).batched = true;
  Tensor &target = add("target", AMPC_TENSOR_ROLE_INPUT, module->classes ? i64 : f32, {batch});
  target.label = target.batched = true;
  for (const Tensor &extra : extras)
    module->tensors.push_back(extra);
  add("w", AMPC_TENSOR_ROLE_PARAMETER, f32, {module->features}).trained = true;
  add("y", AMPC_TENSOR_ROLE_OUTPUT, real, {batch}).batched = true;
  if (module->classes)
    add("scores", AMPC_TENSOR_ROLE_OUTPUT, f32, {batch, module->classes}).batched = true;
  add("weights now", AMPC_TENSOR_ROLE_OUTPUT, f32, {module->features});
  add("loss", AMPC_TENSOR_ROLE_OUTPUT, f32, {}).loss = true;
  *out_module = module.release();
  return nullptr;
}

void ampc_module_close(ampc_module_t *module) { delete module; }

ampc_status_t ampc_module_inspect(const ampc_module_t *, ampc_device_t device, char **out_json) {
  if (device == AMPC_DEVICE_CUDA)
    return fail(AMPC_STATUS_INCOMPATIBLE, "holds no CUDA code");
  *out_json = strdup(
      R"({"model":"line.onnx","target":"host","trains":true,)"
      R"("inputs":[{"name":"x","shape":[4,3],"dtype":"f32","label":false}],)"
      R"("parameters":[{"name":"w\u001b[2J","shape":[3],"dtype":"f32","trained":true}],)"
      R"("precision":{"low_dtype":"f16","loss_scaling":true},"arena_bytes":4096,)"
      R"("constants":[],"steps":[)"
      R"({"kind":"launch","nodes":["/mul","/add"],"kernel":"k0","read_bytes":2048,"written_bytes":100,"flops":3000,"operand_types":["f32","f16"]},)"
      R"({"kind":"launch","nodes":["/mean"],"kernel":"k1","read_bytes":0,"written_bytes":4,"flops":1,"operand_types":[]},)"
      R"({"kind":"copy","nodes":[],"kernel":null,"read_bytes":0,"written_bytes":0,"flops":0,"operand_types":[]}]})");
  return nullptr;
}
void ampc_string_free(char *string) { free(string); }

size_t ampc_module_tensor_count(const ampc_module_t *module) { return module->tensors.size(); }

ampc_status_t ampc_module_tensor(const ampc_module_t *module, size_t index,
                                 ampc_tensor_info_t *info) {
  if (info->struct_size != sizeof *info || index >= module->tensors.size())
    return fail(AMPC_STATUS_INVALID_ARGUMENT, "wrong use of ampc_module_tensor");
  const Tensor &tensor = module->tensors[index];
  info->name = tensor.name.c_str();
  info->role = tensor.role;
  info->dtype = tensor.type;
  info->rank = int32_t(tensor.shape.size());
  info->shape = tensor.shape.data();
  info->trained = tensor.trained;
  info->label = tensor.label;
  info->batched = tensor.batched;
  info->batch_axis = 0;
  info->loss = tensor.loss;
  return nullptr;
}

int ampc_module_trains(const ampc_module_t *module) { return !module->evalOnly; }

int ampc_module_micro_batches(const ampc_module_t *) { return 1; }
int ampc_session_micro_batch(const ampc_session_t *) { return 0; }

ampc_status_t ampc_session_create(ampc_module_t *module, const ampc_session_options_t *options,
                                  ampc_session_t **out_session) {
  if (options->device == AMPC_DEVICE_CUDA)
    return fail(AMPC_STATUS_NOT_FOUND, "there is no CUDA device");
  auto session = std::make_unique<ampc_session_s>();
  session->module = module;
  session->weights.resize(size_t(module->features) + 1);
  session->seed = options->seed;
  *out_session = session.release();
  return nullptr;
}

void ampc_session_destroy(ampc_session_t *session) {
  if (session)
    for (auto &[step, status] : session->unreported)
      ampc_status_free(status);
  delete session;
}
ampc_device_t ampc_session_device(const ampc_session_t *) { return AMPC_DEVICE_HOST; }
int64_t ampc_session_steps(const ampc_session_t *session) { return session->attempts; }

ampc_status_t ampc_session_step(ampc_session_t *session, const ampc_named_tensor_t *inputs,
                                size_t input_count, ampc_step_info_t *info) {
  std::map<std::string, const DLTensor *> bound;
  if (ampc_status_t status = session->bind(inputs, input_count, false, bound))
    return status;
  if (info)
    return fail(AMPC_STATUS_INTERNAL, "ampc-run is not expected to wait here");
  ampc_module_s &module = *session->module;
  int64_t step = ++session->attempts;
  auto skips = std::distance(module.skip.begin(), module.skip.lower_bound(step));
  if (session->metadata.count(ampc::kScheduleKey))
    session->rate = ampc::Schedule::parse(session->metadata[ampc::kScheduleKey])->at(step - skips);
  if (step == module.signalAt)
    raise(module.signal);
  if (module.slow)
    usleep(module.slow);

  const DLTensor &x = *bound["x"], &target = *bound["target"];
  if (!module.trace.empty()) {
    std::ofstream trace(module.trace, std::ios::app);
    for (int64_t row = 0; row < module.batch; ++row)
      trace << floatOf(x, row * module.features) << (row + 1 < module.batch ? " " : "\n");
  }
  float loss = 0, norm = 0;
  std::vector<float> gradient(session->weights.size());
  for (int64_t row = 0; row < module.batch; ++row) {
    float error = session->predict(x, row) - floatOf(target, row);
    loss += error * error / float(module.batch);
    for (int64_t i = 0; i <= module.features; ++i)
      gradient[size_t(i)] += 2 * error / float(module.batch) *
                             (i < module.features ? floatOf(x, row * module.features + i) : 1);
  }
  for (float g : gradient)
    norm += g * g;
  bool stops = step == module.stop, refuses = step == module.refuse;
  bool applied = !module.skip.count(step) && !stops && !refuses;
  ampc_step_info_t done = {};
  done.step = step;
  done.loss = loss;
  done.loss_scale = session->scale;
  done.applied = applied;
  done.learning_rate = session->rate;
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  done.grad_norm = module.norm && applied ? std::sqrt(norm) : nan;
  done.culprit = applied ? "" : "w";
  done.failure = applied ? AMPC_FAILURE_NONE : AMPC_FAILURE_GRADIENT;
  done.bad_tensor = done.bad_node = done.bad_operator = done.bad_text = "";
  done.bad_index = -1;
  if (applied)
    for (size_t i = 0; i < gradient.size(); ++i)
      session->weights[i] -= session->rate * gradient[i];
  else
    session->scale /= 2;
  done.next_loss_scale = session->scale;
  session->ring.push_back(done);
  if (session->ring.size() > size_t(slots))
    session->ring.pop_front();
  if (stops)
    session->unreported[step] =
        fail(AMPC_STATUS_TRAINING_STOPPED, "the gradient of 'w' is not finite");
  if (refuses)
    session->unreported[step] = fail(AMPC_STATUS_DATA, "a label is out of range", "target");
  if (step == module.broken)
    return fail(AMPC_STATUS_INTERNAL, "a table contradicts itself");
  return nullptr;
}

ampc_status_t ampc_session_step_visited(ampc_session_t *, const ampc_named_tensor_t *, size_t,
                                        ampc_step_info_t *, ampc_value_visitor_t, void *) {
  return fail(AMPC_STATUS_INTERNAL, "ampc-run is not expected to look at values here");
}

ampc_status_t ampc_session_get_step_info(ampc_session_t *session, int64_t step,
                                         ampc_step_info_t *info) {
  if (info->struct_size != sizeof *info)
    return fail(AMPC_STATUS_INVALID_ARGUMENT, "struct_size is wrong");
  if (session->ring.empty() || step < session->ring.front().step ||
      step > session->ring.back().step)
    return fail(AMPC_STATUS_NOT_FOUND, "the step is not known any more");
  *info = session->ring[size_t(step - session->ring.front().step)];
  info->struct_size = sizeof *info;
  auto first = session->unreported.begin();
  if (first == session->unreported.end() || first->first > step)
    return nullptr;
  ampc_status_t status = first->second;
  session->unreported.erase(first);
  return status;
}

ampc_status_t ampc_session_synchronize(ampc_session_t *session) {
  ampc_step_info_t info = {};
  info.struct_size = sizeof info;
  if (session->ring.empty())
    return nullptr;
  return ampc_session_get_step_info(session, session->attempts, &info);
}

ampc_status_t ampc_session_evaluate(ampc_session_t *session, const ampc_named_tensor_t *inputs,
                                    size_t input_count, const ampc_named_tensor_t *outputs,
                                    size_t output_count) {
  std::map<std::string, const DLTensor *> bound;
  if (ampc_status_t status = session->bind(inputs, input_count, true, bound))
    return status;
  ampc_module_s &module = *session->module;
  if (module.slow)
    usleep(module.slow);
  const DLTensor &x = *bound["x"];
  const DLTensor *target = bound.count("target") ? bound["target"] : nullptr;
  for (size_t i = 0; i < output_count; ++i) {
    const DLTensor &output = *outputs[i].tensor;
    std::string name = outputs[i].name;
    if (name == "loss" && !target)
      return fail(AMPC_STATUS_INVALID_ARGUMENT, "it needs a label", name);
    float loss = 0;
    for (int64_t row = 0; row < module.batch; ++row) {
      float y = session->predict(x, row);
      float error = target ? y - floatOf(*target, row) : 0;
      loss += error * error / float(module.batch);
      if (name == "y")
        store(output, row, y);
      for (int64_t c = 0; name == "scores" && c < module.classes; ++c)
        store(output, row * module.classes + c, -std::fabs(y - float(c)));
    }
    if (name == "loss")
      store(output, 0, loss);
    for (int64_t f = 0; name == "weights now" && f < module.features; ++f)
      store(output, f, session->weights[size_t(f)]);
  }
  return nullptr;
}

ampc_status_t ampc_session_get_tensor(ampc_session_t *session, const char *name,
                                      const DLTensor *tensor) {
  if (std::strcmp(name, "ampc.learning_rate") == 0 && !session->module->fixedRate) {
    store(*tensor, 0, session->rate);
    return nullptr;
  }
  return fail(AMPC_STATUS_NOT_FOUND, "the fake has no tensors", name);
}
ampc_status_t ampc_session_set_tensor(ampc_session_t *, const char *name, const DLTensor *) {
  return fail(AMPC_STATUS_NOT_FOUND, "the fake has no tensors", name);
}

ampc_status_t ampc_session_set_learning_rate(ampc_session_t *session, float lr) {
  if (session->module->fixedRate)
    return fail(AMPC_STATUS_NOT_FOUND, "there is no learning rate");
  session->rate = lr;
  session->metadata.erase(ampc::kScheduleKey);
  return nullptr;
}
ampc_status_t ampc_session_set_schedule(ampc_session_t *session, const ampc_schedule_t *given) {
  session->metadata[ampc::kScheduleKey] = ampc::Schedule{ampc::ScheduleKind(given->kind),
                                                         given->base,
                                                         given->warmup,
                                                         given->last,
                                                         given->every,
                                                         given->factor}
                                              .text();
  return nullptr;
}

ampc_status_t ampc_session_set_metadata(ampc_session_t *session, const char *key,
                                        const char *value) {
  if (value)
    session->metadata[key] = value;
  else
    session->metadata.erase(key);
  return nullptr;
}
const char *ampc_session_get_metadata(const ampc_session_t *session, const char *key) {
  auto found = session->metadata.find(key);
  return found == session->metadata.end() ? nullptr : found->second.c_str();
}

ampc_status_t ampc_session_save_checkpoint(ampc_session_t *session, const char *path) {
  std::string temporary = std::string(path) + ".tmp";
  std::ofstream file(temporary);
  file << "fake-checkpoint\n" << std::hexfloat;
  file << session->attempts << ' ' << session->seed << ' ' << session->rate << ' '
       << session->scale;
  for (float weight : session->weights)
    file << ' ' << weight;
  file << '\n';
  for (const auto &[key, value] : session->metadata)
    file << key << ' ' << value << '\n';
  file.close();
  if (!file || rename(temporary.c_str(), path) != 0) {
    unlink(temporary.c_str());
    return fail(AMPC_STATUS_IO, std::string(path) + ": no space left");
  }
  return nullptr;
}

ampc_status_t ampc_session_load_checkpoint(ampc_session_t *session, const char *path,
                                           int *out_exact) {
  std::ifstream file(path);
  std::string line, word;
  if (!file)
    return fail(AMPC_STATUS_NOT_FOUND, "there is no such file");
  if (!std::getline(file, line) || line != "fake-checkpoint")
    return fail(AMPC_STATUS_CORRUPT, "it is no checkpoint");
  std::getline(file, line);
  std::istringstream words(line);
  words >> session->attempts >> session->seed;
  // Streams write hexadecimal floats but do not read them.
  words >> word, session->rate = std::strtof(word.c_str(), nullptr);
  words >> word, session->scale = std::strtof(word.c_str(), nullptr);
  for (float &weight : session->weights)
    words >> word, weight = std::strtof(word.c_str(), nullptr);
  session->metadata.clear();
  while (std::getline(file, line)) {
    size_t space = line.find(' ');
    session->metadata[line.substr(0, space)] = line.substr(space + 1);
  }
  if (out_exact)
    *out_exact = session->module->exact;
  return nullptr;
}
