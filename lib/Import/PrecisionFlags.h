//===- PrecisionFlags.h - The user's say in a node's precision -- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_PRECISIONFLAGS_H
#define AMPC_LIB_IMPORT_PRECISIONFLAGS_H

#include "ImportContext.h"
#include "OperatorTable.h"
#include "llvm/Support/Regex.h"

namespace ampc {

/// `--amp-keep-fp32`, `--amp-deny` and `--amp-allow`, in the order of their priority. They
/// are decided here, once, since passes merge nodes and rename nothing.
class PrecisionFlags {
public:
  explicit PrecisionFlags(ImportContext &context) : context(context) {}

  /// Checks the flags themselves.
  LogicalResult check(const OperatorTable &operators);

  /// The `amp.precision` of a node's ops: `{category = "deny", reason = "--amp-deny=Exp"}`,
  /// null where the user says nothing.
  DictionaryAttr decide(StringRef nodeName, StringRef opType);

  /// An error where the regex has not matched any node so far.
  LogicalResult checkMatched();

  /// The attribute itself.
  static DictionaryAttr makeAttr(MLIRContext *context, StringRef category, const Twine &reason);

private:
  ImportContext &context;
  std::optional<llvm::Regex> keepF32;
  bool matched = false;
};

} // namespace ampc

#endif // AMPC_LIB_IMPORT_PRECISIONFLAGS_H
