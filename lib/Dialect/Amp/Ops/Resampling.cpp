//===- Resampling.cpp - Weighted sums of elements along axes --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Resampling.h"
#include "Expected.h"
#include "ResampleTable.h"
#include "ResizeTable.h"
#include "Spectrum.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Expected.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Values.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

bool ResampleTable::isIdentity(int64_t extent) const {
  return size() == extent && onlyMoves() && llvm::equal(sources, llvm::seq<int64_t>(0, extent));
}

bool ResampleTable::onlyMoves() const {
  for (int64_t i = 0; i < size(); ++i)
    if (starts[i + 1] - starts[i] > 1)
      return false;
  return llvm::all_of(weights, [](double weight) { return weight == 1; });
}

ResampleTable ResampleTable::transposed(int64_t extent) const {
  ResampleTable result{axis, {}, {}, {}};
  result.starts.assign(extent + 1, 0);
  // What has no weight adds nothing.
  for (auto [source, weight] : llvm::zip(sources, weights))
    if (weight != 0)
      ++result.starts[source + 1];
  for (int64_t i = 0; i < extent; ++i)
    result.starts[i + 1] += result.starts[i];
  result.sources.resize(result.starts.back());
  result.weights.resize(result.starts.back());
  SmallVector<int64_t> next(result.starts);
  for (int64_t i = 0; i < size(); ++i)
    for (int64_t k = starts[i]; k < starts[i + 1]; ++k)
      if (weights[k] != 0) {
        int64_t place = next[sources[k]]++;
        result.sources[place] = i;
        result.weights[place] = weights[k];
      }
  return result;
}

ResampleTable ResampleTable::windows(int64_t axis, int64_t extent, int64_t taps, int64_t points,
                                     int64_t stride, int64_t dilation, int64_t pad) {
  ResampleTable table{axis, {0}, {}, {}};
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t point = 0; point < points; ++point) {
      int64_t place = point * stride + tap * dilation - pad;
      if (place >= 0 && place < extent)
        table.add(place);
      table.endElement();
    }
  return table;
}

/// The attributes of an op with these tables, as its builders take them.
namespace {
struct TableAttributes {
  SmallVector<int64_t> axes, sizes, starts, sources;
  SmallVector<double> weights;

  explicit TableAttributes(ArrayRef<ResampleTable> tables) {
    for (const ResampleTable &table : tables) {
      axes.push_back(table.axis);
      sizes.push_back(table.size());
      llvm::append_range(starts, table.starts);
      llvm::append_range(sources, table.sources);
      llvm::append_range(weights, table.weights);
    }
  }
};
} // namespace

/// The tables of an op whose attributes are right.
template <typename OpTy>
static SmallVector<ResampleTable> tablesOf(OpTy op) {
  SmallVector<ResampleTable> tables;
  ArrayRef<int64_t> starts = op.getStarts(), sources = op.getSources();
  ArrayRef<double> weights = op.getWeights();
  for (auto [axis, size] : llvm::zip(op.getAxes(), op.getSizes())) {
    ArrayRef<int64_t> own = starts.take_front(size + 1);
    tables.push_back({axis, SmallVector<int64_t>(own),
                      SmallVector<int64_t>(sources.take_front(own.back())),
                      SmallVector<double>(weights.take_front(own.back()))});
    starts = starts.drop_front(size + 1);
    sources = sources.drop_front(own.back());
    weights = weights.drop_front(own.back());
  }
  return tables;
}

static bool changesNothing(ArrayRef<ResampleTable> tables, RankedTensorType type) {
  return llvm::all_of(tables, [&](const ResampleTable &table) {
    return table.isIdentity(type.getDimSize(table.axis));
  });
}

Value ampc::resample(OpBuilder &builder, Location loc, Value x, ArrayRef<ResampleTable> tables) {
  if (changesNothing(tables, tensorType(x)))
    return x;
  TableAttributes a(tables);
  return ResampleOp::create(builder, loc, x, a.axes, a.sizes, a.starts, a.sources, a.weights,
                            APFloat(0.0));
}

//===----------------------------------------------------------------------===//
// Import
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> ResizeOp::importNode(OnnxNode &node, OpBuilder &builder) {
  FailureOr<ResizePlan> plan = importResize(node);
  if (failed(plan) || node.hadError)
    return failure();
  SmallVector<ResampleTable> *tables = &plan->tables;
  Value x = node.input(0);
  RankedTensorType type = tensorType(x);
  auto onlyMoves = [](const ResampleTable &table) { return table.onlyMoves(); };
  if (!isa<FloatType>(type.getElementType()) && !llvm::all_of(*tables, onlyMoves))
    return node.emitError() << "interpolates " << type << ": only mode 'nearest' takes elements "
                            << "that are no floats";
  SmallVector<int64_t> shape(type.getShape());
  for (const ResampleTable &table : *tables)
    shape[table.axis] = table.size();
  if (failed(checkedProduct(node, shape)))
    return failure();
  Value result = x;
  if (!changesNothing(*tables, type)) {
    TableAttributes a(*tables);
    result = ResizeOp::create(builder, node.loc, x, a.axes, a.sizes, a.starts, a.sources, a.weights,
                              APFloat(plan->fill));
  }
  if (plan->expectedScales.empty())
    return SmallVector<Value>{expectNumbers(node, builder, 3, plan->sizes, result)};
  // Not in a type that rounds them.
  Value scales = castTo(builder, node.loc, node.input(plan->scalesInput), builder.getF64Type());
  Value wanted = buildConstant(
      builder, node.loc,
      DenseElementsAttr::get(tensorType(scales), ArrayRef<double>(plan->expectedScales)));
  Value isRight = areAllTrue(builder, node.loc, EqualOp::create(builder, node.loc, scales, wanted));
  return SmallVector<Value>{ExpectOp::create(builder, node.loc, result, isRight)};
}

/// Col2Im (opset 18-28): columns of blocks, [n, c * taps, points], added up where the blocks lie
/// in an image.
static FailureOr<Value> importCol2Im(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(3, 3)))
    return failure();
  FailureOr<GivenNumbers> given =
      givenInts(node, 1, "image_shape", 0, [](ArrayRef<int64_t> declared) {
        return SmallVector<int64_t>(declared.drop_front(std::min<size_t>(declared.size(), 2)));
      });
  FailureOr<SmallVector<int64_t>> block = node.constantInts(2, "block_shape");
  if (failed(given) || failed(block))
    return failure();
  SmallVector<int64_t> *image = &given->numbers;
  size_t rank = image->size();
  FailureOr<SmallVector<int64_t>> strides = importInts(node, "strides", rank, 1);
  FailureOr<SmallVector<int64_t>> dilations = importInts(node, "dilations", rank, 1);
  FailureOr<SmallVector<int64_t>> pads = importInts(node, "pads", 2 * rank, 0);
  if (failed(strides) || failed(dilations) || failed(pads) || node.hadError)
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  if (type.getRank() != 3 || rank == 0 || block->size() != rank ||
      !isa<FloatType>(type.getElementType()))
    return node.emitError() << "needs floats [n, c * taps, points] and as many extents of an image "
                               "as of a block, but has "
                            << type << ", " << rank << " and " << block->size();
  SmallVector<ResampleTable> tables;
  SmallVector<int64_t> shape{type.getDimSize(0), 0}, columns;
  int64_t taps = 1, points = 1;
  for (size_t d = 0; d < rank; ++d) {
    for (int64_t number : {(*image)[d], (*block)[d], (*strides)[d], (*dilations)[d]})
      if (number < 1 || number > kMostAlong)
        return node.emitError() << "has " << number << " among image_shape, block_shape, strides "
                                << "and dilations: each must be at least 1 and at most "
                                << kMostAlong;
    int64_t before = (*pads)[d], after = (*pads)[rank + d];
    if (before < 0 || after < 0 || before > kMostAlong || after > kMostAlong)
      return node.emitError() << "has pads " << before << " and " << after
                              << ": each must be at least 0 and at most " << kMostAlong;
    int64_t reach = (*dilations)[d] * ((*block)[d] - 1) + 1;
    int64_t room = (*image)[d] + before + after - reach;
    int64_t along = room < 0 ? 0 : room / (*strides)[d] + 1;
    if (along == 0 || (*block)[d] > kMostSources / along)
      return node.emitError() << "has blocks of " << (*block)[d] << " elements along dimension "
                              << d << " of the image, which has " << (*image)[d];
    tables.push_back(ResampleTable::windows(2 + d, (*image)[d], (*block)[d], along, (*strides)[d],
                                            (*dilations)[d], before)
                         .transposed((*image)[d]));
    if (llvm::MulOverflow(taps, (*block)[d], taps) || llvm::MulOverflow(points, along, points))
      return node.emitError() << "has too many blocks";
    columns.push_back(along);
  }
  if (type.getDimSize(1) % taps != 0 || type.getDimSize(2) != points)
    return node.emitError() << "has columns " << type << " for " << points << " blocks of " << taps
                            << " elements";
  shape[1] = type.getDimSize(1) / taps;
  SmallVector<int64_t> whole(shape);
  llvm::append_range(whole, *image);
  if (failed(checkedProduct(node, whole)))
    return failure();
  // [n, c, taps.., points..] with the taps of each dimension before its points.
  SmallVector<int64_t> apart(shape), permutation{0, 1}, together(shape);
  llvm::append_range(apart, *block);
  llvm::append_range(apart, columns);
  for (size_t d = 0; d < rank; ++d) {
    permutation.append({int64_t(2 + d), int64_t(2 + rank + d)});
    together.push_back((*block)[d] * columns[d]);
  }
  Value x = reshapeTo(builder, node.loc, node.input(0), apart);
  x = TransposeOp::create(builder, node.loc, x, permutation);
  x = reshapeTo(builder, node.loc, x, together);
  if (given->areExpected && node.declaredShape(0) != whole)
    return emitDeclaredError(node, 0, 1, *node.declaredShape(0));
  return expectNumbers(node, builder, 1, *given, resample(builder, node.loc, x, tables));
}

/// Transforms are weighted sums along an axis too.
FailureOr<SmallVector<Value>> ResampleOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return single(node.opType == "DFT"    ? importDft(node, builder)
                : node.opType == "STFT" ? importStft(node, builder)
                                        : importCol2Im(node, builder));
}

//===----------------------------------------------------------------------===//
// resample and resize
//===----------------------------------------------------------------------===//

template <typename Adaptor>
static LogicalResult inferResampled(std::optional<Location> loc, Adaptor op,
                                    SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(op.getInput());
  ArrayRef<int64_t> starts = op.getStarts(), sources = op.getSources();
  ArrayRef<double> weights = op.getWeights();
  bool isFloat = isa<FloatType>(type.getElementType());
  SmallVector<int64_t> shape(type.getShape());
  if (op.getAxes().size() != op.getSizes().size())
    return inferenceError(loc, "has ", op.getAxes().size(), " axes, but ", op.getSizes().size(),
                          " sizes");
  int64_t last = -1;
  for (auto [axis, size] : llvm::zip(op.getAxes(), op.getSizes())) {
    if (axis <= last || axis >= type.getRank()) // resample_c1
      return inferenceError(loc, "axes must ascend within ", type);
    last = axis;
    if (size < 0 || uint64_t(size) >= starts.size())
      return inferenceError(loc, "axis ", axis, " needs one start more than its size, ", size);
    ArrayRef<int64_t> own = starts.take_front(size + 1);
    if (own.front() != 0 || !llvm::is_sorted(own) || uint64_t(own.back()) > sources.size())
      return inferenceError(loc, "the starts of axis ", axis,
                            " must ascend from 0 within the sources");
    if (uint64_t(own.back()) > weights.size()) // resample_c2
      return inferenceError(loc, "a source along axis ", axis, " has no weight");
    for (int64_t source : sources.take_front(own.back()))
      if (source < 0 || source >= type.getDimSize(axis))
        return inferenceError(loc, "source ", source, " is out of range along axis ", axis, " of ",
                              type);
    for (int64_t i = 0; !isFloat && i < size; ++i)
      if (own[i + 1] - own[i] > 1 || (own[i + 1] > own[i] && weights[own[i]] != 1)) // resample_c3
        return inferenceError(loc, "elements of ", type, " cannot be weighted or summed");
    shape[axis] = size;
    starts = starts.drop_front(size + 1);
    sources = sources.drop_front(own.back());
    weights = weights.drop_front(own.back());
  }
  if (!starts.empty() || !sources.empty() || !weights.empty())
    return inferenceError(loc, "has starts, sources or weights of no axis");
  types.push_back(type.clone(shape));
  return success();
}

template <typename OpTy>
static void buildResampledGradient(OpTy op, GradientBuilder &gradient) {
  SmallVector<ResampleTable> tables;
  for (const ResampleTable &table : tablesOf(op))
    tables.push_back(table.transposed(op.getInput().getType().getDimSize(table.axis)));
  Value g = gradient.cast(gradient.resultGradient(), gradient.gradientElementType(0));
  gradient.set(0, resample(gradient.builder, gradient.loc, g, tables));
}

namespace {
/// The loops over the sources of one element, axis by axis.
class SourceLoops {
public:
  SourceLoops(KernelBuilder &kernel, Value input, ArrayRef<ResampleTable> tables, double fill)
      : kernel(kernel), input(input), fill(fill) {
    Type element = KernelBuilder::computeType(tensorType(input).getElementType());
    for (const ResampleTable &table : tables)
      axes.push_back(makeAxis(table, element));
  }

  Value at(ScalarBuilder &s, ValueRange indices) {
    SmallVector<Value> place(indices);
    Value isEmpty;
    for (const Axis &axis : axes) {
      Value i = indices[axis.table->axis];
      if (!axis.starts && !axis.hasNone)
        continue;
      Value none = axis.starts ? s.equal(load(s, axis.starts, i),
                                         load(s, axis.starts, s.add(i, number(s, 1))))
                               : s.less(load(s, axis.sources, i), number(s, 0));
      isEmpty = isEmpty ? s.logicalOr(isEmpty, none) : none;
    }
    Value result = sum(s, 0, indices, place);
    return isEmpty ? s.select(isEmpty, s.constantLike(result, fill), result) : result;
  }

private:
  /// What the kernel knows of a table. Where elements are only moved, `sources` has one for each,
  /// -1 for none, and there are no weights. `starts` is null where all have `taps` sources. With
  /// `columns`, sources and weights are as many columns as an element has sources at most, one
  /// behind the other, of which each element has one entry: -1 for none.
  struct Axis {
    const ResampleTable *table;
    Value starts, sources, weights;
    int64_t taps = 0, columns = 0;
    bool hasNone = false;
  };
  /// Loops of different lengths keep a host from vectorising that over the elements.
  static constexpr int64_t kMostColumns = 4;

  Value integers(ArrayRef<int64_t> values) {
    SmallVector<int32_t> narrow(values.begin(), values.end());
    auto type = RankedTensorType::get(int64_t(values.size()), kernel.builder.getI32Type());
    return arith::ConstantOp::create(kernel.builder, kernel.loc,
                                     DenseElementsAttr::get(type, ArrayRef<int32_t>(narrow)));
  }

  Axis makeAxis(const ResampleTable &table, Type element) {
    Axis axis{&table, {}, {}, {}};
    if (table.onlyMoves()) {
      SmallVector<int64_t> sources;
      for (int64_t i = 0; i < table.size(); ++i) {
        bool isNone = table.starts[i] == table.starts[i + 1];
        axis.hasNone |= isNone;
        sources.push_back(isNone ? -1 : table.sources[table.starts[i]]);
      }
      axis.sources = integers(sources);
      return axis;
    }
    axis.taps = table.starts[1];
    for (int64_t i = 0; i < table.size(); ++i)
      if (table.starts[i + 1] - table.starts[i] != axis.taps)
        axis.taps = 0;
    bool isWeighted = llvm::any_of(table.weights, [](double weight) { return weight != 1; });
    int64_t most = 0;
    for (int64_t i = 0; i < table.size(); ++i)
      most = std::max(most, table.starts[i + 1] - table.starts[i]);
    if (axis.taps == 0 && most <= kMostColumns && kernel.mergesInOrder()) {
      axis.columns = most;
      SmallVector<int64_t> sources(most * table.size(), -1);
      SmallVector<double> weights(sources.size(), 0);
      for (int64_t i = 0; i < table.size(); ++i) {
        axis.hasNone |= table.starts[i] == table.starts[i + 1];
        for (int64_t k = table.starts[i]; k < table.starts[i + 1]; ++k) {
          int64_t entry = (k - table.starts[i]) * table.size() + i;
          sources[entry] = table.sources[k];
          weights[entry] = table.weights[k];
        }
      }
      axis.sources = integers(sources);
      if (isWeighted)
        axis.weights = floats(weights, element);
      return axis;
    }
    if (axis.taps == 0)
      axis.starts = integers(table.starts);
    axis.sources = integers(table.sources);
    if (isWeighted)
      axis.weights = floats(table.weights, element);
    return axis;
  }

  Value floats(ArrayRef<double> values, Type element) {
    SmallVector<Attribute> rounded;
    for (double value : values)
      rounded.push_back(kernel.builder.getFloatAttr(element, value));
    auto type = RankedTensorType::get(int64_t(values.size()), element);
    return arith::ConstantOp::create(kernel.builder, kernel.loc,
                                     DenseElementsAttr::get(type, rounded));
  }

  static Value number(ScalarBuilder &s, int64_t n) {
    return s.constant(s.builder.getIndexType(), n);
  }
  Value load(ScalarBuilder &s, Value table, Value i) {
    return s.convert(kernel.load(s, table, i), s.builder.getIndexType());
  }

  Value sum(ScalarBuilder &s, size_t d, ValueRange at, ArrayRef<Value> place) {
    if (d == axes.size())
      return kernel.load(s, input, place);
    const Axis &axis = axes[d];
    Value i = at[axis.table->axis];
    SmallVector<Value> inner(place);
    if (axis.columns != 0)
      return sumColumns(s, d, at, place);
    if (axis.taps == 0 && !axis.starts) {
      Value source = load(s, axis.sources, i);
      inner[axis.table->axis] = axis.hasNone ? s.maximum(source, number(s, 0)) : source;
      return sum(s, d + 1, at, inner);
    }
    Value from, to;
    if (axis.starts) {
      from = load(s, axis.starts, i);
      to = load(s, axis.starts, s.add(i, number(s, 1)));
    } else {
      from = number(s, 0);
      to = number(s, axis.taps);
      i = s.mul(i, number(s, axis.taps));
    }
    Type type = KernelBuilder::computeType(tensorType(input).getElementType());
    return s.fold(from, to, s.constant(type, 0.0), [&](ScalarBuilder &s, Value k, Value total) {
      Value entry = axis.starts ? k : s.add(i, k);
      inner[axis.table->axis] = load(s, axis.sources, entry);
      Value part = sum(s, d + 1, at, inner);
      if (axis.weights)
        part = s.mul(part, kernel.load(s, axis.weights, entry));
      return s.add(total, part);
    });
  }

  /// The same where a table has columns.
  Value sumColumns(ScalarBuilder &s, size_t d, ValueRange at, ArrayRef<Value> place) {
    const Axis &axis = axes[d];
    SmallVector<Value> inner(place);
    Value total = s.constant(KernelBuilder::computeType(tensorType(input).getElementType()), 0.0);
    for (int64_t column = 0; column < axis.columns; ++column) {
      Value entry = s.add(at[axis.table->axis], number(s, column * axis.table->size()));
      Value source = load(s, axis.sources, entry);
      bool isEverywhere = column == 0 && !axis.hasNone;
      inner[axis.table->axis] = isEverywhere ? source : s.maximum(source, number(s, 0));
      Value part = sum(s, d + 1, at, inner);
      if (axis.weights)
        part = s.mul(part, kernel.load(s, axis.weights, entry));
      Value next = s.add(total, part);
      total = isEverywhere ? next : s.select(s.greaterOrEqual(source, number(s, 0)), next, total);
    }
    return total;
  }

  KernelBuilder &kernel;
  Value input;
  double fill;
  SmallVector<Axis> axes;
};
} // namespace

template <typename OpTy>
static Value emitResampled(OpTy op, KernelBuilder &kernel, Value input) {
  RankedTensorType type = op.getType();
  double fill = op.getFill().convertToDouble();
  SmallVector<ResampleTable> tables = tablesOf(op);
  auto isEmpty = [](const ResampleTable &table) { return table.sources.empty(); };
  if (type.getNumElements() == 0 || llvm::any_of(tables, isEmpty))
    return kernel.splat(type, fill);
  SourceLoops loops(kernel, input, tables, fill);
  return kernel.generate(type, [&](ScalarBuilder &s, ValueRange at) { return loops.at(s, at); });
}

// The ops differ in their precision alone.
#define AMPC_RESAMPLING(OP)                                                                        \
  LogicalResult OP::inferReturnTypes(MLIRContext *, std::optional<Location> location,              \
                                     Adaptor adaptor, SmallVectorImpl<Type> &types) {              \
    return inferResampled(location, adaptor, types);                                               \
  }                                                                                                \
  bool OP::isLinearIn(ArrayRef<bool>) { return getFill().isZero(); }                               \
  void OP::buildGradient(GradientBuilder &gradient) { buildResampledGradient(*this, gradient); }   \
  SmallVector<Value> OP::emitKernel(KernelBuilder &kernel, ValueRange operands) {                  \
    return {emitResampled(*this, kernel, operands[0])};                                            \
  }

AMPC_RESAMPLING(ResampleOp)
AMPC_RESAMPLING(ResizeOp)
#undef AMPC_RESAMPLING
