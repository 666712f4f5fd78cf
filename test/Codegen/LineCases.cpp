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
             std::optional<int64_t> first = std::nullopt) {
  std::string what = descending ? "sort_down" : "sort";
  if (first)
    what = "first_" + std::to_string(*first) + "_of_" + what;
  list.add(nameOf(what, type, along), list.type(type, along.shape),
           [&](OpBuilder &b, ValueRange in) {
             auto sorted = builderAt(b).sort(
                 in[0], along.axis,
                 [&](ScalarBuilder &s, ValueRange key) {
                   return descending ? s.greater(key[0], key[1]) : s.less(key[0], key[1]);
                 },
                 first);
             return Values{sorted.keys, sorted.places};
           });
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
  addSort(list, "f16", {{30, 12}, 1}, false, 5);
  addSort(list, "bf16", {{5, 17, 2}, 1}, true, 17);
  addSort(list, "i8", {{4, 129}, 1}, false);
  addSort(list, "i1", {{4, 129}, 1}, true);
}

} // namespace ampc::test
