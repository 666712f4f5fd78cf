//===- CudaMatmul.h - The matmul steps of the CUDA target ---------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDAMATMUL_H
#define AMPC_RUNTIME_CUDA_CUDAMATMUL_H

#include "Core/MatmulShape.h"
#include "Cuda/CudaResource.h"

#include <string>

namespace ampc {

/// Where the operands of a matmul lie on the device; `bias` is 0 where there is
/// none.
struct CudaMatmulOperands {
  cuda::CUdeviceptr lhs, rhs, bias, out;
};

/// A product with elements, described to cuBLASLt and with an algorithm chosen.
class CudaMatmul {
public:
  /// Asks for the algorithm, which may use up to `workspaceLimit` bytes. Throws
  /// AMPC_STATUS_INCOMPATIBLE, naming `node`, for a product that cuBLASLt does
  /// not compute as the module's format defines it.
  CudaMatmul(const CublasLt &blas, cuda::cublasLtHandle_t handle, MatmulShape shape,
             const CudaMatmulOperands &operands, uint64_t workspaceLimit, std::string node);

  uint64_t workspaceBytes() const { return found.workspaceSize; }
  /// Enqueues the product. `workspace` has at least workspaceBytes() bytes.
  void run(cuda::CUdeviceptr workspace, cuda::CUstream stream) const;

private:
  void setEpilogue(const MatmulShape &shape);
  void chooseAlgorithm(const MatmulShape &shape, uint64_t workspaceLimit);
  template <class Value>
  void setDesc(int attribute, Value value) {
    blas(blas.matmulDescSetAttribute, desc.get(), attribute, &value, sizeof(value));
  }

  const CublasLt &blas;
  cuda::cublasLtHandle_t handle;
  CudaMatmulOperands operands;
  std::string node;
  CublasLtDesc desc;
  // Of a row-major result seen by columns: see the constructor.
  CublasLtLayout a, b, d;
  cuda::cublasLtMatmulHeuristicResult_t found = {};
  // In the type that cuBLASLt scales in.
  float alpha32, zero32 = 0;
  double alpha64, zero64 = 0;
  bool isF64;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDAMATMUL_H
