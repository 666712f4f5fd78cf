//===- Api.h - The C API, with owners and exceptions ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_API_H
#define AMPC_RUN_API_H

#include "ElementType.h"

#include <ampc-runtime/ampc.h>

#include <string>
#include <vector>

namespace ampc::run {

/// Throws `status` as an Error with the exit code that its code stands for, and
/// frees it. `file` is the subject where the message does not name it already.
void check(ampc_status_t status, const std::string &file = "");

/// An input or output of a module.
struct TensorSpec {
  std::string name;
  ElementType type;
  DLDataType dtype;
  std::vector<int64_t> shape;
  bool label = false;                                      ///< an input that only the loss reads
  bool batched = false;                                    ///< dimension `batchAxis` counts samples
  bool loss = false;                                       ///< the output that is minimised
  bool optionalInStep = false, optionalInEvaluate = false; ///< an input may be absent

  size_t batchAxis = 0;

  uint64_t bytes() const;
  /// How many blocks lie along the dimensions before `batchAxis`, and the bytes of an index of it
  /// and all dimensions behind. Only where it has dimensions.
  uint64_t blocks() const;
  uint64_t rowBytes() const;
  /// A tensor of this type and shape at `data`; valid as long as both.
  DLTensor tensorAt(void *data) const;
};

/// A loaded train.so.
class Module {
public:
  explicit Module(const std::string &path);
  Module(const Module &) = delete;
  Module &operator=(const Module &) = delete;
  ~Module() { ampc_module_close(handle); }

  const std::string &path() const { return name; }
  ampc_module_t *get() const { return handle; }
  const std::vector<TensorSpec> &inputs() const { return inputSpecs; }
  const std::vector<TensorSpec> &outputs() const { return outputSpecs; }
  bool trains() const { return ampc_module_trains(handle) != 0; }
  /// Micro-batches in a step.
  int64_t microBatches() const { return ampc_module_micro_batches(handle); }
  std::string inspect(ampc_device_t device) const;

private:
  void readTensors();

  std::string name;
  ampc_module_t *handle = nullptr;
  std::vector<TensorSpec> inputSpecs, outputSpecs;
};

/// A run's state on a device.
class Session {
public:
  Session(const Module &module, ampc_device_t device, int64_t seed,
          ampc_check_finite_t checkFinite = AMPC_CHECK_FINITE_SKIP);
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;
  ~Session() { ampc_session_destroy(handle); }

  ampc_session_t *get() const { return handle; }
  /// Attempted updates so far.
  int64_t steps() const { return ampc_session_steps(handle); }
  /// Micro-batches that the next step already has.
  int64_t microBatch() const { return ampc_session_micro_batch(handle); }
  /// Of the next step. Throws Error where the module has none that can be set.
  float learningRate() const;
  bool onHost() const { return ampc_session_device(handle) == AMPC_DEVICE_HOST; }

private:
  ampc_session_t *handle = nullptr;
};

} // namespace ampc::run

#endif // AMPC_RUN_API_H
