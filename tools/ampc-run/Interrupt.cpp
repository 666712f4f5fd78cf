//===- Interrupt.cpp - SIGINT and SIGTERM, seen between steps -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Interrupt.h"

using namespace ampc::run;

namespace {

volatile std::sig_atomic_t received = 0;

void remember(int signal) {
  if (received) { // whichever came first: the second one is meant
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  received = signal;
}

void install(int signal, struct sigaction &old) {
  ::sigaction(signal, nullptr, &old);
  if (old.sa_handler == SIG_IGN)
    return;
  struct sigaction action = {};
  action.sa_handler = remember;
  // No SA_RESTART is needed: our reads and writes go on after EINTR, and so
  // must the runtime's; with it, code that does not is safe as well.
  action.sa_flags = SA_RESTART;
  ::sigaction(signal, &action, nullptr);
}

} // namespace

InterruptGuard::InterruptGuard() {
  received = 0;
  install(SIGINT, oldInterrupt);
  install(SIGTERM, oldTerminate);
}

InterruptGuard::~InterruptGuard() {
  ::sigaction(SIGINT, &oldInterrupt, nullptr);
  ::sigaction(SIGTERM, &oldTerminate, nullptr);
}

int InterruptGuard::signal() const { return received; }

const char *ampc::run::signalName(int signal) { return signal == SIGINT ? "SIGINT" : "SIGTERM"; }
