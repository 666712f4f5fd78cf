//===- Accuracy.cpp - How many rows are classified rightly ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Accuracy.h"

#include <limits>

using namespace ampc::run;

bool Accuracy::isPair(const TensorSpec &label, const TensorSpec &scores) {
  return label.label && isInteger(label.type) && label.shape.size() == 1 && isFloat(scores.type) &&
         scores.batched && scores.batchAxis == 0 && scores.shape.size() == 2 &&
         scores.shape[0] == label.shape[0] && scores.shape[1] > 1;
}

void Accuracy::add(const void *labels, const void *scores, uint64_t rows) {
  auto classes = static_cast<uint64_t>(scoresSpec->shape[1]);
  size_t labelSize = elementSize(labelSpec->type);
  size_t scoreSize = elementSize(scoresSpec->type);
  auto *labelAt = static_cast<const char *>(labels);
  auto *scoreAt = static_cast<const char *>(scores);
  for (uint64_t row = 0; row < rows; ++row, labelAt += labelSize) {
    double wanted = elementAsDouble(labelSpec->type, labelAt);
    double largest = -std::numeric_limits<double>::infinity();
    uint64_t best = classes;
    for (uint64_t i = 0; i < classes; ++i, scoreAt += scoreSize) {
      double score = elementAsDouble(scoresSpec->type, scoreAt);
      if (score > largest || (score == largest && best == classes)) {
        largest = score;
        best = i;
      }
    }
    if (wanted < 0 || wanted >= double(classes)) {
      ++ignoredRows;
      continue;
    }
    ++countedRows;
    rightRows += double(best) == wanted;
  }
}
