//===- PlanInterfaces.td - What a step says about itself - -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_PLAN_PLANINTERFACES_TD
#define AMPC_DIALECT_PLAN_PLANINTERFACES_TD

include "mlir/IR/OpBase.td"

def StepOpInterface : OpInterface<"StepOpInterface"> {
  let cppNamespace = "::ampc::plan";
  let description = [{
    An op that becomes a step of the program: it reads its operands' buffers and writes
    its results'.
  }];
  let methods = [
    InterfaceMethod<[{
        The step it is, an ampc_step_kind_t of module_format.h; nullopt for a kernel, which is
        one when it is launched.
      }], "std::optional<uint32_t>", "getStepKind">,
    InterfaceMethod<"Floating-point operations, for reports.", "int64_t", "getFlops">,
    InterfaceMethod<[{
        The operand whose buffer result `index` is written to, element over element; -1
        for a buffer of its own.
      }], "int64_t", "getTiedOperand", (ins "unsigned":$index), [{}], [{ return -1; }]>,
  ];
}

def LibraryCallOpInterface : OpInterface<"LibraryCallOpInterface", [StepOpInterface]> {
  let cppNamespace = "::ampc::plan";
  let description = [{ A step that a library executes, not a kernel of ours. }];
  let methods = [
    InterfaceMethod<"The call, an ampc_library_t of module_format.h.", "uint32_t",
        "getLibraryCall">,
    InterfaceMethod<"Its integers, in the order module_format.h gives for the call.",
        "::llvm::SmallVector<int64_t>", "getIntegers">,
    InterfaceMethod<"Its name in reports, such as \"matmul\".", "::llvm::StringRef",
        "getLibraryName">,
    InterfaceMethod<[{
        Takes an op that follows elementwise into the call where the library can: returns
        whether it did, having changed the op. `epilogue` is "relu", or "bias" with
        `operand` the row that is added to every row of the result, of its element type.
      }],
      "bool", "fuseEpilogue",
      (ins "::llvm::StringRef":$epilogue, "::mlir::Value":$operand), [{}],
      [{ return false; }]>,
  ];
}

#endif // AMPC_DIALECT_PLAN_PLANINTERFACES_TD
