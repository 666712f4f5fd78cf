//===- NodeLocation.cpp - Locations that carry ONNX nodes -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Support/NodeLocation.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace ampc {
Location getNodeLocation(MLIRContext *context, StringRef model, unsigned number, StringRef name,
                         StringRef opType) {
  Location place = FileLineColLoc::get(context, model, number, 0);
  Location node = FusedLoc::get({place}, StringAttr::get(context, opType), context);
  return NameLoc::get(StringAttr::get(context, name), node);
}

/// The outermost NameLocs of a location, in order. Call sites stand for their callee.
static void collectNodes(Location loc, SmallVectorImpl<NameLoc> &nodes) {
  llvm::TypeSwitch<Location>(loc)
      .Case([&](NameLoc name) { nodes.push_back(name); })
      .Case([&](FusedLoc fused) {
        for (Location part : fused.getLocations())
          collectNodes(part, nodes);
      })
      .Case([&](CallSiteLoc call) { collectNodes(call.getCallee(), nodes); });
}

SmallVector<StringRef> getNodeNames(Location loc) {
  SmallVector<NameLoc> nodes;
  collectNodes(loc, nodes);
  SmallVector<StringRef> names;
  llvm::SmallDenseSet<StringAttr> known; // kernels of many nodes have long lists
  for (NameLoc node : nodes)
    if (known.insert(node.getName()).second)
      names.push_back(node.getName());
  return names;
}

StringRef getNodeType(Location loc) {
  SmallVector<NameLoc> nodes;
  collectNodes(loc, nodes);
  if (nodes.empty())
    return "";
  auto node = dyn_cast<FusedLoc>(nodes.front().getChildLoc());
  auto type = node ? dyn_cast_or_null<StringAttr>(node.getMetadata()) : StringAttr();
  return type ? type.getValue() : "";
}

//===----------------------------------------------------------------------===//
// Names of results
//===----------------------------------------------------------------------===//

static constexpr StringRef kValue = "value", kGradient = "gradient";

/// The names beside a node's place: what they are, then one for each result; null where there are
/// none.
static ArrayAttr getNames(NameLoc node) {
  auto fused = dyn_cast<FusedLoc>(node.getChildLoc());
  if (fused)
    for (Location part : fused.getLocations())
      if (auto names = dyn_cast<FusedLoc>(part))
        if (auto list = dyn_cast_or_null<ArrayAttr>(names.getMetadata()))
          return list;
  return {};
}

/// The node at `node` with `names` in place of those that it has.
static Location withNames(NameLoc node, ArrayAttr names) {
  MLIRContext *context = node.getContext();
  SmallVector<Location> parts;
  Attribute type = StringAttr::get(context, "");
  if (auto fused = dyn_cast<FusedLoc>(node.getChildLoc())) {
    type = fused.getMetadata();
    for (Location part : fused.getLocations())
      if (auto inner = dyn_cast<FusedLoc>(part);
          !inner || !isa_and_present<ArrayAttr>(inner.getMetadata()))
        parts.push_back(part);
  } else if (!isa<UnknownLoc>(node.getChildLoc())) {
    parts.push_back(node.getChildLoc());
  }
  parts.push_back(FusedLoc::get({UnknownLoc::get(context)}, names, context));
  return NameLoc::get(node.getName(), FusedLoc::get(parts, type, context));
}

/// Whether a location only lists those of an op's results; see joinResults.
static ArrayAttr getJoined(FusedLoc fused) {
  auto list = dyn_cast_or_null<ArrayAttr>(fused.getMetadata());
  return list && (list.empty() || isa<LocationAttr>(list[0])) ? list : ArrayAttr();
}

/// `loc` with `rename` done to its last node.
static Location renameLast(Location loc, llvm::function_ref<Location(NameLoc)> rename) {
  if (auto node = dyn_cast<NameLoc>(loc))
    return rename(node);
  if (auto call = dyn_cast<CallSiteLoc>(loc))
    return renameLast(call.getCallee(), rename);
  auto fused = dyn_cast<FusedLoc>(loc);
  if (!fused)
    return loc;
  SmallVector<Location> parts(fused.getLocations());
  parts.back() = renameLast(parts.back(), rename);
  Attribute metadata = getJoined(fused) ? Attribute() : fused.getMetadata();
  return FusedLoc::get(parts, metadata, loc.getContext());
}

Location nameResults(Location loc, ArrayRef<StringRef> values, bool isGradient) {
  MLIRContext *context = loc.getContext();
  SmallVector<Attribute> names{StringAttr::get(context, isGradient ? kGradient : kValue)};
  for (StringRef value : values)
    names.push_back(StringAttr::get(context, value));
  return renameLast(loc,
                    [&](NameLoc node) { return withNames(node, ArrayAttr::get(context, names)); });
}

Location nameNoResult(Location loc) {
  return nameResults(loc, {}, getResultName(loc, 0).isGradient);
}

/// The part of a location that names result `result`, and as which of its own. Where ops were put
/// together that is the last one, or the first one where that lists its results: MLIR's patterns
/// begin with the op that stays.
static std::pair<NameLoc, unsigned> findNames(Location loc, unsigned result) {
  if (auto node = dyn_cast<NameLoc>(loc))
    return {node, result};
  if (auto call = dyn_cast<CallSiteLoc>(loc))
    return findNames(call.getCallee(), result);
  auto fused = dyn_cast<FusedLoc>(loc);
  if (!fused)
    return {};
  if (ArrayAttr joined = getJoined(fused); joined && result < joined.size())
    return findNames(Location(cast<LocationAttr>(joined[result])), 0);
  auto first = dyn_cast<FusedLoc>(fused.getLocations().front());
  return findNames(first && getJoined(first) ? Location(first) : fused.getLocations().back(),
                   result);
}

Location pickResult(Location loc, unsigned result) {
  ResultName name = getResultName(loc, result);
  auto node = findNames(loc, result).first;
  return node ? nameResults(node, name.value, name.isGradient) : loc;
}

Location joinResults(Location loc, ArrayRef<Location> results) {
  auto attributes = llvm::map_to_vector(results, [](Location l) -> Attribute { return l; });
  return FusedLoc::get({loc}, ArrayAttr::get(loc.getContext(), attributes), loc.getContext());
}

ResultName getResultName(Location loc, unsigned result) {
  ResultName name;
  auto [node, index] = findNames(loc, result);
  if (!node)
    return name;
  name.node = node.getName();
  name.type = getNodeType(node);
  if (ArrayAttr names = getNames(node)) {
    name.isGradient = cast<StringAttr>(names[0]).getValue() == kGradient;
    if (index + 1 < names.size())
      name.value = cast<StringAttr>(names[index + 1]).getValue();
  }
  return name;
}
} // namespace ampc
