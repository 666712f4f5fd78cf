//===- TestCalls.h - Library calls with every role -------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_OPTIMIZE_TESTCALLS_H
#define AMPC_TEST_OPTIMIZE_TESTCALLS_H

#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Plan/Plan.h"

namespace ampc::test {
using namespace mlir;

/// What the calls below share: as many operands and results as one likes.
template <typename Concrete>
class TestCall : public Op<Concrete, OpTrait::ZeroRegions, OpTrait::VariadicOperands,
                           OpTrait::VariadicResults, OpTrait::ZeroSuccessors,
                           plan::StepOpInterface::Trait, plan::LibraryCallOpInterface::Trait> {
public:
  using Op<Concrete, OpTrait::ZeroRegions, OpTrait::VariadicOperands, OpTrait::VariadicResults,
           OpTrait::ZeroSuccessors, plan::StepOpInterface::Trait,
           plan::LibraryCallOpInterface::Trait>::Op;
  static ArrayRef<StringRef> getAttributeNames() { return {}; }

  std::optional<uint32_t> getStepKind() { return AMPC_STEP_LIBRARY; }
  int64_t getFlops() { return 1; }
  uint32_t getLibraryCall() { return 77; }
  SmallVector<int64_t> getIntegers() { return {}; }
  StringRef getLibraryName() { return "test"; }
};

/// x -> y, scratch, reserve: `test.recurrent`.
class RecurrentOp : public TestCall<RecurrentOp> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(RecurrentOp)
  using TestCall<RecurrentOp>::TestCall;
  static StringRef getOperationName() { return "test.recurrent"; }

  plan::OperandRole getResultRole(unsigned index) {
    return index == 0   ? plan::OperandRole::Out
           : index == 1 ? plan::OperandRole::Scratch
                        : plan::OperandRole::Reserve;
  }
};

/// Gradient of y, reserve -> gradient of x, sum: `test.recurrent_grad`, by atomics.
class RecurrentGradOp : public TestCall<RecurrentGradOp> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(RecurrentGradOp)
  using TestCall<RecurrentGradOp>::TestCall;
  static StringRef getOperationName() { return "test.recurrent_grad"; }

  bool isDeterministic() { return false; }
  plan::OperandRole getOperandRole(unsigned index) {
    return index == 1 ? plan::OperandRole::Reserve : plan::OperandRole::In;
  }
};

class TestDialect : public Dialect {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestDialect)
  explicit TestDialect(MLIRContext *context)
      : Dialect(getDialectNamespace(), context, TypeID::get<TestDialect>()) {
    addOperations<RecurrentOp, RecurrentGradOp>();
  }
  static StringRef getDialectNamespace() { return "test"; }
};

/// A step with two calls and the gradient of one, whose reserve is of a size known at load.
constexpr llvm::StringLiteral kRecurrentStep = R"(
  func.func @eval(%x: tensor<16xf32> {amp.name = "x"})
      -> (tensor<16xf32> {amp.name = "dx"}, tensor<4xi64> {amp.name = "n"}) {
    %y, %s, %r = "test.recurrent"(%x)
        : (tensor<16xf32>) -> (tensor<16xf32>, tensor<100xi8>, tensor<0xi8>) loc("Lstm_0")
    %z, %t, %q = "test.recurrent"(%y)
        : (tensor<16xf32>) -> (tensor<16xf32>, tensor<80xi8>, tensor<24xi8>) loc("Lstm_1")
    %dy, %m = "test.recurrent_grad"(%z, %q)
        : (tensor<16xf32>, tensor<24xi8>) -> (tensor<16xf32>, tensor<4xi64>) loc("Lstm_1")
    %dx, %n = "test.recurrent_grad"(%dy, %r)
        : (tensor<16xf32>, tensor<0xi8>) -> (tensor<16xf32>, tensor<4xi64>) loc("Lstm_0")
    return %dx, %n : tensor<16xf32>, tensor<4xi64>
  })";

} // namespace ampc::test

#endif // AMPC_TEST_OPTIMIZE_TESTCALLS_H
