//===- StepCheckpoints.h - The checkpoints that a run keeps ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_STEPCHECKPOINTS_H
#define AMPC_RUN_STEPCHECKPOINTS_H

#include <cstdint>
#include <string>
#include <vector>

namespace ampc::run {

/// `path` with `part` before its ".safetensors", or at its end where it has none.
std::string insertBeforeExtension(const std::string &path, const std::string &part);

/// The checkpoints of a run with --keep, one for each of its latest saves: F.step-N.safetensors
/// beside F.safetensors, with which the run ends.
class StepCheckpoints {
public:
  /// `checkpoint` is the one that the run ends with.
  explicit StepCheckpoints(std::string checkpoint) : last(std::move(checkpoint)) {}

  std::string pathOf(int64_t step) const;
  /// Steps that there is a file for, ascending.
  std::vector<int64_t> steps() const;
  /// All of them and the one that the run ends with, the latest first. One that cannot be told the
  /// step of comes first: loading it says why.
  std::vector<std::string> latestFirst() const;
  /// Behind the save of `step`, which is complete: removes all but the latest `keep` up to it, and
  /// those that are later, which belong to a run that this one has left. Returns what could not be
  /// removed, with the reason; "" where nothing is wrong.
  std::string prune(int64_t step, int64_t keep) const;

private:
  std::string last;
};

} // namespace ampc::run

#endif // AMPC_RUN_STEPCHECKPOINTS_H
