//===- Progress.h - The line that tells how a run goes --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_PROGRESS_H
#define AMPC_RUN_PROGRESS_H

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace ampc::run {

/// "950", "12.3k", "4.6M": three digits are enough to watch.
std::string formatRate(double perSecond);
/// "0:42", "1:02:03", "3d 4h".
std::string formatDuration(double seconds);

/// Prints `ampc-run: note: text` on stderr.
void note(const std::string &text);

/// A part of the line. Where the terminal is too narrow for all of it, the fields of the
/// highest rank are left out first, and of equal ones the last.
struct ProgressField {
  std::string text;
  int rank = 0;
};
using ProgressLine = std::vector<ProgressField>;

/// `line` in at most `columns` bytes.
std::string fitLine(ProgressLine line, size_t columns);

/// Shows one line of text on stderr: redrawn in place on a terminal, else
/// printed now and then. Says nothing where it is quiet.
class Progress {
public:
  using Clock = std::chrono::steady_clock;

  explicit Progress(bool quiet);
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;
  ~Progress() { leaveLine(); }

  /// True where it is time for another show().
  bool isDue(Clock::time_point now) const;
  void show(const ProgressLine &line, Clock::time_point now);
  /// Shows the last line of a run, unless it stands there already.
  void finish(const ProgressLine &line);
  /// A note that belongs to the progress: silent where that is.
  void note(const std::string &text);
  /// Ends a line that is being redrawn, so that something else can be printed.
  void leaveLine();

private:
  bool quiet, redraws;
  bool midLine = false;
  ProgressLine shown;
  Clock::time_point next;
};

} // namespace ampc::run

#endif // AMPC_RUN_PROGRESS_H
