//===- Process.h - Failures of writing as errors ----------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_FILES_PROCESS_H
#define AMPC_FILES_PROCESS_H

namespace ampc::files {

/// First thing in a tool's main: a write to a pipe without reader (SIGPIPE) or past the
/// limit of a file's size (SIGXFSZ) becomes an error of the call instead of the end of the
/// process, and a standard stream that was closed stays reserved, so that no file that is
/// opened later receives what is meant for it: writing to it is an error.
void prepareProcess();

} // namespace ampc::files

#endif // AMPC_FILES_PROCESS_H
