//===- WeightStore.cpp - The values of a model's initializers -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Support/WeightStore.h"
#include "ampc/Support/StoredTypes.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace mlir;

namespace ampc {
static_assert(llvm::endianness::native == llvm::endianness::little,
              "weights are taken from the file as they lie there");

void WeightStore::add(StringRef name, RankedTensorType type, ArrayRef<char> bytes,
                      std::shared_ptr<const void> owner, const MappedFile *file) {
  assert(byteSize(type) == int64_t(bytes.size()) && "bytes do not fill the tensor");
  bool isNew = index.try_emplace(name, list.size()).second;
  assert(isNew && "a tensor of that name is there already");
  (void)isNew;
  list.push_back({name.str(), type, bytes, file});
  owners.push_back(std::move(owner));
}

void WeightStore::addAgain(StringRef existing, StringRef name) {
  size_t i = index.lookup(existing);
  assert(find(existing) && "there is no tensor of that name");
  add(name, list[i].type, list[i].bytes, owners[i], list[i].file);
}

const Weight *WeightStore::find(StringRef name) const {
  auto it = index.find(name);
  return it == index.end() ? nullptr : &list[it->second];
}

DenseElementsAttr WeightStore::getAttr(StringRef name) const {
  const Weight *weight = find(name);
  return weight ? toAttr(weight->type, weight->bytes) : DenseElementsAttr();
}

FloatRange WeightStore::getRange(StringRef name) const {
  const Weight *weight = find(name);
  auto dropPages = llvm::scope_exit([&] {
    if (weight)
      weight->dropPages();
  });
  auto type = weight ? dyn_cast<FloatType>(weight->type.getElementType()) : FloatType();
  if (!type || findStoredType(type))
    return {};
  const char *bytes = weight->bytes.data();
  size_t count = weight->type.getNumElements();
  if (type.isF32())
    return FloatRange::ofFloats(weight->bytes);
  unsigned width = type.getWidth();
  return FloatRange::of(count, [=](size_t i) {
    uint64_t bits = 0;
    std::memcpy(&bits, bytes + i * (width / 8), width / 8);
    APFloat value(type.getFloatSemantics(), APInt(width, bits));
    bool inexact = false;
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
    return value.convertToDouble();
  });
}

void WeightStore::eraseStoredTypes() {
  for (Weight &weight : list)
    if (findStoredType(weight.type))
      weight.type = weight.type.clone(IntegerType::get(weight.type.getContext(), 8));
}

void WeightStore::filter(llvm::function_ref<bool(StringRef)> keep) {
  WeightStore kept;
  for (auto [weight, owner] : llvm::zip_equal(list, owners))
    if (keep(weight.name))
      kept.add(weight.name, weight.type, weight.bytes, owner, weight.file);
  *this = std::move(kept);
}

int64_t WeightStore::elementSize(Type elementType) {
  return llvm::divideCeil(elementType.getIntOrFloatBitWidth(), 8);
}

std::optional<int64_t> WeightStore::byteSize(ShapedType type) {
  int64_t size = elementSize(type.getElementType());
  for (int64_t dim : type.getShape())
    if (llvm::MulOverflow(size, dim, size))
      return std::nullopt;
  return size;
}

DenseElementsAttr WeightStore::toAttr(RankedTensorType type, ArrayRef<char> bytes) {
  if (!type.getElementType().isInteger(1))
    return DenseElementsAttr::getFromRawBuffer(type, bytes);
  // Attributes pack booleans into bits.
  SmallVector<bool> values(bytes.begin(), bytes.end());
  return DenseElementsAttr::get(type, values);
}
} // namespace ampc
