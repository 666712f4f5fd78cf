//===- Matmul.h - The matmul steps of the host target -----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_MATMUL_H
#define AMPC_RUNTIME_HOST_MATMUL_H

#include "Core/MatmulShape.h"
#include "Host/Gemm.h"

#include <cstdlib>
#include <memory>
#include <variant>

namespace ampc {

/// Memory that the matmul steps of a session use in turn.
class MatmulWorkspace {
public:
  struct Requirement {
    uint64_t sharedBytes;
    uint64_t threadBytes;
    int threads;
  };

  /// Makes room for `need`, beside what was asked for before. Throws
  /// std::bad_alloc.
  void reserve(const Requirement &need);

  void *shared() const { return memory.get(); }
  void *thread(int index) const {
    return memory.get() + sharedBytes + index * threadBytes;
  }
  uint64_t threadStride() const { return threadBytes; }

private:
  struct Free {
    void operator()(char *memory) const { std::free(memory); }
  };

  std::unique_ptr<char, Free> memory;
  uint64_t sharedBytes = 0, threadBytes = 0, total = 0;
};

/// One matmul step, made once for a session.
class Matmul {
public:
  /// `threads` of the pool that run is given.
  Matmul(const MatmulShape &shape, int threads);

  MatmulWorkspace::Requirement requirement() const;
  /// `arguments` are those of the step: lhs, rhs, bias where it has one, out.
  void run(void *const *arguments, const MatmulWorkspace &workspace,
           ThreadPool &pool) const;

private:
  /// How the threads share the work.
  enum class Split {
    None,    ///< too little to share
    Batch,   ///< each takes whole products
    Product, ///< each takes parts of every product
  };

  template <class T>
  void runAs(const Gemm<T> &gemm, void *const *arguments,
             const MatmulWorkspace &workspace, ThreadPool &pool) const;

  MatmulShape shape;
  int threads;
  Split split;
  std::variant<std::monostate, Gemm<float>, Gemm<double>> gemm;
};

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_MATMUL_H
