//===- RangeCases.cpp - Slices, pads and concatenations, to run -----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelCases.h"

namespace ampc::test {
namespace {

RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }
Value sum(ScalarBuilder &s, ValueRange x) { return s.add(x[0], x[1]); }
Value product(ScalarBuilder &s, ValueRange x) { return s.mul(x[0], x[1]); }
Value exponential(ScalarBuilder &s, ValueRange x) { return s.exp(x[0]); }

Value multiply(KernelBuilder &k, Value x, Value y) {
  return k.pointwise({x, y}, typeOf(x), product);
}

Value softmax(KernelBuilder &k, Value x) {
  RankedTensorType type = typeOf(x);
  SmallVector<int64_t> row(type.getShape());
  row.back() = 1;
  int64_t last = type.getRank() - 1;
  Value most = k.reshape(k.reduce(x, last, Reduction::Max, type.getElementType()), row);
  Value e = k.pointwise({x, most}, type,
                        [](ScalarBuilder &s, ValueRange v) { return s.exp(s.sub(v[0], v[1])); });
  Value total = k.reshape(k.reduce(e, last, Reduction::Sum, type.getElementType()), row);
  return k.pointwise({e, total}, type,
                     [](ScalarBuilder &s, ValueRange v) { return s.div(v[0], v[1]); });
}

void addSlices(CaseList &list) {
  // Begins where vectors do, in their middle and at no multiple; with lines of every kind.
  for (const char *t : {"f32", "f16", "bf16", "f64", "i64", "i1"})
    for (auto [start, size] : {std::pair<int64_t, int64_t>{0, 32}, {16, 32}, {2, 40}, {3, 37}})
      list.addFused("slice_" + std::string(t) + "_" + std::to_string(start),
                    {list.type(t, {20, 64})},
                    [start = start, size = size](KernelBuilder &k, ValueRange in) -> Values {
                      return {k.slice(in[0], {5, start}, {12, size}, {1, 1})};
                    });
  list.addFused("slice_steps", {list.type("f32", {33, 64})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  Value backwards = k.slice(in[0], {32, 62}, {17, 20}, {-2, -3});
                  Value forwards = k.slice(in[0], {1, 1}, {17, 20}, {1, 3});
                  return {k.pointwise({backwards, forwards}, typeOf(backwards), sum)};
                });
  list.addFused("slice_one", {list.type("f32", {3, 64, 5})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  return {k.slice(in[0], {1, 63, 4}, {1, 1, 1}, {1, 1, 1})};
                });
  // Of what is computed, with a bias behind; and rows of one.
  list.addFused("bias_of_slice",
                {list.type("f16", {30, 96}), list.type("f16", {30, 96}), list.type("f16", {40})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  Value part = k.slice(multiply(k, in[0], in[1]), {0, 16}, {30, 40}, {1, 1});
                  return {k.pointwise({part, in[2]}, typeOf(part), sum)};
                });
  list.addFused("softmax_of_slice", {list.type("f32", {30, 96})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  Value e = k.pointwise({in[0]}, typeOf(in[0]), exponential);
                  return {softmax(k, k.slice(e, {2, 3}, {28, 90}, {1, 1}))};
                });
  list.addFused("slice_of_sums", {list.type("f32", {40, 96})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  Value sums = k.reduce(in[0], 1, Reduction::Sum, typeOf(in[0]).getElementType());
                  return {k.slice(sums, {7}, {20}, {1})};
                });
  // Of a reshape, by whole heads.
  list.addFused("heads_of_slice", {list.type("f32", {8, 96})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  Value part = k.slice(in[0], {0, 32}, {8, 32}, {1, 1});
                  return {k.transpose(k.reshape(part, {8, 4, 8}), {1, 0, 2})};
                });
}

void addPads(CaseList &list) {
  for (const char *t : {"f32", "f16", "bf16", "f64", "i32", "i1"})
    for (auto [start, size] : {std::pair<int64_t, int64_t>{0, 128}, {8, 80}, {4, 76}, {1, 67}})
      list.addFused("pad_" + std::string(t) + "_" + std::to_string(start), {list.type(t, {16, 64})},
                    [start = start, size = size](KernelBuilder &k, ValueRange in) -> Values {
                      return {k.pad(in[0], {3, start}, {20, size}, 1)};
                    });
  // What is padded is computed, in a rank where several dimensions have borders.
  list.addFused("pad_of_product",
                {list.type("f32", {2, 3, 16, 32}), list.type("f32", {2, 3, 16, 32}),
                 list.type("f32", {2, 4, 18, 36})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  Value padded = k.pad(multiply(k, in[0], in[1]), {0, 1, 1, 2}, {2, 4, 18, 36}, 0);
                  return {k.pointwise({padded, in[2]}, typeOf(padded), sum)};
                });
  // A pad of a pad, a slice of a pad, and a pad of a slice.
  list.addFused("pads_and_slices", {list.type("f32", {32, 32})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  Value outer = k.pad(k.pad(in[0], {1, 4}, {34, 40}, 2), {0, 3}, {36, 45}, 3);
                  Value cut = k.slice(outer, {1, 2}, {34, 41}, {1, 1});
                  Value part = k.slice(cut, {30, 40}, {31, 41}, {-1, -1});
                  return {k.pad(part, {2, 0}, {34, 41}, 4)};
                });
  list.addFused("softmax_of_pad", {list.type("f32", {64, 16})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  Value e = k.pointwise({in[0]}, typeOf(in[0]), exponential);
                  return {softmax(k, k.pad(e, {0, 5}, {64, 30}, -2))};
                });
  list.addFused("columns_of_pad", {list.type("f32", {64, 32})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  Value padded = k.pad(in[0], {3, 4}, {70, 40}, 1);
                  return {k.reduce(padded, 0, Reduction::Sum, typeOf(padded).getElementType())};
                });
  // Two readers of one value, at its own places and in a pad: no kernel can be both, and parts
  // of a split that are put together again.
  list.addFused(
      "pads_add_up", {list.type("f32", {16, 64})}, [](KernelBuilder &k, ValueRange in) -> Values {
        Value low = k.pad(k.slice(in[0], {0, 0}, {16, 24}, {1, 1}), {0, 0}, {16, 64}, 0);
        Value high = k.pad(k.slice(in[0], {0, 24}, {16, 40}, {1, 1}), {0, 24}, {16, 64}, 0);
        return {k.pointwise({low, high}, typeOf(low), sum)};
      });
}

void addConcats(CaseList &list) {
  auto add = [&](const std::string &name, const char *t, ArrayRef<int64_t> parts, int64_t axis) {
    SmallVector<RankedTensorType> types;
    for (int64_t part : parts) {
      SmallVector<int64_t> shape = {12, 16, 64};
      shape[axis] = part;
      types.push_back(list.type(t, shape));
    }
    list.addFused(name, types, [axis](KernelBuilder &k, ValueRange in) -> Values {
      SmallVector<Value> parts;
      for (auto [i, x] : llvm::enumerate(in)) // every other one is computed
        parts.push_back(i % 2 ? x : multiply(k, x, x));
      return {k.concat(parts, axis)};
    });
  };
  for (const char *t : {"f32", "f16", "bf16", "f64"}) {
    add("concat_inner_" + std::string(t), t, {32, 64, 16}, 2);
    add("concat_unaligned_" + std::string(t), t, {1, 31, 6, 2}, 2);
    add("concat_middle_" + std::string(t), t, {1, 3, 4}, 1);
    add("concat_outer_" + std::string(t), t, {2, 5}, 0);
  }
  add("concat_equal", "f32", {8, 8, 8}, 2);
  add("concat_stack", "f32", {1, 1, 1, 1}, 2);
  add("concat_many", "f32", SmallVector<int64_t>(32, 2), 2);
  list.addFused("concat_booleans", {list.type("i1", {100}), list.type("i1", {3})},
                [](KernelBuilder &k, ValueRange in) -> Values { return {k.concat(in, 0)}; });
  list.addFused("sum_of_concat", {list.type("f32", {16, 64}), list.type("f32", {16, 20})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  Value e = k.pointwise({in[1]}, typeOf(in[1]), exponential);
                  Value all = k.concat({multiply(k, in[0], in[0]), e}, 1);
                  return {k.reduce(all, 1, Reduction::Sum, typeOf(all).getElementType())};
                });
  list.addFused("softmax_of_concat", {list.type("f16", {33, 64}), list.type("f16", {33, 128})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  return {softmax(k, k.concat({in[0], multiply(k, in[1], in[1])}, 1))};
                });
  // Halves that change places, as rotary embeddings have them.
  list.addFused("rotate", {list.type("f32", {6, 64}), list.type("f32", {6, 64})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  Value low = k.slice(in[0], {0, 0}, {6, 32}, {1, 1});
                  Value high = k.slice(in[0], {0, 32}, {6, 32}, {1, 1});
                  Value minus =
                      k.pointwise({high}, typeOf(high),
                                  [](ScalarBuilder &s, ValueRange x) { return s.neg(x[0]); });
                  return {k.pointwise({k.concat({minus, low}, 1), in[1]}, typeOf(in[0]), product)};
                });
  // The result is written over an input that is read at its own places.
  list.addFused("pad_tied", {list.type("f32", {16, 64}), list.type("f32", {8, 64})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  Value padded = k.pad(in[1], {4, 0}, {16, 64}, 0);
                  return {k.pointwise({in[0], padded}, typeOf(padded), sum)};
                },
                {0});
}

} // namespace

void addRangeCases(CaseList &list) {
  addSlices(list);
  addPads(list);
  addConcats(list);
}

} // namespace ampc::test
