//===- Sequence.cpp - Kernels that one block runs one after another -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Each nested kernel is a phase: its schedule's blocks become a loop of the one block that
// there is, and a barrier stands behind them. What phases hand on lies in workspace.
//
//===----------------------------------------------------------------------===//

#include "KernelEmitter.h"

namespace ampc::codegen {
namespace {

/// A phase with more elements than this takes more threads.
constexpr int64_t kManyElements = 4096;

struct Phase {
  KernelOp kernel;
  IterationStructure s;
  FusedSchedule fused;
};

class SequenceEmitter {
public:
  SequenceEmitter(KernelOp kernel, StringRef name, const EmitTarget &target)
      : kernel(kernel), function(target, name, kernel.getLoc()), target(target) {}

  FailureOr<EmittedKernel> emit() {
    if (failed(schedulePhases()))
      return failure();
    assignBuffers();
    function.begin();
    WorkgroupArrays arrays(function.func);
    for (const std::unique_ptr<Phase> &phase : phases)
      emitPhase(*phase, arrays);
    emitted.stages.push_back(function.finish(1, threads));
    return std::move(emitted);
  }

private:
  LogicalResult schedulePhases() {
    for (KernelOp nested : kernel.getBodyBlock()->getOps<KernelOp>()) {
      FailureOr<IterationStructure> s = analyzeKernel(nested);
      if (failed(s) || failed(checkTied(nested, *s)))
        return failure();
      phases.push_back(std::make_unique<Phase>(Phase{nested, std::move(*s), FusedSchedule()}));
      if (target.device && phases.back()->s.points() > kManyElements)
        threads = 512;
      else if (target.device)
        threads = std::max<int64_t>(threads, 256);
    }
    ScheduleLimits limits;
    limits.device = target.device;
    limits.threads = target.device ? threads : 0;
    limits.singleStage = true;
    for (const std::unique_ptr<Phase> &phase : phases) {
      std::string reason;
      if (failed(scheduleFused(phase->s, limits, phase->fused, reason)))
        return phase->kernel.emitOpError("cannot be scheduled: ") << reason;
    }
    return success();
  }

  /// Gives each tensor of the body a buffer: an argument, that of the operand it is tied
  /// to, a result's, or workspace.
  void assignBuffers() {
    Block *body = kernel.getBodyBlock();
    Operation *yield = kernel.getYield();
    unsigned numInputs = body->getNumArguments();
    for (BlockArgument a : body->getArguments())
      buffers[a] = function.addInput(a.getArgNumber(), cast<RankedTensorType>(a.getType()));
    for (auto [r, v] : llvm::enumerate(yield->getOperands())) {
      int64_t t = kernel.getTied()[r];
      auto type = cast<RankedTensorType>(v.getType());
      buffers[getViewed(v)] = t >= 0 ? function.addTiedOutput(numInputs + r, t)
                                     : function.addOutput(numInputs + r, type);
    }
    for (const std::unique_ptr<Phase> &phase : phases)
      for (auto [r, v] : llvm::enumerate(phase->kernel.getResults())) {
        int64_t t = phase->kernel.getTied()[r];
        if (buffers.contains(v))
          continue;
        if (t >= 0) {
          buffers[v] = buffers.lookup(getViewed(phase->kernel.getInputs()[t]));
          continue;
        }
        auto type = cast<RankedTensorType>(v.getType());
        buffers[v] = function.addWorkspace(
            numInputs + yield->getNumOperands() + emitted.temporaries.size(), type);
        emitted.temporaries.push_back(type);
      }
  }

  void emitPhase(Phase &phase, WorkgroupArrays &arrays) {
    OpBuilder &b = function.b;
    Block *body = phase.kernel.getBodyBlock();
    BufferMap inside;
    llvm::DenseSet<Value> tied;
    for (auto [a, v] : llvm::zip(body->getArguments(), phase.kernel.getInputs()))
      inside[a] = buffers.lookup(getViewed(v));
    for (auto [inner, v] :
         llvm::zip(phase.kernel.getYield()->getOperands(), phase.kernel.getResults())) {
      inside[inner] = buffers.lookup(v);
      for (BlockArgument a : body->getArguments())
        if (inside[a] == inside[inner])
          tied.insert(inner);
    }
    const Schedule &schedule = *phase.fused.stages.front();
    auto runBlock = [&](Value block) {
      Emission at{b, function.loc, arrays, inside, tied, {}, block, function.thread};
      schedule.emit(at);
      arrays.release();
      if (target.device)
        gpu::BarrierOp::create(b, function.loc);
    };
    if (schedule.blocks == 1)
      return runBlock(arith::ConstantIndexOp::create(b, function.loc, 0));
    auto bound = [&](int64_t x) { return arith::ConstantIndexOp::create(b, function.loc, x); };
    auto loop = scf::ForOp::create(b, function.loc, bound(0), bound(schedule.blocks), bound(1));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    runBlock(loop.getInductionVar());
  }

  KernelOp kernel;
  KernelFunction function;
  EmitTarget target;
  int64_t threads = 1;
  SmallVector<std::unique_ptr<Phase>> phases;
  BufferMap buffers; // of each tensor of the body that is no view
  EmittedKernel emitted;
};

} // namespace

FailureOr<EmittedKernel> emitSequence(KernelOp kernel, StringRef name, const EmitTarget &target) {
  return SequenceEmitter(kernel, name, target).emit();
}

} // namespace ampc::codegen
