//===- StandInCuda.h - What tests ask of the stand-in driver -----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// libampc_standin_cuda.so, libampc_standin_cublaslt.so and libampc_standin_cudnn.so
// take the place of libcuda, libcublasLt and libcudnn: they record every call and
// execute the work on the CPU. Kernels run as the PTX that the driver is given
// (PtxInterpreter.h), or, where AMPC_SIMT_LIBRARY has them compiled for the host, so.
// Work runs as late as CUDA allows, when something waits for it, so that a missing wait
// shows. A cubin without such a library is refused, as by a driver that is too old. Memory starts
// as NaN, device addresses are no addresses of the host, and every range that is touched is
// checked.
//
// The environment, read at the first call and by reset():
//   AMPC_SIMT_LIBRARY            kernels compiled for the host (SimtFormat.h)
//   AMPC_STANDIN_INTERPRET=1     their PTX runs even so, and is checked for writes
//                                beside the bytes that the library tells of parameters
//   AMPC_STANDIN_FAIL=N[:ERROR]  the N-th call fails with the number ERROR. One
//                                that gives something back does so before.
//   AMPC_STANDIN_SEED=N          the order of threads and blocks; 0: natural
//   AMPC_STANDIN_DEVICES=N, _ARCH=N, _MEMORY=BYTES, _DRIVER_VERSION=N,
//   _CUDNN_VERSION=N, _CUDNN_CUDA=N (the CUDA that cuDNN is made for)
//   AMPC_STANDIN_CUDNN_NO_ENGINES=1  cuDNN has none for any convolution
//   AMPC_STANDIN_TRACE=FILE      written at exit: one JSON object a line
//   AMPC_STANDIN_REPORT=FILE     written at exit: leaks and misuse, or "ok"
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_STANDINCUDA_H
#define AMPC_TEST_STANDIN_STANDINCUDA_H

#include <cstdint>
#include <string>
#include <vector>

#define AMPC_STANDIN_API __attribute__((visibility("default")))

namespace ampc::standin {

/// A call of a function, or a piece of work when it ran.
struct Event {
  struct Argument {
    uint64_t address = 0, bytes = 0;
    uint64_t changed = 0; ///< bytes that a kernel left different
  };

  /// "cuMemAlloc", ...; of work "launch", "matmul", "convolution", "copy", "upload", "download"
  /// or "fill" (cuMemsetD8Async, cuMemsetD16Async).
  std::string name;
  bool isWork = false;
  std::string detail;    ///< kernel; "cubin" or "ptx" and the image's hash
  bool captured = false; ///< a call that went into a graph, work out of one
  /// Of a launch its pointer parameters; else what is read, then what is written.
  std::vector<Argument> arguments;
  uint64_t readBytes = 0, writtenBytes = 0; ///< of work other than launches
};

/// Forgets everything and reads the environment anew. Nothing may be alive.
AMPC_STANDIN_API void reset();
/// What has happened since reset() or the last call.
AMPC_STANDIN_API std::vector<Event> takeEvents();
/// Calls since reset(), as AMPC_STANDIN_FAIL counts them.
AMPC_STANDIN_API uint64_t callCount();
/// What has not been given back, one a line.
AMPC_STANDIN_API std::string leaks();
/// What a correct program does not do, one a line.
AMPC_STANDIN_API std::string misuse();

} // namespace ampc::standin

#endif // AMPC_TEST_STANDIN_STANDINCUDA_H
