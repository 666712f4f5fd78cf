//===- Api.cpp - The C API, with owners and exceptions --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Api.h"
#include "Error.h"
#include "ampc-numbers/CheckedMath.h"

using namespace ampc::run;

void ampc::run::check(ampc_status_t status, const std::string &file) {
  if (!status)
    return;
  ampc_status_code_t code = ampc_status_code(status);
  std::string message = printable(ampc_status_message(status));
  std::string node = ampc_status_node(status);
  ampc_status_free(status);
  if (!node.empty() && message.find(printable(node)) == std::string::npos)
    message = quoted(node) + ": " + message;
  bool namesFile = file.empty() || message.find(printable(file)) != std::string::npos;
  int exitCode = code == AMPC_STATUS_TRAINING_STOPPED ? ExitStopped
                 : code == AMPC_STATUS_INTERNAL       ? ExitInternal
                                                      : ExitDiagnosed;
  throw Error(namesFile ? "ampc-run" : file, message, exitCode);
}

uint64_t TensorSpec::bytes() const { return *elementCount(shape) * elementSize(type); }

uint64_t TensorSpec::blocks() const {
  return *elementCount({shape.begin(), shape.begin() + std::ptrdiff_t(batchAxis)});
}

uint64_t TensorSpec::rowBytes() const {
  return *elementCount({shape.begin() + std::ptrdiff_t(batchAxis) + 1, shape.end()}) *
         elementSize(type);
}

DLTensor TensorSpec::tensorAt(void *data) const {
  DLTensor tensor = {};
  tensor.data = data;
  tensor.device = {kDLCPU, 0};
  tensor.ndim = static_cast<int>(shape.size());
  tensor.dtype = dtype;
  tensor.shape = const_cast<int64_t *>(shape.data()); // nobody writes it
  return tensor;
}

Module::Module(const std::string &path) : name(path) {
  check(ampc_module_open(path.c_str(), &handle), path);
  try {
    readTensors();
  } catch (...) {
    ampc_module_close(handle);
    throw;
  }
}

void Module::readTensors() {
  for (size_t i = 0; i < ampc_module_tensor_count(handle); ++i) {
    ampc_tensor_info_t info = {};
    info.struct_size = sizeof info;
    check(ampc_module_tensor(handle, i, &info), name);
    if (info.role != AMPC_TENSOR_ROLE_INPUT && info.role != AMPC_TENSOR_ROLE_OUTPUT)
      continue;
    bool isInput = info.role == AMPC_TENSOR_ROLE_INPUT;
    std::string what = (isInput ? "input " : "output ") + quoted(info.name);
    std::optional<ElementType> type = typeOfTensor(info.dtype);
    if (!type)
      throw Error(name, what +
                            " has an element type that ampc-run does not "
                            "know: DLPack code " +
                            std::to_string(info.dtype.code) + " with " +
                            std::to_string(info.dtype.bits) + " bits");
    TensorSpec spec{info.name,
                    *type,
                    info.dtype,
                    {info.shape, info.shape + info.rank},
                    info.label != 0,
                    info.batched != 0,
                    info.loss != 0,
                    info.optional_in_step != 0,
                    info.optional_in_evaluate != 0,
                    info.batched ? static_cast<size_t>(info.batch_axis) : 0};
    std::optional<uint64_t> count = elementCount(spec.shape);
    if (!count || !checkedMul(*count, elementSize(*type)))
      throw Error(name, what + " has shape " + shapeText(spec.shape) + ", which no memory holds");
    (isInput ? inputSpecs : outputSpecs).push_back(std::move(spec));
  }
}

std::string Module::inspect(ampc_device_t device) const {
  char *text = nullptr;
  check(ampc_module_inspect(handle, device, &text), name);
  std::string result = text;
  ampc_string_free(text);
  return result;
}

Session::Session(const Module &module, ampc_device_t device, int64_t seed,
                 ampc_check_finite_t checkFinite) {
  ampc_session_options_t options = {};
  options.struct_size = sizeof options;
  options.device = device;
  options.seed = seed;
  options.check_finite = checkFinite;
  check(ampc_session_create(module.get(), &options, &handle), module.path());
}

float Session::learningRate() const {
  float rate = 0;
  DLTensor tensor = {};
  tensor.data = &rate;
  tensor.device = {kDLCPU, 0};
  tensor.dtype = {kDLFloat, 32, 1};
  ampc_status_t status = ampc_session_get_tensor(handle, "ampc.learning_rate", &tensor);
  bool isMissing = ampc_status_code(status) == AMPC_STATUS_NOT_FOUND;
  if (!isMissing) {
    check(status);
    return rate;
  }
  ampc_status_free(status);
  throw Error("ampc-run", "this module has no learning rate that can be set, so --lr-schedule and "
                          "--warmup have nothing to change");
}
