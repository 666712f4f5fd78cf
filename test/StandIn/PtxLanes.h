//===- PtxLanes.h - The threads that an instruction runs for -----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Between the interpreter and the functions of instructions.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_PTXLANES_H
#define AMPC_TEST_STANDIN_PTXLANES_H

#include "PtxProgram.h"

#ifdef __clang__
#define AMPC_PTX_VECTORIZE _Pragma("clang loop vectorize(assume_safety)")
#else
#define AMPC_PTX_VECTORIZE _Pragma("GCC ivdep")
#endif

namespace ampc::ptx {

struct Lanes {
  char *registers = nullptr;
  uint64_t stride = 0; ///< threads of a row
  const uint32_t *list = nullptr;
  uint32_t count = 0;
  bool isDense = false; ///< the list counts up by one
  uint8_t *carry = nullptr;
  class BlockState *block = nullptr;

  template <class T>
  T *row(uint32_t at) const {
    return reinterpret_cast<T *>(registers + at * stride);
  }
  template <class F>
  void each(F &&f) const {
    if (isDense) {
      const uint32_t begin = list[0], end = begin + count;
      AMPC_PTX_VECTORIZE
      for (uint32_t t = begin; t < end; ++t)
        f(t);
    } else {
      for (uint32_t i = 0; i < count; ++i)
        f(list[i]);
    }
  }
};

/// An operation of registers: its opcode, and the bytes of its operands, result first: 'p' a
/// predicate, 'h' 2, 'w' 4, 'd' 8.
struct Operation {
  const char *name, *operands;
  Handler run;
};

struct OperationTable {
  const Operation *begin, *end;
};
OperationTable integerOperations(), floatOperations(), conversions();

/// The operation of this opcode, or null.
const Operation *findOperation(const std::string &name);

} // namespace ampc::ptx

#endif // AMPC_TEST_STANDIN_PTXLANES_H
