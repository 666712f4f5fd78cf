//===- Common.h - What families of ops share -------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_COMMON_H
#define AMPC_LIB_DIALECT_AMP_OPS_COMMON_H

#include "ampc/Dialect/Amp/AmpBase.h"

namespace ampc {

inline RankedTensorType tensorType(Value x) { return cast<RankedTensorType>(x.getType()); }

/// The type of a pointwise result: `operands` must have one element type, and
/// their shapes (with that of `condition`, where there is one) broadcast.
FailureOr<RankedTensorType> inferPointwise(std::optional<Location> loc, ValueRange operands,
                                           Value condition = Value());

/// inferReturnTypes of an op with two such operands and one result.
LogicalResult inferBinary(std::optional<Location> loc, Value lhs, Value rhs,
                          SmallVectorImpl<Type> &types);

/// The range of sums of many products: a large operand makes them large; offsets and small
/// constants are lost in the sum in any type.
FloatRange inferProductRange(ArrayRef<FloatRange> operands);

//===----------------------------------------------------------------------===//
// Import
//===----------------------------------------------------------------------===//

/// The first result of an op built by `createChecked`, or the constant it folds
/// to.
FailureOr<Value> importOp(OnnxNode &node, OpBuilder &builder, StringRef name, ValueRange operands,
                          ArrayRef<NamedAttribute> attributes = {});
template <typename OpTy>
FailureOr<Value> importOp(OnnxNode &node, OpBuilder &builder, ValueRange operands,
                          ArrayRef<NamedAttribute> attributes = {}) {
  return importOp(node, builder, OpTy::getOperationName(), operands, attributes);
}

/// The result of a node with one output, as importNode returns it.
inline FailureOr<SmallVector<Value>> single(FailureOr<Value> value) {
  if (failed(value))
    return failure();
  return SmallVector<Value>{*value};
}

/// A node with two inputs that broadcast. Before opset 7 they did so only where
/// the attribute `broadcast` was set, input 1 starting at dimension `axis` of
/// input 0.
FailureOr<SmallVector<Value>> importBinary(OnnxNode &node, OpBuilder &builder, StringRef name);

/// All inputs of a node, at least one, merged by a binary op from left to
/// right.
FailureOr<Value> importVariadic(OnnxNode &node, OpBuilder &builder, StringRef name);

/// Failure after an error where an input is given that is not of floats.
LogicalResult checkFloats(OnnxNode &node);

/// Attributes of amp.slice and amp.pad; no `steps` are steps of 1.
SmallVector<NamedAttribute> stepAttributes(Builder &builder, ArrayRef<int64_t> starts,
                                           ArrayRef<int64_t> sizes, ArrayRef<int64_t> steps = {});
/// One of these ops on `x`.
template <typename OpTy>
FailureOr<Value> importStepped(OnnxNode &node, OpBuilder &builder, Value x,
                               ArrayRef<int64_t> starts, ArrayRef<int64_t> sizes,
                               ArrayRef<int64_t> steps = {}) {
  return importOp<OpTy>(node, builder, x, stepAttributes(builder, starts, sizes, steps));
}

/// Wraps axes into [0, rank), in their order; an axis named twice is an error.
FailureOr<SmallVector<int64_t>> wrapAxes(OnnxNode &node, ArrayRef<int64_t> axes, int64_t rank);
/// The same, sorted.
FailureOr<SmallVector<int64_t>> normalizeAxes(OnnxNode &node, ArrayRef<int64_t> axes, int64_t rank);

/// The attribute `name` in models of an opset before `since`, from then on
/// input `i`; nullopt where it is absent.
FailureOr<std::optional<SmallVector<int64_t>>> intsOf(OnnxNode &node, StringRef name, unsigned i,
                                                      int64_t since);

/// `x` under another shape of as many elements.
Value reshapeTo(OpBuilder &builder, Location loc, Value x, ArrayRef<int64_t> shape);

/// The element type that the attribute `name` names (before opset 6) or numbers.
FailureOr<Type> elementTypeOf(OnnxNode &node, OpBuilder &builder, StringRef name);

/// The number of elements of a shape; failure after an error where it
/// overflows.
FailureOr<int64_t> checkedProduct(OnnxNode &node, ArrayRef<int64_t> extents);

/// The shape with the extents of `axes` set to 1.
SmallVector<int64_t> keepAxes(ArrayRef<int64_t> shape, ArrayRef<int64_t> axes);

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

/// `x` in the type that kernels compute in. Formulas of several steps that
/// round, or that leave f16's range, go through it and round once, in
/// GradientBuilder::set.
inline Value widen(GradientBuilder &gradient, Value x) {
  return gradient.cast(x, KernelBuilder::computeType(tensorType(x).getElementType()));
}

/// `x * factor` for a number.
Value scaled(GradientBuilder &gradient, Value x, double factor);

//===----------------------------------------------------------------------===//
// Folding
//===----------------------------------------------------------------------===//

/// Shape arithmetic is on a few numbers; larger constants are data.
inline constexpr int64_t kMaxFoldedElements = 1024;

/// The result of an op on small constants of integers or booleans, element by
/// element with broadcasting, as shape arithmetic needs it; null where an
/// operand is not known, is large or is of another type, or where `fn` gives
/// nothing.
Attribute foldIntegers(ArrayRef<Attribute> operands, Type result,
                       function_ref<std::optional<int64_t>(ArrayRef<int64_t>)> fn);

/// The same of floats, of one type: each operation rounds once, as it does in a kernel. The result
/// has that type, or is boolean: whether it is not 0.
Attribute foldFloats(ArrayRef<Attribute> operands, Type result,
                     function_ref<APFloat(ArrayRef<APFloat>)> fn);

/// A constant whose element i is element `source(i)` of `operand` (both in
/// row-major order); null where the operand is not known or the result is
/// large.
Attribute foldMove(Attribute operand, Type result, function_ref<int64_t(int64_t)> source);

/// The number that all elements of a float constant are; nullopt for other values.
std::optional<double> splatNumber(Value x);

/// Row-major strides of a shape.
SmallVector<int64_t> stridesOf(ArrayRef<int64_t> shape);

/// The row-major place of element `i` of a tensor of `shape` in another one,
/// whose elements it takes `steps[d]` apart along dimension d.
int64_t place(int64_t i, ArrayRef<int64_t> shape, ArrayRef<int64_t> steps);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_COMMON_H
