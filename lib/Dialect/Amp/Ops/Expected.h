//===- Expected.h - Shapes that come with the batch ------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Where an operand that gives a shape is not known at compile time, the result has the shape that
// the model declares for it, and a batch that gives another one is refused (amp.expect). Only for
// operators whose result the declared shape decides: of a Slice it does not say where it starts.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_EXPECTED_H
#define AMPC_LIB_DIALECT_AMP_OPS_EXPECTED_H

#include "Common.h"

namespace ampc {

/// Any number will do.
constexpr int64_t kAnyNumber = -1;

/// The integers of an operand that gives a shape.
struct GivenNumbers {
  SmallVector<int64_t> numbers;
  /// They are not known, but follow from the declared shape; `expectNumbers` sees to it.
  bool areExpected = false;
};

/// Whether input `i`, which gives a shape, comes with the batch.
inline bool isGivenLater(OnnxNode &node, unsigned i) { return node.input(i) && !node.constant(i); }

/// The integers of input `i`, which `what` names; where they come with the batch, what
/// `fromDeclared` makes of the shape that the model declares for result `result`: as many as the
/// input has, or none where the shape cannot be, which is an error then. An error, too, where none
/// is declared.
FailureOr<GivenNumbers>
givenInts(OnnxNode &node, unsigned i, StringRef what, unsigned result,
          function_ref<SmallVector<int64_t>(ArrayRef<int64_t> declared)> fromDeclared);

/// `x`, checked that the batch gives those integers in input `i`: `x` itself where they are known.
Value expectNumbers(OnnxNode &node, OpBuilder &b, unsigned i, const GivenNumbers &given, Value x);

/// The shape that the model declares for result `i`; an error that names input `given`, which
/// `what` names, where it declares none.
FailureOr<SmallVector<int64_t>> requireDeclared(OnnxNode &node, unsigned i, unsigned given,
                                                StringRef what);
/// The error that no value of input `given` makes result `i` what the model declares.
InFlightDiagnostic emitDeclaredError(OnnxNode &node, unsigned i, unsigned given,
                                     ArrayRef<int64_t> declared);

/// The extents of `axes` where `declared` is `type`'s shape but for them, else none.
SmallVector<int64_t> extentsAlong(RankedTensorType type, ArrayRef<int64_t> declared,
                                  ArrayRef<int64_t> axes);

/// i1 [n]: whether number k of `list`, i64 [n], is number k of one of `choices`, at least one.
Value isOneOf(OpBuilder &b, Location loc, Value list, ArrayRef<SmallVector<int64_t>> choices);
/// i1 []: whether all of `conditions`, booleans of any shape, are true.
Value areAllTrue(OpBuilder &b, Location loc, Value conditions);
/// The integers of a tensor as i64 [n].
Value listOf(OpBuilder &b, Location loc, Value integers);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_EXPECTED_H
