//===- SequenceCases.cpp - Kernels that one block runs in order -----------===//
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
Value exponential(ScalarBuilder &s, ValueRange x) { return s.exp(x[0]); }

Values exponentials(KernelBuilder &k, ValueRange in) {
  return {k.pointwise({in[0]}, typeOf(in[0]), exponential)};
}

KernelFn reduceTo(Type type, SmallVector<int64_t> axes) {
  return [type, axes](KernelBuilder &k, ValueRange in) -> Values {
    return {k.reduce(in[0], axes, Reduction::Sum, type)};
  };
}

Value reshape(OpBuilder &b, Value v, ArrayRef<int64_t> shape) {
  return KernelBuilder(b, b.getUnknownLoc()).reshape(v, shape);
}

} // namespace

void addSequenceCases(CaseList &list) {
  Type f32 = list.type("f32").getElementType();
  auto sequence = plan::KernelKind::Sequence;
  // Elementwise, rows, columns and a scalar, each on what came before, with views between.
  for (auto [m, n] : {std::pair<int64_t, int64_t>{100, 10}, {17, 300}, {64, 128}, {1, 1}})
    list.add("phases_" + std::to_string(m) + "x" + std::to_string(n),
             {list.type("f16", {m, n}), list.type("f32", {m})},
             [&list, f32, sequence, m = m, n = n](OpBuilder &b, ValueRange in) {
               return createKernel(b, sequence, in, [&](OpBuilder &i, ValueRange x) {
                 Value e = createFused(i, x[0], exponentials)[0];
                 Value rows = createFused(i, e, reduceTo(f32, {1}))[0];
                 Value scaled =
                     createFused(i, {e, reshape(i, rows, {m, 1}), x[1]},
                                 [&](KernelBuilder &k, ValueRange v) -> Values {
                                   Value w = k.reshape(v[2], {m, 1});
                                   Value y = k.pointwise({v[0], v[1], w}, list.type("f32", {m, n}),
                                                         [](ScalarBuilder &s, ValueRange z) {
                                                           return s.mul(s.div(z[0], z[1]), z[2]);
                                                         });
                                   return {y, k.reduce(y, {0}, Reduction::Sum, f32)};
                                 })[1];
                 Value total = createFused(i, scaled, reduceTo(f32, {0}))[0];
                 return Values{scaled, total, e};
               });
             })
        .absolute = 5e-3; // e is f16
  // Results in the buffers of operands: in place, and where a later phase still reads.
  auto type = list.type("f32", {30, 40});
  list.add("tied_phases", {type, type, type}, [=](OpBuilder &b, ValueRange in) {
    return createKernel(b, sequence, in,
                        [&](OpBuilder &i, ValueRange x) {
                          auto add = [&](KernelBuilder &k, ValueRange v) -> Values {
                            return {k.pointwise(v, type, sum)};
                          };
                          Value first = createFused(i, {x[0], x[1]}, add)[0];
                          Value second = createFused(i, {first, x[2]}, add)[0];
                          Value third =
                              createFused(i, {x[1], second}, add)[0]; // reads what `second` ties
                          return Values{first, second, third};
                        },
                        {0, 1, 2});
  });
  // Phases of other kinds, which become several.
  list.add("odd_phases", {list.type("f32", {12, 20}), list.type("i64", {5})},
           [&list, f32, sequence](OpBuilder &b, ValueRange in) {
             return createKernel(b, sequence, in, [&](OpBuilder &i, ValueRange x) {
               Values sums = createFused(i, x[0], [&](KernelBuilder &k, ValueRange v) {
                 Value e = k.pointwise({v[0]}, list.type("f32", {12, 20}), exponential);
                 return Values{k.reduce(e, {0}, Reduction::Sum, f32),
                               k.reduce(e, {1}, Reduction::Max, f32)};
               });
               Value picked = createFused(i, {sums[0], x[1]}, [&](KernelBuilder &k, ValueRange v) {
                 return Values{
                     k.generate(list.type("f32", {5}), [&](ScalarBuilder &s, ValueRange at) {
                       Value j = s.convert(k.load(s, v[1], {at[0]}), at[0].getType());
                       return k.load(s, v[0], {j});
                     })};
               })[0];
               return Values{picked, sums[1], x[0], sums[1]};
             });
           });
  for (int64_t &i : list.cases.back().arguments[1].integers)
    i = (i + 100) % 20;
  list.add("one_phase_empty", {list.type("f32", {0, 4}), list.type("f32", {3})},
           [sequence, f32](OpBuilder &b, ValueRange in) {
             return createKernel(b, sequence, in, [&](OpBuilder &i, ValueRange x) {
               Value nothing = createFused(i, x[0], exponentials)[0];
               Value zeros = createFused(i, nothing, reduceTo(f32, {0}))[0];
               return Values{nothing, zeros, createFused(i, x[1], exponentials)[0]};
             });
           });
}

} // namespace ampc::test
