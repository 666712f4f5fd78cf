//===- LoopImport.cpp - Loops and scans, written out ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Sequences.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

namespace {
using Values = SmallVector<Value>;

/// The graph that a node repeats: it takes and gives `states`, which it carries from one iteration
/// to the next, and gives further outputs that are collected.
class Repeated {
public:
  Repeated(OnnxNode &node, OpBuilder &builder, const OnnxGraph &graph, ValueRange initial,
           size_t firstState)
      : node(node), builder(builder), graph(graph), states(initial), firstState(firstState),
        collected(graph.outputCount - firstState - initial.size()) {}

  /// Builds the graph once more, on `inputs`, among which the states are. Gives all its outputs,
  /// of which the states and what is collected have been taken.
  FailureOr<Values> iterate(ArrayRef<Value> inputs);

  /// What was collected as output `i`, side by side along the new dimension `axis`, which may be
  /// negative. Where no iteration ran, what the graph declares as the output, with no element.
  FailureOr<Value> stack(size_t i, int64_t axis, bool isReversed);

  OnnxNode &node;
  OpBuilder &builder;
  const OnnxGraph &graph;
  Values states;
  size_t firstState; ///< among the outputs
  SmallVector<Values> collected;
  int64_t iterations = 0;
};
} // namespace

/// The attribute 'body'; null after an error.
static const OnnxGraph *getBody(OnnxNode &node) {
  const OnnxGraph *body = node.getGraph("body");
  if (!body && !node.hadError)
    node.emitError() << "lacks the attribute 'body'";
  return node.hadError ? nullptr : body;
}

static InFlightDiagnostic countError(OnnxNode &node, const OnnxGraph &body) {
  return node.emitError() << "attribute 'body' is a graph of " << body.inputCount << " inputs and "
                          << body.outputCount << " outputs, but ";
}

/// Whether so many iterations can be written out.
static LogicalResult checkSize(OnnxNode &node, const OnnxGraph &body, int64_t iterations) {
  if (iterations <= kMaxInlinedNodes / std::max<int64_t>(body.nodeCount, 1))
    return success();
  return node.emitError() << "is written out at compile time: " << iterations << " iterations of "
                          << body.nodeCount << " nodes are more than the " << kMaxInlinedNodes
                          << " that can be; use fewer iterations, or operators on whole tensors";
}

FailureOr<Values> Repeated::iterate(ArrayRef<Value> inputs) {
  if (failed(checkSize(node, graph, ++iterations)))
    return failure();
  FailureOr<Values> outputs = graph.importInline(builder, inputs);
  if (failed(outputs))
    return failure();
  for (auto [i, state] : llvm::enumerate(states)) {
    Value next = (*outputs)[firstState + i];
    Type before = getElementTypeOrSelf(state.getType()),
         after = getElementTypeOrSelf(next.getType());
    if (isSequence(state) ? !isSequence(next) : before != after)
      return node.emitError() << "output " << firstState + i << " of its graph is "
                              << next.getType() << ", but what it carries on is "
                              << state.getType();
    state = next;
  }
  for (auto [i, values] : llvm::enumerate(collected)) {
    size_t at = firstState + states.size() + i;
    values.push_back((*outputs)[at]);
    if (isSequence(values.back()))
      return node.emitError() << "output " << at
                              << " of its graph is a sequence, but must be a tensor";
  }
  return outputs;
}

FailureOr<Value> Repeated::stack(size_t i, int64_t axis, bool isReversed) {
  Values &parts = collected[i];
  size_t at = firstState + states.size() + i;
  RankedTensorType declared = graph.outputTypes[at];
  if (parts.empty() && !declared)
    return node.emitError() << "runs no iteration, and its graph does not declare the shape of its "
                            << "output " << at;
  int64_t rank = parts.empty() ? declared.getRank() : tensorType(parts.front()).getRank();
  FailureOr<int64_t> wrapped = normalizeAxis(node, axis, rank + 1);
  if (failed(wrapped))
    return failure();
  if (parts.empty()) {
    SmallVector<int64_t> shape(declared.getShape());
    llvm::replace(shape, ShapedType::kDynamic, int64_t(0));
    shape.insert(shape.begin() + *wrapped, 0);
    auto type = RankedTensorType::get(shape, declared.getElementType());
    return buildConstant(builder, node.loc, DenseElementsAttr::get(type, ArrayRef<Attribute>()));
  }
  Values ordered = parts;
  if (isReversed)
    std::reverse(ordered.begin(), ordered.end());
  return importStack(node, builder, ordered, *wrapped);
}

//===----------------------------------------------------------------------===//
// Loop
//===----------------------------------------------------------------------===//

/// A number as input `i` of the body: of rank 0, or of one element where the body says so.
static Value bodyNumber(OpBuilder &builder, const OnnxNode &node, const OnnxGraph &body, unsigned i,
                        Type element, int64_t value) {
  RankedTensorType declared = body.inputTypes[i];
  bool isList = declared && declared.getRank() == 1;
  auto type = RankedTensorType::get(isList ? ArrayRef<int64_t>(1) : ArrayRef<int64_t>(), element);
  return buildConstant(
      builder, node.loc,
      DenseElementsAttr::get(type, APInt(element.getIntOrFloatBitWidth(), uint64_t(value))));
}

/// The one boolean that decides whether an iteration runs, which `what` names.
static FailureOr<bool> readCondition(OnnxNode &node, Value condition, const Twine &what) {
  auto type = dyn_cast<RankedTensorType>(condition.getType());
  if (!type || !type.getElementType().isInteger(1) || type.getNumElements() != 1)
    return node.emitError() << what << " must be one boolean, but is " << condition.getType();
  if (DenseElementsAttr known = node.constantOf(condition))
    return *known.getValues<bool>().begin();
  return node.emitError() << what << " is not known at compile time, where iterations are written "
                          << "out: it may hang on constants and on the iteration's number alone";
}

/// `for (i = 0; i < inputs[0] && inputs[1]; ++i)`, either of which may be left out; the condition
/// is then what the body gives first, or, where there is none, not looked at.
FailureOr<SmallVector<Value>> ampc::importLoop(OnnxNode &node, OpBuilder &builder) {
  const OnnxGraph *body = getBody(node);
  if (!body)
    return failure();
  ArrayRef<Value> initial =
      ArrayRef(node.inputs).drop_front(std::min<size_t>(2, node.inputs.size()));
  if (llvm::is_contained(initial, Value()))
    return node.emitError() << "leaves out what an iteration carries to the next";
  size_t count = initial.size();
  if (body->inputCount != count + 2 || body->outputCount < count + 1 ||
      body->outputCount - 1 < node.outputNames.size())
    return countError(node, *body)
           << "a loop that carries " << count << (count == 1 ? " value" : " values") << " and has "
           << node.outputNames.size() << " outputs takes " << count + 2
           << " inputs, and at least 1 output more than it carries and has";

  std::optional<int64_t> limit;
  if (node.input(0)) {
    FailureOr<SmallVector<int64_t>> given = node.constantInts(0, "the number of iterations");
    if (failed(given))
      return failure();
    if (given->size() != 1)
      return node.emitError() << "the number of iterations must be one, but has " << given->size()
                              << " elements";
    limit = given->front();
  }
  bool runs = true, hasCondition = bool(node.input(1));
  if (hasCondition) {
    FailureOr<bool> first = readCondition(node, node.input(1), "the condition");
    if (failed(first))
      return failure();
    runs = *first;
  } else if (!limit) {
    return node.emitError() << "has neither a number of iterations nor a condition: it never ends";
  } else if (failed(checkSize(node, *body, *limit))) {
    return failure();
  }

  Repeated loop(node, builder, *body, initial, /*firstState=*/1);
  for (int64_t i = 0; runs && (!limit || i < *limit); ++i) {
    Values inputs = {bodyNumber(builder, node, *body, 0, builder.getI64Type(), i),
                     bodyNumber(builder, node, *body, 1, builder.getI1Type(), 1)};
    llvm::append_range(inputs, loop.states);
    FailureOr<Values> outputs = loop.iterate(inputs);
    if (failed(outputs))
      return failure();
    if (!hasCondition)
      continue;
    FailureOr<bool> next =
        readCondition(node, outputs->front(), "the condition after iteration " + Twine(i));
    if (failed(next))
      return failure();
    runs = *next;
  }
  Values results = loop.states;
  for (size_t i = 0; i < loop.collected.size(); ++i) {
    FailureOr<Value> stacked = Value();
    if (node.hasOutput(count + i))
      stacked = loop.stack(i, /*axis=*/0, /*isReversed=*/false);
    if (failed(stacked))
      return failure();
    results.push_back(*stacked);
  }
  return results;
}

//===----------------------------------------------------------------------===//
// Scan
//===----------------------------------------------------------------------===//

/// The attribute `key`, a number for each of `count` tensors, 0 where it is left out.
static FailureOr<SmallVector<int64_t>> getNumbers(OnnxNode &node, StringRef key, size_t count) {
  std::optional<std::vector<int64_t>> given = node.getInts(key);
  if (node.hadError)
    return failure();
  if (!given)
    return SmallVector<int64_t>(count, 0);
  if (given->size() != count)
    return node.emitError() << "attribute '" << key << "' has " << given->size()
                            << " numbers, but should have " << count;
  return SmallVector<int64_t>(given->begin(), given->end());
}

/// The same of directions: whether from the end.
static FailureOr<SmallVector<int64_t>> getDirections(OnnxNode &node, StringRef key, size_t count) {
  FailureOr<SmallVector<int64_t>> given = getNumbers(node, key, count);
  if (succeeded(given))
    for (int64_t direction : *given)
      if (direction != 0 && direction != 1)
        return node.emitError() << "attribute '" << key << "' has the direction " << direction
                                << ": 0 is forward, 1 is from the end";
  return given;
}

namespace {
/// Initial states, then tensors that are gone through.
struct ScanOperands {
  const OnnxGraph *body = nullptr;
  ArrayRef<Value> states, scanned;
};
} // namespace

static FailureOr<ScanOperands> splitOperands(OnnxNode &node, ArrayRef<Value> inputs) {
  ScanOperands operands;
  operands.body = getBody(node);
  int64_t count = node.getInt("num_scan_inputs", 0);
  if (!operands.body || node.hadError)
    return failure();
  if (count < 1 || count > int64_t(inputs.size()))
    return node.emitError() << "attribute 'num_scan_inputs' is " << count << ", but there are "
                            << inputs.size() << " inputs, of which at least 1 is scanned";
  if (llvm::is_contained(inputs, Value()))
    return node.emitError() << "leaves out an input";
  operands.states = inputs.drop_back(count);
  operands.scanned = inputs.take_back(count);
  const OnnxGraph &body = *operands.body;
  if (body.inputCount != inputs.size() || body.outputCount < operands.states.size() ||
      body.outputCount < node.outputNames.size())
    return countError(node, body) << "a scan of " << operands.states.size() << " states and "
                                  << count << " inputs with " << node.outputNames.size()
                                  << " outputs takes " << inputs.size()
                                  << " inputs, and has at least its states and the node's outputs";
  return operands;
}

/// The extent of `axis` in all scanned inputs.
static FailureOr<int64_t> commonExtent(OnnxNode &node, ArrayRef<Value> scanned,
                                       ArrayRef<int64_t> axes) {
  int64_t extent = tensorType(scanned[0]).getDimSize(axes[0]);
  for (auto [x, axis] : llvm::zip_equal(scanned, axes))
    if (tensorType(x).getDimSize(axis) != extent)
      return node.emitError() << "scans " << scanned[0].getType() << " along axis " << axes[0]
                              << " and " << x.getType() << " along axis " << axis
                              << ", whose extents differ";
  return extent;
}

static FailureOr<SmallVector<Value>> importScan9(OnnxNode &node, OpBuilder &builder) {
  FailureOr<ScanOperands> operands = splitOperands(node, node.inputs);
  if (failed(operands))
    return failure();
  auto [body, initial, scanned] = *operands;
  size_t collected = body->outputCount - initial.size();
  FailureOr<SmallVector<int64_t>> axes = getNumbers(node, "scan_input_axes", scanned.size());
  FailureOr<SmallVector<int64_t>> reversed =
      getDirections(node, "scan_input_directions", scanned.size());
  FailureOr<SmallVector<int64_t>> outputAxes = getNumbers(node, "scan_output_axes", collected);
  FailureOr<SmallVector<int64_t>> outputReversed =
      getDirections(node, "scan_output_directions", collected);
  if (failed(axes) || failed(reversed) || failed(outputAxes) || failed(outputReversed))
    return failure();
  for (auto [x, axis] : llvm::zip_equal(scanned, *axes)) {
    FailureOr<int64_t> wrapped = normalizeAxis(node, axis, tensorType(x).getRank());
    if (failed(wrapped))
      return failure();
    axis = *wrapped;
  }
  FailureOr<int64_t> extent = commonExtent(node, scanned, *axes);
  if (failed(extent) || failed(checkSize(node, *body, *extent)))
    return failure();

  Repeated scan(node, builder, *body, initial, /*firstState=*/0);
  SmallVector<Values> rows;
  for (auto [x, axis] : llvm::zip_equal(scanned, *axes)) {
    FailureOr<Values> parts = importRows(node, builder, x, axis);
    if (failed(parts))
      return failure();
    rows.push_back(*parts);
  }
  for (int64_t t = 0; t < *extent; ++t) {
    Values inputs = scan.states;
    for (auto [parts, isReversed] : llvm::zip_equal(rows, *reversed))
      inputs.push_back(parts[isReversed ? *extent - 1 - t : t]);
    if (failed(scan.iterate(inputs)))
      return failure();
  }
  Values results = scan.states;
  for (size_t i = 0; i < collected; ++i) {
    FailureOr<Value> stacked = Value();
    if (node.hasOutput(initial.size() + i))
      stacked = scan.stack(i, (*outputAxes)[i], (*outputReversed)[i] != 0);
    if (failed(stacked))
      return failure();
    results.push_back(*stacked);
  }
  return results;
}

namespace {
/// Scan of opset 8: samples along axis 0 of all operands, each scanned by itself along axis 1 of
/// the scanned ones, up to its length.
class BatchScan {
public:
  BatchScan(OnnxNode &node, OpBuilder &builder) : node(node), builder(builder) {}
  FailureOr<Values> run();

private:
  LogicalResult readOperands();
  LogicalResult scanSample(int64_t sample);
  FailureOr<Value> stack(size_t i);
  /// `x` where iteration `t` is within the sample's length, else `otherwise`.
  Value choose(Value length, int64_t t, Value x, Value otherwise);

  OnnxNode &node;
  OpBuilder &builder;
  ScanOperands operands;
  SmallVector<int64_t> reversed;
  int64_t samples = 0, extent = 0;
  /// Of each sample, where they are known at compile time, and else where there are some.
  std::optional<SmallVector<int64_t>> lengths;
  Values openLengths;
  SmallVector<Values> rows, initial;          ///< of each operand, for each sample
  SmallVector<Values> states;                 ///< the last ones, of each state for each sample
  SmallVector<SmallVector<Values>> collected; ///< for each output, sample and iteration
};
} // namespace

LogicalResult BatchScan::readOperands() {
  FailureOr<ScanOperands> split = splitOperands(
      node, ArrayRef(node.inputs).drop_front(std::min<size_t>(1, node.inputs.size())));
  if (failed(split))
    return failure();
  operands = *split;
  FailureOr<SmallVector<int64_t>> given =
      getDirections(node, "directions", operands.scanned.size());
  if (failed(given))
    return failure();
  reversed = *given;
  for (Value x : operands.scanned)
    if (tensorType(x).getRank() < 2)
      return node.emitError() << "scans " << x.getType()
                              << ", which needs a dimension of samples and one to go along";
  samples = tensorType(operands.scanned.front()).getDimSize(0);
  for (ArrayRef<Value> values : {operands.states, operands.scanned})
    for (Value x : values)
      if (tensorType(x).getRank() < 1 || tensorType(x).getDimSize(0) != samples)
        return node.emitError() << "has " << samples << " samples, but one of its inputs is "
                                << x.getType();
  FailureOr<int64_t> common =
      commonExtent(node, operands.scanned, SmallVector<int64_t>(operands.scanned.size(), 1));
  if (failed(common))
    return failure();
  extent = *common;
  if (extent > 0 && samples > kMaxInlinedNodes / extent)
    return checkSize(node, *operands.body, kMaxInlinedNodes + 1);
  if (failed(checkSize(node, *operands.body, samples * extent)))
    return failure();

  if (!node.input(0))
    return success();
  RankedTensorType type = tensorType(node.input(0));
  if (!type.getElementType().isInteger(64) || type.getRank() != 1 || type.getDimSize(0) != samples)
    return node.emitError() << "the lengths of " << samples << " samples are " << type
                            << ", but should be as many i64";
  if (node.constant(0)) {
    lengths = *node.constantInts(0, "the lengths");
    for (int64_t length : *lengths)
      if (length < 0 || length > extent)
        return node.emitError() << "a sample has the length " << length
                                << ", which is not from 0 to " << extent;
    return success();
  }
  if (llvm::is_contained(reversed, 1))
    return node.emitError() << "the lengths '" << node.inputNames[0]
                            << "' must be known at compile time where samples are scanned from "
                               "their end";
  FailureOr<Values> parts = importRows(node, builder, node.input(0), 0);
  if (failed(parts))
    return failure();
  openLengths = *parts;
  return success();
}

Value BatchScan::choose(Value length, int64_t t, Value x, Value otherwise) {
  Value number = buildConstant(builder, node.loc,
                               DenseElementsAttr::get(tensorType(length), APInt(64, uint64_t(t))));
  Value isWithin = builder.createOrFold<LessOp>(node.loc, number, length);
  return builder.createOrFold<WhereOp>(node.loc, isWithin, x, otherwise);
}

LogicalResult BatchScan::scanSample(int64_t sample) {
  Values first;
  for (const Values &parts : initial)
    first.push_back(parts[sample]);
  SmallVector<Values> steps;
  for (const Values &parts : rows) {
    FailureOr<Values> along = importRows(node, builder, parts[sample], 0);
    if (failed(along))
      return failure();
    steps.push_back(*along);
  }
  Repeated scan(node, builder, *operands.body, first, /*firstState=*/0);
  int64_t length = lengths ? (*lengths)[sample] : extent;
  for (int64_t t = 0; t < length; ++t) {
    Values before = scan.states, inputs = scan.states;
    for (auto [parts, isReversed] : llvm::zip_equal(steps, reversed))
      inputs.push_back(parts[isReversed ? length - 1 - t : t]);
    if (failed(scan.iterate(inputs)))
      return failure();
    if (openLengths.empty())
      continue;
    for (auto [state, old] : llvm::zip_equal(scan.states, before)) {
      if (state.getType() != old.getType())
        return node.emitError() << "a state is " << old.getType() << " and then " << state.getType()
                                << ", but keeps its shape";
      state = choose(openLengths[sample], t, state, old);
    }
    for (Values &values : scan.collected)
      values.back() = choose(openLengths[sample], t, values.back(),
                             splat(builder, node.loc, tensorType(values.back()), 0));
  }
  for (auto [i, state] : llvm::enumerate(scan.states))
    states[i].push_back(state);
  for (auto [i, values] : llvm::enumerate(scan.collected))
    collected[i].push_back(values);
  return success();
}

/// Output `i` of all samples; behind the end of a shorter one there are zeros.
FailureOr<Value> BatchScan::stack(size_t i) {
  RankedTensorType type = operands.body->outputTypes[operands.states.size() + i];
  for (const Values &values : collected[i])
    if (!values.empty())
      type = tensorType(values.front());
  if (!type || !type.hasStaticShape())
    return node.emitError() << "runs no iteration, and its graph does not declare the shape of its "
                            << "output " << operands.states.size() + i;
  if (samples == 0 || extent == 0) {
    SmallVector<int64_t> shape{samples, extent};
    llvm::append_range(shape, type.getShape());
    return splat(builder, node.loc, RankedTensorType::get(shape, type.getElementType()), 0);
  }
  Values all;
  for (Values &values : collected[i]) {
    if (int64_t missing = extent - int64_t(values.size()))
      values.append(missing, splat(builder, node.loc, type, 0));
    FailureOr<Value> stacked = importStack(node, builder, values, 0);
    if (failed(stacked))
      return failure();
    all.push_back(*stacked);
  }
  return importStack(node, builder, all, 0);
}

FailureOr<Values> BatchScan::run() {
  if (failed(readOperands()))
    return failure();
  for (auto [values, parts] : {std::pair(operands.states, &initial), {operands.scanned, &rows}})
    for (Value x : values) {
      FailureOr<Values> along = importRows(node, builder, x, 0);
      if (failed(along))
        return failure();
      parts->push_back(*along);
    }
  states.resize(operands.states.size());
  collected.resize(operands.body->outputCount - operands.states.size());
  for (int64_t sample = 0; sample < samples; ++sample)
    if (failed(scanSample(sample)))
      return failure();
  Values results;
  for (auto [i, values] : llvm::enumerate(states)) {
    FailureOr<Value> stacked = operands.states[i]; // without a sample as it was
    if (!values.empty())
      stacked = importStack(node, builder, values, 0);
    if (failed(stacked))
      return failure();
    results.push_back(*stacked);
  }
  for (size_t i = 0; i < collected.size(); ++i) {
    FailureOr<Value> stacked = Value();
    if (node.hasOutput(states.size() + i))
      stacked = stack(i);
    if (failed(stacked))
      return failure();
    results.push_back(*stacked);
  }
  return results;
}

FailureOr<SmallVector<Value>> ampc::importScan(OnnxNode &node, OpBuilder &builder) {
  if (node.version < 9)
    return BatchScan(node, builder).run();
  return importScan9(node, builder);
}

//===----------------------------------------------------------------------===//
// SequenceMap
//===----------------------------------------------------------------------===//

/// The body for each tensor of the first sequence, and of the others, beside which tensors may
/// stand that are the same for all.
FailureOr<SmallVector<Value>> ampc::importSequenceMap(OnnxNode &node, OpBuilder &builder) {
  const OnnxGraph *body = getBody(node);
  size_t count = std::max<size_t>(1, node.inputs.size());
  if (!body || failed(node.expectInputs(count, count)))
    return failure();
  FailureOr<Values> first = expectSequence(node, 0);
  if (failed(first))
    return failure();
  if (body->inputCount != count || body->outputCount < node.outputNames.size())
    return countError(node, *body)
           << "the node has " << count << " and " << node.outputNames.size();
  for (Value input : node.inputs)
    if (isSequence(input) && getElements(input).size() != first->size())
      return node.emitError() << "has sequences of " << first->size() << " and "
                              << getElements(input).size() << " tensors";
  Repeated map(node, builder, *body, /*initial=*/{}, /*firstState=*/0);
  for (size_t i = 0; i < first->size(); ++i) {
    Values inputs;
    for (Value input : node.inputs)
      inputs.push_back(isSequence(input) ? getElements(input)[i] : input);
    if (failed(map.iterate(inputs)))
      return failure();
  }
  Values results;
  for (ArrayRef<Value> values : map.collected) {
    FailureOr<Value> list = importList(node, builder, values);
    if (failed(list))
      return failure();
    results.push_back(*list);
  }
  return results;
}
