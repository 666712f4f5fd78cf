//===- Progress.cpp - The line that tells how a run goes ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Progress.h"
#include "Files.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <sys/ioctl.h>
#include <unistd.h>

using namespace ampc::run;

namespace {

constexpr std::chrono::milliseconds redrawInterval(200);
constexpr std::chrono::seconds printInterval(10);

void print(const std::string &text) {
  // Who listens may be gone; a run goes on without.
  (void)ampc::files::writeFully(STDERR_FILENO, text.data(), text.size());
}

size_t terminalColumns() {
  winsize size = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return 80;
  return size.ws_col;
}

} // namespace

std::string ampc::run::formatRate(double perSecond) {
  const char *units[] = {"", "k", "M", "G"};
  size_t unit = 0;
  while (perSecond >= 999.5 && unit < 3) {
    perSecond /= 1000;
    ++unit;
  }
  int digits = perSecond >= 99.95 || (unit == 0 && perSecond >= 9.995) ? 0 : 1;
  char text[32];
  std::snprintf(text, sizeof text, "%.*f%s", digits, perSecond, units[unit]);
  return text;
}

std::string ampc::run::formatDuration(double seconds) {
  if (!(seconds < 1e9))
    return "forever";
  auto whole = static_cast<long long>(seconds + 0.5);
  char text[32];
  if (whole >= 48 * 3600)
    std::snprintf(text, sizeof text, "%lldd %lldh", whole / 86400, whole / 3600 % 24);
  else if (whole >= 3600)
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60,
                  whole % 60);
  else
    std::snprintf(text, sizeof text, "%lld:%02lld", whole / 60, whole % 60);
  return text;
}

/// A line that wraps cannot be redrawn.
std::string ampc::run::fitLine(ProgressLine line, size_t columns) {
  auto join = [&] {
    std::string text;
    for (const ProgressField &field : line)
      text += (text.empty() ? "" : "  ") + field.text;
    return text;
  };
  std::string text = join();
  while (text.size() > columns && line.size() > 1) {
    auto least = std::max_element(line.rbegin(), line.rend(),
                                  [](const auto &a, const auto &b) { return a.rank < b.rank; });
    line.erase(std::next(least).base());
    text = join();
  }
  return text.substr(0, columns);
}

void ampc::run::note(const std::string &text) { print("ampc-run: note: " + text + "\n"); }

Progress::Progress(bool quiet) : quiet(quiet) {
  const char *terminal = std::getenv("TERM");
  bool isDumb = !terminal || std::string(terminal) == "dumb";
  redraws = ::isatty(STDERR_FILENO) && !isDumb;
  // In a pipe, a run shorter than the interval prints its last line only.
  next = Clock::now();
  if (!redraws)
    next += printInterval;
}

bool Progress::isDue(Clock::time_point now) const { return !quiet && now >= next; }

void Progress::show(const ProgressLine &line, Clock::time_point now) {
  if (quiet)
    return;
  shown = line;
  if (!redraws) {
    next = now + printInterval;
    print(fitLine(line, std::numeric_limits<size_t>::max()) + "\n");
    return;
  }
  next = now + redrawInterval;
  print("\r" + fitLine(line, terminalColumns() - 1) + "\x1b[K");
  midLine = true;
}

void Progress::finish(const ProgressLine &line) {
  constexpr size_t all = std::numeric_limits<size_t>::max();
  if (redraws || fitLine(line, all) != fitLine(shown, all))
    show(line, Clock::now());
  leaveLine();
}

void Progress::note(const std::string &text) {
  if (quiet)
    return;
  bool wasDrawn = midLine;
  if (wasDrawn)
    print("\r\x1b[K");
  ampc::run::note(text);
  if (wasDrawn)
    show(shown, Clock::now());
}

void Progress::leaveLine() {
  if (midLine)
    print("\n");
  midLine = false;
}
