//===- RolesTest.cpp - Scratch and reserves of library calls in tables ----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// No call of today takes a reserve: what these tables reach last is that the product's own check
// refuses it, behind the rules that hold for all calls.
//
//===----------------------------------------------------------------------===//

#include "Core/Error.h"
#include "Core/Tables.h"
#include "TableWriter.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace ampc;
using namespace ampc::test;

namespace {

constexpr unsigned kRead = AMPC_ARGUMENT_READ, kWrite = AMPC_ARGUMENT_WRITE;
constexpr unsigned kAtLoad = AMPC_ARGUMENT_RESERVE | AMPC_ARGUMENT_SIZED_AT_LOAD;

/// What is wrong with an EVAL program on CUDA whose products have these arguments.
std::string problemOf(const std::vector<std::vector<ampc_argument_entry_t>> &calls) {
  TableWriter t;
  t.header.targets[AMPC_TARGET_CUDA] = t.header.targets[AMPC_TARGET_HOST];
  t.header.targets[AMPC_TARGET_CUDA].arena_bytes = 1024;
  t.beginProgram(AMPC_PROGRAM_EVAL);
  t.programs.back().target = AMPC_TARGET_CUDA;
  for (const std::vector<ampc_argument_entry_t> &arguments : calls)
    t.addMatmul({1, 1, 1, 1, 0, 0, 0, 0, 0, AMPC_EPILOGUE_NONE, 0x3ff0000000000000}, arguments,
                "Lstm_0");
  std::string bytes = t.serialize();
  alignas(AMPC_ALIGNMENT) static char memory[1 << 14];
  EXPECT_LE(bytes.size(), sizeof(memory));
  std::memcpy(memory, bytes.data(), bytes.size());
  ampc_module_v1_t module = {AMPC_FORMAT_VERSION, sizeof(module), memory, bytes.size(), nullptr, 0};
  try {
    Tables tables(module, "train.so");
    return "";
  } catch (const Error &error) {
    return error.message;
  }
}

ampc_argument_entry_t at(uint64_t offset, unsigned flags) {
  return argumentAt(offset, 4, AMPC_DTYPE_F32, flags);
}
ampc_argument_entry_t reserve(uint64_t number, unsigned flags, uint64_t bytes = 0) {
  return argumentAt(number, bytes, AMPC_DTYPE_I8, kAtLoad | flags);
}

/// A product that fills or reads reserves.
std::vector<ampc_argument_entry_t> with(std::vector<ampc_argument_entry_t> reserves) {
  std::vector<ampc_argument_entry_t> arguments = {at(0, kRead), at(64, kRead)};
  arguments.insert(arguments.end(), reserves.begin(), reserves.end());
  arguments.push_back(at(128, kWrite));
  return arguments;
}

void expectProblem(const std::vector<std::vector<ampc_argument_entry_t>> &calls,
                   const std::string &text) {
  std::string problem = problemOf(calls);
  EXPECT_NE(problem.find(text), std::string::npos) << text << " is not in: " << problem;
}

} // namespace

TEST(Roles, AProductWithoutAny) { EXPECT_EQ(problemOf({with({})}), ""); }

TEST(Roles, AReserveIsFilledOnceAndThenRead) {
  expectProblem({with({reserve(0, kRead)})},
                "reads reserve 0, which nothing in its queue has filled");
  expectProblem({with({reserve(0, kRead | kWrite)})},
                "reads reserve 0, which nothing in its queue has filled");
  expectProblem({with({reserve(0, kWrite), reserve(1, kWrite)})},
                "two reserves that are sized at load");
  expectProblem({with({reserve(99, kWrite)})}, "reserve 99, sized at load, has 0 bytes");
  expectProblem({with({reserve(0, kWrite, 8)})}, "reserve 0, sized at load, has 8 bytes");
  // Then the call itself is asked.
  expectProblem({with({reserve(0, kWrite)})}, "4 arguments, not 3");
}

TEST(Roles, ScratchAndReservesInTheArena) {
  expectProblem({with({at(2000, kRead | kWrite | AMPC_ARGUMENT_SCRATCH)})},
                "in an arena of 1024 bytes");
  expectProblem({with({at(192, kRead | AMPC_ARGUMENT_SCRATCH)})}, "flags 5");
  expectProblem({{at(0, kRead), at(64, kRead | AMPC_ARGUMENT_RESERVE), at(128, kWrite)}},
                "takes neither scratch nor reserve");
  expectProblem({{at(0, kRead), at(64, kRead), at(128, kWrite | AMPC_ARGUMENT_RESERVE)}},
                "takes neither scratch nor reserve");
}
