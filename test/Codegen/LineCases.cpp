//===- LineCases.cpp - Scans and sorts, to run ----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelCases.h"

namespace ampc::test {
namespace {

/// Lines along an axis of a shape.
struct Along {
  SmallVector<int64_t> shape;
  int64_t axis;
};

std::string nameOf(const std::string &what, const std::string &type, const Along &along) {
  std::string name = what + "_" + type;
  for (int64_t extent : along.shape)
    name += "_" + std::to_string(extent);
  return name + "_along_" + std::to_string(along.axis);
}

KernelBuilder builderAt(OpBuilder &b) { return {b, b.getUnknownLoc()}; }

/// Each of these integers times a factor, in a kernel of its own.
Value times(OpBuilder &b, Value x, int64_t factor) {
  if (factor == 1)
    return x;
  return createFused(b, x, [&](KernelBuilder &kernel, ValueRange in) {
    auto fn = [&](ScalarBuilder &s, ValueRange y) {
      return s.mul(y[0], s.constant(y[0].getType(), factor));
    };
    return Values{kernel.pointwise(in[0], cast<RankedTensorType>(x.getType()), fn)};
  })[0];
}

void addScan(CaseList &list, const std::string &type, const Along &along, Reduction kind,
             bool exclusive, bool reverse, const std::string &resultType = "") {
  std::string what = std::string("scan") + (kind == Reduction::Max ? "_max" : "") +
                     (exclusive ? "_exclusive" : "") + (reverse ? "_reverse" : "");
  Type result = list.type(resultType.empty() ? type : resultType).getElementType();
  list.add(nameOf(what, type + resultType, along), list.type(type, along.shape),
           [&](OpBuilder &b, ValueRange in) {
             return Values{builderAt(b).scan(in[0], along.axis, kind, result, exclusive, reverse)};
           })
      .relative = 2e-5;
}

void addSort(CaseList &list, const std::string &type, const Along &along, bool descending,
             std::optional<int64_t> first = std::nullopt, int64_t factor = 1) {
  std::string what = descending ? "sort_down" : "sort";
  if (factor != 1)
    what += "_times_" + std::to_string(factor);
  if (first)
    what = "first_" + std::to_string(*first) + "_of_" + what;
  list.add(nameOf(what, type, along), list.type(type, along.shape),
           [&](OpBuilder &b, ValueRange in) {
             auto sorted = builderAt(b).sort(
                 times(b, in[0], factor), along.axis,
                 [&](ScalarBuilder &s, ValueRange key) {
                   return descending ? s.greater(key[0], key[1]) : s.less(key[0], key[1]);
                 },
                 first);
             return Values{sorted.keys, sorted.places};
           });
}

/// A target that merges in order.
class InOrder : public LibrarySupport {
public:
  bool supports(const LibraryRequest &) const override { return false; }
  bool prefersChannelsLast(const LibraryRequest &) const override { return false; }
  bool fusesAttention(Type, int64_t) const override { return false; }
  bool hasManyThreads() const override { return false; }
};

enum class Merge { Put, Add, Max };

/// `shape` of the data; `updates` and `places` along the axis of `along`. Random places are in
/// [-100, 100); those of long lines are multiplied.
void addScatter(CaseList &list, const std::string &type, const Along &along,
                ArrayRef<int64_t> updates, ArrayRef<int64_t> places, Merge kind,
                const std::string &updateType = "", bool ontoZeros = false) {
  std::string what = kind == Merge::Put ? "put" : kind == Merge::Add ? "add" : "max";
  for (int64_t extent : updates)
    what += "_" + std::to_string(extent);
  what += places == updates ? "" : "_shared";
  what += ontoZeros ? "_onto_zeros" : "";
  std::string given = updateType.empty() ? type : updateType;
  RankedTensorType arguments[] = {list.type(type, along.shape), list.type("i32", places),
                                  list.type(given, updates)};
  int64_t factor = std::max<int64_t>(1, along.shape[along.axis] / 100);
  list.add(nameOf(what, type + updateType, along), arguments,
           [&](OpBuilder &b, ValueRange in) {
             InOrder inOrder;
             KernelBuilder kernel(b, b.getUnknownLoc(), &inOrder);
             Value at = times(b, in[1], factor);
             Value data = ontoZeros ? kernel.splat(arguments[0], 0) : in[0];
             auto merge = [&](ScalarBuilder &s, Value old, Value update) {
               return kind == Merge::Put   ? update
                      : kind == Merge::Add ? s.add(old, update)
                                           : s.maximum(old, update);
             };
             Value result = kernel.scatter(data, at, in[2], along.axis, merge);
             if (ontoZeros)
               data.getDefiningOp()->erase(); // it is an attribute of the scatter
             return Values{result};
           })
      .relative = 2e-5;
}

void addScatters(CaseList &list) {
  for (Merge kind : {Merge::Put, Merge::Add, Merge::Max}) {
    addScatter(list, "f32", {{7}, 0}, {5}, {5}, kind);
    addScatter(list, "f32", {{3, 64}, 1}, {3, 200}, {3, 200}, kind);
    addScatter(list, "f32", {{65, 3}, 0}, {40, 3}, {40, 3}, kind);
    addScatter(list, "f32", {{65, 3}, 0}, {40, 3}, {40, 1}, kind);
    addScatter(list, "i32", {{2, 33, 5}, 1}, {2, 70, 5}, {1, 70, 5}, kind);
    addScatter(list, "i64", {{2, 33, 5}, 1}, {2, 70, 5}, {2, 70, 1}, kind);
  }
  // Fewer updates than elements along other dimensions.
  addScatter(list, "f32", {{4, 30, 5, 6}, 1}, {3, 50, 5, 6}, {3, 50, 5, 6}, Merge::Add);
  addScatter(list, "f32", {{4, 30, 5, 6}, 1}, {4, 50, 2, 6}, {1, 50, 1, 6}, Merge::Add);
  addScatter(list, "f32", {{4, 30, 5, 6}, 1}, {4, 50, 5, 3}, {4, 50, 1, 3}, Merge::Add);
  addScatter(list, "f32", {{4, 30, 5, 6}, 1}, {4, 50, 5, 6}, {4, 50, 1, 6}, Merge::Put);
  addScatter(list, "f32", {{4, 1, 6}, 1}, {4, 300, 6}, {4, 300, 6}, Merge::Add);
  // Many lines, and few that are cut into parts.
  addScatter(list, "f32", {{1000, 90}, 1}, {1000, 40}, {1000, 40}, Merge::Add);
  addScatter(list, "f32", {{70001}, 0}, {3000}, {3000}, Merge::Add);
  addScatter(list, "f32", {{200001}, 0}, {30}, {30}, Merge::Put);
  addScatter(list, "f32", {{1, 700, 64}, 1}, {1, 900, 64}, {1, 900, 1}, Merge::Add);
  addScatter(list, "f32", {{700, 64}, 0}, {900, 64}, {900, 64}, Merge::Put);
  // Types that are merged in another one, and data that are one number.
  addScatter(list, "f32", {{3, 64}, 1}, {3, 200}, {3, 200}, Merge::Add, "f16", true);
  addScatter(list, "f64", {{3, 64}, 1}, {3, 200}, {3, 200}, Merge::Add, "", true);
  addScatter(list, "i1", {{3, 64}, 1}, {3, 50}, {3, 50}, Merge::Put, "", true);
  addScatter(list, "i8", {{3, 64}, 1}, {3, 50}, {3, 50}, Merge::Max);
}

} // namespace

void addLineCases(CaseList &list) {
  // Short and long lines, many and few, contiguous and apart; some that are cut into parts.
  const Along shapes[] = {{{7}, 0},        {{1}, 0},          {{3, 64}, 1},    {{65, 3}, 0},
                          {{2, 33, 5}, 1}, {{2, 1000, 3}, 1}, {{1, 70001}, 1}, {{20000, 2}, 0},
                          {{300, 40}, 1},  {{40, 300}, 0},    {{5, 1, 4}, 1}};
  for (const Along &along : shapes) {
    addScan(list, "f32", along, Reduction::Sum, false, false);
    addScan(list, "f32", along, Reduction::Sum, true, true);
    addSort(list, "f32", along, false);
  }
  const Along lines{{3, 700, 2}, 1};
  for (const char *type : {"f16", "bf16", "f64", "i32", "i64"}) {
    addScan(list, type, lines, Reduction::Sum, true, false);
    addScan(list, type, lines, Reduction::Sum, false, true);
    addScan(list, type, lines, Reduction::Max, false, false);
    addSort(list, type, lines, true);
    addSort(list, type, {{2, 5000}, 1}, false);
  }
  addScatters(list);
  addScan(list, "i1", lines, Reduction::Sum, false, false);
  addScan(list, "f16", {{2, 3000}, 1}, Reduction::Sum, false, false, "f32");
  // All around the runs that are sorted by insertion, and the passes that follow.
  for (int64_t extent : {15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 127, 129, 2049, 4097, 20001})
    addSort(list, "i32", {{extent}, 0}, true);
  // The first of each line: fewer and more than a run has, all, and lines that are cut into runs.
  for (int64_t first : {1, 2, 15, 16, 17, 31, 32, 33, 47, 100, 499, 500}) {
    addSort(list, "f32", {{3, 500}, 1}, true, first);
    addSort(list, "i32", {{2, 500, 3}, 1}, false, first);
    addSort(list, "i16", {{40001}, 0}, true, first);
  }
  // Around what a block sorts of a line, and what a launch merges of those.
  for (int64_t first : {2047, 2048, 2049, 32769, 40000})
    addSort(list, "i16", {{40001}, 0}, false, first);
  addSort(list, "i64", {{2, 5000, 3}, 1}, true, 1500);
  addSort(list, "f16", {{30, 12}, 1}, false, 5);
  // Integers that the host sorts by their bytes, of which some or all differ.
  addSort(list, "i8", {{3, 300}, 1}, false);
  addSort(list, "i16", {{2, 300, 3}, 1}, false, 40, 301);
  addSort(list, "i32", {{3, 1000}, 1}, false, std::nullopt, 20'000'003);
  addSort(list, "i64", {{2, 1000}, 1}, false, std::nullopt, 80'000'000'000'000'021);
  addSort(list, "bf16", {{5, 17, 2}, 1}, true, 17);
  addSort(list, "i8", {{4, 129}, 1}, false);
  addSort(list, "i1", {{4, 129}, 1}, true);
}

} // namespace ampc::test
