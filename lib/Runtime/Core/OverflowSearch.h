//===- OverflowSearch.h - Where a step became infinite or NaN ---*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_OVERFLOWSEARCH_H
#define AMPC_RUNTIME_CORE_OVERFLOWSEARCH_H

#include "Core/Device.h"
#include "Core/NonFinite.h"

#include <string>
#include <vector>

namespace ampc {

/// The tensor with which a step went wrong. Strings of the tables, valid as long as the module.
struct Culprit {
  const char *tensor = ""; ///< the ONNX value that it is, or is a gradient of; "" a part of a node
  const char *node = "";   ///< that gives it, "" for an input or a parameter
  const char *opType = ""; ///< the node's operator
  int64_t index = -1;      ///< of the first element that is not finite, in row-major order
  float value = 0;         ///< that element
  std::string text;        ///< "the output 'h3' of node 'fc3' (Gemm), inf at [0, 2]"
};

/// Watches a program that runs step by step, looks at all that it writes, and tells where what went
/// wrong began: docs/Precision.md says by which rule.
class OverflowSearch : public StepWatcher {
public:
  /// The inputs must lie in their slots. Where `isReplay`, the step is one that has been made and
  /// was skipped: it ends before it could write to what the skip has saved, should it come there
  /// without having found anything.
  OverflowSearch(const Tables &tables, Device &device, const ampc_program_entry_t &program,
                 bool isReplay);

  bool begins(const ampc_step_entry_t &step, int64_t iteration) override;
  void ended(const ampc_step_entry_t &step, int64_t iteration) override;

  /// The first tensor that explains a loss (`isForward`) or else gradients that are not finite;
  /// nullopt where there is none.
  std::optional<Culprit> find(bool isForward) const;

private:
  /// A tensor that is not finite.
  struct Finding {
    NonFinite what;
    const ampc_step_entry_t *step = nullptr;         ///< that wrote it; null: it was there
    const ampc_argument_entry_t *argument = nullptr; ///< where the step did
    const ampc_tensor_entry_t *tensor = nullptr;     ///< an input or a parameter
    int64_t iteration = 0;                           ///< of a loop that the step is in
    std::vector<size_t> reads;                       ///< findings that its step read
  };
  /// Bytes of the arena that hold a finding.
  struct Region {
    uint64_t begin, end;
    size_t finding;
  };

  std::optional<NonFinite> look(uint64_t offset, uint64_t bytes, uint32_t dtype);
  void lookAtInputs();
  /// Adds parameters that the step reads and that are not finite themselves, as findings.
  void lookAtState(const ampc_step_entry_t &step, std::vector<size_t> &findings);
  void forget(uint64_t begin, uint64_t end);
  bool isBackward(const Finding &finding) const;
  bool writesState(const ampc_step_entry_t &step) const;
  const ampc_value_entry_t *valueOf(const Finding &finding) const;
  std::vector<size_t> goals(bool isForward) const;
  Culprit describe(const Finding &finding) const;
  /// Of what a step wrote: fills in names.
  std::string describeWritten(const Finding &finding, Culprit &culprit) const;

  const Tables &tables;
  Device &device;
  const ampc_program_entry_t &program;
  const ampc_target_t target;
  const bool isReplay;
  std::vector<Finding> findings;
  std::vector<Region> regions;
  std::vector<size_t> read; ///< findings that the present step reads
  std::vector<const ampc_tensor_entry_t *>
      weights; ///< trained parameters not looked at, and copies
};

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_OVERFLOWSEARCH_H
