//===- SimtFiber.h - Switching between stacks -------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// On x86-64 a few lines of assembly, which leave through `ret`, so that the
// processor's return predictor stays in step, and do not save the
// floating-point control words; on other machines ucontext, which is slow but
// everywhere.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_SIMTFIBER_H
#define AMPC_TEST_STANDIN_SIMTFIBER_H

#include <cstddef>
#include <cstdint>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define AMPC_SIMT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define AMPC_SIMT_ASAN 1
#endif
#endif
#if defined(AMPC_SIMT_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace ampc::simt {

/// A stack that can be left and entered again. Fill in with start(); a thread's
/// own stack is a Context that was never started.
struct Context {
#if defined(__x86_64__)
  void *sp = nullptr;
#else
  ucontext_t context;
#endif
#if defined(AMPC_SIMT_ASAN)
  void *fakeStack = nullptr;
  const void *bottom = nullptr;
  size_t size = 0;
#endif
};

#if defined(__x86_64__)
extern "C" void ampcSimtSwitchStack(void **saveSp, void *toSp);
extern "C" void ampcSimtStartFiber();
/// To be expanded in one source file.
#define AMPC_SIMT_FIBER_ASM                                                                        \
  asm(".text\n.p2align 4\n.hidden ampcSimtSwitchStack\n"                                           \
      ".globl ampcSimtSwitchStack\nampcSimtSwitchStack:\n"                                         \
      "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq "                         \
      "%r15\n"                                                                                     \
      "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"                                                       \
      "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq "                               \
      "%rbp\nret\n"                                                                                \
      ".p2align 4\n.hidden ampcSimtStartFiber\n.globl ampcSimtStartFiber\n"                        \
      "ampcSimtStartFiber:\nmovq %r12, %rdi\ncallq *%r13\nud2\n");
#else
#define AMPC_SIMT_FIBER_ASM
inline void ampcSimtTrampoline(uint32_t entryLow, uint32_t entryHigh, uint32_t argLow,
                               uint32_t argHigh) {
  auto join = [](uint32_t low, uint32_t high) { return uintptr_t(uint64_t(high) << 32 | low); };
  reinterpret_cast<void (*)(void *)>(join(entryLow, entryHigh))(
      reinterpret_cast<void *>(join(argLow, argHigh)));
}
#endif

/// Makes `context` call `entry(arg)` on the stack [bottom, bottom + size).
/// `entry` must not return.
inline void start(Context &context, char *bottom, size_t size, void (*entry)(void *), void *arg) {
#if defined(AMPC_SIMT_ASAN)
  // An earlier fiber was left in the middle of its functions.
  __asan_unpoison_memory_region(bottom, size);
#endif
#if defined(__x86_64__)
  auto top = reinterpret_cast<uintptr_t>(bottom + size) & ~uintptr_t(15);
  auto *sp = reinterpret_cast<void **>(top) - 9; // the entry finds the stack aligned
  sp[0] = sp[1] = nullptr;                       // r15, r14
  sp[2] = reinterpret_cast<void *>(entry);       // r13
  sp[3] = arg;                                   // r12
  sp[4] = sp[5] = nullptr;                       // rbx, rbp
  sp[6] = reinterpret_cast<void *>(ampcSimtStartFiber);
  context.sp = sp;
#else
  getcontext(&context.context);
  context.context.uc_stack.ss_sp = bottom;
  context.context.uc_stack.ss_size = size;
  context.context.uc_link = nullptr;
  auto e = uint64_t(reinterpret_cast<uintptr_t>(entry));
  auto a = uint64_t(reinterpret_cast<uintptr_t>(arg));
  makecontext(&context.context, reinterpret_cast<void (*)()>(ampcSimtTrampoline), 4, uint32_t(e),
              uint32_t(e >> 32), uint32_t(a), uint32_t(a >> 32));
#endif
#if defined(AMPC_SIMT_ASAN)
  context.fakeStack = nullptr;
  context.bottom = bottom;
  context.size = size;
#endif
}

/// Goes on in `to`, until something switches back to `from`, which does not
/// happen where `last` is set.
inline void switchTo(Context &from, Context &to, bool last = false) {
  (void)last;
#if defined(AMPC_SIMT_ASAN)
  __sanitizer_start_switch_fiber(last ? nullptr : &from.fakeStack, to.bottom, to.size);
#endif
#if defined(__x86_64__)
  ampcSimtSwitchStack(&from.sp, to.sp);
#else
  swapcontext(&from.context, &to.context);
#endif
#if defined(AMPC_SIMT_ASAN)
  __sanitizer_finish_switch_fiber(from.fakeStack, nullptr, nullptr);
#endif
}

/// First call of a fiber that was entered from `from`.
inline void entered(Context &from) {
#if defined(AMPC_SIMT_ASAN)
  const void *bottom;
  size_t size;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
  if (!from.bottom) {
    from.bottom = bottom;
    from.size = size;
  }
#else
  (void)from;
#endif
}

} // namespace ampc::simt

#endif // AMPC_TEST_STANDIN_SIMTFIBER_H
