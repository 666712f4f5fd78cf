//===- PolicyFile.cpp - Precision policies that users write ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A reader of its own, for every message names a line: llvm::json knows no lines behind the syntax
// and keeps the last of two equal keys in silence, and LLVM's YAML takes what is no JSON. The file
// is read by its schema, token by token, so that nothing recurses however deep a file nests.
//
//===----------------------------------------------------------------------===//

#include "ampc/Support/PolicyFile.h"
#include "ampc-files/RegularFile.h"
#include "ampc/Support/RegexCheck.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"

using llvm::StringRef;
using llvm::Twine;

namespace ampc {
namespace {
constexpr uint64_t kMostBytes = 1 << 20;
constexpr unsigned kMostFiles = 16; // that extend one another
constexpr size_t kMostRules = 10000;
constexpr uint64_t kMostStates = 100000; // of the regexes of all files together

std::string quoted(StringRef text) {
  return ("\"" + text.take_front(80) + (text.size() > 80 ? "..\"" : "\"")).str();
}

/// Reads one file. Each function returns whether all is well; the first mistake is kept.
class PolicyReader {
public:
  PolicyReader(StringRef text, std::string file, unsigned level, PrecisionRules &result,
               uint64_t &states)
      : text(text), file(std::move(file)), level(level), result(result), states(states) {}

  bool read();
  /// "lists.json:4: what is wrong".
  const std::string &error() const { return message; }
  /// What the file extends, "" where it says nothing, and in which line.
  std::string base;
  unsigned baseLine = 0;

private:
  bool fail(const Twine &what, unsigned atLine = 0) {
    if (message.empty())
      message = (file + ":" + Twine(atLine ? atLine : line) + ": " + what).str();
    return false;
  }

  // JSON.
  char peek();
  bool expect(char c, StringRef what);
  std::string found();
  bool readString(std::string &value, StringRef what);
  bool readEscape(std::string &value);
  bool readHex4(unsigned &value);
  bool readIndex(unsigned &value);
  bool readObject(StringRef what, llvm::function_ref<bool(StringRef key, unsigned line)> member);
  bool readArray(StringRef what, llvm::function_ref<bool()> element);

  // The schema.
  bool readPrecision(PolicyRule &rule);
  bool readWord(std::optional<Precision> &precision, bool isOfOperand);
  bool readOperator(PolicyRule &rule, StringRef name, unsigned atLine);
  bool readRegex(PolicyRule &rule, StringRef regex, unsigned atLine);
  bool readOperand();
  bool add(PolicyRule rule);

  StringRef text;
  size_t position = 0;
  unsigned line = 1;
  std::string file;
  unsigned level;
  PrecisionRules &result;
  uint64_t &states; ///< of the regexes so far
  std::string message;
  llvm::StringMap<unsigned> operands; ///< rules' lines, by what they speak of
};

/// The next character that is no space, 0 at the end.
char PolicyReader::peek() {
  for (; position < text.size(); ++position) {
    char c = text[position];
    line += c == '\n';
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
      return c;
  }
  return 0;
}

/// What stands at the present position, for a message.
std::string PolicyReader::found() {
  switch (char c = peek()) {
  case 0:
    return position < text.size() ? "a null byte" : "the end of the file";
  case '{':
    return "an object";
  case '[':
    return "an array";
  case '"':
    return "a string";
  case 't':
  case 'f':
  case 'n':
    for (StringRef word : {"true", "false", "null"})
      if (text.substr(position).starts_with(word))
        return word.str();
    [[fallthrough]];
  default:
    if (llvm::isDigit(c) || c == '-')
      return "a number";
    return llvm::isPrint(c) ? std::string("'") + c + "'" : "a character that is no JSON";
  }
}

bool PolicyReader::expect(char c, StringRef what) {
  if (peek() != c)
    return fail(what + " was expected, found " + found());
  ++position;
  return true;
}

bool PolicyReader::readHex4(unsigned &value) {
  if (text.substr(position, 4).size() < 4 || text.substr(position, 4).getAsInteger(16, value) ||
      !llvm::all_of(text.substr(position, 4), llvm::isHexDigit))
    return fail("\\u takes four hexadecimal digits");
  position += 4;
  return true;
}

bool PolicyReader::readEscape(std::string &value) {
  static const std::pair<char, char> simple[] = {{'"', '"'},  {'\\', '\\'}, {'/', '/'},
                                                 {'b', '\b'}, {'f', '\f'},  {'n', '\n'},
                                                 {'r', '\r'}, {'t', '\t'}};
  char c = position < text.size() ? text[position++] : 0;
  for (auto [letter, meaning] : simple)
    if (c == letter) {
      value += meaning;
      return true;
    }
  if (c != 'u')
    return fail("a string has an escape that JSON does not know; a backslash is written \\\\");
  unsigned code = 0;
  if (!readHex4(code))
    return false;
  if (code >= 0xD800 && code < 0xDC00 && text.substr(position).starts_with("\\u")) {
    position += 2;
    unsigned low = 0;
    if (!readHex4(low))
      return false;
    if (low < 0xDC00 || low > 0xDFFF)
      return fail("a string has half a character (\\u)");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  if (code == 0 || (code >= 0xD800 && code <= 0xDFFF))
    return fail("a string has a character that no name has (\\u)");
  char utf8[UNI_MAX_UTF8_BYTES_PER_CODE_POINT];
  char *end = utf8;
  llvm::ConvertCodePointToUTF8(code, end);
  value.append(utf8, end);
  return true;
}

bool PolicyReader::readString(std::string &value, StringRef what) {
  if (!expect('"', what))
    return false;
  value.clear();
  while (position < text.size()) {
    char c = text[position++];
    if (c == '"')
      return true;
    if (static_cast<unsigned char>(c) < 0x20)
      return fail("a string has no end in its line");
    if (c != '\\')
      value += c;
    else if (!readEscape(value))
      return false;
  }
  return fail("a string has no end");
}

bool PolicyReader::readIndex(unsigned &value) {
  if (!llvm::isDigit(peek()))
    return fail("an operand is an index from 0 or the name of a value, found " + found());
  StringRef digits = text.substr(position).take_while(
      [](char c) { return llvm::isAlnum(c) || c == '.' || c == '+' || c == '-'; });
  if (digits.getAsInteger(10, value) || value > 65535 || (digits.size() > 1 && digits[0] == '0'))
    return fail("an operand's index is a whole number from 0 to 65535, found " + digits);
  position += digits.size();
  return true;
}

bool PolicyReader::readObject(StringRef what,
                              llvm::function_ref<bool(StringRef, unsigned)> member) {
  if (!expect('{', what))
    return false;
  llvm::StringMap<unsigned> keys;
  if (peek() == '}') {
    ++position;
    return true;
  }
  do {
    std::string key;
    peek();
    unsigned keyLine = line;
    if (!readString(key, "a key"))
      return false;
    auto [it, isNew] = keys.try_emplace(key, keyLine);
    if (!isNew)
      return fail(quoted(key) + " is given twice, in line " + Twine(it->second) + " as well",
                  keyLine);
    if (!expect(':', "':' after " + quoted(key)) || !member(key, keyLine))
      return false;
  } while (peek() == ',' && ++position);
  return expect('}', "',' or '}'");
}

bool PolicyReader::readArray(StringRef what, llvm::function_ref<bool()> element) {
  if (!expect('[', what))
    return false;
  if (peek() == ']') {
    ++position;
    return true;
  }
  do
    if (!element())
      return false;
  while (peek() == ',' && ++position);
  return expect(']', "',' or ']'");
}

bool PolicyReader::readWord(std::optional<Precision> &precision, bool isOfOperand) {
  std::string word;
  if (!readString(word, "allow, deny, promote or follow as a string"))
    return false;
  precision = symbolizePrecision(word);
  if (!precision)
    return fail(quoted(word) + " is no category: one of allow, deny, promote, follow");
  if (isOfOperand && *precision != Precision::Allow && *precision != Precision::Deny)
    return fail("an operand is allow or deny, not " + word);
  return true;
}

/// One word for both types, or `{"f16": .., "bf16": ..}`.
bool PolicyReader::readPrecision(PolicyRule &rule) {
  if (peek() != '{') {
    if (!readWord(rule.f16, rule.isOfOperand()))
      return false;
    rule.bf16 = rule.f16;
    return true;
  }
  unsigned start = line;
  bool isRead = readObject("a category", [&](StringRef key, unsigned keyLine) {
    if (key != "f16" && key != "bf16")
      return fail("unknown key " + quoted(key) + ": one of f16, bf16", keyLine);
    return readWord(key == "f16" ? rule.f16 : rule.bf16, rule.isOfOperand());
  });
  if (isRead && !rule.f16 && !rule.bf16)
    return fail("a category is missing: for f16, for bf16 or for both", start);
  return isRead;
}

bool PolicyReader::readOperator(PolicyRule &rule, StringRef name, unsigned atLine) {
  if (name.empty() || name.ends_with(":") || name.starts_with(":"))
    return fail("an operator is written as Softmax or com.microsoft:Gelu, not " + quoted(name),
                atLine);
  rule.op = name.str();
  return true;
}

bool PolicyReader::readRegex(PolicyRule &rule, StringRef regex, unsigned atLine) {
  if (regex.empty())
    return fail("the regular expression of nodes is empty; \".\" matches every node", atLine);
  uint64_t count = 0;
  if (std::string wrong = findRegexError(regex, &count); !wrong.empty())
    return fail("the regular expression " + quoted(regex) + " " + wrong, atLine);
  states += count;
  if (states > kMostStates)
    return fail("the regular expressions so far would take more than " + Twine(kMostStates) +
                    " states together",
                atLine);
  rule.node = regex.str();
  return true;
}

/// `{"operator": .., "node": .., "operand": .., "precision": ..}`, one of the first two at least.
bool PolicyReader::readOperand() {
  PolicyRule rule;
  peek();
  rule.line = line;
  bool hasPrecision = false;
  auto readMember = [&](StringRef key, unsigned keyLine) {
    std::string name;
    if (key == "operator")
      return readString(name, "an operator's name") && readOperator(rule, name, keyLine);
    if (key == "node")
      return readString(name, "a regular expression") && readRegex(rule, name, keyLine);
    if (key == "operand") {
      if (peek() == '"') {
        if (!readString(rule.operandName, "a value's name"))
          return false;
        return !rule.operandName.empty() || fail("the operand's name is empty", keyLine);
      }
      return readIndex(rule.operandIndex.emplace());
    }
    if (key != "precision")
      return fail("unknown key " + quoted(key) + ": one of operator, node, operand, precision",
                  keyLine);
    hasPrecision = true;
    PolicyRule words;
    words.operandIndex = 0; // an operand's words
    if (!readPrecision(words))
      return false;
    rule.f16 = words.f16;
    rule.bf16 = words.bf16;
    return true;
  };
  if (!readObject("an object for an operand", readMember))
    return false;
  if (!rule.isOfOperand())
    return fail("\"operand\" is missing", rule.line);
  if (!hasPrecision)
    return fail("\"precision\" is missing", rule.line);
  if (rule.op.empty() && rule.node.empty())
    return fail("\"operator\" or \"node\" must say whose operand it is", rule.line);
  std::string subject =
      rule.op + "\n" + rule.node + "\n" +
      (rule.operandIndex ? std::to_string(*rule.operandIndex) : "\n" + rule.operandName);
  auto [it, isNew] = operands.try_emplace(subject, rule.line);
  if (!isNew)
    return fail("the same operand has a rule in line " + Twine(it->second) + " already", rule.line);
  return add(std::move(rule));
}

bool PolicyReader::add(PolicyRule rule) {
  if (result.rules.size() == kMostRules)
    return fail("there are more than " + Twine(kMostRules) + " rules", rule.line);
  rule.file = file;
  rule.level = level;
  result.rules.push_back(std::move(rule));
  return true;
}

bool PolicyReader::read() {
  if (!llvm::json::isUTF8(text))
    return fail("is not UTF-8");
  auto readMember = [&](StringRef key, unsigned keyLine) {
    if (key == "extends") {
      baseLine = keyLine;
      return readString(base, "balanced, pytorch or a file's name") &&
             (!base.empty() || fail("\"extends\" is empty", keyLine));
    }
    if (key == "operators")
      return readObject("an object of operators", [&](StringRef name, unsigned nameLine) {
        PolicyRule rule;
        rule.line = nameLine;
        return readOperator(rule, name, nameLine) && readPrecision(rule) && add(std::move(rule));
      });
    if (key == "nodes")
      return readObject("an object of regular expressions", [&](StringRef regex, unsigned atLine) {
        PolicyRule rule;
        rule.line = atLine;
        return readRegex(rule, regex, atLine) && readPrecision(rule) && add(std::move(rule));
      });
    if (key == "operands")
      return readArray("an array of operands", [&] { return readOperand(); });
    return fail("unknown key " + quoted(key) + ": one of extends, operators, nodes, operands",
                keyLine);
  };
  if (!readObject("an object", readMember))
    return false;
  if (peek() != 0 || position < text.size())
    return fail("the file goes on behind its object, with " + found());
  return true;
}

llvm::Error makeError(const Twine &message) { return llvm::createStringError(message); }

llvm::Expected<std::string> readText(StringRef path, const Twine &place) {
  files::RegularFile file;
  if (int error = file.open(path.str()))
    return makeError(place + std::generic_category().message(error));
  if (file.size() > kMostBytes)
    return makeError(place + "is larger than 1 MiB, and no policy is");
  std::string text(file.size(), '\0');
  int error = 0;
  text.resize(file.readAt(0, text.data(), text.size(), error));
  if (error)
    return makeError(place + std::generic_category().message(error));
  return text;
}
} // namespace

std::string PolicyRule::reason() const {
  std::string what;
  if (operandIndex)
    what = "operand " + std::to_string(*operandIndex) + " of ";
  else if (!operandName.empty())
    what = "operand '" + operandName + "' of ";
  if (!op.empty())
    what += "operator " + op;
  if (!op.empty() && !node.empty())
    what += ", ";
  if (!node.empty())
    what += "nodes that match " + node;
  return place() + " (" + what + ")";
}

llvm::Expected<PrecisionRules> readPolicyFile(StringRef path) {
  PrecisionRules result;
  std::vector<llvm::sys::fs::UniqueID> seen;
  std::string file = path.str(), from;
  uint64_t states = 0;
  for (unsigned level = 0;; ++level) {
    // Who asks for the file: a flag, or a line of another one.
    std::string place = from.empty() ? "--amp-lists=" + file + ": " : from + file + ": ";
    llvm::Expected<std::string> text = readText(file, place);
    if (!text)
      return text.takeError();
    llvm::sys::fs::UniqueID id;
    if (std::error_code error = llvm::sys::fs::getUniqueID(file, id))
      return makeError(place + error.message());
    if (llvm::is_contained(seen, id))
      return makeError(place + "files that extend one another in a circle");
    seen.push_back(id);
    result.files.push_back(file);
    if (result.files.size() > kMostFiles)
      return makeError(place + "more than " + Twine(kMostFiles) + " files extend one another");
    PolicyReader reader(*text, file, level, result, states);
    if (!reader.read())
      return makeError(reader.error());
    if (reader.base.empty())
      return result;
    if (reader.base == "balanced" || reader.base == "pytorch") {
      result.profile = reader.base;
      return result;
    }
    if (StringRef(reader.base).contains('\0'))
      return makeError(file + ":" + Twine(reader.baseLine) + ": no file has such a name");
    from = file + ":" + std::to_string(reader.baseLine) + ": extends ";
    llvm::SmallString<128> next(reader.base);
    if (llvm::sys::path::is_relative(next)) {
      next = llvm::sys::path::parent_path(file);
      llvm::sys::path::append(next, reader.base);
    }
    file = next.str().str();
  }
}
} // namespace ampc
