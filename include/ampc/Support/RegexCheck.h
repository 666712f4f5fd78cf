//===- RegexCheck.h - Regular expressions from the user ------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_REGEXCHECK_H
#define AMPC_SUPPORT_REGEXCHECK_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>

namespace ampc {

/// What is wrong with a POSIX extended regular expression; "" where it can be used. One that
/// llvm::Regex would answer with an overflow of the stack, gigabytes of memory or years of
/// backtracking is wrong as well: length, nesting and repetitions are bounded, and there are
/// no back-references. `states`, if given, gets how large its automaton is.
std::string findRegexError(llvm::StringRef regex, uint64_t *states = nullptr);

} // namespace ampc

#endif // AMPC_SUPPORT_REGEXCHECK_H
