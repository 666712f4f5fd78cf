//===- OpGraph.cpp - Groups of ops and the order between them -----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OpGraph.h"
#include "mlir/IR/Remarks.h"
#include <queue>

using namespace mlir;

namespace ampc {

OpGraph::OpGraph(Block &block) : block(block) {
  for (Operation &op : block.without_terminator()) {
    unsigned i = groups.size();
    index[&op] = i;
    leader.push_back(i);
    Group &group = groups.emplace_back();
    group.ops.push_back(&op);
    group.first = group.rank = i;
  }
  seen.resize(groups.size());
  for (unsigned i = 0; i < groups.size(); ++i)
    for (Operation *user : groups[i].ops.front()->getUsers())
      if (std::optional<unsigned> other = find(user)) {
        groups[i].successors.insert(*other);
        groups[*other].predecessors.insert(i);
      }
}

unsigned OpGraph::resolve(unsigned member) const {
  while (leader[member] != member)
    member = leader[member] = leader[leader[member]];
  return member;
}

std::optional<unsigned> OpGraph::find(Operation *op) const {
  if (op->getBlock() != &block)
    op = block.findAncestorOpInBlock(*op);
  auto it = index.find(op);
  if (it == index.end())
    return std::nullopt;
  return resolve(it->second);
}

ArrayRef<Operation *> OpGraph::getOps(unsigned name) const {
  Group &group = groups[name];
  if (!group.isSorted)
    llvm::sort(group.ops,
               [&](Operation *a, Operation *b) { return index.lookup(a) < index.lookup(b); });
  group.isSorted = true;
  return group.ops;
}

SmallVector<unsigned> OpGraph::getGroups() const {
  SmallVector<unsigned> names;
  for (unsigned i = 0; i < groups.size(); ++i)
    if (leader[i] == i)
      names.push_back(i);
  llvm::sort(names, [&](unsigned a, unsigned b) { return groups[a].first < groups[b].first; });
  return names;
}

//===----------------------------------------------------------------------===//
// Searches
//===----------------------------------------------------------------------===//

bool OpGraph::searchBetween(unsigned from, unsigned to, Direction direction, bool skipDirect,
                            size_t mostSteps, SmallVectorImpl<unsigned> &found) const {
  bool forward = direction == Direction::Forward;
  unsigned limit = groups[to].rank;
  ++searches;
  size_t begin = steps;
  SmallVector<unsigned> stack{from};
  while (!stack.empty()) {
    unsigned group = stack.pop_back_val();
    for (unsigned next : forward ? groups[group].successors : groups[group].predecessors) {
      if (steps++ - begin == mostSteps)
        return false;
      if (next == to) {
        if (skipDirect && group == from)
          continue;
        return false;
      }
      unsigned rank = groups[next].rank;
      if (seen[next] == searches || (forward ? rank > limit : rank < limit))
        continue;
      seen[next] = searches;
      found.push_back(next);
      stack.push_back(next);
    }
  }
  return true;
}

bool OpGraph::canMerge(unsigned a, unsigned b, size_t mostSteps) const {
  if (a == b)
    return false;
  if (groups[a].rank > groups[b].rank)
    std::swap(a, b);
  SmallVector<unsigned> behind, before;
  return searchBetween(a, b, Direction::Forward, /*skipDirect=*/true, mostSteps, behind) &&
         (behind.empty() || mostSteps == kNoLimit ||
          searchBetween(b, a, Direction::Backward, /*skipDirect=*/true, mostSteps, before));
}

bool OpGraph::canMerge(ArrayRef<unsigned> members) const {
  llvm::SmallDenseSet<unsigned> isMember(members.begin(), members.end());
  unsigned limit = 0;
  for (unsigned member : members)
    limit = std::max(limit, groups[member].rank);
  ++searches;
  SmallVector<unsigned> stack(members);
  while (!stack.empty())
    for (unsigned next : groups[stack.pop_back_val()].successors) {
      ++steps;
      if (isMember.contains(next))
        return false;
      if (seen[next] == searches || groups[next].rank > limit)
        continue;
      seen[next] = searches;
      stack.push_back(next);
    }
  return true;
}

//===----------------------------------------------------------------------===//
// Changes
//===----------------------------------------------------------------------===//

void OpGraph::sortByRank(SmallVectorImpl<unsigned> &list) const {
  llvm::sort(list, [&](unsigned a, unsigned b) { return groups[a].rank < groups[b].rank; });
}

void OpGraph::assignRanks(SmallVectorImpl<unsigned> &ranks, ArrayRef<unsigned> order) {
  llvm::sort(ranks);
  for (auto [group, rank] : llvm::zip(order, ranks))
    groups[group].rank = rank;
}

unsigned OpGraph::merge(unsigned a, unsigned b) {
  if (groups[a].ops.size() < groups[b].ops.size())
    std::swap(a, b);

  // Its place: what stands between the two and leads to the later one comes before it, what
  // the earlier one leads to behind it.
  bool aIsEarlier = groups[a].rank < groups[b].rank;
  unsigned earlier = aIsEarlier ? a : b, later = aIsEarlier ? b : a;
  SmallVector<unsigned> behind, before;
  bool isLegal =
      searchBetween(earlier, later, Direction::Forward, /*skipDirect=*/true, kNoLimit, behind);
  if (behind.empty()) {
    groups[a].rank = groups[later].rank;
  } else {
    isLegal &=
        searchBetween(later, earlier, Direction::Backward, /*skipDirect=*/true, kNoLimit, before);
    SmallVector<unsigned> ranks{groups[earlier].rank, groups[later].rank};
    for (ArrayRef<unsigned> list : {ArrayRef(before), ArrayRef(behind)})
      for (unsigned group : list)
        ranks.push_back(groups[group].rank);
    sortByRank(before);
    sortByRank(behind);
    // The rank that is left over comes first: it may stay unused.
    SmallVector<unsigned> order(before);
    order.push_back(b);
    order.push_back(a);
    order.append(behind);
    assignRanks(ranks, order);
  }
  assert(isLegal && "a group stands between two that are merged");
  (void)isLegal;
  absorb(a, b);
  return a;
}

SmallVector<unsigned> OpGraph::searchFrom(ArrayRef<unsigned> members, Direction direction,
                                          unsigned limit) const {
  bool forward = direction == Direction::Forward;
  ++searches;
  SmallVector<unsigned> stack(members), found;
  while (!stack.empty()) {
    const Group &group = groups[stack.pop_back_val()];
    for (unsigned next : forward ? group.successors : group.predecessors) {
      ++steps;
      unsigned rank = groups[next].rank;
      if (seen[next] == searches || (forward ? rank > limit : rank < limit))
        continue;
      seen[next] = searches;
      found.push_back(next);
      stack.push_back(next);
    }
  }
  return found;
}

unsigned OpGraph::merge(ArrayRef<unsigned> members) {
  SmallVector<unsigned> list(members), ranks;
  sortByRank(list);
  SmallVector<unsigned> before = searchFrom(list, Direction::Backward, groups[list.front()].rank);
  SmallVector<unsigned> behind = searchFrom(list, Direction::Forward, groups[list.back()].rank);
  for (ArrayRef<unsigned> part : {ArrayRef(before), ArrayRef(list), ArrayRef(behind)})
    for (unsigned group : part)
      ranks.push_back(groups[group].rank);
  sortByRank(before);
  sortByRank(behind);
  unsigned largest = *llvm::max_element(
      list, [&](unsigned a, unsigned b) { return groups[a].ops.size() < groups[b].ops.size(); });
  // Ranks that are left over come before that of the whole: they stay unused.
  SmallVector<unsigned> order(before);
  for (unsigned member : list)
    if (member != largest)
      order.push_back(member);
  order.push_back(largest);
  order.append(behind);
  assignRanks(ranks, order);
  for (unsigned member : list)
    if (member != largest)
      absorb(largest, member);
  return largest;
}

void OpGraph::absorb(unsigned a, unsigned b) {
  leader[b] = a;
  groups[a].first = std::min(groups[a].first, groups[b].first);
  groups[a].isSorted = false;
  groups[a].ops.append(groups[b].ops);
  groups[b].ops.clear();
  auto rename = [&](Groups Group::*there, Groups Group::*back) {
    for (unsigned other : groups[b].*there) {
      (groups[other].*back).erase(b);
      if (other != a) {
        (groups[other].*back).insert(a);
        (groups[a].*there).insert(other);
      }
    }
    groups[b].*there = Groups();
    (groups[a].*there).erase(b);
  };
  rename(&Group::successors, &Group::predecessors);
  rename(&Group::predecessors, &Group::successors);
}

bool OpGraph::addOrder(unsigned before, unsigned after) {
  if (before == after)
    return false;
  if (groups[before].rank > groups[after].rank) {
    SmallVector<unsigned> behind{after}, ahead;
    if (!searchBetween(after, before, Direction::Forward, /*skipDirect=*/false, kNoLimit, behind))
      return false;
    searchBetween(before, after, Direction::Backward, /*skipDirect=*/false, kNoLimit, ahead);
    ahead.push_back(before);
    sortByRank(ahead);
    sortByRank(behind);
    SmallVector<unsigned> order(ahead), ranks;
    order.append(behind);
    for (unsigned group : order)
      ranks.push_back(groups[group].rank);
    assignRanks(ranks, order);
  }
  groups[before].successors.insert(after);
  groups[after].predecessors.insert(before);
  return true;
}

SmallVector<unsigned> OpGraph::getOrder() const {
  // The earliest group of those whose predecessors have all gone.
  auto isLater = [&](unsigned a, unsigned b) { return groups[a].first > groups[b].first; };
  std::priority_queue<unsigned, std::vector<unsigned>, decltype(isLater)> ready(isLater);
  std::vector<unsigned> waiting(groups.size());
  for (unsigned group : getGroups()) {
    waiting[group] = groups[group].predecessors.size();
    if (waiting[group] == 0)
      ready.push(group);
  }
  SmallVector<unsigned> order;
  while (!ready.empty()) {
    unsigned group = ready.top();
    ready.pop();
    order.push_back(group);
    for (unsigned next : groups[group].successors)
      if (--waiting[next] == 0)
        ready.push(next);
  }
  return order;
}

void OpGraph::moveOps(Block &block) const {
  SmallVector<SmallVector<Operation *>> ordered;
  for (unsigned group : getOrder())
    ordered.emplace_back(getOps(group));
  for (ArrayRef<Operation *> ops : ordered)
    for (Operation *op : ops)
      op->moveBefore(block.getTerminator());
}

void reportWork(Operation *function, StringRef pass,
                ArrayRef<std::pair<StringRef, uint64_t>> counts) {
  auto work =
      remark::analysis(function->getLoc(), remark::RemarkOpts::name(pass).category("plan-work"));
  for (auto [name, count] : counts)
    work << remark::metric(name, count);
}

} // namespace ampc
