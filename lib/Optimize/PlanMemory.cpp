//===- PlanMemory.cpp - Give every buffer its place in the arena --------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Lifetimes are closed intervals of positions in the program, so that what a step reads and what it
// writes never share bytes. With several queues they begin earlier, at the first step that may run
// beside the one that writes.
//
//===----------------------------------------------------------------------===//

#include "BufferPlaces.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Optimize/Buffers.h"
#include "ampc/Optimize/Passes.h"
#include "ampc/Optimize/StepOrder.h"
#include "mlir/IR/Remarks.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/MathExtras.h"
#include <map>

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_PLANMEMORY
#include "ampc/Optimize/Passes.h.inc"

namespace {
struct Buffer : PlacedBuffer {
  std::string name; ///< of a variable
  Value value;      ///< or the value that is named in errors
  Type type;
  int64_t stride = 0;    ///< from an iteration of a loop to the next
  bool isPlaced = false; ///< a variable's buffer, or in a body one of the caller's
};

/// Buffers of one function, by the value that owns them. In the body of a loop, offsets of
/// its own buffers count from the loop's memory until that has its place.
struct FunctionPlan {
  llvm::MapVector<Value, Buffer> buffers;
  uint64_t end = 0;
};

/// The most bytes of buffers without a place of their own that live at the same time: no plan
/// takes less.
uint64_t mostAlive(const FunctionPlan &plan) {
  std::map<int64_t, int64_t> changes; // of the living bytes, by position
  for (const auto &[value, buffer] : plan.buffers)
    if (!buffer.isPlaced) {
      changes[buffer.first] += int64_t(buffer.bytes);
      changes[buffer.last + 1] -= int64_t(buffer.bytes);
    }
  int64_t alive = 0, most = 0;
  for (auto [position, change] : changes)
    most = std::max(most, alive += change);
  return uint64_t(most);
}

struct PlanMemory : impl::PlanMemoryBase<PlanMemory> {
  using PlanMemoryBase::PlanMemoryBase;

  void runOnOperation() override {
    variables.clear();
    stateBytes = arenaBytes = 0;
    if (failed(layOutState()))
      return signalPassFailure();
    SmallVector<std::pair<func::FuncOp, FunctionPlan>> plans;
    llvm::MapVector<Operation *, FunctionPlan> bodies;
    SymbolTable symbols(getOperation());
    // Bodies first: the memory that a loop needs is a buffer of its function.
    WalkResult laidOut = getOperation().walk([&](plan::LoopOp loop) {
      return WalkResult(
          layOutBody(loop, symbols.lookup<func::FuncOp>(loop.getBody()), bodies[loop]));
    });
    if (laidOut.wasInterrupted())
      return signalPassFailure();
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || function->hasAttr(plan::kLoopBodyAttr))
        continue;
      FunctionPlan &plan = plans.emplace_back(function, FunctionPlan()).second;
      if (failed(layOut(function, plan)) || failed(placeOthers(function, plan, stateBytes)))
        return signalPassFailure();
      arenaBytes = std::max(arenaBytes, plan.end);
      remark::analysis(
          function.getLoc(),
          remark::RemarkOpts::name("arena").category("plan-memory").function(function.getName()))
          << remark::metric("bytes", plan.end > stateBytes ? plan.end - stateBytes : 0)
          << remark::metric("alive", mostAlive(plan));
    }
    arenaBytes = std::max(arenaBytes, stateBytes);
    if (memoryLimit != 0 && arenaBytes > memoryLimit) {
      reportLimit(plans);
      return signalPassFailure();
    }
    Builder builder(&getContext());
    getOperation()->setAttr(plan::kArenaBytesAttr, builder.getI64IntegerAttr(arenaBytes));
    getOperation()->setAttr(plan::kStateBytesAttr, builder.getI64IntegerAttr(stateBytes));
    for (auto &[function, plan] : plans)
      annotate(function, plan);
    for (auto &[op, plan] : bodies) {
      auto loop = cast<plan::LoopOp>(op);
      auto body = symbols.lookup<func::FuncOp>(loop.getBody());
      for (auto &entry : plans)
        if (entry.first == loop->getParentOfType<func::FuncOp>())
          moveIntoCaller(loop, body, plan, entry.second);
      annotate(body, plan);
    }
  }

private:
  llvm::MapVector<StringAttr, Buffer> variables;
  uint64_t stateBytes, arenaBytes;

  LogicalResult reportTooLarge(Location loc, Type type) {
    return emitError(loc) << type << " needs more bytes than can be addressed";
  }

  /// Places the variables that any function touches, in the order of the module.
  LogicalResult layOutState() {
    for (auto variable : getOperation().getOps<VariableOp>())
      variable->removeAttr(plan::kOffsetAttr);
    for (VariableOp variable : getUsedVariables(getOperation())) {
      std::optional<uint64_t> bytes = getPaddedSize(variable.getType());
      std::optional<uint64_t> end;
      if (bytes)
        end = llvm::checkedAddUnsigned(stateBytes, *bytes);
      if (!end || *end > uint64_t(std::numeric_limits<int64_t>::max()))
        return reportTooLarge(variable.getLoc(), variable.getType());
      Buffer &buffer = variables[variable.getSymNameAttr()];
      buffer.name = variable.getSymName().str();
      buffer.type = variable.getType();
      buffer.bytes = *bytes;
      buffer.offset = stateBytes;
      buffer.isPlaced = true;
      variable->setAttr(plan::kOffsetAttr, Builder(&getContext()).getI64IntegerAttr(stateBytes));
      stateBytes = *end;
    }
    return success();
  }

  LogicalResult addBuffer(FunctionPlan &plan, Value value, int64_t position) {
    Buffer &buffer = plan.buffers[value];
    std::optional<uint64_t> bytes = getPaddedSize(value.getType());
    if (!bytes)
      return reportTooLarge(value.getLoc(), value.getType());
    buffer.value = value;
    buffer.type = value.getType();
    buffer.bytes = *bytes;
    buffer.first = buffer.last = position;
    return success();
  }

  /// The buffers of a function with their lifetimes and offsets.
  LogicalResult layOut(func::FuncOp function, FunctionPlan &plan) {
    Block &body = function.front();
    for (BlockArgument argument : function.getArguments())
      if (failed(addBuffer(plan, argument, -1)))
        return failure();
    FailureOr<StepOrder> order = StepOrder::create(function);
    if (failed(order))
      return failure();
    // What ends before a buffer's life has ended before its first step starts, in whatever queue:
    // a step that may run beside that one comes after the beginning.
    DenseMap<Operation *, int64_t> positions;
    int64_t position = 0;
    for (Operation &op : body) {
      positions[&op] = position;
      Operation *first = isa<plan::StepOpInterface>(op) ? order->firstBeside(&op) : &op;
      for (Value result : op.getResults())
        if (getBufferOwner(result) == result)
          if (failed(addBuffer(plan, result, positions.at(first))))
            return failure();
      // An assigned value's buffer is its variable's: nothing to keep.
      if (!isa<AssignOp>(op))
        for (Value operand : op.getOperands())
          plan.buffers[getBufferOwner(operand)].last = position;
      ++position;
    }
    for (auto &[value, buffer] : plan.buffers)
      if (FlatSymbolRefAttr variable = getReadVariable(value)) {
        buffer.offset = variables[variable.getAttr()].offset;
        buffer.isPlaced = true;
      }
    for (auto assign : function.getOps<AssignOp>())
      if (failed(placeAssigned(plan, assign)))
        return failure();
    return success();
  }

  /// Lays out what a body has for itself, and gives the loop memory of that size.
  LogicalResult layOutBody(plan::LoopOp loop, func::FuncOp body, FunctionPlan &plan) {
    if (failed(layOut(body, plan)))
      return failure();
    for (BlockArgument argument : body.getArguments())
      plan.buffers[argument].isPlaced = true;
    for (Value returned : body.front().getTerminator()->getOperands()) {
      Buffer &buffer = plan.buffers[getBufferOwner(returned)];
      if (buffer.isPlaced)
        return loop.emitOpError("returns from its body what cannot lie where the loop keeps it; "
                                "plan-tie-loops makes a copy of such a value");
      buffer.isPlaced = true;
    }
    if (failed(placeOthers(body, plan, /*start=*/0)))
      return failure();
    loop.getMemory().setType(
        RankedTensorType::get({int64_t(plan.end)}, IntegerType::get(&getContext(), 8)));
    return success();
  }

  /// Gives the buffers of a body their places, once its caller's have theirs.
  void moveIntoCaller(plan::LoopOp loop, func::FuncOp body, FunctionPlan &plan,
                      FunctionPlan &caller) {
    auto offsetOf = [&](Value value) {
      return caller.buffers[getBufferOwner(value)].offset + getOffsetInOwner(value);
    };
    uint64_t memory = offsetOf(loop.getMemory());
    for (auto &[value, buffer] : plan.buffers)
      if (!buffer.isPlaced)
        buffer.offset += memory;
    // Slices lie densely in the sequences and stacked outputs.
    unsigned carried = loop.getNumCarried();
    auto placeSlice = [&](Value slice, Value stack, unsigned index) {
      Buffer &buffer = plan.buffers[getBufferOwner(slice)];
      int64_t bytes = *getByteSize(slice.getType());
      bool reversed = loop.isReversed(index);
      buffer.offset = offsetOf(stack) + (reversed ? (loop.getCount() - 1) * bytes : 0);
      buffer.stride = reversed ? -bytes : bytes;
    };
    Operation *end = body.front().getTerminator();
    for (unsigned i = 0; i < carried; ++i)
      for (Value value : {Value(body.getArgument(i)), end->getOperand(i)})
        plan.buffers[getBufferOwner(value)].offset = offsetOf(loop.getResult(i));
    for (auto [i, sequence] : llvm::enumerate(loop.getSequences()))
      placeSlice(body.getArgument(carried + i), sequence, i);
    for (auto [i, invariant] : llvm::enumerate(loop.getInvariants()))
      plan.buffers[body.getArgument(carried + loop.getSequences().size() + i)].offset =
          offsetOf(invariant);
    for (unsigned i = 0; i < loop.getNumOutputs(); ++i)
      placeSlice(end->getOperand(carried + i), loop.getResult(carried + i),
                 loop.getSequences().size() + i);
  }

  /// What is assigned to a variable is computed in its buffer.
  LogicalResult placeAssigned(FunctionPlan &plan, AssignOp assign) {
    Value owner = getBufferOwner(assign.getValue());
    if (getReadVariable(owner) == assign.getVariableAttr())
      return success(); // of its own old value
    Buffer &buffer = plan.buffers[owner];
    if (!owner.getDefiningOp<plan::StepOpInterface>() || buffer.isPlaced)
      return assign.emitOpError("assigns a value that cannot lie in the variable's buffer; "
                                "plan-tie-updates makes a copy of such a value");
    Buffer &variable = variables[assign.getVariableAttr().getAttr()];
    buffer.offset = variable.offset + getByteOffset(assign);
    buffer.isPlaced = true;
    return success();
  }

  /// Places what has no place yet, from `start` on.
  LogicalResult placeOthers(func::FuncOp function, FunctionPlan &plan, uint64_t start) {
    SmallVector<PlacedBuffer *> pending;
    for (auto &[value, buffer] : plan.buffers)
      if (!buffer.isPlaced)
        pending.push_back(&buffer);
    if (auto *tooLarge = static_cast<Buffer *>(placeBuffers(pending, mostAlive(plan), start)))
      return reportTooLarge(function.getLoc(), tooLarge->type);
    plan.end = std::max(plan.end, endOf(pending));
    return success();
  }

  void annotate(func::FuncOp function, FunctionPlan &plan) {
    Builder builder(&getContext());
    auto offsetOf = [&](Value value) {
      return int64_t(plan.buffers[getBufferOwner(value)].offset + getOffsetInOwner(value));
    };
    auto strideOf = [&](Value value) { return plan.buffers[getBufferOwner(value)].stride; };
    for (BlockArgument argument : function.getArguments()) {
      function.setArgAttr(argument.getArgNumber(), plan::kOffsetAttr,
                          builder.getI64IntegerAttr(offsetOf(argument)));
      if (int64_t stride = strideOf(argument))
        function.setArgAttr(argument.getArgNumber(), plan::kStrideAttr,
                            builder.getI64IntegerAttr(stride));
    }
    for (Operation &op : function.front()) {
      if (op.getNumResults() == 0)
        continue;
      op.setAttr(plan::kOffsetsAttr,
                 builder.getDenseI64ArrayAttr(llvm::map_to_vector(op.getResults(), offsetOf)));
      SmallVector<int64_t> strides = llvm::map_to_vector(op.getResults(), strideOf);
      if (llvm::any_of(strides, [](int64_t stride) { return stride != 0; }))
        op.setAttr(plan::kStridesAttr, builder.getDenseI64ArrayAttr(strides));
    }
  }

  /// Says how much is missing, and what takes the most where most is taken.
  void reportLimit(ArrayRef<std::pair<func::FuncOp, FunctionPlan>> plans) {
    SmallVector<const Buffer *> buffers;
    for (auto &entry : variables)
      buffers.push_back(&entry.second);
    for (auto &[function, plan] : plans)
      if (plan.end == arenaBytes)
        for (auto &entry : plan.buffers)
          if (!entry.second.isPlaced)
            buffers.push_back(&entry.second);
    llvm::stable_sort(buffers, [](auto *a, auto *b) { return a->bytes > b->bytes; });
    InFlightDiagnostic error = getOperation().emitError()
                               << "the program needs " << arenaBytes
                               << " bytes of memory, --memory-limit allows "
                               << uint64_t(memoryLimit) << "; a smaller --batch needs less";
    constexpr size_t kNamed = 5;
    for (const Buffer *buffer : ArrayRef(buffers).take_front(kNamed))
      error.attachNote() << buffer->bytes << " bytes for '"
                         << (buffer->value ? getDisplayName(buffer->value) : buffer->name) << "', "
                         << buffer->type;
  }
};
} // namespace
} // namespace ampc
