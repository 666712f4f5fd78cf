//===- MicrosoftAttention.cpp - ONNX Runtime's attention ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AttentionBuilder.h"
#include "Places.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/MatMul.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Amp/Values.h"
#include <cmath>

using namespace mlir;
using namespace ampc;

using Results = FailureOr<SmallVector<Value>>;

static ArrayRef<int64_t> shapeOf(Value x) { return tensorType(x).getShape(); }

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

/// Which columns lie in [start, end) of each batch entry, [batch, 1, 1, columns].
static Value isWithin(OpBuilder &b, Location loc, Value start, Value end, int64_t columns) {
  int64_t batch = tensorType(end).getNumElements();
  Value column = indexAlong(b, loc, 4, 3, columns);
  auto bound = [&](Value x) { return reshapeTo(b, loc, x, {batch, 1, 1, 1}); };
  Value isOn = LessOp::create(b, loc, column, bound(end));
  if (!start)
    return isOn;
  Value isBehind = GreaterOrEqualOp::create(b, loc, column, bound(start));
  return AndOp::create(b, loc, isOn, isBehind);
}

/// The mask at input `i` as booleans that broadcast to the scores: 1 for what takes part, in
/// shapes of up to four dimensions; or for each batch entry how many columns do, and with
/// `mayHaveStarts`, behind all of these, the first one.
static FailureOr<Value> importMask(OnnxNode &node, OpBuilder &b, unsigned i, const Attention &a,
                                   bool mayHaveStarts) {
  Location loc = node.loc;
  RankedTensorType type = tensorType(node.input(i));
  if (!isa<IntegerType>(type.getElementType()))
    return node.emitError() << "the mask must be of integers, but is " << type;
  Value mask = castTo(b, loc, node.input(i), b.getI64Type());
  int64_t batch = shapeOf(a.q)[0], rows = shapeOf(a.q)[2], columns = shapeOf(a.k)[2];
  ArrayRef<int64_t> shape = type.getShape();
  if (shape == ArrayRef<int64_t>{batch})
    return isWithin(b, loc, Value(), mask, columns);
  if (mayHaveStarts && shape == ArrayRef<int64_t>{2 * batch})
    return isWithin(b, loc, sliceAlong(b, loc, mask, 0, batch, batch),
                    sliceAlong(b, loc, mask, 0, 0, batch), columns);
  if (shape == ArrayRef<int64_t>{batch, columns}) {
    mask = reshapeTo(b, loc, mask, {batch, 1, 1, columns});
  } else if (shape == ArrayRef<int64_t>{batch, rows, columns}) {
    mask = reshapeTo(b, loc, mask, {batch, 1, rows, columns});
  } else if (shape.size() == 4 && shape[0] == batch && shape[1] == 1 && shape[2] == shape[3] &&
             shape[2] >= columns && columns >= rows) {
    // Of all places that there could be: those of the rows are the last ones.
    mask = sliceAlong(b, loc, sliceAlong(b, loc, mask, 2, columns - rows, rows), 3, 0, columns);
  } else {
    return node.emitError() << "a mask " << type << " is not supported for " << batch
                            << " batch entries, " << rows << " queries and " << columns << " keys";
  }
  auto scalar = RankedTensorType::get({}, b.getI64Type());
  return Value(GreaterOp::create(b, loc, mask, splat(b, loc, scalar, 0)));
}

/// Sets the mask: `mask_filter_value` where input `maskInput` leaves something out, and what input
/// `biasInput` adds.
static LogicalResult importMasks(OnnxNode &node, OpBuilder &b, unsigned maskInput,
                                 unsigned biasInput, bool mayHaveStarts, Attention &a) {
  double filter = node.getFloat("mask_filter_value", -10000.0f);
  if (node.hadError)
    return failure();
  auto scalar = RankedTensorType::get({}, tensorType(a.q).getElementType());
  if (node.input(maskInput)) {
    FailureOr<Value> isOn = importMask(node, b, maskInput, a, mayHaveStarts);
    if (failed(isOn))
      return failure();
    a.mask = WhereOp::create(b, node.loc, *isOn, splat(b, node.loc, scalar, 0),
                             splat(b, node.loc, scalar, filter));
  }
  Value bias = node.input(biasInput);
  if (!bias || !a.mask) {
    a.mask = bias ? bias : a.mask;
    return success();
  }
  FailureOr<Value> sum = importOp<AddOp>(node, b, {a.mask, bias});
  if (failed(sum))
    return failure();
  a.mask = *sum;
  return success();
}

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

/// Attention of operands that are set, joined to [batch, rows, elements]. The keys before the
/// first one of this call are `past`.
static FailureOr<Value> finish(OnnxNode &node, OpBuilder &b, Attention &a, int64_t past) {
  if (node.getInt("unidirectional", 0))
    a.causal = past;
  if (failed(importScale(node, a, /*zeroIsDefault=*/true)))
    return failure();
  FailureOr<AttentionResults> built = buildAttention(node, b, a);
  if (failed(built))
    return failure();
  return joinHeads(b, node.loc, built->y);
}

static FailureOr<int64_t> importHeads(OnnxNode &node) {
  int64_t heads = node.getInt("num_heads", 0);
  if (!node.hadError && heads < 1)
    return node.emitError() << "attribute 'num_heads' is " << heads << ", but should be positive";
  return node.hadError ? FailureOr<int64_t>() : heads;
}

/// The widths of query, key and value in the weight.
static FailureOr<SmallVector<int64_t>> importWidths(OnnxNode &node, int64_t total) {
  std::optional<std::vector<int64_t>> given = node.getInts("qkv_hidden_sizes");
  if (node.hadError)
    return failure();
  SmallVector<int64_t> widths =
      given ? SmallVector<int64_t>(ArrayRef(*given)) : SmallVector<int64_t>(3, total / 3);
  // Each is compared by itself: a sum could overflow.
  bool fits = widths.size() == 3;
  int64_t rest = total;
  for (size_t i = 0; fits && i < 3; ++i) {
    fits = widths[i] > 0 && widths[i] <= rest;
    rest -= widths[i];
  }
  if (!fits || rest != 0)
    return node.emitError() << "query, key and value of widths [" << ArrayRef<int64_t>(widths)
                            << "] are not the " << total << " columns of the weight";
  return widths;
}

/// Self attention of one input, projected by one weight.
static Results importProjected(OnnxNode &node, OpBuilder &b) {
  if (failed(node.expectInputs(2, 7)))
    return failure();
  Location loc = node.loc;
  node.knowAttributes({"rotary_embedding_dim"});
  for (StringRef key : {"do_rotary", "past_present_share_buffer"})
    if (node.getInt(key, 0))
      return node.emitError() << "the attribute '" << key << "' is not supported";
  if (node.input(6))
    return node.emitError() << "input 6 (past_sequence_length) is not supported";
  RankedTensorType type = tensorType(node.input(0)), weight = tensorType(node.input(1));
  if (type.getRank() != 3 || weight.getRank() != 2)
    return node.emitError() << "input and weights must be of rank 3 and 2, but are " << type
                            << " and " << weight;
  FailureOr<int64_t> heads = importHeads(node);
  if (failed(heads))
    return failure();
  FailureOr<SmallVector<int64_t>> widths = importWidths(node, weight.getDimSize(1));
  if (failed(widths))
    return failure();
  SmallVector<Value> factors{node.input(0), node.input(1)};
  if (node.input(2))
    factors.push_back(node.input(2));
  FailureOr<Value> all = importOp<MatMulOp>(node, b, factors);
  if (failed(all))
    return failure();
  Attention a;
  Value *parts[] = {&a.q, &a.k, &a.v};
  const StringRef names[] = {"the query", "the key", "the value"};
  int64_t start = 0;
  for (auto [part, name, width] : llvm::zip(parts, names, *widths)) {
    FailureOr<Value> split =
        splitHeads(node, b, sliceAlong(b, loc, *all, 2, start, width), *heads, name);
    if (failed(split))
      return failure();
    *part = *split;
    start += width;
  }
  int64_t before = 0;
  if (Value past = node.input(4)) {
    ArrayRef<int64_t> shape = shapeOf(past);
    if (shape.size() != 5 || shape[0] != 2)
      return node.emitError() << "'past' must be [2, batch, heads, past, size], but is "
                              << past.getType();
    before = shape[3];
    for (auto [i, part] : llvm::enumerate(ArrayRef<Value *>{&a.k, &a.v})) {
      Value half = reshapeTo(b, loc, sliceAlong(b, loc, past, 0, i, 1), shape.drop_front());
      if (failed(appendToPast(node, b, half, *part, "'past'")))
        return failure();
    }
  }
  if (failed(importMasks(node, b, 3, 5, /*mayHaveStarts=*/true, a)))
    return failure();
  FailureOr<Value> y = finish(node, b, a, before);
  if (failed(y))
    return failure();
  SmallVector<Value> results{*y, Value()};
  if (node.hasOutput(1)) {
    if (a.k.getType() != a.v.getType())
      return node.emitError() << "has an output 'present', for which keys and values must be of "
                                 "one size, but they are "
                              << a.k.getType() << " and " << a.v.getType();
    SmallVector<int64_t> shape(shapeOf(a.k));
    shape.insert(shape.begin(), 1);
    Value both[] = {reshapeTo(b, loc, a.k, shape), reshapeTo(b, loc, a.v, shape)};
    results[1] = ConcatOp::create(b, loc, ValueRange(both), /*axis=*/0);
  }
  return results;
}

/// One of `count` tensors that are packed as [batch, rows, heads, count, size], as heads.
static Value unpack(OpBuilder &b, Location loc, Value packed, int64_t i) {
  ArrayRef<int64_t> shape = shapeOf(packed);
  Value part = sliceAlong(b, loc, packed, 3, i, 1);
  part = reshapeTo(b, loc, part, {shape[0], shape[1], shape[2], shape[4]});
  return buildPermutation(b, loc, part, {0, 2, 1, 3});
}

/// Query, key and value of MultiHeadAttention as heads, from the layouts that it has, without the
/// bias. `hasPlainKeys`: they come as heads, and have no bias.
static LogicalResult importLayouts(OnnxNode &node, OpBuilder &b, int64_t heads, Attention &a,
                                   bool &hasPlainKeys) {
  Value query = node.input(0), key = node.input(1), value = node.input(2);
  auto rank = [](Value x) { return x ? int64_t(shapeOf(x).size()) : int64_t(0); };
  auto isPacked = [&](Value x, int64_t count) {
    return rank(x) == 5 && shapeOf(x)[2] == heads && shapeOf(x)[3] == count;
  };
  hasPlainKeys = rank(query) == 3 && rank(key) == 4 && rank(value) == 4;
  if (isPacked(query, 3) && !key && !value) {
    a.q = unpack(b, node.loc, query, 0);
    a.k = unpack(b, node.loc, query, 1);
    a.v = unpack(b, node.loc, query, 2);
    return success();
  }
  bool isSplit = rank(query) == 3 && rank(key) == 3 && rank(value) == 3;
  bool hasPackedKeys = rank(query) == 3 && isPacked(key, 2) && !value;
  if (!hasPlainKeys && !isSplit && !hasPackedKeys) {
    InFlightDiagnostic error = node.emitError();
    error << "query, key and value must be of rank 3, with key and value of rank 4 or packed as "
             "[batch, rows, "
          << heads << ", 2, size] too, or one packed as [batch, rows, " << heads
          << ", 3, size], but there is " << query.getType();
    for (Value x : {key, value})
      if (x)
        error << ", " << x.getType();
    return error;
  }
  FailureOr<Value> q = splitHeads(node, b, query, heads, "the query");
  if (failed(q))
    return failure();
  a.q = *q;
  if (hasPlainKeys) {
    a.k = key;
    a.v = value;
  } else if (hasPackedKeys) {
    a.k = unpack(b, node.loc, key, 0);
    a.v = unpack(b, node.loc, key, 1);
  } else {
    FailureOr<Value> k = splitHeads(node, b, key, heads, "the key");
    FailureOr<Value> v = failed(k) ? k : splitHeads(node, b, value, heads, "the value");
    if (failed(v))
      return failure();
    a.k = *k;
    a.v = *v;
  }
  return success();
}

/// Adds the parts of the bias to query, key and value.
static LogicalResult addBias(OnnxNode &node, OpBuilder &b, Attention &a, bool hasPlainKeys) {
  Value bias = node.input(3);
  if (!bias)
    return success();
  Value *parts[] = {&a.q, &a.k, &a.v};
  int64_t start = 0, total = 0;
  for (Value *part : parts)
    total += shapeOf(*part)[1] * shapeOf(*part)[3];
  if (shapeOf(bias) != ArrayRef<int64_t>{total})
    return node.emitError() << "the bias must have " << total
                            << " elements, those of query, key and value, but is "
                            << bias.getType();
  for (Value *part : ArrayRef(parts).take_front(hasPlainKeys ? 1 : 3)) {
    ArrayRef<int64_t> shape = shapeOf(*part);
    int64_t width = shape[1] * shape[3];
    Value own = sliceAlong(b, node.loc, bias, 0, start, width);
    own = reshapeTo(b, node.loc, own, {1, shape[1], 1, shape[3]});
    FailureOr<Value> sum = importOp<AddOp>(node, b, {*part, own});
    if (failed(sum))
      return failure();
    *part = *sum;
    start += width;
  }
  return success();
}

static Results importMultiHead(OnnxNode &node, OpBuilder &b) {
  if (failed(node.expectInputs(1, 10)))
    return failure();
  for (unsigned i : {8u, 9u})
    if (node.input(i))
      return node.emitError() << "input " << i << " ("
                              << (i == 8 ? "past_sequence_length" : "cache_indirection")
                              << ") is not supported";
  if (node.hasOutput(3))
    return node.emitError() << "output 3 (qk) is not supported";
  FailureOr<int64_t> heads = importHeads(node);
  if (failed(heads))
    return failure();
  Attention a;
  bool hasPlainKeys = false;
  if (failed(importLayouts(node, b, *heads, a, hasPlainKeys)) ||
      failed(addBias(node, b, a, hasPlainKeys)))
    return failure();
  Value pastKey = node.input(6), pastValue = node.input(7);
  if (!pastKey != !pastValue)
    return node.emitError() << "has only one of 'past_key' and 'past_value'";
  if (failed(appendToPast(node, b, pastKey, a.k, "past_key")) ||
      failed(appendToPast(node, b, pastValue, a.v, "past_value")) ||
      failed(importMasks(node, b, 4, 5, /*mayHaveStarts=*/false, a)))
    return failure();
  FailureOr<Value> y = finish(node, b, a, pastKey ? shapeOf(pastKey)[2] : 0);
  if (failed(y))
    return failure();
  return SmallVector<Value>{*y, a.k, a.v};
}

Results ampc::importMicrosoftAttention(OnnxNode &node, OpBuilder &builder) {
  return node.opType == "Attention" ? importProjected(node, builder)
                                    : importMultiHead(node, builder);
}
