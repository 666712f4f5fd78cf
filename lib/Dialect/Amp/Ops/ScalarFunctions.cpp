//===- ScalarFunctions.cpp - Activation functions of a scalar -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ScalarFunctions.h"

using namespace mlir;
using namespace ampc;

Value ampc::buildRelu(ScalarBuilder &s, Value x) { return s.maximum(x, s.constantLike(x, 0)); }

Value ampc::buildLeakyRelu(ScalarBuilder &s, Value x, double alpha) {
  Value leak = s.mul(x, s.constantLike(x, alpha));
  return s.select(s.greater(x, s.constantLike(x, 0)), x, leak);
}

// 2 tanh(x/2) / (1 - tanh(x/2))
Value ampc::buildExpMinusOne(ScalarBuilder &s, Value x) {
  Value t = s.tanh(s.mul(x, s.constantLike(x, 0.5)));
  return s.div(s.add(t, t), s.sub(s.constantLike(x, 1), t));
}

// max(x, 0) + log1p(exp(-|x|))
Value ampc::buildSoftplus(ScalarBuilder &s, Value x) {
  Value tail = s.log1p(s.exp(s.neg(s.abs(x))));
  return s.add(buildRelu(s, x), tail);
}

Value ampc::buildSoftsign(ScalarBuilder &s, Value x) {
  return s.div(x, s.add(s.constantLike(x, 1), s.abs(x)));
}

Value ampc::buildWithin01(ScalarBuilder &s, Value x) {
  return s.minimum(buildRelu(s, x), s.constantLike(x, 1));
}

Value ampc::buildAffine(ScalarBuilder &s, Value x, double alpha, double beta) {
  return s.add(s.mul(x, s.constantLike(x, alpha)), s.constantLike(x, beta));
}
