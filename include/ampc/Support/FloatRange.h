//===- FloatRange.h - What constants make of a range -------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_FLOATRANGE_H
#define AMPC_SUPPORT_FLOATRANGE_H

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace ampc {

/// What the constants of a model make of the values that a float tensor holds: whether a
/// mask of -1e9 or an epsilon of 1e-12 is among them. Of what is computed from data nothing
/// is known; it is taken for ordinary, between -1 and 1, which every type holds.
///
/// Infinities are left out: every type has them.
struct FloatRange {
  double lowest = -1, highest = 1;
  /// The least magnitude that counts. A constant counts as a whole, by its largest element:
  /// small elements beside large ones are rounding errors, a lone epsilon is not.
  double smallest = 1;
  /// The largest magnitude that was added to anything: the sum has to keep the digits of
  /// its smaller operand, since softmax or a difference may take the larger one away again.
  double offset = 1;

  /// The range of a constant whose elements lie between two finite numbers.
  static FloatRange of(double lowest, double highest);
  static FloatRange of(double value) { return of(value, value); }
  /// The range of a constant of `count` elements, which `element` gives by position.
  static FloatRange of(size_t count, llvm::function_ref<double(size_t)> element);
  /// The same of f32 values as memory has them, at any alignment. Fast: weights are long.
  static FloatRange ofFloats(llvm::ArrayRef<char> bytes);

  double magnitude() const;
  /// Whether no factor 2^8 leads out of it: not worth to be told.
  bool isOrdinary() const;

  /// The range of a value that is of either range.
  FloatRange join(const FloatRange &other) const;
  FloatRange negate() const;
  FloatRange add(const FloatRange &other) const;
  /// Factors between 2^-8 and 2^8 count as 1: they leave an ordinary value ordinary, and so
  /// a scale in each of many layers does not add up to a large one.
  FloatRange multiply(const FloatRange &other) const;
  /// Of a divisor only the largest magnitude counts: where it is about as small as its
  /// epsilon, the dividend is expected to vanish with it.
  FloatRange divide(const FloatRange &divisor) const;
  FloatRange max(const FloatRange &other) const;
  FloatRange min(const FloatRange &other) const;
  FloatRange sqrt() const;
  /// What is left of it after rounding to a type.
  FloatRange roundTo(const llvm::fltSemantics &type) const;

  /// The bound that a type would round to infinity; 0 where there is none.
  double findOverflow(const llvm::fltSemantics &type) const;
  /// The least magnitude, where the type has it with fewer digits than others, or not at
  /// all (it is subnormal); else 0.
  double findUnderflow(const llvm::fltSemantics &type) const;
  /// The offset, where the type's steps beside it are larger than 1; else 0.
  double findLostDigits(const llvm::fltSemantics &type) const;
  /// Whether all of the above are 0.
  bool fitsIn(const llvm::fltSemantics &type) const;
};

} // namespace ampc

#endif // AMPC_SUPPORT_FLOATRANGE_H
