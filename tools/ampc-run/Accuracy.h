//===- Accuracy.h - How many rows are classified rightly ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_ACCURACY_H
#define AMPC_RUN_ACCURACY_H

#include "Api.h"

#include <optional>

namespace ampc::run {

/// Counts the rows whose largest element is where the label says. NaN is never
/// the largest, and of equal ones the first is. Rows whose label is no class,
/// such as an ignored one, do not count.
class Accuracy {
public:
  /// The first float output [batch, classes] and integer label [batch] of a
  /// module; nothing where there are none. `has` tells whether the data holds
  /// an input.
  template <typename Has>
  static std::optional<Accuracy> find(const Module &module, Has has) {
    for (const TensorSpec &label : module.inputs())
      for (const TensorSpec &scores : module.outputs())
        if (isPair(label, scores) && has(label.name))
          return Accuracy(label, scores);
    return std::nullopt;
  }

  const TensorSpec &label() const { return *labelSpec; }
  const TensorSpec &scores() const { return *scoresSpec; }

  /// Adds the first `rows` rows of a batch.
  void add(const void *labels, const void *scores, uint64_t rows);
  /// Forgets all rows.
  void restart() { rightRows = countedRows = ignoredRows = 0; }

  uint64_t right() const { return rightRows; }
  uint64_t counted() const { return countedRows; }
  uint64_t ignored() const { return ignoredRows; }

private:
  Accuracy(const TensorSpec &label, const TensorSpec &scores)
      : labelSpec(&label), scoresSpec(&scores) {}
  static bool isPair(const TensorSpec &label, const TensorSpec &scores);

  const TensorSpec *labelSpec, *scoresSpec;
  uint64_t rightRows = 0, countedRows = 0, ignoredRows = 0;
};

} // namespace ampc::run

#endif // AMPC_RUN_ACCURACY_H
