//===- DeviceElementwise.cpp - Elementwise kernels on a device ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeSize.h"
#include "Schedule.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

namespace ampc::codegen {
namespace {

/// One access of up to 16 bytes a thread over the linearised space; what is left at the
/// end is done one element a thread.
class DeviceElementwise : public Schedule {
public:
  DeviceElementwise(const IterationStructure &s, const ScheduleLimits &limits) : Schedule(s) {
    threads = limits.threads ? limits.threads : 256;
    // Lanes of a gather are apart; threads side by side are not.
    lanes = hasGather() ? 1 : limitLanes(s, widestLanes(s, allDims(), /*whole=*/false));
    blocks = std::max<int64_t>(1, llvm::divideCeil(vectors() + tail(), threads));
  }

  void emit(Emission &at) const override {
    if (s.points() == 0)
      return;
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    e.setAxes({allDims()}, 0, lanes);
    Value linear = index.add(index.mul(at.block, threads), at.thread);
    bool exact = vectors() == blocks * threads;
    if (vectors() != 0)
      e.guarded(exact ? Value() : index.less(linear, vectors()),
                [&] { storeAll(e, s.results, {index.mul(linear, lanes)}); });
    if (tail() == 0)
      return;
    // The threads after those that had a vector; below them, `rest` wraps around.
    Value rest = index.sub(linear, index.constant(vectors()));
    e.guarded(index.less(rest, tail()), [&] {
      e.setLanes(1);
      storeAll(e, s.results, {index.add(rest, s.points() - tail())});
    });
  }

private:
  SmallVector<unsigned> allDims() const { return s.keptDims(); }
  int64_t vectors() const { return s.points() / lanes; }
  int64_t tail() const { return s.points() % lanes; }
  bool hasGather() const {
    return llvm::any_of(s.ops, [](linalg::GenericOp op) {
      return op.getBody()
          ->walk([](tensor::ExtractOp) { return WalkResult::interrupt(); })
          .wasInterrupted();
    });
  }

  int64_t lanes;
};
} // namespace

std::unique_ptr<Schedule> deviceElementwise(const IterationStructure &s,
                                            const ScheduleLimits &limits) {
  return std::make_unique<DeviceElementwise>(s, limits);
}

} // namespace ampc::codegen
