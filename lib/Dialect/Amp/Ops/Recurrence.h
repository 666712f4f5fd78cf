//===- Recurrence.h - What the ops of recurrent layers compute with -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_RECURRENCE_H
#define AMPC_LIB_DIALECT_AMP_OPS_RECURRENCE_H

#include "ampc/Dialect/Amp/Ops/Recurrent.h"

namespace ampc {

/// A function of a recurrent layer: not every one takes an alpha or a beta.
struct RecurrentFunction {
  RecurrentActivation activation = RecurrentActivation::Tanh;
  double alpha = 1, beta = 0;

  /// Whether the derivative follows from the result alone, with no more rounding than that has.
  bool isDerivedFromResult() const;
};

/// f(x)
Value apply(ScalarBuilder &s, const RecurrentFunction &f, Value x);
/// g times the derivative where f(x) = y. x is null where that is derived from the result.
Value differentiate(ScalarBuilder &s, const RecurrentFunction &f, Value x, Value y, Value g);

inline bool isLstm(RecurrentCell cell) {
  return cell == RecurrentCell::Lstm || cell == RecurrentCell::CoupledLstm;
}
inline bool isGru(RecurrentCell cell) {
  return cell == RecurrentCell::Gru || cell == RecurrentCell::LinearGru;
}
/// Gates of which `weight` has rows.
inline int64_t countGates(RecurrentCell cell) { return isLstm(cell) ? 4 : isGru(cell) ? 3 : 1; }
/// f, g and h, as far as the cell has them.
inline unsigned countFunctions(RecurrentCell cell) {
  return isLstm(cell) ? 3 : isGru(cell) ? 2 : 1;
}
/// Tensors that are saved for the gradient.
inline unsigned countSaved(RecurrentCell cell) {
  return cell == RecurrentCell::Simple ? 1 : cell == RecurrentCell::CoupledLstm ? 3 : 4;
}

/// The settings of an amp.recurrence or its gradient.
struct Recurrence {
  RecurrentCell cell;
  SmallVector<RecurrentFunction, 3> functions;
  std::optional<double> clip;
  bool reversed;

  template <typename OpTy>
  explicit Recurrence(OpTy op) : cell(op.getCell()), reversed(op.getReversed()) {
    std::optional<RecurrentActivation> all[] = {op.getF(), op.getG(), op.getH()};
    for (unsigned i = 0; i < countFunctions(cell); ++i) {
      RecurrentFunction &function = functions.emplace_back();
      function.activation = *all[i];
      if (!op.getAlphas().empty())
        function.alpha = op.getAlphas()[i];
      if (!op.getBetas().empty())
        function.beta = op.getBetas()[i];
    }
    if (std::optional<APFloat> bound = op.getClip())
      clip = bound->convertToDouble();
  }

  /// Whether what gates get is saved, and not what they give.
  bool savesSums() const;
};

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_RECURRENCE_H
