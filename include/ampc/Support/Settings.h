//===- Settings.h - Numbers that users set -------------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_SETTINGS_H
#define AMPC_SUPPORT_SETTINGS_H

#include <charconv>
#include <cmath>
#include <string>

namespace ampc {

/// Whether f32, the type that settings are used in, holds `value` to its precision: it does
/// not become infinite or NaN, and 0 only where it is 0.
inline bool fitsF32(double value) {
  float rounded = float(value);
  return std::isfinite(rounded) && (rounded != 0 || value == 0);
}

/// The shortest decimals that give `value` again, for messages.
inline std::string toDecimals(double value) {
  char digits[64];
  return {digits, std::to_chars(digits, digits + sizeof(digits), value).ptr};
}

} // namespace ampc

#endif // AMPC_SUPPORT_SETTINGS_H
