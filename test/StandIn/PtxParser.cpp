//===- PtxParser.cpp - Reads PTX ------------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PtxParser.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace ampc::ptx {
namespace {

struct Token {
  std::string text; ///< a word, a number, a string or one sign; "" at the end
  unsigned line = 0;
  size_t begin = 0, end = 0;
};

bool isWordChar(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' ||
         c == '.' || c == ':';
}

class Lexer {
public:
  explicit Lexer(const std::string &text) : text(text) {
    skipSpace();
    advance();
  }

  const Token &peek() const { return token; }
  Token take() {
    Token taken = token;
    last = token.end;
    advance();
    return taken;
  }
  /// Behind the last token that was taken.
  size_t position() const { return last; }
  std::string slice(size_t begin, size_t end) const { return text.substr(begin, end - begin); }

private:
  void skipSpace() {
    while (at < text.size()) {
      if (text.compare(at, 2, "//") == 0) {
        while (at < text.size() && text[at] != '\n')
          ++at;
      } else if (text.compare(at, 2, "/*") == 0) {
        size_t close = text.find("*/", at + 2);
        close = close == text.npos ? text.size() : close + 2;
        for (; at != close; ++at)
          line += text[at] == '\n';
      } else if (std::isspace(static_cast<unsigned char>(text[at]))) {
        line += text[at++] == '\n';
      } else {
        return;
      }
    }
  }

  void advance() {
    skipSpace();
    token = {"", line, at, at};
    if (at == text.size())
      return;
    size_t begin = at;
    if (text[at] == '"') {
      size_t close = text.find('"', at + 1);
      at = close == text.npos ? text.size() : close + 1;
    } else if (isWordChar(text[at]) && text[at] != ':') {
      while (at < text.size() && isWordChar(text[at]))
        // A colon ends a label, but for the two of L1::evict_first.
        if (text[at] == ':' && (text.compare(at, 2, "::") != 0))
          break;
        else
          at += text[at] == ':' ? 2 : 1;
    } else {
      ++at;
    }
    token.text = text.substr(begin, at - begin);
    token.end = at;
  }

  const std::string &text;
  size_t at = 0, last = 0;
  unsigned line = 1;
  Token token;
};

class Parser {
public:
  explicit Parser(const std::string &text) : lexer(text) {}
  Source parse();

private:
  [[noreturn]] void fail(const std::string &what) { throw TextError(lexer.peek().line, what); }
  bool is(const char *text) { return lexer.peek().text == text; }
  bool takeIf(const char *text) {
    if (!is(text))
      return false;
    lexer.take();
    return true;
  }
  void expect(const char *text) {
    if (!takeIf(text))
      fail(std::string("expected '") + text + "' before '" + lexer.peek().text + "'");
  }
  std::string word() {
    if (lexer.peek().text.empty() || !isWordChar(lexer.peek().text[0]))
      fail("expected a name before '" + lexer.peek().text + "'");
    return lexer.take().text;
  }
  uint64_t number();

  Variable parseVariable();
  void parseInitializer(Variable &variable, uint64_t elementBytes);
  void parseFunction(Source &source, bool isEntry);
  void parseBody(Function &function);
  void parseRegisters(Function &function);
  Operand parseOperand();
  void parseInstruction(Function &function);

  Lexer lexer;
};

uint64_t Parser::number() {
  bool isNegative = takeIf("-");
  std::string text = lexer.take().text;
  char *end = nullptr;
  uint64_t value = std::strtoull(text.c_str(), &end, 0);
  if (*end == 'U')
    ++end;
  if (text.empty() || *end)
    fail("'" + text + "' is no number");
  return isNegative ? -value : value;
}

uint64_t bytesOfType(const std::string &type) {
  size_t digits = type.find_first_of("0123456789");
  if (type == ".pred")
    return 1;
  return digits == type.npos ? 0 : std::strtoull(type.c_str() + digits, nullptr, 10) / 8;
}

/// What follows a state space: .align N .type name[size] = {..}
Variable Parser::parseVariable() {
  Variable variable;
  variable.space = word();
  uint64_t element = 0;
  while (lexer.peek().text[0] == '.') {
    std::string part = word();
    if (part == ".align")
      variable.alignment = number();
    else if (part == ".ptr")
      ;
    else if (part != ".global" && part != ".shared" && part != ".const" && part != ".local") {
      element = bytesOfType(part);
      if (element == 0)
        fail("a variable of type '" + part + "'");
    }
  }
  variable.name = word();
  variable.alignment = std::max(variable.alignment, element);
  variable.bytes = element;
  if (takeIf("[")) {
    if (is("]"))
      variable.bytes = 0;
    else
      variable.bytes *= number();
    expect("]");
  }
  if (takeIf("="))
    parseInitializer(variable, element);
  return variable;
}

void Parser::parseInitializer(Variable &variable, uint64_t elementBytes) {
  auto add = [&] {
    uint64_t value = number();
    const char *bytes = reinterpret_cast<const char *>(&value);
    variable.initial.insert(variable.initial.end(), bytes, bytes + elementBytes);
  };
  if (takeIf("{")) {
    do
      add();
    while (takeIf(","));
    expect("}");
  } else {
    add();
  }
  if (variable.initial.size() > variable.bytes)
    fail("more values than '" + variable.name + "' holds");
}

Source Parser::parse() {
  Source source;
  while (!lexer.peek().text.empty()) {
    if (takeIf(".version") || takeIf(".target") || takeIf(".address_size")) {
      do
        lexer.take();
      while (takeIf(","));
      continue;
    }
    bool isExternal = false;
    while (is(".visible") || is(".weak") || is(".extern") || is(".common"))
      isExternal |= lexer.take().text == ".extern";
    if (is(".func") || is(".entry")) {
      bool isEntry = lexer.take().text == ".entry";
      parseFunction(source, isEntry);
    } else if (is(".global") || is(".const") || is(".shared")) {
      Variable variable = parseVariable();
      variable.isExternal = isExternal;
      expect(";");
      source.variables[variable.name] = std::move(variable);
    } else {
      fail("'" + lexer.peek().text + "' is not known");
    }
  }
  return source;
}

void Parser::parseFunction(Source &source, bool isEntry) {
  auto parseList = [&](std::vector<Variable> &list) {
    if (takeIf(")"))
      return;
    do
      list.push_back(parseVariable());
    while (takeIf(","));
    expect(")");
  };
  Function function;
  function.isEntry = isEntry;
  if (takeIf("("))
    parseList(function.results);
  function.name = word();
  if (takeIf("("))
    parseList(function.parameters);
  while (!is("{") && !is(";")) {
    std::string directive = word();
    if (directive == ".maxntid" || directive == ".reqntid") {
      for (int i = 0; i != 3; ++i)
        function.maxThreads[i] = i == 0 || takeIf(",") ? unsigned(number()) : 1;
    } else if (directive == ".minnctapersm" || directive == ".maxnreg" ||
               directive == ".maxnctapersm") {
      number();
    } else if (directive != ".noreturn") {
      fail("'" + directive + "' is not known");
    }
  }
  if (takeIf(";"))
    return; // declared, not defined
  parseBody(function);
  source.functions[function.name] = std::move(function);
}

void Parser::parseBody(Function &function) {
  unsigned depth = 0;
  do {
    unsigned line = lexer.peek().line;
    if (lexer.peek().text.empty())
      fail("the text ends within '" + function.name + "'");
    auto add = [&](Statement::Kind kind) -> Statement & {
      Statement &statement = function.body.emplace_back();
      statement.kind = kind;
      statement.line = line;
      return statement;
    };
    if (takeIf("{")) {
      ++depth;
      add(Statement::Open);
    } else if (takeIf("}")) {
      --depth;
      add(Statement::Close);
    } else if (takeIf(".reg")) {
      parseRegisters(function);
    } else if (is(".shared") || is(".local") || is(".param")) {
      function.variables.push_back(std::make_unique<Variable>(parseVariable()));
      add(Statement::Storage).variable = function.variables.back().get();
      expect(";");
    } else if (takeIf(".pragma")) {
      lexer.take();
      expect(";");
    } else if (!takeIf(";")) {
      parseInstruction(function);
    }
  } while (depth != 0);
}

void Parser::parseRegisters(Function &function) {
  Statement &statement = function.body.emplace_back();
  statement.kind = Statement::Registers;
  statement.line = lexer.peek().line;
  statement.name = word();
  do {
    std::string name = word();
    if (takeIf("<")) {
      uint64_t count = number();
      expect(">");
      for (uint64_t i = 0; i < count; ++i)
        statement.registers.push_back(name + std::to_string(i));
    } else {
      statement.registers.push_back(name);
    }
  } while (takeIf(","));
  expect(";");
}

Operand Parser::parseOperand() {
  Operand operand;
  if (takeIf("{") || is("(")) {
    bool isList = takeIf("(");
    operand.kind = isList ? Operand::List : Operand::Vector;
    const char *close = isList ? ")" : "}";
    if (!takeIf(close)) {
      do
        operand.items.push_back(parseOperand());
      while (takeIf(","));
      expect(close);
    }
    return operand;
  }
  if (takeIf("[")) {
    operand.kind = Operand::Address;
    if (std::isdigit(static_cast<unsigned char>(lexer.peek().text[0])))
      operand.value = number();
    else
      operand.name = word();
    if (takeIf("+"))
      operand.value += number();
    else if (is("-"))
      operand.value += number();
    expect("]");
    return operand;
  }
  if (is("-") || std::isdigit(static_cast<unsigned char>(lexer.peek().text[0]))) {
    const std::string &text = lexer.peek().text;
    if (text.size() == 10 && (text.compare(0, 2, "0f") == 0 || text.compare(0, 2, "0F") == 0)) {
      operand.kind = Operand::Float32;
      operand.value = std::strtoull(lexer.take().text.c_str() + 2, nullptr, 16);
    } else if (text.size() == 18 &&
               (text.compare(0, 2, "0d") == 0 || text.compare(0, 2, "0D") == 0)) {
      operand.kind = Operand::Float64;
      operand.value = std::strtoull(lexer.take().text.c_str() + 2, nullptr, 16);
    } else {
      operand.kind = Operand::Integer;
      operand.value = number();
    }
    return operand;
  }
  operand.name = word();
  operand.kind = operand.name == "_" ? Operand::Sink : Operand::Name;
  if (takeIf("|"))
    operand.second = word();
  return operand;
}

void Parser::parseInstruction(Function &function) {
  Statement statement;
  Token first = lexer.peek();
  statement.line = first.line;
  if (takeIf("@")) {
    statement.negated = takeIf("!");
    statement.predicate = word();
  }
  statement.name = word();
  if (statement.predicate.empty() && takeIf(":")) {
    statement.kind = Statement::Label;
    function.body.push_back(std::move(statement));
    return;
  }
  if (statement.name[0] == '.')
    throw TextError(statement.line, "the directive '" + statement.name + "' is not known");
  if (!is(";")) {
    do
      statement.operands.push_back(parseOperand());
    while (takeIf(","));
  }
  statement.text = lexer.slice(first.begin, lexer.position());
  for (char &c : statement.text)
    if (c == '\t' || c == '\n')
      c = ' ';
  expect(";");
  function.body.push_back(std::move(statement));
}

} // namespace

Source parse(const std::string &text) { return Parser(text).parse(); }

} // namespace ampc::ptx
