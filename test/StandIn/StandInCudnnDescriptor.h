//===- StandInCudnnDescriptor.h - Descriptors of cuDNN's backend -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_STANDINCUDNNDESCRIPTOR_H
#define AMPC_TEST_STANDIN_STANDINCUDNNDESCRIPTOR_H

#include "StandInCudnnGraph.h"

namespace ampc::standin {

/// A descriptor: a kind, and attributes of elements of a type.
class CudnnDescriptor {
public:
  using Others = std::vector<std::shared_ptr<CudnnDescriptor>>;

  explicit CudnnDescriptor(int kind) : kind(kind) {}
  static bool isKnown(int kind);

  /// These say in `problem` what a correct program does not do, and return false then.
  bool set(int attribute, int type, int64_t count, const void *elements, Others others,
           std::string &problem);
  bool get(int attribute, int type, std::vector<int64_t> &numbers, Others &made,
           std::string &problem) const;
  /// CUDNN_STATUS_NOT_SUPPORTED is no mistake of the program's.
  cudnnStatus_t finalize(std::string &problem);

  bool has(int attribute) const { return attributes.count(attribute); }
  /// Of an attribute that is there.
  std::vector<int64_t> integers(int attribute) const;

  const int kind;
  bool isFinalized = false;
  /// Of a graph and what is made from it.
  std::shared_ptr<const CudnnConvolution> graph;
  CudnnEngine engine = CudnnEngine::Plain;

private:
  struct Attribute {
    int type;
    int64_t count;
    std::vector<char> bytes;
    Others others;
  };

  int64_t integer(int attribute) const { return integers(attribute).at(0); }
  const CudnnDescriptor &other(int attribute) const { return *attributes.at(attribute).others[0]; }
  cudnnStatus_t finalizeTensor(std::string &problem);
  cudnnStatus_t finalizeWindow(std::string &problem);
  cudnnStatus_t finalizeConvolution(std::string &problem);
  cudnnStatus_t finalizeGraph(std::string &problem);

  std::map<int, Attribute> attributes;
  std::optional<CudnnTensor> tensor;
  std::optional<CudnnWindow> window;
  std::optional<CudnnConvolution> convolution; ///< of an operation
};

} // namespace ampc::standin

#endif // AMPC_TEST_STANDIN_STANDINCUDNNDESCRIPTOR_H
