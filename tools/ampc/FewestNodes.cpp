//===- FewestNodes.cpp - The fewest of a list that reach a target ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FewestNodes.h"
#include <algorithm>
#include <map>

namespace ampc {
namespace {
using Set = std::vector<size_t>;
using Measure = std::function<std::optional<double>(const Set &)>;

class Search {
public:
  Search(const std::vector<size_t> &order, const std::vector<double> &costs, double target,
         size_t trials, const Measure &measure)
      : order(order), costs(costs), target(target), left(trials), measure(measure) {}

  std::optional<FewestNodes> run() {
    Set kept;
    if (tries({}))
      return result({}, /*isMinimal=*/true);
    std::optional<size_t> count = shortestBeginning();
    if (failed)
      return std::nullopt;
    if (!count)
      return result(closest, /*isMinimal=*/false);
    kept.assign(order.begin(), order.begin() + std::ptrdiff_t(*count));
    bool isMinimal = leaveOut(kept);
    if (failed)
      return std::nullopt;
    return result(sorted(kept), isMinimal);
  }

private:
  static Set sorted(Set set) {
    std::sort(set.begin(), set.end());
    return set;
  }

  FewestNodes result(const Set &kept, bool isMinimal) const {
    double error = known.at(kept);
    return {kept, error, error <= target, isMinimal};
  }

  /// Whether the target is reached with these alone. False where no trial is left.
  bool tries(const Set &unsorted) {
    Set set = sorted(unsorted);
    auto found = known.find(set);
    if (found == known.end()) {
      if (left == 0 || failed)
        return false;
      --left;
      std::optional<double> error = measure(set);
      if (!error) {
        failed = true;
        return false;
      }
      found = known.emplace(set, *error).first;
      if (known.size() == 1 || *error < known.at(closest))
        closest = set;
    }
    return found->second <= target;
  }

  Set beginning(size_t count) const {
    return {order.begin(), order.begin() + std::ptrdiff_t(count)};
  }

  /// How many of the likeliest reach the target; nothing where all do not.
  std::optional<size_t> shortestBeginning() {
    size_t tooFew = 0, enough = 1;
    if (order.empty())
      return std::nullopt;
    while (!tries(beginning(enough))) {
      if (enough == order.size() || left == 0 || failed)
        return std::nullopt;
      tooFew = enough;
      enough = std::min(2 * enough, order.size());
    }
    while (enough - tooFew > 1 && left && !failed) {
      size_t middle = tooFew + (enough - tooFew) / 2;
      (tries(beginning(middle)) ? enough : tooFew) = middle;
    }
    return enough;
  }

  /// Leaves out what the target does not need. True where each that is left was seen to be needed.
  bool leaveOut(Set &kept) {
    // What costs most goes first, if it can.
    std::sort(kept.begin(), kept.end(), [&](size_t x, size_t y) {
      return costs[x] != costs[y] ? costs[x] > costs[y] : x < y;
    });
    for (size_t size = kept.size();;) {
      size = (size + 1) / 2;
      for (size_t first = 0; first < kept.size() && kept.size() > 1;) {
        Set rest;
        for (size_t i = 0; i != kept.size(); ++i)
          if (i < first || i >= first + size)
            rest.push_back(kept[i]);
        bool goesOn = left || known.count(sorted(rest));
        if (!rest.empty() && tries(rest)) // that nothing kept is too little is known
          kept = rest;
        else if (failed || !goesOn)
          return false;
        else
          first += size;
      }
      if (size <= 1)
        return true;
    }
  }

  const std::vector<size_t> &order;
  const std::vector<double> &costs;
  const double target;
  size_t left;
  const Measure &measure;
  std::map<Set, double> known;
  Set closest;
  bool failed = false;
};
} // namespace

std::optional<FewestNodes> findFewest(const std::vector<size_t> &order,
                                      const std::vector<double> &costs, double target,
                                      size_t trials, const Measure &measure) {
  return Search(order, costs, target, trials, measure).run();
}
} // namespace ampc
