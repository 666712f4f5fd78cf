//===- PadImport.cpp - Pads of all modes -----------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Expected.h"
#include "ResampleTable.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"

using namespace mlir;
using namespace ampc;

/// The number in input `i`, 0 where it is absent.
static FailureOr<double> constantNumber(OnnxNode &node, unsigned i) {
  if (!node.input(i))
    return 0.0;
  DenseElementsAttr value = node.constant(i);
  if (value && value.getNumElements() == 1 && isa<IntegerType>(value.getElementType()))
    return (*value.getValues<APInt>().begin())
        .roundToDouble(!value.getElementType().isUnsignedInteger());
  return node.constantFloat(i, "constant_value");
}

/// Pads of a mode other than 'constant' repeat elements of what negative pads have left: `kept`
/// from `from` on, which lie at `at` among `size`.
static FailureOr<ResampleTable> repeatElements(OnnxNode &node, StringRef mode, int64_t axis,
                                               int64_t from, int64_t kept, int64_t at,
                                               int64_t size) {
  if ((kept == 0 && size != 0) || size > kMostSources)
    return node.emitError() << "pads axis " << axis << " of " << kept << " elements to " << size
                            << " in mode '" << mode << "'";
  ResampleTable table{axis, {0}, {}, {}};
  auto modulo = [](int64_t x, int64_t n) { return ((x % n) + n) % n; };
  for (int64_t i = 0; i < size; ++i) {
    int64_t place = i - at; // among those kept
    if (mode == "edge")
      place = std::clamp<int64_t>(place, 0, kept - 1);
    else if (mode == "wrap")
      place = modulo(place, kept);
    else if (kept == 1)
      place = 0;
    else if ((place = modulo(place, 2 * (kept - 1))) >= kept) // there and back
      place = 2 * (kept - 1) - place;
    table.add(from + place);
    table.endElement();
  }
  return table;
}

/// The input's middle, or the input in the middle of zeros, along each of the axes.
static FailureOr<Value> importCenterCropPad(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
  if (std::optional<std::vector<int64_t>> named = node.getInts("axes"))
    axes.assign(named->begin(), named->end());
  FailureOr<SmallVector<int64_t>> wrapped = wrapAxes(node, axes, type.getRank());
  if (failed(wrapped))
    return failure();
  axes = *wrapped;
  FailureOr<GivenNumbers> given = givenInts(node, 1, "shape", 0, [&](ArrayRef<int64_t> declared) {
    return extentsAlong(type, declared, axes);
  });
  if (failed(given))
    return failure();
  ArrayRef<int64_t> extents = given->numbers;
  if (extents.size() != axes.size())
    return node.emitError() << "has " << extents.size() << " extents for " << axes.size()
                            << " axes";
  SmallVector<int64_t> from(type.getRank(), 0), kept(type.getShape());
  SmallVector<int64_t> at(type.getRank(), 0), sizes(type.getShape());
  for (auto [axis, size] : llvm::zip(axes, extents)) {
    if (size < 0)
      return node.emitError() << "has a negative extent for axis " << axis;
    int64_t extent = type.getDimSize(axis);
    sizes[axis] = size;
    kept[axis] = std::min(size, extent);
    from[axis] = kept[axis] == 0 ? 0 : (extent - kept[axis]) / 2;
    at[axis] = kept[axis] == 0 ? 0 : (size - kept[axis]) / 2;
  }
  if (failed(checkedProduct(node, sizes)))
    return failure();
  FailureOr<Value> cut = importStepped<SliceOp>(node, builder, node.input(0), from, kept);
  if (failed(cut))
    return failure();
  FailureOr<Value> result = importStepped<PadOp>(node, builder, *cut, at, sizes);
  if (failed(result))
    return failure();
  return expectNumbers(node, builder, 1, *given, *result);
}

FailureOr<SmallVector<Value>> PadOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "CenterCropPad")
    return single(importCenterCropPad(node, builder));
  bool hasInputs = node.version >= 11;
  unsigned atMost = !hasInputs ? 1 : node.version >= 18 ? 4 : 3;
  if (failed(node.expectInputs(hasInputs ? 2 : 1, atMost)))
    return failure();
  std::string mode = node.getString("mode", "constant");
  bool wraps = mode == "wrap" && node.version >= 19;
  if (mode != "constant" && mode != "reflect" && mode != "edge" && !wraps)
    return node.emitError() << "has mode '" << mode << "': known are constant, reflect, edge"
                            << (node.version >= 19 ? " and wrap" : ", and wrap since opset 19");
  RankedTensorType type = tensorType(node.input(0));
  FailureOr<std::optional<SmallVector<int64_t>>> given =
      intsOf(node, node.version < 2 ? "paddings" : "pads", 1, 11);
  FailureOr<double> value =
      hasInputs ? constantNumber(node, 2) : FailureOr<double>(node.getFloat("value", 0));
  if (failed(given) || failed(value))
    return failure();
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
  if (node.input(3)) {
    FailureOr<SmallVector<int64_t>> named = node.constantInts(3, "axes");
    if (failed(named))
      return failure();
    FailureOr<SmallVector<int64_t>> wrapped = wrapAxes(node, *named, type.getRank());
    if (failed(wrapped))
      return failure();
    axes = *wrapped;
  }
  if (!*given || (*given)->size() != 2 * axes.size())
    return node.emitError() << "needs two pads for each of " << axes.size() << " axes, but has "
                            << (*given ? (*given)->size() : 0);
  // Negative pads cut, positive ones add.
  SmallVector<int64_t> from(type.getRank(), 0), kept(type.getShape());
  SmallVector<int64_t> at(type.getRank(), 0), sizes(type.getShape());
  for (auto [i, axis] : llvm::enumerate(axes)) {
    int64_t low = (**given)[i], high = (**given)[i + axes.size()];
    constexpr int64_t kLimit = int64_t(1) << 40;
    if (std::abs(low) > kLimit || std::abs(high) > kLimit ||
        type.getDimSize(axis) + low + high < 0 ||
        type.getDimSize(axis) + std::min<int64_t>(low, 0) + std::min<int64_t>(high, 0) < 0)
      return node.emitError() << "pads of " << low << " and " << high << " along axis " << axis
                              << " do not fit " << type;
    from[axis] = std::max<int64_t>(-low, 0);
    kept[axis] += std::min<int64_t>(low, 0) + std::min<int64_t>(high, 0);
    at[axis] = std::max<int64_t>(low, 0);
    sizes[axis] = type.getDimSize(axis) + low + high;
    if (kept[axis] == 0)
      from[axis] = at[axis] = 0;
  }
  if (failed(checkedProduct(node, sizes)))
    return failure();
  if (mode != "constant") {
    SmallVector<ResampleTable> tables;
    for (int64_t axis = 0; axis < type.getRank(); ++axis) {
      if (sizes[axis] == type.getDimSize(axis) && at[axis] == from[axis])
        continue;
      FailureOr<ResampleTable> table =
          repeatElements(node, mode, axis, from[axis], kept[axis], at[axis], sizes[axis]);
      if (failed(table))
        return failure();
      tables.push_back(*table);
    }
    return SmallVector<Value>{resample(builder, node.loc, node.input(0), tables)};
  }
  FailureOr<Value> cut = importStepped<SliceOp>(node, builder, node.input(0), from, kept);
  if (failed(cut))
    return failure();
  SmallVector<NamedAttribute> attributes = stepAttributes(builder, at, sizes);
  attributes.push_back(builder.getNamedAttr("value", builder.getF64FloatAttr(*value)));
  return single(importOp<PadOp>(node, builder, *cut, attributes));
}
