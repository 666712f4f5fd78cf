//===- StructureCases.cpp - Kernels of other shapes, to run ---------------===//
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

void addTransposes(CaseList &list) {
  list.addFused(
      "transpose", {list.type("f16", {37, 70})},
      [](KernelBuilder &k, ValueRange in) -> Values { return {k.transpose(in[0], {1, 0})}; });
  list.addFused(
      "transpose_inner", {list.type("f32", {5, 40, 24})},
      [](KernelBuilder &k, ValueRange in) -> Values { return {k.transpose(in[0], {0, 2, 1})}; });
  list.addFused(
      "transpose_outer", {list.type("f32", {5, 12, 24})},
      [](KernelBuilder &k, ValueRange in) -> Values { return {k.transpose(in[0], {1, 0, 2})}; });
  // Of other widths, with edges and without, and small ones.
  for (const char *element : {"i1", "i64", "f64", "bf16"}) {
    const SmallVector<int64_t> shapes[] = {{64, 96}, {3, 45, 33}, {50, 7}};
    for (const SmallVector<int64_t> &shape : shapes) {
      auto order = llvm::to_vector(llvm::seq<int64_t>(0, shape.size()));
      std::swap(order[shape.size() - 1], order[shape.size() - 2]);
      list.addFused("transpose_" + std::string(element) + "_" + std::to_string(shape.back()),
                    {list.type(element, shape)}, [=](KernelBuilder &k, ValueRange in) -> Values {
                      return {k.transpose(in[0], order)};
                    });
    }
  }
  // Two that cross, one that does not, and one of which a row is read.
  list.addFused("sum_of_transposes",
                {list.type("f16", {70, 40}), list.type("f32", {70, 40}), list.type("f16", {40, 70}),
                 list.type("f32", {70})},
                [&list](KernelBuilder &k, ValueRange in) -> Values {
                  auto type = list.type("f32", {40, 70});
                  Value a = k.transpose(in[0], {1, 0}), b = k.transpose(in[1], {1, 0});
                  Value both = k.pointwise({a, b}, type, product);
                  Value more = k.pointwise({both, in[2]}, type, sum);
                  return {k.pointwise({more, in[3]}, type, sum), both};
                });
  // More than there is workgroup memory for.
  list.addFused(
      "sum_of_many_transposes", SmallVector<RankedTensorType>(9, list.type("f64", {40, 33})),
      [&list](KernelBuilder &k, ValueRange in) -> Values {
        Value total = k.transpose(in[0], {1, 0});
        for (Value x : in.drop_front())
          total = k.pointwise({total, k.transpose(x, {1, 0})}, list.type("f64", {33, 40}), sum);
        return {total};
      });
  // The result is written over the input that lies as it does.
  list.addFused(
      "transpose_added_in_place", {list.type("f32", {48, 64}), list.type("f32", {64, 48})},
      [&list](KernelBuilder &k, ValueRange in) -> Values {
        return {k.pointwise({in[0], k.transpose(in[1], {1, 0})}, list.type("f32", {48, 64}), sum)};
      },
      {0});
  // An input that is read at two places.
  list.addFused("symmetric", {list.type("f32", {33, 33})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  Value t = k.transpose(in[0], {1, 0});
                  return {k.pointwise({in[0], t}, typeOf(in[0]), sum)};
                });
  // A value made inside that is read at two places: two kernels.
  list.addFused("symmetric_inside", {list.type("f32", {33, 33})},
                [](KernelBuilder &k, ValueRange in) -> Values {
                  Value e = k.pointwise({in[0]}, typeOf(in[0]), exponential);
                  return {k.pointwise({e, k.transpose(e, {1, 0})}, typeOf(in[0]), sum)};
                });
  list.addFused("row_sum_of_transposed", {list.type("f16", {64, 80})},
                [&list](KernelBuilder &k, ValueRange in) -> Values {
                  Value t = k.transpose(in[0], {1, 0});
                  return {k.reduce(t, {1}, Reduction::Sum, list.type("f32").getElementType())};
                })
      .absolute = 1e-3;
}

void addMovements(CaseList &list) {
  list.addFused(
      "concatenate", {list.type("f16", {7, 30}), list.type("f16", {7, 11})},
      [&list](KernelBuilder &k, ValueRange in) -> Values {
        return {k.generate(list.type("f16", {7, 41}), [&](ScalarBuilder &s, ValueRange i) {
          Type index = i[1].getType();
          Value split = s.constant(index, int64_t(30)), zero = s.constant(index, int64_t(0));
          Value isFirst = s.less(i[1], split);
          Value first = k.load(s, in[0], {i[0], s.select(isFirst, i[1], zero)});
          Value second = k.load(s, in[1], {i[0], s.select(isFirst, zero, s.sub(i[1], split))});
          return s.select(isFirst, first, second);
        })};
      });
  list.addFused(
      "slice", {list.type("f32", {20, 30})}, [&list](KernelBuilder &k, ValueRange in) -> Values {
        return {k.generate(list.type("f32", {5, 7}), [&](ScalarBuilder &s, ValueRange i) {
          auto at = [&](Value x, int64_t step, int64_t start) {
            return s.add(s.mul(x, s.constant(x.getType(), step)), s.constant(x.getType(), start));
          };
          return k.load(s, in[0], {at(i[0], 3, 2), at(i[1], 4, 1)});
        })};
      });
  Case &gather = list.addFused(
      "gather", {list.type("f16", {50, 64}), list.type("i64", {9})},
      [&list](KernelBuilder &k, ValueRange in) -> Values {
        return {k.generate(list.type("f16", {9, 64}), [&](ScalarBuilder &s, ValueRange i) {
          Value row = s.convert(k.load(s, in[1], {i[0]}), i[0].getType());
          return k.load(s, in[0], {row, i[1]});
        })};
      });
  for (int64_t &i : gather.arguments[1].integers)
    i = (i + 100) % 50;
  // Reads by index inside of a reduction.
  Case &bag = list.addFused(
      "gather_sum", {list.type("f32", {50, 64}), list.type("i64", {9, 5})},
      [&list](KernelBuilder &k, ValueRange in) -> Values {
        Value rows = k.generate(list.type("f32", {9, 5, 64}), [&](ScalarBuilder &s, ValueRange i) {
          Value row = s.convert(k.load(s, in[1], {i[0], i[1]}), i[0].getType());
          return k.load(s, in[0], {row, i[2]});
        });
        return {k.reduce(rows, {1}, Reduction::Sum, list.type("f32").getElementType())};
      });
  for (int64_t &i : bag.arguments[1].integers)
    i = (i + 100) % 50;
  // Loops inside of a body, one in the other, and with bounds that are read.
  list.addFused(
          "window_sum", {list.type("f16", {6, 20, 17})},
          [&list](KernelBuilder &k, ValueRange in) -> Values {
            return {k.generate(list.type("f16", {6, 18, 13}), [&](ScalarBuilder &s, ValueRange i) {
              Type f32 = list.type("f32").getElementType();
              auto number = [&](int64_t n) { return s.constant(i[0].getType(), n); };
              Value zero = number(0), three = number(3), five = number(5);
              return s.fold(
                  zero, three, s.constant(f32, 0.0), [&](ScalarBuilder &s, Value r, Value x) {
                    return s.fold(zero, five, x, [&](ScalarBuilder &s, Value c, Value x) {
                      return s.add(x, k.load(s, in[0], {i[0], s.add(i[1], r), s.add(i[2], c)}));
                    });
                  });
            })};
          })
      .absolute = 5e-3;
  Case &ragged = list.addFused(
      "ragged_sum", {list.type("f32", {40, 33}), list.type("i64", {8})},
      [&list](KernelBuilder &k, ValueRange in) -> Values {
        Value sums = k.generate(list.type("f32", {7, 33}), [&](ScalarBuilder &s, ValueRange i) {
          Type f32 = list.type("f32").getElementType(), index = i[0].getType();
          Value next = s.add(i[0], s.constant(index, int64_t(1)));
          Value from = s.convert(k.load(s, in[1], {i[0]}), index);
          Value to = s.convert(k.load(s, in[1], {next}), index);
          return s.fold(from, to, s.constant(f32, 0.0), [&](ScalarBuilder &s, Value row, Value x) {
            return s.add(x, k.load(s, in[0], {row, i[1]}));
          });
        });
        return {k.pointwise({sums}, typeOf(sums), exponential)};
      });
  ragged.arguments[1].integers = {0, 3, 3, 4, 11, 11, 12, 13};
  list.addFused("iota", {}, [&list](KernelBuilder &k, ValueRange) -> Values {
    return {k.generate(list.type("i64", {3, 1, 5}), [](ScalarBuilder &s, ValueRange i) {
      Value ten = s.constant(i[0].getType(), int64_t(10));
      Value n = s.add(s.mul(i[0], ten), s.add(i[1], i[2]));
      return s.convert(n, s.builder.getI64Type());
    })};
  });
}

void addMiddleReductions(CaseList &list) {
  Type f32 = list.type("f32").getElementType();
  auto reduceAxes = [f32](ArrayRef<int64_t> axes) {
    return [f32, axes = SmallVector<int64_t>(axes)](KernelBuilder &k, ValueRange in) -> Values {
      return {k.reduce(in[0], axes, Reduction::Sum, f32)};
    };
  };
  struct Axes {
    const char *name;
    SmallVector<int64_t> shape, axes;
  };
  for (const Axes &a : {Axes{"middle", {4, 30, 50}, {1}},
                        {"middle_wide", {3, 300, 256}, {1}},
                        {"channels", {8, 5, 7, 9}, {0, 2, 3}},
                        {"channels_large", {32, 6, 28, 28}, {0, 2, 3}},
                        {"outer_and_inner", {6, 40, 12}, {0, 2}},
                        {"every_other", {6, 5, 7, 4}, {1, 3}},
                        {"all", {6, 5, 7, 4}, {0, 1, 2, 3}},
                        {"none", {6, 5}, {}},
                        {"ones", {6, 1, 5}, {1}}})
    list.addFused(std::string("reduce_") + a.name, {list.type("f16", a.shape)}, reduceAxes(a.axes))
        .absolute = 2e-3;
  // Over the channels, at every place of an image.
  const SmallVector<int64_t> shapes[] = {{4, 10, 33}, {2, 21, 12, 12}};
  for (const SmallVector<int64_t> &shape : shapes) {
    auto type = list.type("f32", shape);
    SmallVector<int64_t> keptShape(shape);
    keptShape[1] = 1;
    list.addFused("softmax_channels_" + std::to_string(shape.size()), {type},
                  [=](KernelBuilder &k, ValueRange in) -> Values {
                    Value top = k.reshape(k.reduce(in[0], {1}, Reduction::Max, f32), keptShape);
                    Value e = k.pointwise({in[0], top}, type, [](ScalarBuilder &s, ValueRange x) {
                      return s.exp(s.sub(x[0], x[1]));
                    });
                    Value total = k.reshape(k.reduce(e, {1}, Reduction::Sum, f32), keptShape);
                    return {k.pointwise({e, total}, type, [](ScalarBuilder &s, ValueRange x) {
                      return s.div(x[0], x[1]);
                    })};
                  });
  }
  // Reductions over different dimensions: several kernels.
  list.addFused("row_and_column_sums", {list.type("f16", {60, 48})},
                [f32](KernelBuilder &k, ValueRange in) -> Values {
                  Value rows = k.reduce(in[0], {1}, Reduction::Sum, f32);
                  Value columns = k.reduce(in[0], {0}, Reduction::Sum, f32);
                  Value all = k.reduce(rows, {0}, Reduction::Max, f32);
                  return {rows, columns, all};
                })
      .absolute = 1e-3;
}

/// Statistics that fill the device: each level of reductions is a kernel, divided among blocks.
void addDividedStatistics(CaseList &list) {
  struct Shape {
    const char *name, *element;
    SmallVector<int64_t> shape, axes, kept; ///< kept: with 1 where axes are
  };
  for (const Shape &s : {Shape{"channels", "f16", {16, 3, 96, 64}, {0, 2, 3}, {1, 3, 1, 1}},
                         {"channels_odd", "f32", {7, 2, 171, 63}, {0, 2, 3}, {1, 2, 1, 1}},
                         {"all", "f32", {1 << 17}, {0}, {1}},
                         {"rows", "f16", {1200, 24}, {0}, {1, 24}}}) {
    RankedTensorType type = list.type(s.element, s.shape);
    Type f32 = list.type("f32").getElementType();
    double count = 1;
    for (int64_t axis : s.axes)
      count *= s.shape[axis];
    auto mean = [=](KernelBuilder &k, Value x) {
      Value total = k.reduce(x, s.axes, Reduction::Sum, f32);
      return k.pointwise({total}, typeOf(total), [=](ScalarBuilder &b, ValueRange in) {
        return b.div(in[0], b.constantLike(in[0], count));
      });
    };
    list.add(std::string("statistics_") + s.name, {type},
             [=](OpBuilder &b, ValueRange in) -> Values {
               Value center = createFused(b, in, [=](KernelBuilder &k, ValueRange x) -> Values {
                 return {mean(k, x[0])};
               })[0];
               Value variance =
                   createFused(b, {in[0], center}, [=](KernelBuilder &k, ValueRange x) -> Values {
                     Value squares = k.pointwise({x[0], k.reshape(x[1], s.kept)},
                                                 RankedTensorType::get(s.shape, f32),
                                                 [](ScalarBuilder &b, ValueRange in) {
                                                   Value d = b.sub(in[0], in[1]);
                                                   return b.mul(d, d);
                                                 });
                     return {mean(k, squares)};
                   })[0];
               Value normal = createFused(
                   b, {in[0], center, variance}, [=](KernelBuilder &k, ValueRange x) -> Values {
                     return {k.pointwise({x[0], k.reshape(x[1], s.kept), k.reshape(x[2], s.kept)},
                                         type, [](ScalarBuilder &b, ValueRange in) {
                                           return b.div(b.sub(in[0], in[1]), b.sqrt(in[2]));
                                         })};
                   })[0];
               return {center, variance, normal};
             })
        .absolute = 2e-3;
  }
}

void addViews(CaseList &list) {
  Type f32 = list.type("f32").getElementType();
  // Flattened, reduced, and given back its shape.
  list.addFused("flattened", {list.type("f16", {4, 6, 50})},
                [&list, f32](KernelBuilder &k, ValueRange in) -> Values {
                  auto flat = list.type("f32", {24, 50});
                  Value x = k.reshape(in[0], {24, 50});
                  Value top = k.reshape(k.reduce(x, {1}, Reduction::Max, f32), {24, 1});
                  Value e = k.pointwise({x, top}, flat, product);
                  return {k.reshape(e, {4, 6, 50}), k.reshape(top, {4, 6})};
                });
  // Factors that only part of the shapes have.
  list.addFused("factors", {list.type("f32", {6, 4}), list.type("f32", {3, 8})},
                [&list](KernelBuilder &k, ValueRange in) -> Values {
                  Value a = k.pointwise({in[0]}, list.type("f32", {6, 4}), exponential);
                  Value b =
                      k.pointwise({k.reshape(a, {3, 8}), in[1]}, list.type("f32", {3, 8}), sum);
                  return {b, k.reshape(a, {24})};
                });
  list.addFused("without_factors", {list.type("f32", {6, 4}), list.type("f32", {8, 3})},
                [&list](KernelBuilder &k, ValueRange in) -> Values {
                  Value a = k.pointwise({in[0]}, list.type("f32", {6, 4}), exponential);
                  Value b =
                      k.pointwise({k.reshape(a, {8, 3}), in[1]}, list.type("f32", {8, 3}), product);
                  return {b};
                });
  list.addFused("to_and_from_scalar", {list.type("f32", {1, 1})},
                [&list](KernelBuilder &k, ValueRange in) -> Values {
                  Value e = k.pointwise({k.reshape(in[0], {})}, list.type("f32"), exponential);
                  return {k.reshape(e, {1, 1, 1})};
                });
}

void addYields(CaseList &list) {
  // What no op of the kernel makes, and what is made once and asked for twice.
  list.addFused(
      "yields", {list.type("f32", {10, 4})}, [&list](KernelBuilder &k, ValueRange in) -> Values {
        Value e = k.pointwise({in[0]}, list.type("f32", {10, 4}), exponential);
        return {in[0], e, e, k.splat(list.type("f16", {10, 4}), 2.5), k.reshape(in[0], {40})};
      });
  list.addFused("uniform_operands", {list.type("f16", {9, 40})},
                [&list](KernelBuilder &k, ValueRange in) -> Values {
                  Value two = k.splat(list.type("f32", {40}), 2.0);
                  Value zero = k.reshape(k.splat(list.type("f32", {9}), 0.0), {9, 1});
                  return {k.pointwise({in[0], two, zero}, list.type("f16", {9, 40}),
                                      [](ScalarBuilder &s, ValueRange x) {
                                        return s.maximum(s.mul(x[0], x[1]), x[2]);
                                      })};
                });
  // Results of different shapes: several kernels.
  list.addFused("different_shapes", {list.type("f32", {8, 16}), list.type("f32", {16})},
                [&list](KernelBuilder &k, ValueRange in) -> Values {
                  Value e = k.pointwise({in[1]}, list.type("f32", {16}), exponential);
                  return {e, k.pointwise({in[0], e}, list.type("f32", {8, 16}), product)};
                },
                {1, 0});
  // The tied operand is read after the result is written: from a copy.
  list.addFused("tied_and_read_later", {list.type("f32", {8, 16})},
                [&list](KernelBuilder &k, ValueRange in) -> Values {
                  auto type = list.type("f32", {8, 16});
                  Value e = k.pointwise({in[0]}, type, exponential);
                  Value columns = k.reduce(e, {0}, Reduction::Sum, type.getElementType());
                  Value rows = k.reduce(in[0], {1}, Reduction::Sum, type.getElementType());
                  return {k.pointwise({e, columns}, type, sum), rows};
                },
                {0, -1});
}

/// The sum, the largest element and its place of each window.
Values reduceWindows(KernelBuilder &k, Value x, const KernelBuilder::Windows &windows) {
  RankedTensorType type = typeOf(x);
  Type wide = KernelBuilder::computeType(type.getElementType()), i64 = k.builder.getI64Type();
  TypedAttr initial[] = {k.builder.getFloatAttr(wide, 0.0), k.builder.getFloatAttr(wide, -100.0),
                         k.builder.getI64IntegerAttr(-1)};
  return k.reduceWindows(x, windows, initial, {wide, type.getElementType(), i64},
                         [&](ScalarBuilder &s, Value element, Value place, ValueRange merged) {
                           Value isLarger = s.greater(element, merged[1]);
                           return SmallVector<Value>{
                               s.add(merged[0], element), s.select(isLarger, element, merged[1]),
                               s.select(isLarger, s.convert(place, i64), merged[2])};
                         });
}

void addWindows(CaseList &list) {
  auto add = [&](const std::string &name, RankedTensorType type,
                 const KernelBuilder::Windows &windows) {
    list.addFused("windows_" + name, type, [&](KernelBuilder &k, ValueRange in) {
      return reduceWindows(k, in[0], windows);
    });
  };
  add("inside", list.type("f32", {3, 9, 10}), {{4, 8}, {3, 3}, {2, 1}, {1, 1}, {0, 0}});
  add("padded", list.type("f16", {2, 7, 7}), {{4, 5}, {3, 4}, {2, 2}, {1, 2}, {1, 4}});
  add("outside", list.type("f64", {4, 5}), {{4}, {2}, {3}, {2}, {3}}); // some have no element
  add("rank_1", list.type("bf16", {40}), {{20}, {3}, {2}, {1}, {1}});
  add("rank_3", list.type("f32", {2, 4, 5, 6}),
      {{2, 2, 3}, {2, 3, 2}, {2, 2, 2}, {1, 1, 1}, {0, 1, 0}});
}

} // namespace

void addStructureCases(CaseList &list) {
  addTransposes(list);
  addMovements(list);
  addMiddleReductions(list);
  addDividedStatistics(list);
  addViews(list);
  addYields(list);
  addWindows(list);
}

} // namespace ampc::test
