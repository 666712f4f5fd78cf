//===- Matmul.h - The matmul steps of the host target -----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_MATMUL_H
#define AMPC_RUNTIME_HOST_MATMUL_H

#include "Core/MatmulShape.h"
#include "Host/GemmBatch.h"
#include "Host/HostCall.h"

#include <variant>

namespace ampc {

/// One matmul step. Arguments: lhs, rhs, bias where it has one, out.
class Matmul final : public HostCall {
public:
  Matmul(const MatmulShape &shape, int threads);

  Workspace::Requirement requirement() const override;
  void run(void *const *arguments, const Workspace &workspace, ThreadPool &pool) const override;

private:
  template <class T>
  void runAs(const GemmBatch<T> &products, void *const *arguments, const Workspace &workspace,
             ThreadPool &pool) const;

  using Products = std::variant<GemmBatch<float>, GemmBatch<double>>;
  template <class T>
  static Products makeProducts(const MatmulShape &shape, int threads);

  MatmulShape shape;
  Products products;
};

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_MATMUL_H
