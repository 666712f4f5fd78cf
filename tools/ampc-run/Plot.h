//===- Plot.h - A run's course as a picture -------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_PLOT_H
#define AMPC_RUN_PLOT_H

#include "Curve.h"

#include <optional>
#include <string>

namespace ampc::run {

/// An SVG of losses, loss scale, skipped steps and learning rate against steps, which needs
/// nothing beside it. It carries `curve` itself as well. There must be a step at least.
std::string drawPlot(const Curve &curve, const std::string &title);

/// The curve that the plot at `path` carries, up to `step`, for a run that goes on from there;
/// nothing where there is no such file. Throws Error where it is something else than a plot.
std::optional<Curve> readPlot(const std::string &path, int64_t step);

/// Draws to `path`, which holds the old picture or the new one. Throws Error.
void writePlot(const std::string &path, const Curve &curve, const std::string &title);

/// Places for marks on an axis from `low` to `high`: about `count` round numbers.
std::vector<double> roundTicks(double low, double high, int count);

} // namespace ampc::run

#endif // AMPC_RUN_PLOT_H
