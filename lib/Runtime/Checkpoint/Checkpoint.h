//===- Checkpoint.h - Saves and restores a session --------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CHECKPOINT_CHECKPOINT_H
#define AMPC_RUNTIME_CHECKPOINT_CHECKPOINT_H

#include <string>

namespace ampc {

class Session;

/// Writes all state of `session` to `path`, atomically and durably. The bytes
/// depend on the state alone.
void saveCheckpoint(Session &session, const std::string &path);

/// Restores what saveCheckpoint wrote. Where it throws, `session` is as it was.
/// Returns whether the file comes from the same build, device kind and number
/// of threads.
bool loadCheckpoint(Session &session, const std::string &path);

/// Sets the caller's string `key`, or removes it where `value` is null. Throws
/// AMPC_STATUS_INVALID_ARGUMENT where they are no UTF-8.
void setMetadata(Session &session, const char *key, const char *value);

} // namespace ampc

#endif // AMPC_RUNTIME_CHECKPOINT_CHECKPOINT_H
