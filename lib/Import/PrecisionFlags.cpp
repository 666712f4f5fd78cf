//===- PrecisionFlags.cpp - The user's say in a node's precision ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PrecisionFlags.h"

using namespace mlir;

namespace ampc {
LogicalResult PrecisionFlags::check(const OperatorTable &operators) {
  const ImportOptions &options = context.options;
  if (!options.keepF32Regex.empty()) {
    keepF32.emplace(options.keepF32Regex);
    std::string reason;
    if (!keepF32->isValid(reason))
      return context.emitError() << "--amp-keep-fp32=" << options.keepF32Regex << ": " << reason;
  }
  auto checkNames = [&](StringRef flag, ArrayRef<std::string> names) -> LogicalResult {
    for (const std::string &name : names)
      if (!operators.contains(name))
        return context.emitError() << flag << "=" << name
                                   << ": there is no such operator; "
                                      "ampc --list-ops lists them";
    return success();
  };
  if (failed(checkNames("--amp-deny", options.denyOps)))
    return failure();
  return checkNames("--amp-allow", options.allowOps);
}

DictionaryAttr PrecisionFlags::decide(StringRef nodeName, StringRef opType) {
  const ImportOptions &options = context.options;
  if (keepF32 && keepF32->match(nodeName)) {
    matched = true;
    return makeAttr(&context.mlir, kFullPrecision, "--amp-keep-fp32=" + options.keepF32Regex);
  }
  if (llvm::is_contained(options.denyOps, opType))
    return makeAttr(&context.mlir, stringify(Precision::Deny), "--amp-deny=" + opType);
  if (llvm::is_contained(options.allowOps, opType))
    return makeAttr(&context.mlir, stringify(Precision::Allow), "--amp-allow=" + opType);
  return nullptr;
}

LogicalResult PrecisionFlags::checkMatched() {
  if (!keepF32 || matched)
    return success();
  return context.emitError() << "--amp-keep-fp32=" << context.options.keepF32Regex
                             << " matches no node's name";
}

DictionaryAttr PrecisionFlags::makeAttr(MLIRContext *context, StringRef category,
                                        const Twine &reason) {
  Builder builder(context);
  return builder.getDictionaryAttr(
      {builder.getNamedAttr("category", builder.getStringAttr(category)),
       builder.getNamedAttr("reason", builder.getStringAttr(reason))});
}
} // namespace ampc
