//===- StoredTypes.h - Types that are stored and cast only ------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Floats of 8 and 4 bits and integers of 4 and 2. Nothing computes in them: they are inputs,
// outputs and initializers, are moved, and are cast to types that compute and back. An element
// takes a byte, of which the low bits count. Tensors have these types while a model is imported;
// behind that they are tensors of i8, and casts say what the bytes mean.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_STOREDTYPES_H
#define AMPC_SUPPORT_STOREDTYPES_H

#include "mlir/IR/Types.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace ampc {

struct StoredType {
  enum class Kind {
    Float,    ///< sign, exponent, mantissa
    Exponent, ///< a power of two and no sign: float8e8m0
    Signed,
    Unsigned
  };
  /// What of a float's values is none.
  enum class Special {
    None,        ///< neither infinity nor NaN: float4e2m1
    AllOnes,     ///< NaN where all bits but the sign are set; no infinity ("FN")
    Ieee,        ///< the highest exponent: infinity and NaN
    NegativeZero ///< NaN in the place of -0; no infinity ("FNUZ")
  };

  llvm::StringLiteral name; ///< ONNX's: "float8e4m3fn"
  int32_t number;           ///< of TensorProto.DataType, and of ampc_dtype_t
  int64_t since;            ///< the first opset that casts to it
  Kind kind;
  unsigned width;
  unsigned mantissaWidth = 0;
  int bias = 0;
  Special special = Special::None;

  mlir::Type get(mlir::MLIRContext *context) const;
  bool isFloat() const { return kind == Kind::Float || kind == Kind::Exponent; }
};

llvm::ArrayRef<StoredType> getStoredTypes();
/// The entry of an element type or of a tensor's; null for types that compute.
const StoredType *findStoredType(mlir::Type type);
const StoredType *findStoredType(llvm::StringRef name);
const StoredType *findStoredType(int32_t number);

} // namespace ampc

#endif // AMPC_SUPPORT_STOREDTYPES_H
