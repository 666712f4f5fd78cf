//===- RecurrentKernel.cpp - Loops of recurrent layers --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A body of a loop is the recurrent product and, around it, element-wise words that become one
// kernel. Gates lie side by side in the sums, so that there is one product; what is saved of them
// is a tensor for each, so that no kernel has to put them together.
//
//===----------------------------------------------------------------------===//

#include "Common.h"
#include "Recurrence.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Plan/Plan.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Words of a time step
//===----------------------------------------------------------------------===//

namespace {
/// Tensors of one time step. `state` is the type of H; sums and gates are `wide`.
class StepBuilder {
public:
  StepBuilder(KernelBuilder &k, const Recurrence &recurrence, RankedTensorType state)
      : k(k), recurrence(recurrence), state(state),
        wide(state.clone(KernelBuilder::computeType(state.getElementType()))) {}

protected:
  Value compute(ValueRange inputs, KernelBuilder::ScalarFn fn) {
    return k.pointwise(inputs, wide, fn);
  }
  Value add(Value x, Value y) {
    return compute({x, y}, [](ScalarBuilder &s, ValueRange x) { return s.add(x[0], x[1]); });
  }
  Value mul(Value x, Value y) {
    return compute({x, y}, [](ScalarBuilder &s, ValueRange x) { return s.mul(x[0], x[1]); });
  }
  /// 1 - x
  Value rest(Value x) {
    return compute(
        x, [](ScalarBuilder &s, ValueRange x) { return s.sub(s.constantLike(x[0], 1), x[0]); });
  }
  Value rounded(Value x) {
    if (x.getType() == state)
      return x;
    return k.pointwise(x, state, [](ScalarBuilder &, ValueRange x) { return x[0]; });
  }
  /// x where the sequence has the step, else y; of the type of x.
  Value choose(Value x, Value y) {
    if (!active)
      return x;
    return k.pointwise({active, x, y}, tensorType(x),
                       [](ScalarBuilder &s, ValueRange x) { return s.select(x[0], x[1], x[2]); });
  }
  Value chooseOrZero(Value x) {
    if (!active)
      return x;
    return k.pointwise({active, x}, tensorType(x), [](ScalarBuilder &s, ValueRange x) {
      return s.select(x[0], x[1], s.constantLike(x[1], 0));
    });
  }
  /// `count` gates, from `first` on, of those that lie side by side.
  Value gates(Value all, int64_t first, int64_t count = 1) {
    int64_t rows = tensorType(all).getDimSize(0), hidden = state.getDimSize(1);
    return k.slice(all, {0, first * hidden}, {rows, count * hidden}, {1, 1});
  }
  Value row(Value matrix, int64_t i) {
    return k.slice(matrix, {i, 0}, {1, tensorType(matrix).getDimSize(1)}, {1, 1});
  }
  /// x * op(weight), not rounded.
  Value multiply(Value x, Value weight, bool transposed) {
    int64_t columns = tensorType(weight).getDimSize(transposed ? 0 : 1);
    return plan::MatMulOp::create(k.builder, k.loc, wide.clone({wide.getDimSize(0), columns}), x,
                                  weight, Value(), false, transposed, APFloat(1.0),
                                  plan::Epilogue::None)
        .getResult();
  }

  Value clipped(ScalarBuilder &s, Value x) {
    if (!recurrence.clip)
      return x;
    Value bound = s.constantLike(x, *recurrence.clip);
    return s.minimum(s.maximum(x, s.neg(bound)), bound);
  }
  /// Function `i` of x.
  Value applied(unsigned i, Value x) {
    return compute(x, [&](ScalarBuilder &s, ValueRange x) {
      return apply(s, recurrence.functions[i], clipped(s, x[0]));
    });
  }
  /// What function `i` gave, from what was saved.
  Value result(unsigned i, Value saved) {
    return recurrence.savesSums()
               ? applied(i, saved)
               : compute(saved, [](ScalarBuilder &, ValueRange x) { return x[0]; });
  }
  /// The gradient of what function `i` gets, from that of what it gives; `x` was saved, or where
  /// it `isArgument`, is what it got.
  Value differentiated(unsigned i, Value x, Value gradient, bool isArgument = false) {
    return compute({x, gradient}, [&](ScalarBuilder &s, ValueRange x) {
      const RecurrentFunction &f = recurrence.functions[i];
      if (!isArgument && !recurrence.savesSums())
        return differentiate(s, f, Value(), x[0], x[1]);
      Value inside = clipped(s, x[0]);
      Value g = differentiate(s, f, inside, apply(s, f, inside), x[1]);
      if (!recurrence.clip)
        return g;
      Value isOutside = s.greater(s.abs(x[0]), s.constantLike(x[0], *recurrence.clip));
      return s.select(isOutside, s.constantLike(g, 0), g);
    });
  }

  KernelBuilder &k;
  const Recurrence &recurrence;
  RankedTensorType state, wide;
  /// [batch, 1], null where every sequence has all steps.
  Value active;

public:
  void setActive(Value mask) {
    int64_t batch = state.getDimSize(0);
    active = k.reshape(k.slice(mask, {0}, {batch}, {1}), {batch, 1});
  }
};

/// A step forward: from the states before it (H, then C) to those behind it, the result, and what
/// is saved.
class ForwardStep : public StepBuilder {
public:
  using StepBuilder::StepBuilder;

  Value input, weight, hiddenWeight, peepholes, bias;
  SmallVector<Value> next; ///< H and C
  Value output;
  SmallVector<Value> saved; ///< in the order of the results

  void run(ValueRange before) {
    if (isLstm(recurrence.cell))
      runLstm(before);
    else if (isGru(recurrence.cell))
      runGru(before[0]);
    else
      runSimple(before[0]);
    output = chooseOrZero(next[0]);
    for (auto [value, old] : llvm::zip_equal(next, before))
      value = choose(value, old);
  }

private:
  /// What is saved of a gate.
  void save(Value sum, Value gate) {
    saved.push_back(rounded(recurrence.savesSums() ? sum : gate));
  }

  void runSimple(Value before) {
    Value sum = add(input, multiply(before, weight, /*transposed=*/true));
    Value gate = applied(0, sum);
    save(sum, gate);
    next = {rounded(gate)};
  }

  void runLstm(ValueRange before) {
    Value product = multiply(before[0], weight, /*transposed=*/true), cell = before[1];
    auto sumOf = [&](int64_t gate, Value seen) {
      Value sum = add(gates(input, gate), gates(product, gate));
      return seen && peepholes ? add(sum, mul(seen, row(peepholes, gate))) : sum;
    };
    Value inSum = sumOf(0, cell), in = applied(0, inSum), forgetSum, forget;
    if (recurrence.cell == RecurrentCell::Lstm) {
      forgetSum = sumOf(2, cell);
      forget = applied(0, forgetSum);
    } else {
      forget = rest(in);
    }
    Value newSum = sumOf(3, Value()), made = applied(1, newSum);
    Value nextCell = add(mul(forget, cell), mul(in, made));
    Value outSum = sumOf(1, nextCell), out = applied(0, outSum);
    next = {rounded(mul(out, applied(2, nextCell))), nextCell};
    save(inSum, in);
    save(outSum, out);
    if (forgetSum)
      save(forgetSum, forget);
    save(newSum, made);
  }

  void runGru(Value before) {
    bool isLinear = recurrence.cell == RecurrentCell::LinearGru;
    Value product = multiply(before, weight, /*transposed=*/true);
    auto sumOf = [&](int64_t gate) { return add(gates(input, gate), gates(product, gate)); };
    Value updateSum = sumOf(0), update = applied(0, updateSum);
    Value resetSum = sumOf(1), reset = applied(0, resetSum);
    Value inner, sum; // saved, and of the new state
    if (isLinear) {
      inner = gates(product, 2);
      if (bias)
        inner = add(inner, bias);
      sum = add(gates(input, 2), mul(reset, inner));
      inner = rounded(inner);
    } else {
      inner = rounded(mul(reset, before));
      sum = add(gates(input, 2), multiply(inner, hiddenWeight, /*transposed=*/true));
    }
    Value made = applied(1, sum);
    next = {rounded(add(mul(rest(update), made), mul(update, before)))};
    save(updateSum, update);
    save(resetSum, reset);
    save(sum, made);
    saved.push_back(inner);
  }
};

/// A step of the gradient: what goes to the step before is the product with the weight, [batch,
/// hidden], then what reaches the states by other ways: H where `passesState`, C of an LSTM.
class BackwardStep : public StepBuilder {
public:
  using StepBuilder::StepBuilder;

  ValueRange saved;
  Value gradient; ///< of the result, may be null
  Value before, cellBefore;
  Value weight, hiddenWeight, peepholes;
  SmallVector<Value> next;
  SmallVector<Value> outputs; ///< of the sums, and of a GRU's last sum

  void run(ValueRange carried) {
    Value fromLater = carried[0];
    if (passesState())
      fromLater = add(fromLater, carried[1]);
    Value ofState = fromLater;
    if (gradient)
      ofState = choose(add(fromLater, gradient), fromLater);
    later = fromLater;
    if (isLstm(recurrence.cell))
      runLstm(ofState, carried.back());
    else if (isGru(recurrence.cell))
      runGru(ofState);
    else
      runSimple(ofState);
  }

  /// Whether a gradient reaches the state before not only by way of the product.
  bool passesState() { return active || isGru(recurrence.cell); }

private:
  Value join(ArrayRef<Value> parts) { return k.concat(parts, 1); }
  /// The sums' gradients as they are stored: none where a sequence lacks the step.
  Value stored(Value sum) { return rounded(chooseOrZero(sum)); }
  void pass(Value sums) {
    outputs.push_back(sums);
    next.push_back(multiply(sums, weight, /*transposed=*/false));
  }
  /// To H, where no product leads: `x` where the sequence has the step.
  void passState(Value x) {
    if (!x && active)
      x = k.splat(wide, 0);
    if (x)
      next.push_back(choose(x, later));
  }

  void runSimple(Value ofState) {
    pass(stored(differentiated(0, saved[0], ofState)));
    passState(Value());
  }

  void runLstm(Value ofState, Value ofCell) {
    bool isCoupled = recurrence.cell == RecurrentCell::CoupledLstm;
    Value in = result(0, saved[0]), out = result(0, saved[1]);
    Value forget = isCoupled ? rest(in) : result(0, saved[2]), made = result(1, saved.back());
    Value cell = add(mul(forget, cellBefore), mul(in, made));
    Value outSum = differentiated(0, saved[1], mul(ofState, applied(2, cell)));
    Value ofThis = add(ofCell, differentiated(2, cell, mul(ofState, out), /*isArgument=*/true));
    if (peepholes)
      ofThis = add(ofThis, mul(outSum, row(peepholes, 1)));
    Value ofIn = made, forgetSum;
    if (isCoupled)
      ofIn = compute({made, cellBefore},
                     [](ScalarBuilder &s, ValueRange x) { return s.sub(x[0], x[1]); });
    else
      forgetSum = differentiated(0, saved[2], mul(ofThis, cellBefore));
    Value inSum = differentiated(0, saved[0], mul(ofThis, ofIn));
    Value newSum = differentiated(1, saved.back(), mul(ofThis, in));
    Value nextCell = mul(ofThis, forget);
    if (peepholes) {
      nextCell = add(nextCell, mul(inSum, row(peepholes, 0)));
      if (forgetSum)
        nextCell = add(nextCell, mul(forgetSum, row(peepholes, 2)));
    }
    pass(join({stored(inSum), stored(outSum), forgetSum ? stored(forgetSum) : k.splat(state, 0),
               stored(newSum)}));
    passState(Value());
    next.push_back(choose(nextCell, ofCell));
  }

  void runGru(Value ofState) {
    Value update = result(0, saved[0]), reset = result(0, saved[1]), made = result(1, saved[2]);
    Value newSum = differentiated(1, saved[2], mul(ofState, rest(update)));
    Value ofUpdate = compute({ofState, before, made}, [](ScalarBuilder &s, ValueRange x) {
      return s.mul(x[0], s.sub(x[1], x[2]));
    });
    Value updateSum = stored(differentiated(0, saved[0], ofUpdate));
    Value passed = mul(ofState, update), storedNew = stored(newSum);
    if (recurrence.cell == RecurrentCell::LinearGru) {
      Value resetSum = stored(differentiated(0, saved[1], mul(newSum, saved[3])));
      pass(join({updateSum, resetSum, stored(mul(newSum, reset))}));
    } else {
      Value ofReset = multiply(storedNew, hiddenWeight, /*transposed=*/false);
      Value resetSum = stored(differentiated(0, saved[1], mul(ofReset, before)));
      passed = add(passed, mul(ofReset, reset));
      pass(join({updateSum, resetSum}));
    }
    passState(passed);
    outputs.push_back(storedNew);
  }

  Value later; ///< the gradient of H from later steps
};
} // namespace

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

/// Which batch entries have each time step, padded so that every step's slice is aligned.
static Value buildMask(KernelBuilder &kernel, Value lengths, int64_t steps) {
  int64_t batch = tensorType(lengths).getDimSize(0);
  Type flag = kernel.builder.getI1Type();
  int64_t padded = llvm::alignTo(batch, AMPC_ALIGNMENT);
  return kernel.generate(RankedTensorType::get({steps, padded}, flag),
                         [&](ScalarBuilder &s, ValueRange at) {
                           Type index = s.builder.getIndexType();
                           Value entry = s.minimum(at[1], s.constant(index, batch - 1));
                           Value length = s.convert(kernel.load(s, lengths, entry), index);
                           return s.less(at[0], length);
                         });
}

/// The rows of a plain GRU's weight that meet H, and those that meet r (.) H.
static std::pair<Value, Value> splitWeight(KernelBuilder &kernel, RecurrentCell cell,
                                           Value weight) {
  if (cell != RecurrentCell::Gru)
    return {weight, Value()};
  int64_t hidden = tensorType(weight).getDimSize(1);
  return {kernel.slice(weight, {0, 0}, {2 * hidden, hidden}, {1, 1}),
          kernel.slice(weight, {2 * hidden, 0}, {hidden, hidden}, {1, 1})};
}

namespace {
/// Optional tensors that a body takes as invariants or slices, each in a place of its own.
class Arguments {
public:
  /// Adds a tensor, which may be null.
  void add(Value tensor) {
    places.push_back(tensor ? std::optional<size_t>(tensors.size()) : std::nullopt);
    if (tensor)
      tensors.push_back(tensor);
  }
  /// Argument `i` in the order of `add`; null where the tensor is.
  Value get(ValueRange arguments, size_t i) const {
    return places[i] ? arguments[*places[i]] : Value();
  }
  SmallVector<Value> tensors;

private:
  SmallVector<std::optional<size_t>> places;
};
} // namespace

static SmallVector<KernelBuilder::Sequence> sequencesOf(const Arguments &arguments, bool reversed) {
  SmallVector<KernelBuilder::Sequence> sequences;
  for (Value tensor : arguments.tensors)
    sequences.push_back({tensor, reversed});
  return sequences;
}

/// Zeros for results that have no elements or that nobody reads.
static SmallVector<Value> zeros(KernelBuilder &kernel, TypeRange types) {
  SmallVector<Value> results;
  for (Type type : types)
    results.push_back(kernel.splat(cast<RankedTensorType>(type), 0));
  return results;
}

static RankedTensorType sliceOf(Value stack) {
  RankedTensorType type = tensorType(stack);
  return type.clone(type.getShape().drop_front());
}

SmallVector<Value> RecurrenceOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  SmallVector<Value> results = zeros(kernel, getResultTypes());
  if (getStates().getType().getNumElements() == 0)
    return results;
  Adaptor adaptor(operands, *this);
  Recurrence recurrence(*this);
  bool hasCell = isLstm(recurrence.cell);
  int64_t steps = getStates().getType().getDimSize(0);
  auto [weight, hiddenWeight] = splitWeight(kernel, recurrence.cell, adaptor.getWeight());
  Arguments sequences, invariants;
  sequences.add(adaptor.getInput());
  sequences.add(adaptor.getLengths() ? buildMask(kernel, adaptor.getLengths(), steps) : Value());
  for (Value tensor : {weight, hiddenWeight, adaptor.getPeepholes(), adaptor.getBias()})
    invariants.add(tensor);
  SmallVector<Value> initial{adaptor.getInitial()};
  if (hasCell)
    initial.push_back(adaptor.getInitialCell());

  // Results that are stacked, in the order of the body's outputs: H, C, what is saved.
  SmallVector<unsigned> stacked{0};
  for (unsigned i = hasCell ? 3 : 2; i < getNumResults(); ++i)
    stacked.push_back(i);
  SmallVector<RankedTensorType> types;
  SmallVector<bool> isRead;
  for (unsigned i : stacked) {
    isRead.push_back(!getResult(i).use_empty());
    if (isRead.back())
      types.push_back(sliceOf(getResult(i)));
  }
  KernelBuilder::Looped looped = kernel.loop(
      steps, initial, sequencesOf(sequences, recurrence.reversed), invariants.tensors, types,
      recurrence.reversed,
      [&](KernelBuilder &k, ValueRange carried, ValueRange slices, ValueRange constants) {
        ForwardStep step(k, recurrence, tensorType(carried[0]));
        step.input = slices[0];
        if (Value mask = sequences.get(slices, 1))
          step.setActive(mask);
        step.weight = constants[0];
        step.hiddenWeight = invariants.get(constants, 1);
        step.peepholes = invariants.get(constants, 2);
        step.bias = invariants.get(constants, 3);
        step.run(carried);
        SmallVector<Value> outputs{step.output}, returned(step.next);
        if (hasCell)
          outputs.push_back(step.next[1]);
        llvm::append_range(outputs, step.saved);
        for (auto [output, read] : llvm::zip_equal(outputs, isRead))
          if (read)
            returned.push_back(output);
        return returned;
      });
  results[1] = looped.carried[0];
  if (hasCell)
    results[2] = looped.carried[1];
  const Value *output = looped.outputs.begin();
  for (auto [i, read] : llvm::zip_equal(stacked, isRead))
    if (read)
      results[i] = *output++;
  return results;
}

SmallVector<Value> RecurrenceGradientOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  if (getSums().getType().getNumElements() == 0)
    return zeros(kernel, getResultTypes());
  Adaptor adaptor(operands, *this);
  Recurrence recurrence(*this);
  ValueRange saved = adaptor.getSaved();
  RankedTensorType state = sliceOf(saved[0]), wide = tensorType(getInitial());
  int64_t steps = tensorType(saved[0]).getDimSize(0);
  auto [weight, hiddenWeight] = splitWeight(kernel, recurrence.cell, adaptor.getWeight());
  Arguments sequences, invariants;
  sequences.add(adaptor.getStates());
  sequences.add(adaptor.getLengths() ? buildMask(kernel, adaptor.getLengths(), steps) : Value());
  sequences.add(adaptor.getBefore());
  sequences.add(adaptor.getCellsBefore());
  llvm::append_range(sequences.tensors, saved);
  for (Value tensor : {weight, hiddenWeight, adaptor.getPeepholes()})
    invariants.add(tensor);

  Value zero = kernel.splat(wide, 0), last = zero;
  if (adaptor.getLast())
    last = kernel.pointwise(adaptor.getLast(), wide,
                            [](ScalarBuilder &, ValueRange x) { return x[0]; });
  SmallVector<Value> initial{last};
  bool passesState = adaptor.getLengths() || isGru(recurrence.cell);
  if (passesState)
    initial.push_back(zero);
  if (isLstm(recurrence.cell))
    initial.push_back(adaptor.getLastCell() ? adaptor.getLastCell() : zero);
  SmallVector<RankedTensorType> types{sliceOf(getSums())};
  if (isGru(recurrence.cell))
    types.push_back(state);
  KernelBuilder::Looped looped = kernel.loop(
      steps, initial, sequencesOf(sequences, !recurrence.reversed), invariants.tensors, types,
      !recurrence.reversed,
      [&](KernelBuilder &k, ValueRange carried, ValueRange slices, ValueRange constants) {
        BackwardStep step(k, recurrence, state);
        step.gradient = sequences.get(slices, 0);
        if (Value mask = sequences.get(slices, 1))
          step.setActive(mask);
        step.before = sequences.get(slices, 2);
        step.cellBefore = sequences.get(slices, 3);
        step.saved = slices.take_back(saved.size());
        step.weight = constants[0];
        step.hiddenWeight = invariants.get(constants, 1);
        step.peepholes = invariants.get(constants, 2);
        step.run(carried);
        assert(step.passesState() == passesState && "what is carried has been decided");
        SmallVector<Value> returned(step.next);
        llvm::append_range(returned, step.outputs);
        return returned;
      });
  Value ofInitial = looped.carried[0];
  if (passesState)
    ofInitial = kernel.pointwise({ofInitial, looped.carried[1]}, wide,
                                 [](ScalarBuilder &s, ValueRange x) { return s.add(x[0], x[1]); });
  SmallVector<Value> results{looped.outputs[0], ofInitial};
  if (isLstm(recurrence.cell))
    results.push_back(looped.carried.back());
  if (isGru(recurrence.cell))
    results.push_back(looped.outputs[1]);
  return results;
}
