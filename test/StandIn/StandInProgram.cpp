//===- StandInProgram.cpp - A program that uses a CUDA device -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// For StandInTest: retains a context, and at its end releases or forgets it.
//
//===----------------------------------------------------------------------===//

#include "Cuda/CudaContext.h"

#include <cstdlib>
#include <cstring>

int main(int argc, char **argv) {
  ampc::CudaDriver driver = ampc::CudaDriver::load();
  ampc::CudaContext context(driver, 0);
  if (argc > 1 && std::strcmp(argv[1], "forget") == 0)
    std::exit(0); // destroys no local object
  return 0;
}
