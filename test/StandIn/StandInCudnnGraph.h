//===- StandInCudnnGraph.h - A convolution as cuDNN has it -------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_STANDINCUDNNGRAPH_H
#define AMPC_TEST_STANDIN_STANDINCUDNNGRAPH_H

#include "StandInCudaState.h"

#include <optional>

namespace ampc::standin {

/// [n, c, h, w] by strides.
struct CudnnTensor {
  int type = 0;
  int64_t dims[4] = {}, strides[4] = {};
  int64_t number = 0, alignment = 0;
  bool isVirtual = false;

  int64_t elements() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
  uint64_t bytes() const;
  bool isChannelsLast() const;
  /// Whether it lies in one of the two orders, without gaps.
  bool isPacked() const;
};

struct CudnnWindow {
  int compute = 0;
  int64_t strides[2] = {}, before[2] = {}, after[2] = {}, dilations[2] = {};
};

/// How the real one computes some graphs, and what makes an engine unfit for us shows in results.
enum class CudnnEngine {
  Compiled,   ///< at run time: does not run here
  Reduced,    ///< keeps sums in 16 bits
  Hungry,     ///< wants a large workspace
  TensorCore, ///< rounds f32 operands to TF32
  Plain,
};

/// What a graph of operations says.
struct CudnnConvolution {
  int operation = 0; ///< CUDNN_BACKEND_OPERATION_CONVOLUTION_.._DESCRIPTOR
  CudnnWindow window;
  CudnnTensor x, filter, y;
  std::optional<CudnnTensor> bias, biased; ///< y is virtual then

  /// Of the operation.
  cudnnStatus_t check() const;
  /// Those that the heuristics of a mode name; none of what the real one has no engines for.
  std::vector<CudnnEngine> engines(int mode) const;
  uint64_t workspaceBytes(CudnnEngine engine) const;

  /// Those in memory: what is read, then what is written.
  std::vector<const CudnnTensor *> tensors() const;
  /// What is wrong with where the tensors lie, or "".
  std::string checkMemory(const std::map<int64_t, uint64_t> &addresses, uint64_t workspace,
                          uint64_t workspaceBytes) const;
  Event describe(const std::map<int64_t, uint64_t> &addresses) const;
  std::string run(CudnnEngine engine, const std::map<int64_t, uint64_t> &addresses,
                  uint64_t workspace) const;

private:
  template <class Real>
  void compute(CudnnEngine engine, const std::map<int64_t, uint64_t> &addresses) const;
  const CudnnTensor &result() const;
  int64_t groups() const { return x.dims[1] / filter.dims[1]; }
};

} // namespace ampc::standin

#endif // AMPC_TEST_STANDIN_STANDINCUDNNGRAPH_H
