//===- PtxDecoder.h - From PTX's statements to what runs ---------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_PTXDECODER_H
#define AMPC_TEST_STANDIN_PTXDECODER_H

#include "PtxInterpreter.h"
#include "PtxParser.h"

namespace ampc::ptx {

/// The parts of an opcode.
std::vector<std::string> split(const std::string &name);

inline uint64_t alignUp(uint64_t n, uint64_t alignment) {
  return (n + alignment - 1) / alignment * alignment;
}

/// The bytes of a type's values, 0 of no type; "pred" is not one that memory holds.
uint8_t bytesOf(const std::string &type);

/// Decodes one entry of a source.
class Decoder {
public:
  Decoder(const Source &source, const Module &module, Kernel &kernel)
      : source(source), module(module), kernel(kernel) {}

  void decodeEntry(const Function &function);

private:
  struct Register {
    uint32_t row;
    uint8_t bytes;
  };
  struct Place {
    std::string space;
    uint64_t offset;
  };
  /// One expansion of a function.
  struct Frame {
    const Function *function;
    std::vector<std::map<std::string, Register>> registers{1};
    std::vector<std::map<std::string, const Variable *>> parameters{1};
    std::map<std::string, Place> places;
    std::map<std::string, uint32_t> labels;
    std::vector<std::pair<size_t, std::string>> branches; ///< instruction, label
    std::vector<size_t> returns;
    /// Values of parameters in a call: by name and byte, as far as they were stored.
    std::map<std::string, std::map<uint64_t, Register>> values;
  };

  [[noreturn]] void fail(const std::string &what) const {
    throw TextError(statement->line, "`" + statement->text + "`: " + what);
  }
  uint32_t newRow(uint8_t bytes) {
    kernel.registerBytes = alignUp(kernel.registerBytes, bytes);
    uint32_t row = uint32_t(kernel.registerBytes);
    kernel.registerBytes += bytes;
    return row;
  }
  uint32_t constant(Constant::Kind kind, uint64_t value, uint8_t bytes);
  Register find(const std::string &name) const;
  const Register *findOrNull(const std::string &name) const;
  Place *findPlace(const std::string &name);
  /// The row of an operand that is read as `bytes` bytes; 0: as its register has.
  uint32_t read(const Operand &operand, uint8_t bytes, uint8_t *width = nullptr);
  /// The row of what an address starts from.
  uint32_t readAddress(const Operand &address);
  uint32_t written(const Operand &operand, uint8_t bytes, uint8_t *width = nullptr);
  Instruction &emit();
  void copy(uint32_t to, uint32_t from, uint8_t bytes);

  void expand(const Function &function, Frame &frame);
  void decodeBody(Frame &frame);
  void addVariable(const Variable &variable);
  void decodeInstruction();
  void decodeMemory(const std::vector<std::string> &parts);
  void decodeParameter(const std::vector<std::string> &parts, uint8_t bytes, unsigned count);
  void decodeAtomic(const std::vector<std::string> &parts);
  void decodeFence(const std::vector<std::string> &parts);
  void decodeMove(const std::string &type);
  void decodeBranch();
  void decodeCall();
  void decodeProduct();
  void decodeMatrixLoad(const std::vector<std::string> &parts);
  void decodeAsyncCopy(const std::vector<std::string> &parts);
  void decodeWarp(const std::vector<std::string> &parts);
  void decodeAddressConversion(const std::vector<std::string> &parts);
  void decodeOperation();

  const Source &source;
  const Module &module;
  Kernel &kernel;
  Frame *frame = nullptr;
  const Statement *statement = nullptr;
  std::map<Constant, uint32_t> constants;
  std::map<std::string, std::pair<uint64_t, uint64_t>> entryParameters;
  unsigned depth = 0;
};

} // namespace ampc::ptx

#endif // AMPC_TEST_STANDIN_PTXDECODER_H
