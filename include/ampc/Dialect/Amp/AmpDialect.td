//===- AmpDialect.td - The amp dialect, its base class and types -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_AMPDIALECT_TD
#define AMPC_DIALECT_AMP_AMPDIALECT_TD

include "ampc/Dialect/Amp/AmpInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"

def Amp_Dialect : Dialect {
  let name = "amp";
  let cppNamespace = "::ampc";
  let summary = "What a training step computes";
  let description = [{
    Tensor operations named in the field's words, on ranked tensors of static shape, and
    the operations that manage mixed precision: casts, loss scaling, master weights.
    State lives in `amp.variable`s, which `amp.read` and `amp.assign` touch; all reads of
    a function see the state before it, all assignments happen at its end.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"
  ];
  let useDefaultAttributePrinterParser = 0;
  let hasConstantMaterializer = 1;
  let hasOperationAttrVerify = 1;
  let extraClassDeclaration = [{
    /// Registers the ops of a family.
    template <typename... Ops>
    void addFamily() {
      addOperations<Ops...>();
    }
  }];
}

class Amp_Op<string mnemonic, list<Trait> traits = []>
    : Op<Amp_Dialect, mnemonic, traits>;

def Amp_FloatTensor : StaticShapeTensorOf<[F16, BF16, F32, F64]>;
def Amp_BoolTensor : StaticShapeTensorOf<[I1]>;
def Amp_I64Tensor : StaticShapeTensorOf<[I64]>;
/// What Gather, Scatter and the like choose by.
def Amp_IndexTensor : StaticShapeTensorOf<[I32, I64]>;
/// Signless integers are signed, as in arith; unsigned ones are types of their own.
def Amp_Tensor : StaticShapeTensorOf<[F16, BF16, F32, F64, I1, I8, I16, I32, I64,
                                      UI8, UI16, UI32, UI64]>;
/// What bits are combined of.
def Amp_IntegerTensor : StaticShapeTensorOf<[I8, I16, I32, I64, UI8, UI16, UI32, UI64]>;
class Amp_Scalar<Type element, string text, code get>
    : Type<And<[StaticShapeTensorOf<[element]>.predicate,
                CPred<"::llvm::cast<::mlir::ShapedType>($_self).getRank() == 0">]>,
           text # " tensor of rank 0", "::mlir::RankedTensorType">,
      BuildableType<"::mlir::RankedTensorType::get({}, $_builder." # get # "())">;
/// A single number on the device.
def Amp_F32Scalar : Amp_Scalar<F32, "f32", "getF32Type">;
def Amp_I64Scalar : Amp_Scalar<I64, "i64", "getI64Type">;

#endif // AMPC_DIALECT_AMP_AMPDIALECT_TD
