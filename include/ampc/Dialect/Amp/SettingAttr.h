//===- SettingAttr.h - A mark of what is not learned -----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_SETTINGATTR_H
#define AMPC_DIALECT_AMP_SETTINGATTR_H

#include "llvm/ADT/StringRef.h"

namespace ampc {

/// On an op that moves or chooses elements, made at import: its operands are settings
/// (OperandUse::Setting), as the ONNX operator says, whatever the op itself takes them for.
constexpr llvm::StringLiteral kSettingAttr = "amp.setting";

} // namespace ampc

#endif // AMPC_DIALECT_AMP_SETTINGATTR_H
