//===- Error.h - What a failed call tells its caller ------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Inside the runtime a failure is an exception of type Error. The C API turns
// it into an ampc_status_t (CApi.cpp), so none leaves the library.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_ERROR_H
#define AMPC_RUNTIME_CORE_ERROR_H

#include "ampc-runtime/ampc.h"

#include <exception>
#include <string>
#include <string_view>
#include <type_traits>

namespace ampc {

class Error : public std::exception {
public:
  /// `message` is one line with values and the remedy; `node` the ONNX name of
  /// the node or tensor concerned, or empty.
  Error(ampc_status_code_t code, std::string message, std::string node = {})
      : code(code), message(std::move(message)), node(std::move(node)) {}

  const char *what() const noexcept override { return message.c_str(); }

  ampc_status_code_t code;
  std::string message;
  std::string node;
};

namespace detail {
inline void append(std::string &to, std::string_view text) { to += text; }
template <class T, class = std::enable_if_t<std::is_integral_v<T>>>
void append(std::string &to, T value) {
  to += std::to_string(value);
}
/// The shortest decimals that give the same float again.
void append(std::string &to, float value);
void append(std::string &to, double value);
} // namespace detail

/// Joins strings and numbers: `concat("got ", 3, " of ", name)`.
template <class... Parts>
std::string concat(const Parts &...parts) {
  std::string text;
  (detail::append(text, parts), ...);
  return text;
}

/// The system's words for `errorNumber`.
std::string systemMessage(int errorNumber);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_ERROR_H
