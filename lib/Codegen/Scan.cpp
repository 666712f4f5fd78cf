//===- Scan.cpp - Running merges along lines ------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A line is one worker's where there are many of them. Few long lines are cut into parts: one
// launch merges each part, the next one begins each part with what those before it come to.
// Parts are at most as many as they are long, so that the second launch takes linear time too.
//
//===----------------------------------------------------------------------===//

#include "LineKernels.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

namespace ampc::codegen {
namespace {

/// Workers that keep a device, or the cores of a host, busy.
constexpr int64_t kDeviceWorkers = 32768, kHostWorkers = 64;
/// Elements of the shortest parts: fewer cost less than another launch.
constexpr int64_t kDevicePart = 64, kHostPart = 16384;

class ScanEmitter {
public:
  ScanEmitter(plan::ScanOp scan, StringRef name, const EmitTarget &target)
      : scan(scan), name(name), target(target),
        inputType(cast<RankedTensorType>(scan.getInput().getType())),
        resultType(cast<RankedTensorType>(scan.getResult().getType())),
        lines(inputType, scan.getAxis()) {
    int64_t workers = target.device ? kDeviceWorkers : kHostWorkers;
    int64_t shortest = target.device ? kDevicePart : kHostPart;
    int64_t wanted = std::min(workers / lines.count(), lines.extent / shortest);
    while (wanted > 1 && wanted * wanted > lines.extent)
      wanted /= 2;
    size = llvm::divideCeil(lines.extent, std::max<int64_t>(1, wanted));
    parts = llvm::divideCeil(lines.extent, size);
  }

  EmittedKernel emit() {
    if (parts > 1) {
      emitted.temporaries.push_back(
          RankedTensorType::get(lines.count() * parts, scan.getNeutral().getType()));
      emitPartials();
    }
    emitResult();
    return std::move(emitted);
  }

private:
  enum Buffer { Input, Result, Partials };

  /// Which part of which line a worker has. Neighbours in memory are neighbours in a warp.
  struct Part {
    Value inner, number, outer;
  };
  Part partOf(LineBuilder &s, Value worker) const {
    IndexBuilder index = s.index();
    Value rest = index.div(worker, lines.inner);
    return {index.rem(worker, lines.inner), index.rem(rest, parts), index.div(rest, parts)};
  }
  Value workerOf(LineBuilder &s, const Part &part, Value number) const {
    IndexBuilder index = s.index();
    Value line = index.add(index.mul(part.outer, parts), number);
    return index.add(index.mul(line, lines.inner), part.inner);
  }
  Value neutral(LineBuilder &s) {
    return arith::ConstantOp::create(s.builder, s.loc, scan.getNeutral());
  }

  /// Merges the elements of a part in their order into `merged`; `each` sees the place in
  /// memory of each element and what is merged before and with it.
  Value
  mergePart(LineBuilder &s, const Part &part, Value input, Value merged,
            llvm::function_ref<void(LineBuilder &, Value at, Value before, Value with)> each) {
    IndexBuilder index = s.index();
    Value begin = index.mul(part.number, size);
    Value end = index.min(index.add(begin, size), lines.extent);
    return s.loop(begin, end, merged, [&](LineBuilder &s, Value i, ValueRange carried) {
      IndexBuilder index = s.index();
      Value place = scan.getReverse() ? index.sub(s.number(lines.extent - 1), i) : i;
      Value line = index.add(index.mul(part.outer, lines.extent), place);
      Value at = index.add(index.mul(line, lines.inner), part.inner);
      Value x = s.widen(s.load(input, at), inputType.getElementType());
      x = s.convert(x, scan.getNeutral().getType());
      Value with = s.apply(scan.getCombiner(), {x, carried[0]});
      if (each)
        each(s, at, carried[0], with);
      return SmallVector<Value>{with};
    })[0];
  }

  void emitPartials() {
    KernelFunction function(target, (name + "_partial").str(), scan.getLoc());
    Value input = function.addInput(Input, inputType);
    Value partials = function.addOutput(Partials, emitted.temporaries[0]);
    function.begin();
    Workers workers(target, lines.count() * parts, size);
    workers.emit(function, [&](LineBuilder &s, Value worker) {
      Part part = partOf(s, worker);
      Value merged = mergePart(s, part, input, neutral(s), nullptr);
      s.store(s.narrow(merged, scan.getNeutral().getType()), partials, worker);
    });
    emitted.stages.push_back(function.finish(workers.blocks, workers.threads));
  }

  void emitResult() {
    KernelFunction function(target, (name + (parts > 1 ? "_final" : "")).str(), scan.getLoc());
    Value input = function.addInput(Input, inputType);
    Value partials = parts > 1 ? function.addInput(Partials, emitted.temporaries[0]) : Value();
    Value result = function.addOutput(Result, resultType);
    function.begin();
    Workers workers(target, lines.count() * parts, size);
    workers.emit(function, [&](LineBuilder &s, Value worker) {
      Part part = partOf(s, worker);
      Value merged = neutral(s);
      if (parts > 1)
        merged = s.loop(
            s.number(0), part.number, merged, [&](LineBuilder &s, Value i, ValueRange carried) {
              Value x =
                  s.widen(s.load(partials, workerOf(s, part, i)), scan.getNeutral().getType());
              return SmallVector<Value>{s.apply(scan.getCombiner(), {x, carried[0]})};
            })[0];
      mergePart(s, part, input, merged, [&](LineBuilder &s, Value at, Value before, Value with) {
        Value x = scan.getExclusive() ? before : with;
        s.store(s.narrow(x, resultType.getElementType()), result, at);
      });
    });
    emitted.stages.push_back(function.finish(workers.blocks, workers.threads));
  }

  plan::ScanOp scan;
  StringRef name;
  const EmitTarget &target;
  RankedTensorType inputType, resultType;
  Lines lines;
  int64_t parts, size; ///< parts of a line, and elements of one
  EmittedKernel emitted;
};
} // namespace

FailureOr<EmittedKernel> emitScan(plan::ScanOp scan, StringRef name, const EmitTarget &target) {
  return ScanEmitter(scan, name, target).emit();
}

} // namespace ampc::codegen
