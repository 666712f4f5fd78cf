//===- Einsum.cpp - Sums of products by labels --------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Einsum.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/MatMul.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include <map>

using namespace mlir;
using namespace ampc;

namespace {
/// A letter, or for dimensions behind an ellipsis kEllipsis and the place from the right.
using Label = int;
using Labels = SmallVector<Label>;
constexpr Label kEllipsis = 256;

/// A tensor whose dimensions have labels, each once.
struct Term {
  Value value;
  Labels labels;
};

class EinsumImporter {
public:
  EinsumImporter(OnnxNode &node, OpBuilder &builder) : node(node), builder(builder) {}

  FailureOr<Value> run();

private:
  LogicalResult parse(StringRef equation);
  LogicalResult parseTerm(StringRef text, Labels &labels, int64_t rank);
  LogicalResult readExtents(ArrayRef<Labels> labels);
  LogicalResult findOutput(StringRef text, bool isGiven, ArrayRef<Labels> labels);

  Term takeDiagonals(Term term) const;
  Term dropOnes(Term term) const;
  Term sumAllBut(Term term, ArrayRef<Label> kept) const;
  Term permute(Term term, ArrayRef<Label> labels) const;
  Value reshapeLike(Term term, ArrayRef<Label> labels) const;
  Term contract(Term a, Term b, ArrayRef<Label> needed) const;

  int64_t product(ArrayRef<Label> labels) const {
    int64_t result = 1;
    for (Label label : labels)
      result *= extents.at(label);
    return result;
  }
  SmallVector<int64_t> shapeOf(ArrayRef<Label> labels) const {
    SmallVector<int64_t> shape;
    for (Label label : labels)
      shape.push_back(extents.at(label));
    return shape;
  }

  OnnxNode &node;
  OpBuilder &builder;
  std::map<Label, int64_t> extents;
  SmallVector<Term> terms;
  Labels output;
  int64_t mostEllipsis = 0;
};
} // namespace

/// Labels of a term; `rank` is that of its operand, -1 for the output's, whose ellipsis stands for
/// all dimensions that any has.
LogicalResult EinsumImporter::parseTerm(StringRef text, Labels &labels, int64_t rank) {
  size_t ellipsis = text.find("...");
  int64_t letters = int64_t(text.size()) - (ellipsis == StringRef::npos ? 0 : 3);
  int64_t hidden = ellipsis == StringRef::npos ? 0 : rank < 0 ? mostEllipsis : rank - letters;
  if (hidden < 0 || (rank >= 0 && letters + hidden != rank))
    return node.emitError() << "the term '" << text << "' does not name the " << rank
                            << " dimensions of its operand";
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == ellipsis) {
      for (int64_t d = hidden; d-- > 0;)
        labels.push_back(kEllipsis + int(d));
      i += 2;
    } else if (llvm::isAlpha(text[i])) {
      labels.push_back(text[i]);
    } else {
      return node.emitError() << "the term '" << text << "' has '" << text.substr(i, 1)
                              << "', which is no letter";
    }
  }
  mostEllipsis = std::max(mostEllipsis, hidden);
  return success();
}

LogicalResult EinsumImporter::readExtents(ArrayRef<Labels> labels) {
  for (auto [input, list] : llvm::zip_equal(node.inputs, labels)) {
    std::map<Label, int64_t> own;
    for (auto [label, extent] : llvm::zip_equal(list, tensorType(input).getShape())) {
      if (own.try_emplace(label, extent).first->second != extent)
        return node.emitError() << "a label that " << input.getType()
                                << " has twice has two extents in it";
      auto [known, isNew] = extents.try_emplace(label, extent);
      if (isNew || known->second == extent || extent == 1)
        continue;
      if (known->second != 1)
        return node.emitError() << "a label has the extents " << known->second << " and " << extent
                                << " in '" << node.getString("equation", "") << "'";
      known->second = extent;
    }
  }
  return success();
}

/// What is given, or all labels that appear once: those of the ellipsis, then letters in order.
LogicalResult EinsumImporter::findOutput(StringRef text, bool isGiven, ArrayRef<Labels> labels) {
  if (isGiven) {
    if (failed(parseTerm(text, output, -1)))
      return failure();
    for (Label label : output)
      if (!extents.count(label) || llvm::count(output, label) != 1)
        return node.emitError() << "each label of the result '" << text
                                << "' must be that of an operand, and there once";
    return success();
  }
  for (int64_t d = mostEllipsis; d-- > 0;)
    output.push_back(kEllipsis + int(d));
  for (auto [label, extent] : extents) {
    size_t count = 0;
    for (const Labels &list : labels)
      count += llvm::count(list, label);
    if (label < kEllipsis && count == 1)
      output.push_back(label);
  }
  return success();
}

LogicalResult EinsumImporter::parse(StringRef equation) {
  std::string text;
  llvm::copy_if(equation, std::back_inserter(text), [](char c) { return c != ' '; });
  auto [left, right] = StringRef(text).split("->");
  bool isGiven = StringRef(text).contains("->");
  SmallVector<StringRef> parts;
  left.split(parts, ',');
  if (parts.size() != node.inputs.size())
    return node.emitError() << "'" << equation << "' has " << parts.size() << " terms for "
                            << node.inputs.size() << " inputs";
  SmallVector<Labels> labels(parts.size());
  for (size_t i = 0; i < parts.size(); ++i)
    if (failed(parseTerm(parts[i], labels[i], tensorType(node.inputs[i]).getRank())))
      return failure();
  if (failed(readExtents(labels)) || failed(findOutput(right, isGiven, labels)))
    return failure();
  for (auto [input, list] : llvm::zip_equal(node.inputs, labels))
    terms.push_back({input, list});
  return success();
}

/// Of dimensions with one label, those elements whose indices are equal: every n + 1st of the
/// square.
Term EinsumImporter::takeDiagonals(Term term) const {
  for (size_t i = 0; i < term.labels.size(); ++i) {
    Label label = term.labels[i];
    auto other = std::find(term.labels.begin() + i + 1, term.labels.end(), label);
    if (other == term.labels.end())
      continue;
    size_t j = other - term.labels.begin();
    ArrayRef<int64_t> shape = tensorType(term.value).getShape();
    SmallVector<int64_t> permutation, flat;
    Labels rest;
    for (size_t d = 0; d < shape.size(); ++d)
      if (d != i && d != j) {
        permutation.push_back(d);
        flat.push_back(shape[d]);
        rest.push_back(term.labels[d]);
      }
    int64_t extent = shape[i];
    permutation.append({int64_t(i), int64_t(j)});
    flat.push_back(extent * shape[j]);
    Value moved = builder.createOrFold<TransposeOp>(node.loc, term.value, permutation);
    moved = reshapeTo(builder, node.loc, moved, flat);
    SmallVector<int64_t> starts(flat.size(), 0), sizes(flat), steps(flat.size(), 1);
    sizes.back() = extent;
    steps.back() = extent + 1;
    term.value = builder.createOrFold<SliceOp>(node.loc, moved, starts, sizes, steps);
    rest.push_back(label);
    term.labels = rest;
    --i; // what stands there now
  }
  return term;
}

/// Without the dimensions of extent 1 that broadcast.
Term EinsumImporter::dropOnes(Term term) const {
  Labels kept;
  ArrayRef<int64_t> shape = tensorType(term.value).getShape();
  for (auto [label, extent] : llvm::zip_equal(term.labels, shape))
    if (extent == extents.at(label))
      kept.push_back(label);
  term.labels = kept;
  term.value = reshapeTo(builder, node.loc, term.value, shapeOf(kept));
  return term;
}

Term EinsumImporter::sumAllBut(Term term, ArrayRef<Label> kept) const {
  SmallVector<int64_t> axes;
  Labels labels;
  for (auto [d, label] : llvm::enumerate(term.labels))
    if (llvm::is_contained(kept, label))
      labels.push_back(label);
    else
      axes.push_back(d);
  if (!axes.empty())
    term.value =
        ReduceSumOp::create(builder, node.loc, term.value, axes, /*keepdims=*/false, false);
  term.labels = labels;
  return term;
}

Term EinsumImporter::permute(Term term, ArrayRef<Label> labels) const {
  SmallVector<int64_t> permutation;
  for (Label label : labels)
    permutation.push_back(llvm::find(term.labels, label) - term.labels.begin());
  return {builder.createOrFold<TransposeOp>(node.loc, term.value, permutation), Labels(labels)};
}

/// The term with extents of 1 for the labels that it lacks.
Value EinsumImporter::reshapeLike(Term term, ArrayRef<Label> labels) const {
  Labels own;
  SmallVector<int64_t> shape;
  for (Label label : labels) {
    bool isOwn = llvm::is_contained(term.labels, label);
    shape.push_back(isOwn ? extents.at(label) : 1);
    if (isOwn)
      own.push_back(label);
  }
  return reshapeTo(builder, node.loc, permute(term, own).value, shape);
}

/// The sum of products over the labels that are not `needed`.
Term EinsumImporter::contract(Term a, Term b, ArrayRef<Label> needed) const {
  auto isIn = [](ArrayRef<Label> list, Label label) { return llvm::is_contained(list, label); };
  // What one operand alone has and nobody needs is summed before.
  Labels keptOfA(needed), keptOfB(needed);
  llvm::append_range(keptOfA, b.labels);
  llvm::append_range(keptOfB, a.labels);
  a = sumAllBut(a, keptOfA);
  b = sumAllBut(b, keptOfB);
  Labels batch, contracted, rows, columns;
  for (Label label : a.labels)
    (!isIn(b.labels, label) ? rows : isIn(needed, label) ? batch : contracted).push_back(label);
  for (Label label : b.labels)
    if (!isIn(a.labels, label))
      columns.push_back(label);
  Labels all(batch);
  llvm::append_range(all, rows);
  llvm::append_range(all, columns);

  bool isFloat = isa<FloatType>(tensorType(a.value).getElementType());
  if (contracted.empty() || !isFloat) {
    llvm::append_range(all, contracted);
    Value product = MulOp::create(builder, node.loc, reshapeLike(a, all), reshapeLike(b, all));
    return sumAllBut({product, all}, needed);
  }
  // [batch, rows, contracted] times [batch, contracted, columns], or transposed where they are so.
  auto matrix = [&](Term term, const Labels &first, const Labels &second, bool &transposed) {
    Labels straight(batch), swapped(batch);
    llvm::append_range(straight, first);
    llvm::append_range(straight, second);
    llvm::append_range(swapped, second);
    llvm::append_range(swapped, first);
    transposed = term.labels != straight && term.labels == swapped;
    SmallVector<int64_t> shape;
    if (!batch.empty())
      shape.push_back(product(batch));
    shape.append({product(transposed ? second : first), product(transposed ? first : second)});
    return reshapeTo(builder, node.loc, permute(term, transposed ? swapped : straight).value,
                     shape);
  };
  bool transposeA = false, transposeB = false;
  Value lhs = matrix(a, rows, contracted, transposeA);
  Value rhs = matrix(b, contracted, columns, transposeB);
  Value result = MatMulOp::create(builder, node.loc, lhs, rhs, /*bias=*/Value(), transposeA,
                                  transposeB, llvm::APFloat(1.0));
  return {reshapeTo(builder, node.loc, result, shapeOf(all)), all};
}

FailureOr<Value> EinsumImporter::run() {
  if (node.inputs.empty())
    return node.emitError() << "has no inputs";
  if (failed(node.expectInputs(node.inputs.size(), node.inputs.size())))
    return failure();
  std::string equation = node.getString("equation", "");
  if (node.hadError)
    return failure();
  for (Value input : node.inputs)
    if (tensorType(input).getElementType() != tensorType(node.inputs[0]).getElementType())
      return node.emitError() << "element types differ: " << node.inputs[0].getType() << " and "
                              << input.getType();
  if (failed(parse(equation)))
    return failure();
  for (Term &term : terms)
    term = dropOnes(takeDiagonals(term));
  Term result = terms.front();
  for (size_t i = 1; i < terms.size(); ++i) {
    Labels needed(output);
    for (const Term &later : ArrayRef(terms).drop_front(i + 1))
      llvm::append_range(needed, later.labels);
    result = contract(result, terms[i], needed);
  }
  result = permute(sumAllBut(result, output), output);
  return result.value;
}

FailureOr<Value> ampc::importEinsum(OnnxNode &node, OpBuilder &builder) {
  return EinsumImporter(node, builder).run();
}
