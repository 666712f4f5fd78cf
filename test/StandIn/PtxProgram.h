//===- PtxProgram.h - PTX as it is read and as it is run ---------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A text is read into a Source, its statements word by word; each entry of it is
// decoded into a Kernel, a list of instructions that know their function and where
// their operands lie. Calls are expanded in place.
//
// The registers of a block lie register by register, each a row of one value a thread.
// Constants, parameters and special registers are rows too, so that an instruction
// reads nothing else.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_PTXPROGRAM_H
#define AMPC_TEST_STANDIN_PTXPROGRAM_H

#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace ampc::ptx {

// As PTX calls its types.
using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using s8 = int8_t;
using s16 = int16_t;
using s32 = int32_t;
using s64 = int64_t;
using f32 = float;
using f64 = double;

/// What is wrong with a text, with its line.
struct TextError : std::runtime_error {
  TextError(unsigned line, const std::string &what)
      : std::runtime_error("line " + std::to_string(line) + ": " + what) {}
};

//===----------------------------------------------------------------------===//
// The source
//===----------------------------------------------------------------------===//

struct Operand {
  enum Kind { Name, Integer, Float32, Float64, Vector, Address, Sink, List };
  Kind kind = Sink;
  std::string name;           ///< of Name, and what an Address starts from, or ""
  uint64_t value = 0;         ///< bits of a number; what an Address adds
  std::vector<Operand> items; ///< of Vector and List
  std::string second;         ///< behind a bar: the other result
};

struct Statement {
  enum Kind { Open, Close, Label, Registers, Storage, Instruction };
  Kind kind = Instruction;
  unsigned line = 0;
  /// The opcode with its modifiers, the label, or the registers' type.
  std::string name;
  std::string predicate; ///< or ""
  bool negated = false;
  std::vector<Operand> operands;
  std::vector<std::string> registers; ///< of Registers
  struct Variable *variable = nullptr;
  std::string text; ///< as it was written
};

/// A variable of a state space.
struct Variable {
  std::string name, space; ///< ".shared", ".local", ".param", ".global", ".const"
  uint64_t alignment = 1, bytes = 0;
  bool isExternal = false; ///< shared memory of the size that a launch gives
  std::vector<char> initial;
};

struct Function {
  std::string name;
  bool isEntry = false;
  std::vector<Variable> results, parameters;
  std::vector<Statement> body;
  std::vector<std::unique_ptr<Variable>> variables;
  unsigned maxThreads[3] = {0, 0, 0}; ///< .maxntid; 0: any
};

struct Source {
  std::map<std::string, Function> functions;
  std::map<std::string, Variable> variables;
};

//===----------------------------------------------------------------------===//
// What runs
//===----------------------------------------------------------------------===//

struct Lanes;
struct Instruction;
using Handler = void (*)(Lanes &, const Instruction &);

/// No row.
constexpr uint32_t kNoRow = ~uint32_t(0);

struct Instruction {
  enum Control : uint8_t { Plain, Branch, Exit, Barrier, Warp, Trap };
  enum Space : uint8_t { Generic, Global, Shared, Local, Parameters };

  Handler run = nullptr;
  uint32_t operands[6] = {kNoRow, kNoRow, kNoRow, kNoRow, kNoRow, kNoRow}; ///< rows
  uint8_t widths[6] = {}; ///< bytes of the operands' registers
  Control control = Plain;
  Space space = Generic;
  uint8_t count = 1; ///< elements of a vector
  uint8_t bytes = 0; ///< of an element in memory
  bool isSigned = false, isStore = false, isMemory = false;
  bool negated = false;
  uint32_t predicate = kNoRow;
  uint32_t target = 0; ///< of a branch
  int64_t offset = 0;  ///< of an address
  int64_t sourceOffset = 0;     ///< of the address that a copy reads
  std::vector<uint32_t> matrix; ///< rows of the registers that hold parts of matrices
  uint32_t line = 0;
  std::string text;
};

/// A row that is filled before the threads run.
struct Constant {
  enum Kind { Value, Parameter, Thread, ThreadCount, Block, BlockCount, Lane, Warp };
  Kind kind = Value;
  uint64_t value = 0; ///< the bits; a parameter's byte; the dimension
  uint8_t bytes = 8;
  uint32_t row = 0;
  bool operator<(const Constant &o) const {
    return std::tie(kind, value, bytes) < std::tie(o.kind, o.value, o.bytes);
  }
};

struct Kernel {
  std::string name;
  std::vector<Instruction> code;
  std::vector<Constant> constants;
  /// Bytes of registers, shared and local memory: of a thread, a block, a thread.
  uint64_t registerBytes = 0, sharedBytes = 0, localBytes = 0;
  uint32_t carryRow = kNoRow;
  unsigned maxThreads[3] = {0, 0, 0};
  struct Parameter {
    uint64_t offset, bytes;
  };
  std::vector<Parameter> parameters;
  uint64_t parameterBytes() const {
    return parameters.empty() ? 0 : parameters.back().offset + parameters.back().bytes;
  }
};

/// A variable of the module in memory, at an address of its own.
struct ModuleVariable {
  std::string name;
  uint64_t address = 0;
  bool isConstant = false;
  std::vector<char> bytes;
};

struct Module {
  std::map<std::string, Kernel> kernels;
  std::vector<ModuleVariable> variables; ///< by address
};

// Where generic addresses of each space start. Those of the stand-in's allocations start at
// 1 << 60.
constexpr uint64_t kSharedWindow = uint64_t(1) << 56, kLocalWindow = uint64_t(2) << 56,
                   kModuleWindow = uint64_t(3) << 56, kWindowBytes = uint64_t(1) << 32;

} // namespace ampc::ptx

#endif // AMPC_TEST_STANDIN_PTXPROGRAM_H
