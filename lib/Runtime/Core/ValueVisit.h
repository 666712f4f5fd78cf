//===- ValueVisit.h - Shows what a step writes ------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_VALUEVISIT_H
#define AMPC_RUNTIME_CORE_VALUEVISIT_H

#include "Core/Device.h"

#include <functional>

namespace ampc {

using ValueVisitor = std::function<void(const ampc_value_t &)>;

/// Shows every tensor of floats that a watched program writes.
class ValueVisit : public StepWatcher {
public:
  ValueVisit(const Tables &tables, Device &device, const ValueVisitor &visitor)
      : tables(tables), device(device), visitor(visitor) {}

  bool begins(const ampc_step_entry_t &, int64_t) override { return true; }
  void ended(const ampc_step_entry_t &step, int64_t iteration) override;

private:
  const Tables &tables;
  Device &device;
  const ValueVisitor &visitor;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_VALUEVISIT_H
