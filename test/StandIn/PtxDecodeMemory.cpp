//===- PtxDecodeMemory.cpp - Memory, calls and warps of PTX ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PtxDecoder.h"

#include <algorithm>
#include <cstring>

namespace ampc::ptx {

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

uint32_t Decoder::readAddress(const Operand &address) {
  Operand base;
  base.kind = address.name.empty() ? Operand::Integer : Operand::Name;
  base.name = address.name;
  return read(base, 8);
}

void Decoder::decodeMemory(const std::vector<std::string> &parts) {
  const bool isStore = parts[0] == "st";
  Instruction::Space space = Instruction::Generic;
  bool isParameter = false;
  unsigned count = 1;
  for (size_t i = 1; i + 1 < parts.size(); ++i) {
    const std::string &part = parts[i];
    if (part == "global" || part == "const")
      space = Instruction::Global;
    else if (part == "shared")
      space = Instruction::Shared;
    else if (part == "local")
      space = Instruction::Local;
    else if (part == "param")
      isParameter = true;
    else if (part == "v2" || part == "v4")
      count = unsigned(part[1] - '0');
    else if (part != "nc" && part != "volatile" && part != "relaxed" && part != "weak" &&
             part != "gpu" && part != "cta" && part != "sys" && part != "cg" && part != "cs" &&
             part != "ca" && part != "lu" && part != "cv" && part != "wb" && part != "wt" &&
             part.compare(0, 4, "L1::") != 0)
      fail("the instruction '" + statement->name + "' is not supported");
  }
  const uint8_t bytes = bytesOf(parts.back());
  if (bytes == 0 || statement->operands.size() != 2)
    fail("the instruction '" + statement->name + "' is not supported");
  const Operand &address = statement->operands[isStore ? 0 : 1];
  if (isParameter) {
    // One that is chosen among several comes by its address in a register.
    if (isStore || !findOrNull(address.name)) {
      decodeParameter(parts, bytes, count);
      return;
    }
    space = Instruction::Parameters;
  }
  const Operand &value = statement->operands[isStore ? 1 : 0];
  if (address.kind != Operand::Address)
    fail("it has no address");
  const std::vector<Operand> single{value};
  const std::vector<Operand> &values = value.kind == Operand::Vector ? value.items : single;
  if (values.size() != count)
    fail("a vector of another length");
  Instruction instruction = emit();
  kernel.code.pop_back();
  instruction.space = space;
  instruction.count = uint8_t(count);
  instruction.bytes = bytes;
  instruction.isStore = isStore;
  instruction.isSigned = parts.back()[0] == 's';
  instruction.isMemory = true;
  instruction.offset = int64_t(address.value);
  instruction.operands[0] = readAddress(address);
  for (unsigned i = 0; i != count; ++i) {
    uint8_t width = 0;
    const bool isNumber = values[i].kind != Operand::Name;
    // An 8-bit number to store is held in 16 bits.
    instruction.operands[1 + i] =
        isStore ? read(values[i], isNumber ? std::max<uint8_t>(bytes, 2) : 0, &width)
        : values[i].kind == Operand::Sink ? newRow(width = std::max<uint8_t>(bytes, 2))
                                          : written(values[i], 0, &width);
    if (width < bytes || width == 1)
      fail("a register is narrower than what memory holds");
    instruction.widths[1 + i] = width;
  }
  instruction.run = isStore ? storeMemory : loadMemory;
  kernel.code.push_back(std::move(instruction));
}

void Decoder::decodeParameter(const std::vector<std::string> &parts, uint8_t bytes,
                              unsigned count) {
  const bool isStore = parts[0] == "st";
  const Operand &address = statement->operands[isStore ? 0 : 1];
  const Operand &value = statement->operands[isStore ? 1 : 0];
  const std::vector<Operand> single{value};
  const std::vector<Operand> &values = value.kind == Operand::Vector ? value.items : single;
  if (address.kind != Operand::Address || values.size() != count)
    fail("operands of this kind");
  for (unsigned i = 0; i != count; ++i) {
    const uint64_t offset = address.value + i * bytes;
    auto entry = entryParameters.find(address.name);
    if (entry != entryParameters.end() && depth == 1) {
      if (isStore || offset + bytes > entry->second.second)
        fail("bytes that the parameter does not have");
      copy(written(values[i], bytes),
           constant(Constant::Parameter, entry->second.first + offset, bytes), bytes);
      continue;
    }
    std::map<uint64_t, Register> &pieces = frame->values[address.name];
    if (isStore) {
      auto [piece, isNew] = pieces.try_emplace(offset, Register{0, bytes});
      if (isNew)
        piece->second.row = newRow(bytes);
      if (piece->second.bytes != bytes)
        fail("a parameter that is stored in several widths");
      copy(piece->second.row, read(values[i], bytes), bytes);
      continue;
    }
    auto piece = pieces.find(offset);
    if (piece == pieces.end() || piece->second.bytes != bytes)
      fail("a parameter that was not stored in this width");
    copy(written(values[i], bytes), piece->second.row, bytes);
  }
}

void Decoder::decodeCall() {
  // The results in parentheses, or none; the function; the parameters in parentheses.
  const std::vector<Operand> &operands = statement->operands;
  const bool hasResults = !operands.empty() && operands[0].kind == Operand::List;
  const size_t at = hasResults ? 1 : 0;
  if (operands.size() <= at || operands[at].kind != Operand::Name || !statement->predicate.empty())
    fail("a call of this kind is not supported");
  auto callee = source.functions.find(operands[at].name);
  if (callee == source.functions.end())
    fail("the function is not defined");
  const std::vector<Operand> none;
  const std::vector<Operand> &results = hasResults ? operands[0].items : none;
  const std::vector<Operand> &arguments = operands.size() > at + 1 ? operands[at + 1].items : none;
  const Function &function = callee->second;
  if (results.size() != function.results.size() || arguments.size() != function.parameters.size())
    fail("the function has other parameters");
  Frame inner;
  for (size_t i = 0; i != arguments.size(); ++i)
    inner.values[function.parameters[i].name] = frame->values[arguments[i].name];
  Frame *outer = frame;
  expand(function, inner);
  for (size_t i = 0; i != results.size(); ++i)
    outer->values[results[i].name] = inner.values[function.results[i].name];
}

void Decoder::decodeAtomic(const std::vector<std::string> &parts) {
  Instruction instruction = emit();
  kernel.code.pop_back();
  std::string operation;
  for (size_t i = 1; i + 1 < parts.size(); ++i) {
    const std::string &part = parts[i];
    if (part == "global")
      instruction.space = Instruction::Global;
    else if (part == "shared")
      instruction.space = Instruction::Shared;
    else if (part != "relaxed" && part != "acq_rel" && part != "acquire" && part != "release" &&
             part != "gpu" && part != "cta" && part != "sys")
      operation = part;
  }
  const bool hasResult = parts[0] == "atom";
  const std::vector<Operand> &operands = statement->operands;
  const size_t at = hasResult ? 1 : 0, values = operation == "cas" ? 2 : 1;
  instruction.bytes = bytesOf(parts.back());
  instruction.run = findAtomic(operation + "." + parts.back());
  if (!instruction.run || operands.size() != at + 1 + values ||
      operands[at].kind != Operand::Address)
    fail("the instruction '" + statement->name + "' is not supported");
  instruction.isMemory = true;
  instruction.offset = int64_t(operands[at].value);
  instruction.operands[0] = readAddress(operands[at]);
  instruction.operands[1] =
      hasResult ? written(operands[0], instruction.bytes) : newRow(instruction.bytes);
  for (size_t i = 0; i != values; ++i)
    instruction.operands[2 + i] = read(operands[at + 1 + i], instruction.bytes);
  kernel.code.push_back(std::move(instruction));
}

/// Everything here happens in one order: a fence only tells that the code asks for it.
void Decoder::decodeFence(const std::vector<std::string> &parts) {
  if (parts.back() == "cta")
    return; // orders a block's threads, which barriers are looked at for
  if (parts.back() != "gpu" && parts.back() != "sys" && parts.back() != "gl")
    fail("the instruction '" + statement->name + "' is not supported");
  emit().run = [](Lanes &lanes, const Instruction &) { lanes.block->fence(); };
}

void Decoder::decodeAddressConversion(const std::vector<std::string> &parts) {
  const bool isTo = parts.size() > 2 && parts[1] == "to";
  const std::string &space = parts[isTo ? 2 : 1];
  const uint64_t window = space == "shared" ? kSharedWindow : space == "local" ? kLocalWindow : 0;
  if (parts.back() != "u64" || statement->operands.size() != 2 ||
      (window == 0 && space != "global" && space != "const"))
    fail("the instruction '" + statement->name + "' is not supported");
  Instruction instruction = emit();
  kernel.code.pop_back();
  instruction.run = findOperation("add.u64")->run;
  instruction.operands[0] = written(statement->operands[0], 8);
  instruction.operands[1] = read(statement->operands[1], 8);
  instruction.operands[2] = constant(Constant::Value, isTo ? -window : window, 8);
  kernel.code.push_back(std::move(instruction));
}

/// shfl.sync.MODE.b32 d|p, a, b, c, mask and vote.sync.MODE.TYPE d, p, mask
void Decoder::decodeWarp(const std::vector<std::string> &parts) {
  const std::vector<Operand> &operands = statement->operands;
  Instruction instruction = emit();
  kernel.code.pop_back();
  instruction.control = Instruction::Warp;
  const bool isShuffle = parts[0] == "shfl";
  const std::string mode = parts.size() == 4 && parts[1] == "sync" ? parts[2] : "";
  instruction.run = findWarpOperation(parts[0] + "." + mode + "." + parts.back());
  if (!instruction.run || operands.size() != (isShuffle ? 5 : 3))
    fail("the instruction '" + statement->name + "' is not supported");
  // The mask comes first, as it is the scheduler's.
  instruction.operands[0] = read(operands.back(), 4);
  if (isShuffle) {
    instruction.operands[1] = written(operands[0], 4);
    for (size_t i = 1; i != 4; ++i)
      instruction.operands[1 + i] = read(operands[i], 4);
    if (!operands[0].second.empty()) {
      Register predicate = find(operands[0].second);
      if (predicate.bytes != 1)
        fail("'" + operands[0].second + "' is no predicate");
      instruction.operands[5] = predicate.row;
    }
  } else {
    instruction.operands[1] = written(operands[0], parts.back() == "pred" ? 1 : 4);
    instruction.operands[2] = read(operands[1], 1);
  }
  kernel.code.push_back(std::move(instruction));
}

} // namespace ampc::ptx
