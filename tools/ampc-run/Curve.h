//===- Curve.h - A run's course in little memory --------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_CURVE_H
#define AMPC_RUN_CURVE_H

#include "StepLog.h"

#include <ampc-runtime/ampc.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ampc::run {

/// What a plot shows of a run, however long: steps are gathered in at most `mostBuckets`
/// buckets of a power of two each, evaluations are thinned out likewise. The result depends on
/// what was added alone, so that a run that was cut and resumed draws what a whole one does.
class Curve {
public:
  static constexpr size_t mostBuckets = 1024, mostEvaluations = 512;

  /// Steps index * width + 1 to (index + 1) * width, as far as they were made.
  struct Bucket {
    int64_t index = 0;
    int64_t losses = 0, notFinite = 0, skipped = 0;
    double lossSum = 0;             ///< of the finite ones, as the next two
    float lossMin = 0, lossMax = 0; ///< set where there is a loss
    float scaleMin = 0, scaleMax = 0;
    float rate = 0; ///< of its last step
    double lossMean() const { return lossSum / double(losses); }
  };

  void add(const ampc_step_info_t &info);
  void add(const EvalRecord &record);

  /// Forgets what came after `step`: a run goes on from there.
  void cutAfter(int64_t step);

  bool isEmpty() const { return filled.empty(); }
  int64_t width() const { return bucketWidth; }
  int64_t lastStep() const { return last; }
  const std::vector<Bucket> &buckets() const { return filled; }
  const std::vector<EvalRecord> &evaluations() const { return evals; }
  /// The evaluation with the least loss, whether it is kept or not, and the latest.
  const std::optional<EvalRecord> &best() const { return bestEval; }
  const std::optional<EvalRecord> &latest() const { return latestEval; }

  /// As JSON of plain ASCII without <, > and &, and back. parse() throws std::exception where
  /// `text` is something else.
  std::string text() const;
  static Curve parse(std::string_view text);

private:
  void add(const Bucket &bucket);

  int64_t bucketWidth = 1, last = 0;
  std::vector<Bucket> filled; ///< by rising index
  int64_t evalStride = 1, evalsSeen = 0;
  std::vector<EvalRecord> evals; ///< every evalStride-th
  std::optional<EvalRecord> bestEval, latestEval;
};

} // namespace ampc::run

#endif // AMPC_RUN_CURVE_H
