//===- MarkParameters.h - Which variables are trained --------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_MARKPARAMETERS_H
#define AMPC_LIB_IMPORT_MARKPARAMETERS_H

#include "ResolveInitializers.h"
#include "ampc/Dialect/Amp/Ops/State.h"

namespace ampc {

/// Decides which float variables of @main are parameters, and which of these are trained;
/// docs/Parameters.md has the rule. Of those that reach a float result through
/// differentiable operands, parameters are
///
/// - where PyTorch's exporter declares parameters: what `resolution` says stands for one.
///   Parameters that nothing stands for are an error, unless `allowLostParameters` or
///   `trainRegex` is set;
/// - elsewhere: those whose value, name and use do not tell a constant. What was decided so
///   is told in remarks and notes.
///
/// Two that hold one weight, as it is and transposed, become one. All parameters are trained,
/// unless `trainRegex` is set: then those that match it are, and with them what the rule took
/// for a constant; or `freezeRegex` matches: these are not. The others get the role
/// `constant`. A regex that matches none is an error. Nothing is told, and nothing lost,
/// where `trains` is off.
LogicalResult markParameters(ModuleOp module, WeightStore &weights, const ImportOptions &options,
                             const ExportMetadata &metadata, Resolution resolution);

/// The names of the variables that reach one of `roots`, values of one function, through
/// differentiable float operands.
llvm::StringSet<> variablesReaching(ArrayRef<Value> roots);

/// Makes one variable of two that hold one weight of the network: the uses of `second`
/// become those of `first`, reshaped or transposed. Fails, and changes nothing, where their
/// bits are no such view of each other. `preferTranspose`: where both views fit, as in a
/// symmetric matrix, takes the transpose.
LogicalResult tieVariables(VariableOp first, VariableOp second, const WeightStore &weights,
                           bool preferTranspose);

/// On a variable whose uses have become those of another: that one's name, and whether it is its
/// transpose.
constexpr llvm::StringLiteral kTiedToAttr = "amp.tied_to", kTransposedAttr = "amp.transposed";

/// Pairs of float matrices, each the bit for bit transpose of the other and both where layers
/// have weights: an exporter folded a weight that is used twice. `candidates` stand in weights'
/// places. A matrix with fewer than 8 different values proves nothing.
SmallVector<std::pair<VariableOp, VariableOp>> findTransposes(ArrayRef<VariableOp> candidates,
                                                              const WeightStore &weights);

} // namespace ampc

#endif // AMPC_LIB_IMPORT_MARKPARAMETERS_H
