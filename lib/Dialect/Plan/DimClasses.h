//===- DimClasses.h - Dimensions that must be equal ------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_PLAN_DIMCLASSES_H
#define AMPC_LIB_DIALECT_PLAN_DIMCLASSES_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <vector>

namespace ampc::plan {
using namespace mlir;

/// Loops and tensor dimensions, with those that must be equal in one class. A class may be
/// a product of others, its parts, outermost first.
class DimClasses {
public:
  unsigned add(int64_t extent, bool isLoop = false) {
    nodes.push_back({unsigned(nodes.size()), 1, isLoop, extent, {}});
    return nodes.size() - 1;
  }

  /// A state to return to. States end in the reverse order of their beginning.
  struct State {
    size_t numNodes, numChanges;
  };
  State save() const { return {nodes.size(), changes.size()}; }
  void restore(State state) {
    while (changes.size() > state.numChanges) {
      nodes[changes.back().node] = std::move(changes.back().old);
      changes.pop_back();
    }
    nodes.resize(state.numNodes);
  }
  /// Whether loops may have become one since: classes with loops were unified, or divided.
  bool hasJoined(State state) const {
    return llvm::any_of(llvm::drop_begin(changes, state.numChanges),
                        [&](const auto &change) { return change.joins; });
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
        if (x != y)
          join(x, y);
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
      change(large, /*joins=*/true).parts = {small, rest};
      (leftIsLarger ? left : right).push_back(rest);
    }
    return success(left.empty() && right.empty());
  }

private:
  struct Node {
    unsigned parent;
    unsigned size; ///< nodes of the class, where this one stands for it
    bool hasLoop;  ///< there is a loop among them
    int64_t extent;
    SmallVector<unsigned, 2> parts;
  };
  struct Change {
    unsigned node;
    Node old;
    bool joins; ///< see hasJoined
  };

  Node &change(unsigned node, bool joins) {
    changes.push_back({node, nodes[node], joins});
    return nodes[node];
  }

  void join(unsigned x, unsigned y) {
    if (nodes[x].size < nodes[y].size)
      std::swap(x, y);
    bool bothHaveLoops = nodes[x].hasLoop && nodes[y].hasLoop;
    change(y, bothHaveLoops).parent = x;
    Node &root = change(x, bothHaveLoops);
    root.size += nodes[y].size;
    root.hasLoop |= nodes[y].hasLoop;
  }

  std::vector<Node> nodes;
  std::vector<Change> changes; ///< what to undo
};

} // namespace ampc::plan

#endif // AMPC_LIB_DIALECT_PLAN_DIMCLASSES_H
