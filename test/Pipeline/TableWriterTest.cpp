//===- TableWriterTest.cpp - Roles and options in the tables --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TableWriter.h"
#include "../Check.h"
#include "../Optimize/TestCalls.h"
#include "ampc/Dialect/Amp/AmpBase.h"
#include "ampc/Support/WeightStore.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace ampc;
using namespace ampc::test;

namespace {

/// A span's entries, in tables as the runtime finds them.
template <typename T>
ArrayRef<T> entries(const Tables &tables, const ampc_span_t &span) {
  return {reinterpret_cast<const T *>(tables.bytes.data() + span.offset), size_t(span.count)};
}

/// The tables of the functions in `source` for CUDA, as steps without code.
FailureOr<Tables> planAndWrite(MLIRContext &context, StringRef source,
                               const CompileOptions &options) {
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(source, &context);
  PassManager pm(&context);
  buildMemoryPipeline(pm, {});
  check(succeeded(pm.run(*module)), "the steps are planned");
  WeightStore weights;
  PlannedTarget target;
  target.target = Target::Cuda;
  target.module = *module;
  FailureOr<Tables> tables = writeTables(target, weights, options, "");
  check(succeeded(tables), "the tables are written");
  return tables;
}

void writesRoles(MLIRContext &context) {
  CompileOptions options;
  options.deterministic = true;
  FailureOr<Tables> tables = planAndWrite(context, kRecurrentStep, options);
  if (failed(tables))
    return;
  auto &header = *reinterpret_cast<const ampc_tables_t *>(tables->bytes.data());
  check(header.deterministic == 1, "the runtime is told to ask for equal bits");
  auto steps = entries<ampc_step_entry_t>(*tables, header.steps);
  auto arguments = entries<ampc_argument_entry_t>(*tables, header.arguments);
  check(steps.size() == 4 && arguments.size() == 16, "four steps of four arguments");
  constexpr uint32_t kRead = AMPC_ARGUMENT_READ, kWrite = AMPC_ARGUMENT_WRITE,
                     kReserve = AMPC_ARGUMENT_RESERVE, kAtLoad = AMPC_ARGUMENT_SIZED_AT_LOAD;
  auto has = [&](unsigned step, unsigned index, uint32_t flags, uint64_t bytes) {
    const ampc_argument_entry_t &argument = arguments[steps[step].first_argument + index];
    return argument.flags == flags && argument.bytes == bytes;
  };
  check(has(0, 0, kRead, 64) && has(0, 1, kWrite, 64), "what a call reads and writes");
  check(has(0, 2, kRead | kWrite | AMPC_ARGUMENT_SCRATCH, 100), "its scratch");
  check(has(0, 3, kWrite | kReserve | kAtLoad, 0) && has(3, 1, kRead | kReserve | kAtLoad, 0),
        "a reserve of a size known at load");
  check(arguments[steps[0].first_argument + 3].offset == 0 &&
            arguments[steps[3].first_argument + 1].offset == 0,
        "it is the first of its target");
  check(has(1, 3, kWrite | kReserve, 24) && has(2, 1, kRead | kReserve, 24) &&
            arguments[steps[1].first_argument + 3].offset ==
                arguments[steps[2].first_argument + 1].offset,
        "a reserve in the arena");
  check(has(3, 3, kWrite, 32) && arguments[steps[3].first_argument + 3].dtype == AMPC_DTYPE_I64,
        "a second result, of integers");
}

void writesQueues(MLIRContext &context) {
  FailureOr<Tables> tables = planAndWrite(context, R"(
    func.func @another(%x: tensor<64xf32> {amp.name = "x"}) -> (tensor<64xf32> {amp.name = "y"}) {
      %a = plan.copy %x {plan.signal = 40} : tensor<64xf32>
      %tail = plan.view %a at 128 : (tensor<64xf32>) -> tensor<32xf32>
      %b = plan.copy %tail {plan.queue = 2, plan.waits = array<i64: 40>, plan.signal = 7} : tensor<32xf32>
      %c = plan.copy %a {plan.waits = array<i64: 7>} : tensor<64xf32>
      return %c : tensor<64xf32>
    }
    func.func @eval(%x: tensor<64xf32> {amp.name = "x"}) -> (tensor<64xf32> {amp.name = "y"}) {
      %a = plan.copy %x : tensor<64xf32>
      return %a : tensor<64xf32>
    })",
                                          {});
  if (failed(tables))
    return;
  auto &header = *reinterpret_cast<const ampc_tables_t *>(tables->bytes.data());
  const char *strings = tables->bytes.data() + header.strings.offset;
  auto programs = entries<ampc_program_entry_t>(*tables, header.programs);
  check(programs.size() == 2 && StringRef(strings + programs[0].name) == AMPC_PROGRAM_EVAL &&
            StringRef(strings + programs[1].name) == "another",
        "programs have the functions' names, those that the runtime runs first");
  check(programs[0].queue_count == 1 && programs[0].signal_count == 0, "one queue");
  check(programs[1].queue_count == 3 && programs[1].signal_count == 2, "three queues");
  auto steps = entries<ampc_step_entry_t>(*tables, header.steps).slice(programs[1].first_step);
  auto waits = entries<uint32_t>(*tables, header.waits);
  check(steps.size() == 3 && steps[0].queue == 0 && steps[0].signal == 0 &&
            steps[0].wait_count == 0,
        "signals are numbered as they are given");
  check(steps[1].queue == 2 && steps[1].signal == 1 && steps[1].wait_count == 1 &&
            waits[steps[1].first_wait] == 0,
        "a wait has its signal's number");
  check(steps[2].queue == 0 && steps[2].signal == AMPC_NONE_U32 && steps[2].wait_count == 1 &&
            waits[steps[2].first_wait] == 1,
        "a step without a signal");
  auto arguments = entries<ampc_argument_entry_t>(*tables, header.arguments);
  const ampc_argument_entry_t &whole = arguments[steps[0].first_argument + 1],
                              &tail = arguments[steps[1].first_argument];
  check(tail.offset == whole.offset + 128 && tail.bytes == 128, "a view is an offset");
}

} // namespace

int main() {
  DialectRegistry registry;
  registry.insert<AmpDialect, plan::PlanDialect, func::FuncDialect, TestDialect>();
  MLIRContext context(registry);
  writesRoles(context);
  writesQueues(context);
  return finishChecks();
}
