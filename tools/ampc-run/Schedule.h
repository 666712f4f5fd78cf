//===- Schedule.h - The learning rate, step by step -----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_SCHEDULE_H
#define AMPC_RUN_SCHEDULE_H

#include "Options.h"

#include <cstdint>
#include <optional>
#include <string>

namespace ampc::run {

/// "constant", "linear", "cosine", "step" or "onecycle".
const char *scheduleName(ScheduleKind kind);
/// Whether the rate has fallen by a step that is known before, which Schedule has as `last`.
bool decaysInTime(ScheduleKind kind);

/// The learning rate as a function of the step's number and of nothing else, so that a run
/// that is cut and resumed has that of a whole one. A skipped step counts.
///
/// With i = step - 1 and w steps of warmup: base * (i + 1) / w while i < w. Then, with
/// p = (i - w) / (last - w), at most 1: base (constant), base * (1 - p) (linear),
/// base * (1 + cos(pi p)) / 2 (cosine), base * factor^floor((i - w) / every) (step).
///
/// One cycle is that of PyTorch's OneCycleLR: from base / 25 along half a cosine to base, with step
/// w or, where w is 0, 3/10 of `last`; then to base / 250000 with step `last`.
struct Schedule {
  ScheduleKind kind = ScheduleKind::Constant;
  float base = 0;
  int64_t warmup = 0;
  int64_t last = 0;  ///< linear, cosine, one cycle: the step with which they end
  int64_t every = 0; ///< step
  float factor = 0;  ///< step

  float at(int64_t step) const;

  /// As one line of metadata, and back; nothing where `text` is no such line.
  std::string text() const;
  static std::optional<Schedule> parse(const std::string &text);
};

} // namespace ampc::run

#endif // AMPC_RUN_SCHEDULE_H
