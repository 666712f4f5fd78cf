//===- PlanInterfaces.td - What a step says about itself - -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_PLAN_PLANINTERFACES_TD
#define AMPC_DIALECT_PLAN_PLANINTERFACES_TD

include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Plan_OperandRole : I32Enum<"OperandRole", "What an operand or result is to a step", [
    I32EnumCase<"In", 0, "in">, I32EnumCase<"Out", 1, "out">,
    I32EnumCase<"Scratch", 2, "scratch">, I32EnumCase<"Reserve", 3, "reserve">]> {
  let cppNamespace = "::ampc::plan";
}

def Plan_EpilogueKind : I32Enum<"EpilogueKind", "What a library call may do to its result", [
    I32EnumCase<"Bias", 0, "bias">, I32EnumCase<"Relu", 1, "relu">]> {
  let cppNamespace = "::ampc::plan";
}

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
    InterfaceMethod<[{
        Whether equal operands give equal bits in every run; of a library call, whether
        the library can be asked for that.
      }], "bool", "isDeterministic", (ins), [{}], [{ return true; }]>,
  ];
}

def LibraryCallOpInterface : OpInterface<"LibraryCallOpInterface", [StepOpInterface]> {
  let cppNamespace = "::ampc::plan";
  let description = [{
    A step that a library executes, not a kernel of ours. Its arguments in the tables are
    its operands, then its results. Each has a role:

    - operands are `in`, results are `out`, of any number and type;
    - a result that is `scratch` is memory for the call alone: nothing reads it;
    - a result that is `reserve` is kept for other calls, which take it as an operand that
      is `reserve`: what a forward call leaves to its gradient in a form that only the
      library knows.

    Scratch and reserves are `tensor<Nxi8>`. A reserve whose size only the library knows,
    when a session is created, is `tensor<0xi8>`: it has no place in the arena. Scratch of
    such a size is no result at all; the runtime asks the library for it.
  }];
  let verify = [{ return ::ampc::plan::detail::verifyLibraryCall($_op); }];
  let methods = [
    InterfaceMethod<"The call, an ampc_library_t of module_format.h.", "uint32_t",
        "getLibraryCall">,
    InterfaceMethod<"Its integers, in the order module_format.h gives for the call.",
        "::llvm::SmallVector<int64_t>", "getIntegers">,
    InterfaceMethod<"Its name in reports, such as \"matmul\".", "::llvm::StringRef",
        "getLibraryName">,
    InterfaceMethod<[{
        Takes an op that follows elementwise into the call where the library can: returns
        whether it did, having changed the op. With a bias, `operand` is the row that is
        added to every row of the result, of its element type.
      }],
      "bool", "fuseEpilogue",
      (ins "::ampc::plan::EpilogueKind":$epilogue, "::mlir::Value":$operand), [{}],
      [{ return false; }]>,
    InterfaceMethod<[{
        Puts a call in the place of this one, before `builder`'s place, that also gives the sums of
        operand `index` along all but its last dimension, which the call must go through anyway;
        returns them, of the type of the result. Null where it cannot, with nothing changed.
      }],
      "::mlir::Value", "fuseSums", (ins "::mlir::OpBuilder &":$builder, "unsigned":$index), [{}],
      [{ return {}; }]>,
    InterfaceMethod<[{
        Whether the call does so little that a kernel of ours, with a thread for each element of
        the result, is done before a launch would be.
      }],
      "bool", "isShorterThanLaunch", (ins), [{}], [{ return false; }]>,
    InterfaceMethod<[{
        Builds what the call computes as tensor ops, with its sums and roundings, and returns one
        value for each result. Asked of a call that `isShorterThanLaunch()` alone.
      }],
      "::llvm::SmallVector<::mlir::Value>", "expand", (ins "::mlir::OpBuilder &":$builder), [{}],
      [{ llvm_unreachable("the call is never shorter than a launch"); }]>,
    InterfaceMethod<"What operand `index` is to the call: in or reserve.",
        "::ampc::plan::OperandRole", "getOperandRole", (ins "unsigned":$index), [{}],
        [{ return ::ampc::plan::OperandRole::In; }]>,
    InterfaceMethod<"What result `index` is to the call: out, scratch or reserve.",
        "::ampc::plan::OperandRole", "getResultRole", (ins "unsigned":$index), [{}],
        [{ return ::ampc::plan::OperandRole::Out; }]>,
  ];
}

#endif // AMPC_DIALECT_PLAN_PLANINTERFACES_TD
