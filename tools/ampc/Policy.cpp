//===- Policy.cpp - Precision policies on the command line ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Policy.h"
#include "ampc/Support/ModelDiagnostics.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <map>

using namespace mlir;

namespace ampc {
llvm::Error readLists(OutputFiles &outputs, CompileOptions &options) {
  if (options.lists == "balanced" || options.lists == "pytorch")
    return llvm::Error::success();
  llvm::Expected<PrecisionRules> read = readPolicyFile(options.lists);
  if (!read)
    return read.takeError();
  for (const std::string &file : read->files)
    if (llvm::Error error = outputs.addInput("the precision lists", file))
      return error;
  options.lists = read->profile;
  options.import.precisionRules = std::move(read->rules);
  return llvm::Error::success();
}

namespace {
/// What a policy makes of one ONNX node: the ops that compute it, by index.
using OpsOfNodes = llvm::MapVector<StringRef, SmallVector<size_t, 2>>;

OpsOfNodes opsOfNodes(const PrecisionGraph &graph) {
  OpsOfNodes ops;
  for (const auto &[i, node] : llvm::enumerate(graph.nodes))
    if (!node.computesIn.empty())
      for (const std::string &name : node.names)
        ops[name].push_back(i);
  return ops;
}

/// Each once: "f16", or "f16, f32" where the ops of a node differ.
std::string join(ArrayRef<size_t> ops, llvm::function_ref<std::string(size_t)> text) {
  SmallVector<std::string> list;
  for (size_t i : ops)
    if (std::string one = text(i); !llvm::is_contained(list, one))
      list.push_back(one);
  return list.empty() ? "-" : llvm::join(list, ", ");
}

std::string typesOf(const PolicySide &side, ArrayRef<size_t> ops) {
  return join(ops, [&](size_t i) { return side.graph.nodes[i].computesIn; });
}

std::string rulesOf(const PolicySide &side, ArrayRef<size_t> ops) {
  return join(ops, [&](size_t i) -> std::string {
    const Decision *decision = side.decisions[i];
    return decision ? (decision->get("list") + ": " + decision->get("Reason")).str() : "as written";
  });
}

std::string sizeText(int64_t bytes) {
  return bytes < 1 << 20 ? llvm::formatv("{0:f1} KiB", bytes / 1024.0).str()
                         : llvm::formatv("{0:f1} MiB", bytes / 1048576.0).str();
}

void printTotals(llvm::raw_ostream &os, const PolicySide &side) {
  int64_t low = 0, full = 0, bytes = 0, casts = 0, moved = 0;
  for (const PrecisionNode &node : side.graph.nodes) {
    low += node.computesIn == "f16" || node.computesIn == "bf16";
    full += node.computesIn == "f32";
    for (const PrecisionValue &value : node.gives)
      bytes += value.bytes;
  }
  for (const PrecisionCast &cast : side.graph.casts)
    if (!cast.isOfParameter) {
      ++casts;
      moved += cast.readBytes + cast.writtenBytes;
    }
  os << escapeForTerminal(side.name) << ": " << low << (low == 1 ? " op" : " ops")
     << " in the low type, " << full << " in f32; forward values " << sizeText(bytes) << "; "
     << casts << (casts == 1 ? " cast" : " casts") << " in a step, " << sizeText(moved) << "\n";
}
} // namespace

void printDifference(llvm::raw_ostream &os, const PolicySide &a, const PolicySide &b) {
  OpsOfNodes inA = opsOfNodes(a.graph), inB = opsOfNodes(b.graph);
  struct Row {
    SmallVector<StringRef> nodes;
    SmallVector<size_t, 2> a, b;
  };
  std::vector<Row> rows;
  std::map<std::pair<SmallVector<size_t, 2>, SmallVector<size_t, 2>>, size_t> rowOf;
  size_t count = 0;
  auto compare = [&](StringRef node) {
    ++count;
    SmallVector<size_t, 2> opsA = inA.lookup(node), opsB = inB.lookup(node);
    if (typesOf(a, opsA) == typesOf(b, opsB))
      return;
    // Nodes that are one op are one row.
    auto [it, isNew] = rowOf.try_emplace({opsA, opsB}, rows.size());
    if (isNew)
      rows.push_back({{}, opsA, opsB});
    rows[it->second].nodes.push_back(node);
  };
  for (const auto &entry : inA)
    compare(entry.first);
  for (const auto &entry : inB)
    if (!inA.contains(entry.first))
      compare(entry.first);
  std::map<std::pair<std::string, std::string>, size_t> totals;
  size_t differing = 0;
  for (const Row &row : rows) {
    std::string typesA = typesOf(a, row.a), typesB = typesOf(b, row.b);
    const PrecisionNode &node =
        row.a.empty() ? b.graph.nodes[row.b.front()] : a.graph.nodes[row.a.front()];
    os << escapeForTerminal(llvm::join(row.nodes, ", "), 1000) << " ("
       << escapeForTerminal(node.operatorName) << "): " << typesA << " | " << typesB << "; "
       << escapeForTerminal(rulesOf(a, row.a), 1000) << " | "
       << escapeForTerminal(rulesOf(b, row.b), 1000) << "\n";
    totals[{typesA, typesB}] += row.nodes.size();
    differing += row.nodes.size();
  }
  os << differing << " of " << count << " nodes differ\n";
  for (const auto &[types, number] : totals)
    os << "  " << number << ": " << types.first << " with " << escapeForTerminal(a.name) << ", "
       << types.second << " with " << escapeForTerminal(b.name) << "\n";
  printTotals(os, a);
  printTotals(os, b);
}
} // namespace ampc
