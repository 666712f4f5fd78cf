//===- MultiTensorCases.cpp - Kernels over many tensors -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelCases.h"
#include <cmath>

namespace ampc::test {
namespace {

RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

/// parameter, moments and low copy, of gradient, parameter, moments, scale and found_inf.
Values adam(KernelBuilder &k, ValueRange in) {
  RankedTensorType type = typeOf(in[1]);
  auto mix = [](double keep) {
    return [keep](ScalarBuilder &s, ValueRange x) {
      return s.add(s.mul(x[0], s.constantLike(x[0], keep)),
                   s.mul(x[1], s.constantLike(x[0], 1 - keep)));
    };
  };
  auto unlessFound = [](ScalarBuilder &s, ValueRange x) { return s.select(x[0], x[1], x[2]); };
  Value g = k.pointwise({in[0], in[4]}, type,
                        [](ScalarBuilder &s, ValueRange x) { return s.mul(x[0], x[1]); });
  Value m = k.pointwise({in[2], g}, type, mix(0.9));
  Value g2 =
      k.pointwise({g}, type, [](ScalarBuilder &s, ValueRange x) { return s.mul(x[0], x[0]); });
  Value v = k.pointwise({in[3], g2}, type, mix(0.999));
  Value p = k.pointwise({in[1], m, v}, type, [](ScalarBuilder &s, ValueRange x) {
    Value root = s.add(s.sqrt(s.abs(x[2])), s.constantLike(x[2], 1e-3));
    return s.sub(x[0], s.div(s.mul(x[1], s.constantLike(x[1], 0.01)), root));
  });
  Value pn = k.pointwise({in[5], in[1], p}, type, unlessFound);
  Value mn = k.pointwise({in[5], in[2], m}, type, unlessFound);
  Value vn = k.pointwise({in[5], in[3], v}, type, unlessFound);
  Value low = k.pointwise({pn}, typeOf(in[0]), [](ScalarBuilder &, ValueRange x) { return x[0]; });
  return {pn, mn, vn, low};
}

/// Updates of tensors with so many elements, in place.
Case &addAdam(CaseList &list, const std::string &name, ArrayRef<int64_t> counts, int64_t found) {
  SmallVector<RankedTensorType> types;
  SmallVector<int64_t> tied;
  for (int64_t n : counts) {
    int64_t first = types.size();
    types.push_back(list.type("f16", {n}));
    types.append(3, list.type("f32", {n}));
    tied.append({first + 1, first + 2, first + 3, -1});
  }
  types.append({list.type("f32"), list.type("i1")});
  Case &c = list.add(name, types, [=](OpBuilder &b, ValueRange in) {
    return createKernel(
        b, plan::KernelKind::MultiTensor, in,
        [&](OpBuilder &i, ValueRange x) {
          Values results;
          for (size_t t = 0; t + 2 < x.size(); t += 4) {
            Values own(x.slice(t, 4));
            own.append({x[x.size() - 2], x[x.size() - 1]});
            results.append(createFused(i, own, adam));
          }
          return results;
        },
        tied);
  });
  c.arguments.back().integers[0] = found;
  return c;
}

/// Sums of squares of tensors, and whether all is finite.
Case &addNorms(CaseList &list, const std::string &name, ArrayRef<int64_t> counts) {
  SmallVector<RankedTensorType> types;
  for (int64_t n : counts)
    types.push_back(list.type("f16", {n}));
  types.push_back(list.type("f32"));
  Type f32 = list.type("f32").getElementType(), i1 = list.type("i1").getElementType();
  return list.add(name, types, [=](OpBuilder &b, ValueRange in) {
    return createKernel(b, plan::KernelKind::MultiTensor, in, [&](OpBuilder &i, ValueRange x) {
      Values results;
      for (Value gradient : x.drop_back())
        results.append(
            createFused(i, {gradient, x.back()}, [&](KernelBuilder &k, ValueRange v) -> Values {
              RankedTensorType type = typeOf(v[0]).clone(f32);
              Value g = k.pointwise(
                  v, type, [](ScalarBuilder &s, ValueRange z) { return s.mul(z[0], z[1]); });
              Value squares = k.pointwise(
                  {g}, type, [](ScalarBuilder &s, ValueRange z) { return s.mul(z[0], z[0]); });
              Value bad = k.pointwise({g}, type.clone(i1), [](ScalarBuilder &s, ValueRange z) {
                return s.logicalNot(s.isFinite(z[0]));
              });
              return {k.reduce(squares, {0}, Reduction::Sum, f32),
                      k.reduce(bad, {0}, Reduction::Max, i1)};
            }));
      return results;
    });
  });
}

/// Sums over the rows of matrices, scaled, less a vector.
void addMergedRows(CaseList &list, const std::string &name, const std::string &t,
                   ArrayRef<std::pair<int64_t, int64_t>> shapes) {
  SmallVector<RankedTensorType> types;
  for (auto [rows, columns] : shapes)
    types.append({list.type(t, {rows, columns}), list.type("f32", {columns})});
  types.push_back(list.type("f32"));
  list.add(name, types, [=](OpBuilder &b, ValueRange in) {
    return createKernel(b, plan::KernelKind::MultiTensor, in, [&](OpBuilder &i, ValueRange x) {
      Values results;
      for (size_t m = 0; m + 1 < x.size(); m += 2)
        results.append(createFused(
            i, {x[m], x[m + 1], x.back()}, [&](KernelBuilder &k, ValueRange v) -> Values {
              RankedTensorType type = typeOf(v[1]);
              auto element = typeOf(v[0]).getElementType();
              Value sum = k.reduce(v[0], {0}, Reduction::Sum, element);
              return {k.pointwise({sum, v[1], v[2]}, type, [](ScalarBuilder &s, ValueRange z) {
                return s.sub(s.mul(s.convert(z[0], z[1].getType()), z[2]), z[1]);
              })};
            }));
      return results;
    });
  });
}

} // namespace

void addMultiTensorCases(CaseList &list) {
  addMergedRows(list, "merged_rows_f32", "f32", {{256, 768}, {100, 33}, {2, 2}, {37, 2304}});
  addMergedRows(list, "merged_rows_of_vectors", "f32", {{256, 768}, {100, 36}, {37, 2304}});
  addMergedRows(list, "merged_rows_f64", "f64", {{3, 5}, {70, 64}});
  // One of them is a vector.
  addMergedRows(list, "merged_rows_single", "f32", {{64, 96}, {1, 96}, {50, 1}});

  addAdam(list, "adam_sizes", {100003, 10, 1, 4096, 777, 0, 33000}, 0);
  addAdam(list, "adam_skipped", {1000, 10}, 1);
  addAdam(list, "adam_one", {5000}, 0);
  addAdam(list, "adam_ones", {1, 1, 1}, 0);
  addAdam(list, "adam_small", {1000, 100, 1000, 10}, 0);
  // More pointers than a launch on a device takes.
  SmallVector<int64_t> many;
  for (int64_t i = 0; i < 150; ++i)
    many.push_back(3 + 7 * i % 50);
  addAdam(list, "adam_many", many, 0);
  addNorms(list, "norms_small", {1000, 100, 1, 10}).relative = 1e-5;
  Case &norms = addNorms(list, "norms_large", {100003, 10, 0, 40000, 1});
  norms.relative = 1e-5;
  norms.arguments[3].floats[39999] = NAN;
  // A result twice: each has its elements.
  auto low = list.type("f16", {100}), high = list.type("f32", {100});
  list.add("given_twice", {low, low}, [high](OpBuilder &b, ValueRange in) {
    return createKernel(b, plan::KernelKind::MultiTensor, in, [&](OpBuilder &i, ValueRange x) {
      auto widen = [high](KernelBuilder &k, ValueRange v) -> Values {
        Value wide = k.pointwise(v, high, [](ScalarBuilder &, ValueRange z) { return z[0]; });
        return {wide, wide};
      };
      Values results = createFused(i, x[0], widen);
      results.append(createFused(i, x[1], widen));
      return results;
    });
  });
  // Tensors that are treated differently: kernels of their own.
  auto type = list.type("f32", {100});
  list.add("not_alike", {type, type}, [type](OpBuilder &b, ValueRange in) {
    return createKernel(b, plan::KernelKind::MultiTensor, in,
                        [&](OpBuilder &i, ValueRange x) {
                          auto scaled = [&](double by) {
                            return [type, by](KernelBuilder &k, ValueRange v) -> Values {
                              return {k.pointwise(v, type, [by](ScalarBuilder &s, ValueRange z) {
                                return s.mul(z[0], s.constantLike(z[0], by));
                              })};
                            };
                          };
                          Value a = createFused(i, x[0], scaled(2))[0];
                          return Values{a, createFused(i, x[1], scaled(3))[0]};
                        },
                        {0, 1});
  });
}

} // namespace ampc::test
