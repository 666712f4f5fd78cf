//===- CudaQueues.h - The queues of a device's programs -------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDAQUEUES_H
#define AMPC_RUNTIME_CUDA_CUDAQUEUES_H

#include "Cuda/CudaResource.h"

#include <vector>

namespace ampc {

/// A stream for each queue and an event for each signal. What is enqueued outside of programs goes
/// into queue 0, from which a program starts its other queues and to which they come back: so
/// programs run one after the other, and all of a program is recorded from queue 0.
class CudaQueues {
public:
  /// Makes queue 0.
  explicit CudaQueues(const CudaDriver &driver);
  /// Waits for what is enqueued, as well as it can.
  ~CudaQueues();

  /// Makes what a program of so many queues and signals needs and is not there yet.
  void reserve(uint32_t queueCount, uint32_t signalCount);

  cuda::CUstream stream(uint32_t queue) const { return queues[queue].stream.get(); }
  /// Lets the queues 1 to `queueCount` - 1 start after what is in queue 0.
  void fork(uint32_t queueCount);
  /// Lets queue 0 go on after what is in them.
  void join(uint32_t queueCount);
  /// Gives a signal after what is in the queue.
  void signal(uint32_t queue, uint32_t number);
  /// Lets the queue go on after a signal, which has been given.
  void wait(uint32_t queue, uint32_t number);

private:
  struct Queue {
    explicit Queue(const CudaDriver &driver) : stream(driver), passed(driver) {}
    CudaStream stream;
    CudaEvent passed; ///< where a program forks, in queue 0, or joins, in another
  };

  void makeEvent(CudaEvent &event);
  void addQueue();

  const CudaDriver &driver;
  std::vector<Queue> queues;
  std::vector<CudaEvent> signals;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDAQUEUES_H
