//===- ResolveInitializers.cpp - Which tensor stands where ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ResolveInitializers.h"
#include "ampc/Support/StoredTypes.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include <optional>

using namespace mlir;

namespace ampc {
namespace {
/// An input of a node that is a float initializer.
struct Use {
  unsigned node, input; ///< `node` counts allNodes
  StringRef initializer;
  /// The declared tensor that stands here; "" for a constant that was merged with one.
  std::optional<StringRef> claim;
};

/// The uses by the nodes that come from one call of the exported program.
struct Call {
  SmallVector<StringRef> operands;
  SmallVector<unsigned> uses; ///< in the order of nodes and inputs
};

class Resolver {
public:
  Resolver(const ExportMetadata &metadata, std::vector<GraphNode> &nodes,
           const Initializers &initializers, const WeightStore &weights, InitializerEdits edits)
      : metadata(metadata), nodes(nodes), initializers(initializers), weights(weights),
        edits(edits) {
    forEachNode(nodes, [&](GraphNode &node) { allNodes.push_back(&node); });
  }

  Resolution run(const onnx::GraphProto &graph);

private:
  bool isFloatInitializer(StringRef name) const;
  StringRef ownOf(StringRef initializer) const;
  void collectUses();
  void claimOwn();
  void claimByCall(Call &call);
  bool match(ArrayRef<StringRef> operands, ArrayRef<unsigned> candidates);
  void claimRest();
  void splitMerged();
  std::string nameSplit(StringRef initializer, StringRef claim, ArrayRef<unsigned> ownUses,
                        ArrayRef<unsigned> claimUses);
  void findLost();
  void restoreBiases(const onnx::GraphProto &graph);
  void splitIdentities(const onnx::GraphProto &graph);

  const ExportMetadata &metadata;
  std::vector<GraphNode> &nodes;
  std::vector<GraphNode *> allNodes; ///< also those of graphs in nodes
  const Initializers &initializers;
  const WeightStore &weights;
  InitializerEdits edits;

  std::vector<Use> uses;
  llvm::MapVector<StringRef, SmallVector<unsigned>, llvm::StringMap<unsigned>> usesOf;
  llvm::MapVector<StringRef, Call, llvm::StringMap<unsigned>> calls;
  /// Initializers that a call reads by their own name.
  llvm::StringSet<> usedAsOwn;
  llvm::StringSet<> taken; ///< names of values
  Resolution result;
};
} // namespace

bool isSplat(const Weight &weight) {
  size_t size = WeightStore::elementSize(weight.type.getElementType());
  ArrayRef<char> bytes = weight.bytes;
  return bytes.size() <= size || bytes.drop_back(size) == bytes.drop_front(size);
}

bool Resolver::isFloatInitializer(StringRef name) const {
  auto it = initializers.find(name);
  return it != initializers.end() && isa<FloatType>(it->second.type.getElementType()) &&
         !findStoredType(it->second.type);
}

/// The declared tensor that an initializer is by its name, or by what it was folded from;
/// "" where there is none, or it was computed from several.
StringRef Resolver::ownOf(StringRef initializer) const {
  if (metadata.kindOf(initializer) != Declared::No)
    return initializer;
  const SmallVector<StringRef> *fold = metadata.foldOf(initializer);
  if (fold && fold->size() == 1 && metadata.kindOf(fold->front()) == Declared::Parameter)
    return fold->front();
  return "";
}

/// The module that a node of TorchScript's exporter belongs to: of "/layers.0/fc_1/MatMul",
/// where "_1" counts the module's calls, "/layers.0/fc".
static std::string scopeOf(StringRef node) {
  SmallVector<StringRef> parts;
  node.split(parts, '/');
  std::string scope;
  for (StringRef part : ArrayRef(parts).drop_back()) {
    StringRef stem = part.rtrim("0123456789");
    if (stem.size() < part.size() && stem.consume_back("_"))
      part = stem;
    scope += (scope.empty() && part.empty() ? "" : "/") + part.str();
  }
  return scope;
}

void Resolver::collectUses() {
  for (auto [i, node] : llvm::enumerate(allNodes)) {
    StringRef text = node->proto ? ExportMetadata::callOf(*node->proto) : "";
    for (const std::string &output : node->outputs)
      taken.insert(output);
    for (auto [j, input] : llvm::enumerate(node->inputs)) {
      auto it = initializers.find(input);
      if (it == initializers.end() || !isFloatInitializer(input))
        continue;
      usesOf[it->first()].push_back(uses.size());
      if (!text.empty())
        calls[text].uses.push_back(uses.size());
      uses.push_back({unsigned(i), unsigned(j), it->first(), std::nullopt});
    }
  }
  for (auto &[text, call] : calls)
    call.operands = metadata.operandsOf(text);
}

void Resolver::claimOwn() {
  for (auto &[text, call] : calls) {
    llvm::StringSet<> operands;
    for (StringRef operand : call.operands)
      operands.insert(operand);
    for (unsigned i : call.uses) {
      StringRef own = ownOf(uses[i].initializer);
      if (own.empty() || !operands.contains(own))
        continue;
      uses[i].claim = own;
      usedAsOwn.insert(uses[i].initializer);
    }
  }
}

/// Gives the operands of a call to uses: to one initializer each, or to one use each, where
/// their numbers agree.
bool Resolver::match(ArrayRef<StringRef> operands, ArrayRef<unsigned> candidates) {
  if (operands.empty() || candidates.empty())
    return false;
  llvm::MapVector<StringRef, SmallVector<unsigned>, llvm::StringMap<unsigned>> distinct;
  for (unsigned i : candidates)
    distinct[uses[i].initializer].push_back(i);
  if (distinct.size() == operands.size()) {
    for (auto [operand, entry] : llvm::zip_equal(operands, distinct))
      for (unsigned i : entry.second)
        uses[i].claim = operand;
    return true;
  }
  if (candidates.size() != operands.size())
    return false;
  for (auto [operand, i] : llvm::zip_equal(operands, candidates))
    uses[i].claim = operand;
  return true;
}

/// The operands of a call that no use has claimed yet stand at its other uses.
void Resolver::claimByCall(Call &call) {
  llvm::StringSet<> claimed;
  SmallVector<unsigned> merged, both;
  bool allAreOwn = llvm::all_of(call.uses, [&](unsigned i) { return uses[i].claim.has_value(); });
  for (unsigned i : call.uses) {
    StringRef name = uses[i].initializer;
    if (uses[i].claim) {
      claimed.insert(*uses[i].claim);
    } else if (usedAsOwn.contains(name)) { // by another call
      merged.push_back(i);
      both.push_back(i);
    } else if (ownOf(name).empty() && !metadata.foldOf(name) &&
               initializers.find(name)->second.type.getRank() > 0) {
      both.push_back(i); // unknown
    }
  }
  SmallVector<StringRef> open, missing, parameters;
  for (StringRef operand : call.operands) {
    if (claimed.contains(operand))
      continue;
    open.push_back(operand);
    if (initializers.contains(operand))
      continue;
    missing.push_back(operand);
    if (metadata.kindOf(operand) == Declared::Parameter)
      parameters.push_back(operand);
  }
  for (ArrayRef<StringRef> operands : {ArrayRef(open), ArrayRef(missing), ArrayRef(parameters)})
    if (match(operands, merged) || match(operands, both))
      return;
  // One initializer may stand for several operands of the call itself, such as a scale and a
  // bias that both start at zero.
  if (allAreOwn && !missing.empty() && call.uses.size() == call.operands.size())
    match(call.operands, call.uses);
}

/// What no call explains is what its name says; where the initializer is read by name
/// elsewhere and has equal elements, a constant that was merged with it.
void Resolver::claimRest() {
  llvm::StringSet<> merged;
  for (StringRef name : usedAsOwn.keys())
    if (isSplat(*weights.find(initializers.find(name)->second.key)))
      merged.insert(name);
  for (auto &[text, call] : calls)
    for (unsigned i : call.uses)
      if (!uses[i].claim && merged.contains(uses[i].initializer))
        uses[i].claim = "";
  for (Use &use : uses)
    if (StringRef own = ownOf(use.initializer); !use.claim && !own.empty())
      use.claim = own;
}

/// The name of the part of `initializer` that stands for `claim`. It is the parameter's own
/// only where it has the parameter's shape for certain: a matrix that was folded may be
/// transposed, and a checkpoint must not claim otherwise.
std::string Resolver::nameSplit(StringRef initializer, StringRef claim, ArrayRef<unsigned> ownUses,
                                ArrayRef<unsigned> claimUses) {
  auto place = [&](unsigned i) {
    return std::pair(allNodes[uses[i].node]->opType(), uses[i].input);
  };
  bool sameShape = metadata.kindOf(initializer) != Declared::No &&
                   (initializers.find(initializer)->second.type.getRank() <= 1 ||
                    (!ownUses.empty() && llvm::all_of(claimUses, [&](unsigned i) {
                      return place(i) == place(ownUses.front());
                    })));
  if (sameShape && !claim.empty() && !taken.contains(claim) && !initializers.contains(claim))
    return claim.str();
  std::string name = (initializer + "@" + (claim.empty() ? "constant" : claim)).str();
  while (taken.contains(name) || initializers.contains(name))
    name += "'";
  return name;
}

void Resolver::splitMerged() {
  for (auto &[initializer, places] : usesOf) {
    // By claim, in the order of uses; null where nothing is known.
    llvm::MapVector<StringRef, SmallVector<unsigned>, llvm::StringMap<unsigned>> claims;
    for (unsigned i : places)
      if (uses[i].claim)
        claims[*uses[i].claim].push_back(i);
    if (claims.empty())
      continue;
    StringRef own = ownOf(initializer);
    StringRef kept = claims.contains(own) ? own : claims.begin()->first;
    auto add = [&](StringRef name, StringRef claim) -> Provenance & {
      Provenance &entry = result.initializers[name];
      entry.declared = claim.empty() ? Declared::Buffer : metadata.kindOf(claim);
      if (claim != name)
        entry.standsFor = claim.str();
      return entry;
    };
    Provenance &entry = add(initializer, kept);
    entry.isOnlyFolded = kept == own && own != initializer && !usedAsOwn.contains(initializer);
    SmallVector<unsigned> ownUses = claims[kept];
    for (auto &[claim, claimUses] : claims) {
      if (claim == kept)
        continue;
      std::string name = nameSplit(initializer, claim, ownUses, claimUses);
      edits.split(initializer, name);
      add(name, claim).splitFrom = initializer.str();
      for (unsigned i : claimUses)
        allNodes[uses[i].node]->inputs[uses[i].input] = name;
    }
  }
}

/// The exporter takes a bias of zeros from a node and notes so. It is the one operand of the
/// call that stands nowhere; it has an element for each channel, dimension 1 of the result.
void Resolver::restoreBiases(const onnx::GraphProto &graph) {
  llvm::StringMap<const onnx::TypeProto *> types;
  for (const auto *values : {&graph.value_info(), &graph.output()})
    for (const onnx::ValueInfoProto &value : *values)
      types[value.name()] = &value.type();
  llvm::StringSet<> found;
  for (const Use &use : uses)
    if (use.claim)
      found.insert(*use.claim);
  for (GraphNode *node : allNodes) {
    if (!node->proto || node->outputs.empty() || !metadata.lostBias(*node->proto))
      continue;
    SmallVector<StringRef> missing = metadata.operandsOf(ExportMetadata::callOf(*node->proto));
    llvm::erase_if(missing, [&](StringRef operand) {
      return found.contains(operand) || initializers.contains(operand) || taken.contains(operand);
    });
    const onnx::TypeProto *type = types.lookup(node->outputs.front());
    if (missing.size() != 1 || metadata.kindOf(missing[0]) != Declared::Parameter || !type ||
        !type->has_tensor_type() || type->tensor_type().shape().dim_size() < 2)
      continue;
    const auto &channels = type->tensor_type().shape().dim(1);
    if (!channels.has_dim_value() || channels.dim_value() < 1 ||
        failed(edits.addZeros(missing[0], type->tensor_type().elem_type(), channels.dim_value())))
      continue;
    node->inputs.push_back(missing[0].str());
    Provenance &entry = result.initializers[missing[0]];
    entry.declared = Declared::Parameter;
    entry.isRestored = true;
  }
}

void Resolver::findLost() {
  llvm::StringSet<> found, mentioned, computed;
  for (const auto &entry : result.initializers)
    found.insert(entry.second.standsFor.empty() ? entry.first()
                                                : StringRef(entry.second.standsFor));
  for (auto &[text, call] : calls)
    for (StringRef operand : call.operands)
      mentioned.insert(operand);
  // Nodes that read no float initializer of the file have calls as well.
  llvm::StringSet<> texts;
  for (const GraphNode *node : allNodes)
    if (StringRef text = node->proto ? ExportMetadata::callOf(*node->proto) : "";
        !text.empty() && !calls.contains(text) && texts.insert(text).second)
      for (StringRef operand : metadata.operandsOf(text))
        mentioned.insert(operand);
  for (auto &[initializer, places] : usesOf)
    if (const SmallVector<StringRef> *fold = metadata.foldOf(initializer)) {
      for (StringRef source : *fold)
        mentioned.insert(source);
      if (ownOf(initializer).empty())
        for (StringRef source : *fold)
          computed.insert(source);
    }
  for (StringRef parameter : metadata.parameters()) {
    bool isThere = found.contains(parameter) || initializers.contains(parameter);
    if (computed.contains(parameter) || (!isThere && mentioned.contains(parameter)))
      result.lost.push_back(parameter.str());
    else if (!isThere)
      result.unmentioned.push_back(parameter.str());
  }
}

/// TorchScript's exporter in evaluation mode replaces equal initializers by one and `Identity`
/// nodes. One that has a parameter's name is a parameter; one without, which was folded, is
/// the same weight again where it serves the same module, else one of a copied module.
void Resolver::splitIdentities(const onnx::GraphProto &graph) {
  llvm::StringSet<> graphOutputs;
  for (const onnx::ValueInfoProto &output : graph.output())
    graphOutputs.insert(output.name());
  llvm::StringMap<llvm::StringSet<>> scopes; // of the nodes that read a value
  for (const GraphNode &node : nodes)
    for (const std::string &input : node.inputs)
      if (node.opType() != "Identity")
        scopes[input].insert(scopeOf(node.name));
  llvm::erase_if(nodes, [&](const GraphNode &node) {
    if (!node.proto || node.opType() != "Identity" || !node.domain.empty() ||
        node.inputs.size() != 1 || node.outputs.size() != 1 ||
        graphOutputs.contains(node.outputs[0]) || initializers.contains(node.outputs[0]) ||
        !isFloatInitializer(node.inputs[0]))
      return false;
    StringRef input = node.inputs[0], output = node.outputs[0];
    bool isSameModule = llvm::any_of(scopes[output].keys(), [&](StringRef scope) {
      return !scope.empty() && scopes[input].contains(scope);
    });
    if (!isTorchParameterName(output) && isSameModule)
      return false;
    edits.split(input, output);
    result.initializers[output].splitFrom = input.str();
    return true;
  });
}

Resolution Resolver::run(const onnx::GraphProto &graph) {
  if (!metadata.hasSignature()) {
    if (metadata.isFromTorch())
      splitIdentities(graph);
    return std::move(result);
  }
  collectUses();
  claimOwn();
  for (auto &[text, call] : calls)
    claimByCall(call);
  claimRest();
  splitMerged();
  restoreBiases(graph);
  findLost();
  return std::move(result);
}

Resolution resolveInitializers(const ExportMetadata &metadata, std::vector<GraphNode> &nodes,
                               const onnx::GraphProto &graph, const Initializers &initializers,
                               const WeightStore &weights, InitializerEdits edits) {
  return Resolver(metadata, nodes, initializers, weights, edits).run(graph);
}
} // namespace ampc
