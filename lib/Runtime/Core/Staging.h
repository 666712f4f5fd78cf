//===- Staging.h - Between a caller's tensors and the arena -----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_STAGING_H
#define AMPC_RUNTIME_CORE_STAGING_H

#include "Core/Device.h"

#include "ampc-runtime/ampc.h"

#include <vector>

namespace ampc {

/// Checks that `given` has the type and shape that `tensor` declares and lies
/// dense and row-major in the CPU's memory, and returns its data (null only
/// where it has no elements). Throws AMPC_STATUS_INVALID_ARGUMENT; `what` is
/// "input", "output" or "tensor".
void *checkTensor(const Tables &tables, const ampc_tensor_entry_t &tensor, const DLTensor *given,
                  const char *what);

/// The inputs of one call, checked as a whole before anything is copied.
class InputBatch {
public:
  /// Matches the caller's `inputs` with the slots of `program`. Where
  /// `labelsOptional`, inputs that only the loss reads may be absent. Throws
  /// AMPC_STATUS_INVALID_ARGUMENT.
  InputBatch(const Tables &tables, const ampc_program_entry_t &program,
             const ampc_named_tensor_t *inputs, size_t count, bool labelsOptional);

  /// Copies all of them into their slots; a label that is absent becomes 0.
  void upload(Device &device) const;
  bool isComplete() const;

private:
  const Tables &tables;
  Span<ampc_binding_entry_t> slots;
  /// By slot. An absent input is null; one without elements points to itself.
  std::vector<const void *> data;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_STAGING_H
