//===- TieVariables.cpp - One weight that is two initializers -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MarkParameters.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "llvm/ADT/Hashing.h"
#include <cstring>
#include <set>
#include <unordered_map>

using namespace mlir;

namespace ampc {
static bool isTransposeOf(const Weight &a, const Weight &b) {
  if (a.type.getRank() != 2 || b.type.getRank() != 2 ||
      a.type.getElementType() != b.type.getElementType() ||
      a.type.getDimSize(0) != b.type.getDimSize(1) || a.type.getDimSize(1) != b.type.getDimSize(0))
    return false;
  size_t size = WeightStore::elementSize(a.type.getElementType());
  size_t rows = a.type.getDimSize(0), columns = a.type.getDimSize(1);
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < columns; ++j)
      if (std::memcmp(a.bytes.data() + (i * columns + j) * size,
                      b.bytes.data() + (j * rows + i) * size, size) != 0)
        return false;
  return true;
}

/// A number of the diagonal of a matrix, which it shares with its transpose.
static llvm::hash_code hashDiagonal(const Weight &weight) {
  size_t size = WeightStore::elementSize(weight.type.getElementType());
  size_t rows = weight.type.getDimSize(0), columns = weight.type.getDimSize(1);
  std::string diagonal;
  for (size_t i = 0; i < std::min(rows, columns); ++i)
    diagonal.append(weight.bytes.data() + i * (columns + 1) * size, size);
  return llvm::hash_combine(std::max(rows, columns), StringRef(diagonal));
}

/// Replaces the reads of `second` by what `view` makes of a read of `first`.
static void replaceReads(VariableOp first, VariableOp second,
                         function_ref<Value(OpBuilder &, Location, Value)> view) {
  auto module = first->getParentOfType<ModuleOp>();
  module.walk([&](ReadOp read) {
    if (read.getVariable() != second.getSymName())
      return;
    OpBuilder builder(read);
    Value value = ReadOp::create(builder, read.getLoc(), first.getTensorType(), first.getSymName());
    read.replaceAllUsesWith(view(builder, read.getLoc(), value));
    read.erase();
  });
}

static void markTied(VariableOp first, VariableOp second, bool isTransposed) {
  second->setAttr(kTiedToAttr, first.getSymNameAttr());
  if (isTransposed)
    second->setAttr(kTransposedAttr, UnitAttr::get(first.getContext()));
}

LogicalResult tieVariables(VariableOp first, VariableOp second, const WeightStore &weights,
                           bool preferTranspose) {
  const Weight &a = *weights.find(first.getSymName()), &b = *weights.find(second.getSymName());
  if (a.type.getElementType() != b.type.getElementType())
    return failure();
  bool isEqual = a.bytes == b.bytes;
  if ((preferTranspose || !isEqual) && isTransposeOf(a, b)) {
    markTied(first, second, /*isTransposed=*/true);
    replaceReads(first, second, [](OpBuilder &builder, Location loc, Value value) -> Value {
      return TransposeOp::create(builder, loc, value, ArrayRef<int64_t>{1, 0});
    });
    return success();
  }
  if (!isEqual)
    return failure();
  markTied(first, second, /*isTransposed=*/false);
  replaceReads(first, second, [&](OpBuilder &builder, Location loc, Value value) -> Value {
    if (a.type == b.type)
      return value;
    return ReshapeOp::create(builder, loc, value, b.type.getShape());
  });
  return success();
}

/// Whether the matrix has at least 8 different values and differs from its own transpose.
static bool provesIdentity(const Weight &weight) {
  size_t size = WeightStore::elementSize(weight.type.getElementType());
  std::set<StringRef> values;
  for (size_t i = 0; i < weight.bytes.size() && values.size() < 8; i += size)
    values.insert(StringRef(weight.bytes.data() + i, size));
  return values.size() >= 8 && !isTransposeOf(weight, weight);
}

SmallVector<std::pair<VariableOp, VariableOp>> findTransposes(ArrayRef<VariableOp> candidates,
                                                              const WeightStore &weights) {
  SmallVector<std::pair<VariableOp, VariableOp>> pairs;
  std::unordered_map<size_t, SmallVector<VariableOp, 1>> known;
  for (VariableOp variable : candidates) {
    const Weight &weight = *weights.find(variable.getSymName());
    if (weight.type.getRank() != 2 || !provesIdentity(weight))
      continue;
    SmallVector<VariableOp, 1> &others = known[hashDiagonal(weight)];
    auto *other = llvm::find_if(others, [&](VariableOp other) {
      return isTransposeOf(*weights.find(other.getSymName()), weight);
    });
    if (other != others.end())
      pairs.emplace_back(*other, variable);
    else if (others.size() < 8) // a bound for files made to collide
      others.push_back(variable);
  }
  return pairs;
}
} // namespace ampc
