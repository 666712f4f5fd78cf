//===- RegexCheck.cpp - Regular expressions from the user -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Support/RegexCheck.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Regex.h"

using llvm::StringRef;

namespace ampc {
namespace {
/// llvm::Regex recurses once for each open parenthesis, writes the operand of a repetition
/// out as often as its upper bound says, and takes a step for each state and character.
constexpr size_t kMostCharacters = 10000, kDeepest = 100;
constexpr uint64_t kMostStates = 20000;

/// Reads the bounds of a repetition, "{2,5}", behind its brace. Returns how often the
/// operand is written out; `rest` is then behind the closing brace.
uint64_t readRepetition(StringRef &rest) {
  uint64_t least = 1, most = 0;
  rest.consumeInteger(10, least);
  if (rest.consume_front(",") && !rest.consumeInteger(10, most))
    least = std::max(least, most);
  rest = rest.drop_front(std::min(rest.size(), rest.find('}') + 1));
  return least + 1;
}

/// Behind a bracket expression, whose opening bracket has been read.
StringRef skipBrackets(StringRef rest) {
  rest.consume_front("^");
  // A bracket that comes first is a member; classes hold brackets of their own.
  rest.consume_front("]");
  while (!rest.empty() && !rest.starts_with("]")) {
    char kind = rest.size() > 1 && rest[0] == '[' ? rest[1] : '\0';
    if (kind == ':' || kind == '.' || kind == '=') {
      const char end[] = {kind, ']', '\0'};
      size_t close = rest.find(end, 2);
      rest = close == StringRef::npos ? StringRef() : rest.drop_front(close + 2);
    } else {
      rest = rest.drop_front();
    }
  }
  return rest.drop_front(std::min<size_t>(rest.size(), 1));
}

/// Counts states of the automaton, or gives an error.
std::string checkSize(StringRef rest, uint64_t &states) {
  struct Group {
    uint64_t states = 0, last = 0; ///< in all, and of the latest operand
  };
  llvm::SmallVector<Group> groups(1);
  auto addOperand = [&](uint64_t states) {
    groups.back().states += states;
    groups.back().last = states;
  };
  while (!rest.empty()) {
    char c = rest.front();
    rest = rest.drop_front();
    if (c == '\\' && !rest.empty()) {
      if (rest.front() >= '1' && rest.front() <= '9')
        return "has a back-reference (\\" + rest.take_front(1).str() + "), which is not known";
      rest = rest.drop_front();
      addOperand(1);
    } else if (c == '[') {
      rest = skipBrackets(rest);
      addOperand(1);
    } else if (c == '(') {
      if (groups.size() > kDeepest)
        return "has more than " + llvm::utostr(kDeepest) + " parentheses inside of each other";
      groups.emplace_back();
    } else if (c == ')' && groups.size() > 1) {
      uint64_t states = groups.pop_back_val().states + 2;
      addOperand(states);
    } else if (c == '{' && !rest.empty() && llvm::isDigit(rest.front())) {
      uint64_t times = readRepetition(rest);
      if (times > kMostStates || groups.back().last > kMostStates / times)
        return "has repetitions that would take more than " + llvm::utostr(kMostStates) + " states";
      uint64_t repeated = groups.back().last * times;
      groups.back().states += repeated - groups.back().last;
      groups.back().last = repeated;
    } else {
      addOperand(1);
    }
    if (groups.back().states > kMostStates)
      return "would take more than " + llvm::utostr(kMostStates) + " states";
  }
  states = groups.front().states;
  return "";
}
} // namespace

std::string findRegexError(StringRef regex, uint64_t *states) {
  uint64_t counted = 0;
  if (regex.empty())
    return "";
  if (regex.size() > kMostCharacters)
    return "is longer than " + llvm::utostr(kMostCharacters) + " characters";
  std::string error = checkSize(regex, counted);
  if (states)
    *states = counted;
  if (error.empty() && !llvm::Regex(regex).isValid(error) && error.empty())
    error = "is no regular expression";
  return error;
}
} // namespace ampc
