//===- Matmul.cpp - The matmul steps of the host target -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Host/Matmul.h"

#include "Core/DType.h"

#include <algorithm>
#include <new>

namespace ampc {

void MatmulWorkspace::reserve(const Requirement &need) {
  auto roundUp = [](uint64_t bytes) { return (bytes + 63) / 64 * 64; };
  uint64_t shared = std::max(sharedBytes, roundUp(need.sharedBytes));
  uint64_t thread = std::max(threadBytes, roundUp(need.threadBytes));
  uint64_t bytes = shared + thread * need.threads;
  if (bytes > total) {
    memory.reset(static_cast<char *>(std::aligned_alloc(64, bytes)));
    total = memory ? bytes : 0;
    if (!memory)
      throw std::bad_alloc();
  }
  sharedBytes = shared;
  threadBytes = thread;
}

template <class T>
static Gemm<T> makeGemm(const GemmKernels<T> &kernels, const MatmulShape &shape,
                        int threads) {
  return Gemm<T>(kernels,
                 {shape.m, shape.n, shape.k, shape.transposeLhs,
                  shape.transposeRhs, shape.lhs, shape.rhs, shape.bias,
                  shape.out, T(shape.alpha), shape.relu},
                 threads);
}

Matmul::Matmul(const MatmulShape &given, int threads)
    : shape(mergeBatch(given)), threads(threads) {
  // What a thread computes in the time that handing out work takes.
  constexpr double kWorthwhile = 1e6;
  double work = double(shape.m) * shape.n * shape.k;
  if (threads == 1 || work * shape.batch < kWorthwhile)
    split = Split::None;
  else if (shape.batch >= 4 * threads ||
           (shape.batch > 1 && work < kWorthwhile))
    split = Split::Batch;
  else
    split = Split::Product;

  int cut = split == Split::Product ? threads : 1;
  const GemmKernelSet &kernels = pickGemmKernels();
  if (shape.out == AMPC_DTYPE_F64)
    gemm.emplace<Gemm<double>>(makeGemm(kernels.f64, shape, cut));
  else
    gemm.emplace<Gemm<float>>(makeGemm(kernels.f32, shape, cut));
}

MatmulWorkspace::Requirement Matmul::requirement() const {
  uint64_t shared = 0, scratch = 0;
  auto measure = [&](const auto &gemm, uint64_t size) {
    shared = gemm.sharedElements() * size;
    scratch = gemm.scratchElements() * size;
  };
  if (auto *narrow = std::get_if<Gemm<float>>(&gemm))
    measure(*narrow, sizeof(float));
  else if (auto *wide = std::get_if<Gemm<double>>(&gemm))
    measure(*wide, sizeof(double));
  shared = (shared + 63) / 64 * 64;
  // A thread with products of its own shares nothing.
  if (split == Split::Batch)
    return {0, shared + scratch, threads};
  return {shared, scratch, threads};
}

void Matmul::run(void *const *arguments, const MatmulWorkspace &workspace,
                 ThreadPool &pool) const {
  if (auto *narrow = std::get_if<Gemm<float>>(&gemm))
    runAs(*narrow, arguments, workspace, pool);
  else if (auto *wide = std::get_if<Gemm<double>>(&gemm))
    runAs(*wide, arguments, workspace, pool);
}

template <class T>
void Matmul::runAs(const Gemm<T> &gemm, void *const *arguments,
                   const MatmulWorkspace &workspace, ThreadPool &pool) const {
  auto operandsOf = [&](int64_t batch) {
    char *const *data = reinterpret_cast<char *const *>(arguments);
    GemmOperands operands;
    operands.lhs = data[0] + batch * shape.lhsStride * sizeOf(shape.lhs);
    operands.rhs = data[1] + batch * shape.rhsStride * sizeOf(shape.rhs);
    operands.bias = shape.hasBias ? data[2] : nullptr;
    operands.out = data[shape.hasBias ? 3 : 2] +
                   batch * shape.m * shape.n * sizeOf(shape.out);
    return operands;
  };
  int64_t stride = workspace.threadStride() / sizeof(T);
  if (split == Split::Batch) {
    int64_t shared = (gemm.sharedElements() * sizeof(T) + 63) / 64 * 64;
    int64_t chunks = std::min<int64_t>(shape.batch, 4 * threads);
    pool.run(chunks, /*wake=*/true, [&](int64_t chunk, int thread) {
      char *memory = static_cast<char *>(workspace.thread(thread));
      int64_t end = shape.batch * (chunk + 1) / chunks;
      for (int64_t i = shape.batch * chunk / chunks; i < end; ++i)
        gemm.run(operandsOf(i), reinterpret_cast<T *>(memory),
                 reinterpret_cast<T *>(memory + shared), 0, nullptr);
    });
    return;
  }
  for (int64_t i = 0; i != shape.batch; ++i)
    gemm.run(operandsOf(i), static_cast<T *>(workspace.shared()),
             static_cast<T *>(workspace.thread(0)), stride,
             split == Split::Product ? &pool : nullptr);
}

} // namespace ampc
