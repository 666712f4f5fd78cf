//===- ElementwiseCases.cpp - Elementwise kernels to run ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelCases.h"
#include <cmath>

namespace ampc::test {

static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

/// tanh(x + bias) * (x + bias), of x's type.
static Values biasGelu(KernelBuilder &k, ValueRange in) {
  Value sum = k.pointwise({in[0], in[1]}, typeOf(in[0]),
                          [](ScalarBuilder &s, ValueRange x) { return s.add(x[0], x[1]); });
  return {k.pointwise({sum}, typeOf(in[0]),
                      [](ScalarBuilder &s, ValueRange x) { return s.mul(x[0], s.tanh(x[0])); })};
}

static Values relu(KernelBuilder &k, ValueRange in) {
  return {k.pointwise({in[0]}, typeOf(in[0]), [](ScalarBuilder &s, ValueRange x) {
    return s.maximum(x[0], s.constantLike(x[0], 0.0));
  })};
}

static void addShapes(CaseList &list) {
  for (std::string t : {"f16", "bf16", "f32", "f64"})
    for (auto [m, n] : {std::pair<int64_t, int64_t>{64, 1024},
                        {100, 77},
                        {33, 75},
                        {3, 5},
                        {1, 1},
                        {0, 4},
                        {1000, 40}})
      list.addFused("bias_gelu_" + t + "_" + std::to_string(m) + "x" + std::to_string(n),
                    {list.type(t, {m, n}), list.type(t, {n})}, biasGelu);
  list.addFused("relu_scalar", {list.type("f32")}, relu);
  list.addFused("relu_long", {list.type("f16", {100003})}, relu);
  list.addFused("relu_one", {list.type("f16", {1, 1, 1})}, relu);
  list.addFused("relu_empty", {list.type("f32", {0})}, relu);
  list.addFused("relu_tied", {list.type("f16", {70001})}, relu, {0});
  // Broadcasts in the middle, at the front and of scalars.
  list.addFused(
      "broadcasts", {list.type("f32", {6, 1, 40}), list.type("f16", {7, 1}), list.type("f64")},
      [&list](KernelBuilder &k, ValueRange in) -> Values {
        auto type = list.type("f32", {6, 7, 40});
        return {k.pointwise({in[0], in[1], in[2]}, type, [](ScalarBuilder &s, ValueRange x) {
          Value z = s.convert(x[2], x[0].getType());
          return s.mul(s.add(x[0], x[1]), z);
        })};
      });
  // Two results, one of another type; the narrow one is not what the wide one is made of.
  list.addFused("two_results", {list.type("f16", {40, 52}), list.type("f32", {40, 52})},
                [&list](KernelBuilder &k, ValueRange in) -> Values {
                  auto add = [](ScalarBuilder &s, ValueRange x) {
                    return s.add(x[0], s.mul(x[1], s.constantLike(x[1], 1e-4)));
                  };
                  Value low = k.pointwise({in[0], in[1]}, list.type("f16", {40, 52}), add);
                  Value wide = k.pointwise({low, in[1]}, list.type("f32", {40, 52}), add);
                  return {low, wide};
                });
}

static void addFunctions(CaseList &list) {
  // All of the vocabulary on positive and negative numbers, infinities and NaN.
  auto functions = [&](const std::string &t) {
    auto type = list.type(t, {12, 37});
    Case &c = list.addFused(
        "functions_" + t, {type, type}, [type](KernelBuilder &k, ValueRange in) -> Values {
          Values results;
          auto unary = [&](auto fn) { results.push_back(k.pointwise(in, type, fn)); };
          unary([](ScalarBuilder &s, ValueRange x) { return s.exp(x[0]); });
          unary([](ScalarBuilder &s, ValueRange x) { return s.log(x[0]); });
          unary([](ScalarBuilder &s, ValueRange x) { return s.log1p(x[0]); });
          unary([](ScalarBuilder &s, ValueRange x) { return s.sqrt(x[0]); });
          unary([](ScalarBuilder &s, ValueRange x) { return s.tanh(x[0]); });
          unary([](ScalarBuilder &s, ValueRange x) { return s.erf(x[0]); });
          unary([](ScalarBuilder &s, ValueRange x) { return s.sigmoid(x[0]); });
          unary([](ScalarBuilder &s, ValueRange x) { return s.floor(x[0]); });
          unary([](ScalarBuilder &s, ValueRange x) { return s.ceil(x[0]); });
          unary([](ScalarBuilder &s, ValueRange x) { return s.roundEven(x[0]); });
          unary([](ScalarBuilder &s, ValueRange x) { return s.abs(s.neg(x[0])); });
          unary([](ScalarBuilder &s, ValueRange x) { return s.div(x[0], x[1]); });
          unary([](ScalarBuilder &s, ValueRange x) { return s.maximum(x[0], x[1]); });
          unary([](ScalarBuilder &s, ValueRange x) { return s.minimum(x[0], x[1]); });
          unary([](ScalarBuilder &s, ValueRange x) {
            return s.select(s.less(x[0], x[1]), x[1], s.sub(x[0], x[1]));
          });
          unary([](ScalarBuilder &s, ValueRange x) {
            return s.convert(s.logicalOr(s.isNaN(x[0]), s.isFinite(x[1])), x[0].getType());
          });
          return results;
        });
    std::vector<double> &x = c.arguments[0].floats, &y = c.arguments[1].floats;
    x[0] = NAN, x[1] = INFINITY, x[2] = -INFINITY, x[3] = 0, x[4] = -0.0, x[5] = 60000;
    x[6] = -100, y[6] = NAN, x[7] = 11.5, y[8] = INFINITY, y[9] = 0;
  };
  for (std::string t : {"f16", "bf16", "f32", "f64"})
    functions(t);
}

static void addIntegers(CaseList &list) {
  for (std::string t : {"i8", "i32", "i64"}) {
    auto type = list.type(t, {9, 31});
    list.addFused("integers_" + t, {type, type}, [type](KernelBuilder &k, ValueRange in) -> Values {
      return {k.pointwise(in, type, [](ScalarBuilder &s, ValueRange x) {
        Value one = s.constantLike(x[1], 1.0);
        Value divisor = s.maximum(s.abs(x[1]), one);
        return s.sub(s.div(s.mul(x[0], x[1]), divisor), s.minimum(x[0], x[1]));
      })};
    });
  }
  // Booleans take a byte each, also beside wider vectors.
  auto floats = list.type("f16", {5, 333}), bools = list.type("i1", {5, 333});
  list.addFused(
      "booleans", {floats, floats, bools}, [=](KernelBuilder &k, ValueRange in) -> Values {
        Value less = k.pointwise({in[0], in[1], in[2]}, bools, [](ScalarBuilder &s, ValueRange x) {
          return s.logicalXor(s.less(x[0], x[1]), s.logicalNot(x[2]));
        });
        Value chosen =
            k.pointwise({less, in[0], in[1]}, floats,
                        [](ScalarBuilder &s, ValueRange x) { return s.select(x[0], x[1], x[2]); });
        return {less, chosen};
      });
  // Conversions as ONNX Cast does them.
  for (auto [from, to] : {std::pair<std::string, std::string>{"f32", "i32"},
                          {"f16", "i8"},
                          {"i64", "f32"},
                          {"f32", "i1"},
                          {"i1", "f16"},
                          {"bf16", "f16"},
                          {"f64", "f16"},
                          {"i32", "i64"}})
    list.addFused("convert_" + from + "_" + to, {list.type(from, {777})},
                  [&list, to = to](KernelBuilder &k, ValueRange in) -> Values {
                    return {k.pointwise(in, list.type(to, {777}),
                                        [](ScalarBuilder &, ValueRange x) { return x[0]; })};
                  });
  // What does not fit saturates, and NaN is the lowest.
  Case &saturated =
      list.addFused("saturate", {list.type("f32", {16})}, [&list](KernelBuilder &k, ValueRange in) {
        return Values{k.pointwise(in, list.type("i32", {16}),
                                  [](ScalarBuilder &, ValueRange x) { return x[0]; })};
      });
  saturated.arguments[0].floats[0] = 1e10;
  saturated.arguments[0].floats[1] = -INFINITY;
  saturated.arguments[0].floats[2] = NAN;
}

void addElementwiseCases(CaseList &list) {
  addShapes(list);
  addFunctions(list);
  addIntegers(list);
}

} // namespace ampc::test
