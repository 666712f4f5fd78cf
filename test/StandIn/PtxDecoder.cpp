//===- PtxDecoder.cpp - From PTX's statements to what runs ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PtxDecoder.h"

#include <algorithm>
#include <cstring>

namespace ampc::ptx {

std::vector<std::string> split(const std::string &name) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= name.size();) {
    size_t dot = std::min(name.find('.', at), name.size());
    parts.push_back(name.substr(at, dot - at));
    at = dot + 1;
  }
  return parts;
}

static uint8_t widthOf(char c) { return c == 'p' ? 1 : c == 'h' ? 2 : c == 'w' ? 4 : 8; }

uint8_t bytesOf(const std::string &type) {
  if (type.size() < 2 || !std::strchr("busf", type[0]))
    return 0;
  const std::string digits = type.substr(1);
  return digits == "8" ? 1 : digits == "16" ? 2 : digits == "32" ? 4 : digits == "64" ? 8 : 0;
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

uint32_t Decoder::constant(Constant::Kind kind, uint64_t value, uint8_t bytes) {
  Constant wanted{kind, value, bytes, 0};
  if (kind == Constant::Value && bytes < 8)
    wanted.value &= (uint64_t(1) << (8 * bytes)) - 1;
  auto [found, isNew] = constants.try_emplace(wanted, 0);
  if (isNew) {
    found->second = wanted.row = newRow(bytes);
    kernel.constants.push_back(wanted);
  }
  return found->second;
}

const Decoder::Register *Decoder::findOrNull(const std::string &name) const {
  for (auto scope = frame->registers.rbegin(); scope != frame->registers.rend(); ++scope) {
    auto found = scope->find(name);
    if (found != scope->end())
      return &found->second;
  }
  return nullptr;
}

Decoder::Register Decoder::find(const std::string &name) const {
  const Register *found = findOrNull(name);
  if (!found)
    fail("'" + name + "' is not known");
  return *found;
}

Decoder::Place *Decoder::findPlace(const std::string &name) {
  auto found = frame->places.find(name);
  if (found != frame->places.end())
    return &found->second;
  for (const ModuleVariable &variable : module.variables)
    if (variable.name == name)
      return &(frame->places[name] = {".global", variable.address});
  auto shared = source.variables.find(name);
  if (shared != source.variables.end() && shared->second.space == ".shared") {
    addVariable(shared->second);
    return &frame->places[name];
  }
  return nullptr;
}

uint32_t Decoder::read(const Operand &operand, uint8_t bytes, uint8_t *width) {
  if (width)
    *width = bytes;
  switch (operand.kind) {
  case Operand::Integer:
    if (bytes == 0)
      fail("a number where a register is needed");
    return constant(Constant::Value, bytes == 1 ? operand.value != 0 : operand.value, bytes);
  case Operand::Float32:
  case Operand::Float64:
    if (bytes != (operand.kind == Operand::Float32 ? 4 : 8))
      fail("a number of another type");
    return constant(Constant::Value, operand.value, bytes);
  case Operand::Name:
    break;
  default:
    fail("an operand of this kind");
  }
  const std::string &name = operand.name;
  static const std::pair<const char *, Constant::Kind> kSpecial[] = {
      {"%tid.", Constant::Thread},
      {"%ntid.", Constant::ThreadCount},
      {"%ctaid.", Constant::Block},
      {"%nctaid.", Constant::BlockCount}};
  for (auto [prefix, kind] : kSpecial)
    if (name.compare(0, std::strlen(prefix), prefix) == 0)
      return constant(kind, uint64_t(name.back() - 'x'), 4);
  if (name == "%laneid")
    return constant(Constant::Lane, 0, 4);
  if (name == "%warpid")
    return constant(Constant::Warp, 0, 4);
  if (name == "WARP_SZ")
    return constant(Constant::Value, 32, 4);
  const Register *found = findOrNull(name);
  if (!found) {
    auto parameter = entryParameters.find(name);
    if (parameter != entryParameters.end())
      return constant(Constant::Value, parameter->second.first, bytes);
    Place *place = findPlace(name);
    if (!place)
      fail("'" + name + "' is not known");
    return constant(Constant::Value, place->offset, bytes);
  }
  if (bytes != 0 && found->bytes != bytes)
    fail("'" + name + "' has " + std::to_string(8 * found->bytes) + " bits");
  if (width)
    *width = found->bytes;
  return found->row;
}

uint32_t Decoder::written(const Operand &operand, uint8_t bytes, uint8_t *width) {
  if (operand.kind == Operand::Sink) {
    if (width)
      *width = bytes;
    return newRow(bytes);
  }
  if (operand.kind != Operand::Name)
    fail("a result that is no register");
  Register found = find(operand.name);
  if (bytes != 0 && found.bytes != bytes)
    fail("'" + operand.name + "' has " + std::to_string(8 * found.bytes) + " bits");
  if (width)
    *width = found.bytes;
  return found.row;
}

Instruction &Decoder::emit() {
  Instruction &instruction = kernel.code.emplace_back();
  instruction.line = statement->line;
  instruction.text = statement->text;
  if (!statement->predicate.empty()) {
    Register predicate = find(statement->predicate);
    if (predicate.bytes != 1)
      fail("'" + statement->predicate + "' is no predicate");
    instruction.predicate = predicate.row;
    instruction.negated = statement->negated;
  }
  return instruction;
}

void Decoder::copy(uint32_t to, uint32_t from, uint8_t bytes) {
  Instruction &instruction = emit();
  const char *name = bytes == 1   ? "mov.pred"
                     : bytes == 2 ? "mov.b16"
                     : bytes == 4 ? "mov.b32"
                                  : "mov.b64";
  instruction.run = findOperation(name)->run;
  instruction.operands[0] = to;
  instruction.operands[1] = from;
}

//===----------------------------------------------------------------------===//
// Statements
//===----------------------------------------------------------------------===//

void Decoder::decodeEntry(const Function &function) {
  Statement none;
  none.line = 0;
  statement = &none;
  kernel.name = function.name;
  std::copy_n(function.maxThreads, 3, kernel.maxThreads);
  uint64_t offset = 0;
  for (const Variable &parameter : function.parameters) {
    offset = alignUp(offset, 8);
    kernel.parameters.push_back({offset, parameter.bytes});
    entryParameters[parameter.name] = {offset, parameter.bytes};
    offset += parameter.bytes;
  }
  Frame entry;
  expand(function, entry);
}

void Decoder::expand(const Function &function, Frame &entered) {
  if (++depth > 8)
    fail("calls that are nested deeper than 8");
  Frame *outer = frame;
  const Statement *call = statement;
  entered.function = &function;
  frame = &entered;
  for (const Statement &each : function.body) {
    statement = &each;
    decodeBody(entered);
  }
  // Where it ends without a word, and where a call goes on.
  for (size_t at : entered.returns)
    kernel.code[at].target = uint32_t(kernel.code.size());
  if (!outer) {
    Instruction &last = kernel.code.emplace_back();
    last.control = Instruction::Exit;
    last.text = "ret";
  }
  for (const auto &[at, label] : entered.branches) {
    auto found = entered.labels.find(label);
    if (found == entered.labels.end())
      throw TextError(kernel.code[at].line, "there is no label '" + label + "'");
    kernel.code[at].target = found->second;
  }
  frame = outer;
  statement = call;
  --depth;
}

void Decoder::decodeBody(Frame &entered) {
  switch (statement->kind) {
  case Statement::Open:
    entered.registers.emplace_back();
    break;
  case Statement::Close:
    entered.registers.pop_back();
    break;
  case Statement::Label:
    entered.labels[statement->name] = uint32_t(kernel.code.size());
    break;
  case Statement::Registers: {
    uint8_t bytes = statement->name == ".pred" ? 1 : bytesOf(statement->name.substr(1));
    if (bytes == 0 || (bytes == 1 && statement->name != ".pred"))
      fail("registers of type '" + statement->name + "'");
    for (const std::string &name : statement->registers)
      entered.registers.back()[name] = {newRow(bytes), bytes};
    break;
  }
  case Statement::Storage:
    addVariable(*statement->variable);
    break;
  case Statement::Instruction:
    decodeInstruction();
    break;
  }
}

void Decoder::addVariable(const Variable &variable) {
  if (variable.space == ".param") {
    frame->values.erase(variable.name); // a new one in each call
    return;
  }
  bool isShared = variable.space == ".shared";
  uint64_t &used = isShared ? kernel.sharedBytes : kernel.localBytes;
  used = alignUp(used, std::max<uint64_t>(variable.alignment, 1));
  frame->places[variable.name] = {variable.space, used};
  used += variable.bytes;
}

void Decoder::decodeInstruction() {
  const std::vector<std::string> parts = split(statement->name);
  const std::string &head = parts[0];
  if (head == "ld" || head == "st")
    decodeMemory(parts);
  else if (head == "atom" || head == "red")
    decodeAtomic(parts);
  else if (head == "mov" && parts.size() == 2)
    decodeMove(parts[1]);
  else if (head == "bra")
    decodeBranch();
  else if (head == "call")
    decodeCall();
  else if (head == "ret" || head == "exit") {
    Instruction &instruction = emit();
    instruction.control = Instruction::Exit;
    if (head == "ret" && depth > 1) {
      instruction.control = Instruction::Branch;
      frame->returns.push_back(kernel.code.size() - 1);
    }
  } else if (head == "trap") {
    emit().control = Instruction::Trap;
  } else if (statement->name == "bar.sync" || statement->name == "barrier.sync.aligned" ||
             statement->name == "barrier.sync") {
    if (statement->operands.size() != 1 || statement->operands[0].kind != Operand::Integer ||
        statement->operands[0].value != 0)
      fail("a barrier other than the whole block's is not supported");
    emit().control = Instruction::Barrier;
  } else if (head == "mma") {
    decodeProduct();
  } else if (head == "ldmatrix") {
    decodeMatrixLoad(parts);
  } else if (head == "cp" && parts.size() > 2 && parts[1] == "async") {
    decodeAsyncCopy(parts);
  } else if (head == "shfl" || head == "vote") {
    decodeWarp(parts);
  } else if (head == "cvta") {
    decodeAddressConversion(parts);
  } else if (head == "membar" || head == "fence") {
    decodeFence(parts);
  } else {
    decodeOperation();
  }
}

void Decoder::decodeOperation() {
  const Operation *operation = findOperation(statement->name);
  if (!operation)
    fail("the instruction '" + statement->name + "' is not supported");
  const size_t count = std::strlen(operation->operands);
  if (statement->operands.size() != count)
    fail("it has " + std::to_string(count) + " operands");
  Instruction instruction = emit();
  kernel.code.pop_back();
  instruction.run = operation->run;
  for (size_t i = 0; i != count; ++i) {
    const Operand &operand = statement->operands[i];
    if (!operand.second.empty())
      fail("a second result is not supported");
    const char c = operation->operands[i];
    uint8_t bytes = c == '.' ? 0 : widthOf(c);
    if (c == '.' && i > 0 && operand.kind != Operand::Name)
      bytes = bytesOf(split(statement->name).back());
    instruction.operands[i] = i == 0 ? written(operand, bytes, &instruction.widths[i])
                                     : read(operand, bytes, &instruction.widths[i]);
  }
  if (operation->operands[0] == '.') {
    // No register is narrower than its type, but for the types of 8 bits.
    const std::vector<std::string> parts = split(statement->name);
    const uint8_t from = bytesOf(parts.back() == "bf16" ? "b16" : parts.back());
    const std::string &result = parts[parts.size() - 2];
    const uint8_t to = bytesOf(result == "bf16" ? "b16" : result);
    if (instruction.widths[1] < from || instruction.widths[0] < to)
      fail("a register is narrower than its type");
  }
  if (statement->name.find(".cc.") != std::string::npos || statement->name.find("addc") == 0 ||
      statement->name.find("subc") == 0 || statement->name.find("madc") == 0) {
    if (kernel.carryRow == kNoRow)
      kernel.carryRow = newRow(1);
  }
  kernel.code.push_back(std::move(instruction));
}

void Decoder::decodeMove(const std::string &type) {
  const Operand &to = statement->operands.at(0), &from = statement->operands.at(1);
  const uint8_t bytes = bytesOf(type);
  if (to.kind == Operand::Vector || from.kind == Operand::Vector) {
    const bool isPacked = from.kind == Operand::Vector;
    const std::vector<Operand> &items = isPacked ? from.items : to.items;
    if (items.empty() || bytes % items.size() != 0)
      fail("a vector of this length");
    const uint8_t each = uint8_t(bytes / items.size());
    Instruction instruction = emit();
    kernel.code.pop_back();
    instruction.count = uint8_t(items.size());
    instruction.bytes = each;
    instruction.operands[0] = isPacked ? written(to, bytes) : read(from, bytes);
    for (size_t i = 0; i != items.size(); ++i)
      instruction.operands[1 + i] = isPacked                         ? read(items[i], each)
                                    : items[i].kind == Operand::Sink ? kNoRow
                                                                     : written(items[i], each);
    instruction.run = isPacked ? packVector : unpackVector;
    kernel.code.push_back(std::move(instruction));
    return;
  }
  decodeOperation();
}

void Decoder::decodeBranch() {
  if (statement->operands.size() != 1 || statement->operands[0].kind != Operand::Name)
    fail("a branch needs a label");
  emit().control = Instruction::Branch;
  frame->branches.push_back({kernel.code.size() - 1, statement->operands[0].name});
}

Module decode(const Source &source) {
  Module module;
  uint64_t address = kModuleWindow;
  for (const auto &[name, variable] : source.variables) {
    if (variable.space == ".shared")
      continue;
    ModuleVariable &placed = module.variables.emplace_back();
    placed.name = name;
    placed.address = address = alignUp(address, std::max<uint64_t>(variable.alignment, 256));
    placed.isConstant = variable.space == ".const";
    placed.bytes = variable.initial;
    placed.bytes.resize(variable.bytes);
    address += variable.bytes + 256;
  }
  for (const auto &[name, function] : source.functions)
    if (function.isEntry)
      Decoder(source, module, module.kernels[name]).decodeEntry(function);
  return module;
}

} // namespace ampc::ptx
