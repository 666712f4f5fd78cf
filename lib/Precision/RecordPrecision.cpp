//===- RecordPrecision.cpp - The types of a graph, as decided -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PrecisionPolicy.h"
#include "ampc/Dialect/Amp/Ops/Gradient.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Precision/Passes.h"
#include "ampc/Precision/PrecisionGraph.h"
#include "ampc/Support/NodeLocation.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

namespace ampc {
#define GEN_PASS_DEF_RECORDPRECISION
#include "ampc/Precision/Passes.h.inc"

namespace {
std::string textOf(Type element) {
  std::string text;
  llvm::raw_string_ostream(text) << element;
  return text;
}

bool isInserted(Operation *op) {
  auto cast = dyn_cast<CastOp>(op);
  return cast && cast.getInserted();
}

int64_t bytesOf(RankedTensorType type) {
  return type.getNumElements() * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

/// The cast that autocast put before `value`; null where there is none. That of a constant is
/// another constant.
CastOp insertedCast(Value value) {
  auto cast = value.getDefiningOp<CastOp>();
  return cast && cast.getInserted() && !matchPattern(cast.getInput(), m_Constant()) ? cast
                                                                                    : CastOp();
}

class Reader {
public:
  explicit Reader(func::FuncOp function) : function(function) {}

  PrecisionGraph read();

private:
  void addNode(Operation &op, std::vector<std::string> names);
  PrecisionValue describe(Value value);
  std::string nameOf(Value value);
  size_t addCast(CastOp cast, size_t user);

  func::FuncOp function;
  PrecisionGraph graph;
  DenseMap<Operation *, size_t> nodeOf, castOf;
};

std::string Reader::nameOf(Value value) {
  while (CastOp cast = insertedCast(value))
    value = cast.getInput();
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto name = argument.getOwner() == &function.getBody().front()
                    ? function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kNameAttr)
                    : StringAttr();
    return name ? name.str() : "";
  }
  Operation *op = value.getDefiningOp();
  if (auto read = dyn_cast<ReadOp>(op))
    return read.getVariable().str();
  if (op->hasTrait<OpTrait::ConstantLike>() || isInserted(op))
    return "constant";
  ResultName name = getResultName(op->getLoc(), cast<OpResult>(value).getResultNumber());
  return name.isGradient && !name.value.empty() ? ("gradient of " + name.value).str()
                                                : name.value.str();
}

PrecisionValue Reader::describe(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  PrecisionValue result;
  result.name = nameOf(value);
  for (int64_t extent : type.getShape())
    result.type += std::to_string(extent) + "x";
  result.type += textOf(type.getElementType());
  result.bytes = bytesOf(type);
  bool isLow = isa<FloatType>(type.getElementType()) && type.getElementTypeBitWidth() == 16;
  result.bytesInF32 = isLow ? 2 * result.bytes : result.bytes;
  return result;
}

size_t Reader::addCast(CastOp op, size_t user) {
  auto [it, isNew] = castOf.try_emplace(op, graph.casts.size());
  if (isNew) {
    PrecisionCast &entry = graph.casts.emplace_back();
    auto from = cast<RankedTensorType>(op.getInput().getType());
    auto to = cast<RankedTensorType>(op.getType());
    entry.value = nameOf(op.getInput());
    entry.from = textOf(from.getElementType());
    entry.to = textOf(to.getElementType());
    entry.readBytes = bytesOf(from);
    entry.writtenBytes = bytesOf(to);
    VariableOp variable;
    if (auto read = op.getInput().getDefiningOp<ReadOp>())
      variable = SymbolTable::lookupNearestSymbolFrom<VariableOp>(read, read.getVariableAttr());
    entry.isOfParameter = variable && variable.getRole() == VariableRole::Parameter;
    if (Operation *source = op.getInput().getDefiningOp())
      if (auto known = nodeOf.find(source); known != nodeOf.end())
        entry.source = known->second;
  }
  std::vector<size_t> &users = graph.casts[it->second].users;
  if (users.empty() || users.back() != user)
    users.push_back(user);
  return it->second;
}

void Reader::addNode(Operation &op, std::vector<std::string> names) {
  size_t index = graph.nodes.size();
  nodeOf[&op] = index;
  PrecisionNode node;
  node.names = std::move(names);
  node.operatorName = getNodeType(op.getLoc()).str();
  node.op = op.getName().getStringRef().str();
  for (Value operand : op.getOperands()) {
    if (!isa<RankedTensorType>(operand.getType()))
      continue;
    CastOp inserted = insertedCast(operand);
    PrecisionValue &value =
        node.reads.emplace_back(describe(inserted ? inserted.getInput() : operand));
    if (inserted)
      value.cast = addCast(inserted, index);
  }
  if (auto precision = dyn_cast<PrecisionOpInterface>(op))
    if (SmallVector<OpOperand *> computed = computedOperands(precision); !computed.empty())
      node.computesIn = textOf(getElementTypeOrSelf(computed.front()->get().getType()));
  for (Value result : op.getResults())
    if (isa<RankedTensorType>(result.getType()))
      node.gives.push_back(describe(result));
  graph.nodes.push_back(std::move(node));
}

PrecisionGraph Reader::read() {
  graph.function = function.getName().str();
  bool isBehindLoss = false;
  for (Operation &op : function.getBody().front()) {
    if (op.hasTrait<OpTrait::ConstantLike>() || isa<ReadOp>(op) || isInserted(&op) ||
        op.getNumResults() == 0)
      continue;
    std::vector<std::string> names;
    for (StringRef name : getNodeNames(op.getLoc()))
      names.push_back(name.str());
    isBehindLoss |= isa<GradientOp>(op);
    // What stands for no node belongs to the step around the graph, but for an attached loss.
    auto precision = dyn_cast<PrecisionOpInterface>(op);
    bool isLoss = !isBehindLoss && precision && !computedOperands(precision).empty();
    if (!names.empty() && (isLoss || !getNodeType(op.getLoc()).empty()))
      addNode(op, std::move(names));
  }
  return std::move(graph);
}

struct RecordPrecision : impl::RecordPrecisionBase<RecordPrecision> {
  RecordPrecision() = default;
  explicit RecordPrecision(PrecisionGraph *graph) : graph(graph) {}

  void runOnOperation() override {
    PrecisionGraph read = readPrecisionGraph(getOperation());
    markAllAnalysesPreserved();
    if (graph) {
      *graph = std::move(read);
      return;
    }
    for (size_t i = 0; i < read.nodes.size(); ++i)
      llvm::outs() << llvm::join(read.nodes[i].names, ", ") << ": " << read.describe(i) << "\n";
  }

  PrecisionGraph *graph = nullptr;
};
} // namespace

std::string PrecisionGraph::describe(size_t index) const {
  const PrecisionNode &node = nodes[index];
  std::string text;
  llvm::raw_string_ostream os(text);
  auto name = [](const PrecisionValue &value) {
    return value.name.empty() ? "" : value.name + " ";
  };
  auto bytes = [](const PrecisionCast &cast) {
    return llvm::formatv("{0} bytes read, {1} written", cast.readBytes, cast.writtenBytes).str();
  };
  os << node.op << " reads";
  for (const auto &[i, value] : llvm::enumerate(node.reads)) {
    os << (i ? ", " : " ") << name(value) << value.type;
    if (!value.cast)
      continue;
    const PrecisionCast &cast = casts[*value.cast];
    os << " cast to " << cast.to << " ("
       << (cast.isOfParameter ? "a copy that the update keeps" : bytes(cast)) << ")";
  }
  os << (node.reads.empty() ? " nothing; gives" : "; gives");
  for (const auto &[i, value] : llvm::enumerate(node.gives))
    os << (i ? ", " : " ") << name(value) << value.type;
  for (const PrecisionCast &cast : casts) {
    if (cast.source != index)
      continue;
    os << ", cast to " << cast.to << " (" << bytes(cast) << ") for ";
    for (const auto &[i, user] : llvm::enumerate(cast.users))
      os << (i ? ", " : "") << llvm::join(nodes[user].names, ", ");
  }
  return text;
}

PrecisionGraph readPrecisionGraph(ModuleOp module) {
  for (StringRef name : {kTrainFunction, kEvalFunction, kMainFunction})
    if (auto function = module.lookupSymbol<func::FuncOp>(name); function && !function.isExternal())
      return Reader(function).read();
  return {};
}

std::unique_ptr<Pass> createRecordPrecision(PrecisionGraph *graph) {
  return std::make_unique<RecordPrecision>(graph);
}
} // namespace ampc
