//===- StepsCheck.h - Refuses steps that do not fit -------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_STEPSCHECK_H
#define AMPC_RUNTIME_CORE_STEPSCHECK_H

#include "Core/Tables.h"

#include <map>

namespace ampc {

/// What all checks of tables share. Each throws AMPC_STATUS_CORRUPT.
class TableChecks {
protected:
  TableChecks(const Tables &tables, const std::string &path)
      : tables(tables), header(tables.header()), path(path) {}

  [[noreturn]] void fail(const std::string &what) const;
  void check(bool good, const std::string &what) const {
    if (!good)
      fail(what);
  }
  /// Of the string that `what` names.
  void checkString(uint32_t offset, const std::string &what) const;

  const Tables &tables;
  const ampc_tables_t &header;
  const std::string &path;
};

/// Checks what is executed: kernels, and the steps that launch them. Code does
/// not look at what it is given: here is the only place that can.
class StepsCheck : TableChecks {
public:
  StepsCheck(const Tables &tables, const ampc_module_v1_t &module, const std::string &path)
      : TableChecks(tables, path), module(module) {}

  /// What the steps of a program have done so far.
  struct Done {
    std::map<uint32_t, uint32_t> signals;  ///< the queue that gave each
    std::map<uint64_t, uint32_t> reserves; ///< sized at load: the queue that filled each
  };

  void checkKernels() const;
  /// The step of `program` that comes after what is `done`. The kernels have been checked. The
  /// steps of a program are checked one after the other: those behind a loop are its body.
  void checkStep(size_t index, const ampc_program_entry_t &program, Done &done);

private:
  void checkKernel(const ampc_kernel_entry_t &kernel, const std::string &what) const;
  void checkLaunch(const ampc_step_entry_t &step, const ampc_program_entry_t &program,
                   const std::string &what) const;
  void checkArgument(const ampc_argument_entry_t &argument, const ampc_step_entry_t &step,
                     const ampc_program_entry_t &program, const std::string &what) const;
  void checkReserves(const ampc_step_entry_t &step, Done &done, const std::string &what) const;
  void checkQueue(const ampc_step_entry_t &step, const ampc_program_entry_t &program, Done &done,
                  const std::string &what) const;
  void checkDisjoint(const ampc_step_entry_t &step, const std::string &what) const;
  void checkLoop(const ampc_step_entry_t &step, uint64_t stepsBehind, const std::string &what);
  void checkLibrary(const ampc_step_entry_t &step, const std::string &what) const;

  const ampc_module_v1_t &module;
  // Of the step at hand: how often it runs, and whether in a loop, of which steps are left.
  uint64_t count = 1, stepsLeft = 0;
  bool inLoop = false;
  uint32_t loopQueue = 0;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_STEPSCHECK_H
