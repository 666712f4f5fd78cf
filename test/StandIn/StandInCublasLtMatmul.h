//===- StandInCublasLtMatmul.h - A product as cuBLASLt has it ----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_STANDINCUBLASLTMATMUL_H
#define AMPC_TEST_STANDIN_STANDINCUBLASLTMATMUL_H

#include "StandInCudaState.h"

namespace ampc::standin {

/// Matrices by columns.
struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t leadingDimension;
  int32_t batch = 1;
  int64_t stride = 0;

  /// From the first element to behind the last.
  uint64_t bytes() const;
};

struct Desc {
  int computeType = 0, scaleType = 0;
  int32_t transA = CUBLAS_OP_N, transB = CUBLAS_OP_N;
  uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  uint64_t bias = 0;
  int32_t biasType = -1;
};

/// d = epilogue(alpha * op(a) * op(b) + beta * c).
class Matmul {
public:
  Matmul(const Desc &desc, const Layout &a, const Layout &b, const Layout &c, const Layout &d)
      : desc(desc), a(a), b(b), c(c), d(d) {}

  const Desc desc;
  const Layout a, b, c, d;

  uint64_t inner() const { return desc.transA == CUBLAS_OP_T ? a.rows : a.columns; }
  /// Whether the real one has it.
  cublasStatus_t check() const;
  uint64_t fingerprint() const;

  struct Operands {
    const void *a, *b, *c;
    void *d;
  };
  struct Workspace {
    void *memory;
    uint64_t bytes;
  };
  /// Reads alpha and beta, which lie on the host.
  void setOperands(const void *alpha, const void *beta, Operands operands, Workspace workspace);
  /// What is wrong with where the operands lie, or "". `alignments` are those
  /// that the algorithm relies on, of A, B, C and D.
  std::string checkOperands(const uint64_t *alignments) const;
  Event describe() const;
  /// Returns what is wrong, or "".
  std::string run() const;

private:
  template <class Real>
  void compute() const;
  uint64_t addressOf(const void *operand) const { return reinterpret_cast<uintptr_t>(operand); }
  bool hasBias() const { return desc.epilogue & CUBLASLT_EPILOGUE_BIAS; }
  /// Whether the vector that the description names is written: sums of A or B.
  bool hasSums() const {
    return desc.epilogue == CUBLASLT_EPILOGUE_BGRADA || desc.epilogue == CUBLASLT_EPILOGUE_BGRADB;
  }
  uint64_t vectorBytes() const;

  double alpha = 1, beta = 0;
  Operands at = {};
  Workspace workspace = {};
};

} // namespace ampc::standin

#endif // AMPC_TEST_STANDIN_STANDINCUBLASLTMATMUL_H
