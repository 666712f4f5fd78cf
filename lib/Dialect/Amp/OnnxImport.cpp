//===- OnnxImport.cpp - Building ops from ONNX nodes ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/AmpBase.h"

using namespace mlir;
using namespace ampc;

namespace {
/// The properties that an op would have with these attributes, for type inference
/// before the op exists.
class PropertyStorage {
public:
  PropertyStorage(OperationName name, DictionaryAttr attributes)
      : name(name), words(llvm::divideCeil(name.getOpPropertyByteSize(), sizeof(uint64_t))) {
    if (words.empty())
      return;
    name.initOpProperties(get(), OpaqueProperties(nullptr));
    valid = succeeded(name.setOpPropertiesFromAttribute(name, get(), attributes, [&] {
      return emitError(UnknownLoc::get(attributes.getContext()));
    }));
  }
  ~PropertyStorage() {
    if (!words.empty())
      name.destroyOpProperties(get());
  }
  OpaqueProperties get() { return words.empty() ? nullptr : words.data(); }
  bool valid = true;

private:
  OperationName name;
  std::vector<uint64_t> words;
};
} // namespace

FailureOr<Operation *> ampc::createChecked(OnnxNode &node, OpBuilder &builder, StringRef name,
                                           ValueRange operands,
                                           ArrayRef<NamedAttribute> attributes) {
  OperationState state(node.loc, name, operands, TypeRange{}, attributes);
  auto *inference = state.name.getInterface<InferTypeOpInterface>();
  assert(inference && "ops that are built from nodes infer their types");

  std::string message;
  LogicalResult inferred = failure();
  {
    // What inference reports becomes the node's own, single error.
    ScopedDiagnosticHandler handler(builder.getContext(), [&](Diagnostic &diagnostic) {
      if (message.empty())
        message = diagnostic.str();
      return success();
    });
    DictionaryAttr dictionary = builder.getDictionaryAttr(attributes);
    PropertyStorage properties(state.name, dictionary);
    if (properties.valid)
      inferred = inference->inferReturnTypes(builder.getContext(), node.loc, operands, dictionary,
                                             properties.get(), {}, state.types);
  }
  if (succeeded(inferred))
    return builder.create(state);
  InFlightDiagnostic error = node.emitError();
  error << (message.empty() ? "its operands do not fit together" : message);
  return error;
}

FailureOr<SmallVector<Value>> ampc::importByOperands(OnnxNode &node, OpBuilder &builder,
                                                     StringRef name) {
  for (auto [i, input] : llvm::enumerate(node.inputs))
    if (!input)
      return node.emitError() << "lacks input " << i;
  FailureOr<Operation *> op = createChecked(node, builder, name, node.inputs);
  if (failed(op))
    return failure();
  return SmallVector<Value>((*op)->getResults());
}
