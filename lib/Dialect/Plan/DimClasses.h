//===- DimClasses.h - Dimensions that must be equal ------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_PLAN_DIMCLASSES_H
#define AMPC_LIB_DIALECT_PLAN_DIMCLASSES_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <vector>

namespace ampc::plan {
using namespace mlir;

/// Loops and tensor dimensions, with those that must be equal in one class. A class may be
/// a product of others, its parts, outermost first.
class DimClasses {
public:
  unsigned add(int64_t extent) {
    nodes.push_back({unsigned(nodes.size()), extent, {}});
    return nodes.size() - 1;
  }

  int64_t extent(unsigned node) const { return nodes[find(node)].extent; }

  unsigned find(unsigned node) const {
    while (nodes[node].parent != node)
      node = nodes[node].parent;
    return node;
  }

  /// The indivisible classes that make up a node, outermost first, without extents of 1.
  void leaves(unsigned node, SmallVectorImpl<unsigned> &out) const {
    node = find(node);
    if (nodes[node].parts.empty()) {
      if (nodes[node].extent != 1)
        out.push_back(node);
      return;
    }
    for (unsigned part : nodes[node].parts)
      leaves(part, out);
  }
  SmallVector<unsigned> leaves(unsigned node) const {
    SmallVector<unsigned> out;
    leaves(node, out);
    return out;
  }
  SmallVector<unsigned> leaves(ArrayRef<unsigned> list) const {
    SmallVector<unsigned> out;
    for (unsigned node : list)
      leaves(node, out);
    return out;
  }

  /// Makes the products of two lists the same, factor by factor. Fails where no common
  /// factors exist.
  LogicalResult unify(ArrayRef<unsigned> a, ArrayRef<unsigned> b) {
    SmallVector<unsigned> left = leaves(a), right = leaves(b);
    std::reverse(left.begin(), left.end()); // outermost at the back
    std::reverse(right.begin(), right.end());
    while (!left.empty() && !right.empty()) {
      unsigned x = find(left.pop_back_val()), y = find(right.pop_back_val());
      // A leaf may have been split further down the lists.
      if (!nodes[x].parts.empty() || !nodes[y].parts.empty()) {
        SmallVector<unsigned> partsOfX = leaves(x), partsOfY = leaves(y);
        left.append(partsOfX.rbegin(), partsOfX.rend());
        right.append(partsOfY.rbegin(), partsOfY.rend());
        continue;
      }
      int64_t ex = nodes[x].extent, ey = nodes[y].extent;
      if (ex == ey) {
        nodes[y].parent = x;
        continue;
      }
      if (ex == 0 || ey == 0)
        return failure();
      bool leftIsLarger = ex > ey;
      unsigned large = leftIsLarger ? x : y, small = leftIsLarger ? y : x;
      int64_t outer = nodes[small].extent, whole = nodes[large].extent;
      if (whole % outer != 0)
        return failure();
      unsigned rest = add(whole / outer);
      nodes[large].parts = {small, rest};
      (leftIsLarger ? left : right).push_back(rest);
    }
    return success(left.empty() && right.empty());
  }

private:
  struct Node {
    unsigned parent;
    int64_t extent;
    SmallVector<unsigned, 2> parts;
  };
  std::vector<Node> nodes;
};

} // namespace ampc::plan

#endif // AMPC_LIB_DIALECT_PLAN_DIMCLASSES_H
