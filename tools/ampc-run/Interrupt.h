//===- Interrupt.h - SIGINT and SIGTERM, seen between steps ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_INTERRUPT_H
#define AMPC_RUN_INTERRUPT_H

#include <csignal>

namespace ampc::run {

/// While it lives, the first SIGINT or SIGTERM is only remembered, so that the
/// run can end in order; a second one ends the process at once. A signal that
/// the process was started to ignore stays ignored.
class InterruptGuard {
public:
  InterruptGuard();
  InterruptGuard(const InterruptGuard &) = delete;
  InterruptGuard &operator=(const InterruptGuard &) = delete;
  ~InterruptGuard();

  /// The signal that came, or 0.
  int signal() const;

private:
  struct sigaction oldInterrupt, oldTerminate;
};

/// "SIGINT" or "SIGTERM".
const char *signalName(int signal);
/// What a process ends with that `signal` has stopped: 130 or 143.
inline int exitCodeOfSignal(int signal) { return 128 + signal; }

} // namespace ampc::run

#endif // AMPC_RUN_INTERRUPT_H
