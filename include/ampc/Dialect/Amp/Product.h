//===- Product.h - How large a product is --------------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_PRODUCT_H
#define AMPC_DIALECT_AMP_PRODUCT_H

#include "mlir/IR/OpDefinition.h"

namespace ampc {
struct ProductExtents {
  double flops;    ///< floating-point operations, two for a multiplication and an addition
  int64_t inner;   ///< what is summed lies in rows of so many elements: features, channels
  int64_t columns; ///< and the result in rows of so many
};
} // namespace ampc

#include "ampc/Dialect/Amp/Product.h.inc"

#endif // AMPC_DIALECT_AMP_PRODUCT_H
