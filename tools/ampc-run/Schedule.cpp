//===- Schedule.cpp - The learning rate, step by step ---------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Schedule.h"
#include "StepLog.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <sstream>

using namespace ampc::run;

namespace {

constexpr std::array kinds{ScheduleKind::Constant, ScheduleKind::Linear, ScheduleKind::Cosine,
                           ScheduleKind::Step, ScheduleKind::OneCycle};
/// torch.optim.lr_scheduler.OneCycleLR's pct_start, div_factor and final_div_factor.
constexpr double risingPart = 0.3, firstDivisor = 25, lastDivisor = 1e4;

/// Takes `key=NUMBER` from `words`; false where something else stands there. Negative numbers
/// are none.
template <typename T>
bool take(std::istringstream &words, const std::string &key, T &number) {
  std::string word;
  words >> word;
  if (word.compare(0, key.size() + 1, key + "=") != 0)
    return false;
  const char *start = word.data() + key.size() + 1, *end = word.data() + word.size();
  auto [at, error] = std::from_chars(start, end, number);
  return error == std::errc() && at == end && number >= 0 && std::isfinite(double(number));
}

/// From `from` to `to` along half a cosine, as `progress` goes from 0 to 1.
double anneal(double from, double to, double progress) {
  progress = std::min(1.0, std::max(0.0, progress));
  return to + (from - to) * (1 + std::cos(std::acos(-1.0) * progress)) / 2;
}

} // namespace

bool ampc::run::decaysInTime(ScheduleKind kind) {
  return kind == ScheduleKind::Linear || kind == ScheduleKind::Cosine ||
         kind == ScheduleKind::OneCycle;
}

const char *ampc::run::scheduleName(ScheduleKind kind) {
  switch (kind) {
  case ScheduleKind::Linear:
    return "linear";
  case ScheduleKind::Cosine:
    return "cosine";
  case ScheduleKind::Step:
    return "step";
  case ScheduleKind::OneCycle:
    return "onecycle";
  case ScheduleKind::Constant:
    break;
  }
  return "constant";
}

float Schedule::at(int64_t step) const {
  int64_t index = step - 1;
  if (kind == ScheduleKind::OneCycle) {
    double peak = (warmup ? double(warmup) : risingPart * double(last)) - 1;
    double first = double(base) / firstDivisor;
    double rate = double(index) < peak
                      ? anneal(first, base, double(index) / peak)
                      : anneal(base, first / lastDivisor,
                               (double(index) - std::max(0.0, peak)) /
                                   std::max(1.0, double(last) - 1 - std::max(0.0, peak)));
    return static_cast<float>(rate);
  }
  if (index < warmup)
    return static_cast<float>(double(base) * (double(index + 1) / double(warmup)));
  int64_t since = index - warmup;
  double part = 1;
  if (kind == ScheduleKind::Step) {
    part = std::pow(double(factor), double(since / every));
  } else if (kind != ScheduleKind::Constant) {
    double progress = last > warmup ? std::min(1.0, double(since) / double(last - warmup)) : 1;
    part = kind == ScheduleKind::Linear ? 1 - progress
                                        : (1 + std::cos(std::acos(-1.0) * progress)) / 2;
  }
  return static_cast<float>(double(base) * part);
}

std::string Schedule::text() const {
  return std::string(scheduleName(kind)) + " base=" + jsonNumber(base) +
         " warmup=" + std::to_string(warmup) + " last=" + std::to_string(last) +
         " every=" + std::to_string(every) + " factor=" + jsonNumber(factor);
}

std::optional<Schedule> Schedule::parse(const std::string &text) {
  Schedule result;
  std::istringstream words(text);
  std::string name;
  words >> name;
  auto kind = std::find_if(kinds.begin(), kinds.end(),
                           [&](ScheduleKind candidate) { return scheduleName(candidate) == name; });
  if (kind == kinds.end())
    return std::nullopt;
  result.kind = *kind;
  bool isWhole = take(words, "base", result.base) && take(words, "warmup", result.warmup) &&
                 take(words, "last", result.last) && take(words, "every", result.every) &&
                 take(words, "factor", result.factor) && result.text() == text;
  if (!isWhole || (result.kind == ScheduleKind::Step && result.every == 0))
    return std::nullopt;
  return result;
}
