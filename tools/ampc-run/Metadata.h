//===- Metadata.h - What a checkpoint carries for ampc-run ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_METADATA_H
#define AMPC_RUN_METADATA_H

#include "Error.h"

#include <ampc-runtime/ampc.h>

#include <charconv>
#include <cmath>
#include <string>

namespace ampc::run {

/// Reads the metadata that a session has from a checkpoint, which may have been edited: what
/// does not hold is thrown as an Error that names key and value.
class Metadata {
public:
  Metadata(ampc_session_t *session, std::string path) : session(session), path(std::move(path)) {}

  bool has(const char *key) const { return ampc_session_get_metadata(session, key); }
  std::string text(const char *key) const {
    const char *value = ampc_session_get_metadata(session, key);
    return value ? value : "";
  }

  /// A whole number in [0, most]; `limit` tells what `most` is.
  template <typename T>
  T whole(const char *key, T most, const std::string &limit) const {
    T number = 0;
    if (!parse(key, number) || number < 0 || number > most)
      fail(key, ", not a whole number from 0 to " + std::to_string(most) + limit);
    return number;
  }

  /// A finite number.
  double finite(const char *key) const {
    double number = 0;
    if (!parse(key, number) || !std::isfinite(number))
      fail(key, ", not a finite number");
    return number;
  }

  [[noreturn]] void fail(const char *key, const std::string &problem) const {
    std::string what = "its metadata " + std::string(key) + " is ";
    throw Error(path, has(key) ? what + quoted(text(key)) + problem : what + "missing");
  }

private:
  template <typename T>
  bool parse(const char *key, T &number) const {
    std::string value = text(key);
    const char *end = value.data() + value.size();
    auto [at, error] = std::from_chars(value.data(), end, number);
    return has(key) && error == std::errc() && at == end;
  }

  ampc_session_t *session;
  std::string path;
};

} // namespace ampc::run

#endif // AMPC_RUN_METADATA_H
