//===- Module.cpp - A loaded train.so -------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/Module.h"

#include "Core/CpuFeatures.h"
#include "Core/ElfFile.h"
#include "Core/Error.h"

#include <cstdlib>
#include <dlfcn.h>

namespace ampc {

/// With a slash in it, as dlopen looks for a bare name in the library path.
static std::string absolutePath(const std::string &path) {
  std::unique_ptr<char, void (*)(void *)> resolved(::realpath(path.c_str(), nullptr), std::free);
  return resolved ? resolved.get() : path;
}

void Module::Closer::operator()(void *library) const { ::dlclose(library); }

Module::Module(const std::string &path) : file(absolutePath(path)) {
  checkElfHeader(file);
  // dlopen would map a file cut short and fault at the missing pages.
  std::optional<FileRange> weights = findElfSection(file, AMPC_WEIGHTS_SECTION);
  library.reset(::dlopen(file.path().c_str(), RTLD_NOW | RTLD_LOCAL));
  if (!library)
    throw Error(AMPC_STATUS_INCOMPATIBLE, concat("cannot load '", file.path(), "': ", ::dlerror()));
  if (!file.isCurrent())
    throw Error(AMPC_STATUS_IO, concat("'", file.path(),
                                       "' was replaced while "
                                       "it was loaded: open it again"));
  symbol = static_cast<const ampc_module_v1_t *>(::dlsym(library.get(), AMPC_MODULE_SYMBOL));
  if (!symbol)
    throw Error(
        AMPC_STATUS_CORRUPT,
        concat("'", file.path(), "' is no train.so: it does not export " AMPC_MODULE_SYMBOL));
  checkedTables = std::make_unique<Tables>(*symbol, file.path());

  uint64_t present = weights ? weights->bytes : 0;
  uint64_t wanted = tables().header().weights_bytes;
  if (present < wanted)
    throw Error(AMPC_STATUS_CORRUPT,
                concat("'", file.path(), "' holds ", present,
                       " bytes of weights, its tables speak of ", wanted,
                       ": it has been stripped of its section " AMPC_WEIGHTS_SECTION
                       " or cut short"));
  weightsOffset = weights ? weights->offset : 0;
}

void Module::requireHostFeatures() const {
  const ampc_target_entry_t &host = tables().header().targets[AMPC_TARGET_HOST];
  std::string names;
  for (const std::string &feature : missingCpuFeatures(tables().string(host.features)))
    names += (names.empty() ? "" : ", ") + feature;
  if (!names.empty())
    throw Error(AMPC_STATUS_INCOMPATIBLE,
                concat("the host code of '", path(), "' needs ", names,
                       ", which this processor lacks: recompile the model "
                       "with ampc on this machine, or with "
                       "--host-cpu=x86-64-v2 or another level that it has"));
}

} // namespace ampc
