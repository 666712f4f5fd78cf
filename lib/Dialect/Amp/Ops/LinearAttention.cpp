//===- LinearAttention.cpp - Attention by a recurrence ---------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// In the formulas: S is the state before a time step, P what is left of it after the decay, u what
// is added for the key k, of a value v and a rate b; q are the queries, o the output, and dx is the
// gradient of x. All of it is for each head.
//
//===----------------------------------------------------------------------===//

#include "Common.h"
#include "ampc/Dialect/Amp/Ops/Attention.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Values.h"
#include <cmath>

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Import
//===----------------------------------------------------------------------===//

namespace {
/// The extents of a LinearAttention node. `heads` are those of keys and values, `shared` is the
/// number of query heads for each.
struct LinearExtents {
  int64_t batch, time, heads, shared, size, valueSize;
};
} // namespace

static FailureOr<LinearExtents> importExtents(OnnxNode &node) {
  if (failed(node.expectInputs(3, 6)) || failed(checkFloats(node)))
    return failure();
  RankedTensorType query = tensorType(node.input(0)), key = tensorType(node.input(1));
  RankedTensorType value = tensorType(node.input(2));
  int64_t queries = node.getInt("q_num_heads", 0), heads = node.getInt("kv_num_heads", 0);
  if (node.hadError)
    return failure();
  if (heads < 1 || queries < 1 || queries % heads != 0)
    return node.emitError() << "attribute 'q_num_heads' is " << queries
                            << ", but should be a positive multiple of 'kv_num_heads', " << heads;
  bool fits = query.getRank() == 3 && key.getRank() == 3 && value.getRank() == 3;
  fits = fits && query.getShape().drop_back() == key.getShape().drop_back() &&
         query.getShape().drop_back() == value.getShape().drop_back() &&
         query.getElementType() == key.getElementType() &&
         query.getElementType() == value.getElementType();
  int64_t size = fits ? key.getDimSize(2) / heads : 0;
  int64_t valueSize = fits ? value.getDimSize(2) / heads : 0;
  fits = fits && size > 0 && valueSize > 0 && key.getDimSize(2) == size * heads &&
         value.getDimSize(2) == valueSize * heads && query.getDimSize(2) % queries == 0 &&
         query.getDimSize(2) / queries == size && query.getDimSize(1) > 0;
  if (!fits)
    return node.emitError() << "query, key and value must be [batch, time, heads * size] for "
                            << queries << " and " << heads
                            << " heads, with a time step at least, but are " << query << ", " << key
                            << " and " << value;
  LinearExtents e{
      query.getDimSize(0), query.getDimSize(1), heads, queries / heads, size, valueSize};
  // The states of all time steps, which its gradient keeps.
  if (failed(checkedProduct(node, {e.batch, e.time, e.heads, e.size, e.valueSize})))
    return failure();
  return e;
}

/// Input `i` as [time, batch * heads, ..inner], of [batch, time, heads * ..inner].
static Value timeFirst(OnnxNode &node, OpBuilder &b, Value x, const LinearExtents &e,
                       ArrayRef<int64_t> inner) {
  SmallVector<int64_t> shape{e.batch, e.time, e.heads}, order{1, 0, 2};
  SmallVector<int64_t> result{e.time, e.batch * e.heads};
  for (int64_t extent : inner) {
    order.push_back(int64_t(shape.size()));
    shape.push_back(extent);
    result.push_back(extent);
  }
  x = reshapeTo(b, node.loc, x, shape);
  return reshapeTo(b, node.loc, buildPermutation(b, node.loc, x, order), result);
}

/// The decay or the rate, whose last dimension has one of two extents. Null where the rule that
/// the node names has none.
static FailureOr<Value> importFactor(OnnxNode &node, OpBuilder &b, unsigned i, StringRef name,
                                     bool isWanted, const LinearExtents &e,
                                     std::pair<int64_t, int64_t> widths) {
  Value x = node.input(i);
  if (isWanted != bool(x))
    return node.emitError() << (x ? "has" : "lacks") << " the input '" << name
                            << "', which its update rule " << (x ? "does not have" : "needs");
  if (!x)
    return x;
  RankedTensorType type = tensorType(x);
  if (type.getRank() != 3 || type.getDimSize(0) != e.batch || type.getDimSize(1) != e.time ||
      (type.getDimSize(2) != widths.first && type.getDimSize(2) != widths.second) ||
      type.getElementType() != tensorType(node.input(0)).getElementType())
    return node.emitError() << "'" << name << "' must be [" << e.batch << ", " << e.time << ", "
                            << widths.first << " or " << widths.second
                            << "] of the query's type, but is " << type;
  return x;
}

FailureOr<SmallVector<Value>> LinearAttentionOp::importNode(OnnxNode &node, OpBuilder &b) {
  FailureOr<LinearExtents> extents = importExtents(node);
  if (failed(extents))
    return failure();
  const LinearExtents &e = *extents;
  Location loc = node.loc;
  node.knowAttributes({"chunk_size"}); // of use to other ways to compute it
  std::string rule = node.getString("update_rule", "gated_delta");
  double scale = node.getFloat("scale", 0);
  if (node.hadError)
    return failure();
  if (!llvm::is_contained({"linear", "gated", "delta", "gated_delta"}, StringRef(rule)))
    return node.emitError() << "attribute 'update_rule' is '" << rule
                            << "', but should be 'linear', 'gated', 'delta' or 'gated_delta'";
  if (scale == 0)
    scale = 1 / std::sqrt(double(e.size));
  if (!std::isfinite(scale))
    return node.emitError() << "attribute 'scale' is " << scale << ", but should be finite";
  FailureOr<Value> decay = importFactor(node, b, 4, "decay", StringRef(rule).starts_with("gated"),
                                        e, {e.heads, e.heads * e.size});
  if (failed(decay))
    return failure();
  FailureOr<Value> rate =
      importFactor(node, b, 5, "beta", StringRef(rule).ends_with("delta"), e, {1, e.heads});
  if (failed(rate))
    return failure();
  if (*decay) {
    int64_t rows = tensorType(*decay).getDimSize(2) / e.heads;
    decay = timeFirst(node, b, *decay, e, {rows});
  }
  if (*rate) {
    SmallVector<int64_t> all{e.batch, e.time, e.heads};
    rate = timeFirst(node, b, b.createOrFold<BroadcastOp>(loc, *rate, all), e, {1});
  }
  Type element = tensorType(node.input(0)).getElementType(), stateElement = element;
  auto stateType = RankedTensorType::get({e.batch * e.heads, e.size, e.valueSize},
                                         KernelBuilder::computeType(element));
  Value initial = node.input(3);
  if (initial) {
    RankedTensorType type = tensorType(initial);
    if (type.getShape() != ArrayRef<int64_t>{e.batch, e.heads, e.size, e.valueSize})
      return node.emitError() << "'past_state' must be [" << e.batch << ", " << e.heads << ", "
                              << e.size << ", " << e.valueSize << "], but is " << type;
    stateElement = type.getElementType();
    initial = castTo(b, loc, initial, stateType.getElementType());
    initial = reshapeTo(b, loc, initial, stateType.getShape());
  } else {
    initial = splat(b, loc, stateType, 0);
  }
  auto op = LinearAttentionOp::create(
      b, loc, timeFirst(node, b, node.input(0), e, {e.shared, e.size}),
      timeFirst(node, b, node.input(1), e, {e.size}),
      timeFirst(node, b, node.input(2), e, {e.valueSize}), *decay, *rate, initial, APFloat(scale));
  Value y = reshapeTo(b, loc, op.getOutput(), {e.time, e.batch, e.heads, e.shared, e.valueSize});
  y = buildPermutation(b, loc, y, {1, 0, 2, 3, 4});
  y = reshapeTo(b, loc, y, {e.batch, e.time, e.heads * e.shared * e.valueSize});
  Value state = castTo(b, loc, op.getState(), stateElement);
  state = reshapeTo(b, loc, state, {e.batch, e.heads, e.size, e.valueSize});
  return SmallVector<Value>{y, state};
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// Checks the operands that both ops have, and gives the type of the output.
template <typename Adaptor>
static FailureOr<RankedTensorType> inferOutput(std::optional<Location> location, Adaptor op) {
  RankedTensorType query = tensorType(op.getQuery()), key = tensorType(op.getKey());
  RankedTensorType value = tensorType(op.getValue()), initial = tensorType(op.getInitial());
  Type element = query.getElementType(), wide = KernelBuilder::computeType(element);
  ArrayRef<int64_t> q = query.getShape(), v = value.getShape();
  bool fits = q.size() == 4 && v.size() == 3 && q[0] > 0 && v.take_front(2) == q.take_front(2);
  fits = fits && key == RankedTensorType::get({q[0], q[1], q[3]}, element) &&
         value.getElementType() == element &&
         initial == RankedTensorType::get({q[1], q[3], v[2]}, wide);
  if (Value decay = op.getDecay(); fits && decay) {
    RankedTensorType type = tensorType(decay);
    fits = (type.getElementType() == element || type.getElementType() == wide) &&
           (type.getShape() == ArrayRef<int64_t>{q[0], q[1], q[3]} ||
            type.getShape() == ArrayRef<int64_t>{q[0], q[1], 1});
  }
  if (Value rate = op.getRate(); fits && rate)
    fits = rate.getType() == RankedTensorType::get({q[0], q[1], 1}, element);
  if (fits) // linear_attention_c1, linear_attention_c2
    return RankedTensorType::get({q[0], q[1], q[2], v[2]}, element);
  InFlightDiagnostic error =
      mlir::emitError(location.value_or(UnknownLoc::get(query.getContext())));
  error << "operands do not fit together: " << query << ", " << key << ", " << value;
  for (Value x : {Value(op.getDecay()), Value(op.getRate()), Value(op.getInitial())})
    if (x)
      error << ", " << x.getType();
  return error;
}

LogicalResult LinearAttentionOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                  Adaptor adaptor, SmallVectorImpl<Type> &types) {
  FailureOr<RankedTensorType> output = inferOutput(location, adaptor);
  if (failed(output))
    return failure();
  types.assign({*output, adaptor.getInitial().getType()});
  return success();
}

LogicalResult LinearAttentionGradOp::inferReturnTypes(MLIRContext *,
                                                      std::optional<Location> location,
                                                      Adaptor adaptor,
                                                      SmallVectorImpl<Type> &types) {
  FailureOr<RankedTensorType> output = inferOutput(location, adaptor);
  if (failed(output))
    return failure();
  RankedTensorType state = tensorType(adaptor.getInitial()), key = tensorType(adaptor.getKey());
  if (adaptor.getGradient().getType() != *output || adaptor.getStateGradient().getType() != state)
    return inferenceError(location, "has gradients ", adaptor.getGradient().getType(), " and ",
                          adaptor.getStateGradient().getType(), " of ", *output, " and ", state);
  RankedTensorType decay = key.clone(state.getElementType());
  SmallVector<int64_t> rate{key.getDimSize(0), key.getDimSize(1), 1};
  types.assign({adaptor.getQuery().getType(), key, adaptor.getValue().getType(), decay,
                decay.clone(rate), state});
  return success();
}

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

void LinearAttentionOp::buildGradient(GradientBuilder &gradient) {
  auto flowing = [&](unsigned i) {
    RankedTensorType type = tensorType(getResult(i));
    Value g = gradient.resultGradient(i);
    return g ? gradient.cast(g, type.getElementType())
             : splat(gradient.builder, gradient.loc, type, 0);
  };
  auto op = LinearAttentionGradOp::create(gradient.builder, gradient.loc, flowing(0), getQuery(),
                                          getKey(), getValue(), getDecay(), getRate(), getInitial(),
                                          flowing(1), getScale());
  gradient.set(0, op.getQueryGradient());
  gradient.set(1, op.getKeyGradient());
  gradient.set(2, op.getValueGradient());
  unsigned next = 3;
  if (getDecay())
    gradient.set(next++, op.getDecayGradient());
  if (getRate())
    gradient.set(next++, op.getRateGradient());
  gradient.set(next, op.getInitialGradient());
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

namespace {
/// A time step's tensors in shapes that broadcast to the state's, [heads, size, value size], and
/// to that with the queries behind the heads.
class TimeStep {
public:
  /// `slices` begin with queries, key, value, decay and rate as far as there are any.
  TimeStep(KernelBuilder &k, Value state, ValueRange slices, bool hasDecay, bool hasRate)
      : k(k), before(state), type(tensorType(state)) {
    ArrayRef<int64_t> q = tensorType(slices[0]).getShape();
    heads = q[0];
    shared = q[1];
    size = q[2];
    valueSize = type.getDimSize(2);
    query = k.reshape(slices[0], {heads, shared, size, 1});
    key = k.reshape(slices[1], {heads, size, 1});
    value = k.reshape(slices[2], {heads, 1, valueSize});
    if (hasDecay)
      decay = k.reshape(slices[3], {heads, tensorType(slices[3]).getDimSize(1), 1});
    if (hasRate)
      rate = k.reshape(slices[3 + hasDecay], {heads, 1, 1});
  }

  /// Sets what follows the state: P, what P holds for the key, u, and the next state.
  void advance() {
    left = decay ? apply({before, decay}, {heads, size, valueSize},
                         [](ScalarBuilder &s, ValueRange x) { return s.mul(x[0], s.exp(x[1])); })
                 : before;
    added = value;
    if (rate) {
      held = sumProducts(left, key, 1);
      added = apply({value, held, rate}, {heads, 1, valueSize},
                    [](ScalarBuilder &s, ValueRange x) { return s.mul(x[2], s.sub(x[0], x[1])); });
    }
    after = addProduct(left, key, added);
  }

  /// Elementwise, in the states' type.
  Value apply(ValueRange inputs, ArrayRef<int64_t> shape, KernelBuilder::ScalarFn fn) {
    return k.pointwise(inputs, type.clone(shape), fn);
  }
  /// x + y * z of the state's shape.
  Value addProduct(Value x, Value y, Value z) {
    return apply({x, y, z}, type.getShape(),
                 [](ScalarBuilder &s, ValueRange v) { return s.add(v[0], s.mul(v[1], v[2])); });
  }
  /// The products of two tensors, which broadcast, summed along `axis`, which stays as 1.
  Value sumProducts(Value x, Value y, int64_t axis) {
    SmallVector<int64_t> shape =
        *broadcastShapes({tensorType(x).getShape(), tensorType(y).getShape()});
    Value products =
        apply({x, y}, shape, [](ScalarBuilder &s, ValueRange v) { return s.mul(v[0], v[1]); });
    Value sums = k.reduce(products, axis, Reduction::Sum, type.getElementType());
    return k.reshape(sums, keepAxes(shape, axis));
  }
  /// The state, or a gradient of it, for each of the queries that share it.
  Value forQueries(Value state) { return k.reshape(state, {heads, 1, size, valueSize}); }
  /// `scale * x`, of `result`'s type.
  Value scaleTo(RankedTensorType result, Value x, double scale) {
    x = k.reshape(x, result.getShape());
    return k.pointwise(x, result, [&](ScalarBuilder &s, ValueRange v) {
      return scale == 1 ? v[0] : s.mul(v[0], s.constantLike(v[0], scale));
    });
  }

  KernelBuilder &k;
  Value before; ///< S
  RankedTensorType type;
  int64_t heads, shared, size, valueSize;
  Value query, key, value, decay, rate;
  Value left, held, added, after; ///< P, k * P, u, the next S
};
} // namespace

/// A result of a loop without its first dimension.
static RankedTensorType sliceType(Value x) {
  RankedTensorType type = tensorType(x);
  return type.clone(type.getShape().drop_front());
}

SmallVector<Value> LinearAttentionOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getOutput().getType(), state = getState().getType();
  if (type.getNumElements() == 0 || state.getNumElements() == 0)
    return {kernel.splat(type, 0), operands.back()};
  RankedTensorType slice = sliceType(getOutput());
  bool hasDecay = bool(getDecay()), hasRate = bool(getRate());
  double scale = getScale().convertToDouble();
  SmallVector<KernelBuilder::Sequence> sequences;
  for (Value x : operands.drop_back())
    sequences.push_back({x});
  KernelBuilder::Looped looped = kernel.loop(
      type.getDimSize(0), operands.back(), sequences, {}, slice, /*reversedOutputs=*/false,
      [&](KernelBuilder &k, ValueRange carried, ValueRange slices, ValueRange) {
        TimeStep step(k, carried[0], slices, hasDecay, hasRate);
        step.advance();
        Value y = step.sumProducts(step.query, step.forQueries(step.after), 2);
        return SmallVector<Value>{step.after, step.scaleTo(slice, y, scale)};
      });
  return {looped.outputs[0], looped.carried[0]};
}

SmallVector<Value> LinearAttentionGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType state = getInitial().getType();
  SmallVector<Value> results;
  for (Value result : getResults())
    results.push_back(kernel.splat(tensorType(result), 0));
  if (getGradient().getType().getNumElements() == 0 || state.getNumElements() == 0) {
    results.back() = operands.back();
    return results;
  }
  bool hasDecay = bool(getDecay()), hasRate = bool(getRate());
  double scale = getScale().convertToDouble();
  int64_t time = getQuery().getType().getDimSize(0);
  ValueRange inputs = operands.drop_front().drop_back(2); // queries to rates
  Value initial = operands.drop_back().back();

  SmallVector<KernelBuilder::Sequence> forwards, backwards;
  for (Value x : inputs) {
    forwards.push_back({x});
    backwards.push_back({x, /*reversed=*/true});
  }
  KernelBuilder::Looped states =
      kernel.loop(time, initial, forwards, {}, state, /*reversedOutputs=*/false,
                  [&](KernelBuilder &k, ValueRange carried, ValueRange slices, ValueRange) {
                    TimeStep step(k, carried[0], slices, hasDecay, hasRate);
                    step.advance();
                    return SmallVector<Value>{step.after, step.before};
                  });
  backwards.push_back({operands.front(), true});
  backwards.push_back({states.outputs[0], true});

  SmallVector<unsigned> computed{0, 1, 2};
  if (hasDecay)
    computed.push_back(3);
  if (hasRate)
    computed.push_back(4);
  SmallVector<RankedTensorType> outputs;
  for (unsigned i : computed)
    outputs.push_back(sliceType(getResult(i)));

  // With dS that of the next state: dS += scale * q^T * do, dq = scale * do * S^T, du = k * dS,
  // dk = dS * u; for u = b * (v - k * P): db = du * (v - k * P), dv = b * du, dP = dS - k^T * dv,
  // dk -= P * dv; then d decay = the sum of dP * P along a row, and e ^ decay * dP goes on.
  KernelBuilder::Looped looped = kernel.loop(
      time, operands.back(), backwards, {}, outputs, /*reversedOutputs=*/true,
      [&](KernelBuilder &k, ValueRange carried, ValueRange slices, ValueRange) {
        TimeStep step(k, slices.back(), slices, hasDecay, hasRate);
        step.advance();
        int64_t heads = step.heads, size = step.size, valueSize = step.valueSize;
        Value g = k.reshape(slices.drop_back().back(), {heads, step.shared, 1, valueSize});
        Value dq = step.sumProducts(g, step.forQueries(step.after), 3);
        Value read = k.reshape(step.sumProducts(step.query, g, 1), step.type.getShape());
        Value ds = step.apply({carried[0], read}, step.type.getShape(),
                              [&](ScalarBuilder &s, ValueRange x) {
                                return s.add(x[0], s.mul(x[1], s.constantLike(x[1], scale)));
                              });
        Value du = step.sumProducts(ds, step.key, 1), dv = du, dp = ds;
        Value dk = step.sumProducts(ds, step.added, 2), db;
        if (hasRate) {
          Value lack = step.apply({step.value, step.held}, {heads, 1, valueSize},
                                  [](ScalarBuilder &s, ValueRange x) { return s.sub(x[0], x[1]); });
          db = step.sumProducts(du, lack, 2);
          dv = step.apply({du, step.rate}, {heads, 1, valueSize},
                          [](ScalarBuilder &s, ValueRange x) { return s.mul(x[0], x[1]); });
          dp = step.apply(
              {ds, step.key, dv}, step.type.getShape(),
              [](ScalarBuilder &s, ValueRange x) { return s.sub(x[0], s.mul(x[1], x[2])); });
          Value less = step.sumProducts(step.left, dv, 2);
          dk = step.apply({dk, less}, {heads, size, 1},
                          [](ScalarBuilder &s, ValueRange x) { return s.sub(x[0], x[1]); });
        }
        Value next = dp;
        if (hasDecay)
          next =
              step.apply({dp, step.decay}, step.type.getShape(),
                         [](ScalarBuilder &s, ValueRange x) { return s.mul(x[0], s.exp(x[1])); });
        SmallVector<Value> made{next, step.scaleTo(outputs[0], dq, scale),
                                step.scaleTo(outputs[1], dk, 1), step.scaleTo(outputs[2], dv, 1)};
        if (hasDecay)
          made.push_back(step.scaleTo(outputs[3], step.sumProducts(dp, step.left, 2), 1));
        if (hasRate)
          made.push_back(step.scaleTo(outputs.back(), db, 1));
        return made;
      });
  for (auto [i, output] : llvm::zip(computed, looped.outputs))
    results[i] = output;
  results.back() = looped.carried[0];
  return results;
}
