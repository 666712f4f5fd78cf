//===- TestSupport.h - Tensors, statuses and files for tests ----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_RUNTIME_TESTSUPPORT_H
#define AMPC_TEST_RUNTIME_TESTSUPPORT_H

#include "ampc-runtime/ampc.h"

#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <unistd.h>
#include <vector>

namespace ampc::test {

constexpr DLDataType kF32 = {kDLFloat, 32, 1};
constexpr DLDataType kF16 = {kDLFloat, 16, 1};
constexpr DLDataType kI64 = {kDLInt, 64, 1};
constexpr DLDataType kI32 = {kDLInt, 32, 1};

/// Owns its data.
template <class T>
struct Tensor {
  Tensor(DLDataType dtype, std::vector<int64_t> shape, std::vector<T> values)
      : shape(std::move(shape)), values(std::move(values)) {
    dl.device = {kDLCPU, 0};
    dl.dtype = dtype;
    dl.ndim = int(this->shape.size());
    dl.strides = nullptr;
    dl.byte_offset = 0;
  }
  const DLTensor *get() {
    dl.data = values.data();
    dl.shape = shape.data();
    return &dl;
  }

  std::vector<int64_t> shape;
  std::vector<T> values;
  DLTensor dl;
};

inline Tensor<float> f32(std::vector<int64_t> shape, std::vector<float> values) {
  return {kF32, std::move(shape), std::move(values)};
}
inline Tensor<int64_t> i64(std::vector<int64_t> shape, std::vector<int64_t> values) {
  return {kI64, std::move(shape), std::move(values)};
}

/// What a call returned; frees it.
struct Outcome {
  Outcome(ampc_status_t status)
      : code(ampc_status_code(status)), message(ampc_status_message(status)),
        node(ampc_status_node(status)) {
    ampc_status_free(status);
  }
  ampc_status_code_t code;
  std::string message, node;
};

inline void expectOk(ampc_status_t status) {
  Outcome outcome(status);
  EXPECT_EQ(outcome.code, AMPC_STATUS_OK) << outcome.message;
}

/// Expects a failure with this code, whose message holds `text`. Returns it.
inline Outcome expectError(ampc_status_t status, ampc_status_code_t code, const std::string &text) {
  Outcome outcome(status);
  EXPECT_EQ(outcome.code, code) << outcome.message;
  EXPECT_NE(outcome.message.find(text), std::string::npos)
      << "'" << text << "' is not in: " << outcome.message;
  EXPECT_EQ(outcome.message.find('\n'), std::string::npos) << outcome.message;
  return outcome;
}

struct ModuleHandle {
  explicit ModuleHandle(const std::string &path) {
    expectOk(ampc_module_open(path.c_str(), &handle));
  }
  ~ModuleHandle() { ampc_module_close(handle); }
  ModuleHandle(const ModuleHandle &) = delete;
  operator ampc_module_t *() const { return handle; }

  ampc_module_t *handle = nullptr;
};

struct SessionHandle {
  explicit SessionHandle(ampc_module_t *module, int threads = 1, int64_t seed = 0) {
    ampc_session_options_t options = {};
    options.struct_size = sizeof(options);
    options.device = AMPC_DEVICE_HOST;
    options.threads = threads;
    options.seed = seed;
    expectOk(ampc_session_create(module, &options, &handle));
  }
  ~SessionHandle() { ampc_session_destroy(handle); }
  SessionHandle(const SessionHandle &) = delete;
  operator ampc_session_t *() const { return handle; }

  ampc_session_t *handle = nullptr;
};

inline std::string readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void writeFile(const std::string &path, const std::string &bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A folder of this process's own, removed with its files at the end.
const std::string &scratchFolder();
/// The same in memory, where the system has such a place: a checkpoint's fsync
/// takes no time there.
const std::string &memoryFolder();

} // namespace ampc::test

#endif // AMPC_TEST_RUNTIME_TESTSUPPORT_H
