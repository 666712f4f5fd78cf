//===- ValueTrace.h - Binary exponents of what steps write ------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_VALUETRACE_H
#define AMPC_RUN_VALUETRACE_H

#include <ampc-runtime/ampc.h>

#include <map>
#include <regex>
#include <string>
#include <vector>

namespace ampc::run {

/// How many elements of a tensor have which exponent: that of 1.5 is 0, of 0.25 is -2.
class ExponentHistogram {
public:
  /// `data` is of `type`, a float of 16, 32 or 64 bits.
  void add(const DLDataType &type, const void *data, uint64_t count);
  void add(const ExponentHistogram &other);

  uint64_t elements = 0, zeros = 0, infinities = 0, nans = 0;
  std::map<int, uint64_t> exponents; ///< of the others
};

/// The tensors that --trace-values asks for, in the steps in which they are looked at.
class ValueTrace {
public:
  /// Throws Error with ExitUsage where `pattern` is no regular expression. Each `every`th step is
  /// looked at, and the first.
  ValueTrace(const std::string &pattern, int64_t every);

  bool isDue(int64_t step) const { return (step - 1) % every == 0; }
  /// For ampc_session_step_visited; `user` is the trace.
  static void visit(void *user, const ampc_value_t *value);
  /// Ends a step: a line of the log about it.
  std::string endStep(int64_t step, float scale);
  /// All steps, a line a tensor.
  std::string table() const;

private:
  struct Traced {
    std::string tensor, node, opType, type;
    bool isGradient = false;
    ExponentHistogram inStep, inAll;
  };

  std::regex regex;
  std::string pattern;
  int64_t every, steps = 0;
  std::vector<Traced> values; ///< in the order in which the plan writes them
  std::map<std::string, size_t> places;
};

} // namespace ampc::run

#endif // AMPC_RUN_VALUETRACE_H
