//===- ExportMetadata.cpp - What PyTorch's exporter notes -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ExportMetadata.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using llvm::SmallVector;
using llvm::StringRef;

namespace ampc {
constexpr StringRef kSignatureKey = "pkg.torch.export.ExportedProgram.graph_signature";
constexpr StringRef kCallKey = "pkg.torch.onnx.fx_node";
constexpr StringRef kRulesKey = "pkg.onnxscript.rewriter.rule_name";
constexpr StringRef kFoldKey = "pkg.onnxscript.optimizer.folded_from";

template <typename Properties>
static StringRef findProperty(const Properties &properties, StringRef key) {
  for (const onnx::StringStringEntryProto &entry : properties)
    if (entry.key() == key)
      return entry.value();
  return "";
}

static bool isIdentifierChar(char c) { return llvm::isAlnum(c) || c == '_'; }

/// The text between the next two quotes, after which `text` begins; failing that, false.
static bool takeQuoted(StringRef &text, StringRef &quoted) {
  size_t begin = text.find_first_of("'\"");
  if (begin == StringRef::npos)
    return false;
  size_t end = text.find(text[begin], begin + 1);
  if (end == StringRef::npos)
    return false;
  quoted = text.slice(begin + 1, end);
  text = text.drop_front(end + 1);
  return true;
}

bool isMoveName(StringRef name) {
  StringRef stem = name.rtrim("0123456789");
  if (stem.size() < name.size())
    stem.consume_back("_");
  return llvm::is_contained(
      {"val",       "view",       "_unsafe_view",   "reshape", "_reshape_alias", "flatten",
       "unflatten", "transpose",  "permute",        "t",       "numpy_t",        "mt",
       "movedim",   "swapaxes",   "unsqueeze",      "squeeze", "clone",          "detach",
       "alias",     "contiguous", "lift_fresh_copy"},
      stem);
}

ExportMetadata::ExportMetadata(const onnx::ModelProto &model)
    : fromTorch(StringRef(model.producer_name()).starts_with_insensitive("pytorch")) {
  const onnx::GraphProto &graph = model.graph();
  readSignature(findProperty(model.metadata_props(), kSignatureKey));
  readSignature(findProperty(graph.metadata_props(), kSignatureKey));
  for (const onnx::ValueInfoProto &value : graph.value_info()) {
    StringRef text = findProperty(value.metadata_props(), kFoldKey), name;
    if (text.empty())
      continue;
    SmallVector<StringRef> &sources = folds[value.name()];
    llvm::StringSet<> seen;
    bool moves = isMoveName(value.name());
    while (takeQuoted(text, name))
      if (kindOf(name) == Declared::No)
        moves &= isMoveName(name);
      else if (seen.insert(name).second)
        sources.push_back(name);
    if (!moves)
      computed.insert(value.name());
  }
}

/// Lines such as "p_fc_weight: PARAMETER target='fc.weight'" and
/// "b_rot: BUFFER target='rot' persistent=True".
void ExportMetadata::readSignature(StringRef text) {
  SmallVector<StringRef> lines;
  text.split(lines, '\n');
  for (StringRef line : lines) {
    auto [placeholder, rest] = line.split(": ");
    StringRef kind = rest.take_while([](char c) { return llvm::isUpper(c) || c == '_'; });
    Declared declared = kind == "PARAMETER"                             ? Declared::Parameter
                        : kind == "BUFFER" || kind == "CONSTANT_TENSOR" ? Declared::Buffer
                                                                        : Declared::No;
    rest = rest.drop_front(kind.size());
    StringRef target;
    if (declared == Declared::No || !rest.consume_front(" target=") || !takeQuoted(rest, target) ||
        target.empty() || !llvm::all_of(placeholder, isIdentifierChar))
      continue;
    placeholders.try_emplace(placeholder, target);
    if (kinds.try_emplace(target, declared).second && declared == Declared::Parameter)
      declaredParameters.push_back(target);
  }
}

StringRef ExportMetadata::callOf(const onnx::NodeProto &node) {
  return findProperty(node.metadata_props(), kCallKey);
}

bool ExportMetadata::lostBias(const onnx::NodeProto &node) {
  SmallVector<StringRef> rules;
  findProperty(node.metadata_props(), kRulesKey).split(rules, ", ");
  return llvm::all_of(rules,
                      [](StringRef rule) { return rule.starts_with("RemoveOptionalBiasFrom"); });
}

SmallVector<StringRef> ExportMetadata::operandsOf(StringRef call) const {
  SmallVector<StringRef> operands;
  llvm::StringSet<> seen;
  while (true) {
    size_t percent = call.find('%');
    if (percent == StringRef::npos)
      return operands;
    call = call.drop_front(percent + 1);
    StringRef name = call.take_while(isIdentifierChar);
    auto it = placeholders.find(name);
    if (it != placeholders.end() && seen.insert(it->second).second)
      operands.push_back(it->second);
  }
}

const SmallVector<StringRef> *ExportMetadata::foldOf(StringRef value) const {
  auto it = folds.find(value);
  return it == folds.end() ? nullptr : &it->second;
}

bool isTorchParameterName(StringRef name) {
  StringRef number = name;
  if (number.consume_front("val_") && llvm::all_of(number, llvm::isDigit))
    return false;
  return !name.empty() && !name.starts_with("ortshared_") && !name.starts_with("const_fold_opt_") &&
         llvm::all_of(name, [](char c) { return isIdentifierChar(c) || c == '.'; });
}
} // namespace ampc
