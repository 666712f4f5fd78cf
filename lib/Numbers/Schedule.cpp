//===- Schedule.cpp - The learning rate, step by step ---------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc-numbers/Schedule.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

namespace ampc {

namespace {

constexpr const char *names[] = {"constant", "linear", "cosine", "step", "onecycle"};
/// torch.optim.lr_scheduler.OneCycleLR's pct_start, div_factor and final_div_factor.
constexpr double risingPart = 0.3, firstDivisor = 25, lastDivisor = 1e4;
constexpr double pi = 3.14159265358979323846;

/// From `from` to `to` along half a cosine, as `progress` goes from 0 to 1.
double anneal(double from, double to, double progress) {
  progress = std::min(1.0, std::max(0.0, progress));
  return to + (from - to) * (1 + std::cos(pi * progress)) / 2;
}

template <typename T>
void write(std::string &text, const char *key, T number) {
  char digits[32];
  text.append(" ").append(key).append("=");
  text.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

/// Takes ` key=NUMBER` from the start of `text`; false where something else stands there.
template <typename T>
bool take(std::string_view &text, std::string_view key, T &number) {
  if (text.size() < key.size() + 2 || text[0] != ' ' || text.substr(1, key.size()) != key ||
      text[key.size() + 1] != '=')
    return false;
  text.remove_prefix(key.size() + 2);
  auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(size_t(at - text.data()));
  return error == std::errc();
}

} // namespace

bool decaysInTime(ScheduleKind kind) {
  return kind == ScheduleKind::Linear || kind == ScheduleKind::Cosine ||
         kind == ScheduleKind::OneCycle;
}

const char *scheduleName(ScheduleKind kind) { return names[int(kind)]; }

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
    part = kind == ScheduleKind::Linear ? 1 - progress : anneal(1, 0, progress);
  }
  return static_cast<float>(double(base) * part);
}

const char *Schedule::fault() const {
  auto isPart = [](float number) { return number >= 0 && std::isfinite(number); };
  if (int(kind) < 0 || int(kind) > int(ScheduleKind::OneCycle))
    return "there is no such kind of schedule";
  if (!isPart(base) || !isPart(factor))
    return "base and factor of a schedule are finite numbers from 0 on";
  if (warmup < 0 || last < 0 || every < 0)
    return "steps of a schedule are counted from 0 on";
  if (kind == ScheduleKind::Step && every == 0)
    return "a schedule of kind step has a number of steps after which the rate falls";
  return nullptr;
}

std::string Schedule::text() const {
  std::string text = scheduleName(kind);
  write(text, "base", base);
  write(text, "warmup", warmup);
  write(text, "last", last);
  write(text, "every", every);
  write(text, "factor", factor);
  return text;
}

std::optional<Schedule> Schedule::parse(const std::string &text) {
  Schedule result;
  std::string_view rest = text;
  std::string_view name = rest.substr(0, rest.find(' '));
  auto kind = std::find(std::begin(names), std::end(names), name);
  if (kind == std::end(names))
    return std::nullopt;
  result.kind = ScheduleKind(kind - std::begin(names));
  rest.remove_prefix(name.size());
  bool isWhole = take(rest, "base", result.base) && take(rest, "warmup", result.warmup) &&
                 take(rest, "last", result.last) && take(rest, "every", result.every) &&
                 take(rest, "factor", result.factor) && rest.empty() && !result.fault();
  if (!isWhole)
    return std::nullopt;
  return result;
}

} // namespace ampc
