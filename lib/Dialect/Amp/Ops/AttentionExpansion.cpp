//===- AttentionExpansion.cpp - Attention as products ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Where a target has no kernel for it, attention is two products with a softmax between them, and
// its gradient five products. What both compute, the scores and the exponentials, is one and the
// same after equal ops are combined.
//
//===----------------------------------------------------------------------===//

#include "AttentionExpansion.h"
#include "RowSoftmax.h"
#include "ampc/Dialect/Plan/Plan.h"
#include "ampc/Support/RandomBits.h"

using namespace mlir;
using namespace ampc;

namespace {
class Expansion {
public:
  Expansion(KernelBuilder &k, const AttentionExtents &e, const AttentionParts &parts)
      : k(k), e(e), parts(parts), isJoint(parts.inputs.size() == 1),
        element(tensorType(parts.inputs[0]).getElementType()),
        wide(KernelBuilder::computeType(element)), shared(e.heads / e.keyHeads * e.rows) {
    for (unsigned i : {0, 1, 2})
      heads[i] = takeHeads(parts.inputs[isJoint ? 0 : i], i);
    Value products = multiply(rowsOf(heads[0]), false, matrices(heads[1]), true, parts.scale,
                              {shared, e.columns});
    SmallVector<Value> read{scoresOf(products)};
    for (Value x : {parts.mask, parts.condition})
      if (x)
        read.push_back(x);
    scores = k.pointwise(read, scoresType(wide), [&](ScalarBuilder &s, ValueRange x) {
      Value score = parts.mask ? s.add(x[0], x[1]) : x[0];
      if (!parts.condition)
        return score;
      Value off = s.constantLike(score, parts.off);
      return s.select(x.back(), score, parts.replaces ? off : s.add(score, off));
    });
  }

  SmallVector<Value> emit(RankedTensorType output) {
    RowSoftmax softmax(k, scores);
    Value p = probabilities(softmax.maximum, softmax.sum);
    Value y = multiply(rowsOf(p), false, matrices(heads[2]), false, APFloat(1.0), {shared, e.size});
    y = k.reshape(y, {e.batch, e.heads, e.rows, e.size});
    SmallVector<int64_t> rows{e.batch, e.heads, e.rows};
    return {k.reshape(toLayout(y, layoutAt(parts.layouts, parts.layouts.size() - 1)),
                      output.getShape()),
            k.reshape(softmax.maximum, rows), k.reshape(softmax.sum, rows)};
  }

  SmallVector<Value> emitGradients(Value g, Value maximum, Value sum, Value delta) {
    StringRef layout = layoutAt(parts.layouts, parts.layouts.size() - 1);
    g = fromLayout(g, layout);
    SmallVector<int64_t> columns(tensorType(delta).getShape());
    columns.push_back(1);
    delta = fromLayout(k.reshape(delta, columns), layout);
    maximum = column(maximum);
    sum = column(sum);
    Value p = probabilities(maximum, sum);
    Value slopes =
        multiply(rowsOf(g), false, matrices(heads[2]), true, APFloat(1.0), {shared, e.columns});
    Value ds = parts.seed ? scoreGradients({scores, maximum, sum}, scoresOf(slopes), delta)
                          : scoreGradients(p, scoresOf(slopes), delta);
    Value results[] = {
        multiply(rowsOf(ds), false, matrices(heads[1]), false, parts.scale, {shared, e.size}),
        multiply(rowsOf(ds), true, rowsOf(heads[0]), false, parts.scale, {e.columns, e.size}),
        multiply(rowsOf(p), true, rowsOf(g), false, APFloat(1.0), {e.columns, e.size})};
    SmallVector<Value> gradients;
    for (unsigned i : {0, 1, 2}) {
      int64_t ofHeads = i == 0 ? e.heads : e.keyHeads, rows = i == 0 ? e.rows : e.columns;
      gradients.push_back(putHeads(k.reshape(results[i], {e.batch, ofHeads, rows, e.size}), i));
    }
    if (isJoint)
      return {k.concat(gradients, int64_t(layoutAt(parts.layouts, 0).find('p')))};
    return gradients;
  }

private:
  RankedTensorType scoresType(Type type) const {
    return RankedTensorType::get({e.batch, e.heads, e.rows, e.columns}, type);
  }
  Value column(Value x) { return k.reshape(x, {e.batch, e.heads, e.rows, 1}); }

  /// In a body over the scores: `x` where dropout keeps it. `last` are seed and attempt.
  Value drop(ScalarBuilder &s, Value x, ValueRange last) {
    Type i64 = s.builder.getI64Type();
    Value place = s.constant(i64, int64_t(0));
    for (auto [d, stride] : llvm::enumerate(stridesOf(scoresType(wide).getShape())))
      place = s.add(place, s.mul(s.convert(k.index(s, d), i64), s.constant(i64, stride)));
    Value key = buildRandomKey(s, last[0], last[1], parts.stream);
    Value kept = s.mul(x, s.constantLike(x, keptScale(parts.ratio)));
    return s.select(drawKept(s, place, key, parts.ratio), kept, s.constantLike(x, 0));
  }
  void addSeed(SmallVectorImpl<Value> &read) {
    if (parts.seed)
      read.append({parts.seed, parts.attempt});
  }

  /// As they are multiplied with the values.
  Value probabilities(Value maximum, Value sum) {
    SmallVector<Value> read{scores, maximum, sum};
    addSeed(read);
    return k.pointwise(read, scoresType(element), [&](ScalarBuilder &s, ValueRange x) {
      Value p = s.div(s.exp(s.sub(x[0], x[1])), x[2]);
      return parts.seed ? drop(s, p, x.take_back(2)) : p;
    });
  }

  /// Of those of what the values are multiplied with. `of` are the probabilities, or where these
  /// have been dropped what they are made of: scores, largest ones and sums. Else the scores need
  /// not be kept.
  Value scoreGradients(ValueRange of, Value slopes, Value delta) {
    bool isChosen = parts.condition && parts.replaces;
    SmallVector<Value> read{slopes, delta};
    llvm::append_range(read, of);
    if (isChosen)
      read.push_back(parts.condition);
    addSeed(read);
    return k.pointwise(read, scoresType(element), [&](ScalarBuilder &s, ValueRange x) {
      Value p = of.size() == 1 ? x[2] : s.div(s.exp(s.sub(x[2], x[3])), x[4]);
      Value slope = parts.seed ? drop(s, x[0], x.take_back(2)) : x[0];
      Value y = s.mul(p, s.sub(slope, x[1]));
      return isChosen ? s.select(x[2 + of.size()], y, s.constantLike(y, 0)) : y;
    });
  }

  /// The layout of input `index` without `p`, and where that stands, behind the end where there is
  /// none.
  std::pair<std::string, size_t> layoutOf(unsigned index) const {
    std::string layout = layoutAt(parts.layouts, isJoint ? 0 : index).str();
    size_t joint = layout.find('p');
    if (isJoint)
      layout.erase(joint, 1);
    return {layout, joint};
  }
  /// [b, h, r, d] of a layout without `p`, and back.
  Value fromLayout(Value x, StringRef layout) {
    SmallVector<int64_t> order;
    for (char letter : StringRef("bhrd"))
      order.push_back(int64_t(layout.find(letter)));
    return k.transpose(x, order);
  }
  Value toLayout(Value x, StringRef layout) {
    SmallVector<int64_t> order;
    for (char letter : layout)
      order.push_back(int64_t(StringRef("bhrd").find(letter)));
    return k.transpose(x, order);
  }
  /// Query, key or value of an input, and back, with an extent of 1 for `p`.
  Value takeHeads(Value x, unsigned index) {
    auto [layout, joint] = layoutOf(index);
    if (isJoint) {
      SmallVector<int64_t> starts(layout.size() + 1, 0), steps(layout.size() + 1, 1);
      SmallVector<int64_t> sizes(tensorType(x).getShape());
      starts[joint] = index;
      sizes[joint] = 1;
      x = k.slice(x, starts, sizes, steps);
      sizes.erase(sizes.begin() + joint);
      x = k.reshape(x, sizes);
    }
    return fromLayout(x, layout);
  }
  Value putHeads(Value x, unsigned index) {
    auto [layout, joint] = layoutOf(index);
    x = toLayout(x, layout);
    if (!isJoint)
      return x;
    SmallVector<int64_t> shape(tensorType(x).getShape());
    shape.insert(shape.begin() + joint, 1);
    return k.reshape(x, shape);
  }

  /// The rows of all heads that share a key are the rows of one matrix.
  Value rowsOf(Value x) {
    return k.reshape(x, {e.batch * e.keyHeads, shared, tensorType(x).getShape().back()});
  }
  Value matrices(Value x) { return k.reshape(x, {e.batch * e.keyHeads, e.columns, e.size}); }
  Value scoresOf(Value x) { return k.reshape(x, {e.batch, e.heads, e.rows, e.columns}); }

  Value multiply(Value lhs, bool transposeLhs, Value rhs, bool transposeRhs, const APFloat &alpha,
                 ArrayRef<int64_t> matrix) {
    auto type = RankedTensorType::get({e.batch * e.keyHeads, matrix[0], matrix[1]}, element);
    return plan::MatMulOp::create(k.builder, k.loc, type, lhs, rhs, Value(), transposeLhs,
                                  transposeRhs, alpha, plan::Epilogue::None)
        .getResult();
  }

  KernelBuilder &k;
  const AttentionExtents e;
  const AttentionParts &parts;
  const bool isJoint;
  Type element, wide;
  int64_t shared; ///< rows of heads that share a key
  Value heads[3], scores;
};
} // namespace

SmallVector<Value> ampc::expandAttention(KernelBuilder &kernel, const AttentionExtents &extents,
                                         const AttentionParts &parts, RankedTensorType output) {
  return Expansion(kernel, extents, parts).emit(output);
}

SmallVector<Value> ampc::expandAttentionGrad(KernelBuilder &kernel, const AttentionExtents &extents,
                                             const AttentionParts &parts, Value gradient,
                                             Value maximum, Value sum, Value delta) {
  return Expansion(kernel, extents, parts).emitGradients(gradient, maximum, sum, delta);
}
