//===- Product.td - How large a product is --------------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_PRODUCT_TD
#define AMPC_DIALECT_AMP_PRODUCT_TD

include "mlir/IR/OpBase.td"

def ProductOpInterface : OpInterface<"ProductOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{
    An op of one result that a library computes as a product, on tensor cores where they take its
    operands. What it saves in 16 bits is weighed by this.
  }];
  let methods = [
    InterfaceMethod<"The extents that decide how fast it is.", "::ampc::ProductExtents",
                    "getProductExtents">
  ];
}

#endif // AMPC_DIALECT_AMP_PRODUCT_TD
