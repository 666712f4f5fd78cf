//===- ReductionCases.cpp - Kernels that reduce, to run -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelCases.h"
#include <cmath>

namespace ampc::test {
namespace {

using Shape = std::pair<int64_t, int64_t>;

std::string nameOf(const std::string &what, const std::string &t, Shape shape) {
  return what + "_" + t + "_" + std::to_string(shape.first) + "x" + std::to_string(shape.second);
}

RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

/// f32, or f64 for f64.
Type wide(Value v) { return KernelBuilder::computeType(typeOf(v).getElementType()); }

/// A reduction along the last axis that keeps it with extent 1.
Value reduceLast(KernelBuilder &k, Value x, Reduction kind) {
  RankedTensorType type = typeOf(x);
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = 1;
  return k.reshape(k.reduce(x, {type.getRank() - 1}, kind, wide(x)), shape);
}

Value apply(KernelBuilder &k, ValueRange in, RankedTensorType type, KernelBuilder::ScalarFn fn) {
  return k.pointwise(in, type, fn);
}

Value difference(ScalarBuilder &s, ValueRange x) { return s.sub(x[0], x[1]); }
Value product(ScalarBuilder &s, ValueRange x) { return s.mul(x[0], x[1]); }

Values softmax(KernelBuilder &k, ValueRange in) {
  RankedTensorType type = typeOf(in[0]);
  RankedTensorType full = type.clone(wide(in[0]));
  Value top = reduceLast(k, in[0], Reduction::Max);
  Value e = apply(k, {in[0], top}, full,
                  [](ScalarBuilder &s, ValueRange x) { return s.exp(s.sub(x[0], x[1])); });
  Value sum = reduceLast(k, e, Reduction::Sum);
  return {
      apply(k, {e, sum}, type, [](ScalarBuilder &s, ValueRange x) { return s.div(x[0], x[1]); })};
}

/// y, mean and 1 / deviation of x, gamma, beta.
Values layerNorm(KernelBuilder &k, ValueRange in) {
  RankedTensorType type = typeOf(in[0]), full = type.clone(wide(in[0]));
  double count = double(type.getShape().back());
  auto mean = [&](Value x) {
    Value sum = reduceLast(k, x, Reduction::Sum);
    return apply(k, {sum}, typeOf(sum), [&](ScalarBuilder &s, ValueRange v) {
      return s.mul(v[0], s.constantLike(v[0], 1 / count));
    });
  };
  Value mu = mean(in[0]);
  Value d = apply(k, {in[0], mu}, full, difference);
  Value variance = mean(apply(k, {d, d}, full, product));
  Value rstd = apply(k, {variance}, typeOf(variance), [](ScalarBuilder &s, ValueRange x) {
    Value root = s.sqrt(s.add(x[0], s.constantLike(x[0], 1e-5)));
    return s.div(s.constantLike(x[0], 1.0), root);
  });
  Value y = apply(k, {d, rstd, in[1], in[2]}, type, [](ScalarBuilder &s, ValueRange x) {
    Value scaled = s.mul(s.mul(x[0], x[1]), s.convert(x[2], x[0].getType()));
    return s.add(scaled, s.convert(x[3], x[0].getType()));
  });
  return {y, mu, rstd};
}

/// dx of dy, x, gamma, mean [M, 1], rstd [M, 1].
Values layerNormBackward(KernelBuilder &k, ValueRange in) {
  RankedTensorType type = typeOf(in[0]), full = type.clone(wide(in[0]));
  double count = double(type.getShape().back());
  Value normal = apply(k, {in[1], in[3], in[4]}, full, [](ScalarBuilder &s, ValueRange x) {
    return s.mul(s.sub(x[0], x[1]), x[2]);
  });
  Value dg = apply(k, {in[0], in[2]}, full, product);
  Value sum = reduceLast(k, dg, Reduction::Sum);
  Value dot = reduceLast(k, apply(k, {dg, normal}, full, product), Reduction::Sum);
  return {apply(k, {dg, normal, sum, dot, in[4]}, type, [&](ScalarBuilder &s, ValueRange x) {
    Value scale = s.constantLike(x[0], 1 / count);
    Value shift = s.mul(s.add(x[2], s.mul(x[1], x[3])), scale);
    return s.mul(s.sub(x[0], shift), x[4]);
  })};
}

/// The loss of each row and dlogits, of logits and labels.
/// Rows of zero mean and unit variance, scaled and shifted: ptxas spills at some widths.
Values normalize(KernelBuilder &k, ValueRange in) {
  auto type = cast<RankedTensorType>(in[0].getType());
  Type f32 = Float32Type::get(type.getContext());
  auto wide = type.clone(f32), column = wide.clone({type.getDimSize(0), 1});
  double count = double(type.getDimSize(1));
  auto mean = [&](Value x) {
    Value sum = k.reshape(k.reduce(x, {1}, Reduction::Sum, f32), column.getShape());
    return k.pointwise({sum}, column, [&](ScalarBuilder &s, ValueRange v) {
      return s.div(v[0], s.constant(f32, count));
    });
  };
  Value m = mean(in[0]);
  Value squares = k.pointwise({in[0], m}, wide, [](ScalarBuilder &s, ValueRange v) {
    Value d = s.sub(v[0], v[1]);
    return s.mul(d, d);
  });
  Value inverse = k.pointwise({mean(squares)}, column, [&](ScalarBuilder &s, ValueRange v) {
    Value shifted = s.add(v[0], s.constant(f32, 1e-5));
    return s.div(s.constant(f32, 1.0), s.sqrt(shifted));
  });
  return {k.pointwise({in[0], m, inverse, in[1], in[2]}, type,
                      [](ScalarBuilder &s, ValueRange v) {
                        return s.add(s.mul(s.mul(s.sub(v[0], v[1]), v[2]), v[3]), v[4]);
                      }),
          m, inverse};
}

Values softmaxCrossEntropy(KernelBuilder &k, ValueRange in) {
  RankedTensorType type = typeOf(in[0]), full = type.clone(wide(in[0]));
  int64_t rows = type.getDimSize(0);
  Value top = reduceLast(k, in[0], Reduction::Max);
  Value shifted = apply(k, {in[0], top}, full, difference);
  Value e = apply(k, {shifted}, full, [](ScalarBuilder &s, ValueRange x) { return s.exp(x[0]); });
  Value sum = reduceLast(k, e, Reduction::Sum);
  Value labels = k.reshape(in[1], {rows, 1});
  Value loss = apply(k, {sum, top, labels}, typeOf(sum), [&](ScalarBuilder &s, ValueRange x) {
    Value row = k.index(s, 0);
    Value column = s.convert(x[2], s.builder.getIndexType());
    return s.sub(s.log(x[0]), s.sub(k.load(s, in[0], {row, column}), x[1]));
  });
  Value gradient = apply(k, {e, sum, labels}, type, [&](ScalarBuilder &s, ValueRange x) {
    Value column = s.convert(k.index(s, 1), x[2].getType());
    Value hit =
        s.select(s.equal(column, x[2]), s.constantLike(x[0], 1.0), s.constantLike(x[0], 0.0));
    return s.sub(s.div(x[0], x[1]), hit);
  });
  return {k.reshape(loss, {rows}), gradient};
}

void addRows(CaseList &list) {
  for (std::string t : {"f16", "bf16", "f32", "f64"})
    for (Shape shape : {Shape{7, 1024}, {5, 4096}, {300, 10}, {6, 77}, {1, 1}, {2, 1}})
      list.addFused(nameOf("softmax", t, shape), {list.type(t, {shape.first, shape.second})},
                    softmax);
  for (Shape shape :
       {Shape{3, 50257}, {2, 32000}, {4, 16384}, {4, 0}, {0, 8}, {1, 3000}, {1000, 33}, {129, 256}})
    list.addFused(nameOf("softmax", "f16", shape), {list.type("f16", {shape.first, shape.second})},
                  softmax);
  for (int64_t n : {768, 1000, 1536, 3072})
    for (std::string t : {"f16", "f32"})
      list.addFused(nameOf("normalize", t, {32, n}),
                    {list.type(t, {32, n}), list.type("f32", {n}), list.type("f32", {n})},
                    normalize);
  list.addFused("softmax_tied", {list.type("f16", {3, 5000})}, softmax, {0});
  list.addFused("softmax_long_tied", {list.type("f32", {2, 40000})}, softmax, {0});
  Case &special = list.addFused("softmax_special", {list.type("f16", {5, 300})}, softmax);
  special.arguments[0].floats[3] = NAN;
  special.arguments[0].floats[301] = -INFINITY;
  special.arguments[0].floats[700] = INFINITY;
  for (Shape shape : {Shape{9, 768}, {10, 100}, {3, 33}, {2, 20000}}) {
    auto [m, n] = shape;
    for (std::string t : {"f16", "f32", "f64"}) {
      auto x = list.type(t, {m, n}), row = list.type(t, {n});
      list.addFused(nameOf("layer_norm", t, shape), {x, row, row}, layerNorm);
      auto kept = list.type(t == "f64" ? "f64" : "f32", {m, 1});
      list.addFused(nameOf("layer_norm_backward", t, shape), {x, x, row, kept, kept},
                    layerNormBackward);
    }
  }
  for (Shape shape : {Shape{4, 32000}, {3, 1000}, {100, 10}}) {
    Case &c = list.addFused(
        nameOf("cross_entropy", "f16", shape),
        {list.type("f16", {shape.first, shape.second}), list.type("i64", {shape.first})},
        softmaxCrossEntropy);
    for (int64_t &label : c.arguments[1].integers)
      label = (label + 100) % shape.second;
  }
  // A parameter that is read while columns are summed, and updated by their sums; the wide
  // and the long one take two stages.
  const Shape updates[] = {{40, 70}, {300, 64}, {30000, 33}, {5000, 300}, {3, 4000}, {1, 5}};
  for (Shape shape : updates)
    list.addFused(nameOf("update", "f32", shape),
                  {list.type("f32", {shape.first, shape.second}), list.type("f32", {shape.second})},
                  [](KernelBuilder &k, ValueRange in) -> Values {
                    auto x = cast<RankedTensorType>(in[0].getType());
                    auto w = cast<RankedTensorType>(in[1].getType());
                    Value scaled =
                        k.pointwise({in[0], in[1]}, x, [](ScalarBuilder &s, ValueRange v) {
                          return s.mul(v[0], v[1]);
                        });
                    Value sums = k.reduce(scaled, {0}, Reduction::Sum, w.getElementType());
                    return {k.pointwise({in[1], sums}, w, [](ScalarBuilder &s, ValueRange v) {
                      return s.sub(v[0], s.mul(v[1], s.constantLike(v[1], 1e-4)));
                    })};
                  },
                  {1});
  // A result of one element a row, tied to an input that every thread of the row reads.
  list.addFused("row_tied", {list.type("f32", {5, 2000}), list.type("f32", {5})},
                [&list](KernelBuilder &k, ValueRange in) -> Values {
                  Value m = k.reshape(in[1], {5, 1});
                  Value y = apply(k, {in[0], m}, list.type("f32", {5, 2000}), product);
                  Value sum = k.reduce(y, {1}, Reduction::Sum, list.type("f32").getElementType());
                  Value next = apply(k, {in[1], sum}, list.type("f32", {5}), difference);
                  return {y, next};
                },
                {-1, 1});
}

void addColumns(CaseList &list) {
  auto columnSum = [](KernelBuilder &k, ValueRange in) -> Values {
    return {k.reduce(in[0], {0}, Reduction::Sum, typeOf(in[0]).getElementType())};
  };
  for (std::string t : {"f16", "f32", "f64"})
    for (Shape shape :
         {Shape{3000, 256}, {100, 77}, {20, 40}, {1, 50}, {50, 1}, {0, 9}, {9, 0}, {5000, 10}}) {
      Case &c = list.addFused(nameOf("column_sum", t, shape),
                              {list.type(t, {shape.first, shape.second})}, columnSum);
      c.absolute = 1e-3;
    }
  // As many sums as `plan-form-kernels` puts into a kernel.
  auto manySums = [](KernelBuilder &k, ValueRange in) -> Values {
    Values sums;
    int count = wide(in[0]).isF64() ? 12 : 24;
    for (int i = 0; i < count; ++i) {
      Value scaled = k.pointwise({in[0]}, typeOf(in[0]), [&](ScalarBuilder &s, ValueRange x) {
        return s.mul(x[0], s.constantLike(x[0], 1.0 + 0.125 * i));
      });
      sums.push_back(k.reduce(scaled, {0}, i % 5 ? Reduction::Sum : Reduction::Max, wide(in[0])));
    }
    return sums;
  };
  for (const char *t : {"f32", "f64"})
    list.addFused(nameOf("many_column_sums", t, {200, 33}), {list.type(t, {200, 33})}, manySums)
        .absolute = 4e-5;
  list.addFused("column_sum_f16_40000x64", {list.type("f16", {40000, 64})}, columnSum).absolute =
      1e-2;
  // Equal values, each addition of which rounds the same way: n in turn are off by n / 4 roundings.
  for (Shape shape : {Shape{3, 20000}, {1, 300000}}) {
    Case &c = list.addFused(nameOf("sum_of_equals", "f32", shape),
                            {list.type("f32", {shape.first, shape.second})},
                            [](KernelBuilder &k, ValueRange in) -> Values {
                              return {k.reduce(in[0], {1}, Reduction::Sum, wide(in[0]))};
                            });
    llvm::fill(c.arguments[0].floats, double(0.1f));
    c.absolute = 0;
    c.relative = 4e-6;
  }
  // dx = y > 0 ? dy : 0, written, and its sum over the rows.
  for (Shape shape : {Shape{300, 96}, {1000, 264}, {100, 100}, {70, 33}}) {
    auto type = list.type("f16", {shape.first, shape.second});
    Case &c = list.addFused(
        nameOf("relu_bias_backward", "f16", shape), {type, type},
        [&list, type](KernelBuilder &k, ValueRange in) -> Values {
          Value dx = apply(k, in, type, [](ScalarBuilder &s, ValueRange x) {
            Value zero = s.constantLike(x[1], 0.0);
            return s.select(s.greater(x[1], zero), x[0], zero);
          });
          return {dx, k.reduce(dx, {0}, Reduction::Sum, list.type("f32").getElementType())};
        },
        {0, -1});
    c.absolute = 1e-3;
  }
  // Gradients of gamma and beta.
  for (Shape shape : {Shape{2000, 768}, {777, 33}}) {
    auto type = list.type("f16", {shape.first, shape.second});
    auto row = list.type("f32", {shape.first, 1});
    Case &c = list.addFused(nameOf("gamma_beta", "f16", shape), {type, type, row, row},
                            [&list, type](KernelBuilder &k, ValueRange in) -> Values {
                              Type f32 = list.type("f32").getElementType();
                              RankedTensorType full = list.type("f32", type.getShape());
                              Value normal = apply(k, {in[1], in[2], in[3]}, full,
                                                   [](ScalarBuilder &s, ValueRange x) {
                                                     return s.mul(s.sub(x[0], x[1]), x[2]);
                                                   });
                              Value dot = apply(k, {in[0], normal}, full, product);
                              return {k.reduce(dot, {0}, Reduction::Sum, f32),
                                      k.reduce(in[0], {0}, Reduction::Sum, f32)};
                            });
    c.absolute = 2e-3;
  }
  // What waits for a column's sum and varies along the column.
  for (Shape shape : {Shape{200, 70}, {33, 1000}, {3, 5}}) {
    auto type = list.type("f32", {shape.first, shape.second});
    Case &c = list.addFused(
        nameOf("softmax_columns", "f32", shape), {type},
        [type](KernelBuilder &k, ValueRange in) -> Values {
          Value top = k.reduce(in[0], {0}, Reduction::Max, type.getElementType());
          Value e = apply(k, {in[0], top}, type,
                          [](ScalarBuilder &s, ValueRange x) { return s.exp(s.sub(x[0], x[1])); });
          Value sum = k.reduce(e, {0}, Reduction::Sum, type.getElementType());
          return {apply(k, {e, sum}, type,
                        [](ScalarBuilder &s, ValueRange x) { return s.div(x[0], x[1]); })};
        },
        {0});
    c.relative = 1e-5;
  }
}

/// dx and, for groups of rows, what the gradients of gamma and beta are summed from: of dy, x
/// [groups, rows, columns], gamma, mean and rstd.
Values layerNormBackwardWithSums(KernelBuilder &k, ValueRange in) {
  Values results = layerNormBackward(k, in);
  Type sum = wide(in[0]);
  RankedTensorType full = typeOf(in[0]).clone(sum);
  Value normal = apply(k, {in[1], in[3], in[4]}, full, [](ScalarBuilder &s, ValueRange x) {
    return s.mul(s.sub(x[0], x[1]), x[2]);
  });
  results.push_back(k.reduce(apply(k, {in[0], normal}, full, product), {1}, Reduction::Sum, sum));
  results.push_back(k.reduce(in[0], {1}, Reduction::Sum, sum));
  return results;
}

/// Statistics in the same kernel: columns add up what waits for two reductions, one, and none;
/// the statistics themselves are results, too.
Values layerNormWithSums(KernelBuilder &k, ValueRange in) {
  Values results = layerNorm(k, in);
  RankedTensorType full = typeOf(in[0]).clone(wide(in[0]));
  Value centred = apply(k, {in[0], results[1]}, full, difference);
  Value normal = apply(k, {centred, results[2]}, full, product);
  for (Value v : {normal, centred, in[0]})
    results.push_back(
        k.reduce(v, {1}, v == centred ? Reduction::Max : Reduction::Sum, wide(in[0])));
  return results;
}

/// Kernels of rows that add columns up, in groups.
void addRowsWithSums(CaseList &list) {
  struct Size {
    int64_t groups, rows, columns;
  };
  // Several rows a block, one; groups that blocks do not divide; rows shorter than a warp, and no
  // multiple of a vector; threads with two vectors; no rows.
  const Size sizes[] = {{6, 16, 768}, {3, 7, 100}, {5, 3, 33},  {2, 5, 4096}, {4, 1, 64},
                        {2, 300, 8},  {3, 2, 4},   {1, 40, 40}, {3, 0, 16}};
  for (auto [g, r, n] : sizes)
    for (std::string t : {"f32", "f16", "bf16", "f64"}) {
      // All sizes in f32.
      if (t != "f32" && (t == "f16" ? r % 5 != 0 : n != 100))
        continue;
      std::string size =
          "_" + t + "_" + std::to_string(g) + "x" + std::to_string(r) + "x" + std::to_string(n);
      auto x = list.type(t, {g, r, n}), row = list.type(t, {n});
      auto kept = list.type(t == "f64" ? "f64" : "f32", {g, r, 1});
      Case &backward = list.addFused("layer_norm_backward_sums" + size, {x, x, row, kept, kept},
                                     layerNormBackwardWithSums, {0, -1, -1});
      backward.absolute = r > 100 ? 4e-4 : 5e-5;
      if (n < 4096)
        list.addFused("layer_norm_sums" + size, {x, row, row}, layerNormWithSums).absolute =
            r > 100 ? 4e-4 : 5e-5;
    }
  // Groups that are not the outermost dimension.
  auto x = list.type("f32", {12, 5, 48});
  list.addFused("softmax_sums_f32_12x5x48", {x}, [](KernelBuilder &k, ValueRange in) -> Values {
    Value y = softmax(k, {in[0]})[0];
    Value sums = k.reduce(y, {0}, Reduction::Sum, wide(y));
    return {y, sums};
  });
}

void addFull(CaseList &list) {
  for (std::string t : {"f16", "f32", "f64"})
    for (int64_t n : {1, 5, 1000, 100003, 600000}) {
      Case &c =
          list.addFused("sum_of_squares_" + t + "_" + std::to_string(n), {list.type(t, {n})},
                        [](KernelBuilder &k, ValueRange in) -> Values {
                          RankedTensorType full = typeOf(in[0]).clone(wide(in[0]));
                          Value squares = apply(k, {in[0], in[0]}, full, product);
                          Value sum = k.reduce(squares, {0}, Reduction::Sum, wide(in[0]));
                          return {apply(k, {sum}, typeOf(sum), [](ScalarBuilder &s, ValueRange x) {
                            return s.sqrt(x[0]);
                          })};
                        });
      c.relative = 1e-5;
    }
  // Many lines whose indices are of two reduced dimensions; a result that waits for nothing.
  for (Shape shape : {Shape{1300, 100}, {3001, 40}, {30000, 3}, {9, 20000}})
    for (bool rounds : {true, false}) {
      auto [m, n] = shape;
      Case &c = list.addFused(nameOf(rounds ? "sum_of_lines" : "maximum_of_lines", "f32", shape),
                              {list.type("f32", {2, m, n}), list.type("f32", {1, n})},
                              [rounds](KernelBuilder &k, ValueRange in) -> Values {
                                Value scaled = apply(k, {in[0], in[1]}, typeOf(in[0]), product);
                                Value merged =
                                    k.reduce(scaled, {1, 2},
                                             rounds ? Reduction::Sum : Reduction::Max, wide(in[0]));
                                return {scaled, merged};
                              });
      c.relative = 1e-5;
    }
  // Values that vary along one of two reduced dimensions, costly and needed in two phases.
  for (Shape shape : {Shape{8, 3}, {7, 33}, {300, 40}, {1, 50}}) {
    auto [m, n] = shape;
    Case &c = list.addFused(
        nameOf("of_rows_and_columns", "f32", shape),
        {list.type("f32", {m, n}), list.type("f32", {m, 1}), list.type("f32", {1, n})},
        [](KernelBuilder &k, ValueRange in) -> Values {
          auto each = [&](Value x, KernelBuilder::ScalarFn fn) {
            return apply(k, {x}, typeOf(x), fn);
          };
          auto exponential = [](ScalarBuilder &s, ValueRange x) { return s.exp(x[0]); };
          auto twice = [](ScalarBuilder &s, ValueRange x) { return s.add(x[0], x[0]); };
          Value ofRow = each(in[1], exponential), ofColumn = each(in[2], exponential);
          Value scaled =
              apply(k, {in[0], ofRow, ofColumn}, typeOf(in[0]),
                    [](ScalarBuilder &s, ValueRange x) { return s.mul(s.mul(x[0], x[1]), x[2]); });
          Type type = typeOf(in[0]).getElementType();
          Value sum = k.reshape(k.reduce(scaled, {0, 1}, Reduction::Sum, type), {1, 1});
          Value shifted = apply(k, {in[0], each(ofRow, twice), each(ofColumn, twice), sum},
                                typeOf(in[0]), [](ScalarBuilder &s, ValueRange x) {
                                  Value d = s.sub(x[0], s.mul(x[3], s.constantLike(x[3], 1e-3)));
                                  return s.mul(s.mul(d, x[1]), x[2]);
                                });
          return {k.reduce(shifted, {0, 1}, Reduction::Sum, type)};
        });
    c.relative = 1e-5;
    c.absolute = 1e-2;
  }
  // Whether all are finite, and what each is when unscaled.
  for (int64_t n : {10, 300000}) {
    Case &c = list.addFused(
        "finite_" + std::to_string(n), {list.type("f16", {n}), list.type("f32")},
        [&list, n](KernelBuilder &k, ValueRange in) -> Values {
          Value unscaled = apply(k, in, list.type("f32", {n}), product);
          Value bad =
              apply(k, {unscaled}, list.type("i1", {n}),
                    [](ScalarBuilder &s, ValueRange x) { return s.logicalNot(s.isFinite(x[0])); });
          return {unscaled, k.reduce(bad, {0}, Reduction::Max, list.type("i1").getElementType())};
        });
    c.arguments[0].floats[n - 1] = INFINITY;
  }
  struct Kind {
    const char *name;
    Reduction kind;
  };
  for (Kind kind :
       {Kind{"max", Reduction::Max}, {"min", Reduction::Min}, {"max_number", Reduction::MaxNumber}})
    for (std::string t : {"f16", "f32", "f64", "i8", "i32", "i64"}) {
      Case &c = list.addFused(std::string(kind.name) + "_" + t, {list.type(t, {4, 50000})},
                              [kind](KernelBuilder &k, ValueRange in) -> Values {
                                Type element = typeOf(in[0]).getElementType();
                                return {k.reduce(in[0], {1}, kind.kind, element),
                                        k.reduce(in[0], {1}, Reduction::Min, element)};
                              });
      if (c.arguments[0].isFloat()) {
        c.arguments[0].floats[70000] = NAN;
        c.arguments[0].floats[150000] = INFINITY;
      }
    }
  for (std::string t : {"i8", "i32", "i64"})
    list.addFused("integer_sum_" + t, {list.type(t, {30, 400})},
                  [](KernelBuilder &k, ValueRange in) -> Values {
                    Type element = typeOf(in[0]).getElementType();
                    Type i64 = k.builder.getI64Type();
                    return {k.reduce(in[0], {1}, Reduction::Sum, i64),
                            k.reduce(in[0], {1}, Reduction::Product, element)};
                  });
}

} // namespace

void addReductionCases(CaseList &list) {
  addRows(list);
  addColumns(list);
  addRowsWithSums(list);
  addFull(list);
}

} // namespace ampc::test
