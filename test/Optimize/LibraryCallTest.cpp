//===- LibraryCallTest.cpp - Roles of operands, and what libraries do -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../Check.h"
#include "TestCalls.h"
#include "ampc/Dialect/Amp/AmpBase.h"
#include "ampc/Optimize/LibraryTable.h"
#include "ampc/Optimize/Passes.h"
#include "ampc/Optimize/StepCosts.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace ampc;
using namespace ampc::test;

namespace {

using Role = plan::OperandRole;

struct Planned {
  OwningOpRef<ModuleOp> module;
  std::string error; ///< the first
};

/// Parses `source` and plans its memory.
Planned planMemory(MLIRContext &context, StringRef source, bool deterministic = false) {
  Planned planned;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (planned.error.empty())
      planned.error = diagnostic.str();
    return success();
  });
  planned.module = parseSourceString<ModuleOp>(source, &context);
  if (!planned.module)
    return planned;
  PassManager pm(&context);
  MemoryOptions options;
  options.deterministic = deterministic;
  buildMemoryPipeline(pm, options);
  if (failed(pm.run(*planned.module)))
    planned.module = nullptr;
  return planned;
}

void placesScratchAndReserves(MLIRContext &context) {
  Planned planned = planMemory(context, kRecurrentStep);
  check(bool(planned.module), "the step is planned: " + planned.error);
  if (!planned.module)
    return;
  SmallVector<plan::StepOpInterface> steps;
  planned.module->walk([&](plan::StepOpInterface step) { steps.push_back(step); });
  SmallVector<StepArgument> forward = getStepArguments(steps[0]);
  SmallVector<StepArgument> backward = getStepArguments(steps[3]);
  auto is = [](const StepArgument &a, Role role, bool isRead, bool isWritten) {
    return a.role == role && a.isRead == isRead && a.isWritten == isWritten;
  };
  check(forward.size() == 4 && is(forward[0], Role::In, true, false) &&
            is(forward[1], Role::Out, false, true) && is(forward[2], Role::Scratch, true, true) &&
            is(forward[3], Role::Reserve, false, true),
        "operands, then results, of a forward call");
  check(backward.size() == 4 && is(backward[1], Role::Reserve, true, false) &&
            backward[1].value == forward[3].value,
        "the gradient reads what the call reserved");
  check(plan::isSizedAtLoad(forward[3].value.getType()) &&
            !plan::isSizedAtLoad(getStepArguments(steps[1])[3].value.getType()),
        "a reserve without bytes is sized at load");

  auto offset = [&](unsigned step, unsigned result) {
    return steps[step]->getAttrOfType<DenseI64ArrayAttr>(plan::kOffsetsAttr)[result];
  };
  // x, y, z: 64 bytes each; scratch of 128; a reserve of 64 bytes.
  auto arena = (*planned.module)->getAttrOfType<IntegerAttr>(plan::kArenaBytesAttr).getInt();
  check(offset(0, 1) == offset(1, 1), "scratch of calls one after another shares its bytes");
  check(arena == 320, "the arena has no room for what is sized at load: " + std::to_string(arena));
}

void rulesOutOtherBits(MLIRContext &context) {
  Planned planned = planMemory(context, kRecurrentStep, /*deterministic=*/true);
  check(!planned.module, "a step by atomics is refused");
  check(planned.error == "the step of node 'Lstm_1', a test.recurrent_grad, gives other bits in "
                         "equal runs, which --deterministic rules out: compile without it, or take "
                         "the node out of the model",
        "the error names node and remedy: " + planned.error);
  std::string forward = R"(
    func.func @eval(%x: tensor<16xf32>) -> tensor<16xf32> {
      %y, %s = "test.recurrent"(%x) : (tensor<16xf32>) -> (tensor<16xf32>, tensor<100xi8>)
      %z = plan.copy %y : tensor<16xf32>
      return %z : tensor<16xf32>
    })";
  check(bool(planMemory(context, forward, /*deterministic=*/true).module),
        "steps that promise equal bits pass");
}

void refusesRolesThatDoNotFit(MLIRContext &context) {
  auto expect = [&](const std::string &results, const std::string &body, const std::string &error) {
    std::string source = "func.func @eval(%x: tensor<16xf32>, %b: tensor<8xi8>) {\n"
                         "  %y, %s, %r = \"test.recurrent\"(%x) : (tensor<16xf32>) -> (" +
                         results + ")\n" + body + "\n  return\n}";
    Planned planned = planMemory(context, source);
    check(!planned.module && planned.error.find(error) != std::string::npos,
          error + " is not in: " + planned.error);
  };
  const std::string good = "tensor<16xf32>, tensor<8xi8>, tensor<0xi8>";
  expect(good, "%z = plan.copy %s : tensor<8xi8>", "has scratch that is read, result 1");
  expect(good, "%z = plan.copy %r : tensor<0xi8>",
         "has a reserve that no library call reads, result 2");
  expect("tensor<16xf32>, tensor<8xf32>, tensor<0xi8>", "",
         "has a result 1, scratch of 'tensor<8xf32>', not bytes");
  expect("tensor<16xf32>, tensor<8xi8>, tensor<2x4xi8>", "",
         "has a result 2, reserve of 'tensor<2x4xi8>', not bytes");
  expect(good,
         "%z = \"test.recurrent_grad\"(%y, %b) : (tensor<16xf32>, tensor<8xi8>) -> "
         "tensor<16xf32>",
         "takes as a reserve what is none, operand 1");
  expect(good,
         "%z = \"test.recurrent_grad\"(%r, %r) : (tensor<0xi8>, tensor<0xi8>) -> "
         "tensor<16xf32>",
         "reads a reserve as operand 0");
}

void keepsAReserveInItsQueue(MLIRContext &context) {
  auto plan = [&](const std::string &queue) {
    return planMemory(context, R"(
      func.func @eval(%x: tensor<16xf32>) -> tensor<16xf32> {
        %y, %s, %r = "test.recurrent"(%x) {plan.signal = 0}
            : (tensor<16xf32>) -> (tensor<16xf32>, tensor<100xi8>, tensor<0xi8>)
        %dx = "test.recurrent_grad"(%y, %r) {plan.queue = )" +
                                   queue + (queue == "0" ? "" : ", plan.waits = array<i64: 0>") +
                                   R"(} : (tensor<16xf32>, tensor<0xi8>) -> tensor<16xf32>
        return %dx : tensor<16xf32>
      })");
  };
  check(bool(plan("0").module), "one queue fills a reserve and reads it");
  std::string error = plan("1").error;
  check(error.find("in queue 1 reads a reserve that queue 0 fills") != std::string::npos,
        "another queue does not: " + error);
}

void knowsWhatLibrariesCompute(MLIRContext &context) {
  Builder b(&context);
  Type f16 = b.getF16Type(), f32 = b.getF32Type(), f64 = b.getF64Type(), i32 = b.getI32Type();
  LibraryTable host(Target::Host), cuda(Target::Cuda);
  auto product = [](Type lhs, Type rhs, Type result) {
    return LibraryRequest{AMPC_LIBRARY_MATMUL, 0, {lhs, rhs}, {result}};
  };
  check(host.supports(product(f16, f32, f32)) && !cuda.supports(product(f16, f32, f32)),
        "the host multiplies types that differ, cuBLASLt does not");
  check(cuda.supports(product(f16, f16, f32)) && cuda.supports(product(f16, f16, f16)) &&
            cuda.supports(product(f64, f64, f64)) && !cuda.supports(product(f32, f32, f16)),
        "cuBLASLt keeps a type, or sums 16 bits up into f32");
  check(!host.supports(product(f64, f32, f64)) && !host.supports(product(i32, i32, i32)) &&
            !cuda.supports(product(i32, i32, i32)),
        "no library multiplies integers, or f64 by others");
  LibraryRequest biased{AMPC_LIBRARY_MATMUL, 0, {f16, f16, f32}, {f16}};
  check(host.supports(biased) && !cuda.supports(biased),
        "cuBLASLt adds a bias of the result's type alone");
  LibraryRequest convolution{AMPC_LIBRARY_CONVOLUTION, 0, {f16, f16}, {f16}};
  check(host.supports(convolution) && cuda.supports(convolution),
        "convolutions are library calls on both targets");
  convolution.channelsLast = true;
  check(host.supports(convolution) && !host.prefersChannelsLast(convolution),
        "the host takes images with their channels last, and prefers channels before points");
  check(cuda.prefersChannelsLast(convolution), "tensor cores prefer channels last");
  LibraryRequest wide{AMPC_LIBRARY_CONVOLUTION, 2, {f16, f16}, {f32}, true};
  check(host.nearestResult(wide) == f32 && !cuda.supports(wide) && cuda.nearestResult(wide) == f16,
        "cuDNN rounds sums of 16-bit operands to their type, and the host does not");
  check(cuda.prefersChannelsLast(wide), "what is rounded prefers channels last as well");
  LibraryRequest full{AMPC_LIBRARY_CONVOLUTION, 0, {f32, f32}, {f32}, true};
  check(cuda.nearestResult(full) == f32 && !cuda.prefersChannelsLast(full),
        "f32 is not computed by tensor cores");
  LibraryRequest bias{AMPC_LIBRARY_CONVOLUTION, 0, {f64, f64, f64}, {f64}};
  check(host.supports(bias) && !cuda.nearestResult(bias), "cuDNN adds no bias in f64");
  check(!host.supports({77, 0, {f32}, {f32}}), "a call without a row is of no library");
}

} // namespace

int main() {
  DialectRegistry registry;
  registry.insert<AmpDialect, plan::PlanDialect, func::FuncDialect, TestDialect>();
  MLIRContext context(registry);
  placesScratchAndReserves(context);
  rulesOutOtherBits(context);
  refusesRolesThatDoNotFit(context);
  keepsAReserveInItsQueue(context);
  knowsWhatLibrariesCompute(context);
  return finishChecks();
}
