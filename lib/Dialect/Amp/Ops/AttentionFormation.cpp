//===- AttentionFormation.cpp - Two products and a softmax as one op -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Where the scores are products of query and key to which a mask is added, or in which it puts a
// number, and nothing but the softmax, dropout and the product with the values reads them, they
// need no tensor of their own. What moves query, key, value and output on their way is a layout.
//
//===----------------------------------------------------------------------===//

#include "Recovery.h"
#include "StridedView.h"
#include "ampc/Dialect/Amp/Ops/Attention.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/MatMul.h"
#include "ampc/Dialect/Amp/Ops/Random.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Softmax.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Plan/AttentionPlaces.h"
#include "mlir/Analysis/SliceAnalysis.h"

using namespace mlir;
using namespace ampc;

namespace {
/// An input with its layout.
struct Placed {
  Value tensor;
  std::string layout;
};

class Formation {
public:
  explicit Formation(SoftmaxOp softmax) : softmax(softmax), spelling(softmax) {}

  /// "" where it can be one op; else why not, or "-" where it is no attention at all.
  std::string match();
  void replace(PatternRewriter &rewriter, RecoveryLog &log);

private:
  std::string matchMask(Value scores);
  std::string takeAdded(Value mask);
  std::string takeChosen(WhereOp where);
  bool readShape();
  void takeOutput();
  bool placeInputs();

  SoftmaxOp softmax;
  MatMulOp scores, values;
  DropoutOp dropout; ///< of the probabilities, or null
  Spelling spelling;
  Value mask, condition;
  bool isNegated = false; ///< the condition tells where scores are off
  std::optional<double> off;
  bool replaces = false;
  AttentionExtents e{};
  SmallVector<Placed, 3> inputs;
  Value output; ///< what is replaced
  std::string outputLayout = "bhrd";
};
} // namespace

static constexpr StringRef kNone = "-";

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

/// Follows the scores from the softmax back to their product.
std::string Formation::matchMask(Value value) {
  if (auto add = spelling.take<AddOp>(value)) {
    bool isLeft =
        add.getLhs().getType() == value.getType() && !add.getLhs().getDefiningOp<WhereOp>();
    for (bool left : {isLeft, !isLeft}) {
      Value rest = left ? add.getLhs() : add.getRhs();
      Operation *source = rest.getDefiningOp();
      if (auto reshape = dyn_cast_or_null<ReshapeOp>(source))
        source = reshape.getInput().getDefiningOp();
      if (rest.getType() != value.getType() || !isa_and_nonnull<MatMulOp>(source))
        continue;
      if (std::string why = takeAdded(left ? add.getRhs() : add.getLhs()); !why.empty())
        return why;
      value = rest;
      break;
    }
  } else if (auto where = value.getDefiningOp<WhereOp>()) {
    if (std::string why = takeChosen(where); !why.empty())
      return why;
    value = isNegated ? where.getRhs() : where.getLhs();
  }
  if (auto reshape = spelling.take<ReshapeOp>(value))
    value = reshape.getInput();
  scores = spelling.take<MatMulOp>(value);
  return scores && !scores.getBias() && !scores.getWide() ? "" : kNone.str();
}

/// What is added to the scores: numbers, or one of two by a condition.
std::string Formation::takeAdded(Value value) {
  if (auto where = value.getDefiningOp<WhereOp>()) {
    std::optional<double> on = knownNumber(where.getLhs()), other = knownNumber(where.getRhs());
    if (on && other && (*on == 0 || *other == 0)) {
      isNegated = *on != 0;
      condition = where.getCondition();
      off = isNegated ? on : other;
      return "";
    }
  }
  // Where it is trained, its gradient is that of the scores, which then need a tensor.
  SetVector<Operation *> slice;
  BackwardSliceOptions options;
  options.inclusive = true;
  if (failed(getBackwardSlice(value, &slice, options)))
    return kNone.str();
  for (Operation *op : slice)
    if (auto read = dyn_cast<ReadOp>(op)) {
      auto variable =
          SymbolTable::lookupNearestSymbolFrom<VariableOp>(read, read.getVariableAttr());
      if (variable && variable.getRole() == VariableRole::Parameter)
        return "what is added to the scores is trained";
    }
  mask = value;
  return "";
}

/// A number in the place of some scores.
std::string Formation::takeChosen(WhereOp where) {
  std::optional<double> left = knownNumber(where.getLhs()), right = knownNumber(where.getRhs());
  if (bool(left) == bool(right))
    return kNone.str();
  spelling.takeOp(where);
  isNegated = bool(left);
  condition = where.getCondition();
  off = left ? left : right;
  replaces = true;
  return "";
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

/// The dimensions in front of a matrix as batch and heads.
static std::pair<int64_t, int64_t> batchAndHeads(ArrayRef<int64_t> shape) {
  ArrayRef<int64_t> front = shape.drop_back(2);
  int64_t heads = front.size() < 2 ? 1 : front.back();
  return {llvm::product_of(front.size() < 2 ? front : front.drop_back(), int64_t(1)), heads};
}

bool Formation::readShape() {
  RankedTensorType rows = softmax.getType();
  if (rows.getRank() < 2 || int64_t(softmax.getAxis()) != rows.getRank() - 1 ||
      rows.getNumElements() == 0)
    return false;
  RankedTensorType left = tensorType(scores.getLhs()), right = tensorType(scores.getRhs());
  RankedTensorType third = tensorType(values.getRhs());
  auto [batch, heads] = batchAndHeads(rows.getShape());
  auto [keyBatch, keyHeads] = batchAndHeads(right.getShape());
  ArrayRef<int64_t> shape = rows.getShape();
  e = {batch,        heads,
       keyHeads,     shape[shape.size() - 2],
       shape.back(), left.getShape()[left.getRank() - (scores.getTransposeLhs() ? 2 : 1)]};
  // The product's rows are those of the heads that share a key, in their order.
  bool isShared = keyHeads != heads;
  if (e.keyHeads < 1 || e.heads % e.keyHeads != 0 || e.size == 0 || keyBatch != batch ||
      (isShared && (scores.getTransposeLhs() || rows.getRank() != 4)))
    return false;
  SmallVector<int64_t> front(right.getShape().drop_back(2));
  int64_t shared = e.heads / e.keyHeads * e.rows;
  auto isMatrix = [&](RankedTensorType type, int64_t first, int64_t second, bool transposed) {
    if (transposed)
      std::swap(first, second);
    SmallVector<int64_t> expected = front;
    expected.append({first, second});
    return type.getShape() == ArrayRef(expected);
  };
  return isMatrix(left, shared, e.size, scores.getTransposeLhs()) &&
         isMatrix(right, e.size, e.columns, scores.getTransposeRhs()) &&
         isMatrix(third, e.columns, e.size, values.getTransposeRhs()) &&
         isMatrix(tensorType(values.getLhs()), shared, e.columns, false) &&
         !values.getTransposeLhs() && !values.getBias() && !values.getWide() &&
         values.getAlpha().isExactlyValue(1.0);
}

/// The shape of what broadcasts to `scores` with the four dimensions of an attention; nullopt where
/// several are one of these and it has only some of them.
static std::optional<SmallVector<int64_t>> withFourDimensions(ArrayRef<int64_t> shape,
                                                              ArrayRef<int64_t> scores) {
  SmallVector<int64_t> four(shape);
  four.insert(four.begin(), scores.size() - four.size(), 1);
  if (scores.size() < 4)
    four.insert(four.end() - 2, 4 - scores.size(), 1);
  size_t merged = four.size() - 4;
  ArrayRef<int64_t> front = ArrayRef(four).take_front(merged + 1);
  if (front != scores.take_front(merged + 1) &&
      llvm::any_of(front, [](int64_t n) { return n != 1; }) && merged > 0)
    return std::nullopt;
  int64_t batch = llvm::product_of(front, int64_t(1));
  four.erase(four.begin(), four.begin() + merged);
  four.front() = batch;
  return four;
}

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

/// The layout that a view of all of its source is, with `p` where three of them lie `parts`
/// elements apart; "" where it is none.
static std::string findLayout(const StridedView &view, int64_t parts = 0) {
  struct Dimension {
    char letter;
    int64_t extent, stride;
  };
  SmallVector<Dimension> dimensions;
  for (unsigned d = 0; d < 3; ++d)
    dimensions.push_back({"bhr"[d], view.shape[d], view.strides[d]});
  if (parts > 0)
    dimensions.push_back({'p', 3, parts});
  // One of extent 1 lies anywhere: in front.
  auto place = [](const Dimension &d) {
    return std::tuple(d.extent != 1, d.extent == 1 ? 0 : -d.stride, d.letter);
  };
  llvm::sort(dimensions,
             [&](const Dimension &a, const Dimension &b) { return place(a) < place(b); });
  std::string layout;
  int64_t next = view.shape[3];
  if (view.shape[3] > 1 && view.strides[3] != 1)
    return "";
  for (const Dimension &d : llvm::reverse(dimensions)) {
    if (d.extent != 1 && d.stride != next)
      return "";
    next *= d.extent;
    layout.insert(layout.begin(), d.letter);
  }
  if (view.offset != 0 || next != tensorType(view.source).getNumElements())
    return "";
  return layout + "d";
}

/// The layout of the one tensor whose parts query, key and value are; "" where they are not.
static std::string findJointLayout(ArrayRef<StridedView> views) {
  const StridedView &q = views[0], &k = views[1], &v = views[2];
  auto sameWay = [](const StridedView &a, const StridedView &b) {
    return a.source == b.source && a.shape == b.shape && a.strides == b.strides;
  };
  bool areParts =
      sameWay(q, k) && sameWay(q, v) && k.offset > 0 && q.offset == 0 && v.offset == 2 * k.offset;
  return areParts ? findLayout(q, k.offset) : "";
}

/// Finds where query, key and value lie.
bool Formation::placeInputs() {
  SmallVector<StridedView> views;
  auto add = [&](Value x, int64_t heads, int64_t rows, bool transposed) {
    SmallVector<int64_t> shape{e.batch, heads, rows, e.size};
    if (transposed)
      std::swap(shape[2], shape[3]);
    StridedView &view = views.emplace_back(StridedView::of(x, shape));
    if (transposed)
      view.swap(2, 3);
  };
  add(scores.getLhs(), e.heads, e.rows, scores.getTransposeLhs());
  add(scores.getRhs(), e.keyHeads, e.columns, !scores.getTransposeRhs());
  add(values.getRhs(), e.keyHeads, e.columns, values.getTransposeRhs());
  // Each as far back as its source is nothing else; then all three at once.
  for (StridedView &view : views) {
    Placed placed{view.source, findLayout(view)};
    while (view.lookThrough())
      if (std::string layout = findLayout(view); !layout.empty())
        placed = {view.source, layout};
    inputs.push_back(placed);
  }
  if (std::string layout = findJointLayout(views); !layout.empty())
    inputs = {{views[0].source, layout}};
  return llvm::all_of(inputs, [](const Placed &x) { return !x.layout.empty(); });
}

/// Takes a transpose of the output that keeps the elements of a head together.
void Formation::takeOutput() {
  output = values.getResult();
  int64_t rank = softmax.getType().getRank();
  SmallVector<int64_t> shape(softmax.getType().getShape());
  shape.back() = e.size;
  Operation *next = output.hasOneUse() ? *output.user_begin() : nullptr;
  if (isa_and_nonnull<ReshapeOp>(next) && tensorType(output).getShape() != ArrayRef(shape)) {
    if (tensorType(next->getResult(0)).getShape() != ArrayRef(shape))
      return;
    output = next->getResult(0);
    spelling.extend(next);
    next = output.hasOneUse() ? *output.user_begin() : nullptr;
  }
  auto transpose = dyn_cast_or_null<TransposeOp>(next);
  if (!transpose || rank > 4 || rank < 3 || transpose.getPermutation().back() != rank - 1)
    return;
  std::string letters = rank == 4 ? "bhrd" : "brd", layout = rank == 4 ? "" : "h";
  for (int64_t d : transpose.getPermutation())
    layout += letters[d];
  outputLayout = layout;
  output = transpose.getResult();
  spelling.extend(transpose);
}

//===----------------------------------------------------------------------===//
// The op
//===----------------------------------------------------------------------===//

std::string Formation::match() {
  Value probabilities = softmax.getResult();
  if (std::string why = matchMask(softmax.getInput()); !why.empty())
    return why;
  auto follow = [&] { return probabilities.hasOneUse() ? *probabilities.user_begin() : nullptr; };
  Operation *next = follow();
  dropout = dyn_cast_or_null<DropoutOp>(next);
  if (dropout && dropout.getMask().use_empty()) {
    spelling.takeOp(dropout);
    probabilities = dropout.getOutput();
    next = follow();
  }
  if (auto reshape = dyn_cast_or_null<ReshapeOp>(next)) {
    spelling.takeOp(reshape);
    probabilities = reshape.getResult();
    next = follow();
  }
  values = dyn_cast_or_null<MatMulOp>(next);
  if (!values || values.getLhs() != probabilities)
    return kNone.str();
  spelling.extend(values);
  if (!readShape())
    return kNone.str();
  for (Value x : {mask, condition})
    if (x && !withFourDimensions(tensorType(x).getShape(), softmax.getType().getShape()))
      return kNone.str();
  takeOutput();
  if (!placeInputs())
    return kNone.str();
  return spelling.whyNot();
}

void Formation::replace(PatternRewriter &rewriter, RecoveryLog &log) {
  Location loc = spelling.getLoc();
  rewriter.setInsertionPoint(spelling.getLast());
  auto shaped = [&](Value x) {
    return reshapeTo(rewriter, loc, x,
                     *withFourDimensions(tensorType(x).getShape(), softmax.getType().getShape()));
  };
  if (mask)
    mask = shaped(mask);
  if (condition) {
    condition = shaped(condition);
    if (isNegated)
      condition = NotOp::create(rewriter, loc, condition);
  }
  SmallVector<Value> tensors;
  SmallVector<StringRef> layouts;
  for (auto [i, input] : llvm::enumerate(inputs)) {
    SmallVector<int64_t> shape;
    for (char letter : input.layout)
      shape.push_back(e.of(letter, i != 0));
    tensors.push_back(reshapeTo(rewriter, loc, input.tensor, shape));
    layouts.push_back(input.layout);
  }
  layouts.push_back(outputLayout);
  auto op = AttentionOp::create(
      rewriter, loc, tensors, mask, condition, dropout ? dropout.getSeed() : Value(),
      dropout ? dropout.getAttempt() : Value(), rewriter.getStrArrayAttr(layouts),
      scores.getAlpha(), off ? rewriter.getF64FloatAttr(*off) : FloatAttr(), replaces,
      dropout ? dropout.getRatioAttr() : FloatAttr(),
      dropout ? dropout.getStreamAttr() : IntegerAttr());
  Value result = reshapeTo(rewriter, loc, op.getOutput(), tensorType(output).getShape());
  spelling.replace(rewriter, log, "attention", op, result);
}

static LogicalResult formAttention(Operation *op, PatternRewriter &rewriter, RecoveryLog &log) {
  Formation formation(cast<SoftmaxOp>(op));
  std::string why = formation.match();
  if (!why.empty()) {
    if (why != kNone)
      log.miss(op, "attention", why);
    return failure();
  }
  formation.replace(rewriter, log);
  return success();
}

void AttentionOp::getRecoveryPatterns(RewritePatternSet &patterns, RecoveryLog &log) {
  // After what brings its parts into their usual form.
  addRecovery<SoftmaxOp>(patterns, log, formAttention, PatternBenefit(0));
}

//===----------------------------------------------------------------------===//
// Canonicalization
//===----------------------------------------------------------------------===//

namespace {
/// Query, key and value that have become parts of one tensor, as of a product that gives all three,
/// are read from it.
struct ReadJointInput : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op, PatternRewriter &rewriter) const override {
    if (op.getInputs().size() != 3)
      return failure();
    SmallVector<StridedView> views;
    for (auto [x, layout] : llvm::zip(op.getInputs(), op.getLayouts().getAsRange<StringAttr>())) {
      StridedView lying = StridedView::of(x, tensorType(x).getShape()), view = lying;
      for (auto [d, letter] : llvm::enumerate(StringRef("bhrd"))) {
        size_t at = layout.getValue().find(letter);
        view.shape[d] = lying.shape[at];
        view.strides[d] = lying.strides[at];
      }
      while (view.lookThrough())
        ;
      views.push_back(view);
    }
    std::string layout = findJointLayout(views);
    if (layout.empty())
      return failure();
    SmallVector<int64_t> shape;
    for (char letter : layout)
      shape.push_back(letter == 'p' ? 3 : views[0].shape[StringRef("bhrd").find(letter)]);
    Value joint = reshapeTo(rewriter, op.getLoc(), views[0].source, shape);
    rewriter.modifyOpInPlace(op, [&] {
      op.getInputsMutable().assign(joint);
      op.setLayoutsAttr(
          rewriter.getStrArrayAttr({layout, cast<StringAttr>(op.getLayouts()[3]).getValue()}));
    });
    return success();
  }
};
} // namespace

void AttentionOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<ReadJointInput>(context);
}
