//===- HostCall.h - A library call on the CPU -------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_HOSTCALL_H
#define AMPC_RUNTIME_HOST_HOSTCALL_H

#include "Core/Tables.h"
#include "Host/ThreadPool.h"
#include "Host/Workspace.h"

#include <memory>

namespace ampc {

/// One step that is a library call, made once for a session.
class HostCall {
public:
  virtual ~HostCall() = default;

  virtual Workspace::Requirement requirement() const = 0;
  /// `arguments` are the addresses of the step's, in their order.
  virtual void run(void *const *arguments, const Workspace &workspace, ThreadPool &pool) const = 0;
};

/// The call of `step`, which has passed the tables' check, for a pool of
/// `threads`.
std::unique_ptr<HostCall> makeHostCall(const Tables &tables, const ampc_step_entry_t &step,
                                       int threads);

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_HOSTCALL_H
