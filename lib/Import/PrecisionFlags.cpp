//===- PrecisionFlags.cpp - The user's say in a node's precision ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PrecisionFlags.h"
#include "ampc/Dialect/Amp/Ops/State.h"

using namespace mlir;

namespace ampc {
/// The domain, "" for ai.onnx, and the name of an operator that a policy file names. Without a
/// domain it is that operator of every domain.
static std::pair<std::optional<StringRef>, StringRef> splitOperator(StringRef text) {
  size_t colon = text.rfind(':');
  if (colon == StringRef::npos)
    return {std::nullopt, text};
  StringRef domain = text.take_front(colon);
  return {domain == "ai.onnx" ? StringRef() : domain, text.drop_front(colon + 1)};
}

LogicalResult PrecisionFlags::check(const OperatorTable &operators) {
  const ImportOptions &options = context.options;
  if (!options.keepF32Regex.empty()) {
    keepF32.emplace(options.keepF32Regex);
    std::string reason;
    if (!keepF32->isValid(reason))
      return context.emitError() << "--amp-keep-fp32=" << options.keepF32Regex << ": " << reason;
  }
  auto checkNames = [&](StringRef flag, ArrayRef<std::string> names) -> LogicalResult {
    for (const std::string &name : names)
      if (!operators.contains(name))
        return context.emitError() << flag << "=" << name
                                   << ": there is no such operator; "
                                      "ampc --list-ops lists them";
    return success();
  };
  if (failed(checkNames("--amp-deny", options.denyOps)) ||
      failed(checkNames("--amp-allow", options.allowOps)))
    return failure();
  for (const PolicyRule &rule : options.precisionRules) {
    if (!rule.op.empty()) {
      auto [domain, name] = splitOperator(rule.op);
      if (domain ? operators.find(*domain, name).empty() : !operators.contains(name))
        return context.emitError() << rule.place() << ": there is no operator '" << rule.op
                                   << "'; ampc --list-ops lists them";
    }
    if (rule.isOfOperand() || !rule.node.empty()) {
      Rule &entry = (rule.isOfOperand() ? operandRules : nodeRules).emplace_back();
      entry.rule = &rule;
      if (!rule.node.empty())
        entry.regex.emplace(rule.node);
    } else if (rule.get(options.dtype)) {
      operatorRules.try_emplace(rule.op, &rule);
    }
  }
  return success();
}

bool PrecisionFlags::matches(Rule &rule, const GraphNode &node) {
  if (!rule.rule->op.empty()) {
    auto [domain, name] = splitOperator(rule.rule->op);
    if (name != node.opType() || (domain && *domain != node.domain))
      return false;
  }
  return !rule.regex || rule.regex->match(node.name);
}

/// The rule of the nearest file whose regex matches. Two of one file must say the same.
FailureOr<const PolicyRule *> PrecisionFlags::findNodeRule(const GraphNode &node) {
  const PolicyRule *found = nullptr;
  for (Rule &rule : nodeRules) {
    if (!matches(rule, node))
      continue;
    rule.matched = true;
    std::optional<Precision> precision = rule.rule->get(context.options.dtype);
    if (!precision)
      continue;
    if (!found) {
      found = rule.rule;
      continue;
    }
    std::optional<Precision> other = found->get(context.options.dtype);
    if (found->level == rule.rule->level && precision != other)
      return context.emitError() << rule.rule->place() << ": node '" << node.name << "' is "
                                 << stringify(*precision) << " here and " << stringify(*other)
                                 << " in line " << found->line;
  }
  return found;
}

/// Of rules in one file, that which names the domain.
const PolicyRule *PrecisionFlags::findOperatorRule(StringRef domain, StringRef opType) const {
  StringRef domainName = domain.empty() ? "ai.onnx" : domain;
  const PolicyRule *exact = operatorRules.lookup((domainName + ":" + opType).str());
  const PolicyRule *any = operatorRules.lookup(opType);
  if (exact && any)
    return any->level < exact->level ? any : exact;
  return exact ? exact : any;
}

/// Adds the operands' rules of this kind; what is there already is nearer.
void PrecisionFlags::addOperands(const GraphNode &node, bool isOfNode, Choice &choice) {
  for (Rule &rule : operandRules) {
    if (rule.regex.has_value() != isOfNode || !matches(rule, node))
      continue;
    for (auto [i, name] : llvm::enumerate(node.inputs)) {
      bool isIt =
          rule.rule->operandIndex ? *rule.rule->operandIndex == i : rule.rule->operandName == name;
      if (!isIt || name.empty())
        continue;
      rule.matched = true;
      auto isThis = [index = i](const auto &entry) { return entry.first == index; };
      if (rule.rule->get(context.options.dtype) && llvm::none_of(choice.operands, isThis))
        choice.operands.emplace_back(i, makeAttr(*rule.rule));
    }
  }
}

DictionaryAttr PrecisionFlags::makeAttr(const PolicyRule &rule) const {
  return makeAttr(&context.mlir, stringify(*rule.get(context.options.dtype)), rule.reason());
}

FailureOr<PrecisionFlags::Choice> PrecisionFlags::decide(const GraphNode &node) {
  const ImportOptions &options = context.options;
  // Rules that others come before have matched all the same.
  Choice choice, all;
  FailureOr<const PolicyRule *> nodeRule = findNodeRule(node);
  if (failed(nodeRule))
    return failure();
  addOperands(node, /*isOfNode=*/true, choice);
  all.operands = choice.operands;
  addOperands(node, /*isOfNode=*/false, all);
  if (keepF32 && keepF32->match(node.name)) {
    matched = true;
    return Choice{
        makeAttr(&context.mlir, kFullPrecision, "--amp-keep-fp32=" + options.keepF32Regex), {}};
  }
  if (*nodeRule) {
    choice.precision = makeAttr(**nodeRule);
    return choice;
  }
  if (llvm::is_contained(options.denyOps, node.opType()))
    choice.precision =
        makeAttr(&context.mlir, stringify(Precision::Deny), "--amp-deny=" + node.opType());
  else if (llvm::is_contained(options.allowOps, node.opType()))
    choice.precision =
        makeAttr(&context.mlir, stringify(Precision::Allow), "--amp-allow=" + node.opType());
  if (choice.precision)
    return choice;
  if (const PolicyRule *rule = findOperatorRule(node.domain, node.opType()))
    all.precision = makeAttr(*rule);
  return all;
}

LogicalResult PrecisionFlags::checkMatched() {
  if (keepF32 && !matched)
    return context.emitError() << "--amp-keep-fp32=" << context.options.keepF32Regex
                               << " matches no node's name";
  for (const Rule &rule : nodeRules)
    if (!rule.matched)
      return context.emitError() << rule.rule->place() << ": '" << rule.rule->node
                                 << "' matches no node's name";
  for (const Rule &rule : operandRules)
    if (!rule.matched && (rule.regex || !rule.rule->operandName.empty()))
      return context.emitError() << rule.rule->place()
                                 << ": no node that this speaks of has the operand";
  return success();
}

/// Notes on `op` what is asked of the values that it reads. An op that only moves one passes that
/// on, so that it holds for what computes with it.
static void markOperands(PrecisionOpInterface op, DenseMap<Value, DictionaryAttr> &asked) {
  // Canonical order puts constants last: they are there before operands are counted.
  if (op->hasTrait<OpTrait::IsCommutative>() && op->getNumOperands() == 2 &&
      isa_and_present<ReadOp, ConstantOp>(op->getOperand(0).getDefiningOp()) &&
      !isa_and_present<ReadOp, ConstantOp>(op->getOperand(1).getDefiningOp()))
    op->setOperands({op->getOperand(1), op->getOperand(0)});
  Builder b(op->getContext());
  SmallVector<Attribute> list;
  for (OpOperand &operand : op->getOpOperands())
    if (DictionaryAttr precision = asked.lookup(operand.get())) {
      NamedAttrList entry(precision);
      entry.set("operand", b.getI64IntegerAttr(operand.getOperandNumber()));
      list.push_back(entry.getDictionary(op->getContext()));
      if (op.getPrecisionRecord().isFollow())
        for (Value result : op->getResults())
          asked.try_emplace(result, precision);
    }
  if (!list.empty())
    op->setAttr(kOperandPrecisionAttr, b.getArrayAttr(list));
}

void PrecisionFlags::Choice::mark(Operation *first, ArrayRef<Value> inputs) const {
  DenseMap<Value, DictionaryAttr> asked;
  for (const auto &[i, answer] : operands)
    if (i < inputs.size() && inputs[i])
      asked.try_emplace(inputs[i], answer);
  for (Operation *op = first; op; op = op->getNextNode()) {
    auto computes = dyn_cast<PrecisionOpInterface>(op);
    if (!computes)
      continue;
    // What a graph in a node says about its own nodes comes first.
    if (precision && !op->hasAttr(kPrecisionAttr))
      op->setAttr(kPrecisionAttr, precision);
    if (!asked.empty() && !op->hasAttr(kOperandPrecisionAttr))
      markOperands(computes, asked);
  }
}

DictionaryAttr PrecisionFlags::operatorPrecisions() const {
  NamedAttrList list;
  auto add = [&](StringRef name, DictionaryAttr precision) {
    if (!list.get(name))
      list.append(name, precision);
  };
  const ImportOptions &options = context.options;
  for (StringRef name : options.denyOps)
    add(name, makeAttr(&context.mlir, stringify(Precision::Deny), "--amp-deny=" + name));
  for (StringRef name : options.allowOps)
    add(name, makeAttr(&context.mlir, stringify(Precision::Allow), "--amp-allow=" + name));
  for (const auto &entry : operatorRules) {
    StringRef name = splitOperator(entry.first()).second;
    if (const PolicyRule *rule = findOperatorRule("", name))
      add(name, makeAttr(*rule));
  }
  return list.empty() ? DictionaryAttr() : list.getDictionary(&context.mlir);
}

DictionaryAttr PrecisionFlags::makeAttr(MLIRContext *context, StringRef category,
                                        const Twine &reason) {
  Builder builder(context);
  return builder.getDictionaryAttr(
      {builder.getNamedAttr("category", builder.getStringAttr(category)),
       builder.getNamedAttr("reason", builder.getStringAttr(reason))});
}
} // namespace ampc
