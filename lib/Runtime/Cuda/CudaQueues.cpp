//===- CudaQueues.cpp - The queues of a device's programs ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cuda/CudaQueues.h"

namespace ampc {

using namespace cuda;

CudaQueues::CudaQueues(const CudaDriver &driver) : driver(driver) { addQueue(); }

CudaQueues::~CudaQueues() {
  for (const Queue &queue : queues)
    if (queue.stream)
      driver.streamSynchronize.function(queue.stream.get());
}

void CudaQueues::makeEvent(CudaEvent &event) {
  driver(driver.eventCreate, event.out(), unsigned(CU_EVENT_DISABLE_TIMING));
}

void CudaQueues::addQueue() {
  driver(driver.streamCreate, queues.emplace_back(driver).stream.out(),
         unsigned(CU_STREAM_NON_BLOCKING));
}

void CudaQueues::reserve(uint32_t queueCount, uint32_t signalCount) {
  while (queues.size() < queueCount)
    addQueue();
  if (queueCount > 1)
    for (Queue &queue : queues)
      if (!queue.passed)
        makeEvent(queue.passed);
  while (signals.size() < signalCount)
    makeEvent(signals.emplace_back(driver));
}

void CudaQueues::fork(uint32_t queueCount) {
  if (queueCount <= 1)
    return;
  driver(driver.eventRecord, queues[0].passed.get(), stream(0));
  for (uint32_t i = 1; i < queueCount; ++i)
    driver(driver.streamWaitEvent, stream(i), queues[0].passed.get(), 0u);
}

void CudaQueues::join(uint32_t queueCount) {
  for (uint32_t i = 1; i < queueCount; ++i) {
    driver(driver.eventRecord, queues[i].passed.get(), stream(i));
    driver(driver.streamWaitEvent, stream(0), queues[i].passed.get(), 0u);
  }
}

void CudaQueues::signal(uint32_t queue, uint32_t number) {
  driver(driver.eventRecord, signals[number].get(), stream(queue));
}

void CudaQueues::wait(uint32_t queue, uint32_t number) {
  driver(driver.streamWaitEvent, stream(queue), signals[number].get(), 0u);
}

} // namespace ampc
