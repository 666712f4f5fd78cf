//===- CudaTestSupport.h - Sessions on the stand-in driver -------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_CUDATESTSUPPORT_H
#define AMPC_TEST_STANDIN_CUDATESTSUPPORT_H

#include "../Runtime/TestSupport.h"
#include "CudaTestModules.h"
#include "StandInCuda.h"

#include <map>
#include <utility>

namespace ampc::test {

/// Points the runtime at the stand-in, with the kernels of `module` and other
/// environment variables, for as long as it lives. At its end it expects that
/// nothing is left and nothing was misused.
class StandIn {
public:
  explicit StandIn(const TestFiles &module,
                   std::vector<std::pair<const char *, std::string>> more = {});
  ~StandIn();
  StandIn(const StandIn &) = delete;
  /// The end is not one of a correct program.
  void expectMisuse() { isMisused = true; }

private:
  std::vector<const char *> variables;
  bool isMisused = false;
};

ampc_status_t createSession(ampc_module_t *module, ampc_device_t device, ampc_session_t **session,
                            int ordinal = 0);

/// A session on one device; destroyed at its end.
struct Session {
  Session(ampc_module_t *module, ampc_device_t device) {
    expectOk(createSession(module, device, &handle));
  }
  ~Session() { ampc_session_destroy(handle); }
  Session(const Session &) = delete;
  operator ampc_session_t *() const { return handle; }

  ampc_session_t *handle = nullptr;
};

/// A batch for the classifier, another one for each `number`.
struct ClassifierBatch {
  explicit ClassifierBatch(int number = 0);
  ampc_status_t step(ampc_session_t *session, ampc_step_info_t *info);

  Tensor<float> x;
  Tensor<int64_t> target;
};

ampc_step_info_t emptyInfo();
std::vector<float> getTensor(ampc_session_t *session, const char *name, std::vector<int64_t> shape);
/// Everything in the classifier's checkpoint but its metadata.
std::vector<float> classifierState(ampc_session_t *session);
/// Expects that the device ran, out of a graph, the training steps that
/// ampc_module_inspect shows, with the same kernels, arguments and bytes, and that
/// each kernel changed only what it may write. Returns their number.
int expectAsInspected(const TestFiles &files, const std::vector<standin::Event> &events);
void expectNear(const std::vector<float> &got, const std::vector<float> &want, float tolerance);

} // namespace ampc::test

#endif // AMPC_TEST_STANDIN_CUDATESTSUPPORT_H
