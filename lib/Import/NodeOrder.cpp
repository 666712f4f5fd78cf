//===- NodeOrder.cpp - Brings nodes into the order of evaluation ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NodeOrder.h"
#include <optional>
#include <queue>

using namespace mlir;

namespace ampc {
using Producers = llvm::StringMap<size_t>;

static FailureOr<Producers> findProducers(const std::vector<GraphNode> &nodes,
                                          const llvm::StringSet<> &given,
                                          const ImportContext &context) {
  Producers producers;
  for (auto [i, node] : llvm::enumerate(nodes))
    for (const std::string &output : node.outputs) {
      if (output.empty())
        continue;
      if (given.contains(output))
        return node.emitError(context)
               << "output '" << output << "' is an input or initializer of the graph, too";
      auto [it, isNew] = producers.try_emplace(output, i);
      if (!isNew)
        return node.emitError(context)
               << "output '" << output << "' is made by node '" << nodes[it->second].name << "' ("
               << nodes[it->second].opType() << ") as well";
    }
  for (const GraphNode &node : nodes)
    for (const std::string &input : node.inputs)
      if (!input.empty() && !given.contains(input) && !producers.contains(input))
        return node.emitError(context) << "input '" << input
                                       << "' is made by no node and is no input or "
                                          "initializer of the graph";
  return producers;
}

/// Calls `visit` with each node that must come before `node`, once for each value read.
static void forEachProducer(const GraphNode &node, const Producers &producers,
                            function_ref<void(size_t)> visit) {
  for (const auto *names : {&node.inputs, &node.captured})
    for (const std::string &name : *names)
      if (auto it = producers.find(name); it != producers.end())
        visit(it->second);
}

static bool isSorted(const std::vector<GraphNode> &nodes, const Producers &producers) {
  bool sorted = true;
  for (auto [i, node] : llvm::enumerate(nodes))
    forEachProducer(node, producers, [&, i = i](size_t from) { sorted &= from < i; });
  return sorted;
}

/// Reports a cycle among the nodes that never became ready: from any of them, going to a
/// producer that is not ready either must come back.
static LogicalResult reportCycle(const std::vector<GraphNode> &nodes, const Producers &producers,
                                 const std::vector<unsigned> &missing,
                                 const ImportContext &context) {
  size_t at = llvm::find_if(missing, [](unsigned n) { return n > 0; }) - missing.begin();
  llvm::DenseMap<size_t, size_t> seen; // node -> place on the path
  std::vector<size_t> path;
  while (seen.try_emplace(at, path.size()).second) {
    path.push_back(at);
    std::optional<size_t> next;
    forEachProducer(nodes[at], producers, [&](size_t from) {
      if (!next && missing[from] > 0)
        next = from;
    });
    at = next.value_or(at);
  }
  // The path went against the edges.
  SmallVector<size_t> cycle(path.begin() + seen[at], path.end());
  std::reverse(cycle.begin(), cycle.end());
  std::rotate(cycle.begin(), llvm::min_element(cycle), cycle.end());

  constexpr size_t kShown = 10;
  InFlightDiagnostic error = nodes[cycle.front()].emitError(context);
  error << "depends on its own result: ";
  for (size_t i : ArrayRef(cycle).take_front(kShown))
    error << "'" << nodes[i].name << "' -> ";
  if (cycle.size() > kShown)
    error << "... -> ";
  return error << "'" << nodes[cycle.front()].name << "'";
}

LogicalResult sortNodes(std::vector<GraphNode> &nodes, const llvm::StringSet<> &given,
                        const ImportContext &context) {
  FailureOr<Producers> producers = findProducers(nodes, given, context);
  if (failed(producers))
    return failure();
  if (isSorted(nodes, *producers))
    return success();

  std::vector<unsigned> missing(nodes.size());
  std::vector<SmallVector<size_t, 2>> users(nodes.size());
  for (auto [i, node] : llvm::enumerate(nodes))
    forEachProducer(node, *producers, [&, i = i](size_t from) {
      ++missing[i];
      users[from].push_back(i);
    });
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (auto [i, count] : llvm::enumerate(missing))
    if (count == 0)
      ready.push(i);
  std::vector<GraphNode> sorted;
  sorted.reserve(nodes.size());
  std::vector<size_t> order;
  while (!ready.empty()) {
    size_t i = ready.top();
    ready.pop();
    order.push_back(i);
    for (size_t user : users[i])
      if (--missing[user] == 0)
        ready.push(user);
  }
  if (order.size() < nodes.size())
    return reportCycle(nodes, *producers, missing, context);
  for (size_t i : order)
    sorted.push_back(std::move(nodes[i]));
  nodes = std::move(sorted);
  return success();
}
} // namespace ampc
