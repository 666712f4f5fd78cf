//===- IndexBuilder.h - Index arithmetic that folds ------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_CODEGEN_INDEXBUILDER_H
#define AMPC_LIB_CODEGEN_INDEXBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"

namespace ampc::codegen {
using namespace mlir;

/// Arithmetic on values of type index, none of them negative. Constants fold.
class IndexBuilder {
public:
  IndexBuilder(OpBuilder &b, Location loc) : b(b), loc(loc) {}

  Value constant(int64_t v) const { return arith::ConstantIndexOp::create(b, loc, v); }
  Value add(Value x, Value y) const { return make<arith::AddIOp>(x, y); }
  Value add(Value x, int64_t c) const { return c == 0 ? x : add(x, constant(c)); }
  Value sub(Value x, Value y) const { return make<arith::SubIOp>(x, y); }
  Value mul(Value x, int64_t c) const { return c == 1 ? x : make<arith::MulIOp>(x, constant(c)); }
  Value div(Value x, int64_t c) const { return c == 1 ? x : make<arith::DivUIOp>(x, constant(c)); }
  Value rem(Value x, int64_t c) const {
    return c == 1 ? constant(0) : make<arith::RemUIOp>(x, constant(c));
  }
  Value min(Value x, Value y) const { return make<arith::MinUIOp>(x, y); }
  Value max(Value x, Value y) const { return make<arith::MaxUIOp>(x, y); }
  Value min(Value x, int64_t c) const { return min(x, constant(c)); }
  /// x < y, as i1.
  Value less(Value x, Value y) const {
    return b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::ult, x, y);
  }
  Value less(Value x, int64_t c) const { return less(x, constant(c)); }
  Value equal(Value x, int64_t c) const {
    return b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, x, constant(c));
  }

private:
  template <typename OpTy>
  Value make(Value x, Value y) const {
    return b.createOrFold<OpTy>(loc, x, y);
  }

  OpBuilder &b;
  Location loc;
};

} // namespace ampc::codegen

#endif // AMPC_LIB_CODEGEN_INDEXBUILDER_H
