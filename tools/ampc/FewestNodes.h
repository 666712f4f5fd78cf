//===- FewestNodes.h - The fewest of a list that reach a target -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TOOLS_AMPC_FEWESTNODES_H
#define AMPC_TOOLS_AMPC_FEWESTNODES_H

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

namespace ampc {

/// What a search has found.
struct FewestNodes {
  std::vector<size_t> kept; ///< in rising order
  double error = 0;         ///< with these
  bool reaches = false;     ///< the target; if not, `kept` is what came closest
  bool isMinimal = false;   ///< none of them can be left out: the trials sufficed to see that
};

/// Looks for few of the candidates 0 to `costs.size()` - 1 with which `measure` finds an error of
/// at most `target`. `order` has the likeliest candidates first; `costs` decides which of several
/// are left out first. `measure` is called at most `trials` times, each time with another set in
/// rising order; nothing that it returns ends the search.
///
/// The shortest beginning of `order` that reaches the target is found by doubling and halving, as
/// if each further candidate made the error smaller; then parts of it are left out, halves first
/// and single ones last, as long as the target is reached without them. So what is found is
/// measured, whatever `order` is worth, and a good order makes it quick.
std::optional<FewestNodes>
findFewest(const std::vector<size_t> &order, const std::vector<double> &costs, double target,
           size_t trials,
           const std::function<std::optional<double>(const std::vector<size_t> &)> &measure);

} // namespace ampc

#endif // AMPC_TOOLS_AMPC_FEWESTNODES_H
