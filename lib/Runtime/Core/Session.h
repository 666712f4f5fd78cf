//===- Session.h - The state of one training run ----------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_SESSION_H
#define AMPC_RUNTIME_CORE_SESSION_H

#include "Core/Culprits.h"
#include "Core/Scalars.h"

#include "ampc-numbers/Schedule.h"
#include "ampc-runtime/ampc.h"

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ampc {

/// The functions of ampc.h's session, throwing Error. Nothing here reads from
/// the device but where its caller asks for an answer.
class Session {
public:
  Session(const Module &module, const ampc_session_options_t &options, bool seeded);

  ampc_device_t deviceKind() const { return device->kind(); }
  int threads() const { return device->threads(); }
  const Module &module() const { return owner; }
  int64_t steps() const { return attempts; }
  /// Micro-batches in the present window.
  int64_t microBatch() const { return given; }

  /// `visitor` may be empty.
  void step(const ampc_named_tensor_t *inputs, size_t count, ampc_step_info_t *info,
            const ValueVisitor &visitor = {});
  void stepInfo(int64_t step, ampc_step_info_t &info);
  void synchronize();
  void evaluate(const ampc_named_tensor_t *inputs, size_t inputCount,
                const ampc_named_tensor_t *outputs, size_t outputCount);
  void getTensor(const char *name, const DLTensor *tensor);
  void setTensor(const char *name, const DLTensor *tensor);
  void setLearningRate(float rate);
  const std::optional<Schedule> &schedule() const { return rates; }
  void setSchedule(const std::optional<Schedule> &schedule);
  /// Takes the schedule from the metadata just loaded.
  void restoreSchedule();

  /// Reads all of `tensor`, which has a place on this device, into `data`.
  void read(const ampc_tensor_entry_t &tensor, void *data);
  /// Part of that, [first, first + bytes). The memory is valid until the next
  /// call.
  const void *readPart(const ampc_tensor_entry_t &tensor, uint64_t first, uint64_t bytes);
  /// Writes all of `tensor`; finishWrites comes after the last one.
  void write(const ampc_tensor_entry_t &tensor, const void *data);
  /// Rebuilds what is derived from the state just written.
  void finishWrites();
  /// Takes the count of steps from the state. Earlier steps are forgotten: they
  /// belong to another run. Waits.
  void restartCount();
  bool isPlaced(const ampc_tensor_entry_t &tensor) const {
    return tensor.offset[device->target()] != AMPC_NONE_U64;
  }

  /// What the checkpoint carries for the caller.
  std::map<std::string, std::string> metadata;

private:
  /// Sets the learning rate of the next update, where there is a schedule.
  void followSchedule();
  struct StepRecord {
    ampc_step_info_t info;
    unsigned flags; ///< AMPC_FLAG_*
  };

  /// Looks at the micro-batch just made: where it is bad, and the first one of the window, for the
  /// tensor with which it went wrong. Waits.
  void examineMicroBatch(const ampc_program_entry_t &program, const InputBatch &batch);
  /// Tells of a step whose window is not complete.
  void tellWindow(ampc_step_info_t &info);
  /// Reads a scalar that the module has; `value` where it has none.
  template <class T>
  T readNumber(const char *name, T value);
  /// Steps up to this one are no longer known.
  int64_t oldestKept() const { return attempts - slots; }
  ampc_failure_t failureOf(unsigned flags, float loss) const;

  void initialize();
  /// Enqueues a program; nothing where the module has none of this name.
  void run(const char *program);
  const ampc_program_entry_t &requireProgram(std::string_view name) const;
  const ampc_tensor_entry_t &findTensor(const char *name) const;
  /// Throws where `value` is not one that a step could have left.
  void requireSound(const ScalarValue &value);
  /// Reads what the step numbered `step` has left in the ring. Waits.
  StepRecord readRecord(int64_t step);
  /// What a slot of the ring, at `memory`, says of the step.
  StepRecord decode(int64_t step, const void *memory) const;
  /// Throws where `flags`, of a step or an evaluation, tell that the batch was
  /// refused. `where` goes before the message, `consequence` behind it.
  void refuse(unsigned flags, const std::string &where, const char *consequence) const;
  /// Throws where `record` tells that the step refused its batch or ended the
  /// run. Called once for each step, in their order.
  void raise(const StepRecord &record);
  /// Raises for the first of the steps enqueued unseen that asks for it, up to
  /// `last`. Waits.
  void examine(int64_t last);

  const Module &owner;
  const Tables &tables;
  std::unique_ptr<Device> device;
  Culprits culprits;
  const bool hasLoss;
  /// In a step.
  const int64_t microBatches;
  const ampc_tensor_entry_t *ring = nullptr;
  int64_t slots = 0;
  std::optional<Schedule> rates;
  /// Updates that were applied before the first step, and steps since that were not.
  int64_t appliedBefore = 0, skipped = 0;
  /// Read by steps() while another thread may be in a step.
  std::atomic<int64_t> attempts{0};
  /// Micro-batches in the present window.
  std::atomic<int64_t> given{0};
  /// Steps up to this one were made before the ring was.
  int64_t before = 0;
  /// Steps up to this one have been looked at for errors.
  int64_t examined = 0;
  /// Of the steps looked at, how many of the latest in a row had a loss that is not finite.
  int64_t forwardFailures = 0;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_SESSION_H
