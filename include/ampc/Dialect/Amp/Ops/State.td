//===- State.td - Variables and constants ---------------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_STATE_TD
#define AMPC_DIALECT_AMP_OPS_STATE_TD

include "ampc/Dialect/Amp/AmpDialect.td"
include "mlir/IR/EnumAttr.td"

def Amp_RoleAttr : I32EnumAttr<"VariableRole", "What a variable is to the user", [
    I32EnumAttrCase<"Parameter", 2, "parameter">,
    I32EnumAttrCase<"Constant", 3, "constant">,
    I32EnumAttrCase<"State", 4, "state">,
    I32EnumAttrCase<"Scalar", 5, "scalar">,
    I32EnumAttrCase<"Derived", 6, "derived">]> {
  let cppNamespace = "::ampc";
}

def Amp_VariableOp : Amp_Op<"variable", [Symbol]> {
  let summary = "A named tensor that outlives the step";
  let description = [{
    Parameters, optimizer state, counters and large constants. The symbol is the ONNX
    name. It starts as `initial` in every element or elementwise, as the model file's
    initializer of that name (`from_model`), or, with neither, undefined (rebuilt by
    @refresh). Roles are those of `ampc_role_t`.

    ```mlir
    amp.variable parameter @fc1.weight : tensor<100x10xf32> {from_model, trained}
    amp.variable scalar @ampc.loss_scale : tensor<f32> {initial = dense<65536.0> : tensor<f32>}
    ```

    `range` are the lowest and the highest finite value of the model's initializer; absent
    where these are ordinary (FloatRange). `file_type` is
    the element type of the file, where the variable is a master of another one. `update_group` is the
    number of the parameter group that the user put it into, and `update_settings` what its update was
    built with: `optimizer`, each setting, and `group` with the group's regex.
  }];
  let arguments = (ins Amp_RoleAttr:$role, SymbolNameAttr:$sym_name, TypeAttr:$type,
                   OptionalAttr<ElementsAttr>:$initial, UnitAttr:$from_model,
                   UnitAttr:$trained, OptionalAttr<DenseF64ArrayAttr>:$range,
                   OptionalAttr<TypeAttr>:$file_type, OptionalAttr<I64Attr>:$update_group,
                   OptionalAttr<DictionaryAttr>:$update_settings);
  let assemblyFormat = "$role $sym_name `:` $type attr-dict";
  let hasVerifier = 1;
  let builders = [OpBuilder<(ins "::ampc::VariableRole":$role, "::llvm::StringRef":$name,
                                 "::mlir::Type":$type, "::mlir::ElementsAttr":$initial,
                                 "bool":$fromModel, "bool":$trained)>];
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() {
      return ::llvm::cast<::mlir::RankedTensorType>(getType());
    }
  }];
}

def Amp_ReadOp : Amp_Op<"read", [Pure, Ranged, TakesStoredTypes,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The value of a variable before the function ran";
  let description = [{
    Pure, since assignments take effect after the function: equal reads are one.
  }];
  let arguments = (ins FlatSymbolRefAttr:$variable);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = "$variable attr-dict `:` type($result)";
}

def Amp_AssignOp : Amp_Op<"assign", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Gives a variable its value for the next run";
  let description = [{
    Takes effect when the function ends, together with all others. A variable is assigned
    at most once in a function, as a whole; or piece by piece, by assignments of its elements from
    `place` on, in row-major order, which together leave none out.

    Constraints:
    - (assign_c1) no element is assigned twice.
    - (assign_c2) the value has the variable's type, or is of its element type and fits behind
      `place`.
  }];
  let arguments = (ins FlatSymbolRefAttr:$variable, Amp_Tensor:$value,
                   DefaultValuedAttr<I64Attr, "0">:$place);
  let assemblyFormat = "$variable `,` $value attr-dict `:` type($value)";
}

def Amp_ConstantOp : Amp_Op<"constant", [Pure, ConstantLike, InferTypeOpAdaptor,
    Onnx<[OnnxOperator<"Constant">]>, Kernel, Ranged, TakesStoredTypes]> {
  let summary = "A small tensor known at compile time";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = "$value attr-dict";
  let hasFolder = 1;
}

#endif // AMPC_DIALECT_AMP_OPS_STATE_TD
