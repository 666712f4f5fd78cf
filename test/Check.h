//===- Check.h - What small test programs check by ------------ -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// For programs that link the compiler, which are built without RTTI and call what they test from
// main(). Tests of the runtime have GTest.

#ifndef AMPC_TEST_CHECK_H
#define AMPC_TEST_CHECK_H

#include <cstdio>
#include <string>

namespace ampc::test {

/// How many checks there were, and how many of them did not hold.
struct Checks {
  int made = 0, failed = 0;
};
inline Checks checks;

/// Counts; says `what` should hold where it does not.
inline void check(bool holds, const std::string &what) {
  ++checks.made;
  if (holds)
    return;
  ++checks.failed;
  std::printf("FAILED: %s\n", what.c_str());
}

/// The same, saying the condition itself.
#define CHECK(...) ::ampc::test::check((__VA_ARGS__), #__VA_ARGS__)

/// What main() returns: 0 where all held. A program that checks nothing has failed.
inline int finishChecks() {
  std::printf("%d checks, %d failures\n", checks.made, checks.failed);
  return checks.failed != 0 || checks.made == 0;
}

} // namespace ampc::test

#endif // AMPC_TEST_CHECK_H
