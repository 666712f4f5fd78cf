/*===- Header.c - ampc.h is C -------------------------------------*- C -*-===*\
|*                                                                            *|
|* Part of the ampc project, under the Apache License v2.0 with LLVM          *|
|* Exceptions. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception        *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

#include "ampc-runtime/ampc.h"

#include <stdio.h>
#include <string.h>

/* Fails to open what does not exist, and tells of it. */
int main(void) {
  ampc_module_t *module = NULL;
  ampc_status_t status = ampc_module_open("/nowhere/train.so", &module);
  int right = ampc_status_code(status) == AMPC_STATUS_NOT_FOUND &&
              strstr(ampc_status_message(status), "/nowhere") != NULL;
  printf("ampc %s: %s\n", ampc_version(), ampc_status_message(status));
  ampc_status_free(status);
  return right ? 0 : 1;
}
