//===- Error.h - How ampc-run fails ---------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_ERROR_H
#define AMPC_RUN_ERROR_H

#include <stdexcept>
#include <string>
#include <string_view>

namespace ampc::run {

/// What the process ends with.
enum ExitCode {
  ExitDone = 0,
  ExitDiagnosed = 1, ///< a mistake in a file or on the machine, described
  ExitUsage = 2,     ///< a mistake on the command line
  ExitStopped = 3,   ///< training stopped: not finite, or the scale fell too low
  ExitInternal = 70  ///< a bug of ours
};

/// Ends the command. Printed as `<subject>: error: <message>`.
class Error : public std::runtime_error {
public:
  /// `subject` is the file at fault, or the program where there is none.
  Error(std::string subject, const std::string &message, int exitCode = ExitDiagnosed)
      : std::runtime_error(message), subject(std::move(subject)), exitCode(exitCode) {}

  const std::string subject;
  const int exitCode;
};

/// `text` fit for a terminal line: control characters escaped, cut where it is
/// longer than anyone reads. Names in files may hold anything.
std::string printable(std::string_view text);
/// printable(), in single quotes.
std::string quoted(std::string_view text);

} // namespace ampc::run

#endif // AMPC_RUN_ERROR_H
