//===- RecurrentFunction.cpp - Functions in recurrent layers -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Recurrence.h"
#include "ScalarFunctions.h"

using namespace mlir;
using namespace ampc;

bool RecurrentFunction::isDerivedFromResult() const {
  switch (activation) {
  case RecurrentActivation::Tanh:
  case RecurrentActivation::Relu:
  case RecurrentActivation::Sigmoid:
  case RecurrentActivation::Affine:
    return true;
  default:
    return false;
  }
}

// An LSTM's h takes the cell state, which is there.
bool Recurrence::savesSums() const {
  return clip || !llvm::all_of(ArrayRef(functions).take_front(2),
                               [](const RecurrentFunction &f) { return f.isDerivedFromResult(); });
}

Value ampc::apply(ScalarBuilder &s, const RecurrentFunction &f, Value x) {
  auto constant = [&](double value) { return s.constantLike(x, value); };
  switch (f.activation) {
  case RecurrentActivation::Tanh:
    return s.tanh(x);
  case RecurrentActivation::Relu:
    return buildRelu(s, x);
  case RecurrentActivation::Sigmoid:
    return s.sigmoid(x);
  case RecurrentActivation::Affine:
    return buildAffine(s, x, f.alpha, f.beta);
  case RecurrentActivation::LeakyRelu:
    return buildLeakyRelu(s, x, f.alpha);
  case RecurrentActivation::ThresholdedRelu: // not the operator's: what equals alpha stays
    return s.select(s.less(x, constant(f.alpha)), constant(0), x);
  case RecurrentActivation::ScaledTanh:
    return s.mul(constant(f.alpha), s.tanh(s.mul(constant(f.beta), x)));
  case RecurrentActivation::HardSigmoid:
    return buildWithin01(s, buildAffine(s, x, f.alpha, f.beta));
  case RecurrentActivation::Elu: {
    Value curve = buildExpMinusOne(s, s.minimum(x, constant(0)));
    return s.select(s.greater(x, constant(0)), x, s.mul(curve, constant(f.alpha)));
  }
  case RecurrentActivation::Softsign:
    return buildSoftsign(s, x);
  case RecurrentActivation::Softplus:
    return buildSoftplus(s, x);
  }
  llvm_unreachable("unknown activation");
}

Value ampc::differentiate(ScalarBuilder &s, const RecurrentFunction &f, Value x, Value y, Value g) {
  auto constant = [&](double value) { return s.constantLike(g, value); };
  Value zero = constant(0), one = constant(1);
  auto scaled = [&](double factor) { return s.mul(g, constant(factor)); };
  switch (f.activation) {
  case RecurrentActivation::Tanh:
    return s.mul(g, s.sub(one, s.mul(y, y)));
  case RecurrentActivation::Relu: // a NaN passes its gradient on
    return s.select(s.lessOrEqual(y, zero), zero, g);
  case RecurrentActivation::Sigmoid:
    return s.mul(g, s.mul(y, s.sub(one, y)));
  case RecurrentActivation::Affine:
    return scaled(f.alpha);
  case RecurrentActivation::LeakyRelu:
    return s.select(s.greater(x, zero), g, scaled(f.alpha));
  case RecurrentActivation::ThresholdedRelu:
    return s.select(s.less(x, constant(f.alpha)), zero, g);
  case RecurrentActivation::ScaledTanh: {
    Value t = s.tanh(s.mul(constant(f.beta), x));
    return s.mul(scaled(f.alpha * f.beta), s.sub(one, s.mul(t, t)));
  }
  case RecurrentActivation::HardSigmoid: {
    Value line = buildAffine(s, x, f.alpha, f.beta);
    Value isInside = s.logicalAnd(s.greater(line, zero), s.less(line, one));
    return s.select(isInside, scaled(f.alpha), zero);
  }
  case RecurrentActivation::Elu:
    return s.select(s.greater(x, zero), g, s.mul(scaled(f.alpha), s.exp(x)));
  case RecurrentActivation::Softsign: {
    Value size = s.add(one, s.abs(x));
    return s.div(s.div(g, size), size);
  }
  case RecurrentActivation::Softplus:
    return s.mul(g, s.sigmoid(x));
  }
  llvm_unreachable("unknown activation");
}
