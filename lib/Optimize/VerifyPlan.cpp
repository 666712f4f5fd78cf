//===- VerifyPlan.cpp - Check that no step reads what is not there ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Runs each function in the abstract: the arena is a set of ranges, each with the value
// that it holds. A step must find its operands and then puts its results; whoever is
// overwritten is remembered together with who did it. Steps run in the order in which they
// stand; that queues may change it is looked at beside that.
//
//===----------------------------------------------------------------------===//

#include "ArenaAccesses.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Optimize/Buffers.h"
#include "ampc/Optimize/Passes.h"
#include "llvm/ADT/ScopeExit.h"
#include <map>

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_VERIFYPLAN
#include "ampc/Optimize/Passes.h.inc"

namespace {
/// Bytes [begin, end) of the arena under a user's name for them.
struct Range {
  uint64_t begin = 0, end = 0;
  std::string name; ///< of a variable
  Value value = {}; ///< or the value it is named by: names are joined for errors only

  bool overlaps(const Range &other) const { return begin < other.end && other.begin < end; }
};

std::string str(const Range &range) {
  std::string name = range.value ? getDisplayName(range.value) : range.name;
  return ("'" + name + "' at [" + Twine(range.begin) + ", " + Twine(range.end) + ")").str();
}

/// What a range holds: the old content of a variable (its name), or a value (not a view).
using Content = const void *;

/// Of what `value` is a view of, of a part too.
Content contentOf(Value value) {
  while (isAlias(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  if (FlatSymbolRefAttr variable = getReadVariable(value))
    return variable.getAttr().getAsOpaquePointer();
  return value.getAsOpaquePointer();
}

class Arena {
public:
  /// Puts `content` into `range`; whatever it overlaps is lost.
  void write(const Range &range, Content content) {
    // What is held does not overlap: one of them may begin before the range.
    auto it = held.lower_bound(range.begin);
    if (it != held.begin() && std::prev(it)->second.range.overlaps(range))
      --it;
    while (it != held.end() && it->second.range.overlaps(range)) {
      lost[it->second.content] = range;
      it = held.erase(it);
    }
    lost.erase(content);
    if (range.begin != range.end)
      held[range.begin] = {range, content};
  }

  bool holds(const Range &range, Content content) const {
    if (range.begin == range.end)
      return true;
    auto after = held.upper_bound(range.begin);
    if (after == held.begin())
      return false;
    const Held &candidate = std::prev(after)->second;
    return candidate.content == content && candidate.range.end >= range.end;
  }

  /// Who overwrote `content`; null where it has not been written.
  const Range *overwriter(Content content) const {
    auto it = lost.find(content);
    return it == lost.end() ? nullptr : &it->second;
  }

private:
  struct Held {
    Range range;
    Content content;
  };
  std::map<uint64_t, Held> held;
  std::map<Content, Range> lost;
};

struct VerifyPlan : impl::VerifyPlanBase<VerifyPlan> {
  using VerifyPlanBase::VerifyPlanBase;

  void runOnOperation() override {
    markAllAnalysesPreserved();
    auto arena = getOperation()->getAttrOfType<IntegerAttr>(plan::kArenaBytesAttr);
    auto state = getOperation()->getAttrOfType<IntegerAttr>(plan::kStateBytesAttr);
    if (!arena || !state) {
      getOperation().emitError("has no planned memory; run plan-memory");
      return signalPassFailure();
    }
    arenaBytes = arena.getInt();
    stateBytes = state.getInt();
    variables.clear();
    bool good = succeeded(verifyState());
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (good && !function.isExternal() && !function->hasAttr(plan::kLoopBodyAttr))
        good = succeeded(verifyFunction(function));
    if (!good || failed(verifyDeterminism()))
      signalPassFailure();
  }

private:
  uint64_t arenaBytes, stateBytes;
  llvm::MapVector<StringAttr, Range> variables;

  /// The loop whose body is walked, null outside of bodies. Buffers there are those of all
  /// iterations, from the first byte to the last, and arguments hold what the loop is given.
  plan::LoopOp loop;

  /// What an operand stands for.
  Content contentFor(Value operand) {
    Value viewed = operand;
    while (isAlias(viewed.getDefiningOp()))
      viewed = viewed.getDefiningOp()->getOperand(0);
    auto argument = dyn_cast<BlockArgument>(viewed);
    if (!loop || !argument || argument.getArgNumber() < loop.getNumCarried())
      return contentOf(operand);
    return contentOf(loop->getOperand(argument.getArgNumber()));
  }

  /// Not an error of the plan: the user asked for what a step does not promise (c6).
  LogicalResult verifyDeterminism() {
    if (!deterministic)
      return success();
    WalkResult result = getOperation().walk([](plan::StepOpInterface step) {
      if (step.isDeterministic())
        return WalkResult::advance();
      emitError(step.getLoc()) << "the step of node '" << joinNodeNames(step.getLoc()) << "', a "
                               << step->getName()
                               << ", gives other bits in equal runs, which --deterministic rules "
                                  "out: compile without it, or take the node out of the model";
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }

  /// The range of a buffer, checked against the arena (c1).
  FailureOr<Range> makeRange(Operation *op, StringRef name, Value value, Type type,
                             int64_t offset) {
    std::optional<uint64_t> bytes = getByteSize(type);
    Range range{uint64_t(offset), uint64_t(offset) + bytes.value_or(0), name.str(), value};
    if (offset < 0 || !bytes || range.end < range.begin || range.end > arenaBytes)
      return op->emitOpError() << "has buffer " << str(range) << ", outside of the arena of "
                               << arenaBytes << " bytes";
    if (range.begin % AMPC_ALIGNMENT != 0 && !isSliceOfCopy(value))
      return op->emitOpError() << "has buffer " << str(range) << ", not aligned to "
                               << AMPC_ALIGNMENT << " bytes";
    return range;
  }

  /// A slice that a step copies, which no kernel sees.
  bool isSliceOfCopy(Value value) {
    if (!loop || !value)
      return false;
    return value.getDefiningOp<plan::CopyOp>() ||
           (isa<BlockArgument>(value) &&
            llvm::all_of(value.getUsers(), llvm::IsaPred<plan::CopyOp>));
  }

  LogicalResult verifyState() {
    for (auto variable : getOperation().getOps<VariableOp>()) {
      auto offset = variable->getAttrOfType<IntegerAttr>(plan::kOffsetAttr);
      if (!offset)
        continue;
      FailureOr<Range> range =
          makeRange(variable, variable.getSymName(), {}, variable.getType(), offset.getInt());
      if (failed(range))
        return failure();
      if (range->end > stateBytes)
        return variable.emitOpError() << str(*range) << " lies outside of the state region of "
                                      << stateBytes << " bytes"; // c2
      for (auto &[name, other] : variables)
        if (range->overlaps(other))
          return variable.emitOpError() << str(*range) << " overlaps " << str(other); // c2
      variables[variable.getSymNameAttr()] = *range;
    }
    return success();
  }

  /// The range of an argument or result, from the attributes.
  FailureOr<Range> rangeOf(Value value) {
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
      auto offset =
          function.getArgAttrOfType<IntegerAttr>(argument.getArgNumber(), plan::kOffsetAttr);
      if (!offset)
        return function.emitOpError()
               << "has no " << plan::kOffsetAttr << " for argument " << argument.getArgNumber();
      auto stride =
          function.getArgAttrOfType<IntegerAttr>(argument.getArgNumber(), plan::kStrideAttr);
      return makeIterations(function, value, offset.getInt(), stride ? stride.getInt() : 0);
    }
    Operation *op = value.getDefiningOp();
    auto offsets = op->getAttrOfType<DenseI64ArrayAttr>(plan::kOffsetsAttr);
    if (!offsets || offsets.size() != op->getNumResults())
      return op->emitOpError() << "has no " << plan::kOffsetsAttr << " for its results";
    unsigned index = cast<OpResult>(value).getResultNumber();
    auto strides = op->getAttrOfType<DenseI64ArrayAttr>(plan::kStridesAttr);
    return makeIterations(op, value, offsets[index], strides ? strides[index] : 0);
  }

  /// The range of a buffer in all iterations of the loop at hand, each checked as any buffer.
  FailureOr<Range> makeIterations(Operation *op, Value value, int64_t offset, int64_t stride) {
    FailureOr<Range> first = makeRange(op, "", value, value.getType(), offset);
    if (failed(first) || stride == 0)
      return first;
    int64_t bytes = first->end - first->begin;
    if (!loop || std::abs(stride) != bytes)
      return op->emitOpError() << "has buffer " << str(*first) << " with a stride of " << stride
                               << (loop ? "" : " outside of a loop");
    int64_t count = loop.getCount();
    FailureOr<Range> last =
        makeRange(op, "", value, value.getType(), offset + (count - 1) * stride);
    if (failed(last))
      return failure();
    return Range{std::min(first->begin, last->begin), std::max(first->end, last->end), "", value};
  }

  FailureOr<Range> variableRange(Operation *op, FlatSymbolRefAttr name) {
    auto it = variables.find(name.getAttr());
    if (it == variables.end())
      return op->emitOpError() << "uses variable " << name << ", which has no "
                               << plan::kOffsetAttr;
    return it->second;
  }

  LogicalResult verifyFunction(func::FuncOp function) {
    FailureOr<StepOrder> order = StepOrder::create(function);
    if (failed(order) || failed(verifyReserves(function, *order)))
      return failure();
    // One queue orders all.
    std::optional<ArenaAccesses> accesses;
    if (order->queueCount() > 1)
      accesses.emplace(*order);
    Arena arena;
    for (auto &[name, range] : variables)
      arena.write(range, name.getAsOpaquePointer());
    SmallVector<Range> inputs;
    for (BlockArgument argument : function.getArguments()) {
      FailureOr<Range> range = rangeOf(argument);
      if (failed(range) || failed(expectTemporary(function, *range)))
        return failure();
      for (const Range &other : inputs)
        if (range->overlaps(other))
          return function.emitOpError()
                 << "has input " << str(*range) << ", which overlaps input " << str(other); // c2
      inputs.push_back(*range);
      arena.write(*range, argument.getAsOpaquePointer());
    }
    SmallVector<AssignOp> assigns(function.getOps<AssignOp>());
    DenseSet<Value> assigned;
    for (AssignOp assign : assigns)
      assigned.insert(getViewed(assign.getValue()));
    for (Operation &op : function.front()) {
      if (failed(verifyOp(&op, arena, assigned)))
        return failure();
      if (auto step = dyn_cast<plan::StepOpInterface>(op); step && accesses)
        if (failed(verifyWaits(step, *accesses)))
          return failure();
    }
    return verifyEnd(function, arena, assigns);
  }

  /// Only what is assigned to a variable is written into the state region (c2).
  LogicalResult expectTemporary(Operation *op, const Range &range) {
    if (range.begin >= stateBytes || range.begin == range.end)
      return success();
    return op->emitOpError() << "has buffer " << str(range)
                             << ", which reaches into the state region of " << stateBytes
                             << " bytes";
  }

  LogicalResult verifyOp(Operation *op, Arena &arena, const DenseSet<Value> &assigned) {
    if (auto read = dyn_cast<ReadOp>(op)) {
      FailureOr<Range> variable = variableRange(op, read.getVariableAttr());
      FailureOr<Range> range = rangeOf(read.getResult());
      if (failed(variable) || failed(range))
        return failure();
      if (range->begin != variable->begin)
        return op->emitOpError() << "reads " << str(*range) << ", the variable is "
                                 << str(*variable);
      return success();
    }
    if (isAlias(op)) {
      FailureOr<Range> range = rangeOf(op->getResult(0)), of = rangeOf(op->getOperand(0));
      if (failed(range) || failed(of))
        return failure();
      auto part = dyn_cast<plan::ViewOp>(op);
      if (range->begin - of->begin != (part ? part.getOffset() : 0))
        return op->emitOpError() << "views " << str(*of) << " as " << str(*range);
      return success();
    }
    if (auto step = dyn_cast<plan::StepOpInterface>(op); step && step.getStepKind())
      return verifyStep(step, arena, assigned);
    if (op->hasTrait<OpTrait::IsTerminator>()) // an output is read at the end (c5)
      return verifyOperands(op, arena);
    if (!isa<AssignOp>(op))
      return op->emitOpError("is no step of a program");
    return success();
  }

  /// Each operand is where it should be (c3).
  LogicalResult verifyOperands(Operation *op, const Arena &arena) {
    for (Value operand : op->getOperands()) {
      FailureOr<Range> range = rangeOf(operand);
      if (failed(range))
        return failure();
      Content content = contentFor(operand);
      if (arena.holds(*range, content))
        continue;
      if (const Range *overwriter = arena.overwriter(content))
        return op->emitOpError() << "reads " << str(*range) << ", which was overwritten by "
                                 << str(*overwriter);
      return op->emitOpError() << "reads " << str(*range) << ", which nothing has written";
    }
    return success();
  }

  LogicalResult verifyStep(plan::StepOpInterface step, Arena &arena,
                           const DenseSet<Value> &assigned) {
    if (failed(verifyOperands(step, arena)))
      return failure();
    SmallVector<Range> operands, results;
    for (Value operand : step->getOperands())
      operands.push_back(*rangeOf(operand));
    for (OpResult result : step->getResults()) {
      FailureOr<Range> range = rangeOf(result);
      if (failed(range))
        return failure();
      int64_t tied = step.getTiedOperand(result.getResultNumber());
      if (loop && tied < 0 && failed(expectLoopBuffer(step, *range)))
        return failure();
      if (!loop && !assigned.contains(result) && tied < 0 && failed(expectTemporary(step, *range)))
        return failure();
      if (tied >= 0 && operands[tied].begin != range->begin)
        return step->emitOpError() << "ties " << str(*range) << " to " << str(operands[tied]);
      for (auto [i, operand] : llvm::enumerate(operands)) // c4
        if (range->overlaps(operand) && int64_t(i) != tied)
          return step->emitOpError()
                 << "writes " << str(*range) << " over its operand " << str(operand);
      for (const Range &other : results) // c4
        if (range->overlaps(other))
          return step->emitOpError() << "writes " << str(*range) << " and " << str(other);
      results.push_back(*range);
    }
    if (auto inner = dyn_cast<plan::LoopOp>(step.getOperation()))
      if (failed(verifyBody(inner, arena, results)))
        return failure();
    for (auto [result, range] : llvm::zip(step->getResults(), results))
      arena.write(range, result.getAsOpaquePointer());
    return success();
  }

  /// What steps of two queues both touch, one of them writing, is touched by one first (c7).
  LogicalResult verifyWaits(plan::StepOpInterface step, ArenaAccesses &accesses) {
    auto report = [&](const char *does, Value value, Operation *other) {
      return step->emitOpError() << does << " " << str(*rangeOf(value)) << ", which "
                                 << other->getName() << " of '" << joinNodeNames(other->getLoc())
                                 << "' in another queue may be using at that time: it has to wait";
    };
    for (Value operand : step->getOperands()) {
      FailureOr<Range> range = rangeOf(operand);
      if (Operation *other = accesses.read(range->begin, range->end, step))
        return report("reads", operand, other);
    }
    for (Value result : step->getResults()) {
      FailureOr<Range> range = rangeOf(result);
      if (Operation *other = accesses.write(range->begin, range->end, step))
        return report("writes", result, other);
    }
    return success();
  }

  /// A reserve that is sized at load stays in the queue of the call that fills it (c7).
  static LogicalResult verifyReserves(func::FuncOp function, const StepOrder &order) {
    for (auto call : function.getOps<plan::LibraryCallOpInterface>())
      for (OpOperand &operand : call->getOpOperands()) {
        bool isReserve =
            call.getOperandRole(operand.getOperandNumber()) == plan::OperandRole::Reserve;
        if (!isReserve || !plan::isSizedAtLoad(operand.get().getType()))
          continue;
        Operation *filler = operand.get().getDefiningOp();
        if (order.queueOf(filler) != order.queueOf(call))
          return call->emitOpError()
                 << "in queue " << order.queueOf(call) << " reads a reserve that queue "
                 << order.queueOf(filler) << " fills, which is sized at load";
      }
    return success();
  }

  /// A body writes to the buffers of its loop's results alone (c8).
  LogicalResult expectLoopBuffer(Operation *op, const Range &range) {
    for (Value result : loop->getResults()) {
      plan::LoopOp none;
      std::swap(loop, none);
      FailureOr<Range> buffer = rangeOf(result);
      std::swap(loop, none);
      if (failed(buffer))
        return failure();
      if (range.begin >= buffer->begin && range.end <= buffer->end)
        return success();
    }
    return op->emitOpError() << "writes " << str(range) << ", which is no buffer of its loop";
  }

  /// Walks a body once. An iteration begins as the one before began, with other carried
  /// values: nothing that it was given is overwritten, and all it returns is where the next
  /// one and the loop's users look for it (c8).
  LogicalResult verifyBody(plan::LoopOp inner, Arena &arena, ArrayRef<Range> results) {
    auto body = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(inner, inner.getBodyAttr());
    for (Operation &op : body.front())
      for (StringRef name : {plan::kQueueAttr, plan::kSignalAttr, plan::kWaitsAttr})
        if (op.hasAttr(name))
          return op.emitOpError() << "has " << name
                                  << "; the steps of a body run in their loop's queue";
    SmallVector<Range> given;
    for (Value operand : inner->getOperands()) {
      FailureOr<Range> range = rangeOf(operand);
      if (failed(range))
        return failure();
      given.push_back(*range);
    }
    loop = inner;
    auto leave = llvm::scope_exit([&] { loop = {}; });
    auto expect = [&](Value value, const Range &range) -> LogicalResult {
      FailureOr<Range> own = rangeOf(value);
      if (failed(own))
        return failure();
      if (own->begin == range.begin && own->end == range.end)
        return success();
      return inner.emitOpError() << "keeps " << str(range) << ", which is " << str(*own)
                                 << " in its body";
    };
    unsigned carried = inner.getNumCarried();
    for (unsigned i = 0; i < carried; ++i) {
      if (failed(expect(body.getArgument(i), results[i])))
        return failure();
      arena.write(results[i], body.getArgument(i).getAsOpaquePointer());
    }
    for (unsigned i = carried; i < body.getNumArguments(); ++i)
      if (failed(expect(body.getArgument(i), given[i])))
        return failure();
    for (Operation &op : body.front())
      if (failed(verifyOp(&op, arena, {})))
        return failure();
    for (BlockArgument argument : body.getArguments().drop_front(carried))
      if (FailureOr<Range> range = rangeOf(argument);
          failed(range) || !arena.holds(*range, contentFor(argument)))
        return inner.emitOpError() << "loses '" << getDisplayName(argument) << "' in its body";
    for (auto [i, value] : llvm::enumerate(body.front().getTerminator()->getOperands()))
      if (failed(expect(value, results[i])))
        return failure();
    return success();
  }

  /// Each variable ends as it should (c5).
  LogicalResult verifyEnd(func::FuncOp function, const Arena &arena, ArrayRef<AssignOp> assigns) {
    DenseMap<StringAttr, SmallVector<AssignOp, 1>> assignsOf;
    for (AssignOp assign : assigns) {
      if (failed(variableRange(assign, assign.getVariableAttr())))
        return failure();
      assignsOf[assign.getVariableAttr().getAttr()].push_back(assign);
    }
    for (auto &[name, range] : variables) {
      SmallVector<AssignOp, 1> pieces = assignsOf.lookup(name);
      if (pieces.empty()) {
        if (failed(verifyContent(function, arena, range, name.getAsOpaquePointer(), Value())))
          return failure();
        continue;
      }
      llvm::sort(pieces, [](AssignOp a, AssignOp b) { return a.getPlace() < b.getPlace(); });
      uint64_t next = range.begin;
      for (AssignOp assign : pieces) {
        Range piece = range;
        piece.begin += getByteOffset(assign);
        piece.end = piece.begin + *getByteSize(assign.getValue().getType());
        if (piece.begin != next)
          return assign.emitOpError() << "assigns " << str(piece) << ", behind " << next;
        next = piece.end;
        if (failed(verifyContent(assign, arena, piece, contentOf(assign.getValue()),
                                 assign.getValue())))
          return failure();
      }
      if (next != range.end)
        return pieces.back().emitOpError()
               << "is the last of those to " << str(range) << ", and ends at " << next;
    }
    return success();
  }

  /// Whether `content` is there at the end; `assigned` is the value that it is, if new.
  LogicalResult verifyContent(Operation *op, const Arena &arena, const Range &range,
                              Content content, Value assigned) {
    if (arena.holds(range, content))
      return success();
    InFlightDiagnostic error = op->emitOpError();
    error << "leaves " << str(range) << " without its " << (assigned ? "new" : "old") << " value";
    if (const Range *overwriter = arena.overwriter(content))
      error << ", which was overwritten by " << str(*overwriter);
    else if (assigned)
      if (FailureOr<Range> computed = rangeOf(assigned); succeeded(computed))
        error << ", which is " << str(*computed);
    return error;
  }
};
} // namespace
} // namespace ampc
