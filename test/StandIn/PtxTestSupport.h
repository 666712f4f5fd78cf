//===- PtxTestSupport.h - Runs a few lines of PTX ----------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_PTXTESTSUPPORT_H
#define AMPC_TEST_STANDIN_PTXTESTSUPPORT_H

#include "PtxInterpreter.h"
#include "PtxParser.h"

#include <cstring>
#include <gtest/gtest.h>

namespace ampc::ptx {

/// One allocation, at an address that is none of the host's.
class TestMemory : public GlobalMemory {
public:
  static constexpr uint64_t kAddress = uint64_t(1) << 60;
  explicit TestMemory(uint64_t bytes) : data(bytes) {}
  Range find(uint64_t address) override {
    if (address < kAddress)
      return {};
    return {kAddress, data.size(), data.data(), false};
  }
  std::vector<char> data;
};

/// A kernel `k` of the parameter `memory`, with the registers p, h, r, rd and, for floats, f and
/// fd; %rd0 is the parameter's address and %rd1 that of this thread's 64 bytes there, %r0 its
/// number in the grid.
inline std::string kernelText(const std::string &body, const std::string &before = "") {
  return ".version 8.0\n.target sm_80\n.address_size 64\n" + before +
         ".visible .entry k(.param .u64 .ptr .global .align 64 memory)\n{\n"
         ".reg .pred %p<8>; .reg .b16 %h<16>; .reg .b32 %r<32>; .reg .b64 %rd<32>;\n"
         "ld.param.b64 %rd0, [memory];\n"
         "mov.u32 %r0, %tid.x; mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x;\n"
         "mad.lo.s32 %r0, %r1, %r2, %r0;\n"
         "mul.wide.u32 %rd1, %r0, 64; add.s64 %rd1, %rd0, %rd1;\n" +
         body + "\nret;\n}\n";
}

struct TestRun {
  explicit TestRun(const std::string &body, uint32_t threads = 1, uint32_t blocks = 1,
                   const std::string &before = "")
      : memory(uint64_t(64) * threads * blocks), text(kernelText(body, before)), threads(threads),
        blocks(blocks) {}

  template <class T>
  TestRun &put(uint64_t byte, T value) {
    std::memcpy(memory.data.data() + byte, &value, sizeof(T));
    return *this;
  }
  template <class T>
  T get(uint64_t byte) const {
    T value;
    std::memcpy(&value, memory.data.data() + byte, sizeof(T));
    return value;
  }
  /// What is wrong, or "".
  std::string run() {
    try {
      Module module = load(text);
      uint64_t address = TestMemory::kAddress;
      void *parameters[] = {&address};
      return launch(module, module.kernels.at("k"), {blocks, 1, 1}, {threads, 1, 1}, parameters,
                    memory);
    } catch (const TextError &error) {
      return error.what();
    }
  }

  TestMemory memory;
  std::string text;
  uint32_t threads, blocks;
};

/// Runs `line` on one thread, whose operands %a, %b, %c and result %d have the types of the
/// letters: 'p', 'h', 'w', 'd', result first.
template <class D, class... A>
D evaluate(const std::string &line, A... operands) {
  const char *type[] = {"", ".b8", ".b16", "", ".b32", "", "", "", ".b64"};
  std::string declare = std::string(".reg ") + type[sizeof(D)] + " %d;\n", loads;
  TestRun test("");
  unsigned at = 0;
  auto add = [&](auto value) {
    std::string name = std::string("%") + char('a' + at);
    declare += std::string(".reg ") + type[sizeof(value)] + " " + name + ";\n";
    loads += std::string("ld.global") + type[sizeof(value)] + " " + name + ", [%rd1+" +
             std::to_string(8 * at) + "];\n";
    test.put(8 * at, value);
    ++at;
  };
  (add(operands), ...);
  test.text =
      kernelText(declare + loads + line + "\nst.global" + type[sizeof(D)] + " [%rd1+56], %d;\n");
  EXPECT_EQ(test.run(), "") << line;
  return test.get<D>(56);
}

} // namespace ampc::ptx

#endif // AMPC_TEST_STANDIN_PTXTESTSUPPORT_H
