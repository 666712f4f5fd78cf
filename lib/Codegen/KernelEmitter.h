//===- KernelEmitter.h - From a plan.kernel to gpu.funcs -------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_CODEGEN_KERNELEMITTER_H
#define AMPC_LIB_CODEGEN_KERNELEMITTER_H

#include "Schedule.h"
#include "ampc/Dialect/Plan/Plan.h"
#include "ampc/Dialect/Plan/Views.h"

namespace ampc::codegen {
using plan::KernelOp;

/// Pointers that a launch takes on a device: parameters end at 4 KiB.
constexpr unsigned kMostArguments = 500;

/// One launch of an emitted kernel. Buffers are numbered: the kernel's inputs, its
/// results, then temporaries.
struct Stage {
  std::string name;
  int64_t blocks = 1, threads = 1;
  llvm::SmallVector<unsigned> inputs;  ///< buffers that must be there before
  llvm::SmallVector<unsigned> outputs; ///< buffers that it makes
  llvm::SmallVector<int64_t> tied;     ///< for each output an index into inputs, or -1
  unsigned numOutputs = 0;             ///< the others are workspace
  bool usesTensorCores = false;
};

struct EmittedKernel {
  llvm::SmallVector<Stage> stages;
  llvm::SmallVector<RankedTensorType> temporaries;
};

/// Where kernels are emitted to.
struct EmitTarget {
  gpu::GPUModuleOp module;
  bool device; ///< CUDA's threads; else the threads of the host
  const DeviceModel *model;
  /// A kernel's lines of code, in percent of what is estimated.
  int64_t codeSize = 100;
};

/// A gpu.func being built. Its arguments are flat memrefs: what it reads, what it writes
/// (a tied output shares its input's), and workspace.
class KernelFunction {
public:
  KernelFunction(EmitTarget target, llvm::StringRef name, Location loc);

  /// Arguments, in this order. `number` is the buffer's.
  Value addInput(unsigned number, RankedTensorType type);
  Value addOutput(unsigned number, RankedTensorType type);
  /// Where `isShared`, blocks see in it what others write in the same launch.
  Value addWorkspace(unsigned number, RankedTensorType type, bool isShared = false);
  /// An output in the buffer of an input that was added before.
  Value addTiedOutput(unsigned number, unsigned inputNumber);
  /// One block a multiprocessor is enough: ptxas gives threads the registers that this leaves.
  void allowRegisters();
  /// After the last argument: starts the body.
  void begin();
  /// Ends the body, drops inputs that it does not use and marks the arguments.
  Stage finish(int64_t blocks, int64_t threads);

  OpBuilder b;
  const Location loc;
  gpu::GPUFuncOp func;
  /// This thread's block and place in it, of type index.
  Value block, thread;

private:
  struct Argument {
    unsigned number;
    Value memref;
    bool isShared = false;
  };
  Value add(RankedTensorType type);

  EmitTarget target;
  std::string name;
  llvm::SmallVector<Type> types;
  llvm::SmallVector<Location> locations;
  llvm::SmallVector<Argument> inputs, outputs, workspaces;
  llvm::SmallVector<int64_t> tied; // for each output
};

/// Adds memory that the threads of a block share while the kernel runs, at a multiple of 16 bytes:
/// the compiler merges accesses to neighbours into the widest ones.
Value addWorkgroupArray(gpu::GPUFuncOp kernel, MemRefType type, Location loc);

/// Emits a kernel of one kind, named `name`. Errors are reported at the kernel.
FailureOr<EmittedKernel> emitFused(KernelOp kernel, llvm::StringRef name, const EmitTarget &target);
FailureOr<EmittedKernel> emitSequence(KernelOp kernel, llvm::StringRef name,
                                      const EmitTarget &target);
FailureOr<EmittedKernel> emitMultiTensor(KernelOp kernel, llvm::StringRef name,
                                         const EmitTarget &target);
FailureOr<EmittedKernel> emitScan(plan::ScanOp scan, llvm::StringRef name,
                                  const EmitTarget &target);
FailureOr<EmittedKernel> emitSort(plan::SortOp sort, llvm::StringRef name,
                                  const EmitTarget &target);
FailureOr<EmittedKernel> emitScatter(plan::ScatterOp scatter, llvm::StringRef name,
                                     const EmitTarget &target);
FailureOr<EmittedKernel> emitAttention(plan::AttentionOp op, llvm::StringRef name,
                                       const EmitTarget &target);
FailureOr<EmittedKernel> emitAttentionGrad(plan::AttentionGradOp op, llvm::StringRef name,
                                           const EmitTarget &target);

/// The structure of a fused kernel's body; an error at the kernel if it has none.
FailureOr<IterationStructure> analyzeKernel(KernelOp kernel);
/// Fails with an error at the kernel where a tied result would overwrite what is still read.
LogicalResult checkTied(KernelOp kernel, const IterationStructure &s);

/// Rewrites a kernel, and those nested in it, into kernels that can be emitted: every
/// yielded value is made by an op of the body; what is not one kernel is several; tensors
/// of a multi_tensor kernel that differ in more than extents, or that are too many for a
/// launch, are kernels of their own. Appends the kernels, in order, that replace it.
LogicalResult legalizeKernel(KernelOp kernel, bool device, llvm::SmallVectorImpl<KernelOp> &legal);

} // namespace ampc::codegen

#endif // AMPC_LIB_CODEGEN_KERNELEMITTER_H
