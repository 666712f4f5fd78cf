//===- Recurrent.cpp - Recurrent layers -----------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Recurrent.h"
#include "Common.h"
#include "Recurrence.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Iota.h"
#include "ampc/Dialect/Amp/Ops/MatMul.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Type
//===----------------------------------------------------------------------===//

/// An error where the functions are not those of the cell.
static LogicalResult checkFunctions(std::optional<Location> location, RecurrentCell cell,
                                    ArrayRef<bool> others, ArrayRef<float> alphas,
                                    ArrayRef<float> betas) {
  unsigned count = 1 + llvm::count(others, true);
  bool inOrder = others[0] || !others[1];
  if (!inOrder || count != countFunctions(cell))
    return inferenceError(location, stringifyRecurrentCell(cell), " has ", countFunctions(cell),
                          " functions, not ", count);
  for (size_t size : {alphas.size(), betas.size()})
    if (size != 0 && size != 3)
      return inferenceError(location, "has ", size, " alphas or betas, not 3");
  return success();
}

static LogicalResult checkOperand(std::optional<Location> location, StringRef name, Value operand,
                                  RankedTensorType type) {
  if (!operand || operand.getType() == type)
    return success();
  return inferenceError(location, "has ", name, " of ", operand.getType(), ", not ", type);
}

LogicalResult RecurrenceOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                             Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RecurrentCell cell = adaptor.getCell();
  if (failed(checkFunctions(location, cell, {bool(adaptor.getG()), bool(adaptor.getH())},
                            adaptor.getAlphas(), adaptor.getBetas()))) // recurrence_c3
    return failure();
  RankedTensorType input = tensorType(adaptor.getInput());
  RankedTensorType weight = tensorType(adaptor.getWeight());
  int64_t gates = countGates(cell), hidden = weight.getRank() == 2 ? weight.getDimSize(1) : -1;
  if (input.getRank() != 3 || input.getDimSize(0) < 1 || hidden < 0 ||
      weight != input.clone({input.getDimSize(2), hidden}) ||
      input.getDimSize(2) / gates != hidden || input.getDimSize(2) % gates) // recurrence_c1
    return inferenceError(location, "takes [time, batch, ", gates, " * hidden] and [", gates,
                          " * hidden, hidden], but has ", input, " and ", weight);
  int64_t steps = input.getDimSize(0), batch = input.getDimSize(1);
  RankedTensorType state = input.clone({batch, hidden}),
                   states = input.clone({steps, batch, hidden});
  Type computed = KernelBuilder::computeType(input.getElementType());
  if (isLstm(cell) != bool(adaptor.getInitialCell())) // recurrence_c2
    return inferenceError(location, stringifyRecurrentCell(cell), " begins ",
                          isLstm(cell) ? "with a cell state" : "without a cell state");
  if ((adaptor.getPeepholes() && !isLstm(cell)) ||
      (adaptor.getBias() && cell != RecurrentCell::LinearGru)) // recurrence_c2
    return inferenceError(location, stringifyRecurrentCell(cell), " has no ",
                          adaptor.getBias() ? "bias" : "peepholes");
  auto wide = [&](ArrayRef<int64_t> shape) { return RankedTensorType::get(shape, computed); };
  if (failed(checkOperand(location, "an initial state", adaptor.getInitial(), state)) ||
      failed(checkOperand(location, "an initial cell state", adaptor.getInitialCell(),
                          wide(state.getShape()))) ||
      failed(checkOperand(location, "peepholes", adaptor.getPeepholes(), wide({3, hidden}))) ||
      failed(checkOperand(location, "a bias", adaptor.getBias(), wide({hidden}))))
    return failure();
  if (Value lengths = adaptor.getLengths())
    if (tensorType(lengths).getShape() != ArrayRef<int64_t>(batch)) // recurrence_c1
      return inferenceError(location, "has lengths ", lengths.getType(), " of ", batch,
                            " sequences");
  types.append({states, state});
  if (isLstm(cell))
    types.append({wide(state.getShape()), wide(states.getShape())});
  types.append(countSaved(cell), states);
  return success();
}

LogicalResult RecurrenceGradientOp::inferReturnTypes(MLIRContext *,
                                                     std::optional<Location> location,
                                                     Adaptor adaptor,
                                                     SmallVectorImpl<Type> &types) {
  RecurrentCell cell = adaptor.getCell();
  if (failed(checkFunctions(location, cell, {bool(adaptor.getG()), bool(adaptor.getH())},
                            adaptor.getAlphas(), adaptor.getBetas())))
    return failure();
  ValueRange saved = adaptor.getSaved();
  unsigned count = countSaved(cell);
  if (saved.size() != count) // recurrence_gradient_c1
    return inferenceError(location, stringifyRecurrentCell(cell), " saves ", count,
                          " tensors, not ", saved.size());
  RankedTensorType states = tensorType(saved[0]);
  if (states.getRank() != 3 || states.getDimSize(0) < 1)
    return inferenceError(location, "saves [time, batch, hidden], not ", states);
  int64_t steps = states.getDimSize(0), batch = states.getDimSize(1), hidden = states.getDimSize(2);
  RankedTensorType state = states.clone({batch, hidden});
  auto wide = state.clone(KernelBuilder::computeType(states.getElementType()));
  for (Value other : saved)
    if (failed(checkOperand(location, "what is saved", other, states)))
      return failure();
  if ((isGru(cell) && !adaptor.getBefore()) ||
      (isLstm(cell) && !adaptor.getCellsBefore())) // recurrence_gradient_c2
    return inferenceError(location, stringifyRecurrentCell(cell),
                          " reads the states before each step");
  if (failed(checkOperand(location, "gradients", adaptor.getStates(), states)) ||
      failed(checkOperand(location, "a last gradient", adaptor.getLast(), state)) ||
      failed(checkOperand(location, "a last gradient", adaptor.getLastCell(), wide)) ||
      failed(checkOperand(location, "a weight", adaptor.getWeight(),
                          states.clone({countGates(cell) * hidden, hidden}))) ||
      failed(checkOperand(location, "states before", adaptor.getBefore(), states)) ||
      failed(checkOperand(location, "states before", adaptor.getCellsBefore(),
                          wide.clone(states.getShape()))) ||
      failed(checkOperand(location, "peepholes", adaptor.getPeepholes(), wide.clone({3, hidden}))))
    return failure();
  int64_t met = cell == RecurrentCell::Gru ? 2 : countGates(cell);
  types.append({states.clone({steps, batch, met * hidden}), wide});
  if (isLstm(cell))
    types.push_back(wide);
  if (isGru(cell))
    types.push_back(states);
  return success();
}

OperandPrecision RecurrenceOp::getOperandPrecision(unsigned index) {
  if (isa<IntegerType>(getElementTypeOrSelf(getOperand(index).getType())))
    return OperandPrecision::Given;
  bool isFull = index >= 3 && !getInput().getType().getElementType().isF64();
  return isFull ? OperandPrecision::Full : OperandPrecision::Computed;
}

OperandUse RecurrenceOp::getOperandUse(unsigned index) {
  auto stands = [&](unsigned segment) {
    auto [first, count] = getODSOperandIndexAndLength(segment);
    return count && first == index;
  };
  bool isWeight = stands(1) || stands(4) || stands(5); // weight, peepholes, bias
  return isWeight ? OperandUse::Weight : OperandUse::Other;
}

ResultRange RecurrenceOp::getSaved() { return getOthers().take_back(countSaved(getCell())); }

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

namespace {
/// Tensors of all time steps, for the gradients that need no recurrence.
class StackBuilder {
public:
  StackBuilder(GradientBuilder &gradient, RecurrenceOp op)
      : gradient(gradient), op(op), steps(op.getStates().getType().getDimSize(0)),
        batch(op.getStates().getType().getDimSize(1)),
        hidden(op.getStates().getType().getDimSize(2)) {}

  /// The states before each step, from those behind it and the initial one.
  Value before(Value states, Value initial) {
    Value first = gradient.create<ReshapeOp>(initial, ArrayRef<int64_t>{1, batch, hidden});
    if (steps == 1)
      return first;
    bool reversed = op.getReversed();
    Value others = gradient.create<SliceOp>(states, ArrayRef<int64_t>{reversed ? 1 : 0, 0, 0},
                                            ArrayRef<int64_t>{steps - 1, batch, hidden},
                                            ArrayRef<int64_t>{1, 1, 1});
    Value parts[] = {others, first};
    if (!reversed)
      std::swap(parts[0], parts[1]);
    Value joined = gradient.create<ConcatOp>(ValueRange(parts), 0);
    if (!reversed || !op.getLengths())
      return joined;
    // The last step of each sequence comes first.
    OpBuilder &b = gradient.builder;
    Value places =
        IotaOp::create(b, gradient.loc, RankedTensorType::get({steps, 1, 1}, b.getI64Type()), 0);
    Value lengths = gradient.cast(op.getLengths(), b.getI64Type());
    Value ends =
        buildDifference(b, gradient.loc, lengths, splat(b, gradient.loc, tensorType(lengths), 1));
    ends = gradient.create<ReshapeOp>(ends, ArrayRef<int64_t>{1, batch, 1});
    return gradient.create<WhereOp>(gradient.create<LessOp>(places, ends), joined, first);
  }

  /// `count` gates, from `first` on, of those that lie side by side.
  Value gates(Value all, int64_t first, int64_t count = 1) {
    return gradient.create<SliceOp>(all, ArrayRef<int64_t>{0, 0, first * hidden},
                                    ArrayRef<int64_t>{steps, batch, count * hidden},
                                    ArrayRef<int64_t>{1, 1, 1});
  }

  /// The gradient of a weight that the sums of `gradients` meet in products with `factors`.
  Value product(Value gradients, Value factors) {
    auto flat = [&](Value x) {
      return gradient.create<ReshapeOp>(
          x, ArrayRef<int64_t>{steps * batch, tensorType(x).getDimSize(2)});
    };
    bool wide = gradient.gradientElementType(1) != op.getWeight().getType().getElementType();
    return gradient.create<MatMulOp>(flat(gradients), flat(factors), Value(),
                                     /*transpose_lhs=*/true, /*transpose_rhs=*/false, APFloat(1.0),
                                     wide);
  }

  /// That of the peepholes, from the sums' gradients.
  Value peepholes(Value sums, Value cellsBefore) {
    Type type = tensorType(cellsBefore).getElementType();
    SmallVector<Value> rows;
    for (int64_t gate = 0; gate < 3; ++gate) {
      Value seen = gate == 1 ? op.getCells() : cellsBefore; // by the output gate
      Value terms = buildProduct(gradient.builder, gradient.loc,
                                 gradient.cast(gates(sums, gate), type), seen);
      rows.push_back(gradient.sumTo(terms, {1, hidden}, type));
    }
    return gradient.create<ConcatOp>(ValueRange(rows), 0);
  }

private:
  GradientBuilder &gradient;
  RecurrenceOp op;
  int64_t steps, batch, hidden;
};
} // namespace

// A loop backwards through time gives the gradients s of the gates' sums. The input has them as
// they are; that of the weight is the sum over all time steps and rows of s^T * the state before,
// one product.
void RecurrenceOp::buildGradient(GradientBuilder &gradient) {
  OpBuilder &b = gradient.builder;
  RecurrentCell cell = getCell();
  Type elementType = getStates().getType().getElementType();
  auto cast = [&](Value g) { return g ? gradient.cast(g, elementType) : Value(); };
  StackBuilder stacks(gradient, *this);
  Value before, cellsBefore;
  if (isGru(cell) || gradient.needs(1))
    before = stacks.before(getStates(), getInitial());
  if (isLstm(cell))
    cellsBefore = stacks.before(getCells(), getInitialCell());
  SmallVector<Value> saved(getSaved());
  if (cell == RecurrentCell::Simple && !Recurrence(*this).savesSums())
    saved = {getStates()};
  auto loop = RecurrenceGradientOp::create(
      b, gradient.loc, getCellAttr(), getFAttr(), getGAttr(), getHAttr(), getWeight(),
      cast(gradient.resultGradient(0)), cast(gradient.resultGradient(1)),
      isLstm(cell) ? gradient.resultGradient(2) : Value(), saved, isGru(cell) ? before : Value(),
      cellsBefore, getPeepholes(), getLengths(), getAlphasAttr(), getBetasAttr(), getClipAttr(),
      getReversedAttr());
  Value sums = loop.getSums();
  gradient.set(2, loop.getInitial());
  auto setOptional = [&](unsigned segment, function_ref<Value()> build) {
    auto [first, count] = getODSOperandIndexAndLength(segment);
    if (count && gradient.needs(first))
      gradient.set(first, build());
  };
  setOptional(3, [&] { return loop.getOthers()[0]; });
  setOptional(4, [&] { return stacks.peepholes(sums, cellsBefore); });
  setOptional(5, [&] { return stacks.gates(sums, 2); });
  if (!isGru(cell)) {
    gradient.set(0, sums);
  } else if (gradient.needs(0)) {
    Value parts[] = {stacks.gates(sums, 0, 2), loop.getOthers()[0]};
    gradient.set(0, gradient.create<ConcatOp>(ValueRange(parts), 2));
  }
  if (!gradient.needs(1))
    return;
  Value weight = stacks.product(sums, before);
  if (cell == RecurrentCell::Gru) { // n meets the weight with r (.) H
    Value parts[] = {weight, stacks.product(loop.getOthers()[0], getSaved().back())};
    weight = gradient.create<ConcatOp>(ValueRange(parts), 0);
  }
  gradient.set(1, weight);
}
