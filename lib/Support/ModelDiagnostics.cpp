//===- ModelDiagnostics.cpp - Errors as the user reads them ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Support/ModelDiagnostics.h"
#include "ampc/Support/NodeLocation.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"

using namespace mlir;

namespace ampc {
ModelDiagnostics::ModelDiagnostics(MLIRContext *context, StringRef model, llvm::raw_ostream &os)
    : ScopedDiagnosticHandler(context), model(escapeForTerminal(model)), os(os) {
  context->printOpOnDiagnostic(false); // the op as text tells the user nothing
  setHandler([this](Diagnostic &diagnostic) { print(diagnostic); });
}

/// The message without MLIR's "'amp.add' op ", which names nothing the user wrote.
static StringRef withoutOpName(StringRef message) {
  StringRef rest = message;
  if (!rest.consume_front("'"))
    return message;
  size_t end = rest.find("' op ");
  if (end == StringRef::npos || rest.take_front(end).contains('\''))
    return message;
  return rest.drop_front(end + strlen("' op "));
}

void ModelDiagnostics::print(Diagnostic &diagnostic) {
  StringRef severity = "error";
  switch (diagnostic.getSeverity()) {
  case DiagnosticSeverity::Error:
    if (errors++ > 0)
      return;
    break;
  case DiagnosticSeverity::Warning:
    severity = "warning";
    break;
  case DiagnosticSeverity::Remark:
    severity = "remark";
    break;
  case DiagnosticSeverity::Note:
    severity = "note";
    break;
  }

  std::string text = diagnostic.str();
  StringRef message = text;
  os << model << ": " << severity << ": ";
  SmallVector<StringRef> names = getNodeNames(diagnostic.getLocation());
  if (!names.empty() && !message.starts_with("node '")) {
    message = withoutOpName(message);
    os << "node '" << escapeForTerminal(names.front()) << "'";
    if (StringRef type = getNodeType(diagnostic.getLocation()); !type.empty())
      os << " (" << escapeForTerminal(type) << ")";
    os << ": ";
  }
  os << escapeForTerminal(message) << "\n";

  for (Diagnostic &note : diagnostic.getNotes())
    os << model << ": note: " << escapeForTerminal(note.str()) << "\n";
}

/// Whether a code point changes what the terminal shows around it.
static bool isUnsafe(unsigned codePoint) {
  return codePoint < 0x20 || (codePoint >= 0x7f && codePoint < 0xa0) || codePoint == 0x200e ||
         codePoint == 0x200f || (codePoint >= 0x2028 && codePoint <= 0x202e) ||
         (codePoint >= 0x2066 && codePoint <= 0x2069);
}

std::string escapeForTerminal(StringRef text, size_t limit) {
  std::string result;
  auto escape = [&](StringRef bytes) {
    for (unsigned char byte : bytes) {
      result += "\\x";
      result += llvm::toHex(StringRef(reinterpret_cast<char *>(&byte), 1), true);
    }
  };
  while (!text.empty()) {
    if (result.size() >= limit)
      return result + "...";
    auto *begin = reinterpret_cast<const llvm::UTF8 *>(text.data());
    const llvm::UTF8 *end = begin;
    llvm::UTF32 codePoint = 0;
    bool valid = llvm::convertUTF8Sequence(&end, begin + text.size(), &codePoint,
                                           llvm::strictConversion) == llvm::conversionOK;
    StringRef bytes = text.take_front(valid ? end - begin : 1);
    if (valid && !isUnsafe(codePoint))
      result += bytes;
    else
      escape(bytes);
    text = text.drop_front(bytes.size());
  }
  return result;
}
} // namespace ampc
