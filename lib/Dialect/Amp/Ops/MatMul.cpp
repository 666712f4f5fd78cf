//===- MatMul.cpp - Matrix products ---------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/MatMul.h"
#include "AttentionBuilder.h"
#include "Einsum.h"
#include "Estimators.h"
#include "SamplingImport.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Plan/Plan.h"

using namespace mlir;
using namespace ampc;

/// The dimensions in front of the matrix.
static ArrayRef<int64_t> batchOf(RankedTensorType type) { return type.getShape().drop_back(2); }

static int64_t product(ArrayRef<int64_t> extents) { return llvm::product_of(extents); }

/// `batch` followed by `rows` and `columns`.
static SmallVector<int64_t> matrixShape(ArrayRef<int64_t> batch, int64_t rows, int64_t columns) {
  SmallVector<int64_t> shape(batch);
  shape.append({rows, columns});
  return shape;
}

//===----------------------------------------------------------------------===//
// Import
//===----------------------------------------------------------------------===//

static NamedAttribute unit(OpBuilder &builder, StringRef name) {
  return builder.getNamedAttr(name, builder.getUnitAttr());
}

/// A product with `attributes`, and with a bias where there is one.
static FailureOr<Value> importProduct(OnnxNode &node, OpBuilder &builder, Value lhs, Value rhs,
                                      Value bias, ArrayRef<NamedAttribute> attributes) {
  SmallVector<Value> operands{lhs, rhs};
  if (bias)
    operands.push_back(bias);
  for (Value operand : operands)
    if (!isa<FloatType>(tensorType(operand).getElementType()))
      return node.emitError() << "products are of floats, but an operand is " << operand.getType();
  return importOp<MatMulOp>(node, builder, operands, attributes);
}

/// numpy.matmul: an operand of rank 1 is a row on the left and a column on the
/// right, and the result lacks that dimension.
static FailureOr<Value> importMatMul(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  Value lhs = node.input(0), rhs = node.input(1);
  RankedTensorType left = tensorType(lhs), right = tensorType(rhs);
  if (left.getRank() == 0 || right.getRank() == 0)
    return node.emitError() << "operands must have rank 1 or more, but are " << left << " and "
                            << right;
  if (left.getRank() == 1)
    lhs = reshapeTo(builder, node.loc, lhs, {1, left.getDimSize(0)});
  if (right.getRank() == 1)
    rhs = reshapeTo(builder, node.loc, rhs, {right.getDimSize(0), 1});
  FailureOr<Value> result = importProduct(node, builder, lhs, rhs, Value(), {});
  if (failed(result))
    return failure();
  SmallVector<int64_t> shape(tensorType(*result).getShape());
  if (right.getRank() == 1)
    shape.pop_back();
  if (left.getRank() == 1)
    shape.erase(shape.end() - (right.getRank() == 1 ? 1 : 2));
  return reshapeTo(builder, node.loc, *result, shape);
}

/// alpha * op(A) * op(B) + beta * C.
static FailureOr<Value> importGemm(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(node.version < 11 ? 3 : 2, 3)))
    return failure();
  if (node.version < 7) // C broadcasts with or without it
    node.knowAttributes({"broadcast"});
  Value a = node.input(0), b = node.input(1), c = node.input(2);
  for (Value operand : {a, b})
    if (tensorType(operand).getRank() != 2)
      return node.emitError() << "A and B must be matrices, but are " << a.getType() << " and "
                              << b.getType();
  SmallVector<NamedAttribute> attributes;
  bool transposeB = node.getInt("transB", 0) != 0;
  if (node.getInt("transA", 0))
    attributes.push_back(unit(builder, "transpose_lhs"));
  if (transposeB)
    attributes.push_back(unit(builder, "transpose_rhs"));
  double alpha = node.getFloat("alpha", 1), beta = node.getFloat("beta", 1);
  if (alpha != 1)
    attributes.push_back(builder.getNamedAttr("alpha", builder.getF64FloatAttr(alpha)));
  if (!c || beta == 0)
    return importProduct(node, builder, a, b, Value(), attributes);

  // A row that is added to each row of the product is the product's bias.
  int64_t columns = tensorType(b).getDimSize(transposeB ? 0 : 1);
  ArrayRef<int64_t> shape = tensorType(c).getShape();
  bool isRow = !shape.empty() && shape.size() <= 2 && shape.back() == columns &&
               (shape.size() == 1 || shape.front() == 1);
  if (isRow && beta == 1)
    return importProduct(node, builder, a, b, reshapeTo(builder, node.loc, c, {columns}),
                         attributes);

  FailureOr<Value> result = importProduct(node, builder, a, b, Value(), attributes);
  if (failed(result))
    return failure();
  Type elementType = tensorType(c).getElementType();
  if (beta != 1)
    c = builder.createOrFold<MulOp>(
        node.loc, c, splat(builder, node.loc, RankedTensorType::get({}, elementType), beta));
  RankedTensorType type = tensorType(*result);
  FailureOr<Value> sum = importOp<AddOp>(node, builder, {*result, c});
  if (succeeded(sum) && tensorType(*sum).getShape() != type.getShape())
    return node.emitError() << "C, " << node.input(2).getType()
                            << ", does not broadcast to the product, " << type;
  return sum;
}

/// ONNX Runtime's product with transposes and a factor.
static FailureOr<Value> importFusedMatMul(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  if (node.getInt("transBatchA", 0) || node.getInt("transBatchB", 0))
    return node.emitError() << "attributes 'transBatchA' and 'transBatchB' must be 0";
  SmallVector<NamedAttribute> attributes;
  if (node.getInt("transA", 0))
    attributes.push_back(unit(builder, "transpose_lhs"));
  if (node.getInt("transB", 0))
    attributes.push_back(unit(builder, "transpose_rhs"));
  if (double alpha = node.getFloat("alpha", 1); alpha != 1)
    attributes.push_back(builder.getNamedAttr("alpha", builder.getF64FloatAttr(alpha)));
  return importProduct(node, builder, node.input(0), node.input(1), Value(), attributes);
}

FailureOr<SmallVector<Value>> MatMulOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (StringRef(node.opType).ends_with("Attention"))
    return importAttention(node, builder);
  if (node.opType == "FusedMatMul")
    return single(importFusedMatMul(node, builder));
  if (node.opType == "Einsum")
    return single(importEinsum(node, builder));
  if (StringRef(node.opType).starts_with("Linear"))
    return importLinearModel(node, builder);
  if (node.opType == "DeformConv")
    return single(importDeformConv(node, builder));
  return single(node.opType == "Gemm" ? importGemm(node, builder) : importMatMul(node, builder));
}

//===----------------------------------------------------------------------===//
// Type
//===----------------------------------------------------------------------===//

FloatRange MatMulOp::inferRange(ArrayRef<FloatRange> operands) {
  return inferProductRange(operands);
}

LogicalResult MatMulOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                         Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType lhs = tensorType(adaptor.getLhs()), rhs = tensorType(adaptor.getRhs());
  Type elementType = lhs.getElementType();
  if (elementType != rhs.getElementType()) // matmul_c1
    return inferenceError(location, "element types differ: ", lhs, " and ", rhs);
  if (lhs.getRank() < 2 || rhs.getRank() < 2) // matmul_c2
    return inferenceError(location, "operands must have rank 2 or more, but are ", lhs, " and ",
                          rhs);
  auto extents = [](RankedTensorType type, bool transposed) {
    ArrayRef<int64_t> matrix = type.getShape().take_back(2);
    return std::pair(matrix[transposed], matrix[!transposed]);
  };
  auto [rows, lhsInner] = extents(lhs, adaptor.getTransposeLhs());
  auto [rhsInner, columns] = extents(rhs, adaptor.getTransposeRhs());
  if (lhsInner != rhsInner) // matmul_c3
    return inferenceError(location, "inner dimensions differ: ", lhsInner, " in lhs ", lhs, ", ",
                          rhsInner, " in rhs ", rhs);
  std::optional<SmallVector<int64_t>> batch = broadcastShapes({batchOf(lhs), batchOf(rhs)});
  if (!batch) // matmul_c4
    return inferenceError(location, "batch dimensions do not broadcast: ", lhs, " and ", rhs);
  if (adaptor.getWide())
    elementType = KernelBuilder::computeType(elementType);
  if (Value bias = adaptor.getBias()) {
    auto expected = RankedTensorType::get(columns, elementType);
    if (bias.getType() != expected) // matmul_c5
      return inferenceError(location, "the bias must be ", expected, ", but is ", bias.getType());
  }
  types.push_back(RankedTensorType::get(matrixShape(*batch, rows, columns), elementType));
  return success();
}

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

namespace {
/// An operand of a product in a gradient, with its transpose flag.
struct Factor {
  Value value;
  bool transposed;
};
} // namespace

/// `alpha * op(lhs) * op(rhs)`, for an operand whose gradient has element type
/// `type`.
static Value gradientProduct(GradientBuilder &gradient, Factor lhs, Factor rhs,
                             const APFloat &alpha, ArrayRef<int64_t> shape, Type type) {
  RankedTensorType left = tensorType(lhs.value);
  SmallVector<int64_t> batch = *broadcastShapes({batchOf(left), batchOf(tensorType(rhs.value))});
  // A sum over batches follows where the operand was broadcast: no rounding
  // before it.
  bool isSummed = product(batch) != product(shape.drop_back(2));
  bool wide = type != left.getElementType() || isSummed;
  return gradient.create<MatMulOp>(lhs.value, rhs.value, Value(), lhs.transposed, rhs.transposed,
                                   alpha, wide);
}

// With g the gradient of the result, and A = op(lhs), B = op(rhs):
//   dA = alpha * g * B^T, dB = alpha * A^T * g, and for a transposed operand
//   the transposes of these; d bias = the sum of g over all rows.
void MatMulOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient(), lhs = getLhs(), rhs = getRhs();
  bool lhsTransposed = getTransposeLhs(), rhsTransposed = getTransposeRhs();
  APFloat alpha = getAlpha();
  // The products compute in the type of the operands, as the forward product
  // did.
  g = gradient.cast(g, tensorType(lhs).getElementType());

  if (gradient.needs(0)) {
    Factor first{g, false}, second{rhs, !rhsTransposed};
    if (lhsTransposed) {
      first = {rhs, rhsTransposed};
      second = {g, true};
    }
    gradient.set(0, gradientProduct(gradient, first, second, alpha, tensorType(lhs).getShape(),
                                    gradient.gradientElementType(0)));
  }

  if (gradient.needs(1)) {
    RankedTensorType left = tensorType(lhs), type = tensorType(g);
    Value a = lhs, dy = g;
    // One matrix for all batches: their rows are the rows of one product, whose
    // inner dimension then sums the batches as well.
    bool isShared = product(batchOf(tensorType(rhs))) == 1 && !lhsTransposed &&
                    batchOf(left) == batchOf(type) && left.getRank() > 2;
    if (isShared) {
      auto flatten = [&](Value x) {
        RankedTensorType from = tensorType(x);
        int64_t columns = from.getShape().back();
        int64_t rows = product(from.getShape().drop_back());
        return gradient.create<ReshapeOp>(x, ArrayRef<int64_t>{rows, columns});
      };
      a = flatten(a);
      dy = flatten(dy);
    }
    Factor first{a, !lhsTransposed}, second{dy, false};
    if (rhsTransposed) {
      first = {dy, true};
      second = {a, lhsTransposed};
    }
    ArrayRef<int64_t> shape = tensorType(rhs).getShape();
    Value product =
        gradientProduct(gradient, first, second, alpha, isShared ? shape.take_back(2) : shape,
                        gradient.gradientElementType(1));
    if (isShared && shape.size() > 2)
      product = gradient.create<ReshapeOp>(product, shape);
    gradient.set(1, product);
  }

  if (getBias())
    gradient.set(2, gradient.resultGradient());
}

ProductExtents MatMulOp::getProductExtents() {
  RankedTensorType left = tensorType(getLhs()), type = getType();
  int64_t inner = left.getShape().take_back(2)[!getTransposeLhs()];
  return {2.0 * double(type.getNumElements()) * double(inner), inner, type.getShape().back()};
}

//===----------------------------------------------------------------------===//
// Merging
//===----------------------------------------------------------------------===//

std::optional<int64_t> MatMulOp::getMergedDim(unsigned index) {
  if (index == 0)
    return std::nullopt;
  if (index == 2)
    return 0;
  return tensorType(getRhs()).getRank() - (getTransposeRhs() ? 2 : 1);
}

int64_t MatMulOp::getMergedResultDim() { return getType().getRank() - 1; }

//===----------------------------------------------------------------------===//
// Kernel
//===----------------------------------------------------------------------===//

/// The operand as one matrix, or as one batch dimension and a matrix. Batches
/// that broadcast in part are written out.
static Value flattenBatch(KernelBuilder &kernel, Value x, ArrayRef<int64_t> batch) {
  RankedTensorType type = tensorType(x);
  ArrayRef<int64_t> matrix = type.getShape().take_back(2);
  if (product(batchOf(type)) == 1)
    return kernel.reshape(x, {1, matrix[0], matrix[1]});
  if (product(batchOf(type)) != product(batch)) {
    auto full = type.clone(matrixShape(batch, matrix[0], matrix[1]));
    x = kernel.pointwise(x, full, [](ScalarBuilder &, ValueRange element) { return element[0]; });
  }
  return kernel.reshape(x, {product(batch), matrix[0], matrix[1]});
}

SmallVector<Value> MatMulOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType();
  Value lhs = operands[0], rhs = operands[1];
  Value bias = getBias() ? operands[2] : Value();
  RankedTensorType left = tensorType(lhs), right = tensorType(rhs);
  ArrayRef<int64_t> leftMatrix = left.getShape().take_back(2);
  ArrayRef<int64_t> rightMatrix = right.getShape().take_back(2);
  int64_t rows = leftMatrix[getTransposeLhs()], inner = leftMatrix[!getTransposeLhs()];
  int64_t columns = rightMatrix[!getTransposeRhs()];
  ArrayRef<int64_t> batch = batchOf(type);

  if (inner == 0 || type.getNumElements() == 0) { // nothing for a library to do
    Value zero = kernel.splat(type, 0);
    if (!bias || type.getNumElements() == 0)
      return {zero};
    return {kernel.pointwise(bias, type, [](ScalarBuilder &, ValueRange x) { return x[0]; })};
  }

  SmallVector<int64_t> shape;
  if (product(batchOf(right)) == 1 && (!getTransposeLhs() || product(batch) == 1)) {
    // The rows of all batches are the rows of one matrix.
    lhs = kernel.reshape(lhs, {product(batchOf(left)) * leftMatrix[0], leftMatrix[1]});
    rhs = kernel.reshape(rhs, rightMatrix);
    shape = {product(batch) * rows, columns};
  } else {
    lhs = flattenBatch(kernel, lhs, batch);
    rhs = flattenBatch(kernel, rhs, batch);
    shape = {product(batch), rows, columns};
  }
  auto call = plan::MatMulOp::create(kernel.builder, kernel.loc, type.clone(shape), lhs, rhs, bias,
                                     getTransposeLhs(), getTransposeRhs(), getAlpha(),
                                     plan::Epilogue::None);
  return {kernel.reshape(call.getResult(), type.getShape())};
}

//===----------------------------------------------------------------------===//
// Canonicalization
//===----------------------------------------------------------------------===//

namespace {
/// A row added to the only use of a product is the product's bias: one rounding
/// less, and the library adds it for nothing.
struct FuseBias : OpRewritePattern<AddOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AddOp add, PatternRewriter &rewriter) const override {
    for (auto [matrix, row] :
         {std::pair(add.getLhs(), add.getRhs()), std::pair(add.getRhs(), add.getLhs())}) {
      auto matmul = matrix.getDefiningOp<MatMulOp>();
      if (!matmul || !matmul->hasOneUse() || matmul.getBias() || add.getType() != matmul.getType())
        continue;
      ArrayRef<int64_t> shape = row.getType().getShape();
      if (shape.empty() || shape.back() != matmul.getType().getShape().back() ||
          row.getType().getNumElements() != shape.back())
        continue;
      // The user may have asked for another precision of the sum; else the bias is a part of the
      // product, whatever is asked of that.
      if (!add->getDiscardableAttrDictionary().empty() &&
          matmul->getDiscardableAttrDictionary() != add->getDiscardableAttrDictionary())
        continue;
      Location loc = rewriter.getFusedLoc({matmul.getLoc(), add.getLoc()});
      Value bias = row;
      if (shape.size() > 1)
        bias = ReshapeOp::create(rewriter, loc, bias, shape.take_back());
      auto fused = MatMulOp::create(rewriter, loc, matmul.getType(), matmul.getLhs(),
                                    matmul.getRhs(), bias, matmul.getTransposeLhs(),
                                    matmul.getTransposeRhs(), matmul.getAlpha(), matmul.getWide());
      fused->setDiscardableAttrs(matmul->getDiscardableAttrDictionary());
      rewriter.replaceOp(add, fused);
      return success();
    }
    return rewriter.notifyMatchFailure(add, "no row is added to the only use of a product");
  }
};

/// A transpose of a factor that makes its last dimension the one before is a flag, in part at
/// least: what is left of it moves whole rows. Nothing is left where a weight lies the other way
/// round, as those of PyTorch's linear layers do.
struct FoldTranspose : OpRewritePattern<MatMulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MatMulOp matmul, PatternRewriter &rewriter) const override {
    for (OpOperand *factor : {&matmul.getLhsMutable(), &matmul.getRhsMutable()}) {
      auto transpose = factor->get().getDefiningOp<TransposeOp>();
      if (!transpose || !turnsRows(transpose) || isRows(matmul, *factor))
        continue;
      Value turned = transpose.getInput();
      SmallVector<int64_t> rest(transpose.getPermutation());
      std::swap(rest.back(), rest[rest.size() - 2]);
      if (!llvm::is_sorted(rest)) {
        if (!transpose->hasOneUse())
          continue; // else it would be moved twice
        turned = TransposeOp::create(rewriter, transpose.getLoc(), turned, rest);
      }
      bool isLhs = factor == &matmul.getLhsMutable();
      rewriter.modifyOpInPlace(matmul, [&] {
        factor->set(turned);
        if (isLhs)
          matmul.setTransposeLhs(!matmul.getTransposeLhs());
        else
          matmul.setTransposeRhs(!matmul.getTransposeRhs());
      });
      return success();
    }
    return rewriter.notifyMatchFailure(matmul, "no factor is transposed");
  }

private:
  static bool turnsRows(TransposeOp transpose) {
    ArrayRef<int64_t> from = transpose.getPermutation();
    return from.size() >= 2 && from[from.size() - 2] == int64_t(from.size()) - 1;
  }
  /// Whether the rows of all batches are those of one product, which they are not any more where
  /// they become columns.
  static bool isRows(MatMulOp matmul, OpOperand &factor) {
    return &factor == &matmul.getLhsMutable() && !matmul.getTransposeLhs() &&
           product(batchOf(tensorType(matmul.getRhs()))) == 1 &&
           product(batchOf(tensorType(matmul.getLhs()))) != 1;
  }
};
} // namespace

void MatMulOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<FoldTranspose>(context);
}

void AddOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<FuseBias>(context);
}
