//===- StepOrder.cpp - Which step has ended when another starts ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Each step has a clock: of each queue, the number of steps that have ended when it starts.
// It is that of the step before it in its queue and of those whose signals it waits for,
// whichever is later.
//
//===----------------------------------------------------------------------===//

#include "ampc/Optimize/StepOrder.h"
#include "ampc-runtime/module_format.h"
#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;

namespace ampc {

FailureOr<StepOrder> StepOrder::create(func::FuncOp program) {
  StepOrder order;
  for (auto step : program.getOps<plan::StepOpInterface>())
    if (failed(order.add(step)))
      return failure();
  if (order.queues.empty())
    order.queues.resize(1);
  return order;
}

LogicalResult StepOrder::add(Operation *op) {
  Step step;
  if (auto queue = op->getAttrOfType<IntegerAttr>(plan::kQueueAttr)) {
    if (queue.getInt() < 0 || queue.getInt() >= AMPC_MOST_QUEUES)
      return op->emitOpError("is in queue ")
             << queue.getInt() << "; there are queues 0 to " << AMPC_MOST_QUEUES - 1;
    step.queue = queue.getInt();
  }
  if (queues.size() <= step.queue)
    queues.resize(step.queue + 1);
  std::vector<Operation *> &queue = queues[step.queue];
  step.place = queue.size();
  if (!queue.empty())
    step.ended = info.at(queue.back()).ended;
  step.ended.resize(std::max<size_t>(step.ended.size(), queues.size()));
  step.ended[step.queue] = step.place;
  if (auto waits = op->getAttrOfType<DenseI64ArrayAttr>(plan::kWaitsAttr))
    for (auto [i, signal] : llvm::enumerate(waits.asArrayRef())) {
      Operation *giver = signals.lookup(signal);
      if (!giver || queueOf(giver) == step.queue ||
          llvm::is_contained(waits.asArrayRef().take_front(i), signal))
        return op->emitOpError("waits for signal ")
               << signal << ", which no step of another queue before it gives, or twice";
      const Step &other = info.at(giver);
      for (auto [q, ended] : llvm::enumerate(other.ended))
        step.ended[q] = std::max(step.ended[q], ended);
      step.ended[other.queue] = std::max(step.ended[other.queue], other.place + 1);
    }
  if (auto signal = op->getAttrOfType<IntegerAttr>(plan::kSignalAttr))
    if (signal.getInt() < 0 || !signals.try_emplace(signal.getInt(), op).second)
      return op->emitOpError("gives signal ") << signal.getInt() << ", as another step does";
  queue.push_back(op);
  info[op] = std::move(step);
  return success();
}

bool StepOrder::isBefore(Operation *a, Operation *b) const {
  const Step &first = info.at(a);
  const Step &then = info.at(b);
  return first.queue < then.ended.size() && then.ended[first.queue] > first.place;
}

Operation *StepOrder::firstBeside(Operation *step) const {
  Operation *first = step;
  const Step &own = info.at(step);
  for (auto [q, queue] : llvm::enumerate(queues)) {
    size_t ended = q < own.ended.size() ? own.ended[q] : 0;
    if (ended < queue.size() && queue[ended]->isBeforeInBlock(first))
      first = queue[ended];
  }
  return first;
}

} // namespace ampc
