//===- Recurrent.cpp - Recurrent layers -----------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Recurrent.h"
#include "Common.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/MatMul.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Plan/Plan.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Import
//===----------------------------------------------------------------------===//

namespace {
/// An RNN node: its attributes, and tensors whose shapes have been checked, time first.
struct RnnNode {
  int64_t steps, batch, hidden, directions;
  bool isForward; ///< of the first direction
  bool isBatchFirst;
  SmallVector<RecurrentActivation> activations; ///< one for each direction
  Value x, w, r, b, initial;                    ///< b and initial may be null
};
} // namespace

static FailureOr<Value> transpose(OnnxNode &node, OpBuilder &builder, Value x,
                                  ArrayRef<int64_t> permutation) {
  return importOp<TransposeOp>(
      node, builder, x,
      builder.getNamedAttr("permutation", builder.getDenseI64ArrayAttr(permutation)));
}

/// `size` elements along `axis`, from `start` on.
static FailureOr<Value> sliceAlong(OnnxNode &node, OpBuilder &builder, Value x, int64_t axis,
                                   int64_t start, int64_t size) {
  SmallVector<int64_t> starts(tensorType(x).getRank(), 0), sizes(tensorType(x).getShape());
  starts[axis] = start;
  sizes[axis] = size;
  return importStepped<SliceOp>(node, builder, x, starts, sizes);
}

static LogicalResult readActivations(OnnxNode &node, RnnNode &rnn) {
  rnn.activations.assign(rnn.directions, RecurrentActivation::Tanh);
  node.knowAttributes({"activation_alpha", "activation_beta"}); // those below take none
  if (node.hasAttribute("clip"))
    return node.emitError() << "the attribute 'clip' is not supported";
  std::optional<std::vector<std::string>> names = node.getStrings("activations");
  if (!names)
    return success();
  if (int64_t(names->size()) != rnn.directions)
    return node.emitError() << "has " << names->size() << " activations for " << rnn.directions
                            << " direction" << (rnn.directions == 1 ? "" : "s");
  for (auto [activation, name] : llvm::zip(rnn.activations, *names)) {
    std::optional<RecurrentActivation> known =
        symbolizeRecurrentActivation(StringRef(name).lower());
    if (!known)
      return node.emitError() << "the activation '" << name
                              << "' is not supported; Tanh, Relu and Sigmoid are";
    activation = *known;
  }
  return success();
}

/// An error unless input `i` has a shape that is known by now.
static LogicalResult expectShape(OnnxNode &node, unsigned i, StringRef name,
                                 ArrayRef<int64_t> shape) {
  Value x = node.input(i);
  if (!x || (tensorType(x).getShape() == shape &&
             tensorType(x).getElementType() == tensorType(node.input(0)).getElementType()))
    return success();
  return node.emitError() << name << " must be "
                          << RankedTensorType::get(shape,
                                                   tensorType(node.input(0)).getElementType())
                          << ", but is " << x.getType();
}

static FailureOr<RnnNode> readRnn(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(3, 6)))
    return failure();
  RnnNode rnn;
  std::string direction = node.getString("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
    return node.emitError() << "the direction '" << direction
                            << "' is none of forward, reverse, bidirectional";
  rnn.isForward = direction != "reverse";
  rnn.directions = direction == "bidirectional" ? 2 : 1;
  rnn.isBatchFirst = node.version >= 14 && node.getInt("layout", 0) != 0;
  RankedTensorType x = tensorType(node.input(0)), r = tensorType(node.input(2));
  if (x.getRank() != 3 || r.getRank() != 3 || !isa<FloatType>(x.getElementType()))
    return node.emitError() << "X and R must be floats of rank 3, but are " << x << " and " << r;
  rnn.steps = x.getDimSize(rnn.isBatchFirst);
  rnn.batch = x.getDimSize(!rnn.isBatchFirst);
  rnn.hidden = node.getInt("hidden_size", r.getDimSize(2));
  if (rnn.steps == 0)
    return node.emitError() << "X, " << x << ", has no time step";
  SmallVector<int64_t> initial{rnn.directions, rnn.batch, rnn.hidden};
  if (rnn.isBatchFirst)
    std::swap(initial[0], initial[1]);
  if (failed(expectShape(node, 1, "W", {rnn.directions, rnn.hidden, x.getDimSize(2)})) ||
      failed(expectShape(node, 2, "R", {rnn.directions, rnn.hidden, rnn.hidden})) ||
      failed(expectShape(node, 3, "B", {rnn.directions, 2 * rnn.hidden})) ||
      failed(expectShape(node, 5, "initial_h", initial)) || failed(readActivations(node, rnn)))
    return failure();
  if (node.input(4)) {
    FailureOr<SmallVector<int64_t>> lengths = node.constantInts(4, "sequence_lens");
    if (failed(lengths))
      return failure();
    for (int64_t length : *lengths)
      if (length != rnn.steps)
        return node.emitError() << "input 4 (sequence_lens) has a sequence of " << length << " of "
                                << rnn.steps << " time steps; only full ones are supported";
  }
  rnn.x = node.input(0);
  rnn.w = node.input(1);
  rnn.r = node.input(2);
  rnn.b = node.input(3);
  rnn.initial = node.input(5);
  for (Value *value : {&rnn.x, &rnn.initial})
    if (rnn.isBatchFirst && *value) {
      FailureOr<Value> turned = transpose(node, builder, *value, {1, 0, 2});
      if (failed(turned))
        return failure();
      *value = *turned;
    }
  return rnn;
}

/// The states [time, batch, hidden] of direction `d`.
static FailureOr<Value> importDirection(OnnxNode &node, OpBuilder &builder, const RnnNode &rnn,
                                        int64_t d) {
  int64_t hidden = rnn.hidden;
  auto part = [&](Value x, ArrayRef<int64_t> shape) -> FailureOr<Value> {
    FailureOr<Value> slice = sliceAlong(node, builder, x, 0, d, 1);
    if (failed(slice))
      return failure();
    return reshapeTo(builder, node.loc, *slice, shape);
  };
  FailureOr<Value> w = part(rnn.w, {hidden, tensorType(rnn.w).getDimSize(2)});
  FailureOr<Value> r = part(rnn.r, {hidden, hidden});
  if (failed(w) || failed(r))
    return failure();
  SmallVector<Value> factors{rnn.x, *w};
  if (rnn.b) {
    FailureOr<Value> both = part(rnn.b, {2 * hidden});
    if (failed(both))
      return failure();
    FailureOr<Value> ofInput = sliceAlong(node, builder, *both, 0, 0, hidden);
    FailureOr<Value> ofState = sliceAlong(node, builder, *both, 0, hidden, hidden);
    if (failed(ofInput) || failed(ofState))
      return failure();
    FailureOr<Value> bias = importOp<AddOp>(node, builder, {*ofInput, *ofState});
    if (failed(bias))
      return failure();
    factors.push_back(*bias);
  }
  FailureOr<Value> input = importOp<MatMulOp>(
      node, builder, factors, builder.getNamedAttr("transpose_rhs", builder.getUnitAttr()));
  if (failed(input))
    return failure();
  Type elementType = tensorType(rnn.x).getElementType();
  FailureOr<Value> initial =
      rnn.initial
          ? part(rnn.initial, {rnn.batch, hidden})
          : FailureOr<Value>(splat(builder, node.loc,
                                   RankedTensorType::get({rnn.batch, hidden}, elementType), 0));
  if (failed(initial))
    return failure();
  SmallVector<NamedAttribute> attributes{builder.getNamedAttr(
      "activation", RecurrentActivationAttr::get(builder.getContext(), rnn.activations[d]))};
  if (d == 1 || !rnn.isForward)
    attributes.push_back(builder.getNamedAttr("reversed", builder.getUnitAttr()));
  return importOp<RnnOp>(node, builder, {*input, *r, *initial}, attributes);
}

FailureOr<SmallVector<Value>> RnnOp::importNode(OnnxNode &node, OpBuilder &builder) {
  FailureOr<RnnNode> rnn = readRnn(node, builder);
  if (failed(rnn))
    return failure();
  SmallVector<Value> all, last; // of each direction: [time, 1, batch, hidden], [1, batch, hidden]
  for (int64_t d = 0; d < rnn->directions; ++d) {
    FailureOr<Value> states = importDirection(node, builder, *rnn, d);
    if (failed(states))
      return failure();
    bool isForward = d == 0 && rnn->isForward;
    all.push_back(reshapeTo(builder, node.loc, *states, {rnn->steps, 1, rnn->batch, rnn->hidden}));
    FailureOr<Value> end = sliceAlong(node, builder, *states, 0, isForward ? rnn->steps - 1 : 0, 1);
    if (failed(end))
      return failure();
    last.push_back(*end);
  }
  auto join = [&](ArrayRef<Value> parts, int64_t axis,
                  ArrayRef<int64_t> batchFirst) -> FailureOr<Value> {
    FailureOr<Value> joined =
        parts.size() == 1
            ? FailureOr<Value>(parts.front())
            : importOp<ConcatOp>(node, builder, parts,
                                 builder.getNamedAttr("axis", builder.getI64IntegerAttr(axis)));
    if (failed(joined) || !rnn->isBatchFirst)
      return joined;
    return transpose(node, builder, *joined, batchFirst);
  };
  SmallVector<Value> results(2);
  if (node.hasOutput(0)) {
    FailureOr<Value> y = join(all, 1, {2, 0, 1, 3});
    if (failed(y))
      return failure();
    results[0] = *y;
  }
  if (node.hasOutput(1)) {
    FailureOr<Value> y = join(last, 0, {1, 0, 2});
    if (failed(y))
      return failure();
    results[1] = *y;
  }
  results.truncate(node.outputNames.size());
  return results;
}

//===----------------------------------------------------------------------===//
// Type
//===----------------------------------------------------------------------===//

static LogicalResult checkRecurrence(std::optional<Location> location, RankedTensorType states,
                                     RankedTensorType weight) {
  if (states.getRank() == 3 && states.getDimSize(0) > 0 &&
      weight == RankedTensorType::get({states.getDimSize(2), states.getDimSize(2)},
                                      states.getElementType()))
    return success();
  return inferenceError(location, "takes [time, batch, hidden] and [hidden, hidden], but has ",
                        states, " and ", weight);
}

LogicalResult RnnOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                      Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  if (failed(checkRecurrence(location, input, tensorType(adaptor.getWeight())))) // rnn_c1
    return failure();
  auto state = input.clone(input.getShape().drop_front());
  if (adaptor.getInitial().getType() != state) // rnn_c1
    return inferenceError(location, "begins with ", adaptor.getInitial().getType(), ", not ",
                          state);
  types.push_back(input);
  return success();
}

LogicalResult RnnGradientOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                              Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType states = tensorType(adaptor.getStates());
  if (failed(checkRecurrence(location, states, tensorType(adaptor.getWeight()))))
    return failure();
  if (adaptor.getGradient().getType() != states) // rnn_gradient_c1
    return inferenceError(location, "has a gradient ", adaptor.getGradient().getType(), " of ",
                          states);
  types.push_back(states);
  types.push_back(RankedTensorType::get(states.getShape().drop_front(),
                                        KernelBuilder::computeType(states.getElementType())));
  return success();
}

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

// With d the gradient of the sums: d input = d, d weight = the sum over all time steps and
// rows of d^T * the state before, one product.
void RnnOp::buildGradient(GradientBuilder &gradient) {
  RankedTensorType type = getType();
  int64_t steps = type.getDimSize(0), batch = type.getDimSize(1), hidden = type.getDimSize(2);
  Value g = gradient.cast(gradient.resultGradient(), type.getElementType());
  auto recurrence = RnnGradientOp::create(gradient.builder, gradient.loc, getActivation(), g,
                                          getResult(), getWeight(), getReversed());
  gradient.set(0, recurrence.getInput());
  gradient.set(2, recurrence.getInitial());
  if (!gradient.needs(1))
    return;
  Value before = gradient.create<ReshapeOp>(getInitial(), ArrayRef<int64_t>{1, batch, hidden});
  if (steps > 1) {
    Value others = gradient.create<SliceOp>(
        getResult(), ArrayRef<int64_t>{getReversed() ? 1 : 0, 0, 0},
        ArrayRef<int64_t>{steps - 1, batch, hidden}, ArrayRef<int64_t>{1, 1, 1});
    Value parts[] = {before, others};
    if (getReversed())
      std::swap(parts[0], parts[1]);
    before = gradient.create<ConcatOp>(ValueRange(parts), 0);
  }
  auto flatten = [&](Value x) {
    return gradient.create<ReshapeOp>(x, ArrayRef<int64_t>{steps * batch, hidden});
  };
  bool wide = gradient.gradientElementType(1) != type.getElementType();
  gradient.set(1, gradient.create<MatMulOp>(flatten(recurrence.getInput()), flatten(before),
                                            Value(), /*transpose_lhs=*/true,
                                            /*transpose_rhs=*/false, APFloat(1.0), wide));
}

//===----------------------------------------------------------------------===//
// Kernel
//===----------------------------------------------------------------------===//

static Value activate(ScalarBuilder &s, RecurrentActivation activation, Value x) {
  switch (activation) {
  case RecurrentActivation::Tanh:
    return s.tanh(x);
  case RecurrentActivation::Relu:
    return s.maximum(x, s.constantLike(x, 0));
  case RecurrentActivation::Sigmoid:
    return s.sigmoid(x);
  }
  llvm_unreachable("unknown activation");
}

/// g times the derivative where the activation gave y.
static Value differentiate(ScalarBuilder &s, RecurrentActivation activation, Value y, Value g) {
  Value one = s.constantLike(y, 1);
  switch (activation) {
  case RecurrentActivation::Tanh:
    return s.mul(g, s.sub(one, s.mul(y, y)));
  case RecurrentActivation::Relu: // a NaN passes its gradient on
    return s.select(s.lessOrEqual(y, s.constantLike(y, 0)), s.constantLike(g, 0), g);
  case RecurrentActivation::Sigmoid:
    return s.mul(g, s.mul(y, s.sub(one, y)));
  }
  llvm_unreachable("unknown activation");
}

/// x * op(weight), not rounded.
static Value multiply(KernelBuilder &kernel, Value x, Value weight, bool transposed,
                      RankedTensorType type) {
  return plan::MatMulOp::create(kernel.builder, kernel.loc, type, x, weight, Value(), false,
                                transposed, APFloat(1.0), plan::Epilogue::None);
}

SmallVector<Value> RnnOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType(), state = type.clone(type.getShape().drop_front());
  if (type.getNumElements() == 0)
    return {kernel.splat(type, 0)};
  RankedTensorType sums = state.clone(KernelBuilder::computeType(type.getElementType()));
  bool reversed = getReversed();
  KernelBuilder::Looped looped = kernel.loop(
      type.getDimSize(0), operands[2], {{operands[0], reversed}}, operands[1], state, reversed,
      [&](KernelBuilder &k, ValueRange carried, ValueRange slices, ValueRange invariants) {
        Value product = multiply(k, carried[0], invariants[0], /*transposed=*/true, sums);
        Value next = k.pointwise({slices[0], product}, state, [&](ScalarBuilder &s, ValueRange x) {
          return activate(s, getActivation(), s.add(x[0], x[1]));
        });
        return SmallVector<Value>{next, next};
      });
  return looped.outputs;
}

SmallVector<Value> RnnGradientOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = tensorType(getInput()), initial = tensorType(getInitial());
  if (type.getNumElements() == 0)
    return {kernel.splat(type, 0), kernel.splat(initial, 0)};
  RankedTensorType state = type.clone(type.getShape().drop_front());
  bool reversed = !getReversed();
  KernelBuilder::Looped looped = kernel.loop(
      type.getDimSize(0), kernel.splat(initial, 0),
      {{operands[0], reversed}, {operands[1], reversed}}, operands[2], state, reversed,
      [&](KernelBuilder &k, ValueRange carried, ValueRange slices, ValueRange invariants) {
        Value sums = k.pointwise(
            {carried[0], slices[0], slices[1]}, state, [&](ScalarBuilder &s, ValueRange x) {
              return differentiate(s, getActivation(), x[2], s.add(x[0], x[1]));
            });
        Value before = multiply(k, sums, invariants[0], /*transposed=*/false, initial);
        return SmallVector<Value>{before, sums};
      });
  return {looped.outputs[0], looped.carried[0]};
}
