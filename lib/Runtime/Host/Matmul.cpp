//===- Matmul.cpp - The matmul steps of the host target -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Host/Matmul.h"

#include "Core/DType.h"

namespace ampc {

template <class T>
Matmul::Products Matmul::makeProducts(const MatmulShape &shape, int threads) {
  return GemmBatch<T>(shape.batch,
                      {shape.m, shape.n, shape.k, shape.bias, shape.out, T(shape.alpha),
                       /*biasOfRows=*/false, shape.relu},
                      shape.lhs, shape.rhs, threads);
}

Matmul::Matmul(const MatmulShape &given, int threads)
    : shape(mergeBatch(given)),
      products(shape.out == AMPC_DTYPE_F64 ? makeProducts<double>(shape, threads)
                                           : makeProducts<float>(shape, threads)) {}

Workspace::Requirement Matmul::requirement() const {
  return std::visit([](const auto &p) { return p.requirement(); }, products);
}

void Matmul::run(void *const *arguments, const Workspace &workspace, ThreadPool &pool) const {
  std::visit([&](const auto &p) { runAs(p, arguments, workspace, pool); }, products);
}

template <class T>
void Matmul::runAs(const GemmBatch<T> &products, void *const *arguments, const Workspace &workspace,
                   ThreadPool &pool) const {
  char *const *data = reinterpret_cast<char *const *>(arguments);
  const GemmKernels<T> &kernels = products.kernels;
  products.run(workspace, pool, [&](const auto &task) {
    int64_t i = task.index;
    DenseOperand<T> lhs(kernels, data[0] + i * shape.lhsStride * sizeOf(shape.lhs), shape.lhs,
                        shape.transposeLhs ? shape.m : shape.k, !shape.transposeLhs);
    DenseOperand<T> rhs(kernels, data[1] + i * shape.rhsStride * sizeOf(shape.rhs), shape.rhs,
                        shape.transposeRhs ? shape.k : shape.n, shape.transposeRhs);
    task.multiply(
        GemmOperands<T>{&lhs, &rhs, shape.hasBias ? data[2] : nullptr,
                        data[shape.hasBias ? 3 : 2] + i * shape.m * shape.n * sizeOf(shape.out)});
  });
}

} // namespace ampc
