//===- Schedule.h - The learning rate, step by step -------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_NUMBERS_SCHEDULE_H
#define AMPC_NUMBERS_SCHEDULE_H

#include <cstdint>
#include <optional>
#include <string>

namespace ampc {

/// The numbers are those of ampc_schedule_kind_t.
enum class ScheduleKind { Constant, Linear, Cosine, Step, OneCycle };

/// "constant", "linear", "cosine", "step" or "onecycle".
const char *scheduleName(ScheduleKind kind);
/// Whether the rate has fallen by a step that is known before, which Schedule has as `last`.
bool decaysInTime(ScheduleKind kind);

/// The learning rate as a function of the number of applied updates and of nothing else, so that a
/// run that is cut and resumed has that of a whole one. `step` is that number plus one.
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
  /// What of it cannot be, as "a schedule's base is a finite number from 0 on"; null where all can.
  const char *fault() const;

  /// As one line of metadata, and back; nothing where `text` is no such line.
  std::string text() const;
  static std::optional<Schedule> parse(const std::string &text);
};

/// The key of that line in a checkpoint's metadata.
constexpr const char *kScheduleKey = "lr.schedule";

} // namespace ampc

#endif // AMPC_NUMBERS_SCHEDULE_H
