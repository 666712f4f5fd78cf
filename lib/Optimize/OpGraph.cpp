//===- OpGraph.cpp - Groups of ops and the order between them -----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OpGraph.h"
#include "llvm/ADT/BitVector.h"
#include <queue>

using namespace mlir;

namespace ampc {

OpGraph::OpGraph(Block &block) : block(block) {
  for (Operation &op : block.without_terminator()) {
    index[&op] = ops.size();
    leader.push_back(ops.size());
    ops.push_back({&op});
  }
  successors.resize(ops.size());
  predecessors.resize(ops.size());
  for (unsigned i = 0; i < ops.size(); ++i)
    for (Operation *user : ops[i].front()->getUsers())
      if (std::optional<unsigned> other = find(user)) {
        successors[i].insert(*other);
        predecessors[*other].insert(i);
      }
}

unsigned OpGraph::resolve(unsigned member) const {
  while (leader[member] != member)
    member = leader[member];
  return member;
}

std::optional<unsigned> OpGraph::find(Operation *op) const {
  op = block.findAncestorOpInBlock(*op);
  auto it = index.find(op);
  if (it == index.end())
    return std::nullopt;
  return resolve(it->second);
}

ArrayRef<Operation *> OpGraph::getOps(unsigned group) const { return ops[group]; }

ArrayRef<unsigned> OpGraph::getSuccessors(unsigned group) const {
  return successors[group].getArrayRef();
}

ArrayRef<unsigned> OpGraph::getPredecessors(unsigned group) const {
  return predecessors[group].getArrayRef();
}

SmallVector<unsigned> OpGraph::getGroups() const {
  SmallVector<unsigned> groups;
  for (unsigned i = 0; i < ops.size(); ++i)
    if (leader[i] == i)
      groups.push_back(i);
  llvm::sort(groups, [&](unsigned a, unsigned b) {
    return index.lookup(ops[a].front()) < index.lookup(ops[b].front());
  });
  return groups;
}

/// Whether a path leads from one group to the other; with `skipDirect`, one through a
/// third group.
bool OpGraph::reachesPast(unsigned from, unsigned to, bool skipDirect) const {
  llvm::BitVector seen(ops.size());
  SmallVector<unsigned> stack;
  seen.set(from);
  for (unsigned next : successors[from]) {
    if (next == to && skipDirect)
      continue;
    stack.push_back(next);
  }
  while (!stack.empty()) {
    unsigned group = stack.pop_back_val();
    if (group == to)
      return true;
    if (seen.test(group))
      continue;
    seen.set(group);
    for (unsigned next : successors[group])
      stack.push_back(next);
  }
  return false;
}

bool OpGraph::reaches(unsigned from, unsigned to) const {
  return reachesPast(from, to, /*skipDirect=*/false);
}

bool OpGraph::canMerge(unsigned a, unsigned b) const {
  return a != b && !reachesPast(a, b, /*skipDirect=*/true) &&
         !reachesPast(b, a, /*skipDirect=*/true);
}

unsigned OpGraph::merge(unsigned a, unsigned b) {
  if (ops[a].size() < ops[b].size())
    std::swap(a, b);
  leader[b] = a;
  SmallVector<Operation *, 1> merged;
  std::merge(ops[a].begin(), ops[a].end(), ops[b].begin(), ops[b].end(), std::back_inserter(merged),
             [&](Operation *x, Operation *y) { return index.lookup(x) < index.lookup(y); });
  ops[a] = std::move(merged);
  ops[b].clear();
  auto rename = [&](std::vector<llvm::SetVector<unsigned>> &there,
                    std::vector<llvm::SetVector<unsigned>> &back) {
    for (unsigned other : there[b]) {
      back[other].remove(b);
      if (other != a) {
        back[other].insert(a);
        there[a].insert(other);
      }
    }
    there[b].clear();
    there[a].remove(b);
  };
  rename(successors, predecessors);
  rename(predecessors, successors);
  return a;
}

bool OpGraph::addOrder(unsigned before, unsigned after) {
  if (before == after || reaches(after, before))
    return false;
  successors[before].insert(after);
  predecessors[after].insert(before);
  return true;
}

SmallVector<unsigned> OpGraph::getOrder() const {
  // The earliest group of those whose predecessors have all gone.
  auto isLater = [&](unsigned a, unsigned b) {
    return index.lookup(ops[a].front()) > index.lookup(ops[b].front());
  };
  std::priority_queue<unsigned, std::vector<unsigned>, decltype(isLater)> ready(isLater);
  std::vector<unsigned> waiting(ops.size());
  for (unsigned group : getGroups()) {
    waiting[group] = predecessors[group].size();
    if (waiting[group] == 0)
      ready.push(group);
  }
  SmallVector<unsigned> order;
  while (!ready.empty()) {
    unsigned group = ready.top();
    ready.pop();
    order.push_back(group);
    for (unsigned next : successors[group])
      if (--waiting[next] == 0)
        ready.push(next);
  }
  return order;
}

} // namespace ampc
