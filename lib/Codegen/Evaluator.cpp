//===- Evaluator.cpp - Values of a kernel at points of its space ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Evaluator.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

namespace ampc::codegen {

Type getStorageType(Type elementType) {
  if (elementType.isInteger(1))
    return IntegerType::get(elementType.getContext(), 8);
  return elementType;
}

int64_t getStorageBytes(Type elementType) {
  return llvm::divideCeil(elementType.getIntOrFloatBitWidth(), 8);
}

Evaluator::Evaluator(OpBuilder &b, Location loc, const IterationStructure &s,
                     const BufferMap &buffers)
    : b(b), loc(loc), s(s), index(b, loc), buffers(buffers) {
  // Operands that read the same elements share what is loaded.
  for (linalg::GenericOp op : s.ops)
    for (OpOperand &operand : op->getOpOperands())
      if (const LinearAccess *access = s.getRead(operand)) {
        Value source = s.getSource(operand.get());
        auto same = llvm::find_if(readList, [&](const Read &read) {
          return read.source == source && read.access == *access;
        });
        bool isPartial = s.getRanges(operand) || s.isPartial(op.getResult(0));
        readOf[&operand] = same - readList.begin();
        if (same == readList.end())
          readList.push_back({source, *access, isPartial});
        else
          same->isPartial &= isPartial;
      }
  for (const plan::IterationDim &dim : s.dims)
    knownRanges.push_back({0, dim.extent});
  push(/*isGuard=*/false);
}

void Evaluator::setAxes(ArrayRef<SmallVector<unsigned>> newAxes, unsigned newLaneAxis,
                        int64_t newLanes) {
  axes.assign(newAxes.begin(), newAxes.end());
  laneAxis = newLaneAxis;
  lanes = newLanes;
  stagedValues.clear();
  stagedReads.clear();
  stagedAxes = 0;
  scopes.clear();
  push(/*isGuard=*/false);
}

int64_t Evaluator::axisExtent(unsigned axis) const {
  int64_t extent = 1;
  for (unsigned d : axes[axis])
    extent *= s.dims[d].extent;
  return extent;
}

Value Evaluator::getBuffer(Value tensor) const {
  Value buffer = buffers.lookup(tensor);
  assert(buffer && "a tensor has no buffer");
  return buffer;
}

//===----------------------------------------------------------------------===//
// Scopes
//===----------------------------------------------------------------------===//

bool Evaluator::Key::operator<(const Key &other) const {
  return std::tie(id, lane, coordinates) < std::tie(other.id, other.lane, other.coordinates);
}

void Evaluator::push(bool isGuard) {
  Scope scope;
  scope.block = b.getInsertionBlock();
  scope.isGuard = isGuard;
  scopes.push_back(std::move(scope));
}

Evaluator::Key Evaluator::makeKey(uintptr_t id, uint64_t axesMask, bool byLane, const Point &p,
                                  int64_t lane) const {
  Key key{id, {}, byLane ? lane : 0};
  for (unsigned a = 0; a < axes.size(); ++a)
    key.coordinates.push_back(axesMask >> a & 1 ? p[a].getAsOpaquePointer() : nullptr);
  return key;
}

Value Evaluator::find(const Key &key) const {
  for (const Scope &scope : llvm::reverse(scopes))
    if (auto it = scope.known.find(key); it != scope.known.end())
      return it->second;
  return {};
}

/// The outermost scope where the indices along the axes and the reductions that a value
/// needs are known, and no guard is left.
unsigned Evaluator::outermostScope(uint64_t axesMask, unsigned level, const Point &p) const {
  auto isKnownIn = [&](const Scope &scope) {
    for (unsigned a = 0; a < axes.size(); ++a)
      if (axesMask >> a & 1)
        if (!Value(p[a]).getParentRegion()->isAncestor(scope.block->getParent()))
          return false;
    return true;
  };
  unsigned depth = scopes.size() - 1;
  while (depth > 0 && !scopes[depth].isGuard && !(level > 0 && scopes[depth].hasValues) &&
         isKnownIn(scopes[depth - 1]))
    --depth;
  return depth;
}

/// Builds at the end of an outer scope, before the loop that it is left by, for its own
/// lifetime.
class Evaluator::AtScope {
public:
  AtScope(Evaluator &e, unsigned depth) : guard(e.b), e(e) {
    Block *block = e.scopes[depth].block;
    if (block != e.b.getInsertionBlock())
      e.b.setInsertionPoint(block->findAncestorOpInBlock(*e.b.getInsertionBlock()->getParentOp()));
    // Inside, this scope is the innermost: what is computed on the way is known in it.
    inner.assign(std::make_move_iterator(e.scopes.begin() + depth + 1),
                 std::make_move_iterator(e.scopes.end()));
    e.scopes.erase(e.scopes.begin() + depth + 1, e.scopes.end());
  }
  ~AtScope() {
    e.scopes.append(std::make_move_iterator(inner.begin()), std::make_move_iterator(inner.end()));
  }

private:
  OpBuilder::InsertionGuard guard;
  Evaluator &e;
  SmallVector<Scope> inner;
};

void Evaluator::setValue(Value v, const Point &p, int64_t lane, Value scalar) {
  v = s.getSource(v);
  const llvm::SmallBitVector &along = s.getDims(v);
  Key key = makeKey(uintptr_t(v.getAsOpaquePointer()), axesOf(along), variesByLane(along), p, lane);
  scopes.back().known[key] = scalar;
  scopes.back().hasValues = true;
}

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

uint64_t Evaluator::axesOf(const llvm::SmallBitVector &along) const {
  uint64_t mask = 0;
  for (auto [a, dims] : llvm::enumerate(axes))
    if (llvm::any_of(dims, [&](unsigned d) { return along.test(d); }))
      mask |= uint64_t(1) << a;
  return mask;
}

static llvm::SmallBitVector dimsOf(const LinearAccess &access) {
  llvm::SmallBitVector along(access.strides.size());
  for (auto [d, stride] : llvm::enumerate(access.strides))
    along[d] = stride != 0;
  return along;
}

uint64_t Evaluator::axesOf(const LinearAccess &access) const { return axesOf(dimsOf(access)); }

bool Evaluator::variesByLane(const llvm::SmallBitVector &along) const {
  if (lanes == 1 || axes[laneAxis].empty())
    return false;
  // Lanes that never leave the innermost dimension share what varies along others.
  unsigned last = axes[laneAxis].back();
  if (s.dims[last].extent % lanes == 0)
    return along.test(last);
  return llvm::any_of(axes[laneAxis], [&](unsigned d) { return along.test(d); });
}

bool Evaluator::variesByLane(const LinearAccess &access) const {
  return variesByLane(dimsOf(access));
}

bool Evaluator::isContiguous(const LinearAccess &access) const {
  return plan::areContiguous(s, access, axes[laneAxis], lanes);
}

/// The most lanes, a power of two, that one load takes.
int64_t Evaluator::accessWidth(const LinearAccess &access) const {
  int64_t width = lanesAreApart ? 1 : lanes;
  while (width > 1 && !plan::areContiguous(s, access, axes[laneAxis], width))
    width /= 2;
  return width;
}

/// The index along dimensions [first, last) of an axis, taken as one.
Value Evaluator::coordinate(unsigned axis, unsigned first, unsigned last, const Point &p,
                            int64_t lane) {
  ArrayRef<unsigned> dims = axes[axis];
  Value x = p[axis];
  if (axis == laneAxis)
    x = index.add(x, lane);
  int64_t inner = 1, extent = 1;
  for (unsigned d : dims.drop_front(last))
    inner *= s.dims[d].extent;
  for (unsigned d : dims.slice(first, last - first))
    extent *= s.dims[d].extent;
  x = index.div(x, inner);
  return first == 0 ? x : index.rem(x, extent);
}

Value Evaluator::linear(const LinearAccess &access, const Point &p, int64_t lane) {
  Value sum;
  auto addTerm = [&](Value x) { sum = sum ? index.add(sum, x) : x; };
  for (unsigned a = 0; a < axes.size(); ++a) {
    ArrayRef<unsigned> dims = axes[a];
    // Runs of dimensions that one index counts need no division.
    for (unsigned first = 0, last; first < dims.size(); first = last) {
      last = first + 1;
      auto stride = [&](unsigned i) { return access.strides[dims[i]]; };
      while (last < dims.size() && stride(last - 1) == stride(last) * s.dims[dims[last]].extent)
        ++last;
      if (stride(last - 1) != 0)
        addTerm(index.mul(coordinate(a, first, last, p, lane), stride(last - 1)));
    }
  }
  if (!sum)
    return index.constant(access.offset);
  return index.add(sum, access.offset);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value Evaluator::fromStorage(Value stored, Type type) {
  if (stored.getType() == type)
    return stored;
  if (type.isInteger(1))
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, stored,
                                 constant(b.getIntegerAttr(stored.getType(), 0)));
  return arith::TruncIOp::create(b, loc, type, stored);
}

static Value toStorage(Evaluator &e, Value scalar, Type type) {
  if (scalar.getType() == type)
    return scalar;
  return arith::ExtUIOp::create(e.b, e.loc, type, scalar);
}

Value Evaluator::loadScalar(Value buffer, Type type, Value offset) {
  return fromStorage(memref::LoadOp::create(b, loc, buffer, offset), type);
}

SmallVector<Value> Evaluator::loadVector(Value buffer, Type type, Value offset, int64_t width) {
  auto vectorType = VectorType::get({width}, getStorageType(type));
  Value vector = vector::LoadOp::create(
      b, loc, vectorType, buffer, offset, /*nontemporal=*/false,
      llvm::MaybeAlign(std::min(kAccessBytes, width * getStorageBytes(type))));
  SmallVector<Value> elements;
  for (int64_t l = 0; l < width; ++l)
    elements.push_back(fromStorage(vector::ExtractOp::create(b, loc, vector, l), type));
  return elements;
}

void Evaluator::storeScalar(Value scalar, Value buffer, Value offset) {
  Type type = cast<MemRefType>(buffer.getType()).getElementType();
  memref::StoreOp::create(b, loc, toStorage(*this, scalar, type), buffer, offset);
}

Value Evaluator::read(unsigned id, const Point &p, int64_t lane) {
  const Read &r = readList[id];
  uint64_t mask = axesOf(r.access);
  bool byLane = variesByLane(r.access);
  auto key = [&](int64_t l) { return makeKey(id * 2 + 1, mask, byLane, p, l); };
  if (Value known = find(key(lane)))
    return known;
  AtScope at(*this, outermostScope(mask, 0, p));
  Value buffer = getBuffer(r.source);
  Type type = getElementTypeOrSelf(r.source.getType());
  // Widened where it is loaded, not in each loop that uses it.
  auto remember = [&](int64_t l, Value x) {
    if (type.isF16() || type.isBF16())
      wideLoads[x] = arith::ExtFOp::create(b, loc, b.getF32Type(), x);
    return scopes.back().known[key(l)] = x;
  };
  if (auto it = stagedReads.find(id); it != stagedReads.end())
    return remember(lane, loadScalar(it->second.buffer, type, it->second.place(p)));
  // Where a slice begins in the middle of a vector, its lanes take several loads.
  if (int64_t width = byLane ? accessWidth(r.access) : 1; width > 1) {
    int64_t first = lane / width * width;
    for (auto [l, x] : llvm::enumerate(loadVector(buffer, type, linear(r.access, p, first), width)))
      remember(first + l, x);
    return scopes.back().known[key(lane)];
  }
  Value x = loadScalar(buffer, type, linear(r.access, p, byLane ? lane : 0));
  return remember(lane, x);
}

SmallVector<Evaluator::StagedRead> Evaluator::readsAcross(unsigned along) const {
  SmallVector<StagedRead> found;
  for (auto [id, r] : llvm::enumerate(readList))
    if (!r.isPartial && r.access.strides.back() > 1 && r.access.strides[along] == 1)
      found.push_back({unsigned(id), getElementTypeOrSelf(r.source.getType())});
  return found;
}

void Evaluator::store(Value result, const Point &p) {
  const LinearAccess &access = s.getWrite(result);
  Value buffer = getBuffer(result);
  Type type = getElementTypeOrSelf(result.getType());
  bool byLane = variesByLane(access);
  if (!byLane || !isContiguous(access)) {
    for (int64_t l = 0; l < (byLane ? lanes : 1); ++l)
      storeScalar(eval(result, p, l), buffer, linear(access, p, l));
    return;
  }
  SmallVector<Value> elements;
  for (int64_t l = 0; l < lanes; ++l)
    elements.push_back(toStorage(*this, eval(result, p, l), getStorageType(type)));
  Value vector = vector::FromElementsOp::create(
      b, loc, VectorType::get({lanes}, getStorageType(type)), elements);
  vector::StoreOp::create(b, loc, vector, buffer, linear(access, p, 0), /*nontemporal=*/false,
                          llvm::MaybeAlign(std::min(kAccessBytes, lanes * getStorageBytes(type))));
}

Type Evaluator::getStagedType(Value v) {
  Type type = getElementTypeOrSelf(v.getType());
  return type.isF16() || type.isBF16() ? Float32Type::get(type.getContext()) : getStorageType(type);
}

/// An f16 or bf16 as it was before it was rounded, or as it was widened when it was
/// loaded, if it is either.
Value Evaluator::widened(Value x, Type wide) const {
  if (Value loaded = wideLoads.lookup(x); loaded && loaded.getType() == wide)
    return loaded;
  auto truncate = x.getDefiningOp<arith::TruncFOp>();
  bool isNarrow = x.getType().isF16() || x.getType().isBF16();
  return truncate && isNarrow && truncate.getIn().getType() == wide ? truncate.getIn() : Value();
}

void Evaluator::fillStage(Value v, const Staged &staged, const Point &p) {
  Value x = eval(v, p);
  Type type = getStagedType(v);
  if (x.getType() != type && isa<FloatType>(type)) {
    if (Value wide = widened(x, type))
      x = wide;
    else
      x = arith::ExtFOp::create(b, loc, type, x);
  }
  storeScalar(x, staged.buffer, staged.place(p));
}

//===----------------------------------------------------------------------===//
// Evaluation
//===----------------------------------------------------------------------===//

Value Evaluator::evalPlain(OpOperand &operand, const Point &p, int64_t lane) {
  auto it = readOf.find(&operand);
  return it == readOf.end() ? eval(operand.get(), p, lane) : read(it->second, p, lane);
}

Value Evaluator::evalOperand(OpOperand &operand, const Point &p, int64_t lane) {
  if (const plan::OperandRanges *used = s.getRanges(operand))
    return evalInRange(operand, *used, p, lane);
  return evalPlain(operand, p, lane);
}

void Evaluator::evalLanes(Value v, const Point &p) {
  for (int64_t l = 0; l < lanes; ++l)
    eval(v, p, l);
}

Value Evaluator::eval(Value v, const Point &p, int64_t lane) {
  if (!isa<RankedTensorType>(v.getType())) // a constant of the kernel
    return b.clone(*v.getDefiningOp())->getResult(0);
  v = s.getSource(v);
  if (OpFoldResult uniform = plan::getUniformValue(v)) {
    if (auto attr = dyn_cast<Attribute>(uniform))
      return constant(cast<TypedAttr>(attr));
    return eval(cast<Value>(uniform), p, lane);
  }
  const llvm::SmallBitVector &along = s.getDims(v);
  uint64_t mask = axesOf(along);
  if (s.getLevel(v) > 0)
    mask |= stagedAxes;
  bool byLane = variesByLane(along);
  auto keyOf = [&](Value r, int64_t l) {
    return makeKey(uintptr_t(r.getAsOpaquePointer()), mask, byLane, p, l);
  };
  if (Value known = find(keyOf(v, lane)))
    return known;
  if (auto it = stagedValues.find(v); it != stagedValues.end()) {
    Type type = getElementTypeOrSelf(v.getType());
    const Staged &staged = it->second;
    bool rounds = isa<FloatType>(type) && getStagedType(v) != type;
    Value x = loadScalar(staged.buffer, rounds ? getStagedType(v) : type, staged.place(p));
    if (rounds)
      x = arith::TruncFOp::create(b, loc, type, x);
    return scopes.back().known[keyOf(v, lane)] = x;
  }
  auto op = cast<linalg::GenericOp>(v.getDefiningOp());
  assert(!plan::isReduction(op) && "a reduction is used before its value is set");
  AtScope at(*this, outermostScope(mask, s.getLevel(v), p));
  // Lanes that gather do so together, so that they share loops and loads.
  bool areTogether = byLane && !lanesAreApart && gathers(op);
  int64_t first = areTogether ? 0 : lane, count = areTogether ? lanes : 1;
  SmallVector<SmallVector<Value>> arguments(count);
  for (int64_t l = 0; l < count; ++l)
    for (OpOperand &operand : op->getOpOperands())
      arguments[l].push_back(
          op.payloadUsesValueFromOperand(&operand) ? evalOperand(operand, p, first + l) : Value());
  SmallVector<SmallVector<Value>> yielded = cloneBodies(op, arguments, p, first);
  for (int64_t l = 0; l < count; ++l)
    for (auto [r, x] : llvm::zip(op.getResults(), yielded[l]))
      // Results with other dimensions are computed again at their own points.
      if (s.getDims(r) == along)
        scopes.back().known[keyOf(r, first + l)] = x;
  return find(keyOf(v, lane));
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

SmallVector<Value> Evaluator::loop(Value from, Value to, int64_t step, ArrayRef<Value> init,
                                   llvm::function_ref<void(Value, MutableArrayRef<Value>)> body) {
  auto loop = scf::ForOp::create(b, loc, from, to, index.constant(step), init);
  OpBuilder::InsertionGuard guard(b);
  Block *block = loop.getBody();
  if (init.empty())
    b.setInsertionPoint(block->getTerminator());
  else
    b.setInsertionPointToEnd(block);
  SmallVector<Value> carried(loop.getRegionIterArgs());
  push(/*isGuard=*/false);
  body(loop.getInductionVar(), carried);
  pop();
  if (!init.empty())
    scf::YieldOp::create(b, loc, carried);
  return SmallVector<Value>(loop.getResults());
}

/// Most elements that are added one by one: the sum of n equal numbers is off by up to n / 2
/// roundings, a sum of sums by as many as each has. Where LLVM makes vectors of the loop, a part is
/// long enough to hide the merge.
constexpr int64_t kTermsOfSum = 256;

SmallVector<Value>
Evaluator::loopInParts(Value from, Value to, int64_t extent, ArrayRef<Value> init,
                       llvm::function_ref<void(Value, MutableArrayRef<Value>)> body, Merge merge) {
  if (extent <= 2 * kTermsOfSum || init.empty() || !merge)
    return loop(from, to, 1, init, body);
  SmallVector<Value> sums =
      loop(from, to, kTermsOfSum, init, [&](Value begin, MutableArrayRef<Value> carried) {
        Value end = index.min(index.add(begin, kTermsOfSum), to);
        merge(carried, loop(begin, end, 1, init, body));
      });
  // A part is long enough. LLVM would write each of a few parts out, with all its vectors.
  MLIRContext *context = b.getContext();
  auto unroll = LLVM::LoopUnrollAttr::get(context, b.getBoolAttr(true), {}, {}, {}, {}, {}, {});
  sums.front().getDefiningOp()->setAttr(
      "llvm.loop_annotation", LLVM::LoopAnnotationAttr::get(context, {}, {}, {}, unroll, {}, {}, {},
                                                            {}, {}, {}, {}, {}, {}, {}, {}));
  return sums;
}

void Evaluator::guarded(Value condition, llvm::function_ref<void()> body) {
  if (!condition || matchPattern(condition, m_One()))
    return scoped(body);
  auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  push(/*isGuard=*/true);
  body();
  pop();
}

void Evaluator::scoped(llvm::function_ref<void()> body) {
  push(/*isGuard=*/true);
  body();
  pop();
}

SmallVector<Value>
Evaluator::nest(ArrayRef<unsigned> dims, ArrayRef<Value> init,
                llvm::function_ref<void(ArrayRef<Value>, MutableArrayRef<Value>)> body,
                Merge merge) {
  SmallVector<Value> indices;
  std::function<void(MutableArrayRef<Value>)> emit = [&](MutableArrayRef<Value> values) {
    if (indices.size() == dims.size())
      return body(indices, values);
    int64_t extent = s.dims[dims[indices.size()]].extent;
    auto visit = [&](Value i, MutableArrayRef<Value> carried) {
      indices.push_back(i);
      emit(carried);
      indices.pop_back();
    };
    SmallVector<Value> inner =
        loopInParts(index.constant(0), index.constant(extent), extent,
                    merge ? init : ArrayRef<Value>(values), visit, merge);
    if (indices.empty() || !merge)
      llvm::copy(inner, values.begin());
    else
      merge(values, inner);
  };
  SmallVector<Value> values(init);
  emit(values);
  return values;
}

} // namespace ampc::codegen
