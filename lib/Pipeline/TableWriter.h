//===- TableWriter.h - The tables of a train.so --------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_PIPELINE_TABLEWRITER_H
#define AMPC_LIB_PIPELINE_TABLEWRITER_H

#include "ampc/Optimize/Passes.h"
#include "ampc/Pipeline/CompileOptions.h"
#include "ampc/Target/DeviceCompiler.h"
#include "ampc/Target/HostCompiler.h"
#include "ampc/Target/SharedObject.h"
#include "mlir/IR/BuiltinOps.h"

namespace ampc {

/// A module whose functions are planned programs of one target, with their code.
struct PlannedTarget {
  Target target;
  mlir::ModuleOp module;
  std::vector<std::string> hostSymbols; ///< host: order of the kernel table
  std::string features;                 ///< host: HostCode::features
  std::string ptx;                      ///< CUDA
  llvm::SmallVector<Cubin, 0> cubins;   ///< CUDA
};

/// The tables of a train.so (module_format.h) and the content of its weights section.
struct Tables {
  std::vector<char> bytes;
  /// Refers to the weight store and to attributes of the modules.
  WeightsSource weights;
};

/// `optimizer` is its name, "" where there is none or the model's own.
mlir::FailureOr<Tables> writeTables(llvm::ArrayRef<PlannedTarget> targets,
                                    const WeightStore &weights, const CompileOptions &options,
                                    llvm::StringRef optimizer);

} // namespace ampc

#endif // AMPC_LIB_PIPELINE_TABLEWRITER_H
