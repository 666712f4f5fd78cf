//===- RecurrentImport.cpp - Import of recurrent layers -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A layer is, for each direction, a product of its input for all time steps, the recurrence, and
// slices and concatenations around them.
//
//===----------------------------------------------------------------------===//

#include "Common.h"
#include "Recurrence.h"
#include "ampc/Dialect/Amp/Ops/MatMul.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace ampc;

namespace {
/// An RNN, LSTM or GRU node: its attributes, and tensors whose shapes have been checked.
class RecurrentNode {
public:
  RecurrentNode(OnnxNode &node, OpBuilder &builder) : node(node), builder(builder) {}

  LogicalResult read();
  FailureOr<SmallVector<Value>> build();

private:
  LogicalResult readAttributes();
  LogicalResult readFunctions();
  LogicalResult readNumbers(StringRef key, ArrayRef<bool> takers, ArrayRef<StringRef> names,
                            function_ref<double &(size_t)> numberOf);
  LogicalResult readLengths();
  /// An error unless input `i` has a shape that is known by now.
  LogicalResult expectShape(unsigned i, StringRef name, ArrayRef<int64_t> shape);
  FailureOr<Value> transpose(Value x, ArrayRef<int64_t> permutation);
  /// `size` elements along `axis`, from `start` on.
  FailureOr<Value> slice(Value x, int64_t axis, int64_t start, int64_t size);
  /// What input `i` has for direction `d`, under `shape`.
  FailureOr<Value> part(unsigned i, int64_t d, ArrayRef<int64_t> shape);
  /// The initial state at input `i`, or zeros.
  FailureOr<Value> initialState(unsigned i, int64_t d);
  /// The biases of input and state, as far as they are added outside of the recurrence; null
  /// where there are none. The other one goes to `inner`.
  FailureOr<Value> bias(int64_t d, Value &inner);
  FailureOr<Operation *> buildDirection(int64_t d);
  NamedAttribute activation(StringRef name, RecurrentActivation value) {
    return builder.getNamedAttr(name, RecurrentActivationAttr::get(builder.getContext(), value));
  }

  OnnxNode &node;
  OpBuilder &builder;
  RecurrentCell cell = RecurrentCell::Simple;
  int64_t steps, batch, width, hidden, directions;
  bool isForward; ///< the first direction
  bool isBatchFirst;
  SmallVector<RecurrentFunction> functions; ///< those of the first direction, then the other's
  std::optional<float> clip;
  Value x; ///< time first
  Value lengths;
};
} // namespace

FailureOr<Value> RecurrentNode::transpose(Value x, ArrayRef<int64_t> permutation) {
  return importOp<TransposeOp>(
      node, builder, x,
      builder.getNamedAttr("permutation", builder.getDenseI64ArrayAttr(permutation)));
}

FailureOr<Value> RecurrentNode::slice(Value x, int64_t axis, int64_t start, int64_t size) {
  SmallVector<int64_t> starts(tensorType(x).getRank(), 0), sizes(tensorType(x).getShape());
  starts[axis] = start;
  sizes[axis] = size;
  return importStepped<SliceOp>(node, builder, x, starts, sizes);
}

LogicalResult RecurrentNode::expectShape(unsigned i, StringRef name, ArrayRef<int64_t> shape) {
  Value value = node.input(i);
  auto type = RankedTensorType::get(shape, tensorType(node.input(0)).getElementType());
  if (!value || value.getType() == type)
    return success();
  return node.emitError() << name << " must be " << type << ", but is " << value.getType();
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

static std::optional<RecurrentActivation> activationOf(StringRef name) {
  using Activation = std::optional<RecurrentActivation>;
  return llvm::StringSwitch<Activation>(name.lower())
      .Case("tanh", RecurrentActivation::Tanh)
      .Case("relu", RecurrentActivation::Relu)
      .Case("sigmoid", RecurrentActivation::Sigmoid)
      .Case("affine", RecurrentActivation::Affine)
      .Case("leakyrelu", RecurrentActivation::LeakyRelu)
      .Case("thresholdedrelu", RecurrentActivation::ThresholdedRelu)
      .Case("scaledtanh", RecurrentActivation::ScaledTanh)
      .Case("hardsigmoid", RecurrentActivation::HardSigmoid)
      .Case("elu", RecurrentActivation::Elu)
      .Case("softsign", RecurrentActivation::Softsign)
      .Case("softplus", RecurrentActivation::Softplus)
      .Default(std::nullopt);
}

static bool takesBeta(RecurrentActivation activation) {
  return activation == RecurrentActivation::Affine ||
         activation == RecurrentActivation::ScaledTanh ||
         activation == RecurrentActivation::HardSigmoid;
}

static bool takesAlpha(RecurrentActivation activation) {
  return takesBeta(activation) || activation == RecurrentActivation::LeakyRelu ||
         activation == RecurrentActivation::ThresholdedRelu ||
         activation == RecurrentActivation::Elu;
}

/// The function with the numbers that ONNX gives it.
static RecurrentFunction functionOf(RecurrentActivation activation) {
  switch (activation) {
  case RecurrentActivation::LeakyRelu:
    return {activation, 0.01, 0};
  case RecurrentActivation::HardSigmoid:
    return {activation, 0.2, 0.5};
  case RecurrentActivation::ScaledTanh:
    return {activation, 1, 1};
  default:
    return {activation, 1, 0};
  }
}

/// Numbers of the functions: one for each that takes one, as the operators say, or, as some
/// exporters write them, one for each function. The last ones may be left out.
LogicalResult RecurrentNode::readNumbers(StringRef key, ArrayRef<bool> takers,
                                         ArrayRef<StringRef> names,
                                         function_ref<double &(size_t)> numberOf) {
  std::optional<std::vector<float>> numbers = node.getFloats(key);
  if (!numbers)
    return success();
  size_t taken = llvm::count(takers, true);
  if (numbers->size() > taken && numbers->size() != takers.size())
    return node.emitError() << "attribute '" << key << "' has " << numbers->size()
                            << " numbers, but of the activations (" << llvm::join(names, ", ")
                            << ") " << taken << " take one";
  bool isForAll = numbers->size() > taken;
  size_t next = 0;
  for (size_t i = 0; i < takers.size() && next < numbers->size(); ++i) {
    if (takers[i])
      numberOf(i) = (*numbers)[next];
    next += takers[i] || isForAll;
  }
  return success();
}

LogicalResult RecurrentNode::readFunctions() {
  unsigned count = countFunctions(cell);
  std::optional<std::vector<std::string>> names = node.getStrings("activations");
  if (!names) {
    bool isSimple = cell == RecurrentCell::Simple;
    names.emplace();
    for (int64_t d = 0; d < directions; ++d)
      for (unsigned i = 0; i < count; ++i)
        names->push_back(i == 0 && !isSimple ? "Sigmoid" : "Tanh");
  }
  // RNN's own default names a function for each of two directions, whatever it has.
  if (cell == RecurrentCell::Simple && directions == 1 && names->size() == 2)
    names->pop_back();
  if (int64_t(names->size()) != count * directions)
    return node.emitError() << "has " << names->size() << " activations, not " << count << " for "
                            << (directions == 1 ? "its direction" : "each of two directions");
  SmallVector<bool> alphas, betas;
  SmallVector<StringRef> known(names->begin(), names->end());
  for (StringRef name : known) {
    std::optional<RecurrentActivation> activation = activationOf(name);
    if (!activation)
      return node.emitError()
             << "the activation '" << name
             << "' is none of Relu, Tanh, Sigmoid, Affine, LeakyRelu, ThresholdedRelu, "
                "ScaledTanh, HardSigmoid, Elu, Softsign, Softplus";
    functions.push_back(functionOf(*activation));
    alphas.push_back(takesAlpha(*activation));
    betas.push_back(takesBeta(*activation));
  }
  if (failed(readNumbers("activation_alpha", alphas, known,
                         [&](size_t i) -> double & { return functions[i].alpha; })))
    return failure();
  return readNumbers("activation_beta", betas, known,
                     [&](size_t i) -> double & { return functions[i].beta; });
}

LogicalResult RecurrentNode::readAttributes() {
  if (node.opType == "LSTM")
    cell = node.getInt("input_forget", 0) ? RecurrentCell::CoupledLstm : RecurrentCell::Lstm;
  if (node.opType == "GRU") {
    bool isLinear = node.version >= 3 && node.getInt("linear_before_reset", 0);
    cell = isLinear ? RecurrentCell::LinearGru : RecurrentCell::Gru;
  }
  if (node.version < 7)
    node.knowAttributes({"output_sequence"}); // whether Y is named says the same
  std::string direction = node.getString("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
    return node.emitError() << "the direction '" << direction
                            << "' is none of forward, reverse, bidirectional";
  isForward = direction != "reverse";
  directions = direction == "bidirectional" ? 2 : 1;
  int64_t layout = node.version >= 14 ? node.getInt("layout", 0) : 0;
  if (layout != 0 && layout != 1)
    return node.emitError() << "attribute 'layout' is " << layout << ", but should be 0 or 1";
  isBatchFirst = layout == 1;
  if (node.hasAttribute("clip")) {
    clip = float(node.getFloat("clip", 0));
    if (!(*clip >= 0))
      return node.emitError() << "attribute 'clip' is " << *clip << ", but should not be negative";
  }
  return readFunctions();
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

LogicalResult RecurrentNode::readLengths() {
  lengths = node.input(4);
  if (!lengths)
    return success();
  auto type = RankedTensorType::get(batch, builder.getI32Type());
  if (lengths.getType() != type)
    return node.emitError() << "sequence_lens must be " << type << ", but is " << lengths.getType();
  DenseElementsAttr known = node.constant(4);
  if (!known)
    return success();
  bool isFull = true;
  for (const APInt &length : known.getValues<APInt>()) {
    if (length.getSExtValue() < 0 || length.getSExtValue() > steps)
      return node.emitError() << "sequence_lens has " << length.getSExtValue() << ", but X has "
                              << steps << " time steps";
    isFull &= length == uint64_t(steps);
  }
  if (isFull)
    lengths = Value();
  return success();
}

LogicalResult RecurrentNode::read() {
  if (failed(node.expectInputs(3, node.opType == "LSTM" ? 8 : 6)) || failed(readAttributes()))
    return failure();
  RankedTensorType type = tensorType(node.input(0)), r = tensorType(node.input(2));
  if (type.getRank() != 3 || r.getRank() != 3 || !isa<FloatType>(type.getElementType()))
    return node.emitError() << "X and R must be floats of rank 3, but are " << type << " and " << r;
  steps = type.getDimSize(isBatchFirst);
  batch = type.getDimSize(!isBatchFirst);
  width = type.getDimSize(2);
  hidden = node.getInt("hidden_size", r.getDimSize(2));
  if (hidden != r.getDimSize(2))
    return node.emitError() << "attribute 'hidden_size' is " << hidden << ", but R is " << r;
  if (steps == 0)
    return node.emitError() << "X, " << type << ", has no time step";
  SmallVector<int64_t> initial{directions, batch, hidden};
  if (isBatchFirst)
    std::swap(initial[0], initial[1]);
  FailureOr<int64_t> rows = checkedProduct(node, {2 * countGates(cell), hidden});
  if (failed(rows) || failed(expectShape(1, "W", {directions, *rows / 2, width})) ||
      failed(expectShape(2, "R", {directions, *rows / 2, hidden})) ||
      failed(expectShape(3, "B", {directions, *rows})) || failed(readLengths()) ||
      failed(expectShape(5, "initial_h", initial)) ||
      failed(expectShape(6, "initial_c", initial)) ||
      failed(expectShape(7, "P", {directions, 3 * hidden})))
    return failure();
  x = node.input(0);
  if (!isBatchFirst)
    return success();
  FailureOr<Value> turned = transpose(x, {1, 0, 2});
  if (succeeded(turned))
    x = *turned;
  return turned;
}

FailureOr<Value> RecurrentNode::part(unsigned i, int64_t d, ArrayRef<int64_t> shape) {
  bool isState = i == 5 || i == 6;
  FailureOr<Value> taken = slice(node.input(i), isState && isBatchFirst, d, 1);
  if (failed(taken))
    return failure();
  return reshapeTo(builder, node.loc, *taken, shape);
}

FailureOr<Value> RecurrentNode::initialState(unsigned i, int64_t d) {
  if (node.input(i))
    return part(i, d, {batch, hidden});
  return splat(builder, node.loc, tensorType(x).clone({batch, hidden}), 0);
}

FailureOr<Value> RecurrentNode::bias(int64_t d, Value &inner) {
  if (!node.input(3))
    return Value();
  int64_t rows = countGates(cell) * hidden;
  FailureOr<Value> both = part(3, d, {2, rows});
  if (failed(both))
    return failure();
  auto sum = [&](Value x) {
    return importOp<ReduceSumOp>(node, builder, x,
                                 builder.getNamedAttr("axes", builder.getDenseI64ArrayAttr({0})));
  };
  if (cell != RecurrentCell::LinearGru)
    return sum(*both);
  // Of n, the state's bias is added to a product within the recurrence.
  auto cut = [&](int64_t row, int64_t rows, int64_t first, int64_t count) {
    return importStepped<SliceOp>(node, builder, *both, {row, first * hidden},
                                  {rows, count * hidden});
  };
  FailureOr<Value> gates = cut(0, 2, 0, 2), outside = cut(0, 1, 2, 1), inside = cut(1, 1, 2, 1);
  if (failed(gates) || failed(outside) || failed(inside))
    return failure();
  FailureOr<Value> sums = sum(*gates);
  if (failed(sums))
    return failure();
  inner = reshapeTo(builder, node.loc, *inside, {hidden});
  Value parts[] = {*sums, reshapeTo(builder, node.loc, *outside, {hidden})};
  return importOp<ConcatOp>(node, builder, parts,
                            builder.getNamedAttr("axis", builder.getI64IntegerAttr(0)));
}

//===----------------------------------------------------------------------===//
// Layer
//===----------------------------------------------------------------------===//

FailureOr<Operation *> RecurrentNode::buildDirection(int64_t d) {
  int64_t rows = countGates(cell) * hidden;
  Value inner;
  FailureOr<Value> w = part(1, d, {rows, width}), r = part(2, d, {rows, hidden});
  FailureOr<Value> initial = initialState(5, d), bias = this->bias(d, inner);
  if (failed(w) || failed(r) || failed(initial) || failed(bias))
    return failure();
  SmallVector<Value> factors{x, *w};
  if (*bias)
    factors.push_back(*bias);
  FailureOr<Value> input = importOp<MatMulOp>(
      node, builder, factors, builder.getNamedAttr("transpose_rhs", builder.getUnitAttr()));
  if (failed(input))
    return failure();
  // What belongs to the cell state is computed in f32.
  Type computed = KernelBuilder::computeType(tensorType(x).getElementType());
  auto widen = [&](Value value) { return castTo(builder, node.loc, value, computed); };
  SmallVector<Value> operands{*input, *r, *initial};
  SmallVector<int32_t> segments{1, 1, 1, 0, 0, 0, 0};
  auto add = [&](unsigned segment, Value value) {
    operands.push_back(value);
    segments[segment] = 1;
  };
  if (isLstm(cell)) {
    FailureOr<Value> initialCell = initialState(6, d);
    if (failed(initialCell))
      return failure();
    add(3, widen(*initialCell));
  }
  if (node.input(7)) {
    FailureOr<Value> peepholes = part(7, d, {3, hidden});
    if (failed(peepholes))
      return failure();
    add(4, widen(*peepholes));
  }
  if (inner)
    add(5, widen(inner));
  if (lengths)
    add(6, lengths);

  unsigned count = countFunctions(cell);
  ArrayRef<RecurrentFunction> used = ArrayRef(functions).slice(d * count, count);
  SmallVector<float> alphas(3, 1), betas(3, 0);
  SmallVector<NamedAttribute> attributes{
      builder.getNamedAttr("cell", RecurrentCellAttr::get(builder.getContext(), cell)),
      builder.getNamedAttr("operandSegmentSizes", builder.getDenseI32ArrayAttr(segments))};
  constexpr StringLiteral names[] = {"f", "g", "h"};
  bool hasNumbers = false;
  for (auto [i, function] : llvm::enumerate(used)) {
    attributes.push_back(activation(names[i], function.activation));
    alphas[i] = float(function.alpha);
    betas[i] = float(function.beta);
    hasNumbers |= takesAlpha(function.activation);
  }
  if (hasNumbers) {
    attributes.push_back(builder.getNamedAttr("alphas", builder.getDenseF32ArrayAttr(alphas)));
    attributes.push_back(builder.getNamedAttr("betas", builder.getDenseF32ArrayAttr(betas)));
  }
  if (clip)
    attributes.push_back(builder.getNamedAttr("clip", builder.getF32FloatAttr(*clip)));
  if (d == 1 || !isForward)
    attributes.push_back(builder.getNamedAttr("reversed", builder.getUnitAttr()));
  return createChecked(node, builder, RecurrenceOp::getOperationName(), operands, attributes);
}

FailureOr<SmallVector<Value>> RecurrentNode::build() {
  // Of each direction: [time, 1, batch, hidden], and the last states [1, batch, hidden].
  SmallVector<Value> all, last, lastCells;
  Type elementType = tensorType(x).getElementType();
  for (int64_t d = 0; d < directions; ++d) {
    FailureOr<Operation *> built = buildDirection(d);
    if (failed(built))
      return failure();
    auto op = cast<RecurrenceOp>(*built);
    auto state = [&](Value x) { return reshapeTo(builder, node.loc, x, {1, batch, hidden}); };
    all.push_back(reshapeTo(builder, node.loc, op.getStates(), {steps, 1, batch, hidden}));
    last.push_back(state(op.getLast()));
    if (isLstm(cell))
      lastCells.push_back(state(castTo(builder, node.loc, op.getLastCell(), elementType)));
  }
  auto join = [&](ArrayRef<Value> parts, int64_t axis,
                  ArrayRef<int64_t> batchFirst) -> FailureOr<Value> {
    FailureOr<Value> joined =
        parts.size() == 1
            ? FailureOr<Value>(parts.front())
            : importOp<ConcatOp>(node, builder, parts,
                                 builder.getNamedAttr("axis", builder.getI64IntegerAttr(axis)));
    if (failed(joined) || !isBatchFirst)
      return joined;
    return transpose(*joined, batchFirst);
  };
  FailureOr<Value> results[] = {join(all, 1, {2, 0, 1, 3}), join(last, 0, {1, 0, 2}),
                                isLstm(cell) ? join(lastCells, 0, {1, 0, 2}) : Value()};
  SmallVector<Value> values(node.outputNames.size());
  for (auto [i, result] : llvm::enumerate(results)) {
    if (failed(result))
      return failure();
    if (node.hasOutput(i))
      values[i] = *result;
  }
  return values;
}

FailureOr<SmallVector<Value>> RecurrenceOp::importNode(OnnxNode &node, OpBuilder &builder) {
  RecurrentNode layer(node, builder);
  if (failed(layer.read()) || node.hadError)
    return failure();
  return layer.build();
}
