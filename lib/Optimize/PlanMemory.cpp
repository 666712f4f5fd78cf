//===- PlanMemory.cpp - Give every buffer its place in the arena --------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The largest buffers choose first, each the tightest gap among those placed before it
// whose lifetimes meet its own. Lifetimes are closed intervals of positions in the
// program, so that what a step reads and what it writes never share bytes.
//
//===----------------------------------------------------------------------===//

#include "ampc-runtime/module_format.h"
#include "ampc/Optimize/Buffers.h"
#include "ampc/Optimize/Passes.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_PLANMEMORY
#include "ampc/Optimize/Passes.h.inc"

namespace {
struct Buffer {
  std::string name;
  Type type;
  uint64_t bytes; ///< a multiple of the alignment
  int64_t first = 0, last = 0;
  uint64_t offset = 0;
  bool isPlaced = false; ///< a variable's buffer
};

/// Buffers of one function, by the value that owns them.
struct FunctionPlan {
  llvm::MapVector<Value, Buffer> buffers;
  uint64_t end = 0;
};

/// The bytes that a tensor takes in the arena; nullopt where the sum could overflow.
std::optional<uint64_t> paddedSize(Type type) {
  std::optional<uint64_t> bytes = getByteSize(type);
  if (!bytes || *bytes > uint64_t(std::numeric_limits<int64_t>::max()) / 2)
    return std::nullopt;
  return llvm::alignTo(*bytes, AMPC_ALIGNMENT);
}

/// Places `buffer` at the lowest end of the tightest gap between the `placed` ones that
/// live at the same time. Returns false where the arena would pass 2^63 bytes.
bool place(Buffer &buffer, ArrayRef<Buffer *> placed, uint64_t start) {
  SmallVector<std::pair<uint64_t, uint64_t>> occupied;
  for (Buffer *other : placed)
    if (other->first <= buffer.last && buffer.first <= other->last && other->bytes)
      occupied.push_back({other->offset, other->offset + other->bytes});
  llvm::sort(occupied);
  uint64_t gapStart = start, best = 0;
  std::optional<uint64_t> bestGap;
  for (auto [begin, end] : occupied) {
    if (begin > gapStart && begin - gapStart >= buffer.bytes &&
        (!bestGap || begin - gapStart < *bestGap)) {
      bestGap = begin - gapStart;
      best = gapStart;
    }
    gapStart = std::max(gapStart, end);
  }
  buffer.offset = bestGap ? best : gapStart;
  return buffer.offset + buffer.bytes <= uint64_t(std::numeric_limits<int64_t>::max());
}

struct PlanMemory : impl::PlanMemoryBase<PlanMemory> {
  using PlanMemoryBase::PlanMemoryBase;

  void runOnOperation() override {
    variables.clear();
    stateBytes = arenaBytes = 0;
    if (failed(layOutState()))
      return signalPassFailure();
    SmallVector<std::pair<func::FuncOp, FunctionPlan>> plans;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      FunctionPlan &plan = plans.emplace_back(function, FunctionPlan()).second;
      if (failed(layOut(function, plan)))
        return signalPassFailure();
      arenaBytes = std::max(arenaBytes, plan.end);
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
  }

private:
  llvm::MapVector<StringAttr, Buffer> variables;
  uint64_t stateBytes, arenaBytes;

  LogicalResult reportTooLarge(Location loc, Type type) {
    return emitError(loc) << type << " needs more bytes than can be addressed";
  }

  /// Places the variables that any function touches, in the order of the module.
  LogicalResult layOutState() {
    DenseSet<StringAttr> used;
    getOperation().walk([&](Operation *op) {
      if (auto read = dyn_cast<ReadOp>(op))
        used.insert(read.getVariableAttr().getAttr());
      if (auto assign = dyn_cast<AssignOp>(op))
        used.insert(assign.getVariableAttr().getAttr());
    });
    for (auto variable : getOperation().getOps<VariableOp>()) {
      variable->removeAttr(plan::kOffsetAttr);
      if (!used.contains(variable.getSymNameAttr()))
        continue;
      std::optional<uint64_t> bytes = paddedSize(variable.getType());
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
    std::optional<uint64_t> bytes = paddedSize(value.getType());
    if (!bytes)
      return reportTooLarge(value.getLoc(), value.getType());
    buffer.name = getDisplayName(value);
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
    int64_t position = 0;
    for (Operation &op : body) {
      for (Value result : op.getResults())
        if (getBufferOwner(result) == result)
          if (failed(addBuffer(plan, result, position)))
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
    return placeOthers(function, plan);
  }

  /// What is assigned to a variable is computed in its buffer.
  LogicalResult placeAssigned(FunctionPlan &plan, AssignOp assign) {
    Value owner = getBufferOwner(assign.getValue());
    if (getReadVariable(owner) == assign.getVariableAttr())
      return success();
    Buffer &buffer = plan.buffers[owner];
    if (!owner.getDefiningOp<plan::StepOpInterface>() || buffer.isPlaced)
      return assign.emitOpError("assigns a value that cannot lie in the variable's buffer; "
                                "plan-tie-updates makes a copy of such a value");
    buffer.offset = variables[assign.getVariableAttr().getAttr()].offset;
    buffer.isPlaced = true;
    return success();
  }

  LogicalResult placeOthers(func::FuncOp function, FunctionPlan &plan) {
    SmallVector<Buffer *> pending, placed;
    for (auto &[value, buffer] : plan.buffers)
      if (!buffer.isPlaced)
        pending.push_back(&buffer);
    llvm::stable_sort(pending, [](Buffer *a, Buffer *b) { return a->bytes > b->bytes; });
    for (Buffer *buffer : pending) {
      if (!place(*buffer, placed, stateBytes))
        return reportTooLarge(function.getLoc(), buffer->type);
      placed.push_back(buffer);
      plan.end = std::max(plan.end, buffer->offset + buffer->bytes);
    }
    return success();
  }

  void annotate(func::FuncOp function, FunctionPlan &plan) {
    Builder builder(&getContext());
    auto offsetOf = [&](Value value) {
      return int64_t(plan.buffers[getBufferOwner(value)].offset);
    };
    for (BlockArgument argument : function.getArguments())
      function.setArgAttr(argument.getArgNumber(), plan::kOffsetAttr,
                          builder.getI64IntegerAttr(offsetOf(argument)));
    for (Operation &op : function.front()) {
      if (op.getNumResults() == 0)
        continue;
      op.setAttr(plan::kOffsetsAttr,
                 builder.getDenseI64ArrayAttr(llvm::map_to_vector(op.getResults(), offsetOf)));
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
      error.attachNote() << buffer->bytes << " bytes for '" << buffer->name << "', "
                         << buffer->type;
  }
};
} // namespace
} // namespace ampc
