//===- GemmBatch.h - Equal matrix products, shared by threads ---*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_GEMMBATCH_H
#define AMPC_RUNTIME_HOST_GEMMBATCH_H

#include "Host/Gemm.h"
#include "Host/GemmDispatch.h"
#include "Host/Workspace.h"

#include <algorithm>

namespace ampc {

/// One of the products, at work. `multiply(operands)` computes it, as often as it
/// is called.
template <class T, class Multiply>
struct GemmTask {
  int64_t index;
  T *extra;         ///< memory of the task's own, as asked for
  ThreadPool *pool; ///< for work beside the product; null: others use it
  Multiply multiply;
};

/// `count` products of one shape, made once for a session.
template <class T>
class GemmBatch {
public:
  /// Of operands of types `lhs` and `rhs`; `threads` of the pool that run is
  /// given; `extra` elements for each task.
  GemmBatch(int64_t count, const typename Gemm<T>::Shape &shape, uint32_t lhs, uint32_t rhs,
            int threads, int64_t extra = 0)
      : kernels(pickGemmKernels<T>(lhs, rhs)), count(count), extra(roundUp(extra * sizeof(T))),
        threads(threads), split(pickSplit(kernels, count, shape, threads)),
        gemm(kernels, shape, split == Split::Product ? threads : 1) {}

  /// Those that the operands are to be packed for.
  const GemmKernels<T> &kernels;

  Workspace::Requirement requirement() const {
    uint64_t shared = roundUp(gemm.sharedElements() * sizeof(T)) + extra;
    uint64_t scratch = gemm.scratchElements() * sizeof(T);
    // A thread with products of its own shares nothing.
    if (split == Split::Products)
      return {0, shared + scratch, threads};
    return {shared, scratch, threads};
  }

  /// Calls `runOne(task)` for each product.
  template <class RunOne>
  void run(const Workspace &workspace, ThreadPool &pool, RunOne runOne) const {
    uint64_t shared = roundUp(gemm.sharedElements() * sizeof(T));
    if (split == Split::Products) {
      int64_t chunks = std::min<int64_t>(count, 4 * threads);
      pool.run(chunks, /*wake=*/true, [&](int64_t chunk, int thread) {
        char *memory = static_cast<char *>(workspace.thread(thread));
        auto multiply = [&](const GemmOperands<T> &operands) {
          gemm.run(operands, reinterpret_cast<T *>(memory),
                   reinterpret_cast<T *>(memory + shared + extra), 0, nullptr);
        };
        int64_t end = count * (chunk + 1) / chunks;
        for (int64_t i = count * chunk / chunks; i < end; ++i)
          runOne(GemmTask<T, decltype(multiply)>{i, reinterpret_cast<T *>(memory + shared), nullptr,
                                                 multiply});
      });
      return;
    }
    char *memory = static_cast<char *>(workspace.shared());
    int64_t stride = workspace.threadStride() / sizeof(T);
    auto multiply = [&](const GemmOperands<T> &operands) {
      gemm.run(operands, reinterpret_cast<T *>(memory), static_cast<T *>(workspace.thread(0)),
               stride, split == Split::Product ? &pool : nullptr);
    };
    for (int64_t i = 0; i != count; ++i)
      runOne(GemmTask<T, decltype(multiply)>{i, reinterpret_cast<T *>(memory + shared),
                                             split == Split::Product ? &pool : nullptr, multiply});
  }

private:
  /// How the threads share the work.
  enum class Split {
    None,     ///< too little to share
    Products, ///< each takes whole products
    Product,  ///< each takes parts of every product
  };

  static Split pickSplit(const GemmKernels<T> &kernels, int64_t count,
                         const typename Gemm<T>::Shape &shape, int threads) {
    // What a thread computes in the time that handing out work takes.
    double worthwhile = kernels.perElement * 1e6;
    double work = double(shape.m) * shape.n * shape.k;
    if (threads == 1 || work * count < worthwhile)
      return Split::None;
    if (count >= 4 * threads || (count > 1 && work < worthwhile))
      return Split::Products;
    return Split::Product;
  }

  static uint64_t roundUp(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

  int64_t count;
  uint64_t extra; ///< bytes
  int threads;
  Split split;
  Gemm<T> gemm;
};

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_GEMMBATCH_H
