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
} // namespace ampc
