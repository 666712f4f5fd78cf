//===- CudaTestModules.h - Modules for the host and for CUDA -----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_CUDATESTMODULES_H
#define AMPC_TEST_STANDIN_CUDATESTMODULES_H

#include "../Runtime/TableWriter.h"

#include <string>
#include <vector>

namespace ampc::test {

/// The files of a module with both targets.
struct TestFiles {
  std::string module;  ///< train.so
  std::string kernels; ///< its .simt.so
};

/// Device code that a test module claims to hold.
struct TestImage {
  unsigned arch = 80;
  bool isPtx = true;
};

/// Gives `writer`'s programs for the host a twin for CUDA, at the same places of
/// the arena and with the same kernels, and builds both files under `name` in
/// this process's folder. The bytes of the images are made up; a module without
/// kernels has none.
TestFiles buildForCuda(TableWriter writer, const std::string &name,
                       const std::vector<TestImage> &images = {{}});
/// What the stand-in's trace calls the image.
std::string describeImage(const TestImage &image);

/// A classifier of one layer, logits = x w^T + bias on 4 rows of 80 features and
/// 3 classes, in f16 with masters, momentum, loss scaling and every kind of
/// step. Inputs: x f32 [4, 80], target i64 [4]. Outputs of EVAL: logits f32
/// [4, 3], loss f32 []. The loss is the mean squared distance from the target's
/// row of the unit matrix. State: w, bias, ampc.momentum/w, the scalars.
TableWriter makeClassifier(bool hasScaler = true);
/// Built once in this process.
const TestFiles &classifier(bool hasScaler = true);

} // namespace ampc::test

#endif // AMPC_TEST_STANDIN_CUDATESTMODULES_H
