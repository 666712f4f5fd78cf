//===- IterationTest.cpp - The loops that the analysis finds --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Ops stand in a larger function here, as they do when kernels are formed.

#include "../Check.h"
#include "ampc/Dialect/Plan/KernelBuilder.h"
#include "ampc/Dialect/Plan/KernelCost.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace ampc;
using namespace ampc::plan;
using namespace ampc::test;

namespace {

/// A function under construction.
struct Function {
  explicit Function(MLIRContext &context)
      : module(ModuleOp::create(UnknownLoc::get(&context))), b(module->getBodyRegion()),
        kernel(b, b.getUnknownLoc()) {
    b.setInsertionPointToEnd(module->getBody());
    func = func::FuncOp::create(b, b.getUnknownLoc(), "f", b.getFunctionType({}, {}));
    b.setInsertionPointToEnd(func.addEntryBlock());
  }

  RankedTensorType type(ArrayRef<int64_t> shape) {
    return RankedTensorType::get(shape, b.getF32Type());
  }
  Value argument(ArrayRef<int64_t> shape) {
    return func.front().addArgument(type(shape), b.getUnknownLoc());
  }
  Value add(Value x, Value y, ArrayRef<int64_t> shape) {
    return kernel.pointwise({x, y}, type(shape),
                            [](ScalarBuilder &s, ValueRange v) { return s.add(v[0], v[1]); });
  }
  Value sum(Value x, ArrayRef<int64_t> axes) {
    return kernel.reduce(x, axes, Reduction::Sum, b.getF32Type());
  }
  /// Uses values outside of the analysed ops.
  void end(ValueRange values) {
    func::ReturnOp::create(b, b.getUnknownLoc(), values);
    func.setFunctionType(b.getFunctionType(func.front().getArgumentTypes(), values.getTypes()));
  }

  FailureOr<IterationStructure> analyze(std::string *reason = nullptr) {
    SmallVector<Operation *> ops;
    for (Operation &op : func.front().without_terminator())
      ops.push_back(&op);
    return analyzeIteration(ops, reason);
  }

  OwningOpRef<ModuleOp> module;
  OpBuilder b;
  func::FuncOp func;
  KernelBuilder kernel;
};

bool hasDims(const IterationStructure &s, ArrayRef<IterationDim> dims) {
  return llvm::equal(s.dims, dims, [](const IterationDim &a, const IterationDim &b) {
    return a.extent == b.extent && a.reduced == b.reduced;
  });
}

void findsOneDimension(MLIRContext &context) {
  Function f(context);
  Value x = f.argument({4, 5, 6}), y = f.argument({4, 5, 6});
  Value z = f.add(x, y, {4, 5, 6});
  f.end(z);
  auto s = f.analyze();
  check(succeeded(s) && s->kind == IterationKind::Elementwise && hasDims(*s, {{120, false}}),
        "dimensions that all treat as one are one");
  check(succeeded(s) && s->mayOverwrite(x, z), "an elementwise result may overwrite its operand");
}

void keepsBroadcasts(MLIRContext &context) {
  Function f(context);
  Value z = f.add(f.argument({4, 1, 6}), f.argument({4, 5, 6}), {4, 5, 6});
  f.end(z);
  auto s = f.analyze();
  check(succeeded(s) && hasDims(*s, {{4, false}, {5, false}, {6, false}}),
        "a broadcast dimension is one of its own");
}

void findsRows(MLIRContext &context) {
  Function f(context);
  Value x = f.argument({7, 3, 9});
  Value rows = f.kernel.reshape(f.sum(x, {2}), {7, 3, 1});
  Value z = f.add(x, rows, {7, 3, 9});
  Value again = f.kernel.reshape(f.sum(z, {2}), {21});
  f.end({z, again});
  auto s = f.analyze();
  check(succeeded(s) && s->kind == IterationKind::Row && hasDims(*s, {{21, false}, {9, true}}) &&
            s->maxLevel == 2,
        "sums of rows, one after another, through reshapes");
  check(succeeded(s) && s->results.size() == 2 && s->getLevel(z) == 1 && s->getLevel(again) == 2,
        "what is used outside is a result");
}

void findsColumns(MLIRContext &context) {
  Function f(context);
  Value z = f.sum(f.argument({7, 9}), {0});
  f.end(z);
  auto s = f.analyze();
  check(succeeded(s) && s->kind == IterationKind::Column && hasDims(*s, {{7, true}, {9, false}}),
        "sums of columns");

  Function g(context);
  g.end(g.sum(g.argument({8, 5, 7, 9}), {0, 2, 3}));
  s = g.analyze();
  check(succeeded(s) && s->kind == IterationKind::Row &&
            hasDims(*s, {{8, true}, {5, false}, {63, true}}),
        "sums over images are of neighbours");

  Function h(context);
  h.end(h.sum(h.argument({4, 10, 33}), {1}));
  s = h.analyze();
  check(succeeded(s) && s->kind == IterationKind::Column &&
            hasDims(*s, {{4, false}, {10, true}, {33, false}}),
        "sums over channels are of distant elements");
}

void addsColumnsBesideRows(MLIRContext &context) {
  Function f(context);
  Value x = f.argument({4, 6, 8, 10});
  Value rows = f.sum(x, {3}), columns = f.sum(x, {1, 2});
  f.end({rows, columns, f.add(x, f.kernel.reshape(rows, {4, 6, 8, 1}), {4, 6, 8, 10})});
  auto s = f.analyze();
  check(succeeded(s) && s->kind == IterationKind::Row && s->hasSums() &&
            hasDims(*s, {{4, false}, {48, false}, {10, true}}),
        "a kernel of rows may add columns up");
  check(succeeded(s) && s->isSum(columns) && !s->isSum(rows) && s->groups() == 4 &&
            s->groupRows() == 48 && s->maxLevel == 1,
        "in groups of rows, for which nothing waits");
  check(succeeded(s) && holdsSums(*s), "threads hold the sums of short rows");

  Function g(context);
  Value y = g.argument({4, 6, 9000});
  g.end({g.sum(y, {2}), g.sum(y, {1})});
  s = g.analyze();
  check(succeeded(s) && s->hasSums() && !holdsSums(*s), "but not of long ones");
}

void followsMemory(MLIRContext &context) {
  Function f(context);
  Value x = f.argument({6, 6});
  Value z = f.add(x, f.kernel.transpose(x, {1, 0}), {6, 6});
  f.end(z);
  auto s = f.analyze();
  check(succeeded(s) && hasDims(*s, {{6, false}, {6, false}}),
        "an input may be read at two places");
  check(succeeded(s) && !s->mayOverwrite(x, z), "and then must not be overwritten");
}

void refuses(MLIRContext &context) {
  std::string reason;
  Function f(context);
  Value x = f.argument({6, 8});
  Value columns = f.sum(x, {0});
  f.end({f.add(columns, columns, {8}), f.sum(x, {1})});
  check(failed(f.analyze(&reason)) && reason == "reductions run over different dimensions",
        "what waits for a reduction and what does for one over other dimensions is no kernel");

  Function f3(context);
  Value x3 = f3.argument({6, 7, 8});
  f3.end({f3.sum(x3, {0}), f3.sum(x3, {1}), f3.sum(x3, {2})});
  check(failed(f3.analyze(&reason)) && reason == "reductions run over different dimensions",
        "nor are three reductions, each over another dimension");

  Function f4(context);
  Value x4 = f4.argument({6, 7, 8});
  f4.end({f4.sum(x4, {0, 2}), f4.sum(x4, {1, 2})});
  check(failed(f4.analyze(&reason)) && reason == "reductions run over different dimensions",
        "nor two that have a dimension in common");

  Function g(context);
  Value y = g.argument({8});
  Value twice = g.add(y, y, {8});
  g.end({twice, g.add(g.argument({6, 8}), twice, {6, 8})});
  check(failed(g.analyze(&reason)) && reason == "results have different shapes",
        "results of different shapes are no kernel");

  Function h(context);
  Value z = h.argument({6, 6});
  Value inside = h.add(z, z, {6, 6});
  h.end(h.add(inside, h.kernel.transpose(inside, {1, 0}), {6, 6}));
  check(failed(h.analyze(&reason)) && reason == "a value made inside is read at two places",
        "a value is made at one place");
}

/// The cost on an H100 of x - mean(x) for each row, with the sum of the distances.
KernelCost costOfRows(MLIRContext &context, int64_t rows, int64_t columns) {
  Function f(context);
  Value x = f.argument({rows, columns});
  Value mean = f.kernel.reshape(f.sum(x, {1}), {rows, 1});
  Value z =
      f.kernel.pointwise({x, mean}, f.type({rows, columns}), [](ScalarBuilder &s, ValueRange v) {
        return s.sub(v[0], s.div(v[1], s.constantLike(v[1], 7)));
      });
  f.end({z, f.sum(z, {1})});
  auto s = f.analyze();
  return succeeded(s) ? computeCost(*s, getDeviceModel(Target::Cuda)) : KernelCost();
}

void countsBytesAndBlocks(MLIRContext &context) {
  constexpr uint64_t kMega = 1 << 20;
  KernelCost registers = costOfRows(context, 1 << 12, 1 << 12);
  check(registers.readBytes == 64 * kMega && registers.blocks == 1 << 12,
        "a row that fits in registers is read once");
  KernelCost cache = costOfRows(context, 8, 1 << 18);
  check(cache.readBytes == 8 * kMega && cache.blocks == 8 && !cache.isSplittable,
        "rows that fit in the cache are read once; what waits for a sum is not split");
  KernelCost memory = costOfRows(context, 64, 1 << 20);
  check(memory.readBytes == 512 * kMega && memory.writtenBytes == 256 * kMega + 256 &&
            memory.blocks == 64,
        "longer rows are read again after their sum is known");

  Function f(context);
  f.end(f.sum(f.argument({256, 64, 3136}), {0, 2}));
  auto s = f.analyze();
  for (auto [gpu, blocks] : {std::pair(Gpu::A100, 192), {Gpu::H100, 256}, {Gpu::H200, 256}}) {
    KernelCost cost = computeCost(*s, getDeviceModel(Target::Cuda, gpu));
    check(cost.isSplittable && cost.blocks == blocks && cost.splits == blocks / 64 &&
              cost.lanes == 4,
          "sums of channels are split until they fill the device");
  }
  KernelCost host = computeCost(*s, getDeviceModel(Target::Host));
  check(host.splits == 1 && host.blocks == 64, "the host has blocks enough");
}

/// Slices and pads are read at functions of the loops, and count what they read.
void readsParts(MLIRContext &context) {
  DeviceModel host = getDeviceModel(Target::Host);
  {
    Function f(context);
    Value x = f.argument({8, 96}), y = f.argument({8, 96});
    f.end(f.kernel.slice(f.add(x, y, {8, 96}), {2, 16}, {6, 32}, {1, 1}));
    auto s = f.analyze();
    check(succeeded(s) && hasDims(*s, {{6, false}, {32, false}}) && !s->hasRanges(),
          "a slice of a sum runs over the slice");
    check(succeeded(s) && computeCost(*s, host).readBytes == 2 * 6 * 32 * 4,
          "a slice reads what it reads");
  }
  {
    Function f(context);
    Value x = f.argument({8, 96});
    Value a = f.kernel.slice(x, {0, 0}, {8, 64}, {1, 1});
    Value b = f.kernel.slice(x, {0, 32}, {8, 64}, {1, 1});
    f.end(f.add(a, b, {8, 64}));
    auto s = f.analyze();
    check(succeeded(s) && computeCost(*s, host).readBytes == 8 * 96 * 4,
          "slices together read their input once at most");
  }
  {
    Function f(context);
    Value x = f.argument({8, 32}), y = f.argument({8, 32});
    Value sum = f.add(x, y, {8, 32});
    Value pad = f.kernel.pad(sum, {2, 4}, {12, 40}, 0);
    f.end(pad);
    auto s = f.analyze();
    check(succeeded(s) && hasDims(*s, {{12, false}, {40, false}}) && s->hasRanges() &&
              s->isPartial(sum) && !s->isPartial(pad),
          "what is padded is needed within its place only");
    check(succeeded(s) && s->getCuts(1) == SmallVector<int64_t>({4, 36}),
          "a pad divides the loop over a line in three");
    check(succeeded(s) && computeCost(*s, host).readBytes == 2 * 8 * 32 * 4,
          "a pad reads its input");
  }
  {
    Function f(context);
    Value x = f.argument({8, 3, 10}), y = f.argument({8, 5, 10});
    f.end(f.kernel.concat({x, y}, 1));
    auto s = f.analyze();
    check(succeeded(s) && hasDims(*s, {{8, false}, {80, false}}) &&
              s->getCuts(1) == SmallVector<int64_t>({30}),
          "dimensions behind that of a concatenation are one with it");
    check(succeeded(s) && computeCost(*s, host).readBytes == 8 * 8 * 10 * 4,
          "a concatenation reads each input once");
  }
  std::string reason;
  {
    Function f(context);
    Value x = f.argument({8, 96}), sum = f.add(x, x, {8, 96});
    f.end({sum, f.kernel.slice(sum, {0, 0}, {8, 32}, {1, 1})});
    check(failed(f.analyze(&reason)) && reason == "a part of a result is read",
          "a result is not read in part where it is made");
  }
  {
    Function f(context);
    Value x = f.argument({8, 96}), sum = f.add(x, x, {8, 96});
    Value a = f.kernel.slice(sum, {0, 0}, {8, 32}, {1, 1});
    Value b = f.kernel.slice(sum, {0, 32}, {8, 32}, {1, 1});
    f.end(f.add(a, b, {8, 32}));
    check(failed(f.analyze(&reason)) && reason == "a value made inside is read at two places",
          "two parts of what is made inside are no kernel");
  }
  {
    Function f(context);
    Value rows = f.sum(f.argument({8, 96}), {1});
    f.end(f.kernel.pad(rows, {2}, {12}, 0));
    check(failed(f.analyze(&reason)) && reason == "a reduction is needed at some points only",
          "reductions are computed everywhere");
  }
}

void knowsDevices(MLIRContext &) {
  check(newestGpu({}) == Gpu::H100 && newestGpu({80, 90}) == Gpu::H100 &&
            newestGpu({90, 80}) == Gpu::H100 && newestGpu({100}) == Gpu::H100,
        "plans are for an H100 where code for it or a newer one is made");
  check(newestGpu({80}) == Gpu::A100 && newestGpu({80, 86}) == Gpu::A100, "else for an A100");
  check(getDeviceModel(Target::Cuda).fillingBlocks() == 264 &&
            getDeviceModel(Target::Cuda).fillingThreads() == 270336,
        "an H100 is full with 2048 threads on each of 132 multiprocessors");
}

/// What a forward op and its gradient both ask for is computed once.
void mergesEqualRequests(MLIRContext &context) {
  Function f(context);
  Value x = f.argument({6, 8});
  auto statistics = [&] {
    Value top = f.kernel.reshape(f.kernel.reduce(x, {1}, Reduction::Max, f.b.getF32Type()), {6, 1});
    Value e = f.kernel.pointwise({x, top}, f.type({6, 8}), [](ScalarBuilder &s, ValueRange v) {
      return s.exp(s.sub(v[0], v[1]));
    });
    return f.sum(e, {1});
  };
  Value forward = statistics(), backward = statistics();
  f.end({forward, backward});
  PassManager pm(&context);
  pm.addPass(createCSEPass());
  check(succeeded(pm.run(*f.module)), "CSE runs");
  Operation *end = f.func.front().getTerminator();
  check(end->getOperand(0) == end->getOperand(1) &&
            llvm::range_size(f.func.front().getOps<linalg::GenericOp>()) == 3,
        "equal requests are merged");
}

} // namespace

int main() {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<arith::ArithDialect, func::FuncDialect, linalg::LinalgDialect,
                      math::MathDialect, tensor::TensorDialect>();
  for (auto test : {findsOneDimension, keepsBroadcasts, findsRows, findsColumns,
                    addsColumnsBesideRows, followsMemory, refuses, countsBytesAndBlocks, readsParts,
                    knowsDevices, mergesEqualRequests})
    test(context);
  return finishChecks();
}
