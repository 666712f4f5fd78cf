//===- Report.cpp - What was decided, for people and for programs ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Report.h"
#include "ampc/Dialect/Amp/AmpBase.h"
#include "ampc/Support/NodeLocation.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Regex.h"

using namespace mlir;

namespace ampc {
namespace {
class Collector : public remark::detail::MLIRRemarkStreamerBase {
public:
  explicit Collector(std::shared_ptr<std::vector<Decision>> decisions)
      : decisions(std::move(decisions)) {}

  void streamOptimizationRemark(const remark::detail::Remark &remark) override {
    if (remark.getCategoryName() == "plan-work")
      return; // counts, no decisions
    Decision decision;
    for (StringRef node : getNodeNames(remark.getLocation()))
      decision.nodes.push_back(node.str());
    decision.pass = remark.getCategoryName().str();
    decision.name = remark.getRemarkName().str();
    decision.op = remark.getFunction().str();
    for (const auto &argument : remark.getArgs())
      if (argument.key == "function")
        decision.function = argument.val;
      else
        decision.facts.emplace_back(argument.key, argument.val);
    decisions->push_back(std::move(decision));
  }

private:
  std::shared_ptr<std::vector<Decision>> decisions;
};
} // namespace

DecisionLog::DecisionLog(MLIRContext &context)
    : decisions(std::make_shared<std::vector<Decision>>()) {
  remark::RemarkCategories all;
  // `all` alone turns no kind of remark on; each wants a filter of its own.
  all.passed = all.missed = all.failed = all.analysis = ".*";
  if (failed(remark::enableOptimizationRemarks(context, std::make_unique<Collector>(decisions),
                                               std::make_unique<remark::RemarkEmittingPolicyAll>(),
                                               all)))
    llvm::report_fatal_error("remarks are set up twice");
}

StringRef Decision::get(StringRef key) const {
  for (const auto &[name, value] : facts)
    if (name == key)
      return value;
  return "";
}

std::vector<const Decision *> DecisionLog::decisionsOfNodes() const {
  // Of each op and node, in the order of the graph. CSE takes ops away and merges nodes, so that
  // the next with the node's type is taken, or the first where none is left.
  struct Queue {
    std::vector<const Decision *> list;
    size_t next = 0;
  };
  llvm::StringMap<Queue> queues;
  for (const Decision &decision : *decisions)
    if (decision.name == "computes-in" && decision.function == graph.function)
      for (const std::string &node : decision.nodes)
        queues[decision.op + "\n" + node].list.push_back(&decision);
  std::vector<const Decision *> result;
  for (const PrecisionNode &node : graph.nodes) {
    const Decision *&found = result.emplace_back(nullptr);
    for (const std::string &name : node.names) {
      auto it = queues.find(node.op + "\n" + name);
      if (it == queues.end())
        continue;
      Queue &queue = it->second;
      auto fits = [&](const Decision *decision) {
        return decision->get("type") == node.computesIn;
      };
      auto from = llvm::find_if(llvm::drop_begin(queue.list, queue.next), fits);
      if (from == queue.list.end())
        from = llvm::find_if(queue.list, fits);
      else
        queue.next = from - queue.list.begin() + 1;
      if (from != queue.list.end() && !found)
        found = *from;
    }
  }
  return result;
}

size_t DecisionLog::explain(llvm::raw_ostream &os, StringRef regex) const {
  llvm::Regex filter(regex);
  struct Line {
    std::string key, text;
    llvm::SmallSetVector<StringRef, 2> functions;
  };
  std::vector<Line> lines;
  llvm::StringMap<size_t> lineOf;                 // by text
  llvm::StringMap<llvm::StringSet<>> functionsOf; // by node and decision
  llvm::StringMap<size_t> firstOf;                // line, by the same
  for (const Decision &decision : *decisions) {
    std::string node = llvm::join(decision.nodes, ", ");
    if (!regex.empty() && !filter.match(node))
      continue;
    std::string text;
    llvm::raw_string_ostream line(text);
    line << (node.empty() ? "-" : node) << ": " << decision.op << " " << decision.name;
    for (auto &[key, value] : decision.facts)
      line << (key == "Reason" ? "; " : " ") << (key == "Reason" ? "" : key + "=") << value;
    std::string key = node + "\n" + decision.name;
    auto [it, isNew] = lineOf.try_emplace(text, lines.size());
    firstOf.try_emplace(key, it->second);
    if (isNew)
      lines.push_back({key, text, {}});
    lines[it->second].functions.insert(decision.function);
    functionsOf[key].insert(decision.function);
  }
  for (const auto &[i, node] : llvm::enumerate(graph.nodes)) {
    std::string names = llvm::join(node.names, ", ");
    if (!regex.empty() && !filter.match(names))
      continue;
    std::string text = names + ": " + graph.describe(i);
    if (lineOf.try_emplace(text, lines.size()).second)
      lines.push_back({names + "\ncomputes-in", text, {}});
    firstOf.try_emplace(lines.back().key, lines.size() - 1);
  }
  // A node's lines stand together, at the first one's place.
  llvm::stable_sort(lines, [&](const Line &a, const Line &b) {
    return firstOf.lookup(a.key) < firstOf.lookup(b.key);
  });
  for (const Line &line : lines) {
    os << line.text;
    // As many functions as the node has lines in: it is the same in all of them.
    if (!line.functions.empty() && line.functions.size() < functionsOf[line.key].size())
      os << " [" << llvm::join(line.functions, ", ") << "]";
    os << "\n";
  }
  return lines.size();
}

static llvm::json::Array toJson(ArrayRef<PrecisionValue> values, ArrayRef<PrecisionCast> casts) {
  llvm::json::Array list;
  for (const PrecisionValue &value : values) {
    llvm::json::Object entry{{"value", value.name}, {"type", value.type}, {"bytes", value.bytes}};
    if (value.cast)
      entry["cast_to"] = casts[*value.cast].to;
    list.push_back(std::move(entry));
  }
  return list;
}

llvm::json::Array DecisionLog::toJson() const {
  llvm::json::Array list;
  for (const Decision &decision : *decisions) {
    llvm::json::Object entry{{"nodes", llvm::json::Array(decision.nodes)},
                             {"pass", decision.pass},
                             {"decision", decision.name},
                             {"op", decision.op}};
    if (!decision.function.empty())
      entry["function"] = decision.function;
    for (auto &[key, value] : decision.facts)
      entry[StringRef(key).lower()] = value;
    list.push_back(std::move(entry));
  }
  if (graph.function.empty())
    return list;
  auto add = [&](StringRef kind, StringRef op, ArrayRef<std::string> nodes,
                 llvm::json::Object entry) {
    entry["pass"] = "precision";
    entry["decision"] = kind;
    entry["op"] = op;
    entry["function"] = graph.function;
    entry["nodes"] = llvm::json::Array(nodes);
    list.push_back(std::move(entry));
  };
  std::vector<const Decision *> reasons = decisionsOfNodes();
  int64_t low = 0, full = 0, bytes = 0, bytesInF32 = 0;
  for (const auto &[i, node] : llvm::enumerate(graph.nodes)) {
    llvm::json::Object entry{{"operator", node.operatorName},
                             {"computes_in", node.computesIn},
                             {"reads", ampc::toJson(node.reads, graph.casts)},
                             {"gives", ampc::toJson(node.gives, graph.casts)}};
    if (reasons[i]) {
      entry["list"] = reasons[i]->get("list");
      entry["reason"] = reasons[i]->get("Reason");
    }
    low += node.computesIn == "f16" || node.computesIn == "bf16";
    full += node.computesIn == "f32";
    for (const PrecisionValue &value : node.gives) {
      bytes += value.bytes;
      bytesInF32 += value.bytesInF32;
    }
    add("node", node.op, node.names, std::move(entry));
  }
  int64_t inStep = 0, moved = 0;
  for (const PrecisionCast &cast : graph.casts) {
    llvm::json::Array users;
    for (size_t user : cast.users)
      users.push_back(llvm::json::Array(graph.nodes[user].names));
    if (!cast.isOfParameter) {
      ++inStep;
      moved += cast.readBytes + cast.writtenBytes;
    }
    add("cast", "amp.cast",
        cast.source ? ArrayRef<std::string>(graph.nodes[*cast.source].names)
                    : ArrayRef<std::string>(),
        llvm::json::Object{{"value", cast.value},
                           {"from", cast.from},
                           {"to", cast.to},
                           {"read_bytes", cast.readBytes},
                           {"written_bytes", cast.writtenBytes},
                           {"of_parameter", cast.isOfParameter},
                           {"for", std::move(users)}});
  }
  add("summary", "", {},
      llvm::json::Object{{"low_ops", low},
                         {"f32_ops", full},
                         {"value_bytes", bytes},
                         {"value_bytes_in_f32", bytesInF32},
                         {"casts", int64_t(graph.casts.size())},
                         {"casts_in_step", inStep},
                         {"cast_bytes_in_step", moved}});
  return list;
}

void listOperators(MLIRContext &context, llvm::raw_ostream &os) {
  struct Row {
    OnnxName name;
    StringRef op;
    SmallVector<StringRef, 3> lists; ///< f16, bf16, PyTorch's
    bool gradient;
  };
  std::vector<Row> rows;
  for (RegisteredOperationName op : context.getRegisteredOperations()) {
    auto *onnx = op.getInterface<OnnxOpInterface>();
    if (!onnx)
      continue;
    SmallVector<StringRef, 3> lists(3, "-");
    if (auto *interface = op.getInterface<PrecisionOpInterface>()) {
      PrecisionRecord record = interface->getPrecisionRecord();
      lists = {stringify(record.f16), stringify(record.bf16), stringify(record.pytorch)};
    }
    for (const OnnxName &name : onnx->getOnnxNames())
      rows.push_back(
          {name, op.getStringRef(), lists, bool(op.getInterface<GradientOpInterface>())});
  }
  llvm::sort(rows, [](const Row &x, const Row &y) {
    return std::tie(x.name.domain, x.name.name) < std::tie(y.name.domain, y.name.name);
  });
  constexpr const char *kRow = "{0,-34} {1,-8} {2,-8} {3,-9} {4,-28} {5,-8} {6}\n";
  os << llvm::formatv(kRow, "operator", "opsets", "list", "gradient", "op", "bf16", "pytorch");
  for (const Row &row : rows) {
    std::string name = row.name.domain.empty() ? row.name.name.str()
                                               : (row.name.domain + "." + row.name.name).str();
    std::string range = llvm::formatv("{0}-{1}", row.name.since, row.name.until);
    os << llvm::formatv(kRow, name, range, row.lists[0], row.gradient ? "yes" : "-", row.op,
                        row.lists[1], row.lists[2]);
  }
}
} // namespace ampc
