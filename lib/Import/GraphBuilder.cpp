//===- GraphBuilder.cpp - Builds a function from a graph ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GraphBuilder.h"
#include "NodeOrder.h"
#include "UnsupportedNodes.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Support/NodeLocation.h"
#include "ampc/Support/StoredTypes.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace ampc {
/// Operands up to this size are folded during import: shapes, axes, bounds.
constexpr int64_t kMaxFoldedElements = 1024;

GraphBuilder::GraphBuilder(ImportContext &context, const OperatorTable &operators,
                           const DimensionBinder &dimensions, const WeightStore &weights,
                           PrecisionFlags &precision, ModuleOp module, StringRef name)
    : context(context), operators(operators), dimensions(dimensions), weights(weights),
      precision(precision) {
  auto builder = OpBuilder::atBlockEnd(module.getBody());
  function = func::FuncOp::create(builder, context.loc, name, builder.getFunctionType({}, {}));
  body = function.addEntryBlock();
}

LogicalResult GraphBuilder::add(const Graph &newGraph) {
  graph = &newGraph;
  values.clear();
  if (failed(addArguments()))
    return failure();
  for (const GraphNode &node : graph->nodes)
    if (failed(addNode(node)))
      return failure();
  return addOutputs();
}

/// What the tensors of a sequence are called outside.
static std::string elementName(StringRef sequence, size_t i) {
  return (sequence + "[" + Twine(i) + "]").str();
}

LogicalResult GraphBuilder::addArguments() {
  for (const onnx::ValueInfoProto *input : graph->inputs) {
    if (input->type().has_sequence_type()) {
      FailureOr<SmallVector<RankedTensorType>> types = dimensions.elementTypes(*input);
      if (failed(types))
        return failure();
      SmallVector<Value> elements;
      for (auto [i, type] : llvm::enumerate(*types))
        elements.push_back(addArgument(elementName(input->name(), i), type, std::nullopt));
      OpBuilder builder = OpBuilder::atBlockEnd(body);
      values[input->name()] = buildSequence(builder, context.loc, elements);
      continue;
    }
    FailureOr<RankedTensorType> type = dimensions.inputType(*input);
    if (failed(type))
      return failure();
    values[input->name()] = addArgument(input->name(), *type, dimensions.batchAxis(*input));
  }
  return success();
}

/// The attributes of an argument or a result.
static DictionaryAttr describePort(MLIRContext *context, StringRef name,
                                   std::optional<int64_t> batchAxis) {
  NamedAttrList attributes;
  attributes.set(kNameAttr, StringAttr::get(context, name));
  setBatchAxis(attributes, context, batchAxis);
  return attributes.getDictionary(context);
}

Value GraphBuilder::addArgument(const std::string &name, RankedTensorType type,
                                std::optional<int64_t> batchAxis) {
  unsigned index = body->getNumArguments();
  LogicalResult inserted = function.insertArgument(
      index, type, describePort(&context.mlir, name, batchAxis), context.loc);
  assert(succeeded(inserted) && "a function takes any argument");
  (void)inserted;
  return body->getArgument(index);
}

Value GraphBuilder::lookup(StringRef name) {
  if (Value value = values.lookup(name))
    return value;
  auto it = graph->initializers->find(name);
  if (it == graph->initializers->end())
    return nullptr;

  OpBuilder builder(&context.mlir);
  if (lastInitializer)
    builder.setInsertionPointAfter(lastInitializer);
  else
    builder.setInsertionPointToStart(body);
  const Initializer &initializer = it->second;
  Value value;
  if (initializer.isVariable) {
    value = ReadOp::create(builder, context.loc, initializer.type, initializer.key);
    reads[value] = &initializer;
  } else {
    value = ConstantOp::create(builder, context.loc, weights.getAttr(initializer.key));
  }
  lastInitializer = value.getDefiningOp();
  return values[name] = value;
}

DenseElementsAttr GraphBuilder::constantOf(Value value) {
  if (DenseElementsAttr known = folded.lookup(value))
    return known;
  DenseElementsAttr constant;
  if (matchPattern(value, m_Constant(&constant)))
    return constant;
  const Initializer *read = reads.lookup(value);
  return read && !read->isBound ? weights.getAttr(read->key) : DenseElementsAttr();
}

/// Computes the op's results where its operands are small constants. Floats of variables
/// may be trained, so that no fold may see them.
void GraphBuilder::foldOp(Operation *op) {
  if (op->getNumOperands() == 0 || op->getNumRegions() > 0)
    return;
  SmallVector<Attribute> operands;
  for (Value operand : op->getOperands()) {
    auto type = dyn_cast<ShapedType>(operand.getType());
    if (!type)
      return;
    const Initializer *read = reads.lookup(operand);
    bool mayTrain = read && isa<FloatType>(type.getElementType()) && !read->isNumber &&
                    !context.options.bindings.contains(read->key);
    DenseElementsAttr constant;
    if (!mayTrain && type.getNumElements() <= kMaxFoldedElements)
      constant = constantOf(operand);
    if (!constant)
      return;
    operands.push_back(constant);
  }
  SmallVector<OpFoldResult> foldResults;
  if (failed(op->fold(operands, foldResults)) || foldResults.empty())
    return;
  for (auto [result, foldResult] : llvm::zip_equal(op->getResults(), foldResults)) {
    DenseElementsAttr constant;
    if (auto attribute = dyn_cast<Attribute>(foldResult))
      constant = dyn_cast<DenseElementsAttr>(attribute);
    else
      constant = constantOf(cast<Value>(foldResult));
    if (constant)
      folded[result] = constant;
  }
}

/// That `node` computes in a type that is stored and cast only.
static LogicalResult reportStoredType(const GraphNode &node, const ImportContext &context,
                                      const StoredType &type) {
  return node.emitError(context)
         << "has " << type.name << " as an operand or a result, a type that can be stored, moved "
         << "(Reshape, Transpose, Slice, Gather, Concat, Where and the like) and cast only: put a "
         << "Cast to a type that computes before the node, and one back behind it";
}

/// The first stored type among the operands and results of an op that takes none; null for others.
static const StoredType *findMisplacedType(Operation *op) {
  if (op->hasTrait<TakesStoredTypes>())
    return nullptr;
  for (TypeRange types : {TypeRange(op->getOperandTypes()), TypeRange(op->getResultTypes())})
    for (Type type : types)
      if (const StoredType *stored = findStoredType(type))
        return stored;
  return nullptr;
}

LogicalResult GraphBuilder::addNode(const GraphNode &node) {
  if (!node.proto) {
    values[node.outputs.front()] = lookup(node.inputs.front());
    return success();
  }
  OnnxNode onnxNode(node.getLoc(context));
  onnxNode.name = node.name;
  onnxNode.opType = node.opType().str();
  onnxNode.domain = node.domain;
  onnxNode.version = node.version;
  onnxNode.inputNames = node.inputs;
  onnxNode.outputNames = node.outputs;
  onnxNode.isTraining = node.isTraining;
  onnxNode.trainMode = context.options.trainMode;
  onnxNode.constantOf = [this](Value value) { return constantOf(value); };
  onnxNode.declaredShape = [&](unsigned i) {
    const onnx::ValueInfoProto *declared =
        i < node.outputs.size() ? graph->declared.lookup(node.outputs[i]) : nullptr;
    return declared ? dimensions.declaredShape(*declared) : std::nullopt;
  };
  onnxNode.valueOf = [this](StringRef name) {
    Value value = lookup(name);
    return value && isa<TupleType>(value.getType()) ? Value() : value;
  };
  if (assignsState) {
    onnxNode.stateAfterNodes = [&](unsigned i) { return stateAfterNodes(onnxNode.inputs[i]); };
    onnxNode.assignAfterStep = [&](OpBuilder &b, unsigned i, Value value) {
      assignAfterStep(b, onnxNode.loc, onnxNode.inputs[i], value);
    };
  }
  if (node.isTraining && context.options.learningRate)
    onnxNode.learningRate = [&](OpBuilder &b, unsigned i) {
      return replaceRate(b, onnxNode.loc, node.inputs[i]);
    };
  for (const std::string &input : node.inputs)
    onnxNode.inputs.push_back(input.empty() ? Value() : lookup(input));
  const OperatorTable::Claim *claim = operators.find(node.domain, node.opType(), node.version);
  for (auto [i, input] : llvm::enumerate(onnxNode.inputs))
    if (input && isa<TupleType>(input.getType()) && !claim->name.takesSequences)
      return node.emitError(context) << "input " << i << ", '" << node.inputs[i] << "', is "
                                     << typeText(input.getType()) << ", but should be a tensor";
  if (!claim->takesStoredTypes)
    for (Value input : onnxNode.inputs)
      if (const StoredType *stored = input ? findStoredType(input.getType()) : nullptr)
        return reportStoredType(node, context, *stored);
  if (failed(readAttributes(node, onnxNode, context)))
    return failure();
  if (failed(addGraphs(node, onnxNode)))
    return failure();

  Operation *last = body->empty() ? nullptr : &body->back();
  while (last && last->getNumResults() == 0) // an assignment, which the node may erase
    last = last->getPrevNode();
  bool hasBody = last && last != lastInitializer;
  // An op that fails without a word must not end the import without one.
  unsigned errors = 0;
  ScopedDiagnosticHandler counter(&context.mlir, [&](Diagnostic &diagnostic) {
    errors += diagnostic.getSeverity() == DiagnosticSeverity::Error;
    return failure(); // to be printed by the next handler
  });
  OpBuilder builder = OpBuilder::atBlockEnd(body);
  FailureOr<SmallVector<Value>> results = claim->op->importNode(onnxNode, builder);
  if (failed(results) || onnxNode.hadError || errors > 0) {
    if (errors == 0)
      return node.emitError(context) << "cannot be imported";
    return failure();
  }
  if (failed(onnxNode.checkAttributes()))
    return failure();

  if (onnxNode.isInference)
    ++inferenceCounts[onnxNode.opType];

  // Reads may have been put before, at the body's start.
  Operation *first = hasBody           ? last->getNextNode()
                     : lastInitializer ? lastInitializer->getNextNode()
                     : body->empty()   ? nullptr
                                       : &body->front();
  for (Operation *op = first; op; op = op->getNextNode())
    if (const StoredType *stored = findMisplacedType(op))
      return reportStoredType(node, context, *stored);
  PrecisionFlags::Choice choice;
  if (node.isTraining) {
    choice.precision = PrecisionFlags::makeAttr(&context.mlir, kFullPrecision, "training_info");
  } else {
    FailureOr<PrecisionFlags::Choice> decided = precision.decide(node);
    if (failed(decided))
      return failure();
    choice = *std::move(decided);
  }
  choice.mark(first, onnxNode.inputs);
  for (Operation *op = first; op; op = op->getNextNode())
    foldOp(op);
  nameOps(node, first, *results);
  return defineOutputs(node, *results);
}

/// Lets the op that claims the node build the graphs among its attributes.
LogicalResult GraphBuilder::addGraphs(const GraphNode &node, OnnxNode &onnxNode) {
  for (const auto &entry : node.graphs) {
    const Subgraph &subgraph = *entry.second;
    auto importInline = [this, &node, &subgraph](OpBuilder &builder, ValueRange inputs) {
      assert(builder.getInsertionBlock() == body && builder.getInsertionPoint() == body->end() &&
             "graphs are inlined where their node stands");
      return addSubgraph(node, subgraph, inputs);
    };
    OnnxGraph graph;
    graph.inputCount = subgraph.inputs.size();
    graph.outputCount = subgraph.outputs.size();
    graph.nodeCount = subgraph.nodeCount;
    for (const onnx::ValueInfoProto *input : subgraph.inputProtos)
      graph.inputTypes.push_back(dimensions.declaredType(*input));
    for (const onnx::ValueInfoProto &output : subgraph.proto->output())
      graph.outputTypes.push_back(dimensions.declaredType(output));
    graph.importInline = importInline;
    if (!onnxNode.attributes.try_emplace(entry.first(), std::move(graph)).second)
      return node.emitError(context) << "attribute '" << entry.first() << "' is given twice";
  }
  return success();
}

FailureOr<SmallVector<Value>>
GraphBuilder::addSubgraph(const GraphNode &node, const Subgraph &subgraph, ValueRange inputs) {
  assert(inputs.size() == subgraph.inputs.size() && "each input of the graph has a value");
  for (const GraphNode &inside : subgraph.nodes) // of another time that the graph was inlined
    for (const std::string &output : inside.outputs)
      values.erase(output);
  for (auto [name, value] : llvm::zip_equal(subgraph.inputs, inputs))
    values[name] = value;
  llvm::StringSet<> given;
  for (const GraphNode &inside : subgraph.nodes)
    for (const std::string &input : inside.inputs)
      if (isVisible(input))
        given.insert(input);
  std::vector<GraphNode> nodes = subgraph.nodes;
  if (failed(sortNodes(nodes, given, context)))
    return failure();
  inlinedCount += std::max<int64_t>(nodes.size(), 1); // repeating nothing has an end, too
  if (inlinedCount > kMaxInlinedNodes)
    return node.emitError(context) << "the graphs in nodes are more than " << kMaxInlinedNodes
                                   << " nodes once all that they repeat is written out";
  UnsupportedNodes unsupported(operators);
  unsupported.addConstants(*subgraph.proto);
  unsupported.add(nodes);
  if (!unsupported.empty())
    return unsupported.report(context);
  for (const GraphNode &inside : nodes)
    if (failed(addNode(inside)))
      return failure();
  SmallVector<Value> outputs;
  for (auto [name, declared] : llvm::zip_equal(subgraph.outputs, subgraph.proto->output())) {
    outputs.push_back(lookup(name));
    if (!outputs.back())
      return node.emitError(context) << "output '" << declared.name() << "' of its graph '"
                                     << subgraph.proto->name() << "' is made by no node";
  }
  return outputs;
}

Value GraphBuilder::stateAfterNodes(Value read) {
  AssignOp assignment = assignments.lookup(read);
  return assignment ? assignment.getValue() : read;
}

void GraphBuilder::assignAfterStep(OpBuilder &builder, Location loc, Value read, Value value) {
  const Initializer *initializer = reads.lookup(read);
  if (!initializer || initializer->isBound)
    return;
  assert(value.getType() == initializer->type && "state keeps its type");
  AssignOp &assignment = assignments[read];
  if (assignment) // by another use of the layer
    assignment->erase();
  assignment = AssignOp::create(builder, loc, initializer->key, value);
}

Value GraphBuilder::replaceRate(OpBuilder &builder, Location loc, StringRef input) {
  replacedRates.insert(input);
  auto type = RankedTensorType::get({}, builder.getF32Type());
  return readScalar(builder, loc, AMPC_SCALAR_LEARNING_RATE,
                    DenseElementsAttr::get(type, float(*context.options.learningRate)));
}

void GraphBuilder::nameOps(const GraphNode &node, Operation *first, ArrayRef<Value> results) {
  DenseMap<Operation *, SmallVector<StringRef>> names;
  for (auto [name, value] : llvm::zip(node.outputs, results)) {
    Operation *op = value ? value.getDefiningOp() : nullptr;
    if (!op || name.empty() || isa<TupleType>(value.getType()))
      continue;
    SmallVector<StringRef> &given = names[op];
    given.resize(op->getNumResults());
    given[cast<OpResult>(value).getResultNumber()] = name;
  }
  for (Operation *op = first; op; op = op->getNextNode())
    if (auto it = names.find(op); it != names.end())
      op->setLoc(nameResults(op->getLoc(), it->second, /*isGradient=*/false));
}

LogicalResult GraphBuilder::defineOutputs(const GraphNode &node, ArrayRef<Value> results) {
  for (auto [i, name] : llvm::enumerate(node.outputs)) {
    if (name.empty())
      continue;
    if (i >= results.size() || !results[i])
      return node.emitError(context) << "has output " << i << ", '" << name << "', which "
                                     << node.opType() << " does not give here";
    Type type = results[i].getType();
    auto sequence = dyn_cast<TupleType>(type);
    for (Type element : sequence ? sequence.getTypes() : ArrayRef(type))
      if (failed(checkTensor(node, name, element)))
        return failure();
    if (failed(checkDeclared(node, name, type)))
      return failure();
    values[name] = results[i];
  }
  return success();
}

LogicalResult GraphBuilder::checkTensor(const GraphNode &node, StringRef name, Type given) {
  auto type = dyn_cast<RankedTensorType>(given);
  if (!type || !type.hasStaticShape())
    return node.emitError(context) << "output '" << name << "' has no shape at compile time";
  std::optional<int64_t> size = WeightStore::byteSize(type);
  if (!size || *size > kMaxTensorBytes)
    return node.emitError(context)
           << "output '" << name << "' would be too large: " << typeText(type);
  return success();
}

LogicalResult GraphBuilder::checkDeclared(const GraphNode &node, StringRef name, Type type) {
  const onnx::ValueInfoProto *declared = graph->declared.lookup(name);
  if (!declared)
    return success();
  std::string conflict = dimensions.findConflict(declared->type(), type);
  if (conflict.empty())
    return success();
  return node.emitError(context) << "output '" << name << "' is " << typeText(type)
                                 << ", but the model declares " << conflict;
}

LogicalResult GraphBuilder::addOutputs() {
  for (const onnx::ValueInfoProto *output : graph->outputs) {
    Value value = lookup(output->name());
    if (!value)
      return context.emitError() << "output '" << output->name()
                                 << "' of the graph is made by no node";
    if (auto type = dyn_cast<RankedTensorType>(value.getType())) {
      if (failed(addOutput(output->name(), value, dimensions.batchAxisOfResult(*output, type))))
        return failure();
      continue;
    }
    OperandRange elements = getElements(value);
    if (elements.empty())
      return context.emitError() << "output '" << output->name()
                                 << "' is a sequence without a tensor, which no file can hold";
    for (auto [i, element] : llvm::enumerate(elements))
      if (failed(addOutput(elementName(output->name(), i), element, std::nullopt)))
        return failure();
  }
  return success();
}

LogicalResult GraphBuilder::addOutput(const std::string &name, Value value,
                                      std::optional<int64_t> batchAxis) {
  if (!outputsByName.insert(name).second)
    return context.emitError()
           << "there are two outputs '" << name
           << "': the tensors of a sequence are called by its name and a number";
  results.push_back(value);
  resultAttrs.push_back(describePort(&context.mlir, name, batchAxis));
  return success();
}

LogicalResult GraphBuilder::assign(ArrayRef<Binding> bindings, const Initializers &variables) {
  OpBuilder builder = OpBuilder::atBlockEnd(body);
  for (const Binding &binding : bindings) {
    const Initializer &variable = variables.find(binding.variable)->second;
    Value value = lookup(binding.value);
    if (!value)
      return context.emitError() << "training_info: '" << binding.value << "', which updates '"
                                 << binding.variable << "', is made by no node";
    Type type = value.getType();
    if (type != variable.type)
      return context.emitError() << "training_info: '" << binding.value << "' is " << typeText(type)
                                 << ", but '" << binding.variable << "', which it updates, is "
                                 << typeText(variable.type);
    AssignOp::create(builder, context.loc, variable.key, value);
  }
  return success();
}

void GraphBuilder::finish() {
  OpBuilder builder = OpBuilder::atBlockEnd(body);
  func::ReturnOp::create(builder, context.loc, results);
  // Whatever looked at a sequence has taken the tensors of it.
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*body)))
    if (llvm::any_of(op.getResultTypes(), llvm::IsaPred<TupleType>))
      op.erase();
  // An input that only gave the rate is none of the step's.
  llvm::BitVector replaced(body->getNumArguments());
  for (BlockArgument argument : body->getArguments()) {
    auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kNameAttr);
    if (replacedRates.contains(name) && argument.use_empty())
      replaced.set(argument.getArgNumber());
  }
  (void)function.eraseArguments(replaced);
  function.setType(builder.getFunctionType(body->getArgumentTypes(), TypeRange(results)));
  SmallVector<Attribute> attributes(resultAttrs.begin(), resultAttrs.end());
  if (!attributes.empty())
    function.setResAttrsAttr(builder.getArrayAttr(attributes));
}
} // namespace ampc
