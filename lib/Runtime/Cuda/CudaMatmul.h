//===- CudaMatmul.h - The matmul steps of the CUDA target ---------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDAMATMUL_H
#define AMPC_RUNTIME_CUDA_CUDAMATMUL_H

#include "Core/MatmulShape.h"
#include "Cuda/CudaCall.h"

namespace ampc {

/// A product with elements, by cuBLASLt. All of its algorithms give equal bits in equal runs:
/// partial sums are added in one order, also where they lie in the result.
class CudaMatmul final : public CudaCall {
public:
  explicit CudaMatmul(const MatmulShape &shape) : shape(mergeBatch(shape)) {}
  /// Null for a product without elements.
  static std::unique_ptr<CudaCall> make(Span<ampc_argument_entry_t> arguments,
                                        Span<int64_t> integers);

  CudaRequirement requirement() const override;
  CudaCallBytes prepare(const CudaCallSite &site) override;
  void run(const CudaCallMemory &memory, cuda::CUstream stream) const override;

private:
  /// Where the operands lie on the device; `bias` is 0 where there is none.
  struct Operands {
    cuda::CUdeviceptr lhs, rhs, bias, out;
  };
  /// The product as cuBLASLt sees it.
  struct Description {
    explicit Description(const CublasLt &blas) : desc(blas), a(blas), b(blas), d(blas) {}
    CublasLtDesc desc;
    // Of a row-major result seen by columns: see describe().
    CublasLtLayout a, b, d;
  };

  void describe(const CublasLt &blas);
  void chooseAlgorithm(const CublasLt &blas);

  MatmulShape shape;
  Operands operands = {};
  std::string node;
  const CublasLt *library = nullptr;
  cuda::cublasLtHandle_t handle = nullptr;
  std::optional<Description> description; ///< from prepare() on
  cuda::cublasLtMatmulHeuristicResult_t found = {};
};

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDAMATMUL_H
