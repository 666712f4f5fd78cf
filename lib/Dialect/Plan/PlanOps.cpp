//===- PlanOps.cpp - Kernels, launches and library calls ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Plan/KernelBuilder.h"
#include "ampc/Dialect/Plan/Plan.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/CastInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace ampc::plan;

#define GET_OP_CLASSES
#include "ampc/Dialect/Plan/PlanOps.cpp.inc"

//===----------------------------------------------------------------------===//
// ViewOp
//===----------------------------------------------------------------------===//

LogicalResult ViewOp::verify() {
  auto from = cast<RankedTensorType>(getInput().getType());
  auto to = cast<RankedTensorType>(getResult().getType());
  if (from.getElementType() != to.getElementType())
    return emitOpError("views ") << from.getElementType() << " as " << to.getElementType();
  uint64_t size = llvm::divideCeil(to.getElementTypeBitWidth(), 8);
  uint64_t has = from.getNumElements() * size, needs = to.getNumElements() * size;
  if (getOffset() % AMPC_ALIGNMENT != 0 || getOffset() > has || has - getOffset() < needs)
    return emitOpError("views ") << needs << " bytes at " << getOffset() << " of " << has
                                 << "; an offset is a multiple of " << AMPC_ALIGNMENT;
  return success();
}

//===----------------------------------------------------------------------===//
// LibraryCallOpInterface
//===----------------------------------------------------------------------===//

bool ampc::plan::isSizedAtLoad(Type reserve) {
  return cast<RankedTensorType>(reserve).getNumElements() == 0;
}

/// Whether bytes of this type are known to nobody but a library.
static bool isOpaque(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == 1 && tensor.hasStaticShape() &&
         tensor.getElementType().isSignlessInteger(8);
}

/// Whether `value` is what a library call has reserved.
static bool isReserve(Value value) {
  auto call = value.getDefiningOp<LibraryCallOpInterface>();
  return call &&
         call.getResultRole(cast<OpResult>(value).getResultNumber()) == OperandRole::Reserve;
}

LogicalResult ampc::plan::detail::verifyLibraryCall(Operation *op) {
  auto call = cast<LibraryCallOpInterface>(op);
  unsigned sizedAtLoad = 0;
  for (OpOperand &operand : op->getOpOperands()) {
    unsigned index = operand.getOperandNumber();
    bool asReserve = call.getOperandRole(index) == OperandRole::Reserve;
    if (!asReserve && call.getOperandRole(index) != OperandRole::In)
      return op->emitOpError("has an operand ") << index << " that is neither in nor reserve";
    if (asReserve != isReserve(operand.get()))
      return op->emitOpError() << (asReserve ? "takes as a reserve what is none, operand "
                                             : "reads a reserve as operand ")
                               << index;
    sizedAtLoad += asReserve && isSizedAtLoad(operand.get().getType());
  }
  for (OpResult result : op->getResults()) {
    OperandRole role = call.getResultRole(result.getResultNumber());
    if (role == OperandRole::Out)
      continue;
    if (role == OperandRole::In || !isOpaque(result.getType()))
      return op->emitOpError("has a result ")
             << result.getResultNumber() << ", " << stringifyOperandRole(role) << " of "
             << result.getType() << ", not bytes";
    if (role == OperandRole::Scratch && !result.use_empty())
      return op->emitOpError("has scratch that is read, result ") << result.getResultNumber();
    if (role == OperandRole::Reserve &&
        !llvm::all_of(result.getUsers(), llvm::IsaPred<LibraryCallOpInterface>))
      return op->emitOpError("has a reserve that no library call reads, result ")
             << result.getResultNumber();
    sizedAtLoad += role == OperandRole::Reserve && isSizedAtLoad(result.getType());
  }
  if (sizedAtLoad > 1)
    return op->emitOpError("has ") << sizedAtLoad << " reserves that are sized at load, not one";
  return success();
}

//===----------------------------------------------------------------------===//
// KernelOp
//===----------------------------------------------------------------------===//

void KernelOp::build(OpBuilder &b, OperationState &state, TypeRange resultTypes, ValueRange inputs,
                     KernelKind kind) {
  state.addOperands(inputs);
  state.addTypes(resultTypes);
  state.getOrAddProperties<Properties>().kind = KernelKindAttr::get(b.getContext(), kind);
  state.getOrAddProperties<Properties>().tied =
      b.getDenseI64ArrayAttr(SmallVector<int64_t>(resultTypes.size(), -1));
  Block &body = state.addRegion()->emplaceBlock();
  for (Value input : inputs)
    body.addArgument(input.getType(), input.getLoc());
}

int64_t KernelOp::getTiedOperand(unsigned index) { return getTied()[index]; }

/// How often `op`, inside of `body`, runs for one element; a loop whose bounds depend on
/// data counts once.
static int64_t runsOf(Operation *op, Block *body) {
  int64_t runs = 1;
  for (Operation *parent = op->getParentOp(); parent != body->getParentOp();
       parent = parent->getParentOp())
    if (auto loop = dyn_cast<LoopLikeOpInterface>(parent))
      if (std::optional<APInt> trips = loop.getStaticTripCount())
        runs *= trips->getSExtValue();
  return runs;
}

/// The scalar operations of a kernel that `counts` tells of, over all elements.
static int64_t countScalars(KernelOp kernel, llvm::function_ref<bool(Operation *)> counts) {
  int64_t total = 0;
  kernel.getBody().walk([&](linalg::GenericOp op) {
    int64_t points = 1;
    for (int64_t range : op.getStaticLoopRanges())
      points *= range;
    int64_t scalars = 0;
    op.getBody()->walk([&](Operation *scalar) {
      if (!isa<LoopLikeOpInterface>(scalar) && counts(scalar))
        scalars += runsOf(scalar, op.getBody());
    });
    total += points * scalars;
  });
  return total;
}

std::optional<uint32_t> KernelOp::getStepKind() { return std::nullopt; }

int64_t KernelOp::getFlops() {
  return countScalars(*this, [](Operation *op) {
    return llvm::any_of(op->getResultTypes(), llvm::IsaPred<FloatType>);
  });
}

int64_t KernelOp::countOperations() {
  return countScalars(*this, [](Operation *op) {
    return op->getNumResults() > 0 && !op->hasTrait<OpTrait::ConstantLike>() &&
           !isa<CastOpInterface, linalg::IndexOp>(op);
  });
}

// plan.kernel fused (%arg = %value : type, ...) tied [..] -> (types) attr-dict { ... }
ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &state) {
  StringRef kindName;
  llvm::SMLoc kindLoc = parser.getCurrentLocation();
  if (parser.parseKeyword(&kindName))
    return failure();
  std::optional<KernelKind> kind = symbolizeKernelKind(kindName);
  if (!kind)
    return parser.emitError(kindLoc, "expected fused, sequence or multi_tensor");
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  auto parseBinding = [&]() -> ParseResult {
    if (parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
        parser.parseOperand(operands.emplace_back()) || parser.parseColon() ||
        parser.parseType(arguments.back().type))
      return failure();
    return success();
  };
  SmallVector<Type> types;
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseBinding) ||
      parser.parseArrowTypeList(types))
    return failure();
  SmallVector<int64_t> tied(types.size(), -1);
  if (succeeded(parser.parseOptionalKeyword("tied"))) {
    tied.clear();
    if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                       [&] { return parser.parseInteger(tied.emplace_back()); }))
      return failure();
  }
  if (parser.parseOptionalAttrDictWithKeyword(state.attributes))
    return failure();
  for (auto [operand, argument] : llvm::zip(operands, arguments))
    if (parser.resolveOperand(operand, argument.type, state.operands))
      return failure();
  state.addTypes(types);
  auto &properties = state.getOrAddProperties<Properties>();
  properties.kind = KernelKindAttr::get(parser.getContext(), *kind);
  properties.tied = parser.getBuilder().getDenseI64ArrayAttr(tied);
  return parser.parseRegion(*state.addRegion(), arguments);
}

void KernelOp::print(OpAsmPrinter &p) {
  p << ' ' << stringifyKernelKind(getKind()) << " (";
  llvm::interleaveComma(llvm::zip(getBodyBlock()->getArguments(), getInputs()), p, [&](auto pair) {
    auto [argument, input] = pair;
    p.printRegionArgument(argument, {}, /*omitType=*/true);
    p << " = " << input << " : " << input.getType();
  });
  p << ")";
  p.printArrowTypeList(getResultTypes());
  if (llvm::any_of(getTied(), [](int64_t t) { return t >= 0; })) {
    p << " tied [";
    llvm::interleaveComma(getTied(), p);
    p << "]";
  }
  p.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {"kind", "tied"});
  p << ' ';
  p.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult KernelOp::verify() {
  if (getBodyBlock()->getArgumentTypes() != TypeRange(getInputs()))
    return emitOpError("has block arguments of other types than its inputs");
  auto yield = dyn_cast<YieldOp>(getYield());
  if (!yield || TypeRange(yield.getValues()) != TypeRange(getResults()))
    return emitOpError("must end in a plan.yield of its result types");
  if (getTied().size() != getNumResults())
    return emitOpError("has ") << getTied().size() << " entries in tied for " << getNumResults()
                               << " results";
  for (auto [r, t] : llvm::enumerate(getTied())) {
    if (t < 0)
      continue;
    if (t >= int64_t(getInputs().size()))
      return emitOpError("ties result ")
             << r << " to operand " << t << " of " << getInputs().size();
    if (getInputs()[t].getType() != getResult(r).getType())
      return emitOpError("ties result ") << r << " of " << getResult(r).getType() << " to operand "
                                         << t << " of " << getInputs()[t].getType();
  }
  if (getKind() == KernelKind::Fused)
    return success();
  for (Operation &op : getBodyBlock()->without_terminator())
    if (!isa<KernelOp>(op) || cast<KernelOp>(op).getKind() != KernelKind::Fused)
      if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
        return emitOpError("of kind ")
               << stringifyKernelKind(getKind()) << " holds something else than fused kernels";
  return success();
}

//===----------------------------------------------------------------------===//
// ScanOp, SortOp, ScatterOp
//===----------------------------------------------------------------------===//

/// Results have the lines of the operand; with `shorter`, only the first elements of them.
static LogicalResult verifyLines(Operation *op, int64_t axis, bool shorter = false) {
  auto type = cast<RankedTensorType>(op->getOperand(0).getType());
  if (axis < 0 || axis >= type.getRank())
    return op->emitOpError("axis ") << axis << " is out of range for " << type;
  SmallVector<int64_t> shape(type.getShape());
  auto first = cast<RankedTensorType>(op->getResult(0).getType());
  if (shorter && first.getRank() == type.getRank())
    shape[axis] = std::clamp<int64_t>(first.getDimSize(axis), 1, shape[axis]);
  for (Type result : op->getResultTypes())
    if (cast<RankedTensorType>(result).getShape() != ArrayRef(shape))
      return op->emitOpError("has a result ") << result << " for " << type;
  return success();
}

/// A body of two scalars of one type that yields one scalar.
static LogicalResult verifyBinaryBody(Operation *op, Type argument, Type result) {
  Block &body = op->getRegion(0).front();
  if (body.getArgumentTypes() != TypeRange({argument, argument}))
    return op->emitOpError("must have a body of two arguments of ") << argument;
  if (!isa<YieldOp>(body.back()) || body.back().getOperandTypes() != TypeRange(result))
    return op->emitOpError("must have a body that yields ") << result;
  return success();
}

LogicalResult ScanOp::verifyRegions() {
  if (failed(verifyLines(*this, getAxis())))
    return failure();
  return verifyBinaryBody(*this, getNeutral().getType(), getNeutral().getType());
}

std::optional<uint32_t> ScanOp::getStepKind() { return std::nullopt; }

int64_t ScanOp::getFlops() {
  if (!isa<FloatType>(getNeutral().getType()))
    return 0;
  int64_t elements = cast<RankedTensorType>(getInput().getType()).getNumElements();
  return elements * llvm::range_size(getCombiner().front().without_terminator());
}

LogicalResult SortOp::verifyRegions() {
  if (failed(verifyLines(*this, getAxis(), /*shorter=*/true)))
    return failure();
  if (!getElementTypeOrSelf(getPlaces().getType()).isInteger())
    return emitOpError("must have places of an integer type, not ") << getPlaces().getType();
  if (getElementTypeOrSelf(getSorted().getType()) != getElementTypeOrSelf(getKeys().getType()))
    return emitOpError("sorts ") << getKeys().getType() << " into " << getSorted().getType();
  Type key = ampc::KernelBuilder::computeType(getElementTypeOrSelf(getKeys().getType()));
  return verifyBinaryBody(*this, key, IntegerType::get(getContext(), 1));
}

std::optional<uint32_t> SortOp::getStepKind() { return std::nullopt; }
int64_t SortOp::getFlops() { return 0; }

LogicalResult ScatterOp::verifyRegions() {
  auto type = cast<RankedTensorType>(getResult().getType());
  auto updates = cast<RankedTensorType>(getUpdates().getType());
  auto places = cast<RankedTensorType>(getPlaces().getType());
  int64_t axis = getAxis();
  if (axis < 0 || axis >= type.getRank())
    return emitOpError("axis ") << axis << " is out of range for " << type;
  Type element = type.getElementType();
  if (bool(getData()) == bool(getInitial()) || (getData() && getData().getType() != type) ||
      (getInitial() && getInitial()->getType() != element))
    return emitOpError("must have either data or an initial element for ") << type;
  bool fits = updates.getRank() == type.getRank() && places.getRank() == type.getRank();
  for (int64_t d = 0; fits && d < type.getRank(); ++d) {
    int64_t count = updates.getDimSize(d);
    bool isShared = d != axis && places.getDimSize(d) == 1;
    fits =
        (isShared || places.getDimSize(d) == count) && (d == axis || count <= type.getDimSize(d));
  }
  if (!fits || !places.getElementType().isSignlessInteger())
    return emitOpError("has updates ")
           << updates << " at places " << places << ", which do not fit " << type;
  if (ampc::KernelBuilder::computeType(element) != element ||
      ampc::KernelBuilder::computeType(updates.getElementType()) != element)
    return emitOpError("merges ") << updates << " into " << type;
  return verifyBinaryBody(*this, element, element);
}

std::optional<uint32_t> ScatterOp::getStepKind() { return std::nullopt; }

int64_t ScatterOp::getFlops() {
  auto updates = cast<RankedTensorType>(getUpdates().getType());
  if (!isa<FloatType>(getElementTypeOrSelf(getResult().getType())))
    return 0;
  return updates.getNumElements() * llvm::range_size(getMerge().front().without_terminator());
}

//===----------------------------------------------------------------------===//
// LaunchOp, CopyOp
//===----------------------------------------------------------------------===//

std::optional<uint32_t> LaunchOp::getStepKind() { return AMPC_STEP_LAUNCH; }

int64_t LaunchOp::getTiedOperand(unsigned index) {
  return index < getTied().size() ? getTied()[index] : -1;
}

//===----------------------------------------------------------------------===//
// LoopOp
//===----------------------------------------------------------------------===//

std::optional<uint32_t> LoopOp::getStepKind() { return AMPC_STEP_LOOP; }
int64_t LoopOp::getFlops() { return 0; } // those of its body

LogicalResult LoopOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto function = symbols.lookupNearestSymbolFrom<FunctionOpInterface>(*this, getBodyAttr());
  if (!function || function.isExternal() || !function->hasAttr(kLoopBodyAttr))
    return emitOpError("has no body: ")
           << getBodyAttr() << " is no function marked " << kLoopBodyAttr;
  int64_t count = getCount();
  if (count < 1)
    return emitOpError("runs ") << count << " times";
  if (getNumResults() < getNumCarried() + 1 ||
      getReversed().size() != getSequences().size() + getNumOutputs())
    return emitOpError("has ") << getNumResults() << " results and " << getReversed().size()
                               << " directions for " << getNumCarried() << " carried values and "
                               << getSequences().size() << " sequences";
  auto sliceOf = [&](Type type) {
    auto stack = cast<RankedTensorType>(type);
    return stack.getRank() > 0 && stack.getDimSize(0) == count
               ? stack.clone(stack.getShape().drop_front())
               : RankedTensorType();
  };
  SmallVector<Type> arguments(getInitial().getTypes()), results(arguments);
  for (Type type : getSequences().getTypes())
    arguments.push_back(sliceOf(type));
  llvm::append_range(arguments, getInvariants().getTypes());
  for (unsigned i = 0; i < getNumOutputs(); ++i)
    results.push_back(sliceOf(getResult(getNumCarried() + i).getType()));
  for (unsigned i = 0; i < getNumCarried(); ++i)
    if (getResult(i).getType() != arguments[i])
      return emitOpError("carries ") << arguments[i] << " and ends with " << getResult(i).getType();
  if (!isOpaque(getMemory().getType()))
    return emitOpError("has memory of ") << getMemory().getType() << ", not bytes";
  if (function.getArgumentTypes() != ArrayRef(arguments) ||
      function.getResultTypes() != ArrayRef(results))
    return emitOpError("does not fit its body ")
           << getBodyAttr() << ", a " << function.getFunctionType();
  if (function.getFunctionBody()
          .walk([](LoopOp) { return WalkResult::interrupt(); })
          .wasInterrupted())
    return emitOpError("has a loop in its body ") << getBodyAttr();
  return success();
}

std::optional<uint32_t> CopyOp::getStepKind() { return AMPC_STEP_COPY; }
int64_t CopyOp::getFlops() { return 0; }

//===----------------------------------------------------------------------===//
// MatMulOp
//===----------------------------------------------------------------------===//

namespace {
struct ProductShape {
  int64_t lhsBatch, rhsBatch, m, n, k, rhsK;
};

ProductShape shapeOf(MatMulOp op) {
  auto lhs = cast<RankedTensorType>(op.getLhs().getType()).getShape();
  auto rhs = cast<RankedTensorType>(op.getRhs().getType()).getShape();
  auto last = [](ArrayRef<int64_t> s, bool swap, unsigned i) {
    return s[s.size() - 2 + (swap ? 1 - i : i)];
  };
  return {lhs.size() == 3 ? lhs[0] : 1,       rhs.size() == 3 ? rhs[0] : 1,
          last(lhs, op.getTransposeLhs(), 0), last(rhs, op.getTransposeRhs(), 1),
          last(lhs, op.getTransposeLhs(), 1), last(rhs, op.getTransposeRhs(), 0)};
}
} // namespace

LogicalResult MatMulOp::verify() {
  auto lhs = cast<RankedTensorType>(getLhs().getType());
  auto rhs = cast<RankedTensorType>(getRhs().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  auto rankOk = [](RankedTensorType t) { return t.getRank() == 2 || t.getRank() == 3; };
  if (!rankOk(lhs) || !rankOk(rhs) || !rankOk(result))
    return emitOpError("takes operands of rank 2 or 3");
  ProductShape s = shapeOf(*this);
  if (s.k != s.rhsK)
    return emitOpError("inner dimensions differ: ")
           << s.k << " in lhs " << lhs << ", " << s.rhsK << " in rhs " << rhs;
  if (s.lhsBatch != s.rhsBatch && s.lhsBatch != 1 && s.rhsBatch != 1)
    return emitOpError("batches differ: ") << s.lhsBatch << " and " << s.rhsBatch;
  SmallVector<int64_t> expected;
  if (result.getRank() == 3)
    expected.push_back(std::max(s.lhsBatch, s.rhsBatch));
  expected.append({s.m, s.n});
  if (result.getShape() != ArrayRef(expected))
    return emitOpError("has result ") << result << ", its operands give "
                                      << RankedTensorType::get(expected, result.getElementType());
  if (Value bias = getBias())
    if (cast<RankedTensorType>(bias.getType()).getShape() != ArrayRef<int64_t>(s.n))
      return emitOpError("has a bias ") << bias.getType() << " for " << s.n << " columns";
  if (!getSums())
    return getSumLhs() ? emitOpError("has no sums, of whichever operand") : success();
  auto sums = cast<RankedTensorType>(getSums().getType());
  auto wanted = RankedTensorType::get({getSumLhs() ? s.m : s.n}, result.getElementType());
  if (sums != wanted)
    return emitOpError("has sums ") << sums << ", its operand gives " << wanted;
  if (result.getRank() != 2 || getBias() || getEpilogue() != Epilogue::None)
    return emitOpError("has sums beside a batch, a bias or an epilogue");
  return success();
}

int64_t MatMulOp::getFlops() {
  ProductShape s = shapeOf(*this);
  return 2 * std::max(s.lhsBatch, s.rhsBatch) * s.m * s.n * s.k;
}

std::optional<uint32_t> MatMulOp::getStepKind() { return AMPC_STEP_LIBRARY; }
uint32_t MatMulOp::getLibraryCall() { return AMPC_LIBRARY_MATMUL; }
StringRef MatMulOp::getLibraryName() { return "matmul"; }

SmallVector<int64_t> MatMulOp::getIntegers() {
  ProductShape s = shapeOf(*this);
  SmallVector<int64_t> integers(AMPC_MATMUL_INTEGER_COUNT);
  integers[AMPC_MATMUL_BATCH] = std::max(s.lhsBatch, s.rhsBatch);
  integers[AMPC_MATMUL_M] = s.m;
  integers[AMPC_MATMUL_N] = s.n;
  integers[AMPC_MATMUL_K] = s.k;
  integers[AMPC_MATMUL_TRANSPOSE_LHS] = getTransposeLhs();
  integers[AMPC_MATMUL_TRANSPOSE_RHS] = getTransposeRhs();
  integers[AMPC_MATMUL_LHS_STRIDE] = s.lhsBatch == 1 ? 0 : s.m * s.k;
  integers[AMPC_MATMUL_RHS_STRIDE] = s.rhsBatch == 1 ? 0 : s.k * s.n;
  integers[AMPC_MATMUL_HAS_BIAS] = bool(getBias());
  integers[AMPC_MATMUL_EPILOGUE] =
      getEpilogue() == Epilogue::Relu ? AMPC_EPILOGUE_RELU : AMPC_EPILOGUE_NONE;
  integers[AMPC_MATMUL_ALPHA] = llvm::bit_cast<int64_t>(getAlpha().convertToDouble());
  if (getSums())
    integers.push_back(getSumLhs() ? AMPC_MATMUL_SUMS_LHS : AMPC_MATMUL_SUMS_RHS);
  return integers;
}

Value MatMulOp::fuseSums(OpBuilder &builder, unsigned index) {
  auto result = cast<RankedTensorType>(getResult().getType());
  // The product sums along the first dimension of the operand as it is stored.
  bool isSummed = index == 0 ? getTransposeLhs() : index == 1 && !getTransposeRhs();
  if (!isSummed || getSums() || getBias() || getEpilogue() != Epilogue::None ||
      result.getRank() != 2)
    return {};
  auto sums = RankedTensorType::get({result.getDimSize(index)}, result.getElementType());
  auto product = create(builder, getLoc(), result, sums, getLhs(), getRhs(), Value(),
                        getTransposeLhs(), getTransposeRhs(), getAlpha(), getEpilogue(),
                        /*sum_lhs=*/index == 0);
  product->setDiscardableAttrs(getOperation()->getDiscardableAttrDictionary());
  getResult().replaceAllUsesWith(product.getResult());
  erase();
  return product.getSums();
}

bool MatMulOp::fuseEpilogue(EpilogueKind epilogue, Value operand) {
  if (getEpilogue() != Epilogue::None || getSums())
    return false;
  switch (epilogue) {
  case EpilogueKind::Bias:
    if (getBias())
      return false;
    getBiasMutable().assign(operand);
    return true;
  case EpilogueKind::Relu:
    setEpilogue(Epilogue::Relu);
    return true;
  }
  return false;
}

//===----------------------------------------------------------------------===//
// ConvolutionOp
//===----------------------------------------------------------------------===//

namespace {
/// What lies as [n, h, w, c], as [n, c, h, w].
RankedTensorType channelsFirst(RankedTensorType type) {
  if (type.getRank() != 4) // of no convolution
    return type;
  return type.clone(applyPermutation(type.getShape(), {0, 3, 1, 2}));
}

/// The types of a convolution's tensors with channels before points, whichever of them the op
/// computes.
struct ConvolutionTypes {
  RankedTensorType input, filter, output;
};

ConvolutionTypes typesOf(ConvolutionOp op) {
  auto lhs = cast<RankedTensorType>(op.getLhs().getType());
  auto rhs = cast<RankedTensorType>(op.getRhs().getType());
  auto result = cast<RankedTensorType>(op.getResult().getType());
  ConvolutionTypes types;
  switch (op.getKind()) {
  case ConvolutionKind::Forward:
    types = {lhs, rhs, result};
    break;
  case ConvolutionKind::InputGradient:
    types = {result, rhs, lhs};
    break;
  case ConvolutionKind::FilterGradient:
    types = {rhs, result, lhs};
    break;
  }
  if (op.getChannelsLast())
    for (RankedTensorType *image : {&types.input, &types.output})
      *image = channelsFirst(*image);
  return types;
}
} // namespace

LogicalResult ConvolutionOp::verify() {
  auto [input, filter, output] = typesOf(*this);
  for (RankedTensorType type : {input, filter, output})
    if (type.getRank() != 4 || type.getNumElements() == 0)
      return emitOpError("takes operands of rank 4 with elements, not ") << type;
  if (getStrides().size() != 2 || getDilations().size() != 2 || getPads().size() != 4)
    return emitOpError("takes 2 strides, 2 dilations and 4 pads");
  int64_t groups = getGroups();
  if (groups < 1 || filter.getDimSize(1) * groups != input.getDimSize(1) ||
      filter.getDimSize(0) % groups != 0 || filter.getDimSize(0) != output.getDimSize(1) ||
      input.getDimSize(0) != output.getDimSize(0))
    return emitOpError("has channels of ") << input << ", " << filter << " and " << output
                                           << " that do not fit " << groups << " groups";
  for (int axis : {0, 1}) {
    int64_t reach = getDilations()[axis] * (filter.getDimSize(2 + axis) - 1) + 1;
    int64_t room = input.getDimSize(2 + axis) + getPads()[axis] + getPads()[2 + axis];
    if (getStrides()[axis] < 1 || getDilations()[axis] < 1 || room < reach ||
        (room - reach) / getStrides()[axis] + 1 != output.getDimSize(2 + axis))
      return emitOpError("has extents of ") << input << ", " << filter << " and " << output
                                            << " that do not fit along dimension " << 2 + axis;
  }
  if (Value bias = getBias())
    if (getKind() != ConvolutionKind::Forward ||
        cast<RankedTensorType>(bias.getType()).getShape() != filter.getShape().take_front())
      return emitOpError("has a bias ") << bias.getType() << " for " << filter;
  return success();
}

/// Two for each tap that a window has, those on the padding included.
int64_t ConvolutionOp::getFlops() {
  auto [input, filter, output] = typesOf(*this);
  return 2 * output.getNumElements() * (filter.getNumElements() / filter.getDimSize(0));
}

std::optional<uint32_t> ConvolutionOp::getStepKind() { return AMPC_STEP_LIBRARY; }
uint32_t ConvolutionOp::getLibraryCall() { return AMPC_LIBRARY_CONVOLUTION; }
StringRef ConvolutionOp::getLibraryName() { return "convolution"; }

SmallVector<int64_t> ConvolutionOp::getIntegers() {
  auto [input, filter, output] = typesOf(*this);
  SmallVector<int64_t> integers(AMPC_CONVOLUTION_INTEGER_COUNT);
  integers[AMPC_CONVOLUTION_KIND] = int64_t(getKind());
  integers[AMPC_CONVOLUTION_N] = input.getDimSize(0);
  integers[AMPC_CONVOLUTION_C] = input.getDimSize(1);
  integers[AMPC_CONVOLUTION_H] = input.getDimSize(2);
  integers[AMPC_CONVOLUTION_W] = input.getDimSize(3);
  integers[AMPC_CONVOLUTION_K] = filter.getDimSize(0);
  integers[AMPC_CONVOLUTION_R] = filter.getDimSize(2);
  integers[AMPC_CONVOLUTION_S] = filter.getDimSize(3);
  llvm::copy(getStrides(), &integers[AMPC_CONVOLUTION_STRIDE]);
  llvm::copy(getPads(), &integers[AMPC_CONVOLUTION_PAD]);
  llvm::copy(getDilations(), &integers[AMPC_CONVOLUTION_DILATION]);
  integers[AMPC_CONVOLUTION_GROUPS] = getGroups();
  integers[AMPC_CONVOLUTION_HAS_BIAS] = bool(getBias());
  integers[AMPC_CONVOLUTION_EPILOGUE] =
      getEpilogue() == Epilogue::Relu ? AMPC_EPILOGUE_RELU : AMPC_EPILOGUE_NONE;
  if (getChannelsLast())
    integers.push_back(AMPC_LAYOUT_NHWC); // AMPC_CONVOLUTION_LAYOUT
  return integers;
}

bool ConvolutionOp::fuseEpilogue(EpilogueKind epilogue, Value) {
  if (epilogue != EpilogueKind::Relu || getEpilogue() != Epilogue::None)
    return false;
  setEpilogue(Epilogue::Relu);
  return true;
}
